//! Marks: what a failure leaves behind, and for how long. Pure; time is an argument, wall clock, since marks outlive
//! the process.

use std::time::{Duration, SystemTime};

use greenroom_wire::ErrorKind;
use serde::{Deserialize, Serialize};

use crate::{
    policy::{Marks, row},
    store::moment,
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// A provider's own retry-after counts up to this; some have asked for weeks.
const LONGEST_HINT: Duration = Duration::from_secs(24 * 3600);
/// Two failures of health within this open a window.
const HEALTH_PAIR: Duration = Duration::from_secs(30);
/// While a health window is open, one live request in this time may probe.
const PROBE_EVERY: Duration = Duration::from_secs(10);

/// A window in which something is left alone. It is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Why.
    pub kind: ErrorKind,
    /// When it ends by itself.
    #[serde(with = "moment")]
    pub until: SystemTime,
    /// How long it was when it opened: a clock that was set back can't make it longer.
    length: Duration,
    /// How often it was opened without quiet between.
    step: u32,
}

impl Mark {
    /// Whether it still holds.
    pub fn is_open(&self, now: SystemTime) -> bool {
        self.until.duration_since(now).is_ok_and(|left| !left.is_zero() && left <= self.length)
    }

    /// Whether nothing depends on it any more: its window is over, and so is the quiet after which a failure begins anew.
    pub(super) fn is_forgotten(&self, now: SystemTime) -> bool {
        let quiet = Ladder::of(self.kind).map_or(Duration::ZERO, |ladder| ladder.quiet);
        !self.is_open(now) && now.duration_since(self.until).is_ok_and(|since| since >= quiet)
    }

    /// The mark that was kept at `kept`. Where the clock was set back since, the window keeps what was left of it then,
    /// and no more.
    pub(super) fn restore(mut self, kept: SystemTime, now: SystemTime) -> Self {
        self.until -= set_back(kept, now);
        self
    }
}

/// By how much the clock was set back, at least, since `kept`.
fn set_back(kept: SystemTime, now: SystemTime) -> Duration {
    kept.duration_since(now).unwrap_or_default()
}

/// The windows of one reason, from the first to the longest, and how much quiet after one's end begins anew.
struct Ladder {
    first: Duration,
    factor: u32,
    longest: Duration,
    quiet: Duration,
}

impl Ladder {
    /// That of a failure of this kind; `None` where nothing but health is marked.
    fn of(kind: ErrorKind) -> Option<Self> {
        let ladder = |first, factor, longest, quiet| Some(Self { first, factor, longest, quiet });
        match (row(kind, false).mark, kind) {
            (Marks::Nothing, _) => None,
            (Marks::Health, _) => ladder(Duration::from_secs(5), 2, Duration::from_secs(30), 10 * MINUTE),
            (Marks::Excluded, _) => ladder(HOUR, 1, HOUR, 10 * MINUTE),
            (Marks::Disabled, ErrorKind::Billing) => ladder(10 * MINUTE, 2, 24 * HOUR, 24 * HOUR),
            (Marks::Disabled, _) => ladder(10 * MINUTE, 2, HOUR, 10 * MINUTE),
            (Marks::Profile | Marks::ProfileModel, _) => ladder(MINUTE / 2, 0, 5 * MINUTE, 10 * MINUTE),
        }
    }

    fn window(&self, step: u32) -> Duration {
        // 30 s, 1 m, 5 m has no constant factor.
        let window = match (self.factor, step) {
            (0, 0) => self.first,
            (0, 1) => self.first * 2,
            (0, _) => self.longest,
            (factor, step) => self.first.saturating_mul(factor.saturating_pow(step)),
        };
        window.min(self.longest)
    }
}

/// Opens the window of a failure in `mark`. One that is open stays as it is, however many failures come; one that
/// ended lately is followed by the next longer. Whether it opened one.
pub(super) fn open(mark: &mut Option<Mark>, kind: ErrorKind, hint: Option<Duration>, now: SystemTime) -> bool {
    let Some(ladder) = Ladder::of(kind) else { return false };
    let step = match mark {
        Some(mark) if mark.is_open(now) => return false,
        Some(mark) if now.duration_since(mark.until).is_ok_and(|quiet| quiet < ladder.quiet) => mark.step + 1,
        _ => 0,
    };
    let hint = hint.filter(|_| kind == ErrorKind::RateLimited).map(|hint| hint.min(LONGEST_HINT));
    let length = hint.unwrap_or_else(|| ladder.window(step));
    // A hint says when to come again; it is no reason to climb.
    let step = if hint.is_some() { 0 } else { step };
    *mark = Some(Mark { kind, until: now + length, length, step });
    true
}

/// How well (provider, model) does. It is kept as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Health {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mark: Option<Mark>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "moment::optional")]
    last_failure: Option<SystemTime>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "moment::optional")]
    last_probe: Option<SystemTime>,
    /// Until when the provider asked to be left alone: a window that is open then is not probed before.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "moment::optional")]
    rest_until: Option<SystemTime>,
}

impl Health {
    /// Whether a window opened. `hint` is the provider's own retry-after.
    pub(super) fn handle_failure(&mut self, kind: ErrorKind, hint: Option<Duration>, now: SystemTime) -> bool {
        let rest = hint.map(|hint| now + hint.min(LONGEST_HINT));
        self.rest_until = rest.max(self.rest_until);
        let again = self.last_failure.replace(now).and_then(|last| now.duration_since(last).ok());
        // After a window one failure is enough: the ladder remembers it.
        let known = self
            .mark
            .as_ref()
            .is_some_and(|mark| now.duration_since(mark.until).is_ok_and(|quiet| quiet < HEALTH_PAIR));
        (known || again.is_some_and(|apart| apart <= HEALTH_PAIR)) && open(&mut self.mark, kind, None, now)
    }

    /// Whether there is a mark, open or remembered.
    pub(super) fn is_marked(&self) -> bool {
        self.mark.is_some()
    }

    /// Whether nothing depends on it any more.
    pub(super) fn is_forgotten(&self, now: SystemTime) -> bool {
        let failed = self.last_failure.and_then(|at| now.duration_since(at).ok());
        self.mark.as_ref().is_none_or(|mark| mark.is_forgotten(now)) && failed.is_none_or(|since| since > HEALTH_PAIR)
    }

    /// The one that was kept at `kept`.
    pub(super) fn restore(self, kept: SystemTime, now: SystemTime) -> Self {
        let back = set_back(kept, now);
        Self {
            mark: self.mark.map(|mark| mark.restore(kept, now)),
            last_failure: self.last_failure.map(|at| at - back),
            last_probe: self.last_probe.map(|at| at - back),
            rest_until: self.rest_until.map(|at| at - back),
        }
    }

    /// The open window, if there is one.
    pub(super) fn window(&self, now: SystemTime) -> Option<&Mark> {
        self.mark.as_ref().filter(|mark| mark.is_open(now))
    }

    /// Whether a request may go through: always while no window is open, and now and then as a probe.
    pub(super) fn admits(&self, now: SystemTime) -> bool {
        let rested = |since: SystemTime| now.duration_since(since).is_ok_and(|rest| rest >= PROBE_EVERY);
        if self.window(now).is_some() && self.rest_until.is_some_and(|until| now < until) {
            return false;
        }
        self.window(now).is_none_or(|mark| self.last_probe.map_or_else(|| rested(mark.until - mark.length), rested))
    }

    /// A new process has begun, and somebody may have mended what failed: the next request probes at once.
    pub(super) fn handle_new_process(&mut self, now: SystemTime) {
        self.last_probe = now.checked_sub(PROBE_EVERY);
    }

    /// A request goes through.
    pub(super) fn handle_start(&mut self, now: SystemTime) {
        if self.window(now).is_some() {
            self.last_probe = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    #[test]
    fn an_open_window_is_never_extended_and_the_next_is_longer() {
        let mut mark = None;
        open(&mut mark, ErrorKind::RateLimited, None, at(0));
        assert_eq!(mark.as_ref().unwrap().until, at(30));
        open(&mut mark, ErrorKind::RateLimited, None, at(29));
        assert_eq!(mark.as_ref().unwrap().until, at(30));
        open(&mut mark, ErrorKind::RateLimited, None, at(31));
        assert_eq!(mark.as_ref().unwrap().until, at(91));
        open(&mut mark, ErrorKind::RateLimited, None, at(100));
        assert_eq!(mark.as_ref().unwrap().until, at(400));
        open(&mut mark, ErrorKind::RateLimited, None, at(400 + 601));
        assert_eq!(mark.as_ref().unwrap().until, at(1001 + 30), "that much quiet begins anew");
    }

    #[test]
    fn billing_climbs_to_a_day_and_remembers_for_a_day() {
        let mut mark = None;
        let mut now = at(0);
        for minutes in [10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440] {
            open(&mut mark, ErrorKind::Billing, None, now);
            let until = mark.as_ref().unwrap().until;
            assert_eq!(until, now + minutes * MINUTE);
            now = until + Duration::from_secs(20 * 3600);
        }
    }

    #[test]
    fn a_hint_is_taken_as_it_is_up_to_a_day() {
        let mut mark = None;
        open(&mut mark, ErrorKind::RateLimited, Some(Duration::from_secs(2)), at(0));
        assert_eq!(mark.as_ref().unwrap().until, at(2));
        open(&mut mark, ErrorKind::RateLimited, Some(Duration::from_secs(14 * 24 * 3600)), at(3));
        assert_eq!(mark.as_ref().unwrap().until, at(3) + LONGEST_HINT);
    }

    #[test]
    fn one_that_asked_to_be_left_alone_is_not_probed_before() {
        let mut health = Health::default();
        let hint = Some(Duration::from_secs(17));
        for second in [0, 1, 7, 8] {
            health.handle_failure(ErrorKind::Overloaded, hint.filter(|_| second == 8), at(second));
        }
        let until = health.window(at(8)).unwrap().until;
        assert_eq!(until, at(17), "ten seconds from the last failure but one");
        health.handle_failure(ErrorKind::Overloaded, hint, at(18));
        assert_eq!(health.window(at(18)).unwrap().until, at(38));
        assert!(!health.admits(at(29)) && !health.admits(at(34)) && health.admits(at(35)));
    }

    #[test]
    fn a_clock_set_back_does_not_lock_a_profile_out() {
        let mut mark = None;
        open(&mut mark, ErrorKind::Auth, None, at(100_000));
        assert!(!mark.unwrap().is_open(at(0)));
    }

    #[test]
    fn health_needs_two_failures_close_together_and_probes_now_and_then() {
        let mut health = Health::default();
        health.handle_failure(ErrorKind::Server, None, at(0));
        health.handle_failure(ErrorKind::Server, None, at(31));
        assert!(health.window(at(31)).is_none());
        health.handle_failure(ErrorKind::Server, None, at(32));
        assert_eq!(health.window(at(32)).unwrap().until, at(37));
        assert!(!health.admits(at(33)));
        assert!(health.admits(at(37)), "the window is over");
        health.handle_failure(ErrorKind::Server, None, at(38));
        health.handle_failure(ErrorKind::Server, None, at(49));
        assert_eq!(health.window(at(49)).unwrap().until, at(69), "5, 10, then 20 s");
        assert!(!health.admits(at(58)));
        assert!(health.admits(at(59)));
        health.handle_start(at(59));
        assert!(!health.admits(at(60)));
    }

    #[test]
    fn what_is_kept_comes_back_exactly_and_never_lasts_longer() {
        let mut health = Health::default();
        for second in [0, 1, 7, 13] {
            health.handle_failure(ErrorKind::Server, None, at(second) + Duration::from_nanos(123_456_789));
        }
        health.handle_start(at(14));
        let json = serde_json::to_string(&health).unwrap();
        let back: Health = serde_json::from_str(&json).unwrap();
        assert_eq!(back, health);
        assert_eq!(back.clone().restore(at(14), at(15)), health, "the clock went on");
        let until = health.window(at(14)).unwrap().until;
        let mut next = health.clone();
        assert!(!next.admits(at(15)));
        next.handle_new_process(at(15));
        assert!(next.admits(at(15)) && next.window(at(15)).is_some());
        next.handle_start(at(15));
        assert!(!next.admits(at(16)), "one alone");
        // The clock was set back by an hour: as much is left as there was, and not an hour more.
        let (kept, now) = (at(5000), at(1400));
        let mark = Mark { kind: ErrorKind::Auth, until: at(5020), length: Duration::from_secs(30), step: 0 };
        assert_eq!(mark.clone().restore(kept, now).until, at(1420));
        assert!(mark.clone().restore(kept, now).is_open(at(1419)));
        assert_eq!(mark.restore(kept, at(5001)).until, at(5020));
        assert!(!health.is_forgotten(until + 10 * MINUTE - Duration::from_secs(1)));
        assert!(health.is_forgotten(until + 10 * MINUTE));
    }
}
