//! The actor of one session: the way in for what is asked of it.
//!
//! What a session is lies in its [`Core`] outside of the actor, so that an incarnation which takes over finds it as it
//! is, and writes and turns that end meanwhile go on. What waits in the mailbox of one that fails is asked again.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde::{Deserialize, Serialize};

use super::{core::Core, op::Op};

/// What a session is told.
pub(crate) enum SessionMsg {
    /// Something to do.
    Do(Box<Op>),
    /// Fails, for tests of supervision.
    #[cfg(test)]
    Panic,
}

/// What becomes of a message that comes while a turn runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Busy {
    /// It waits, and starts the next turn.
    #[default]
    Queue,
    /// It is refused.
    Refuse,
}

/// Something that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The turn that it starts, or is of.
    pub turn: u64,
    /// Where it stands in the log.
    pub position: u64,
    /// Where to read on after it.
    pub next: u64,
}

/// The actor. Its state is the session's [`Core`].
pub(crate) struct Session;

impl Actor for Session {
    type Msg = SessionMsg;
    type State = Arc<Core>;
    type Arguments = Arc<Core>;

    async fn pre_start(&self, _: ActorRef<Self::Msg>, core: Arc<Core>) -> Result<Arc<Core>, ActorProcessingErr> {
        Ok(core)
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        message: Self::Msg,
        core: &mut Arc<Core>,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SessionMsg::Do(op) => core.push(*op),
            #[cfg(test)]
            SessionMsg::Panic => panic!("a session was asked to fail"),
        }
        Ok(())
    }
}
