//! A response that is kept, found by its id.

use greenroom_actors::session::event::{Asked, EventBody, LogEvent};
use serde::Deserialize as _;

use super::{
    super::super::{site::App, who::Who},
    errors::Refused,
    id::ResponseId,
    source::TurnEvents,
    told::{Head, Told},
};
use crate::{Cursor, ReadFrom, Session, SessionError};

/// A response that is there.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) id: ResponseId,
    pub(super) session: Session,
    pub(super) turn: u64,
    /// Whether it waited for another one as it was asked for.
    pub(super) queued: bool,
    pub(super) asked: Box<Asked>,
    pub(super) told: Told,
    /// All of its turn behind the message.
    pub(super) events: TurnEvents,
    /// The epoch that it is read in.
    pub(super) epoch: u64,
}

impl Found {
    /// What it says from its start on.
    pub(super) fn head(&self) -> Head {
        Head::new(&self.id, &self.told, &self.asked.request.model)
    }
}

/// The response of an id as whoever asks sees it; `None` if there is none, it is another client's, or deleted.
///
/// # Errors
/// It can't be read.
pub(super) async fn find(app: &App, who: &Who, id: &ResponseId) -> Result<Option<Found>, SessionError> {
    let opened = app.runtime.sessions().of(who.access()).open(&id.session).await;
    let session = match opened {
        Err(SessionError::NotFound) => return Ok(None),
        opened => opened?,
    };
    find_in(session, id).await
}

/// The same in its session.
pub(super) async fn find_in(session: Session, id: &ResponseId) -> Result<Option<Found>, SessionError> {
    let end = session.end().await?;
    if id.position >= end.position {
        return Ok(None);
    }
    let cursor = Some(Cursor { position: id.position, ..end });
    let mut reader = session.reader(ReadFrom { cursor, ..ReadFrom::default() }).await?;
    let epoch = reader.epoch();
    let mut read = reader.pull().await.unwrap_or_default().into_iter();
    let Some(LogEvent { body: EventBody::MessageUser { asked: Some(mut asked), queued, .. }, turn, position, .. }) =
        read.next()
    else {
        return Ok(None);
    };
    let (Some(turn), Ok(told)) = (turn, Told::deserialize(std::mem::take(&mut asked.told))) else { return Ok(None) };
    if position != id.position || !session.is_response(turn).await? {
        return Ok(None);
    }
    let events = TurnEvents::new(reader, read.collect(), turn);
    Ok(Some(Found { id: id.clone(), session, turn, queued, asked, told, events, epoch }))
}

/// The response of an id in a path.
///
/// # Errors
/// There is none, or it can't be read.
pub(super) async fn found(app: &App, who: &Who, id: &str) -> Result<Found, Refused> {
    let missing = || Refused::no_response(id);
    let read = ResponseId::read(id).ok_or_else(missing)?;
    find(app, who, &read).await?.ok_or_else(missing)
}
