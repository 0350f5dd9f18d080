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
    response::Response,
};
use greenroom_wire::openai_responses::{ServedRequest, decode_request, whole_response};

pub(in super::super) use self::routes::routes as response_routes;
use self::{
    asked::{Wanted, check_depth, wanted},
    events::{Events, response_id},
};
use super::{
    super::{
        answer::{Whole, caller},
        answer_stream,
        errors::failed,
        site::App,
        who::Who,
    },
    now, received,
};
use crate::{Caller, StoreKind, heeded};

/// Answers a request, as a stream or whole. The client's leaving cancels it, unless it is made in the background.
pub(in super::super) async fn responses(State(app): State<Arc<App>>, who: Who, request: Request) -> Response {
    let caller = match caller(&who, request.headers()) {
        Ok(caller) => caller,
        Err(error) => return failed(&error),
    };
    let can_keep = matches!(app.runtime.store().state, StoreKind::Ok | StoreKind::Degraded);
    let wanted =
        received::read(&app, request, "'model' and 'input'", |body| match wanted(decode_request(body)?, can_keep)? {
            Wanted::Kept(keeping) => check_depth(body).map(|()| Wanted::Kept(keeping)),
            stateless => Ok(stateless),
        });
    match wanted.await {
        Ok(Wanted::Kept(keeping)) => kept::answer(&app, &who, *keeping, caller).await,
        Ok(Wanted::Stateless(served)) => match received::allow(&app, &who, &served.request.model) {
            Ok(()) if served.stream => streamed(&app, *served, caller).await,
            Ok(()) => whole(&app, *served, caller).await,
            Err(refused) => *refused,
        },
        Err(refused) => *refused,
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
