//! Asking a provider, and what it says.

use std::{ops::ControlFlow, time::Duration};

use greenroom_providers::{ChatCall, Credential, Deadlines, EmbedCall, ModelInfo, Provider, Sink, SinkState};
use greenroom_wire::{ChatError, ChatEvent, ChatRequest, EmbedRequest, Embeddings, Message};

pub(crate) const KEY: &str = "sk-sentinel-4711";
pub(crate) const PROMPT: &str = "a prompt that nobody else may read";

const DEADLINES: Deadlines = Deadlines {
    first_content: Duration::from_secs(2),
    idle: Duration::from_secs(1),
    silent: Duration::from_secs(2),
    finish: Duration::from_millis(100),
};

#[derive(Default)]
struct Heard(Vec<ChatEvent>);

impl Sink for Heard {
    fn take(&mut self, events: &mut Vec<ChatEvent>) -> SinkState {
        self.0.append(events);
        ControlFlow::Continue(())
    }
}

/// A request of one text.
pub(crate) fn plain() -> ChatRequest {
    ChatRequest { messages: vec![Message::user(PROMPT)], ..ChatRequest::default() }
}

/// What was said, and how it ended.
pub(crate) async fn ask_with(
    provider: &dyn Provider,
    request: &ChatRequest,
    info: &ModelInfo,
    credential: &Credential,
) -> (Vec<ChatEvent>, Result<(), ChatError>) {
    let call = ChatCall { request, model: &info.id, info, provider: "own", credential, deadlines: &DEADLINES };
    let mut heard = Heard::default();
    let outcome = provider.chat(call, &mut heard).await;
    (heard.0, outcome)
}

/// The same by a key, of a model of which nothing is known.
pub(crate) async fn ask(provider: &dyn Provider, request: &ChatRequest) -> (Vec<ChatEvent>, Result<(), ChatError>) {
    ask_with(provider, request, &ModelInfo::named("m"), &Credential::Key(KEY.into())).await
}

pub(crate) fn text(events: &[ChatEvent]) -> String {
    events
        .iter()
        .filter_map(|event| if let ChatEvent::Text { delta } = event { Some(delta.as_str()) } else { None })
        .collect()
}

pub(crate) async fn count(provider: &dyn Provider, request: &ChatRequest) -> Result<u64, ChatError> {
    let (info, credential) = (ModelInfo::named("m"), Credential::Key(KEY.into()));
    let call =
        ChatCall { request, model: "m", info: &info, provider: "own", credential: &credential, deadlines: &DEADLINES };
    provider.count_tokens(call).await
}

pub(crate) async fn embed(
    provider: &dyn Provider,
    input: Vec<greenroom_wire::EmbedInput>,
) -> Result<Embeddings, ChatError> {
    let request = EmbedRequest { input, ..EmbedRequest::default() };
    let credential = Credential::Key(KEY.into());
    let limit = Duration::from_secs(5);
    provider.embed(EmbedCall { request: &request, model: "e", credential: &credential, limit }).await
}
