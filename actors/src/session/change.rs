//! What an op changes of a session, and what follows once the disk has had its say.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::SystemTime,
};

use greenroom_wire::Part;

use super::{
    Busy, Sent,
    core::{RecentKey, State},
    error::SessionError,
    event::{Asked, EventBody},
    info::{CallResult, Cancelled, Claim, Outgoing, Update},
    mailbox::OpenLog,
    op::{Earlier, Op, Over, Reply},
    record::{KEYS, KeyRecord, MOST_QUEUED, Queued, Record, ShownSince},
};
use crate::store::{Batch, StoreError};

/// The longest idempotency key, in bytes.
const LONGEST_KEY: usize = 255;

/// A change that waits for the disk.
pub(crate) enum Change {
    /// A message was taken.
    Sent {
        sent: Sent,
        key: Option<String>,
        reply: Reply<Sent>,
    },
    Updated {
        reply: Reply<()>,
    },
    /// A turn that did not run was cancelled.
    Cancelled {
        reply: Reply<Cancelled>,
    },
    Claimed {
        claim: Claim,
        reply: Reply<Claim>,
    },
    Result {
        sent: Sent,
        reply: Reply<Sent>,
    },
    Ended {
        turn: u64,
    },
    Waits {
        turn: u64,
        ids: Vec<String>,
    },
    Suspended {
        turn: u64,
    },
    Context {
        since: ShownSince,
    },
    /// A turn is no response any more; whether none of the session's is.
    Deleted {
        none_left: bool,
        reply: Reply<bool>,
    },
}

/// Does what is asked, as far as memory goes. `None` if there is nothing to wait for, and it was answered.
pub(super) fn apply(state: &mut State, op: Op, log: &OpenLog, batch: &mut Batch, now: SystemTime) -> Option<Change> {
    match op {
        Op::Send { message, earlier, reply } => match send(state, message, earlier, log, batch, now) {
            Ok(Taken::New { sent, key }) => Some(Change::Sent { sent, key, reply }),
            Ok(Taken::Before(sent)) => answered(reply, Ok(sent)),
            Err(error) => answered(reply, Err(error)),
        },
        Op::Update { update, reply } => {
            if update == Update::default() {
                return answered(reply, Ok(()));
            }
            handle_update(&mut state.record, update, log);
            Some(Change::Updated { reply })
        }
        // It has begun since it was asked for.
        Op::Cancel { turn, reply } if state.cancel_running(turn) => answered(reply, Ok(Cancelled::Cancelled)),
        Op::Cancel { turn, reply } => cancel(&mut state.record, turn, log, reply),
        Op::Claim { id, claim, reply } => {
            let fresh = format!("{:016x}", rand::random::<u64>());
            match state.record.claim(&id, claim.as_deref(), fresh, now) {
                Ok(claim) => Some(Change::Claimed { claim, reply }),
                Err(error) => answered(reply, Err(error)),
            }
        }
        Op::Result { result, reply } => {
            let CallResult { id, parts, error, claim } = result;
            let position = log.next_position();
            let turn = state.record.open.as_ref().map_or(0, |open| open.turn);
            match state.record.handle_result(&id, claim.as_deref(), position, now) {
                Ok(()) => {
                    log.append_held(Some(turn), EventBody::ToolResult { id, parts, error }, false);
                    let sent = Sent { turn, position, next: position + 1 };
                    Some(Change::Result { sent, reply })
                }
                Err(error) => answered(reply, Err(error)),
            }
        }
        Op::Over { turn, over, route } => {
            state.handle_over(turn);
            state.record.route = route
                .map(|(provider, profile)| (provider.to_string(), profile.to_string()))
                .or(state.record.route.take());
            Some(handle_over(&mut state.record, turn, over, log))
        }
        Op::Context { turn, dropped, mut since, summary } => {
            if summary.is_some() {
                since.summary_at = Some(log.next_position());
            }
            let body = EventBody::Context { dropped, from: since.turn, summary };
            log.append(Some(turn), [body]);
            state.record.context = Some(since.clone());
            Some(Change::Context { since })
        }
        Op::Delete { turn, reply } => {
            let record = &mut state.record;
            if turn == 0 || turn > record.turns {
                return answered(reply, Err(SessionError::NoTurn));
            }
            record.deleted.insert(turn);
            Some(Change::Deleted { none_left: record.deleted.has_all(record.turns), reply })
        }
    }
}

fn answered<T>(reply: Reply<T>, answer: Result<T, SessionError>) -> Option<Change> {
    let _left = reply.send(answer);
    None
}

enum Taken {
    New { sent: Sent, key: Option<String> },
    Before(Sent),
}

fn send(
    state: &mut State,
    message: Outgoing,
    earlier: Option<Earlier>,
    log: &OpenLog,
    batch: &mut Batch,
    now: SystemTime,
) -> Result<Taken, SessionError> {
    let Outgoing { parts, asked, busy, at, key } = message;
    if parts.is_empty() && asked.is_none() {
        return Err(SessionError::Empty);
    }
    let fingerprint = key.as_ref().map_or(0, |_| fingerprint(&parts, asked.as_deref()));
    if let Some(key) = &key {
        if key.is_empty() || key.len() > LONGEST_KEY {
            return Err(SessionError::BadKey);
        }
        let recent = state.keys.iter().find(|recent| recent.key == *key);
        let before = recent.map(|recent| (recent.sent, recent.fingerprint == fingerprint));
        match before.or(earlier.map(|earlier| (earlier.sent, earlier.is_same))) {
            Some((sent, true)) => return Ok(Taken::Before(sent)),
            Some((_, false)) => return Err(SessionError::KeyConflict),
            None => {}
        }
    }
    let record = &mut state.record;
    let position = log.next_position();
    let end = super::log::Cursor { epoch: record.epoch, position };
    if at.is_some_and(|at| at != end) {
        return Err(SessionError::Stale { end });
    }
    let queued = record.open.is_some();
    if queued && busy == Busy::Refuse {
        return Err(SessionError::Busy);
    }
    if record.queued.len() >= MOST_QUEUED {
        return Err(SessionError::QueueFull);
    }
    record.brief &= asked.as_ref().is_some_and(|asked| !asked.keeps);
    record.turns += 1;
    let turn = record.turns;
    log.append_held(Some(turn), EventBody::MessageUser { parts, queued, asked }, false);
    if queued {
        record.queued.push_back(Queued { turn, at: position });
    } else {
        record.begin(turn, position + 1);
    }
    let sent = Sent { turn, position, next: position + 1 };
    if let Some(key) = &key {
        let kept = KeyRecord { turn, position, at: now };
        batch.put(&KEYS, &(record.log.clone(), key.clone()), &kept).map_err(SessionError::NotKept)?;
        state.remember(RecentKey { key: key.clone(), fingerprint, sent });
    }
    Ok(Taken::New { sent, key })
}

/// What tells messages apart within this process.
fn fingerprint(parts: &[Part], asked: Option<&Asked>) -> u64 {
    let mut hasher = DefaultHasher::new();
    serde_json::to_vec(&(parts, asked)).expect("a message has no keys but texts").hash(&mut hasher);
    hasher.finish()
}

fn handle_update(record: &mut Record, update: Update, log: &OpenLog) {
    let position = log.next_position();
    let Update { model, system, tools, budget } = update;
    if let Some(model) = &model {
        record.asks.model = Some(model.clone()).filter(|model| !model.is_empty());
    }
    if let Some(system) = &system {
        record.asks.system_at = (!system.is_empty()).then_some(position);
    }
    if let Some(tools) = &tools {
        record.asks.tools_at = (!tools.is_empty()).then_some(position);
    }
    if let Some(budget) = budget {
        record.asks.budget = budget;
    }
    let budget = budget.map(|budget| budget.map_or_else(String::new, |budget| budget.to_string()));
    log.append_held(None, EventBody::SessionUpdated { model, system, tools, budget }, false);
}

fn cancel(record: &mut Record, turn: u64, log: &OpenLog, reply: Reply<Cancelled>) -> Option<Change> {
    if turn == 0 || turn > record.turns {
        return answered(reply, Err(SessionError::NoTurn));
    }
    let is_queued = record.queued.iter().any(|queued| queued.turn == turn);
    let is_open = record.open.as_ref().is_some_and(|open| open.turn == turn);
    if !is_queued && !is_open {
        return answered(reply, Ok(Cancelled::Ended));
    }
    log.append_held(Some(turn), EventBody::TurnCancelled, false);
    record.queued.retain(|queued| queued.turn != turn);
    record.handle_ended(turn);
    Some(Change::Cancelled { reply })
}

fn handle_over(record: &mut Record, turn: u64, over: Over, log: &OpenLog) -> Change {
    match over {
        Over::Ended(last) => {
            log.append_held(Some(turn), last, true);
            record.handle_ended(turn);
            Change::Ended { turn }
        }
        Over::Waits(ids) => {
            log.append_held(Some(turn), EventBody::TurnWaiting { ids: ids.clone() }, true);
            record.handle_waiting(turn, &ids);
            Change::Waits { turn, ids }
        }
        Over::Suspended => {
            suspend(record, turn);
            Change::Suspended { turn }
        }
    }
}

fn suspend(record: &mut Record, turn: u64) {
    if let Some(open) = record.open.as_mut().filter(|open| open.turn == turn) {
        open.suspended = true;
    }
}

impl Change {
    /// Whether a turn has said all that it says for now.
    pub(super) fn ends_step(&self) -> bool {
        matches!(self, Self::Ended { .. } | Self::Waits { .. })
    }

    /// The idempotency key of a message.
    pub(super) fn key(&self) -> Option<&str> {
        match self {
            Self::Sent { key, .. } => key.as_deref(),
            _ => None,
        }
    }

    /// The disk has refused it: what a turn did is so all the same. Events were taken back from these places.
    pub(super) fn redo(&self, record: &mut Record, retracted: &[u64]) {
        match self {
            Self::Ended { turn } => record.handle_ended(*turn),
            Self::Waits { turn, ids } => record.handle_waiting(*turn, ids),
            Self::Suspended { turn } => suspend(record, *turn),
            Self::Context { since } => {
                let up = |position: u64| position - retracted.iter().filter(|gone| **gone < position).count() as u64;
                record.context = Some(ShownSince { summary_at: since.summary_at.map(up), ..since.clone() });
            }
            Self::Sent { .. }
            | Self::Updated { .. }
            | Self::Cancelled { .. }
            | Self::Claimed { .. }
            | Self::Result { .. }
            | Self::Deleted { .. } => {}
        }
    }

    /// Answers whoever asked for it.
    pub(super) fn tell(self, outcome: &Result<(), StoreError>) {
        let kept = || outcome.clone().map_err(SessionError::NotKept);
        match self {
            Self::Sent { sent, reply, .. } | Self::Result { sent, reply, .. } => {
                drop(reply.send(kept().map(|()| sent)));
            }
            Self::Updated { reply } => drop(reply.send(kept())),
            Self::Cancelled { reply } => drop(reply.send(kept().map(|()| Cancelled::Cancelled))),
            Self::Claimed { claim, reply } => drop(reply.send(kept().map(|()| claim))),
            Self::Deleted { none_left, reply } => drop(reply.send(kept().map(|()| none_left))),
            Self::Ended { .. } | Self::Waits { .. } | Self::Suspended { .. } | Self::Context { .. } => {}
        }
    }
}
