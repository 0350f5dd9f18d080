//! `POST /v1/chat/completions`.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse as _, Response},
};
use greenroom_actors::session::event::{EventBody, LogEvent};
use greenroom_wire::{
    ChatError, ChatEvent, ErrorKind,
    openai_chat::{ServedRequest, decode_request, whole_answer},
};

use super::{
    super::{
        body,
        errors::{failed, json_response, say_way},
        event_stream::event_stream,
        site::App,
        who::Who,
    },
    stream::ChatStream,
};
use crate::{Caller, OnInterrupt, heeded};

/// What is done with an answer that is cut, in place of what is configured.
const ON_INTERRUPT: &str = "x-greenroom-on-interrupt";

/// Answers a chat, as a stream or whole. The client's leaving cancels it.
pub(in super::super) async fn chat(State(app): State<Arc<App>>, who: Who, request: Request) -> Response {
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
        return failed(&error.with_hint("send a JSON object with 'model' and 'messages'"));
    }
    let served = decode_request(&body);
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

/// Who asks, and how its answer is treated.
fn caller(who: &Who, headers: &HeaderMap) -> Result<Caller, ChatError> {
    let mut caller = Caller::from(who.access().client());
    if let Some(written) = headers.get(ON_INTERRUPT) {
        let word = written.to_str().unwrap_or_default().trim();
        let on_interrupt = match word {
            "continue" => OnInterrupt::Continue,
            "restart" => OnInterrupt::Restart,
            "fail" => OnInterrupt::Fail,
            _ => {
                let error =
                    ChatError::new(ErrorKind::InvalidRequest, format!("the header {ON_INTERRUPT} can't be read"));
                return Err(error.with_hint("it is continue, restart or fail"));
            }
        };
        caller.on_interrupt = Some(on_interrupt);
    }
    Ok(caller)
}

async fn streamed(app: &App, served: ServedRequest, caller: Caller) -> Response {
    let ServedRequest { request, include_usage, legacy_functions, .. } = served;
    let answer = app.runtime.stream(request, caller);
    let (stream, route) = match ChatStream::begin(answer, include_usage, legacy_functions, app.heartbeat).await {
        Ok(begun) => begun,
        Err(error) => return failed(&error),
    };
    let mut response = event_stream(Body::new(stream));
    if let Some(route) = route {
        say_way(&route.provider, &route.model, route.attempts, response.headers_mut());
    }
    response
}

async fn whole(app: &App, served: ServedRequest, caller: Caller) -> Response {
    let legacy_functions = served.legacy_functions;
    let answer = match Whole::of(heeded(app.runtime.chat_events(served.request, caller).await)) {
        Ok(answer) => answer,
        Err(error) => return failed(&error),
    };
    let id = answer_id(&answer.id);
    let body = whole_answer(&answer.events, &id, now(), &answer.model, legacy_functions);
    let mut response = json_response(StatusCode::OK, body);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    say_way(&answer.route.provider, &answer.route.model, answer.route.attempts, headers);
    response
}

/// Who answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Route {
    pub(super) provider: String,
    /// The provider's id of the model, as asked for.
    pub(super) model: String,
    pub(super) attempts: u32,
}

impl Route {
    /// The route that an event tells, if it is one.
    pub(super) fn of(body: &EventBody) -> Option<Self> {
        match body {
            EventBody::Route { provider, model, attempts, .. } => {
                Some(Self { provider: provider.clone(), model: model.clone(), attempts: *attempts })
            }
            _ => None,
        }
    }
}

/// An answer that is complete.
struct Whole {
    route: Route,
    id: String,
    /// In the words of whoever answered, or ended the answer.
    model: String,
    events: Vec<ChatEvent>,
}

impl Whole {
    fn of(log: Vec<LogEvent>) -> Result<Self, ChatError> {
        let mut whole = Self { route: Route::default(), id: String::new(), model: String::new(), events: Vec::new() };
        let mut finished = false;
        for LogEvent { body, .. } in log {
            if let Some(error) = failure(&body) {
                return Err(error);
            }
            whole.route = Route::of(&body).unwrap_or(whole.route);
            match body.into_chat() {
                Some(ChatEvent::Started { id, model }) => (whole.id, whole.model) = (id, model),
                Some(event) => {
                    finished |= matches!(event, ChatEvent::Finished { .. });
                    whole.events.push(event);
                }
                None => {}
            }
        }
        if finished { Ok(whole) } else { Err(without_end()) }
    }
}

/// Why there is no complete answer, if the event says so.
pub(super) fn failure(body: &EventBody) -> Option<ChatError> {
    match body {
        EventBody::TurnFailed { error } => Some(error.clone().into()),
        EventBody::TurnCancelled => {
            Some(ChatError::new(ErrorKind::Cancelled, "the answer was cancelled").with_hint("ask again"))
        }
        _ => None,
    }
}

/// The error of an answer whose log closed without saying how it ended.
pub(super) fn without_end() -> ChatError {
    ChatError::new(ErrorKind::Server, "the answer broke off inside greenroom")
        .with_hint("its log says where, please report it")
}

/// The provider's id of the answer, or one of ours where it gives none.
pub(super) fn answer_id(given: &str) -> String {
    if given.is_empty() { format!("chatcmpl-{:032x}", rand::random::<u128>()) } else { given.to_owned() }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
