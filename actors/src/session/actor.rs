//! The actor of one session: it takes messages, runs one turn at a time, and cancels.
//!
//! The log, the open turn and what waits lie in a [`Core`] outside of the actor, so that an incarnation which takes
//! over finds the turn as it is; the turn itself runs in a task of its own and never notices.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use greenroom_wire::{ChatRequest, Message, Part, Role};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{
    answering::Answering,
    event::{EventBody, Failure},
    history,
    mailbox::OpenLog,
    turn::{Job, Shared, run},
};
use crate::{handle::Handle, provider::ProfileId};

/// Messages that are remembered for being sent again: far more than can be under way at once.
const RECENT: usize = 64;

/// What a session is told.
pub(crate) enum SessionMsg {
    /// The user says something. The same `key` again is the same message, asked about once more.
    Send { key: u64, parts: Vec<Part>, busy: Busy, reply: RpcReplyPort<Result<Sent, SendError>> },
    /// Changes what later turns ask.
    Update { model: Option<String>, system: Option<String>, reply: RpcReplyPort<()> },
    /// Cancels a turn; one that has ended stays as it is.
    Cancel { turn: u64, reply: RpcReplyPort<bool> },
    /// The turn's task is done.
    Ended { turn: u64, reply: RpcReplyPort<()> },
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

/// A message that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// The turn that it starts.
    pub turn: u64,
    /// Where it stands in the log.
    pub position: u64,
    /// Where to read on after it.
    pub next: u64,
}

/// Why a message was not taken. Nothing of it is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// A turn runs, and the message was not to wait.
    #[error("a turn is running")]
    Busy,
    /// There is nothing in it.
    #[error("the message is empty")]
    Empty,
}

/// What outlives an incarnation of the actor.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) id: Arc<str>,
    pub(crate) log: Arc<OpenLog>,
    state: Mutex<CoreState>,
}

#[derive(Debug, Default)]
struct CoreState {
    model: Option<String>,
    system: Option<String>,
    turns: u64,
    open: Option<OpenTurn>,
    queued: VecDeque<u64>,
    /// The last messages taken, by key: one that is sent again because the actor failed under it is not taken twice.
    recent: VecDeque<(u64, Sent)>,
    last_route: Option<(Arc<str>, ProfileId)>,
}

#[derive(Debug)]
struct OpenTurn {
    turn: u64,
    cancel: CancellationToken,
}

impl Core {
    pub(crate) fn new(id: Arc<str>, model: Option<String>, system: Option<String>) -> Arc<Self> {
        let log = OpenLog::new();
        log.append(
            None,
            [EventBody::SessionCreated { model: model.clone(), system: system.clone(), tools: Vec::new() }],
        );
        let state = CoreState { model, system, ..CoreState::default() };
        Arc::new(Self { id, log, state: Mutex::new(state) })
    }

    /// Cancels the turn that runs, without the actor.
    pub(crate) fn cancel_open(&self) {
        let mut state = self.lock();
        state.queued.clear();
        if let Some(open) = &state.open {
            open.cancel.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, CoreState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a session's actor is made of.
pub(crate) struct SessionArgs {
    pub(crate) core: Arc<Core>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) myself: Handle<SessionMsg>,
}

/// The actor. Its state is its arguments: what changes is in the [`Core`].
pub(crate) struct Session;

impl SessionArgs {
    fn handle_send(&self, key: u64, parts: Vec<Part>, busy: Busy) -> Result<Sent, SendError> {
        if parts.is_empty() {
            return Err(SendError::Empty);
        }
        let mut state = self.core.lock();
        if let Some((_, sent)) = state.recent.iter().find(|(taken, _)| *taken == key) {
            return Ok(*sent);
        }
        let queued = state.open.is_some();
        if queued && busy == Busy::Refuse {
            return Err(SendError::Busy);
        }
        state.turns += 1;
        let turn = state.turns;
        let position = self.core.log.append(Some(turn), [EventBody::MessageUser { parts, queued }]);
        let sent = Sent { turn, position, next: position + 1 };
        if state.recent.len() == RECENT {
            state.recent.pop_front();
        }
        state.recent.push_back((key, sent));
        if queued {
            state.queued.push_back(turn);
        } else {
            self.start_turn(&mut state, turn);
        }
        Ok(sent)
    }

    fn start_turn(&self, state: &mut CoreState, turn: u64) {
        let cancel = CancellationToken::new();
        state.open = Some(OpenTurn { turn, cancel: cancel.clone() });
        let mut messages = self.core.log.with(|log| history::messages(log, turn));
        if let Some(system) = &state.system {
            messages.insert(0, Message::text(Role::System, system));
        }
        let request =
            ChatRequest { model: state.model.clone().unwrap_or_default(), messages, ..ChatRequest::default() };
        let request = Arc::new(request);
        let prefer = state.last_route.clone();
        let job = Job { request, owner: Arc::clone(&self.core.id), is_session: true, prefer, on_interrupt: None };
        tokio::spawn(run_turn(
            Arc::clone(&self.core),
            Arc::clone(&self.shared),
            self.myself.clone(),
            job,
            turn,
            cancel,
        ));
    }

    fn handle_update(&self, model: Option<String>, system: Option<String>) {
        let mut state = self.core.lock();
        let model = model.filter(|model| state.model.as_ref() != Some(model));
        let system = system.filter(|system| state.system.as_ref() != Some(system));
        if model.is_none() && system.is_none() {
            return;
        }
        self.core
            .log
            .append(None, [EventBody::SessionUpdated { model: model.clone(), system: system.clone(), tools: None }]);
        state.model = model.or(state.model.take());
        state.system = system.or(state.system.take());
    }

    fn handle_cancel(&self, turn: u64) -> bool {
        let mut state = self.core.lock();
        if let Some(open) = state.open.as_ref().filter(|open| open.turn == turn) {
            open.cancel.cancel();
            return true;
        }
        let waiting = state.queued.len();
        state.queued.retain(|queued| *queued != turn);
        let was_waiting = state.queued.len() < waiting;
        if was_waiting {
            self.core.log.append(Some(turn), [EventBody::TurnCancelled]);
        }
        was_waiting
    }

    fn handle_ended(&self, turn: u64) {
        let mut state = self.core.lock();
        if state.open.as_ref().is_some_and(|open| open.turn == turn) {
            state.open = None;
            if let Some(next) = state.queued.pop_front() {
                self.start_turn(&mut state, next);
            }
        }
    }
}

/// Runs a turn in its own task and tells the session's actor, whichever incarnation lives then.
async fn run_turn(
    core: Arc<Core>,
    shared: Arc<Shared>,
    session: Handle<SessionMsg>,
    job: Job,
    turn: u64,
    cancel: CancellationToken,
) {
    let answering = Answering::new(Arc::clone(&core.log), turn, shared.limits.bytes);
    let task = tokio::spawn(async move { run(&shared, &job, answering, &cancel).await });
    match task.await {
        Ok(None) => {}
        Ok(route) => core.lock().last_route = route,
        Err(failed) => {
            tracing::error!(session = %core.id, turn, "a turn's task failed: {failed}");
            let error = greenroom_wire::ChatError::new(greenroom_wire::ErrorKind::Server, "greenroom failed inside");
            core.log.append(Some(turn), [EventBody::TurnFailed { error: Failure::from(&error) }]);
        }
    }
    // If the session is gone, its log has the turn's end all the same.
    let _gone = session.call(|reply| SessionMsg::Ended { turn, reply }).await;
}

impl Actor for Session {
    type Msg = SessionMsg;
    type State = SessionArgs;
    type Arguments = SessionArgs;

    async fn pre_start(&self, _: ActorRef<Self::Msg>, args: SessionArgs) -> Result<SessionArgs, ActorProcessingErr> {
        Ok(args)
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut SessionArgs,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SessionMsg::Send { key, parts, busy, reply } => {
                let _left = reply.send(state.handle_send(key, parts, busy));
            }
            SessionMsg::Update { model, system, reply } => {
                state.handle_update(model, system);
                let _left = reply.send(());
            }
            SessionMsg::Cancel { turn, reply } => {
                let _left = reply.send(state.handle_cancel(turn));
            }
            SessionMsg::Ended { turn, reply } => {
                state.handle_ended(turn);
                let _left = reply.send(());
            }
            #[cfg(test)]
            SessionMsg::Panic => panic!("a session was asked to fail"),
        }
        Ok(())
    }
}
