//! A response that is kept begins: its message is taken into the session that it goes on with.

use greenroom_actors::session::event::Asked;
use greenroom_wire::{ChatError, ErrorKind};

use super::{
    asked::{Behind, no_conversation, no_previous},
    errors::Refused,
    found::{Found, find_in},
    id::{ResponseId, new_conversation},
    source::Leaving,
};
use crate::{Busy, Cursor, NewSession, Outgoing, Sent, Session, SessionError, Sessions};

/// How often the end of a conversation is looked at again that went on while it was gone on with.
const LOOKS: u32 = 3;

/// A response that has begun.
pub(super) struct Begun {
    pub(super) found: Found,
    /// Cancels it when dropped, if that is what leaving does.
    pub(super) leaving: Option<Leaving>,
}

/// Begins a response; it is kept when this returns. It runs on if this is dropped, unless the message says otherwise.
pub(super) async fn begin(sessions: Sessions, behind: Behind, message: Outgoing) -> Result<Begun, Refused> {
    // A task of its own: whoever leaves in the midst of it leaves nothing that is half done, and nothing that runs on.
    let beginning = tokio::spawn(async move {
        let runs_on = message.asked.as_deref().is_some_and(|asked| asked.runs_on);
        let (session, sent) = take(&sessions, behind, message).await?;
        let leaving = (!runs_on).then(|| Leaving::new(session.clone(), sent.turn));
        let id = ResponseId { session: session.id().to_owned(), position: sent.position };
        let found = find_in(session, &id).await?.ok_or_else(|| Refused::no_response(&id.to_string()))?;
        Ok(Begun { found, leaving })
    });
    beginning.await.unwrap_or_else(|failed| {
        tracing::error!("a response could not be begun: {failed}");
        let error = ChatError::new(ErrorKind::Server, "greenroom failed inside");
        Err(error.with_hint("its log says where, please report it").into())
    })
}

async fn take(sessions: &Sessions, behind: Behind, message: Outgoing) -> Result<(Session, Sent), Refused> {
    match behind {
        Behind::Nothing => {
            let model = message.asked.as_deref().map(|Asked { request, .. }| request.model.clone());
            // Its first message keeps it, or does not; one that never gets any goes.
            let new = NewSession { id: Some(new_conversation()), model, brief: true, ..NewSession::default() };
            let (session, _) = sessions.create(new).await?;
            post_first(sessions, session, message).await
        }
        Behind::Conversation(id) => {
            let session = match sessions.open(&id).await {
                Err(SessionError::NotFound) => return Err(no_conversation(&id).into()),
                opened => opened?,
            };
            let sent = session.post(message).await?;
            Ok((session, sent))
        }
        Behind::Response(id) => go_on(sessions, &id, message).await,
    }
}

/// Posts the first message of a session that was made for it, and goes if it is not taken.
async fn post_first(sessions: &Sessions, session: Session, message: Outgoing) -> Result<(Session, Sent), Refused> {
    match session.post(message).await {
        Ok(sent) => Ok((session, sent)),
        Err(error) => {
            if let Err(stays) = sessions.remove(session.id()).await {
                tracing::debug!(session = session.id(), "a session without a message stays: {stays}");
            }
            Err(error.into())
        }
    }
}

/// Goes on where a response ended: in its session if nothing came since, else in one that is forked from it there.
async fn go_on(sessions: &Sessions, id: &ResponseId, message: Outgoing) -> Result<(Session, Sent), Refused> {
    let missing = || no_previous(&id.to_string());
    let session = match sessions.open(&id.session).await {
        Err(SessionError::NotFound) => return Err(missing().into()),
        opened => opened?,
    };
    let Some(mut previous) = find_in(session.clone(), id).await? else { return Err(missing().into()) };
    let there = previous.events.there().await?;
    let Some(last) = there.last().filter(|last| last.body.ends_turn()) else {
        let what = format!("the response \"{id}\" is not complete yet");
        return Err(Refused::bad("previous_response_id", what, "retrieve it until it is, or cancel it"));
    };
    for _ in 0..LOOKS {
        let standing = session.standing().await?;
        if standing.last != previous.turn || standing.open.is_some() {
            break;
        }
        let message = Outgoing { at: Some(standing.end), busy: Busy::Refuse, ..message.clone() };
        match session.post(message).await {
            // Something was said in between, if only that the end of the turn is on disk by now.
            Err(SessionError::Stale { .. } | SessionError::Busy) => {}
            sent => return Ok((session, sent?)),
        }
    }
    let at = Cursor { epoch: previous.epoch, position: last.next };
    let fork = session.fork_behind(previous.turn, at, new_conversation()).await?;
    post_first(sessions, fork, message).await
}
