//! What a session does not do, and why.

use std::time::SystemTime;

use greenroom_wire::ErrorKind;

use super::log::Cursor;
use crate::{handle::Unavailable, store::StoreError};

/// Why a session did not do what it was asked. Nothing of it is in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The id can't be one.
    #[error("this can't be the id of a session")]
    BadId,
    /// There is no such session, or it is another client's.
    #[error("there is no such session")]
    NotFound,
    /// The id is another client's.
    #[error("the id of the session is taken")]
    Taken,
    /// A turn runs, and the message was not to wait.
    #[error("a turn is running")]
    Busy,
    /// So many messages wait already.
    #[error("too many messages wait")]
    QueueFull,
    /// There is nothing in it.
    #[error("the message is empty")]
    Empty,
    /// An idempotency key of no characters, or of too many.
    #[error("this can't be an idempotency key")]
    BadKey,
    /// The idempotency key was sent before with another message.
    #[error("the idempotency key belongs to another message")]
    KeyConflict,
    /// The log has gone on since the cursor that the message was written against.
    #[error("the session has gone on to {end}")]
    Stale {
        /// Where the log ends now.
        end: Cursor,
    },
    /// The cursor is no place in the log.
    #[error("the session has no such place")]
    NoPlace,
    /// The session has had no such turn.
    #[error("the session has no such turn")]
    NoTurn,
    /// No call of this id is awaited.
    #[error("no such call is awaited")]
    NoCall,
    /// The call has its result.
    #[error("the call has its result already")]
    ResultTaken,
    /// Somebody else has claimed the call.
    #[error("the call is claimed by another")]
    Held {
        /// Until when.
        until: SystemTime,
    },
    /// What is imported is no session.
    #[error("line {line} of the import is not as it has to be: {reason}")]
    BadImport {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The disk does not take it.
    #[error("it can't be kept")]
    NotKept(#[source] StoreError),
    /// The disk does not give it.
    #[error("the session can't be read")]
    Unreadable(#[source] StoreError),
    /// The actor of the session is down.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl SessionError {
    /// Which kind of error it is, in the words of a failed answer.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound | Self::NoTurn | Self::NoCall => ErrorKind::NotFound,
            Self::BadId
            | Self::Taken
            | Self::Busy
            | Self::QueueFull
            | Self::Empty
            | Self::BadKey
            | Self::KeyConflict
            | Self::Stale { .. }
            | Self::NoPlace
            | Self::ResultTaken
            | Self::Held { .. }
            | Self::BadImport { .. } => ErrorKind::InvalidRequest,
            Self::NotKept(_) | Self::Unreadable(_) => ErrorKind::Server,
            Self::Unavailable(_) => ErrorKind::Overloaded,
        }
    }

    /// One line on what to do.
    pub fn hint(&self) -> &str {
        match self {
            Self::BadId => "use 1 to 128 of A-Z a-z 0-9 . _ : @ -",
            Self::NotFound => "list the sessions there are, or create it",
            Self::Taken => "choose another id",
            Self::Busy => "wait for turn.finished, cancel the turn, or let the message wait (busy = \"queue\")",
            Self::QueueFull => "wait until some are answered",
            Self::Empty => "send some text, or a part",
            Self::BadKey => "use 1 to 255 bytes of text",
            Self::KeyConflict => "use a new key for a new message",
            Self::Stale { .. } => "read the session up to its end, and send again if it still makes sense",
            Self::NoPlace => "use a cursor that the session gave, or a position up to its end",
            Self::NoTurn => "the turns of a session stand in its events, counted from 1",
            Self::NoCall => "the calls that are awaited stand in the last turn.waiting",
            Self::ResultTaken => "nothing: the first result counts",
            Self::Held { .. } => "leave the call to whoever claimed it, or claim it once that has run out",
            Self::BadImport { .. } => "import what an export gave, as it is",
            Self::NotKept(fault) | Self::Unreadable(fault) => fault.hint(),
            Self::Unavailable(_) => "ask again in a moment, or restart greenroom",
        }
    }
}
