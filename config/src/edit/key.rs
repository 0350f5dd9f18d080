//! The name of a setting.

use std::fmt;

use crate::layers::overrides::segments;
use crate::origin::join;

/// The name of a setting, as TOML writes a dotted key: `server.listen`, `models.aliases."claude-*"`. `Display` is the
/// path by which [`ConfigError`](crate::ConfigError) and [`Origins`](crate::Origins) know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingKey(Vec<String>);

/// What names no setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this does not name a setting")]
pub struct BadKey;

impl BadKey {
    /// One line on what to do.
    #[must_use]
    pub fn hint(self) -> &'static str {
        "a setting is named as in the file, with dots: server.listen; what has dots or stars in it stands in quotes: \
         'models.aliases.\"claude-*\"'"
    }
}

impl SettingKey {
    pub(crate) fn segments(&self) -> &[String] {
        &self.0
    }

    /// Whether a path is that of this setting, or of something within it.
    #[must_use]
    pub fn holds(&self, path: &str) -> bool {
        is_within(path, &self.to_string())
    }

    /// Whether a path is that of something that holds this setting.
    pub(crate) fn is_within(&self, path: &str) -> bool {
        is_within(&self.to_string(), path)
    }
}

fn is_within(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

impl std::str::FromStr for SettingKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        segments(text).filter(|segments| segments.iter().all(|segment| !segment.is_empty())).map(Self).ok_or(BadKey)
    }
}

impl fmt::Display for SettingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().fold(String::new(), |above, key| join(&above, key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_as_it_is_found() {
        for (written, shown) in [("server.listen", "server.listen"), ("a.'b.c'.d", "a.\"b.c\".d")] {
            assert_eq!(written.parse::<SettingKey>().unwrap().to_string(), shown);
        }
        for bad in ["", "a..b", "claude-*", "a.\"\""] {
            assert!(bad.parse::<SettingKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_within_it_is_known() {
        let key: SettingKey = "providers.lab".parse().unwrap();
        assert!(key.holds("providers.lab.key") && key.holds("providers.lab") && key.holds("providers.lab[0]"));
        assert!(!key.holds("providers.labs") && !key.holds("providers") && key.is_within("providers"));
    }
}
