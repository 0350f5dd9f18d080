//! What every frontend needs to tell an answer, in whatever shape: who asks for it, who gave it, and what it says if it
//! is whole.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header::CACHE_CONTROL},
    response::Response,
};
use greenroom_actors::session::event::{EventBody, LogEvent};
use greenroom_wire::{ChatError, ChatEvent, ErrorKind};

use super::{
    caching,
    errors::{json_response, say_way},
    who::Who,
};
use crate::{Caller, OnInterrupt};

/// What is done with an answer that is cut, in place of what is configured.
const ON_INTERRUPT: &str = "x-greenroom-on-interrupt";

/// Who asks, and how its answer is treated.
///
/// # Errors
/// The header that says so is none of its words.
pub(super) fn caller(who: &Who, headers: &HeaderMap) -> Result<Caller, ChatError> {
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
    caller.cache = caching::wish(headers)?;
    Ok(caller)
}

/// Who answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Route {
    provider: String,
    /// The provider's id of the model, as asked for.
    model: String,
    attempts: u32,
    /// Whether the answer was kept from before, and how old it is; nothing if it was asked for anew.
    cached: Option<(bool, u64)>,
}

impl Route {
    /// Takes in what an event tells of it. Whether it tells anything.
    pub(super) fn take(&mut self, body: &EventBody) -> bool {
        match body {
            EventBody::Route { provider, model, attempts, .. } => {
                provider.clone_into(&mut self.provider);
                model.clone_into(&mut self.model);
                self.attempts = *attempts;
                true
            }
            EventBody::Cache { hit, age } => {
                self.cached = Some((*hit, *age));
                true
            }
            _ => false,
        }
    }

    /// Says it in a response's headers, as far as it is known.
    pub(super) fn say(&self, headers: &mut HeaderMap) {
        if self.attempts > 0 {
            say_way(&self.provider, &self.model, self.attempts, headers);
        }
        if let Some((hit, age)) = self.cached {
            caching::say(hit, age, headers);
        }
    }
}

/// An answer that is complete.
pub(super) struct Whole {
    route: Route,
    pub(super) id: String,
    /// In the words of whoever answered, or ended the answer.
    pub(super) model: String,
    /// All that was said, with a `Started` before what each of several models said.
    pub(super) events: Vec<ChatEvent>,
}

impl Whole {
    /// Reads the log of an answer.
    ///
    /// # Errors
    /// It failed, or does not say how it ended.
    pub(super) fn of(log: Vec<LogEvent>) -> Result<Self, ChatError> {
        let mut whole = Self { route: Route::default(), id: String::new(), model: String::new(), events: Vec::new() };
        let mut finished = false;
        for LogEvent { body, .. } in log {
            if let Some(error) = failure(&body) {
                return Err(error);
            }
            whole.route.take(&body);
            let Some(event) = body.into_chat() else { continue };
            if let ChatEvent::Started { id, model } = &event {
                id.clone_into(&mut whole.id);
                model.clone_into(&mut whole.model);
            }
            finished |= matches!(event, ChatEvent::Finished { .. });
            whole.events.push(event);
        }
        if finished { Ok(whole) } else { Err(without_end()) }
    }

    /// The response that has this body.
    pub(super) fn response(&self, body: Vec<u8>) -> Response {
        let mut response = json_response(StatusCode::OK, body);
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self.route.say(headers);
        response
    }
}

/// Why there is no complete answer, if the event says so.
pub(super) fn failure(body: &EventBody) -> Option<ChatError> {
    match body {
        EventBody::TurnFailed { error } | EventBody::Error { error } => Some(error.clone().into()),
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
