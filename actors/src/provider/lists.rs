//! The list of a provider's models: how old it may be, and whether it is time to ask for it again.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use greenroom_providers::ModelInfo;
use greenroom_wire::ChatError;
use tokio::time::Instant;

/// A list is good for this long; then it is given once more while it is asked for again.
const LIST_FRESH: Duration = Duration::from_secs(300);
/// A list of an earlier process is given at all for this long.
const CACHED_LIST_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// After a failure nothing is asked in the background before this.
const RETRY_AFTER: Duration = Duration::from_secs(15);

/// The models that a provider lists, or why they can't be had.
pub(crate) type ModelList = Result<Arc<[ModelInfo]>, ChatError>;

/// A list that an earlier process had.
#[derive(Debug, Clone)]
pub struct CachedList {
    /// What was listed.
    pub models: Arc<[ModelInfo]>,
    /// When.
    pub at: SystemTime,
}

impl CachedList {
    /// Whether it may still be given, which one from the future may not.
    pub(crate) fn is_usable(&self) -> bool {
        SystemTime::now().duration_since(self.at).is_ok_and(|age| age < CACHED_LIST_LIFE)
    }
}

/// Told of each list that was had, with the provider's name. It runs inside the actor, so it must not block.
pub type ListedHook = Arc<dyn Fn(&Arc<str>, &Arc<[ModelInfo]>) + Send + Sync>;

/// What a provider has listed.
pub(super) struct Lists {
    cached: Option<CachedList>,
    had: Option<(Instant, Arc<[ModelInfo]>)>,
    /// Whether another may be had now, since who asks for it may have come in anew.
    outdated: bool,
    /// When it could not be had, if that was the last time.
    failed: Option<Instant>,
    /// Whether it is being asked for.
    pub(super) asking: bool,
}

impl Lists {
    pub(super) fn new(cached: Option<CachedList>) -> Self {
        Self { cached, had: None, outdated: false, failed: None, asking: false }
    }

    /// A list that needs no asking.
    pub(super) fn fresh(&self) -> Option<Arc<[ModelInfo]>> {
        let fresh = |(at, _): &&(Instant, _)| !self.outdated && at.elapsed() < LIST_FRESH;
        self.had.as_ref().filter(fresh).map(|(_, models)| Arc::clone(models))
    }

    /// A profile has come in, which may see other models.
    pub(super) fn handle_outdated(&mut self) {
        (self.outdated, self.failed) = (true, None);
    }

    /// A list, however old it may be.
    pub(super) fn any(&self) -> Option<Arc<[ModelInfo]>> {
        let cached = || self.cached.as_ref().filter(|cached| cached.is_usable()).map(|cached| &cached.models);
        self.had.as_ref().map(|(_, models)| models).or_else(cached).map(Arc::clone)
    }

    /// Whether to ask again though nobody waits for it.
    pub(super) fn is_due(&self) -> bool {
        self.fresh().is_none() && self.failed.is_none_or(|at| at.elapsed() >= RETRY_AFTER)
    }

    /// A list that was had is kept where a later one can't be had.
    pub(super) fn handle_listed(&mut self, list: &ModelList) {
        self.asking = false;
        match list {
            Ok(models) => {
                self.had = Some((Instant::now(), Arc::clone(models)));
                (self.outdated, self.failed) = (false, None);
            }
            Err(_) => self.failed = Some(Instant::now()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cached(age: Duration) -> Lists {
        let models = Arc::from([ModelInfo::named("old")]);
        Lists::new(Some(CachedList { models, at: SystemTime::now() - age }))
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_list_is_given_until_a_new_one_comes_and_a_failure_is_not_repeated_at_once() {
        let mut lists = cached(Duration::from_secs(60));
        assert!(lists.fresh().is_none() && lists.is_due(), "one of another process is never fresh");
        assert_eq!(lists.any().unwrap()[0].id, "old");
        lists.handle_listed(&Err(ChatError::new(greenroom_wire::ErrorKind::Network, "refused")));
        assert_eq!(lists.any().unwrap()[0].id, "old");
        assert!(!lists.is_due());
        tokio::time::advance(RETRY_AFTER).await;
        assert!(lists.is_due());
        lists.handle_listed(&Ok(Arc::from([ModelInfo::named("new")])));
        assert_eq!(lists.fresh().unwrap()[0].id, "new");
        assert!(!lists.is_due());
        tokio::time::advance(LIST_FRESH).await;
        assert!(lists.fresh().is_none() && lists.is_due());
        assert_eq!(lists.any().unwrap()[0].id, "new");
    }

    #[test]
    fn a_list_of_long_ago_or_of_the_future_is_none() {
        assert!(cached(CACHED_LIST_LIFE + Duration::from_secs(1)).any().is_none());
        let mut future = cached(Duration::ZERO);
        future.cached.as_mut().unwrap().at = SystemTime::now() + Duration::from_secs(60);
        assert!(future.any().is_none());
    }
}
