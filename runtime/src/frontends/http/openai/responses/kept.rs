//! A request whose answer is kept.

use axum::{
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use greenroom_actors::session::event::Asked;
use greenroom_wire::{Part, openai_responses::ServedRequest};

use super::{
    super::{
        super::{answer::Whole, answer_stream, errors::json_response, site::App, who::Who},
        now,
    },
    asked::{Behind, Keeping, shown},
    begin::{Begun, begin},
    errors::Refused,
    events::Events,
    resumable, retrieved,
    told::Told,
};
use crate::{Caller, Outgoing, heeded};

/// Answers it: at once if it is made in the background, else as the answer comes or once it is whole.
pub(super) async fn answer(app: &App, who: &Who, keeping: Keeping, caller: Caller) -> Response {
    if let Err(not_allowed) = who.may_ask(Some(&keeping.served.request.model), &app.runtime) {
        return not_allowed.refusal().into_response();
    }
    let stream = keeping.served.stream;
    let background = keeping.background;
    let (behind, message) = message(keeping, caller);
    let sessions = app.runtime.sessions().of(who.access());
    let answered = match begin(sessions, behind, message).await {
        Ok(begun) => match (background, stream) {
            (true, true) => resumable::stream(app, who, begun.found, None).await.map_err(Refused::from),
            (true, false) => {
                let standing = begun.found.session.standing().await;
                standing.map_err(Refused::from).map(|standing| {
                    let waits = standing.open.is_some_and(|open| open != begun.found.turn);
                    json_response(StatusCode::OK, retrieved::beginning(&begun.found, waits))
                })
            }
            (false, true) => streamed(app, begun).await,
            (false, false) => whole(begun).await,
        },
        Err(refused) => Err(refused),
    };
    answered.unwrap_or_else(|refused| refused.into_response())
}

/// The message of the turn that the response is, and what it goes on with.
fn message(keeping: Keeping, caller: Caller) -> (Behind, Outgoing) {
    let Keeping { served, background, behind } = keeping;
    let parts = shown(&served);
    let ServedRequest { mut request, store, has_instructions, echo, .. } = served;
    let instructions = has_instructions.then(|| request.messages.remove(0).parts);
    let instructions = instructions.and_then(|parts| match parts.into_iter().next() {
        Some(Part::Text { text }) => Some(text),
        _ => None,
    });
    let conversation = matches!(behind, Behind::Conversation(_));
    let told = Told { created_at: now(), background, conversation, echo: echo.to_value() };
    let asked = Asked {
        instructions,
        request,
        runs_on: background,
        // What nobody asked to be kept goes after a day.
        keeps: store == Some(true) || conversation,
        on_interrupt: caller.on_interrupt,
        told: serde_json::to_value(told).expect("it has no keys but texts"),
    };
    (behind, Outgoing { parts, asked: Some(Box::new(asked)), ..Outgoing::default() })
}

async fn streamed(app: &App, begun: Begun) -> Result<Response, Refused> {
    let Begun { found, leaving } = begun;
    let head = found.head();
    let events = match leaving {
        Some(leaving) => found.events.until_left(leaving),
        None => found.events,
    };
    Ok(answer_stream::respond(events, Events::of_kept(head), app.heartbeat).await?)
}

async fn whole(begun: Begun) -> Result<Response, Refused> {
    let Begun { found, leaving } = begun;
    let head = found.head();
    let mut events = match leaving {
        Some(leaving) => found.events.until_left(leaving),
        None => found.events,
    };
    let answer = Whole::of(heeded(events.whole().await?))?;
    let body = retrieved::finished(&head, &answer);
    Ok(answer.response(body))
}
