//! Moments of the wall clock as RFC 3339 in what is told to people and programs.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

/// For `serde(with)`. A moment before 1970 becomes 1970.
pub(crate) fn serialize<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_millis((*at).max(UNIX_EPOCH)))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_rfc3339(&text).map_err(D::Error::custom)
}
