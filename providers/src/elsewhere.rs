//! Asks a provider in whichever wire it is spoken to, also for tools that only the Responses API has words for.

use greenroom_wire::{ChatError, ChatEvent, RateLimits, openai_responses::elsewhere};

use crate::{ChatCall, Provider, Sink, provider::SinkState};

/// Asks for one answer. Where the request has tools of the Responses API, and this model is spoken to in another, they are
/// told in its words, and the calls of the answer are told back; see [`elsewhere`].
///
/// # Errors
/// Why the attempt failed; what had come before it is in `sink`.
pub async fn chat(provider: &dyn Provider, call: ChatCall<'_>, sink: &mut dyn Sink) -> Result<(), ChatError> {
    let told = match provider.capabilities().speaks_responses(call.info) {
        true => None,
        false => elsewhere::tell(call.request),
    };
    match told {
        None => provider.chat(call, sink).await,
        Some((request, forms)) => {
            tracing::debug!(provider = call.provider, "tools of the Responses API are told in another wire's words");
            let mut sink = TellingBack { forms, sink };
            provider.chat(ChatCall { request: &request, ..call }, &mut sink).await
        }
    }
}

struct TellingBack<'s> {
    forms: elsewhere::ToolForms,
    sink: &'s mut dyn Sink,
}

impl Sink for TellingBack<'_> {
    fn take(&mut self, events: &mut Vec<ChatEvent>) -> SinkState {
        self.forms.tell_back(events);
        self.sink.take(events)
    }

    fn handle_limits(&mut self, limits: &RateLimits) {
        self.sink.handle_limits(limits);
    }
}
