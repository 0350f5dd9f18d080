//! Durations and sizes, as text and back.

use std::time::Duration;

use serde::Serializer;

/// Longer than any wait that a setting means, and short enough that adding it to a clock's now never overflows.
const LONGEST: Duration = Duration::from_secs(366 * DAY);
/// Longer than anything is kept, and short enough for a clock as well.
const OLDEST: Duration = Duration::from_secs(100 * 366 * DAY);
/// In seconds.
const DAY: u64 = 24 * 3600;

/// A duration as a person writes it (`10s`, `1m 30s`), or what it should have been.
pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    match humantime::parse_duration(text.trim()) {
        Ok(value) if value <= LONGEST => Ok(value),
        Ok(_) => Err("a duration of at most a year"),
        Err(_) => Err("a duration, such as \"10s\" or \"1m 30s\""),
    }
}

/// How old something may be (`90d`, `2y`), or what it should have been.
pub(crate) fn age(text: &str) -> Result<Duration, &'static str> {
    match humantime::parse_duration(text.trim()) {
        Ok(value) if value <= OLDEST => Ok(value),
        Ok(_) => Err("a duration of at most a hundred years"),
        Err(_) => Err("a duration, such as \"12h\" or \"90d\""),
    }
}

/// Bytes written as `32MiB`, `512 kB` or a plain number. `None` where it is none of these or more than 64 bits hold.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|letter: char| !letter.is_ascii_digit() && letter != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.replace('_', "").parse().ok()?;
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "mb" => 1000 * 1000,
        "gb" => 1000 * 1000 * 1000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "tb" => 1000 * 1000 * 1000 * 1000,
        "t" | "tib" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

pub(crate) fn bytes_text(value: u64) -> String {
    for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if value != 0 && value.trailing_zeros() >= shift {
            return format!("{}{unit}", value >> shift);
        }
    }
    format!("{value}B")
}

pub(crate) fn serialize_duration<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    // A month is 30.44 days there, so that ninety days would be "2months 29days 2h 52m 48s".
    match value.as_secs() {
        seconds if seconds > 28 * DAY && seconds % DAY == 0 && value.subsec_nanos() == 0 => {
            serializer.collect_str(&format_args!("{}d", seconds / DAY))
        }
        _ => serializer.collect_str(&humantime::format_duration(*value)),
    }
}

pub(crate) fn serialize_bytes<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&bytes_text(*value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written_back() {
        for (text, value) in
            [("32MiB", 32 << 20), ("512 kB", 512_000), ("10", 10), ("1_024", 1024), ("2g", 2 << 30), ("3TiB", 3 << 40)]
        {
            assert_eq!(bytes(text), Some(value), "{text}");
            assert_eq!(bytes(&bytes_text(value)), Some(value), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5MiB", "3 parsecs", "99999999999999999999", "18446744073709551615KiB"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_too_long_for_a_clock_is_refused() {
        assert_eq!(duration(" 1m 30s "), Ok(Duration::from_secs(90)));
        assert!(duration("1000000y").is_err());
        assert!(duration("10").is_err());
        assert_eq!(age("90d"), Ok(Duration::from_secs(90 * DAY)));
        assert_eq!((age("101y").is_err(), age("2").is_err()), (true, true));
    }
}
