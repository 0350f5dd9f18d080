//! The ways in to sessions: whoever has one of these can be sure that it is there when it is used, in memory or not.

mod copy;
mod ephemeral;
mod export;
mod live;
mod sweep;

use std::{
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use greenroom_providers::cost::Cost;
use ractor::RpcReplyPort;
use tokio::sync::broadcast;

pub use self::export::Export;
use self::{
    copy::{Copy, log_name, parse},
    ephemeral::Ephemeral,
    live::{Live, Make},
};
pub use crate::session::reader::{From, Reader};
use crate::{
    handle::{Handle, Unavailable},
    session::{
        Sent, Shared,
        actor::SessionMsg,
        core::Core,
        entry::{bytes_of, encode},
        error::SessionError,
        event::{EventBody, LogEvent},
        info::{
            Access, CallResult, Cancelled, Claim, NewSession, Outgoing, SessionInfo, SessionSummary, Standing, Update,
        },
        log::Cursor,
        op::{Earlier, Op, Reply},
        record::{KEY_LIFE, KEYS, OWNED, RECORDS, Record},
        turn_set::TurnSet,
    },
    store::{Batch, Store, StoreError},
    supervisor::SupervisorMsg,
};

/// The longest id, in bytes.
const LONGEST_ID: usize = 128;

/// The sessions of a system. Clones are the same.
#[derive(Debug, Clone)]
pub struct Sessions(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Those that are kept.
    durable: Option<Arc<Live>>,
    /// Where nothing is kept: those that would be.
    volatile: OnceLock<Arc<Live>>,
    /// Those that are gone with their last user, made when there is a first.
    ephemeral: OnceLock<Arc<Live>>,
    shared: Arc<Shared>,
    supervisor: Handle<SupervisorMsg>,
}

impl Sessions {
    /// The sessions that a store has, and those in memory alone.
    pub(crate) async fn start(store: Option<Store>, shared: Arc<Shared>, supervisor: Handle<SupervisorMsg>) -> Self {
        let durable = store.map(|store| Arc::new(Live::new(store, Arc::clone(&shared), supervisor.clone())));
        if let Some(live) = &durable {
            tokio::spawn(sweep::look_after(Arc::downgrade(live), shared.rules.clone()));
            let live = Arc::clone(live);
            tokio::spawn(async move {
                if let Err(fault) = live.take_up_all().await {
                    tracing::error!("turns that were interrupted can't be found: {fault}");
                }
            });
        }
        Self(Arc::new(Inner { durable, volatile: OnceLock::new(), ephemeral: OnceLock::new(), shared, supervisor }))
    }

    fn durable(&self) -> Result<&Arc<Live>, SessionError> {
        match &self.0.durable {
            Some(live) => Ok(live),
            None => self.in_memory(&self.0.volatile),
        }
    }

    fn in_memory<'a>(&self, place: &'a OnceLock<Arc<Live>>) -> Result<&'a Arc<Live>, SessionError> {
        if let Some(live) = place.get() {
            return Ok(live);
        }
        let no_threads = |error: io::Error| SessionError::NotKept(StoreError::Unwritable { what: error.to_string() });
        let store = Store::temporary("these sessions are not to be kept").map_err(no_threads)?;
        let live = Live::new(store, Arc::clone(&self.0.shared), self.0.supervisor.clone());
        Ok(place.get_or_init(|| Arc::new(live)))
    }

    /// Makes a session, which is kept when this returns; one that is there already is given as it is, if it is one's
    /// own. Whether it was made.
    ///
    /// # Errors
    /// The id can't be one or is another client's, or the session can't be kept.
    pub async fn create(&self, access: &Access, new: NewSession) -> Result<(SessionRef, bool), SessionError> {
        let id = match &new.id {
            Some(id) => checked(id)?,
            None => made_up(),
        };
        let live = self.durable()?;
        let (core, made) = live.enter(&id, Some(make(access, new))).await?;
        if !made && !core.with_record(|record| access.sees(&record.client)) {
            return Err(SessionError::Taken);
        }
        Ok((SessionRef { live: Arc::clone(live), id, keeps: None }, made))
    }

    /// The session of this id.
    ///
    /// # Errors
    /// There is none, it is another client's, or it can't be read.
    pub async fn open(&self, access: &Access, id: &str) -> Result<SessionRef, SessionError> {
        let id = checked(id)?;
        let live = self.durable()?;
        let core = live.get(&id).await?;
        if !core.with_record(|record| access.sees(&record.client)) {
            return Err(SessionError::NotFound);
        }
        Ok(SessionRef { live: Arc::clone(live), id, keeps: None })
    }

    /// Sessions in the order of their ids, from the first one after `after` on; at most `most`.
    ///
    /// # Errors
    /// They can't be read.
    pub async fn list(
        &self,
        access: &Access,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<SessionSummary>, SessionError> {
        let live = self.durable()?;
        let found: Vec<(String, Record)> = match access {
            Access::Admin => {
                let after = after.map(str::to_owned);
                live.store.scan_page(&RECORDS, after.as_ref(), most).await.map_err(SessionError::Unreadable)?
            }
            Access::Client(client) => {
                let client = client.to_string();
                let after = after.map(|after| (client.clone(), after.to_owned()));
                let page = live.store.scan_page_of(&OWNED, &client, after.as_ref(), most).await;
                let mut found = Vec::new();
                for ((_, id), ()) in page.map_err(SessionError::Unreadable)? {
                    // One that was removed meanwhile is none.
                    if let Some(record) = live.store.get(&RECORDS, &id).await.map_err(SessionError::Unreadable)? {
                        found.push((id, record));
                    }
                }
                found
            }
        };
        let summary = |(id, record): (String, Record)| match live.in_memory(&id) {
            Some(core) => summary_of(&core),
            None => record.summary(&id, record.end),
        };
        Ok(found.into_iter().map(summary).collect())
    }

    /// Whose session is made or removed from now on. A receiver that lags has missed some.
    ///
    /// # Errors
    /// There are no threads left.
    pub fn changes(&self) -> Result<broadcast::Receiver<Arc<str>>, SessionError> {
        Ok(self.durable()?.listed())
    }

    /// Removes a session with all that was said. A turn of it that runs is cancelled, and its readers end.
    ///
    /// # Errors
    /// There is none, it is another client's, or the disk does not take it.
    pub async fn remove(&self, access: &Access, id: &str) -> Result<(), SessionError> {
        let session = self.open(access, id).await?;
        remove(&session.live, &session.core().await?, |_| true).await
    }

    /// Makes a session of what an export gave, under its id or another. Turns that were not over are cancelled.
    ///
    /// # Errors
    /// It is no export, the id is taken, or the session can't be kept. Nothing of it is there then.
    pub async fn import(&self, access: &Access, id: Option<String>, lines: &[u8]) -> Result<SessionRef, SessionError> {
        let (head, events) = parse(lines)?;
        let id = checked(&id.unwrap_or(head.id))?;
        let live = self.durable()?;
        let mut copy = Copy::begin(live).await?;
        copy.take(events).await?;
        copy.finish(&id, access.client()).await?;
        Ok(SessionRef { live: Arc::clone(live), id, keeps: None })
    }

    /// A session in memory alone, gone with the last of what this gives and of its readers. Its id is made up.
    ///
    /// # Errors
    /// There are no threads left.
    pub async fn ephemeral(&self, new: NewSession) -> Result<SessionRef, SessionError> {
        let live = self.in_memory(&self.0.ephemeral)?;
        let id = made_up();
        live.enter(&id, Some(make(&Access::Admin, new))).await?;
        let keeps: Arc<dyn Send + Sync> = Arc::new(Ephemeral { live: Arc::clone(live), id: Arc::clone(&id) });
        Ok(SessionRef { live: Arc::clone(live), id, keeps: Some(keeps) })
    }

    /// The same of what an export gave. Turns that were not over are cancelled.
    ///
    /// # Errors
    /// It is no export, or there are no threads left.
    pub async fn ephemeral_of(&self, lines: &[u8]) -> Result<SessionRef, SessionError> {
        let live = self.in_memory(&self.0.ephemeral)?;
        let (_, events) = parse(lines)?;
        let id = made_up();
        let mut copy = Copy::begin(live).await?;
        copy.take(events).await?;
        copy.finish(&id, Access::Admin.client()).await?;
        let keeps: Arc<dyn Send + Sync> = Arc::new(Ephemeral { live: Arc::clone(live), id: Arc::clone(&id) });
        Ok(SessionRef { live: Arc::clone(live), id, keeps: Some(keeps) })
    }

    /// How many sessions are in memory.
    pub fn live(&self) -> usize {
        self.all().map(|live| live.count()).sum()
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Live>> {
        self.0.durable.iter().chain(self.0.volatile.get()).chain(self.0.ephemeral.get())
    }

    /// Waits until everything that was said is kept, or can't be; `ended` is whether every turn ends, and is waited for.
    pub(crate) async fn settle(&self, ended: bool) {
        const LOOK: Duration = Duration::from_millis(5);
        for live in self.all() {
            for core in live.cores() {
                core.pump();
                while !core.is_settled(ended) {
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    /// Ends every reader.
    pub(crate) fn close(&self) {
        self.all().flat_map(|live| live.cores()).for_each(|core| core.log.close());
    }
}

/// The id, if it can be one.
fn checked(id: &str) -> Result<Arc<str>, SessionError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._:@-".contains(&byte);
    let is_one = (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(fits);
    if is_one { Ok(id.into()) } else { Err(SessionError::BadId) }
}

fn made_up() -> Arc<str> {
    format!("ses_{:032x}", rand::random::<u128>()).into()
}

/// What a new session is made of.
fn make(access: &Access, new: NewSession) -> Make {
    let NewSession { id: _, model, system, tools, budget, brief } = new;
    let (model, system) = (model.filter(|model| !model.is_empty()), system.filter(|system| !system.is_empty()));
    let mut record = Record::new(access.client(), log_name(), std::time::SystemTime::now());
    record.brief = brief;
    record.asks.model.clone_from(&model);
    record.asks.system_at = system.is_some().then_some(0);
    record.asks.tools_at = (!tools.is_empty()).then_some(0);
    record.asks.budget = budget;
    let budget = budget.map(|budget| budget.to_string());
    let body = EventBody::SessionCreated { model, system, tools, budget };
    let entries = encode([LogEvent { body, turn: None, position: 0, next: 1 }]);
    record.bytes = bytes_of(&entries);
    record.end = 1;
    let mut batch = Batch::default();
    batch.append_at(&record.log, 0, entries);
    Make { record, batch }
}

fn summary_of(core: &Core) -> SessionSummary {
    let end = core.log.shown_until();
    core.with_record(|record| record.summary(&core.id, end))
}

/// One session. Clones are the same one. It is woken when it is used, and may leave memory meanwhile.
#[derive(Clone)]
pub struct SessionRef {
    live: Arc<Live>,
    id: Arc<str>,
    keeps: Option<Arc<dyn Send + Sync>>,
}

impl std::fmt::Debug for SessionRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SessionRef").field(&self.id).finish()
    }
}

impl SessionRef {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) async fn core(&self) -> Result<Arc<Core>, SessionError> {
        self.live.get(&self.id).await
    }

    /// All that is told of it but its log.
    ///
    /// # Errors
    /// It is gone, or can't be read.
    pub async fn info(&self) -> Result<SessionInfo, SessionError> {
        let core = self.core().await?;
        let record = core.with_record(Clone::clone);
        let system = match record.asks.system_at {
            Some(at) => core.system(at).await.map_err(SessionError::Unreadable)?,
            None => None,
        };
        let tools = match record.asks.tools_at {
            Some(at) => core.tools(at).await.map_err(SessionError::Unreadable)?,
            None => Vec::new(),
        };
        let spent_usd = match record.asks.budget {
            // Not known is not nothing.
            Some(_) => core.shared.ledger.spent_in_session(&self.id).await.ok().map(Cost::dollars),
            None => None,
        };
        let calls = record.open.iter().flat_map(|open| &open.calls).filter(|call| !call.done);
        Ok(SessionInfo {
            summary: record.summary(&self.id, core.log.shown_until()),
            system,
            tools,
            budget: record.asks.budget,
            spent_usd,
            turn: record.open.as_ref().map(|open| open.turn),
            waiting: calls.map(|call| call.id.clone()).collect(),
            queued: record.queued.iter().map(|queued| queued.turn).collect(),
        })
    }

    /// Says something. It is kept when this returns, and answered.
    ///
    /// # Errors
    /// Why it was not taken; nothing of it is in the log then.
    pub async fn send(&self, message: Outgoing) -> Result<Sent, SessionError> {
        loop {
            let core = self.core().await?;
            // The disk has the keys that this incarnation of the session never saw.
            let earlier = match &message.key {
                Some(key) => earlier(&core, key, &message).await?,
                None => None,
            };
            let op = |reply| Op::Send { message: message.clone(), earlier, reply };
            if let Some(answer) = ask(&core, op).await {
                return answer;
            }
        }
    }

    /// Changes what later turns ask.
    ///
    /// # Errors
    /// It is gone, or can't be kept.
    pub async fn update(&self, update: Update) -> Result<(), SessionError> {
        self.ask(|reply| Op::Update { update: update.clone(), reply }).await
    }

    /// Cancels a turn; what it produced stays. Doing it twice is fine.
    ///
    /// # Errors
    /// It is gone, there was no such turn, or it can't be kept.
    pub async fn cancel(&self, turn: u64) -> Result<Cancelled, SessionError> {
        self.ask(|reply| Op::Cancel { turn, reply }).await
    }

    /// Claims a call that is awaited, or renews the claim on it.
    ///
    /// # Errors
    /// No such call is awaited, it has its result, or is another's.
    pub async fn claim(&self, id: &str, claim: Option<String>) -> Result<Claim, SessionError> {
        self.ask(|reply| Op::Claim { id: id.to_owned(), claim: claim.clone(), reply }).await
    }

    /// Takes what a call gave. It is kept when this returns; with the last one that the turn waits for, it goes on.
    ///
    /// # Errors
    /// No such call is awaited, it has its result, or is another's.
    pub async fn result(&self, result: CallResult) -> Result<Sent, SessionError> {
        self.ask(|reply| Op::Result { result: result.clone(), reply }).await
    }

    async fn ask<T: Send + 'static>(&self, op: impl Fn(Reply<T>) -> Op) -> Result<T, SessionError> {
        loop {
            let core = self.core().await?;
            if let Some(answer) = ask(&core, &op).await {
                return answer;
            }
        }
    }

    /// Makes a session of what this one has up to a place. Turns that were not over there are cancelled.
    ///
    /// # Errors
    /// There is no such place, the id is taken, or it can't be kept.
    pub async fn fork(&self, access: &Access, at: Cursor, id: Option<String>) -> Result<Self, SessionError> {
        self.copy(access, at, id, None).await
    }

    /// Makes a session of what this one has up to a turn and the place where that ends: what was said for later turns by
    /// then is left out. Its turns are no responses of the new session, which goes after a day as a brief one does.
    ///
    /// # Errors
    /// There is no such place, the id is taken, or it can't be kept.
    pub async fn fork_behind(
        &self,
        access: &Access,
        turn: u64,
        at: Cursor,
        id: Option<String>,
    ) -> Result<Self, SessionError> {
        self.copy(access, at, id, Some(turn)).await
    }

    async fn copy(
        &self,
        access: &Access,
        at: Cursor,
        id: Option<String>,
        last_turn: Option<u64>,
    ) -> Result<Self, SessionError> {
        let id = match &id {
            Some(id) => checked(id)?,
            None => made_up(),
        };
        let core = self.core().await?;
        let end = core.log.shown_until();
        let holds = core.with_record(|record| record.place(at, end, false));
        if holds != crate::session::record::Begin::At(at.position) || at.position == 0 {
            return Err(SessionError::NoPlace);
        }
        let mut copy = Copy::begin(&self.live).await?;
        let mut from = 0;
        while let events = core.page(from, at.position).await.map_err(SessionError::Unreadable)?
            && let Some(last) = events.last()
        {
            from = last.next;
            let events = events.into_iter().filter_map(|event| event.end_at(at.position));
            copy.take(events.filter(|event| last_turn.is_none() || event.turn <= last_turn).collect()).await?;
        }
        copy.brief = last_turn.is_some();
        copy.deleted = last_turn.map_or_else(TurnSet::default, TurnSet::up_to);
        copy.finish(&id, access.client()).await?;
        Ok(Self { live: Arc::clone(&self.live), id, keeps: None })
    }

    /// Reads a cursor; a bare number is a position of the epoch that the session is in.
    ///
    /// # Errors
    /// It is none, or the session is gone.
    pub async fn cursor(&self, text: &str) -> Result<Cursor, SessionError> {
        let core = self.core().await?;
        let epoch = core.with_record(|record| record.epoch);
        Cursor::parse(text, epoch).map_err(|_| SessionError::NoPlace)
    }

    /// Everything from a place on, and what comes. Any number may read at once.
    ///
    /// # Errors
    /// It is gone, or can't be read.
    pub async fn read(&self, from: From) -> Result<Reader, SessionError> {
        loop {
            let core = self.core().await?;
            if let Some(reader) = Reader::begin(core, from, self.keeps.clone()) {
                return Ok(reader);
            }
        }
    }

    /// The session as lines of JSON, up to where it is shown now.
    ///
    /// # Errors
    /// It is gone, or can't be read.
    pub async fn export(&self) -> Result<Export, SessionError> {
        let core = self.core().await?;
        let summary = summary_of(&core);
        Ok(Export::new(core, summary, self.keeps.clone()))
    }

    /// How far its turns are.
    ///
    /// # Errors
    /// It is gone, or can't be read.
    pub async fn standing(&self) -> Result<Standing, SessionError> {
        let core = self.core().await?;
        let position = core.log.shown_until();
        Ok(core.with_record(|record| Standing {
            end: Cursor { epoch: record.epoch, position },
            last: record.turns,
            open: record.open.as_ref().map(|open| open.turn),
            epochs: record.before.iter().map(|(_, valid_to)| *valid_to).collect(),
        }))
    }

    /// Whether a turn is a response of this session that was not deleted.
    ///
    /// # Errors
    /// It is gone, or can't be read.
    pub async fn is_response(&self, turn: u64) -> Result<bool, SessionError> {
        let core = self.core().await?;
        Ok(core.with_record(|record| !record.deleted.contains(turn)))
    }

    /// Has a turn be no response any more. What was said in it stays what models are shown in later ones, until no turn is
    /// one: then the session is removed.
    ///
    /// # Errors
    /// It is gone, there was no such turn, or it can't be kept.
    pub async fn delete_response(&self, turn: u64) -> Result<(), SessionError> {
        if !self.ask(|reply| Op::Delete { turn, reply }).await? {
            return Ok(());
        }
        // A turn that was begun meanwhile keeps it.
        remove(&self.live, &self.core().await?, |record| record.deleted.has_all(record.turns)).await
    }

    /// Where the log ends now, as far as it is shown.
    ///
    /// # Errors
    /// It is gone, or can't be read.
    pub async fn end(&self) -> Result<Cursor, SessionError> {
        let core = self.core().await?;
        let position = core.log.shown_until();
        Ok(Cursor { epoch: core.with_record(|record| record.epoch), position })
    }
}

/// Removes a session that is so, and its log behind it.
async fn remove(live: &Arc<Live>, core: &Arc<Core>, is_so: impl FnOnce(&Record) -> bool) -> Result<(), SessionError> {
    let log = core.with_record(|record| record.log.clone());
    if !live.remove_if(core, is_so).await? {
        return Ok(());
    }
    let live = Arc::clone(live);
    tokio::spawn(async move {
        if let Err(fault) = sweep::sweep_log(&live, &log).await {
            tracing::warn!("the log of a session that was removed stays on disk for now: {fault}");
        }
    });
    Ok(())
}

/// Asks a session by its actor. `None` if it has left memory meanwhile, so that it has to be woken and asked again.
async fn ask<T: Send + 'static>(core: &Arc<Core>, op: impl Fn(Reply<T>) -> Op) -> Option<Result<T, SessionError>> {
    let asked = core.handle.call(|reply: RpcReplyPort<_>| SessionMsg::Do(Box::new(op(reply)))).await;
    match asked {
        Ok(Err(SessionError::NotFound)) | Err(Unavailable::Down) if core.is_gone() => None,
        Ok(answer) => Some(answer),
        Err(unavailable) => Some(Err(unavailable.into())),
    }
}

/// What the disk has of an idempotency key. Where it can't be asked, the message can't be taken.
async fn earlier(core: &Core, key: &str, message: &Outgoing) -> Result<Option<Earlier>, SessionError> {
    let log = core.with_record(|record| record.log.clone());
    let found = core.store.get(&KEYS, &(log, key.to_owned())).await.map_err(SessionError::NotKept)?;
    let is_heeded = |at| std::time::SystemTime::now() < at + KEY_LIFE;
    let Some(kept) = found.filter(|kept| is_heeded(kept.at)) else { return Ok(None) };
    let said = core.event_at(kept.position).await.map_err(SessionError::NotKept)?;
    // A write that failed may have left its key where it can be read, but never its message in the log.
    let Some(EventBody::MessageUser { parts, asked, .. }) = said else { return Ok(None) };
    let is_same = parts == message.parts && asked == message.asked;
    let sent = Sent { turn: kept.turn, position: kept.position, next: kept.position + 1 };
    Ok(Some(Earlier { sent, is_same }))
}

#[cfg(test)]
mod tests;
