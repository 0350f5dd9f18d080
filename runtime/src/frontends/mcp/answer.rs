//! An answer as the result of a call, told as it comes to a client that asked for that.

use greenroom_actors::session::event::{EventBody, LogEvent};
use greenroom_wire::{
    ChatError, ErrorKind, Part,
    error::ErrorDetails,
    fold::{Fold, Folded},
};
use rmcp::{
    RoleServer,
    model::{CallToolResult, ContentBlock, MetaObject, ProgressNotificationParam, ProgressToken},
    service::{Peer, RequestContext},
};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{log::Log, tools::Call};
use crate::{Caller, ChatRequest, Runtime, event::Failure, frontends::http::NotAllowed, heeded};

/// Where a failure stands in a result, all of it, for who wants more than words.
const FAILURE: &str = "greenroom/failure";

/// Tells a client what becomes of an answer: how far it is, and what happened on the way.
pub(super) struct Telling {
    progress: Option<Progress>,
    log: Log,
}

/// Tells a client how far an answer is.
struct Progress {
    peer: Peer<RoleServer>,
    token: ProgressToken,
    /// Bytes of text and thinking so far: it only ever grows, as the protocol has it.
    said: u64,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    Failed(ChatError),
    /// The client gave it up.
    Cancelled,
}

/// An answer, and who gave it.
#[derive(Debug)]
pub(super) struct Said {
    folded: Folded,
    provider: String,
    /// The provider's id of the model.
    model: String,
}

impl Telling {
    /// What the client asked to be told; without `progress`, no text before its end.
    pub(super) fn of(call: &Call<'_>, progress: bool) -> Self {
        Self { progress: Progress::of(call.context).filter(|_| progress), log: call.log.clone() }
    }

    fn is_nothing(&self) -> bool {
        self.progress.is_none() && self.log.is_nothing()
    }

    /// Tells what events say. It waits for the client to take it, and so does nobody but this answer's reader.
    pub(super) async fn tell(&mut self, events: &[LogEvent]) {
        self.log.events(events).await;
        if let Some(progress) = &mut self.progress {
            progress.tell(events).await;
        }
    }
}

impl Progress {
    /// For a client that asked to be told.
    fn of(context: &RequestContext<RoleServer>) -> Option<Self> {
        let token = context.meta.get_progress_token()?;
        Some(Self { peer: context.peer.clone(), token, said: 0 })
    }

    /// Tells what events say: the text since the last time, merged.
    async fn tell(&mut self, events: &[LogEvent]) {
        let mut text = String::new();
        let before = self.said;
        for event in events {
            match &event.body {
                EventBody::Text { delta } | EventBody::Refusal { delta } => {
                    text.push_str(delta);
                    self.said += delta.len() as u64;
                }
                EventBody::Thinking { delta } => self.said += delta.len() as u64,
                _ => {}
            }
        }
        if self.said == before {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "no answer has 2^53 bytes")]
        let mut told = ProgressNotificationParam::new(self.token.clone(), self.said as f64);
        if !text.is_empty() {
            told = told.with_message(text);
        }
        // A client that is gone is noticed by what cancels the call.
        let _gone = self.peer.notify_progress(told).await;
    }
}

/// Asks for an answer and waits for all of it. Giving it up cancels, up to the provider's socket.
pub(super) async fn ask(
    runtime: &Runtime,
    request: ChatRequest,
    caller: Caller,
    mut telling: Telling,
    cancelled: &CancellationToken,
) -> Result<Said, NoAnswer> {
    let events = async {
        if telling.is_nothing() {
            return runtime.chat_events(request, caller).await;
        }
        let mut answer = runtime.stream(request, caller);
        let mut events = Vec::new();
        while let Some(mut more) = answer.pull().await {
            telling.tell(&more).await;
            events.append(&mut more);
        }
        events
    };
    tokio::select! {
        events = events => Said::of(events).map_err(NoAnswer::Failed),
        () = cancelled.cancelled() => Err(NoAnswer::Cancelled),
    }
}

impl Said {
    /// Reads the log of an answer.
    ///
    /// # Errors
    /// It failed, was cancelled, or does not say how it ended.
    pub(super) fn of(events: Vec<LogEvent>) -> Result<Self, ChatError> {
        let mut fold = Fold::new("", "");
        let (mut provider, mut model, mut ended) = (String::new(), String::new(), false);
        for LogEvent { body, .. } in heeded(events) {
            match &body {
                EventBody::TurnFailed { error } | EventBody::Error { error } => return Err(error.clone().into()),
                EventBody::TurnCancelled => {
                    return Err(ChatError::new(ErrorKind::Cancelled, "the answer was cancelled").with_hint("ask again"));
                }
                EventBody::Route { provider: by, model: of, .. } => {
                    fold.said_by(by, of);
                    by.clone_into(&mut provider);
                    of.clone_into(&mut model);
                }
                // The turn goes on once somebody has said what the calls gave, which is not waited for.
                EventBody::TurnFinished { .. } | EventBody::TurnWaiting { .. } => ended = true,
                _ => {}
            }
            body.into_chat().into_iter().for_each(|event| fold.push(event));
        }
        if !ended {
            let error = ChatError::new(ErrorKind::Server, "the answer broke off inside greenroom");
            return Err(error.with_hint("its log says where, please report it"));
        }
        Ok(Self { folded: fold.finish(), provider, model })
    }

    pub(super) fn text(&self) -> String {
        let texts = self.folded.message.parts.iter().filter_map(|part| match part {
            Part::Text { text, .. } => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// What a program reads of it, as [`schema`] says.
    pub(super) fn fields(&self) -> Map<String, Value> {
        let Self { folded, provider, model } = self;
        let mut fields = Map::new();
        fields.insert("text".into(), self.text().into());
        fields.insert("provider".into(), provider.as_str().into());
        fields.insert("model".into(), model.as_str().into());
        let finish = folded.finish.as_ref().map_or(Value::Null, |reason| json!(reason));
        // One of a provider's own is an object of its word.
        let word = match &finish {
            Value::String(word) => word.as_str(),
            Value::Object(other) => other.values().next().and_then(Value::as_str).unwrap_or("other"),
            _ => "tool_calls",
        };
        fields.insert("finish_reason".into(), word.into());
        if let Some(usage) = &folded.usage {
            let told = json!({
                "input_tokens": usage.input_total(), "output_tokens": usage.output, "reasoning_tokens": usage.reasoning,
            });
            fields.insert("usage".into(), told);
        }
        let calls = folded.message.parts.iter().filter_map(|part| match part {
            Part::ToolCall { id, name, arguments, .. } => Some(json!({"id": id, "name": name, "arguments": arguments})),
            _ => None,
        });
        let calls: Vec<Value> = calls.collect();
        if !calls.is_empty() {
            fields.insert("tool_calls".into(), calls.into());
        }
        fields
    }

    /// The result of a call that asked for it alone.
    pub(super) fn result(&self, more: Map<String, Value>) -> CallToolResult {
        let mut fields = self.fields();
        fields.extend(more);
        let mut result = CallToolResult::success(vec![ContentBlock::text(self.text())]);
        result.structured_content = Some(fields.into());
        result
    }
}

/// What [`Said::fields`] gives, as a schema.
pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "text": {"type": "string", "description": "What the model said"},
            "provider": {"type": "string", "description": "The configured provider that answered"},
            "model": {"type": "string", "description": "Its model"},
            "finish_reason": {"type": "string", "description": "Why the answer ended: stop, length, tool_calls, …"},
            "usage": {
                "type": "object",
                "properties": {
                    "input_tokens": {"type": "integer"},
                    "output_tokens": {"type": "integer"},
                    "reasoning_tokens": {"type": "integer"},
                },
                "required": ["input_tokens", "output_tokens"],
            },
            "tool_calls": {"type": "array", "items": {"type": "object"}},
            "session": {"type": "string", "description": "The conversation in which it was said"},
        },
        "required": ["text", "provider", "model", "finish_reason"],
    })
}

/// A failure of what a call did: told as a result, so that the client's model reads it.
pub(super) fn failed(error: &ChatError) -> CallToolResult {
    let failure = Failure::from(error);
    let who = match (&failure.provider, &failure.model) {
        (Some(provider), Some(model)) => format!("{provider}/{model}: "),
        _ => String::new(),
    };
    let mut text = format!("{who}{}", failure.message);
    if failure.attempts.len() > 1 {
        for attempt in &failure.attempts {
            text.push_str(&format!("\n- {}: {}", attempt.provider.as_deref().unwrap_or("?"), attempt.message));
        }
    }
    text.push('\n');
    text.push_str(failure.hint.as_deref().unwrap_or_else(|| hint_of(failure.kind)));
    let mut meta = MetaObject::new();
    meta.insert(FAILURE.to_owned(), json!(failure));
    let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
    result.meta = Some(meta);
    result
}

/// What to do about a failure that does not say so itself.
fn hint_of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Auth | ErrorKind::AuthPermanent => "check the provider's key: `greenroom providers test`",
        ErrorKind::Billing => "add credit with the provider, or name another model",
        ErrorKind::Permission => "name another model; ai_list_models lists them",
        ErrorKind::NotFound => "ai_list_models lists what there is",
        ErrorKind::InvalidRequest | ErrorKind::ContentFilter => "change what is asked, or name another model",
        ErrorKind::ContextOverflow => "ask with less text, or name a model with a larger window",
        ErrorKind::Config => "run `greenroom config check`",
        ErrorKind::Cancelled => "ask again",
        ErrorKind::RateLimited
        | ErrorKind::Overloaded
        | ErrorKind::Server
        | ErrorKind::Timeout
        | ErrorKind::Network
        | ErrorKind::Protocol
        | ErrorKind::Exhausted => "try again in a moment, or name another model",
    }
}

impl From<NotAllowed> for NoAnswer {
    fn from(NotAllowed { message, .. }: NotAllowed) -> Self {
        let hint = "name one that it may ask; ai_list_models lists them";
        let details = ErrorDetails { hint: Some(hint.to_owned()), ..ErrorDetails::default() };
        let mut error = ChatError::new(ErrorKind::Permission, message);
        *error.details = details;
        Self::Failed(error)
    }
}
