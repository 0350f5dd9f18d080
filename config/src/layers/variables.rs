//! The layers of `GREENROOM__…` variables.

use config::{Map, Value, ValueKind};
use toml::de::DeValue;

use crate::layers::tree::Tree;
use crate::layers::{Layer, Written};
use crate::origin::{Place, join};
use crate::suggest::plain;
use crate::{ConfigError, Environment, ErrorKind, Origin};

const PREFIX: &str = "GREENROOM__";

/// One layer a variable, in the order of their names, which puts a table before what is set inside of it.
///
/// Names of the file are found in spite of what a variable's name can't express: `GREENROOM__PROVIDERS__MY_LAB__KIND`
/// is about `[providers."My-Lab"]` if the file has that.
pub(crate) fn layers(environment: &Environment, file: Option<&Layer>, errors: &mut Vec<ConfigError>) -> Vec<Layer> {
    let mut layers = Vec::new();
    for (name, value) in environment.starting_with(PREFIX) {
        let origin = Origin::Environment { variable: name.to_owned() };
        let segments: Vec<&str> = name[PREFIX.len()..].split("__").collect();
        let mut refuse = |kind, hint: &str| {
            let hint = Some(hint.to_owned());
            errors.push(ConfigError { kind, origin: origin.clone(), path: String::new(), hint });
        };
        if segments.iter().any(|segment| segment.is_empty()) {
            refuse(ErrorKind::BadPath, "two underscores stand between the names: GREENROOM__SERVER__LISTEN");
            continue;
        }
        let Some(value) = value.to_str() else {
            refuse(ErrorKind::BadValue { value: None, expected: "UTF-8".to_owned() }, "set it to text");
            continue;
        };
        let path = path_of(&segments, file);
        layers.push(single(&path, value, &origin, errors));
    }
    layers
}

/// The environment without those variables.
pub(crate) fn without(environment: &Environment) -> Environment {
    environment.without(PREFIX)
}

fn path_of(segments: &[&str], file: Option<&Layer>) -> Vec<String> {
    let mut table = file.map(|layer| &layer.root);
    let mut path = Vec::new();
    for segment in segments {
        let lower = segment.to_ascii_lowercase();
        let names = |table: &Map<String, Value>| match table.contains_key(&lower) {
            true => None,
            false => table.keys().find(|key| plain(key) == plain(&lower)).cloned(),
        };
        let key = table.and_then(names).unwrap_or(lower);
        table = table.and_then(|table| table.get(&key)).and_then(|value| match &value.kind {
            ValueKind::Table(table) => Some(table),
            _ => None,
        });
        path.push(key);
    }
    path
}

/// A layer of one setting, given as text. What starts like a list or a table and is one in TOML is taken as such;
/// everything else stays text, which readers turn into what they want.
pub(crate) fn single(path: &[String], text: &str, origin: &Origin, errors: &mut Vec<ConfigError>) -> Layer {
    let locate = |_| origin.clone();
    let place = || Place { key: origin.clone(), value: origin.clone() };
    let mut tree = Tree { layer: Layer::default(), errors, locate: &locate };

    let dotted: Vec<String> = path
        .iter()
        .scan(String::new(), |parent, key| {
            *parent = join(parent, key);
            Some(parent.clone())
        })
        .collect();
    let Some((last, tables)) = dotted.split_last() else { return tree.layer };
    for table in tables {
        tree.layer.places.push(Written { path: table.clone(), place: place(), is_table: true });
    }
    let structured = text.trim_start().starts_with(['[', '{']);
    let value = match DeValue::parse(text.trim()) {
        Ok(parsed) if structured => tree.value(last, place(), &parsed),
        _ => {
            tree.layer.places.push(Written { path: last.clone(), place: place(), is_table: false });
            Value::new(None, text)
        }
    };
    let nested = path.iter().rev().fold(value, |value, key| Value::from(Map::from_iter([(key.clone(), value)])));
    Layer { root: nested.into_table().unwrap_or_default(), places: tree.layer.places }
}
