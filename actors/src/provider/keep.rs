//! What of a provider outlives the process: marks, health, last use, limiters, the usual length of answers.
//!
//! The actor never waits for the disk. At most one write of it is under way; when that is done a newer state is written
//! if there is one. Marks are written at once and everything else a moment later. **What is visible is kept**: a reply
//! that shows marks, or follows from them, waits until they are on disk, or until the store has said that it can't.

use std::{
    collections::BTreeMap,
    mem,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use super::{
    limiter::LimiterRecord,
    marks::{Health, Mark},
    profiles::{Change, ProfileRecord, Snapshot},
};
use crate::store::{Batch, Store, StoreError, Table, moment};

/// How far last use and limiters may be behind, less what the write itself may take of the 250 ms that are promised.
pub(super) const SOON: Duration = Duration::from_millis(200);
/// How far a limiter may have been behind at an unclean stop.
pub(super) const UNKEPT: Duration = Duration::from_millis(250);
/// After a failed write, when nothing else gives reason to write.
pub(super) const RETRY: Duration = Duration::from_secs(2);

type Own = (String, String);

static PROFILES: Table<Own, Saved<ProfileRecord>> = Table::new("provider.profile");
static MODELS: Table<(String, Own), Saved<Mark>> = Table::new("provider.model");
static LIMITERS: Table<Own, Saved<LimiterRecord>> = Table::new("provider.limiter");
static ANSWERS: Table<Own, Saved<u32>> = Table::new("provider.answers");
static HEALTH: Table<Own, Saved<Health>> = Table::new("provider.health");
/// The place of the limiter over all profiles; no profile has an empty name.
const SHARED: &str = "";

/// Something with when it was kept, which tells a clock that was set back.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Saved<T> {
    #[serde(with = "moment")]
    at: SystemTime,
    what: T,
}

/// The state as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) marks: Snapshot,
    /// Those of profiles, and that over all.
    pub(super) limiters: BTreeMap<String, LimiterRecord>,
    /// The usual length of each model's answers, in tokens.
    pub(super) answers: BTreeMap<String, u32>,
}

/// What an earlier incarnation kept, each part with when.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) profiles: Vec<(String, SystemTime, ProfileRecord)>,
    pub(super) models: Vec<(Own, SystemTime, Mark)>,
    pub(super) health: Vec<(String, SystemTime, Health)>,
    pub(super) limiters: Vec<(String, LimiterRecord)>,
    pub(super) answers: Vec<(String, u32)>,
}

/// What follows once it is known whether the state is kept.
type Tell = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Keeps one provider's state.
pub(super) struct Keeper {
    provider: String,
    store: Option<Store>,
    /// Counts changes of marks.
    changed: u64,
    /// Up to which change the disk has had its say, and what it said last.
    settled: u64,
    said: Result<(), StoreError>,
    /// The change up to which a write is under way, with what it writes.
    writing: Option<(u64, Records)>,
    /// Whether there is something to write that isn't urgent, and whether it is time.
    minor: bool,
    ticking: bool,
    /// What is on disk, `None` where that isn't sure.
    on_disk: BTreeMap<Place, Option<Part>>,
    /// What is on disk of profiles that there aren't.
    foreign: Vec<Place>,
    waiting: Vec<(u64, Tell)>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Profile(String),
    Model(Own),
    Health(String),
    Limiter(String),
    Answers(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Profile(ProfileRecord),
    Model(Mark),
    Health(Health),
    Limiter(LimiterRecord),
    Answers(u32),
}

impl Keeper {
    pub(super) fn new(provider: &str, store: Option<Store>) -> Self {
        Self {
            provider: provider.to_owned(),
            store,
            changed: 0,
            settled: 0,
            said: Ok(()),
            writing: None,
            minor: false,
            ticking: false,
            on_disk: BTreeMap::new(),
            foreign: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// Reads what was kept. What can't be read is as if it had never been, and the log says so.
    pub(super) async fn load(&mut self) -> Loaded {
        let Some(store) = &self.store else { return Loaded::default() };
        let provider = self.provider.clone();
        let loaded = async {
            // Together, so that a disk that hangs is waited for once.
            let (profiles, models, health, limiters, answers) = futures::try_join!(
                store.scan_settled(&PROFILES, &provider),
                store.scan_settled(&MODELS, &provider),
                store.scan_settled(&HEALTH, &provider),
                store.scan_settled(&LIMITERS, &provider),
                store.scan_settled(&ANSWERS, &provider),
            )?;
            Ok::<_, StoreError>(Loaded {
                profiles: parts(profiles),
                models: parts(models),
                health: parts(health),
                limiters: parts(limiters).into_iter().map(|(id, _, record)| (id, record)).collect(),
                answers: parts(answers).into_iter().map(|(model, _, mean)| (model, mean)).collect(),
            })
        };
        loaded.await.unwrap_or_else(|error| {
            tracing::error!(provider, "what was kept of a provider can't be read: {error}");
            Loaded::default()
        })
    }

    /// Some part is on disk and is this keeper's to change: its value is whatever it is.
    pub(super) fn handle_found(&mut self, loaded: &Loaded, is_ours: impl Fn(&str) -> bool, now: SystemTime) {
        // Of a profile that the configuration no longer has, nothing is touched while it may come back marked.
        let mut found = |place, is_ours| {
            if is_ours {
                self.on_disk.insert(place, None);
            } else {
                self.foreign.push(place);
            }
        };
        for (id, _, record) in &loaded.profiles {
            found(Place::Profile(id.clone()), is_ours(id) || record.is_forgotten(now));
        }
        for (own, _, mark) in &loaded.models {
            found(Place::Model(own.clone()), is_ours(&own.0) || mark.is_forgotten(now));
        }
        for (id, record) in &loaded.limiters {
            found(Place::Limiter(id.clone()), id == SHARED || is_ours(id) || record.is_forgotten(now));
        }
        for (model, _) in &loaded.answers {
            self.on_disk.insert(Place::Answers(model.clone()), None);
        }
        for (model, ..) in &loaded.health {
            self.on_disk.insert(Place::Health(model.clone()), None);
        }
    }

    /// There is a profile of this name from now on: what was kept of one before it is this keeper's to change.
    pub(super) fn handle_added(&mut self, id: &str) {
        let is_its = |place: &Place| match place {
            Place::Profile(of) | Place::Limiter(of) | Place::Model((of, _)) => of == id,
            Place::Health(_) | Place::Answers(_) => false,
        };
        let its = self.foreign.extract_if(.., |place| is_its(place));
        self.on_disk.extend(its.map(|place| (place, None)));
    }

    /// Something has changed.
    pub(super) fn handle(&mut self, change: Change) {
        match change {
            Change::Nothing => {}
            Change::Minor => self.minor = true,
            Change::Marks => self.changed += 1,
        }
    }

    /// Has `tell` run once the disk has had its say on all changes so far, which may be now.
    pub(super) fn after(&mut self, tell: impl FnOnce(Result<(), StoreError>) + Send + 'static) {
        if self.store.is_none() || self.settled >= self.changed {
            tell(self.said.clone());
        } else {
            self.waiting.push((self.changed, Box::new(tell)));
        }
    }

    /// Somebody asks for what is known: what could not be kept is tried once more before it is shown.
    pub(super) fn handle_asked(&mut self) {
        if self.said.is_err() && self.settled >= self.changed {
            self.changed += 1;
        }
    }

    /// What isn't urgent becomes so.
    pub(super) fn handle_settle(&mut self) {
        if self.minor {
            self.changed += 1;
        }
    }

    /// Whether to write at once.
    pub(super) fn is_urgent(&self) -> bool {
        self.store.is_some() && self.writing.is_none() && self.changed > self.settled
    }

    /// After how long to write what isn't urgent, if that was not asked before.
    pub(super) fn tick(&mut self) -> Option<Duration> {
        let due = self.store.is_some() && self.minor && !self.ticking && self.writing.is_none();
        self.ticking |= due;
        due.then_some(if self.said.is_ok() { SOON } else { RETRY })
    }

    /// The time of [`tick`](Self::tick) has come. Whether to write now.
    pub(super) fn handle_tick(&mut self) -> bool {
        self.ticking = false;
        self.minor && self.writing.is_none()
    }

    /// Begins a write: what to write where, or `None` if nothing differs from what is on disk.
    pub(super) fn begin(&mut self, records: Records, now: SystemTime) -> Option<(Store, u64, Batch)> {
        let store = self.store.clone()?;
        self.minor = false;
        let new = records.parts();
        let mut batch = Batch::default();
        let removed: Vec<Place> = self.on_disk.keys().filter(|place| !new.contains_key(*place)).cloned().collect();
        for place in removed {
            self.set(&mut batch, &place, None, now);
            self.on_disk.insert(place, None);
        }
        for (place, part) in new {
            if self.on_disk.get(&place) != Some(&Some(part.clone())) {
                self.set(&mut batch, &place, Some(part), now);
                // Until it is known how the write went.
                self.on_disk.insert(place, None);
            }
        }
        self.writing = Some((self.changed, records));
        if batch.is_empty() {
            self.handle_written(self.changed, Ok(()));
            return None;
        }
        Some((store, self.changed, batch))
    }

    fn set(&self, batch: &mut Batch, place: &Place, part: Option<Part>, at: SystemTime) {
        let provider = self.provider.clone();
        let set = match (place, part) {
            (Place::Profile(id), Some(Part::Profile(what))) => {
                batch.put(&PROFILES, &(provider, id.clone()), &Saved { at, what })
            }
            (Place::Model(own), Some(Part::Model(what))) => {
                batch.put(&MODELS, &(provider, own.clone()), &Saved { at, what })
            }
            (Place::Health(model), Some(Part::Health(what))) => {
                batch.put(&HEALTH, &(provider, model.clone()), &Saved { at, what })
            }
            (Place::Limiter(id), Some(Part::Limiter(what))) => {
                batch.put(&LIMITERS, &(provider, id.clone()), &Saved { at, what })
            }
            (Place::Answers(model), Some(Part::Answers(what))) => {
                batch.put(&ANSWERS, &(provider, model.clone()), &Saved { at, what })
            }
            (place, _) => {
                match place {
                    Place::Answers(model) => batch.remove(&ANSWERS, &(provider, model.clone())),
                    Place::Profile(id) => batch.remove(&PROFILES, &(provider, id.clone())),
                    Place::Model(own) => batch.remove(&MODELS, &(provider, own.clone())),
                    Place::Health(model) => batch.remove(&HEALTH, &(provider, model.clone())),
                    Place::Limiter(id) => batch.remove(&LIMITERS, &(provider, id.clone())),
                }
                Ok(())
            }
        };
        // Each is of a few numbers.
        if let Err(error) = set {
            tracing::error!(provider = self.provider, "what is known of a provider can't be kept: {error}");
        }
    }

    /// A write has ended.
    pub(super) fn handle_written(&mut self, version: u64, outcome: Result<(), StoreError>) {
        let Some((_, records)) = self.writing.take_if(|(writing, _)| *writing == version) else { return };
        if outcome.is_ok() {
            let parts = records.parts();
            self.on_disk = parts.into_iter().map(|(place, part)| (place, Some(part))).collect();
        }
        // What is not kept is tried again even if nothing else changes.
        self.minor |= outcome.is_err();
        self.settled = version;
        self.said = outcome;
        for (awaited, tell) in mem::take(&mut self.waiting) {
            if awaited <= self.settled {
                tell(self.said.clone());
            } else {
                self.waiting.push((awaited, tell));
            }
        }
    }
}

impl Records {
    fn parts(&self) -> BTreeMap<Place, Part> {
        let Snapshot { profiles, models, health } = &self.marks;
        let profiles = profiles.iter().map(|(id, part)| (Place::Profile(id.clone()), Part::Profile(part.clone())));
        let models = models.iter().map(|(own, part)| (Place::Model(own.clone()), Part::Model(part.clone())));
        let health = health.iter().map(|(id, part)| (Place::Health(id.clone()), Part::Health(part.clone())));
        let kept = |record: &LimiterRecord| *record != LimiterRecord::default();
        let limiters = self.limiters.iter().filter(|(_, record)| kept(record));
        let limiters = limiters.map(|(id, part)| (Place::Limiter(id.clone()), Part::Limiter(*part)));
        let answers = self.answers.iter().map(|(id, mean)| (Place::Answers(id.clone()), Part::Answers(*mean)));
        profiles.chain(models).chain(health).chain(limiters).chain(answers).collect()
    }

    /// With the limiter over all profiles.
    pub(super) fn with_shared(mut self, record: LimiterRecord) -> Self {
        self.limiters.insert(SHARED.to_owned(), record);
        self
    }
}

impl Loaded {
    /// The limiter of a profile, or that over all.
    pub(super) fn limiter(&self, profile: Option<&str>) -> LimiterRecord {
        let wanted = profile.unwrap_or(SHARED);
        self.limiters.iter().find(|(id, _)| id == wanted).map(|(_, record)| *record).unwrap_or_default()
    }
}

fn parts<K, T>(rows: Vec<((String, K), Saved<T>)>) -> Vec<(K, SystemTime, T)> {
    rows.into_iter().map(|((_, own), saved)| (own, saved.at, saved.what)).collect()
}

/// Removes what is kept of providers that the configuration no longer has, once nothing depends on it any more.
pub(crate) async fn prune(store: &Store, configured: &[String], now: SystemTime) -> Result<(), StoreError> {
    let gone = |(provider, _): &Own| !configured.contains(provider);
    let mut batch = Batch::default();
    for (key, saved) in store.scan(&PROFILES).await? {
        if gone(&key) && saved.what.is_forgotten(now) {
            batch.remove(&PROFILES, &key);
        }
    }
    for (key, saved) in store.scan(&MODELS).await? {
        if !configured.contains(&key.0) && saved.what.is_forgotten(now) {
            batch.remove(&MODELS, &key);
        }
    }
    for (key, saved) in store.scan(&HEALTH).await? {
        if gone(&key) && saved.what.is_forgotten(now) {
            batch.remove(&HEALTH, &key);
        }
    }
    for (key, saved) in store.scan(&LIMITERS).await? {
        if gone(&key) && saved.what.is_forgotten(now) {
            batch.remove(&LIMITERS, &key);
        }
    }
    for (key, _) in store.scan(&ANSWERS).await? {
        if gone(&key) {
            batch.remove(&ANSWERS, &key);
        }
    }
    if batch.is_empty() { Ok(()) } else { store.commit(batch).await }
}

/// Clears what is kept of a provider's marks, while no actor of it runs.
///
/// # Errors
/// The store can't be read, or the marks are still there.
pub async fn reset_kept(store: &Store, provider: &str) -> Result<(), StoreError> {
    let provider = provider.to_owned();
    let mut batch = Batch::default();
    for (key, mut saved) in store.scan_settled(&PROFILES, &provider).await? {
        if saved.what.clear_mark() {
            batch.put(&PROFILES, &key, &saved)?;
        }
    }
    for (key, _) in store.scan_settled(&MODELS, &provider).await? {
        batch.remove(&MODELS, &key);
    }
    for (key, _) in store.scan_settled(&HEALTH, &provider).await? {
        batch.remove(&HEALTH, &key);
    }
    if batch.is_empty() { Ok(()) } else { store.commit(batch).await }
}

#[cfg(test)]
#[path = "keep_tests.rs"]
mod tests;
