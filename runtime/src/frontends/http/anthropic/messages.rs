//! `POST /v1/messages`.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use greenroom_actors::estimate_tokens;
use greenroom_wire::{
    ChatError, ChatEvent, ChatRequest, ErrorKind, Usage,
    anthropic::{StreamWriter, whole_answer},
    chat::{Extra, Wire},
};

use super::{
    super::{
        answer::Whole,
        answer_stream::{self, Form},
        errors::failed_to_anthropic,
        site::{App, RequestId},
        who::Who,
    },
    asked::Asked,
};
use crate::heeded;

/// Answers, as a stream or whole. The client's leaving cancels it.
pub(in super::super) async fn messages(State(app): State<Arc<App>>, who: Who, request: Request) -> Response {
    let asked = match Asked::read(&app, &who, request).await {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    if asked.served.request.max_tokens.is_none() {
        let error = ChatError::new(ErrorKind::InvalidRequest, "missing required parameter: 'max_tokens'");
        return asked.failed(&error);
    }
    match asked.served.stream {
        true => streamed(&app, asked).await,
        false => whole(&app, asked).await,
    }
}

async fn streamed(app: &App, asked: Asked) -> Response {
    let Asked { served, caller, id } = asked;
    let thinks = asks_for_thinking(&served.request);
    let form = Events { id: id.clone(), thinks, prompt: estimate_tokens(&served.request) };
    let answer = app.runtime.stream(served.request, caller);
    let response = answer_stream::respond(answer, form, app.heartbeat).await;
    response.unwrap_or_else(|error| failed_to_anthropic(&error, id.as_ref()))
}

async fn whole(app: &App, asked: Asked) -> Response {
    let Asked { served, caller, id } = asked;
    let thinks = asks_for_thinking(&served.request);
    match Whole::of(heeded(app.runtime.chat_events(served.request, caller).await)) {
        Ok(answer) => {
            let body = whole_answer(&answer.events, &answer_id(&answer.id), &answer.model, thinks);
            answer.response(body)
        }
        Err(error) => failed_to_anthropic(&error, id.as_ref()),
    }
}

/// Whether a client expects to see thinking: one that does not takes the first block of an answer for its text.
fn asks_for_thinking(request: &ChatRequest) -> bool {
    // In a form that is not known, it is one of this wire's extras.
    let is_wish = |extra: &Extra| extra.wire == Wire::Anthropic && extra.path == "/thinking";
    request.thinking.as_ref().is_some_and(|thinking| thinking.enabled == Some(true))
        || request.extra.iter().any(is_wish)
}

/// The provider's id of the answer, or one of ours where it gives none.
fn answer_id(given: &str) -> String {
    if given.is_empty() { format!("msg_{:032x}", rand::random::<u128>()) } else { given.to_owned() }
}

/// A stream of events.
struct Events {
    id: Option<RequestId>,
    /// Whether thinking is shown that nobody signed.
    thinks: bool,
    /// About how many tokens the prompt has.
    prompt: u64,
}

impl Form for Events {
    type Writer = StreamWriter;

    fn start(&self, id: String, model: String, _: &mut Vec<u8>) -> StreamWriter {
        StreamWriter::new(answer_id(&id), model).unsigned_thinking(self.thinks).expects_input(self.prompt)
    }

    fn expect(writer: &mut StreamWriter, prompt: Usage) {
        writer.write(&ChatEvent::Usage(prompt), &mut Vec::new());
    }

    fn go_on(writer: &mut StreamWriter, model: String, out: &mut Vec<u8>) {
        writer.write(&ChatEvent::Started { id: String::new(), model }, out);
    }

    fn write(writer: &mut StreamWriter, event: &ChatEvent, out: &mut Vec<u8>) {
        writer.write(event, out);
    }

    fn write_heartbeat(out: &mut Vec<u8>) {
        StreamWriter::write_heartbeat(out);
    }

    fn write_error(&self, _: Option<&mut StreamWriter>, error: &ChatError, out: &mut Vec<u8>) {
        StreamWriter::write_error(error, self.id.as_ref().map(RequestId::as_str), out);
    }
}
