//! Changing settings in the file.
//!
//! Nothing is written here: a change gives the file's new text, held to all that the whole configuration is held to.

mod key;
mod text;

pub use key::{BadKey, SettingKey};

use toml_edit::Value;

use crate::layers::variables;
use crate::load::load_text;
use crate::{ConfigError, ErrorKind, Loaded, Origin, Problems, Source, WarningKind};
use text::Refused;

/// A change of one setting.
#[derive(Clone)]
pub struct Change {
    /// The setting.
    pub key: SettingKey,
    /// Its value as a person types it: text, a number, `true`, a duration, a list as `a, b` or as TOML has it, a table as
    /// TOML has it. `None` takes the setting out.
    pub value: Option<String>,
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The value may be a secret.
        f.debug_struct("Change").field("key", &self.key).finish_non_exhaustive()
    }
}

/// A file with changes made.
#[derive(Debug)]
pub struct Edited {
    /// All of its text.
    pub text: String,
    /// What will be in force.
    pub loaded: Loaded,
    /// The paths of secrets that the changes write out, in place of a reference to where they are.
    pub literals: Vec<String>,
    /// Changed settings over which something else goes, and what that is.
    pub hidden: Vec<(SettingKey, Origin)>,
}

/// Why nothing was changed. `Display` is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The file isn't TOML, so nothing can be changed in it.
    #[error("the file is not TOML")]
    Syntax(Problems),
    /// A setting is asked for below one that holds a value.
    #[error("{key}: {path} is no table, so nothing can be within it")]
    NotATable {
        /// The setting.
        key: SettingKey,
        /// What is in the way.
        path: String,
    },
    /// The setting that is to be taken out is not in the file.
    #[error("{key} is not in the file")]
    NotThere {
        /// The setting.
        key: SettingKey,
    },
    /// The configuration would be wrong.
    #[error("the configuration would be wrong")]
    Wrong(Problems),
}

/// Makes changes in the file of `source`, whose text is `written`, `None` where there is no file yet.
///
/// # Errors
/// [`EditError`] if the result would not be a valid configuration.
pub fn edit(source: &Source, written: Option<&str>, changes: &[Change]) -> Result<Edited, EditError> {
    let mut text = written.unwrap_or_default().to_owned();
    let load = |source: &Source, text: &str| load_text(source, source.file.clone().map(|path| (path, text.into())));
    // What variables say would otherwise hide what is wrong with the file.
    let alone = Source { environment: variables::without(&source.environment), ..source.clone() };
    for change in changes {
        text = match &change.value {
            None => text::unset(&text, change.key.segments()),
            Some(value) => set(&text, &change.key, value, |text| load(&alone, text).err())?,
        }
        .map_err(|refused| refused_as(refused, change, || load(&alone, &text).err()))?;
    }
    let literals = literals(&load(&alone, &text), changes);
    let loaded = load(source, &text).map_err(EditError::Wrong)?;
    let set = changes.iter().filter(|change| change.value.is_some());
    let origins = set.map(|change| (change.key.clone(), loaded.origins.get(&change.key.to_string()).clone()));
    let is_over = |origin: &Origin| matches!(origin, Origin::Environment { .. } | Origin::Flag { .. });
    let hidden = origins.filter(|(_, origin)| is_over(origin)).collect();
    Ok(Edited { text, loaded, literals, hidden })
}

fn refused_as(refused: Refused, change: &Change, problems: impl FnOnce() -> Option<Problems>) -> EditError {
    let key = change.key.clone();
    match refused {
        Refused::NotATable(path) => EditError::NotATable { key, path },
        Refused::NotThere => EditError::NotThere { key },
        Refused::Syntax(error) => EditError::Syntax(problems().unwrap_or_else(|| {
            let kind = ErrorKind::Syntax { message: error.message().replace('\n', ", ") };
            let error = ConfigError { kind, origin: Origin::BuiltIn, path: String::new(), hint: None };
            Problems { errors: vec![error], warnings: Vec::new() }
        })),
    }
}

/// The text with this setting, in the first sense of the value that the setting takes.
fn set(
    text: &str,
    key: &SettingKey,
    value: &str,
    wrong: impl Fn(&str) -> Option<Problems>,
) -> Result<Result<String, Refused>, EditError> {
    let mut refused: Option<Problems> = None;
    for meant in meanings(key, value) {
        let changed = match text::set(text, key.segments(), &meant) {
            Ok(changed) => changed,
            Err(error) => return Ok(Err(error)),
        };
        let mut problems = wrong(&changed).unwrap_or(Problems { errors: Vec::new(), warnings: Vec::new() });
        problems.errors.retain(|error| is_about(error, key));
        if problems.errors.is_empty() {
            return Ok(Ok(changed));
        }
        // What is said of a value of the right type says more.
        let is_of_type = |problems: &Problems| {
            !problems.errors.iter().any(|error| matches!(error.kind, ErrorKind::WrongType { .. }))
        };
        if refused.as_ref().is_none_or(|before| !is_of_type(before) && is_of_type(&problems)) {
            refused = Some(problems);
        }
    }
    Err(EditError::Wrong(refused.expect("text has a meaning, if only as text")))
}

/// Whether the value that was given may be to blame. What the setting lacks beside it may be given by a later change.
fn is_about(error: &ConfigError, key: &SettingKey) -> bool {
    let is_misnamed = matches!(error.kind, ErrorKind::UnknownKey { .. }) && key.is_within(&error.path);
    let lacks = matches!(error.kind, ErrorKind::Missing { .. } | ErrorKind::UnknownKind { .. });
    is_misnamed || key.holds(&error.path) && !lacks
}

/// What a text may stand for, the likeliest first.
fn meanings(key: &SettingKey, text: &str) -> Vec<Value> {
    let text = text.trim();
    let typed = text.parse::<Value>().ok().filter(|value| !value.is_datetime());
    let parts = || text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let list = Value::Array(parts().collect());
    let as_text = Value::from(text);
    // Ids of models have no commas, so whoever writes one means several.
    let several = text.contains(',') && key.is_within("models.aliases");
    let mut meanings: Vec<Value> = typed.into_iter().collect();
    meanings.extend(if several { [list, as_text] } else { [as_text, list] });
    meanings.extend(match text {
        "yes" | "on" | "1" => Some(Value::from(true)),
        "no" | "off" | "0" => Some(Value::from(false)),
        _ => None,
    });
    meanings
}

/// The paths of secrets that are written out within what was changed.
fn literals(outcome: &Result<Loaded, Problems>, changes: &[Change]) -> Vec<String> {
    let warnings = match outcome {
        Ok(loaded) => &loaded.warnings,
        Err(problems) => &problems.warnings,
    };
    let literal = warnings.iter().filter(|warning| matches!(warning.kind, WarningKind::LiteralSecret));
    let set = |path: &str| changes.iter().any(|change| change.value.is_some() && change.key.holds(path));
    literal.map(|warning| warning.path.clone()).filter(|path| set(path)).collect()
}
