//! Batches: requests that can wait, handed to a provider together for half the price.
//!
//! What is kept of a batch is written before each step and after it ([`record`]), and its requests are on disk until the
//! provider has them ([`spool`]), so that a process that ends between is no loss: whoever asks for the batch next has it
//! looked for, and handed over if it is not there ([`sending`]).

mod error;
mod input;
mod record;
mod results;
mod sending;
mod spool;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use greenroom_actors::{
    BatchLeave, Candidate, System,
    store::{Batch, Store},
};
use greenroom_wire::{ChatError, batch::Asked};

pub use self::{error::BatchError, record::BatchInfo, results::BatchResults};
use self::{
    input::{Checked, Input, Written},
    record::{BATCHES, Kept, Step, now},
    spool::Writing,
};
use crate::ErrorKind;

/// The batches of a data directory. Clones are the same.
#[derive(Clone)]
pub struct Batches(Arc<Inner>);

struct Inner {
    system: System,
    place: Option<(PathBuf, Store)>,
    /// Those that are being handed over now.
    under_way: Mutex<BTreeSet<String>>,
    /// Held by who changes a row, so that no change is lost to another.
    changing: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Batches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batches").field("under_way", &*self.under_way()).finish_non_exhaustive()
    }
}

impl Batches {
    pub(crate) fn new(system: System, place: Option<(PathBuf, Store)>) -> Self {
        let (under_way, changing) = (Mutex::default(), tokio::sync::Mutex::default());
        Self(Arc::new(Inner { system, place, under_way, changing }))
    }

    /// Hands over the requests of a file, one a line: in the form of OpenAI's batches or of Anthropic's, or
    /// `{"id", "prompt" | "messages", "system", "max_tokens", …}`. A `model` goes before those of the lines. Every line is
    /// looked at first. When this returns, the batch outlives the process; it is handed over behind this, and [`get`](Self::get)
    /// says how far that is.
    ///
    /// # Errors
    /// What is wrong, and in which line: nothing is sent then. The provider takes no batches, or none of its profiles may
    /// be asked.
    pub async fn submit(&self, lines: Bytes, model: Option<&str>) -> Result<BatchInfo, BatchError> {
        let (data_dir, _) = self.place()?;
        let input = Input::new(lines, model);
        let checked = blocking({
            let input = input.clone();
            move || input.check()
        })
        .await?;
        let (provider, models) = self.meant(&checked).await?;
        let leave = Arc::new(self.0.system.batch_leave(&provider, None).await.map_err(BatchError::Provider)?);
        let limits = leave.batches().map_err(BatchError::Provider)?.limits();
        if checked.requests > limits.requests {
            return Err(BatchError::TooMany { count: checked.requests, most: limits.requests, provider });
        }
        let mut counted: BTreeMap<String, u64> = BTreeMap::new();
        for (name, count, line) in &checked.models {
            *counted.entry(models[name].model.id.clone()).or_default() += count;
            if counted.len() > limits.models {
                return Err(BatchError::Models { line: *line, most: limits.models, provider });
            }
        }
        let id = format!("batch_{:032x}", rand::random::<u128>());
        let path = spool::place(data_dir, &id);
        let marked = self.mark(&id).ok_or(BatchError::UnderWay)?;
        self.sweep().await?;
        let Written { form, bytes, names, features } = blocking({
            let (leave, system) = (Arc::clone(&leave), self.0.system.clone());
            move || {
                let fill = |asked, who: &Candidate| match asked {
                    Asked::Chat(request) => Asked::Chat(Box::new(system.batch_filled(*request, who))),
                    vectors @ Asked::Vectors(_) => vectors,
                };
                input.write(&leave, &models, fill, Writing::begin(path)?)
            }
        })
        .await?;
        let kept = Kept {
            provider,
            profile: leave.profile.to_string(),
            form,
            models: counted,
            requests: checked.requests,
            bytes,
            created: now(),
            step: Step::Uploading,
            file: None,
            status: None,
            problem: None,
            booked: 0,
            names,
            features,
        };
        if let Err(error) = self.put(&id, &kept).await {
            spool::remove(&spool::place(data_dir, &id));
            return Err(error);
        }
        let shown = kept.shown(&id, true);
        Self::begin(marked, leave, false);
        Ok(shown)
    }

    /// Every batch there is, as it was told of last, the newest first. No provider is asked.
    ///
    /// # Errors
    /// They can't be read.
    pub async fn list(&self) -> Result<Vec<BatchInfo>, BatchError> {
        let Some((_, store)) = &self.0.place else { return Ok(Vec::new()) };
        let mut all = store.scan(&BATCHES).await.map_err(BatchError::Unreadable)?;
        all.sort_by(|(a_id, a), (b_id, b)| b.created.cmp(&a.created).then_with(|| a_id.cmp(b_id)));
        let under_way = self.under_way();
        Ok(all.iter().map(|(id, kept)| kept.shown(id, under_way.contains(id))).collect())
    }

    /// A batch as it was told of last. Its provider is not asked.
    ///
    /// # Errors
    /// There is none, or it can't be read.
    pub async fn known(&self, id: &str) -> Result<BatchInfo, BatchError> {
        // Looked at first: what ends in between is read as it ended.
        let under_way = self.under_way().contains(id);
        Ok(self.kept(id).await?.shown(id, under_way))
    }

    /// How far a batch is, as its provider tells now. One whose handing over was cut off is looked for, and handed over
    /// behind this if it is not there.
    ///
    /// # Errors
    /// There is none, or its provider does not tell.
    pub async fn get(&self, id: &str) -> Result<BatchInfo, BatchError> {
        let under_way = self.under_way().contains(id);
        let kept = self.kept(id).await?;
        if under_way || kept.has_ended() {
            return Ok(kept.shown(id, under_way));
        }
        let leave = self.leave(&kept).await?;
        match (kept.step, &kept.status) {
            (Step::Sent, Some(status)) => {
                let batches = leave.batches().map_err(BatchError::Provider)?;
                let told = leave.hear(batches.status(&status.id, &leave.credential).await);
                let told = told.map_err(BatchError::Provider)?;
                Ok(self.change(id, |kept| kept.status = Some(told)).await?.shown(id, false))
            }
            _ => {
                if let Some(marked) = self.mark(id) {
                    Self::begin(marked, Arc::new(leave), true);
                }
                Ok(kept.shown(id, true))
            }
        }
    }

    /// Has a batch cancelled. What is answered by then stays, and costs what it costs.
    ///
    /// # Errors
    /// There is none, it has ended, or its provider does not do it.
    pub async fn cancel(&self, id: &str) -> Result<BatchInfo, BatchError> {
        let mut kept = self.kept(id).await?;
        if kept.has_ended() {
            return Err(BatchError::Ended { state: kept.state(false) });
        }
        if self.under_way().contains(id) {
            return Err(BatchError::UnderWay);
        }
        let leave = self.leave(&kept).await?;
        if kept.step == Step::Creating {
            self.adopt(id, &leave).await.map_err(BatchError::Provider)?;
            kept = self.kept(id).await?;
        }
        let Some(status) = kept.status.as_ref().filter(|_| kept.step == Step::Sent) else {
            self.remove_spool(id);
            let cancelled = |kept: &mut Kept| {
                (kept.step, kept.problem) = (Step::Failed, Some("it was cancelled before it was handed over".into()));
            };
            return Ok(self.change(id, cancelled).await?.shown(id, false));
        };
        let batches = leave.batches().map_err(BatchError::Provider)?;
        let told = leave.hear(batches.cancel(&status.id, &leave.credential).await).map_err(BatchError::Provider)?;
        Ok(self.change(id, |kept| kept.status = Some(told)).await?.shown(id, false))
    }

    /// The results of a batch that has ended, to be read piece by piece: lines of JSON in the provider's order, which need
    /// not be that of the requests. In the common form (`{"custom_id", "ok": …}` or `{"custom_id", "error": {"kind",
    /// "message"}}`), or `raw` as the provider has them. What is read the first time is booked.
    ///
    /// # Errors
    /// There are none: it has not ended, or failed; or they can't be had.
    pub async fn results(&self, id: &str, raw: bool) -> Result<BatchResults, BatchError> {
        let state = self.get(id).await?;
        let kept = self.kept(id).await?;
        let status = match (&kept.status, state.ended) {
            (Some(status), true) if kept.step == Step::Sent => status.clone(),
            (_, true) => return Err(BatchError::Failed(state.problem.unwrap_or_default())),
            _ => return Err(BatchError::NotEnded { state: kept.state(self.under_way().contains(id)) }),
        };
        let leave = self.leave(&kept).await?;
        let parts = leave.batches().map_err(BatchError::Provider)?.parts(&status);
        if parts == 0
            && let Some(problem) = state.problem
        {
            return Err(BatchError::Failed(problem));
        }
        BatchResults::begin(self.clone(), id, kept, leave, raw).await
    }

    /// Who is meant by each model that is named, all of one provider.
    async fn meant(&self, checked: &Checked) -> Result<(String, BTreeMap<String, Candidate>), BatchError> {
        /// More names than any provider takes models; each is looked up.
        const MOST_NAMES: usize = 1000;
        let mut models = BTreeMap::new();
        let mut of: Option<(String, u64)> = None;
        for (name, _, line) in &checked.models {
            if models.len() == MOST_NAMES {
                let provider = "no provider".to_owned();
                return Err(BatchError::Models { line: *line, most: MOST_NAMES, provider });
            }
            let found = self.0.system.batch_candidate(name).await;
            let found = found.map_err(|error| BatchError::Line { line: *line, error: unsent(error) })?;
            match &of {
                Some((provider, first)) if **provider != *found.provider => {
                    let (other, provider) = (found.provider.to_string(), provider.clone());
                    return Err(BatchError::Several { line: *line, other, first: *first, provider });
                }
                Some(_) => {}
                None => of = Some((found.provider.to_string(), *line)),
            }
            models.insert(name.clone(), found);
        }
        of.map(|(provider, _)| (provider, models)).ok_or(BatchError::Empty)
    }

    /// Leave to ask by the profile that a batch belongs to.
    async fn leave(&self, kept: &Kept) -> Result<BatchLeave, BatchError> {
        self.0.system.batch_leave(&kept.provider, Some(&kept.profile)).await.map_err(|mut error| {
            error.message = format!("{} (the batch belongs to its profile \"{}\")", error.message, kept.profile);
            BatchError::Provider(error)
        })
    }

    /// Removes requests of which nothing is known: their process was killed before it wrote down what they are.
    async fn sweep(&self) -> Result<(), BatchError> {
        let (data_dir, store) = self.place()?;
        let dir = data_dir.to_owned();
        // In this order: what is being written is marked before there is a file, and written down before it is unmarked.
        let files = blocking(move || Ok(spool::all(&dir)?)).await?;
        if files.is_empty() {
            return Ok(());
        }
        let marked = self.under_way().clone();
        let known = store.scan(&BATCHES).await.map_err(BatchError::Unreadable)?;
        let is_known = |id: &String| marked.contains(id) || known.iter().any(|(own, _)| own == id);
        files.iter().filter(|id| !is_known(id)).for_each(|id| self.remove_spool(id));
        Ok(())
    }

    fn place(&self) -> Result<(&Path, &Store), BatchError> {
        self.0.place.as_ref().map(|(path, store)| (path.as_path(), store)).ok_or(BatchError::NoStore)
    }

    fn under_way(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove_spool(&self, id: &str) {
        if let Ok((data_dir, _)) = self.place() {
            spool::remove(&spool::place(data_dir, id));
        }
    }

    async fn kept(&self, id: &str) -> Result<Kept, BatchError> {
        let Some((_, store)) = &self.0.place else { return Err(BatchError::NotFound) };
        store.get(&BATCHES, &id.to_owned()).await.map_err(BatchError::Unreadable)?.ok_or(BatchError::NotFound)
    }

    async fn put(&self, id: &str, kept: &Kept) -> Result<(), BatchError> {
        let (_, store) = self.place()?;
        let mut batch = Batch::default();
        batch.put(&BATCHES, &id.to_owned(), kept).map_err(BatchError::NotKept)?;
        store.commit(batch).await.map_err(BatchError::NotKept)
    }

    /// Changes what is kept of a batch, and gives it as it is then.
    async fn change(&self, id: &str, change: impl FnOnce(&mut Kept)) -> Result<Kept, BatchError> {
        let _alone = self.0.changing.lock().await;
        let mut kept = self.kept(id).await?;
        change(&mut kept);
        self.put(id, &kept).await?;
        Ok(kept)
    }
}

/// The error, with a hint that fits what was not sent.
fn unsent(error: ChatError) -> ChatError {
    if error.kind == ErrorKind::NotFound && error.details.hint.is_none() {
        return error.with_hint("`greenroom models` lists those there are; nothing was sent");
    }
    error
}

/// Runs what blocks beside the tasks.
async fn blocking<T: Send + 'static>(
    what: impl FnOnce() -> Result<T, BatchError> + Send + 'static,
) -> Result<T, BatchError> {
    match tokio::task::spawn_blocking(what).await {
        Ok(outcome) => outcome,
        Err(error) => Err(std::io::Error::other(error).into()),
    }
}
