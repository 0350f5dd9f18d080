//! `POST /v1/completions`: texts, each asked for as a chat of one message.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use futures::{StreamExt as _, TryStreamExt as _};
use greenroom_wire::{
    ChatError, ChatEvent, ErrorKind,
    openai_chat::{CompletionWriter, ServedCompletion, decode_completion, whole_completion},
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
use crate::{Answer, Caller, Runtime, heeded};

/// How many of the texts of one request are asked for at once. Those of a stream come one after another.
const AT_ONCE: usize = 8;

/// Answers with texts, as a stream or whole. The client's leaving cancels it.
pub(in super::super) async fn completions(State(app): State<Arc<App>>, who: Who, request: Request) -> Response {
    let caller = match caller(&who, request.headers()) {
        Ok(caller) => caller,
        Err(error) => return failed(&error),
    };
    let served = received::read(&app, request, "'model' and 'prompt'", decode_completion).await;
    let served = match served.and_then(|served| received::allow(&app, &who, served.model()).map(|()| served)) {
        Ok(served) => served,
        Err(refused) => return *refused,
    };
    let response = match served.stream {
        true => streamed(&app, served, caller).await,
        false => whole(&app, &served, caller).await,
    };
    response.unwrap_or_else(|error| failed(&error))
}

async fn streamed(app: &App, served: ServedCompletion, caller: Caller) -> Result<Response, ChatError> {
    let mut texts = Texts { runtime: app.runtime.clone(), caller, served, asked: 0 };
    let Some(first) = texts.next() else { return Err(nothing_asked()) };
    answer_stream::respond(first, texts, app.heartbeat).await
}

async fn whole(app: &App, served: &ServedCompletion, caller: Caller) -> Result<Response, ChatError> {
    let asks = (0..served.texts()).filter_map(|text| served.request(text));
    let answers = asks.map(|request| {
        let caller = caller.clone();
        async move { Whole::of(heeded(app.runtime.chat_events(request, caller).await)) }
    });
    // One that fails ends them all: those that are under way are cancelled as they are dropped.
    let answers: Vec<Whole> = futures::stream::iter(answers).buffered(AT_ONCE).try_collect().await?;
    let Some(first) = answers.first() else { return Err(nothing_asked()) };
    let texts = answers.iter().enumerate().map(|(text, answer)| {
        let prompt = served.prompt(text).filter(|_| served.echo);
        (prompt, answer.events.as_slice())
    });
    Ok(first.response(whole_completion(texts, &new_id(), now(), &first.model)))
}

fn nothing_asked() -> ChatError {
    ChatError::new(ErrorKind::InvalidRequest, "no text was asked for")
}

/// The id is always ours: a response may be of several answers of a provider.
fn new_id() -> String {
    format!("cmpl-{:032x}", rand::random::<u128>())
}

/// A stream of texts, of which each is asked for once the one before it is whole.
struct Texts {
    runtime: Runtime,
    caller: Caller,
    served: ServedCompletion,
    /// How many were asked for.
    asked: usize,
}

impl Form for Texts {
    type Writer = CompletionWriter;

    fn start(&self, id: String, model: String, out: &mut Vec<u8>) -> CompletionWriter {
        let beginnings = (0..self.served.texts()).map(|text| {
            let prompt = self.served.prompt(text).filter(|_| self.served.echo);
            prompt.unwrap_or_default().to_owned()
        });
        let mut writer = CompletionWriter::new(new_id(), now(), beginnings.collect(), self.served.include_usage);
        writer.write(&ChatEvent::Started { id, model }, out);
        writer
    }

    fn go_on(writer: &mut CompletionWriter, model: String, out: &mut Vec<u8>) {
        writer.write(&ChatEvent::Started { id: String::new(), model }, out);
    }

    fn write(writer: &mut CompletionWriter, event: &ChatEvent, out: &mut Vec<u8>) {
        writer.write(event, out);
    }

    fn write_heartbeat(out: &mut Vec<u8>) {
        CompletionWriter::write_heartbeat(out);
    }

    fn write_error(&self, _: Option<&mut CompletionWriter>, error: &ChatError, out: &mut Vec<u8>) {
        CompletionWriter::write_error(error, out);
    }

    fn next(&mut self) -> Option<Answer> {
        let request = self.served.request(self.asked)?;
        self.asked += 1;
        Some(self.runtime.stream(request, self.caller.clone()))
    }
}
