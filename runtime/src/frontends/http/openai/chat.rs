//! `POST /v1/chat/completions`.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use greenroom_wire::{
    ChatError, ChatEvent,
    openai_chat::{ServedRequest, StreamWriter, decode_request, whole_answer},
};

use super::{
    super::{
        answer::{Whole, caller},
        answer_stream::{self, Form},
        errors::failed,
        site::App,
        who::Who,
    },
    now, received,
};
use crate::{Caller, heeded};

/// Answers a chat, as a stream or whole. The client's leaving cancels it.
pub(in super::super) async fn chat(State(app): State<Arc<App>>, who: Who, request: Request) -> Response {
    let caller = match caller(&who, request.headers()) {
        Ok(caller) => caller,
        Err(error) => return failed(&error),
    };
    let served = received::read(&app, request, "'model' and 'messages'", decode_request).await;
    let served = served.and_then(|served| received::allow(&app, &who, &served.request.model).map(|()| served));
    match served {
        Ok(served) if served.stream => streamed(&app, served, caller).await,
        Ok(served) => whole(&app, served, caller).await,
        Err(refused) => *refused,
    }
}

async fn streamed(app: &App, served: ServedRequest, caller: Caller) -> Response {
    let ServedRequest { request, include_usage, legacy_functions, .. } = served;
    let answer = app.runtime.stream(request, caller);
    let form = Chunks { include_usage, legacy_functions };
    answer_stream::respond(answer, form, app.heartbeat).await.unwrap_or_else(|error| failed(&error))
}

async fn whole(app: &App, served: ServedRequest, caller: Caller) -> Response {
    let legacy_functions = served.legacy_functions;
    let answer = match Whole::of(heeded(app.runtime.chat_events(served.request, caller).await)) {
        Ok(answer) => answer,
        Err(error) => return failed(&error),
    };
    let id = answer_id(&answer.id);
    let body = whole_answer(&answer.events, &id, now(), &answer.model, legacy_functions);
    answer.response(body)
}

/// A stream of chunks.
struct Chunks {
    include_usage: bool,
    legacy_functions: bool,
}

impl Form for Chunks {
    type Writer = StreamWriter;

    fn start(&self, id: String, model: String, out: &mut Vec<u8>) -> StreamWriter {
        let mut writer = StreamWriter::new(answer_id(&id), now(), model.as_str())
            .include_usage(self.include_usage)
            .legacy_functions(self.legacy_functions);
        writer.write(&ChatEvent::Started { id, model }, out);
        writer
    }

    fn go_on(writer: &mut StreamWriter, model: String, _: &mut Vec<u8>) {
        writer.set_model(&model);
    }

    fn write(writer: &mut StreamWriter, event: &ChatEvent, out: &mut Vec<u8>) {
        writer.write(event, out);
    }

    fn write_heartbeat(out: &mut Vec<u8>) {
        StreamWriter::write_heartbeat(out);
    }

    fn write_error(&self, _: Option<&mut StreamWriter>, error: &ChatError, out: &mut Vec<u8>) {
        StreamWriter::write_error(error, out);
    }
}

/// The provider's id of the answer, or one of ours where it gives none.
fn answer_id(given: &str) -> String {
    if given.is_empty() { format!("chatcmpl-{:032x}", rand::random::<u128>()) } else { given.to_owned() }
}
