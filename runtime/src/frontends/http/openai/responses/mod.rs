//! `POST /v1/responses`: OpenAI's Responses API. Nothing is kept of an answer: whoever goes on sends all that was said.

mod stateless;

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use greenroom_wire::{
    ChatError, ChatEvent, ErrorKind,
    openai_responses::{Echo, ServedRequest, StreamWriter, decode_request, whole_response},
};

use self::stateless::stateless;
use super::{
    super::{
        answer::{Whole, caller},
        answer_stream::{self, Form},
        body,
        errors::{Refusal, failed},
        site::App,
        who::Who,
    },
    now,
};
use crate::{Caller, heeded};

/// Answers a request, as a stream or whole. The client's leaving cancels it.
pub(in super::super) async fn responses(State(app): State<Arc<App>>, who: Who, request: Request) -> Response {
    let caller = match caller(&who, request.headers()) {
        Ok(caller) => caller,
        Err(error) => return failed(&error),
    };
    let body = match body::read(request, app.max_body).await {
        Ok(body) => body,
        Err(refusal) => return refusal.into_response(),
    };
    if body.is_empty() {
        let error = ChatError::new(ErrorKind::InvalidRequest, "the request has no body");
        return failed(&error.with_hint("send a JSON object with 'model' and 'input'"));
    }
    let served = decode_request(&body).and_then(stateless);
    // Pictures make it large, and the answer may take minutes.
    drop(body);
    if let Ok(served) = &served
        && let Err(not_allowed) = who.may_ask(Some(&served.request.model), &app.runtime)
    {
        return not_allowed.refusal().into_response();
    }
    match served {
        Ok(served) if served.stream => streamed(&app, served, caller).await,
        Ok(served) => whole(&app, served, caller).await,
        Err(error) => failed(&error),
    }
}

/// Says that there is no response to be had again, by whichever of the routes to one.
pub(in super::super) async fn response(request: Request) -> Response {
    let path = request.uri().path();
    let message = format!("there is no {path}, since answers are not kept here; ask anew, with all that was said");
    let refusal = Refusal::new(StatusCode::NOT_FOUND, "invalid_request_error", "not_found", message);
    body::discard(request).await;
    refusal.into_response()
}

async fn streamed(app: &App, served: ServedRequest, caller: Caller) -> Response {
    let ServedRequest { request, echo, .. } = served;
    let answer = app.runtime.stream(request, caller);
    let response = answer_stream::respond(answer, Events { echo }, app.heartbeat).await;
    response.unwrap_or_else(|error| failed(&error))
}

async fn whole(app: &App, served: ServedRequest, caller: Caller) -> Response {
    let ServedRequest { request, echo, .. } = served;
    match Whole::of(heeded(app.runtime.chat_events(request, caller).await)) {
        Ok(answer) => {
            let body = whole_response(&answer.events, &response_id(&answer.id), now(), &answer.model, echo);
            answer.response(body)
        }
        Err(error) => failed(&error),
    }
}

/// The provider's id of the answer if it is one of this API, else one of ours.
fn response_id(given: &str) -> String {
    if given.starts_with("resp_") { given.to_owned() } else { format!("resp_{:032x}", rand::random::<u128>()) }
}

/// A stream of this API's events.
struct Events {
    echo: Echo,
}

impl Events {
    fn writer(&self, id: &str, model: &str) -> StreamWriter {
        StreamWriter::new(response_id(id), now(), model, self.echo.clone())
    }
}

impl Form for Events {
    type Writer = StreamWriter;

    fn start(&self, id: String, model: String, out: &mut Vec<u8>) -> StreamWriter {
        let mut writer = self.writer(&id, &model);
        writer.write(&ChatEvent::Started { id, model }, out);
        writer
    }

    fn go_on(writer: &mut StreamWriter, model: String, out: &mut Vec<u8>) {
        writer.set_model(&model);
        writer.write(&ChatEvent::Started { id: String::new(), model }, out);
    }

    fn write(writer: &mut StreamWriter, event: &ChatEvent, out: &mut Vec<u8>) {
        writer.write(event, out);
    }

    fn write_heartbeat(out: &mut Vec<u8>) {
        StreamWriter::write_heartbeat(out);
    }

    fn write_error(&self, writer: Option<&mut StreamWriter>, error: &ChatError, out: &mut Vec<u8>) {
        match writer {
            Some(writer) => writer.write_error(error, out),
            None => self.writer("", "").write_error(error, out),
        }
    }
}
