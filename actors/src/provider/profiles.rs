//! The choice of an auth profile, as a pure value: time is an argument, credentials are not here.

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use greenroom_wire::{ChatError, ErrorKind};

use super::marks::{Health, Mark, open};
use crate::policy::{Marks, row};

/// Names a profile of its provider.
pub type ProfileId = Arc<str>;

/// What is known of a provider's profiles and of its models' health.
#[derive(Debug)]
pub(super) struct Profiles {
    pub(super) list: Vec<Profile>,
    health: HashMap<String, Health>,
}

/// What is known of one profile.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) id: ProfileId,
    weight: i64,
    /// What smooth weighted round robin has credited it with.
    credit: i64,
    pub(super) last_used: Option<SystemTime>,
    /// A count of uses stands in for time among uses within one tick of the clock.
    used: u64,
    pub(super) mark: Option<Mark>,
    pub(super) models: HashMap<String, Mark>,
}

/// Which profiles will do for a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) model: &'a str,
    /// Tried before, and failed.
    pub(super) exclude: &'a [ProfileId],
    /// This one and no other.
    pub(super) only: Option<&'a str>,
    /// This one first, while it is good.
    pub(super) prefer: Option<&'a str>,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoProfile {
    /// Every one is left alone; the first is free again then, and why.
    Cooling { until: SystemTime, kind: ErrorKind },
    /// Every one was tried already.
    Tried,
}

impl Profiles {
    pub(super) fn new(profiles: impl IntoIterator<Item = (ProfileId, u32)>) -> Self {
        let list = profiles.into_iter().map(|(id, weight)| Profile {
            id,
            weight: i64::from(weight.max(1)),
            credit: 0,
            last_used: None,
            used: 0,
            mark: None,
            models: HashMap::new(),
        });
        Self { list: list.collect(), health: HashMap::new() }
    }

    /// The profiles that will do, the best first, as indices into the list.
    pub(super) fn order(&self, wanted: &Wanted<'_>, now: SystemTime) -> Result<Vec<usize>, NoProfile> {
        if let Some(health) = self.health.get(wanted.model)
            && !health.admits(now)
            && let Some(mark) = health.window(now)
        {
            return Err(NoProfile::Cooling { until: mark.until, kind: mark.kind });
        }
        let fits = |profile: &Profile| match wanted.only {
            Some(only) => &*profile.id == only,
            None => !wanted.exclude.contains(&profile.id),
        };
        let good = |&at: &usize| fits(&self.list[at]) && self.list[at].cooling(wanted.model, now).is_none();
        let mut order: Vec<usize> = (0..self.list.len()).filter(good).collect();
        order.sort_by_key(|&at| {
            let profile = &self.list[at];
            let preferred = wanted.prefer == Some(&*profile.id);
            (!preferred, -(profile.credit + profile.weight), profile.used)
        });
        if order.is_empty() { Err(self.none(wanted.model, now)) } else { Ok(order) }
    }

    fn none(&self, model: &str, now: SystemTime) -> NoProfile {
        let first = self.list.iter().filter_map(|profile| profile.cooling(model, now)).min_by_key(|mark| mark.until);
        let all_cool = self.list.iter().all(|profile| profile.cooling(model, now).is_some());
        match first {
            Some(mark) if all_cool => NoProfile::Cooling { until: mark.until, kind: mark.kind },
            _ => NoProfile::Tried,
        }
    }

    /// Why the model is left alone, if it is: a request for it that goes out all the same is a probe.
    pub(super) fn probes(&self, model: &str, now: SystemTime) -> Option<ErrorKind> {
        self.health.get(model)?.window(now).map(|mark| mark.kind)
    }

    /// A request goes out with this one.
    pub(super) fn handle_use(&mut self, at: usize, model: &str, now: SystemTime) {
        let good: Vec<usize> = (0..self.list.len()).filter(|&i| self.list[i].cooling(model, now).is_none()).collect();
        let total: i64 = good.iter().map(|&i| self.list[i].weight).sum();
        for i in good {
            self.list[i].credit += self.list[i].weight;
        }
        let latest = self.list.iter().map(|profile| profile.used).max().unwrap_or(0);
        let profile = &mut self.list[at];
        profile.credit -= total;
        profile.last_used = Some(now);
        profile.used = latest + 1;
        if let Some(health) = self.health.get_mut(model) {
            health.handle_start(now);
        }
    }

    /// An attempt has failed.
    pub(super) fn handle_failure(
        &mut self,
        profile: &str,
        model: &str,
        error: &ChatError,
        spoke: bool,
        now: SystemTime,
    ) {
        let hint = error.details.retry_after;
        let mark = row(error.kind, spoke).mark;
        if mark == Marks::Health {
            self.health.entry(model.to_owned()).or_default().handle_failure(error.kind, now);
            return;
        }
        let Some(profile) = self.list.iter_mut().find(|candidate| &*candidate.id == profile) else { return };
        match mark {
            Marks::Nothing | Marks::Health => {}
            Marks::Profile | Marks::Disabled => open(&mut profile.mark, error.kind, hint, now),
            Marks::ProfileModel | Marks::Excluded => {
                let mut mark = profile.models.remove(model);
                open(&mut mark, error.kind, hint, now);
                profile.models.extend(mark.map(|mark| (model.to_owned(), mark)));
            }
        }
    }

    /// An attempt has succeeded, or at least the model spoke.
    pub(super) fn handle_success(&mut self, profile: &str, model: &str) {
        if let Some(health) = self.health.get_mut(model) {
            health.handle_success();
        }
        if let Some(profile) = self.list.iter_mut().find(|candidate| &*candidate.id == profile) {
            profile.mark = None;
            profile.models.remove(model);
        }
    }

    /// Forgets every mark, by hand.
    pub(super) fn reset(&mut self) {
        self.health.clear();
        for profile in &mut self.list {
            profile.mark = None;
            profile.models.clear();
        }
    }

    /// The models whose health is bad, with why and until when.
    pub(super) fn unhealthy(&self, now: SystemTime) -> impl Iterator<Item = (&str, &Mark)> {
        self.health.iter().filter_map(move |(model, health)| Some((model.as_str(), health.window(now)?)))
    }
}

impl Profile {
    /// The window that keeps it from this model, the one that ends last.
    fn cooling(&self, model: &str, now: SystemTime) -> Option<&Mark> {
        let marks = self.mark.iter().chain(self.models.get(model));
        marks.filter(|mark| mark.is_open(now)).max_by_key(|mark| mark.until)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MODEL: &str = "m";

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn profiles(weights: &[u32]) -> Profiles {
        Profiles::new(weights.iter().zip('a'..).map(|(weight, id)| (ProfileId::from(id.to_string()), *weight)))
    }

    fn wanted(exclude: &[ProfileId]) -> Wanted<'_> {
        Wanted { model: MODEL, exclude, only: None, prefer: None }
    }

    fn run(profiles: &mut Profiles, times: usize) -> String {
        let mut used = String::new();
        for _ in 0..times {
            let first = profiles.order(&wanted(&[]), at(0)).unwrap()[0];
            profiles.handle_use(first, MODEL, at(0));
            used += &profiles.list[first].id;
        }
        used
    }

    fn fail(profiles: &mut Profiles, profile: &str, kind: ErrorKind, now: SystemTime) {
        profiles.handle_failure(profile, MODEL, &ChatError::new(kind, "no"), false, now);
    }

    #[test]
    fn equal_weights_take_the_least_recently_used() {
        assert_eq!(run(&mut profiles(&[1, 1, 1]), 6), "abcabc");
    }

    #[test]
    fn weights_are_kept_and_spread() {
        assert_eq!(run(&mut profiles(&[1, 3]), 8), "babbbabb");
    }

    #[test]
    fn a_limit_cools_its_model_alone_and_an_auth_failure_the_whole_profile() {
        let mut profiles = profiles(&[1, 1]);
        fail(&mut profiles, "a", ErrorKind::RateLimited, at(0));
        assert_eq!(profiles.order(&wanted(&[]), at(1)), Ok(vec![1]));
        assert_eq!(profiles.order(&Wanted { model: "other", ..wanted(&[]) }, at(1)), Ok(vec![0, 1]));
        fail(&mut profiles, "b", ErrorKind::Auth, at(1));
        let cooling = NoProfile::Cooling { until: at(30), kind: ErrorKind::RateLimited };
        assert_eq!(profiles.order(&wanted(&[]), at(2)), Err(cooling));
        assert_eq!(profiles.order(&Wanted { model: "other", ..wanted(&[]) }, at(2)), Ok(vec![0]));
        profiles.reset();
        assert_eq!(profiles.order(&wanted(&[]), at(2)), Ok(vec![0, 1]));
    }

    #[test]
    fn a_transient_failure_is_never_charged_to_a_profile() {
        let mut profiles = profiles(&[1]);
        fail(&mut profiles, "a", ErrorKind::Server, at(0));
        assert_eq!(profiles.order(&wanted(&[]), at(0)), Ok(vec![0]));
        fail(&mut profiles, "a", ErrorKind::Server, at(1));
        let cooling = NoProfile::Cooling { until: at(6), kind: ErrorKind::Server };
        assert_eq!(profiles.order(&wanted(&[]), at(1)), Err(cooling));
        assert!(profiles.list[0].mark.is_none() && profiles.list[0].models.is_empty());
        profiles.handle_success("a", MODEL);
        assert_eq!(profiles.order(&wanted(&[]), at(1)), Ok(vec![0]));
    }

    #[test]
    fn tried_ones_are_left_out_and_a_preferred_one_comes_first() {
        let profiles = profiles(&[1, 1]);
        let tried = [ProfileId::from("a")];
        assert_eq!(profiles.order(&wanted(&tried), at(0)), Ok(vec![1]));
        let all = [ProfileId::from("a"), ProfileId::from("b")];
        assert_eq!(profiles.order(&wanted(&all), at(0)), Err(NoProfile::Tried));
        let sticky = Wanted { prefer: Some("b"), ..wanted(&[]) };
        assert_eq!(profiles.order(&sticky, at(0)), Ok(vec![1, 0]));
    }
}
