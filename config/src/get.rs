//! One setting that is in force.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::edit::SettingKey;
use crate::origin::{entry, join};
use crate::show::inline;
use crate::suggest::nearest;
use crate::{ConfigError, ErrorKind, Loaded, Origin, Override, Settings, Source, load};

/// A setting with its value. A secret is there as its reference, a literal one not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingInForce {
    /// The value, in the shape of the file.
    pub value: Value,
    /// Where it was written; of a table, where it was begun.
    pub origin: Origin,
    /// Of a table and a list: where what is in it was written, by path.
    pub origins: BTreeMap<String, Origin>,
}

impl fmt::Display for SettingInForce {
    /// Text as it is, everything else as TOML has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::String(text) => f.write_str(text),
            other => f.write_str(&inline(other)),
        }
    }
}

/// Why there is no value.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum NoValue {
    /// There is such a setting, and it has neither a value nor a default.
    #[error("{key} is not set")]
    NotSet {
        /// The setting.
        key: SettingKey,
    },
    /// There is no such setting.
    #[error("{message}")]
    Unknown {
        /// What is wrong with its name.
        message: String,
        /// One line on what to do.
        hint: Option<String>,
    },
}

impl Loaded {
    /// The setting of this name. `source` is what was loaded, for what is known where there is no value.
    ///
    /// # Errors
    /// [`NoValue`] where there is none, or no such setting.
    pub fn get(&self, source: &Source, key: &SettingKey) -> Result<SettingInForce, NoValue> {
        let settings = self.settings.to_json();
        let Some((value, path)) = value(&settings, key.segments()) else {
            return Err(unknown(source, &self.settings, key).unwrap_or(NoValue::NotSet { key: key.clone() }));
        };
        let within = self.origins.values().filter(|(other, _)| *other != path && key.holds(other));
        let origins = within.map(|(path, origin)| (path.to_owned(), origin.clone())).collect();
        Ok(SettingInForce { value: value.clone(), origin: self.origins.get(&path).clone(), origins })
    }
}

/// The value with the path at which its origin is noted. Lists are entered by numbers. A provider's one key is the only
/// profile of it that it makes.
fn value<'a>(settings: &'a Value, path: &[String]) -> Option<(&'a Value, String)> {
    let enter = |(value, at): (&'a Value, String), key: &String| match value {
        Value::Array(list) => {
            let index = key.parse::<usize>().ok()?;
            Some((list.get(index)?, entry(&at, index)))
        }
        other => Some((other.get(key)?, join(&at, key))),
    };
    let (last, above) = path.split_last()?;
    let (above_all, at) = above.iter().try_fold((settings, String::new()), enter)?;
    let short = || match (path, above_all.get("profiles").and_then(Value::as_array).map(Vec::as_slice)) {
        ([providers, _, key], Some([only])) if providers == "providers" && key == "key" => {
            Some((only.get("key")?, join(&at, key)))
        }
        _ => None,
    };
    enter((above_all, at.clone()), last).or_else(short)
}

/// Whether nobody knows a setting of this name: it is set to something, and the readers say so.
fn unknown(source: &Source, settings: &Settings, key: &SettingKey) -> Option<NoValue> {
    if let [providers, name, ..] = key.segments()
        && providers == "providers"
        && settings.provider(name).is_none()
    {
        let known = settings.providers.iter().map(|provider| provider.name.as_str());
        let hint = nearest(name, known).map(|meant| format!("did you mean \"{meant}\"?"));
        return Some(NoValue::Unknown { message: format!("there is no provider \"{name}\""), hint });
    }
    let mut probe = source.clone();
    probe.overrides.push(Override::new("", key.to_string(), ""));
    let problems = load(&probe).err()?;
    let is_unknown = |error: &ConfigError| matches!(error.kind, ErrorKind::UnknownKey { .. });
    let misnamed = problems.errors.into_iter().find(|error| is_unknown(error) && key.is_within(&error.path))?;
    Some(NoValue::Unknown { message: format!("{key}: {}", misnamed.kind), hint: misnamed.hint })
}
