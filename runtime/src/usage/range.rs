//! Which days are looked at. Pure.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime},
};

use greenroom_actors::AttemptPlace;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A day in UTC, `YYYY-MM-DD`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(String);

/// A text that is no day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no day; write it as 2026-01-31")]
pub struct BadDay;

impl Day {
    /// When it begins.
    fn begins(&self) -> SystemTime {
        humantime::parse_rfc3339(&format!("{self}T00:00:00Z")).expect("it was read as one")
    }
}

impl FromStr for Day {
    type Err = BadDay;

    fn from_str(text: &str) -> Result<Self, BadDay> {
        let day = Self(text.to_owned());
        // The parser is content with less, such as a day of one digit.
        let has_form = text.len() == "2026-01-31".len();
        match humantime::parse_rfc3339(&format!("{text}T00:00:00Z")) {
            Ok(at) if has_form && humantime::format_rfc3339_seconds(at).to_string().starts_with(text) => Ok(day),
            _ => Err(BadDay),
        }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The days from one to another, both included; without an end where none is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DayRange {
    /// The first.
    pub since: Option<Day>,
    /// The last.
    pub until: Option<Day>,
}

impl DayRange {
    pub(super) fn has(&self, day: &str) -> bool {
        self.since.as_ref().is_none_or(|since| since.0.as_str() <= day)
            && self.until.as_ref().is_none_or(|until| day <= until.0.as_str())
    }

    /// Before its first attempt.
    pub(super) fn begin(&self) -> Option<AttemptPlace> {
        self.since.as_ref().map(|since| AttemptPlace::before(since.begins()))
    }

    /// Whether an attempt that began then comes after it.
    pub(super) fn is_before(&self, began: SystemTime) -> bool {
        self.until.as_ref().is_some_and(|until| began >= until.begins() + DAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_strictly() {
        for day in ["2026-01-31", "2024-02-29", "1970-01-01"] {
            assert_eq!(day.parse::<Day>().map(|day| day.to_string()).as_deref(), Ok(day));
        }
        for bad in [
            "",
            "2026-1-3",
            "2026-02-30",
            "2025-02-29",
            "2026-13-01",
            "31.01.2026",
            "2026-01-31T00:00:00Z",
            "today",
            "2026-01-3 ",
        ] {
            assert_eq!(bad.parse::<Day>(), Err(BadDay), "{bad:?}");
        }
    }

    #[test]
    fn a_range_has_both_of_its_ends() {
        let day = |text: &str| Some(text.parse::<Day>().unwrap());
        let range = DayRange { since: day("2026-01-02"), until: day("2026-01-04") };
        let within: Vec<bool> = (1..=5).map(|day| range.has(&format!("2026-01-0{day}"))).collect();
        assert_eq!(within, [false, true, true, true, false]);
        let at = |text: &str| humantime::parse_rfc3339(text).unwrap();
        assert!(!range.is_before(at("2026-01-04T23:59:59Z")) && range.is_before(at("2026-01-05T00:00:00Z")));
        assert!(DayRange::default().has("2026-01-02") && !DayRange::default().is_before(SystemTime::now()));
    }
}
