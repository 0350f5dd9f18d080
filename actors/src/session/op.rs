//! What a session is asked to do, and what of it is done when nothing is being written.

use greenroom_wire::ChatError;
use ractor::RpcReplyPort;

use super::{
    Sent,
    error::SessionError,
    event::EventBody,
    info::{CallResult, Cancelled, Claim, Outgoing, Update},
    record::ShownSince,
};
use crate::provider::ProfileId;

/// Where an answer to an asker goes.
pub(crate) type Reply<T> = RpcReplyPort<Result<T, SessionError>>;

/// Something to do, which is answered once it is kept or refused.
pub(crate) enum Op {
    /// The user says something.
    Send {
        message: Outgoing,
        /// What the disk has of its idempotency key.
        earlier: Option<Earlier>,
        reply: Reply<Sent>,
    },
    /// Changes what later turns ask.
    Update { update: Update, reply: Reply<()> },
    /// Cancels a turn.
    Cancel { turn: u64, reply: Reply<Cancelled> },
    /// Claims a call.
    Claim { id: String, claim: Option<String>, reply: Reply<Claim> },
    /// A call has its result.
    Result { result: CallResult, reply: Reply<Sent> },
    /// A turn is no response any more; answers whether none of the session's is.
    Delete { turn: u64, reply: Reply<bool> },
    /// A turn's task is done.
    Over { turn: u64, over: Over, route: Option<(std::sync::Arc<str>, ProfileId)> },
    /// Models are shown a part of the conversation from now on.
    Context { turn: u64, dropped: u64, since: ShownSince, summary: Option<String> },
}

/// What is kept of an idempotency key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Earlier {
    pub(crate) sent: Sent,
    /// Whether the message is the same.
    pub(crate) is_same: bool,
}

/// How a turn's task ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Over {
    /// The turn has this as its last event.
    Ended(EventBody),
    /// It waits for the results of these calls.
    Waits(Vec<String>),
    /// It goes on when the next process starts.
    Suspended,
}

impl Over {
    /// There is no answer.
    pub(crate) fn failed(error: &ChatError) -> Self {
        Self::Ended(EventBody::TurnFailed { error: error.into() })
    }
}
