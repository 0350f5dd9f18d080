//! The choice of an auth profile, as a pure value: time is an argument, credentials are not here.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::SystemTime,
};

use greenroom_wire::{ChatError, ErrorKind};
use serde::{Deserialize, Serialize};

use super::marks::{Health, Mark, open};
use crate::{
    policy::{Marks, row},
    store::moment,
};

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
    pub(super) tier: Tier,
    /// Whether its login lets requests in; a key always does.
    pub(super) entry: Entry,
    /// Whether it was removed.
    pub(super) gone: bool,
    weight: i64,
    /// What smooth weighted round robin has credited it with.
    credit: i64,
    pub(super) last_used: Option<SystemTime>,
    /// A count of uses stands in for time among uses within one tick of the clock.
    used: u64,
    pub(super) mark: Option<Mark>,
    pub(super) models: HashMap<String, Mark>,
}

/// Which profiles come first: logins, whose use is paid for already, and then keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tier {
    Login,
    Key,
}

/// Whether a profile's login lets requests in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// It does, or will once it is refreshed.
    Open,
    /// It could not be refreshed, and that is tried again then.
    Resting { until: SystemTime, kind: ErrorKind },
    /// Not before somebody logs in anew.
    Shut { kind: ErrorKind },
}

/// What is kept of one profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProfileRecord {
    #[serde(default, skip_serializing_if = "Option::is_none", with = "moment::optional")]
    last_used: Option<SystemTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mark: Option<Mark>,
}

impl ProfileRecord {
    /// Whether nothing depends on it any more.
    pub(super) fn is_forgotten(&self, now: SystemTime) -> bool {
        self.mark.as_ref().is_none_or(|mark| mark.is_forgotten(now))
    }

    /// Takes the mark out. Whether there was one.
    pub(super) fn clear_mark(&mut self) -> bool {
        self.mark.take().is_some()
    }
}

/// What is kept of all profiles, by profile, by profile and model, and by model. Each part is written by itself, so that
/// a provider with thousands of models costs no more for each mark.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) profiles: BTreeMap<String, ProfileRecord>,
    pub(super) models: BTreeMap<(String, String), Mark>,
    pub(super) health: BTreeMap<String, Health>,
}

/// What something did to the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    Nothing,
    /// What may be kept a moment later.
    Minor,
    /// Marks, which are kept before anybody sees them.
    Marks,
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
    /// Somebody has to log in first; why the login doesn't do.
    Shut { kind: ErrorKind },
    /// There is none at all.
    Missing,
}

impl Profiles {
    pub(super) fn new(profiles: impl IntoIterator<Item = (ProfileId, u32, Tier)>) -> Self {
        let list = profiles.into_iter().map(|(id, weight, tier)| Profile::new(id, weight, tier));
        Self { list: list.collect(), health: HashMap::new() }
    }

    /// A profile comes in, or comes in anew: what its name was marked with before is forgotten, since that was of another
    /// key or login. What changes by it.
    pub(super) fn admit(&mut self, id: &ProfileId, weight: u32, tier: Tier) -> Change {
        let new = Profile::new(Arc::clone(id), weight, tier);
        match self.list.iter_mut().find(|profile| profile.id == *id) {
            Some(old) => {
                let was_marked = old.mark.is_some() || !old.models.is_empty();
                *old = Profile { last_used: old.last_used, used: old.used, ..new };
                if was_marked { Change::Marks } else { Change::Minor }
            }
            None => {
                self.list.push(new);
                Change::Minor
            }
        }
    }

    /// A profile is removed: nothing of it is left but its place.
    pub(super) fn remove(&mut self, id: &str) -> Change {
        let Some(profile) = self.list.iter_mut().find(|profile| &*profile.id == id) else { return Change::Nothing };
        *profile = Profile { gone: true, ..Profile::new(Arc::clone(&profile.id), 1, profile.tier) };
        Change::Marks
    }

    /// Where it stands with a profile's login.
    pub(super) fn set_entry(&mut self, at: usize, entry: Entry) {
        self.list[at].entry = entry;
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
        let good = |&at: &usize| fits(&self.list[at]) && self.list[at].is_good(wanted.model, now);
        let mut order: Vec<usize> = (0..self.list.len()).filter(good).collect();
        order.sort_by_key(|&at| {
            let profile = &self.list[at];
            let preferred = wanted.prefer == Some(&*profile.id);
            (!preferred, profile.tier, -(profile.credit + profile.weight), profile.used)
        });
        if order.is_empty() { Err(self.none(wanted.model, now)) } else { Ok(order) }
    }

    fn none(&self, model: &str, now: SystemTime) -> NoProfile {
        let there = || self.list.iter().filter(|profile| !profile.gone);
        let first = there().filter_map(|profile| profile.left_alone(model, now)).min_by_key(|(until, _)| *until);
        match first {
            _ if there().next().is_none() => NoProfile::Missing,
            _ if there().any(|profile| profile.is_good(model, now)) => NoProfile::Tried,
            Some((until, kind)) => NoProfile::Cooling { until, kind },
            None => match there().find_map(|profile| profile.shut()) {
                Some(kind) => NoProfile::Shut { kind },
                None => NoProfile::Tried,
            },
        }
    }

    /// Why the model is left alone, if it is: a request for it that goes out all the same is a probe.
    pub(super) fn probes(&self, model: &str, now: SystemTime) -> Option<ErrorKind> {
        self.health.get(model)?.window(now).map(|mark| mark.kind)
    }

    /// A request goes out with this one.
    pub(super) fn handle_use(&mut self, at: usize, model: &str, now: SystemTime) {
        let tier = self.list[at].tier;
        let takes_turns = |&i: &usize| self.list[i].tier == tier && self.list[i].is_good(model, now);
        let good: Vec<usize> = (0..self.list.len()).filter(takes_turns).collect();
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
    ) -> Change {
        let hint = error.details.retry_after;
        let mark = row(error.kind, spoke).mark;
        let changed = |opened| if opened { Change::Marks } else { Change::Nothing };
        if mark == Marks::Health {
            let opened = self.health.entry(model.to_owned()).or_default().handle_failure(error.kind, hint, now);
            return changed(opened).max(Change::Minor);
        }
        let Some(profile) = self.list.iter_mut().find(|candidate| &*candidate.id == profile) else {
            return Change::Nothing;
        };
        match mark {
            Marks::Nothing | Marks::Health => Change::Nothing,
            Marks::Profile | Marks::Disabled => changed(open(&mut profile.mark, error.kind, hint, now)),
            Marks::ProfileModel | Marks::Excluded => {
                let mut mark = profile.models.remove(model);
                let opened = open(&mut mark, error.kind, hint, now);
                profile.models.extend(mark.map(|mark| (model.to_owned(), mark)));
                changed(opened)
            }
        }
    }

    /// An attempt has succeeded, or at least the model spoke.
    pub(super) fn handle_success(&mut self, profile: &str, model: &str) -> Change {
        let mut change = match self.health.remove(model) {
            None => Change::Nothing,
            Some(health) if health.is_marked() => Change::Marks,
            Some(_) => Change::Minor,
        };
        if let Some(profile) = self.list.iter_mut().find(|candidate| &*candidate.id == profile)
            && (profile.mark.take().is_some() | profile.models.remove(model).is_some())
        {
            change = Change::Marks;
        }
        change
    }

    /// Forgets every mark, by hand.
    pub(super) fn reset(&mut self) -> Change {
        let mut marked = self.health.drain().any(|(_, health)| health.is_marked());
        self.health.clear();
        for profile in &mut self.list {
            marked |= profile.mark.take().is_some() | !profile.models.is_empty();
            profile.models.clear();
        }
        if marked { Change::Marks } else { Change::Nothing }
    }

    /// What is to be kept. What nothing depends on any more is forgotten.
    pub(super) fn snapshot(&mut self, now: SystemTime) -> Snapshot {
        self.health.retain(|_, health| !health.is_forgotten(now));
        let mut snapshot = Snapshot {
            health: self.health.iter().map(|(model, health)| (model.clone(), health.clone())).collect(),
            ..Snapshot::default()
        };
        for profile in self.list.iter_mut().filter(|profile| !profile.gone) {
            profile.mark.take_if(|mark| mark.is_forgotten(now));
            profile.models.retain(|_, mark| !mark.is_forgotten(now));
            let record = ProfileRecord { last_used: profile.last_used, mark: profile.mark.clone() };
            if record != ProfileRecord::default() {
                snapshot.profiles.insert(profile.id.to_string(), record);
            }
            let marks = profile.models.iter();
            snapshot.models.extend(marks.map(|(model, mark)| ((profile.id.to_string(), model.clone()), mark.clone())));
        }
        snapshot
    }

    /// Takes up what was kept at `kept` of a profile. Whether there is such a profile.
    pub(super) fn restore(&mut self, id: &str, record: &ProfileRecord, kept: SystemTime, now: SystemTime) -> bool {
        let Some(profile) = self.list.iter_mut().find(|profile| &*profile.id == id) else { return false };
        profile.last_used = record.last_used.map(|at| at.min(now));
        profile.mark = record.mark.clone().map(|mark| mark.restore(kept, now));
        // Of several that were used before, the one used last comes last.
        let mut moments: Vec<SystemTime> = self.list.iter().filter_map(|profile| profile.last_used).collect();
        moments.sort_unstable();
        for profile in &mut self.list {
            profile.used = profile.last_used.map_or(0, |at| moments.partition_point(|before| *before <= at) as u64);
        }
        true
    }

    /// Takes up a mark that was kept of a profile and a model.
    pub(super) fn restore_model(&mut self, profile: &str, model: String, mark: Mark) {
        if let Some(profile) = self.list.iter_mut().find(|candidate| &*candidate.id == profile) {
            profile.models.insert(model, mark);
        }
    }

    /// Takes up what was kept of a model's health.
    pub(super) fn restore_health(&mut self, model: String, health: Health) {
        self.health.insert(model, health);
    }

    /// The models whose health is bad, with why and until when.
    pub(super) fn unhealthy(&self, now: SystemTime) -> impl Iterator<Item = (&str, &Mark)> {
        self.health.iter().filter_map(move |(model, health)| Some((model.as_str(), health.window(now)?)))
    }
}

impl Profile {
    fn new(id: ProfileId, weight: u32, tier: Tier) -> Self {
        Self {
            id,
            tier,
            entry: Entry::Open,
            gone: false,
            weight: i64::from(weight.max(1)),
            credit: 0,
            last_used: None,
            used: 0,
            mark: None,
            models: HashMap::new(),
        }
    }

    /// Whether it will do for this model.
    fn is_good(&self, model: &str, now: SystemTime) -> bool {
        !self.gone && self.shut().is_none() && self.left_alone(model, now).is_none()
    }

    /// Until when time alone keeps it from this model, and why.
    fn left_alone(&self, model: &str, now: SystemTime) -> Option<(SystemTime, ErrorKind)> {
        let marked = self.cooling(model, now).map(|mark| (mark.until, mark.kind));
        let resting = match self.entry {
            Entry::Resting { until, kind } if until > now => Some((until, kind)),
            Entry::Shut { .. } => return None,
            _ => None,
        };
        marked.into_iter().chain(resting).max_by_key(|(until, _)| *until)
    }

    fn shut(&self) -> Option<ErrorKind> {
        if let Entry::Shut { kind } = self.entry { Some(kind) } else { None }
    }

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
        Profiles::new(
            weights.iter().zip('a'..).map(|(weight, id)| (ProfileId::from(id.to_string()), *weight, Tier::Key)),
        )
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
    fn what_is_kept_decides_as_what_it_was_taken_of() {
        let mut before = profiles(&[1, 1, 1]);
        for (at_second, profile) in [(1, 2), (2, 0), (3, 1)] {
            before.handle_use(profile, MODEL, at(at_second));
        }
        fail(&mut before, "a", ErrorKind::RateLimited, at(4));
        fail(&mut before, "b", ErrorKind::Billing, at(4));
        fail(&mut before, "c", ErrorKind::Server, at(5));
        fail(&mut before, "c", ErrorKind::Server, at(6));
        let kept = before.snapshot(at(6));
        let mut after = profiles(&[1, 1, 1]);
        // In any order.
        for (id, record) in kept.profiles.iter().rev() {
            assert!(after.restore(id, record, at(6), at(7)));
        }
        for ((profile, model), mark) in kept.models.clone() {
            after.restore_model(&profile, model, mark.restore(at(6), at(7)));
        }
        for (model, health) in kept.health.clone() {
            after.restore_health(model, health.restore(at(6), at(7)));
        }
        assert!(!after.restore("gone", &kept.profiles["a"], at(6), at(7)));
        for now in [7, 12, 40, 700] {
            let other = Wanted { model: "other", ..wanted(&[]) };
            assert_eq!(after.order(&wanted(&[]), at(now)), before.order(&wanted(&[]), at(now)), "at {now}");
            assert_eq!(after.order(&other, at(now)), before.order(&other, at(now)), "at {now}");
        }
        assert_eq!(after.snapshot(at(7)), before.snapshot(at(7)));
        let kept = after.snapshot(at(4 + 600 + 24 * 3600));
        assert!(kept.health.is_empty() && kept.models.is_empty());
        assert!(kept.profiles.values().all(|record| record.mark.is_none()));
    }

    #[test]
    fn only_what_changes_marks_is_said_to() {
        let mut profiles = profiles(&[1]);
        let no = |kind| ChatError::new(kind, "no");
        let fail = |profiles: &mut Profiles, kind| profiles.handle_failure("a", MODEL, &no(kind), false, at(0));
        assert_eq!(profiles.handle_success("a", MODEL), Change::Nothing);
        assert_eq!(profiles.reset(), Change::Nothing);
        assert_eq!(fail(&mut profiles, ErrorKind::Server), Change::Minor);
        assert_eq!(fail(&mut profiles, ErrorKind::Server), Change::Marks);
        assert_eq!(profiles.handle_success("a", MODEL), Change::Marks);
        assert_eq!(fail(&mut profiles, ErrorKind::RateLimited), Change::Marks);
        assert_eq!(fail(&mut profiles, ErrorKind::RateLimited), Change::Nothing, "the window is open");
        assert_eq!(fail(&mut profiles, ErrorKind::InvalidRequest), Change::Nothing);
        assert_eq!(profiles.reset(), Change::Marks);
    }

    #[test]
    fn logins_come_first_and_keys_follow_where_they_do_not_do() {
        let login = |id: &str| (ProfileId::from(id), 1, Tier::Login);
        let key = |id: &str| (ProfileId::from(id), 5, Tier::Key);
        let mut profiles = Profiles::new([key("a"), login("b"), key("c"), login("d")]);
        assert_eq!(run(&mut profiles, 4), "bdbd");
        assert_eq!(profiles.order(&wanted(&[]), at(0)), Ok(vec![1, 3, 0, 2]));
        profiles.set_entry(1, Entry::Shut { kind: ErrorKind::AuthPermanent });
        profiles.set_entry(3, Entry::Resting { until: at(9), kind: ErrorKind::Network });
        assert_eq!(run(&mut profiles, 2), "ac");
        assert_eq!(profiles.order(&wanted(&[]), at(10)), Ok(vec![3, 0, 2]));
    }

    #[test]
    fn why_there_is_none_says_what_would_help() {
        let mut profiles = Profiles::new([(ProfileId::from("a"), 1, Tier::Login)]);
        profiles.set_entry(0, Entry::Resting { until: at(9), kind: ErrorKind::Network });
        let resting = NoProfile::Cooling { until: at(9), kind: ErrorKind::Network };
        assert_eq!(profiles.order(&wanted(&[]), at(0)), Err(resting));
        profiles.set_entry(0, Entry::Shut { kind: ErrorKind::AuthPermanent });
        assert_eq!(profiles.order(&wanted(&[]), at(0)), Err(NoProfile::Shut { kind: ErrorKind::AuthPermanent }));
        fail(&mut profiles, "a", ErrorKind::RateLimited, at(0));
        let shut = Err(NoProfile::Shut { kind: ErrorKind::AuthPermanent });
        assert_eq!(profiles.order(&wanted(&[]), at(0)), shut, "no time ends it");
        profiles.remove("a");
        assert_eq!(profiles.order(&wanted(&[]), at(0)), Err(NoProfile::Missing));
        assert_eq!(Profiles::new([]).order(&wanted(&[]), at(0)), Err(NoProfile::Missing));
    }

    #[test]
    fn a_profile_that_comes_in_anew_is_not_charged_with_what_was() {
        let mut profiles = profiles(&[1, 1]);
        fail(&mut profiles, "a", ErrorKind::Billing, at(0));
        fail(&mut profiles, "a", ErrorKind::RateLimited, at(0));
        assert_eq!(profiles.order(&wanted(&[]), at(1)), Ok(vec![1]));
        assert_eq!(profiles.admit(&"a".into(), 1, Tier::Key), Change::Marks);
        assert_eq!(profiles.admit(&"a".into(), 1, Tier::Key), Change::Minor);
        assert_eq!(profiles.order(&wanted(&[]), at(1)), Ok(vec![0, 1]));
        assert_eq!(profiles.remove("b"), Change::Marks);
        assert_eq!(profiles.admit(&"c".into(), 1, Tier::Key), Change::Minor);
        assert_eq!(profiles.order(&wanted(&[]), at(1)), Ok(vec![0, 2]), "places never move");
        assert_eq!(profiles.admit(&"b".into(), 1, Tier::Login), Change::Minor);
        assert_eq!(profiles.order(&wanted(&[]), at(1)), Ok(vec![1, 0, 2]));
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
