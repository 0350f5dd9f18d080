//! `POST /v1/responses`, OpenAI's Responses API, and what can be asked of a response that is kept.
//!
//! A response is one turn of a durable session, which its conversation is, and its id says where ([`id`]). Whether one is
//! kept is read in [`asked`]; one that is begins in [`begin`], is found again in [`found`], and its events are told as they
//! come ([`source`]), or so that the stream can be gone on with ([`cut`], [`resumable`]).

mod asked;
mod begin;
mod cut;
mod errors;
mod events;
mod found;
mod id;
mod items;
mod kept;
mod resumable;
mod retrieved;
mod routes;
mod source;
mod stateless;
mod told;

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use greenroom_wire::{
    ChatError, ErrorKind,
    openai_responses::{ServedRequest, decode_request, whole_response},
};

pub(in super::super) use self::routes::routes as response_routes;
use self::{
    asked::{Wanted, check_depth, wanted},
    events::{Events, response_id},
};
use super::{
    super::{
        answer::{Whole, caller},
        answer_stream, body,
        errors::failed,
        site::App,
        who::Who,
    },
    now,
};
use crate::{Caller, StoreKind, heeded};

/// Answers a request, as a stream or whole. The client's leaving cancels it, unless it is made in the background.
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
    let can_keep = matches!(app.runtime.store().state, StoreKind::Ok | StoreKind::Degraded);
    let wanted = decode_request(&body).and_then(|served| match wanted(served, can_keep)? {
        Wanted::Kept(keeping) => check_depth(&body).map(|()| Wanted::Kept(keeping)),
        stateless => Ok(stateless),
    });
    // Pictures make it large, and the answer may take minutes.
    drop(body);
    if let Ok(Wanted::Stateless(served)) = &wanted
        && let Err(not_allowed) = who.may_ask(Some(&served.request.model), &app.runtime)
    {
        return not_allowed.refusal().into_response();
    }
    match wanted {
        Ok(Wanted::Kept(keeping)) => kept::answer(&app, &who, *keeping, caller).await,
        Ok(Wanted::Stateless(served)) if served.stream => streamed(&app, *served, caller).await,
        Ok(Wanted::Stateless(served)) => whole(&app, *served, caller).await,
        Err(error) => failed(&error),
    }
}

async fn streamed(app: &App, served: ServedRequest, caller: Caller) -> Response {
    let ServedRequest { request, echo, .. } = served;
    let answer = app.runtime.stream(request, caller);
    let response = answer_stream::respond(answer, Events::of(echo), app.heartbeat).await;
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
