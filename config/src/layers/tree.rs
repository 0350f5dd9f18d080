//! From what TOML parsed to values with their places.

use std::ops::Range;

use config::{Map, Value, ValueKind};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::layers::{Layer, Written};
use crate::origin::{Place, entry, join};
use crate::{ConfigError, ErrorKind, Origin};

/// Turns a parsed table or value into a layer. `locate` says where a span of the text lies.
pub(crate) struct Tree<'a> {
    pub(crate) layer: Layer,
    pub(crate) errors: &'a mut Vec<ConfigError>,
    pub(crate) locate: &'a dyn Fn(Range<usize>) -> Origin,
}

impl Tree<'_> {
    pub(crate) fn table(&mut self, path: &str, table: &DeTable<'_>) -> Map<String, Value> {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let values = entries.into_iter().map(|(key, value)| {
            let path = join(path, key.get_ref());
            let place = Place { key: (self.locate)(key.span()), value: (self.locate)(value.span()) };
            (key.get_ref().to_string(), self.value(&path, place, value))
        });
        values.collect()
    }

    pub(crate) fn value(&mut self, path: &str, place: Place, value: &Spanned<DeValue<'_>>) -> Value {
        let origin = place.value.clone();
        let is_table = value.get_ref().is_table();
        self.layer.places.push(Written { path: path.to_owned(), place, is_table });
        let kind = match value.get_ref() {
            DeValue::String(text) => ValueKind::String(text.to_string()),
            DeValue::Boolean(value) => ValueKind::Boolean(*value),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => ValueKind::I64(number),
                Err(_) => self.refuse(path, origin, "a number of 64 bits"),
            },
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => ValueKind::Float(number),
                Err(_) => self.refuse(path, origin, "a number"),
            },
            DeValue::Datetime(_) => self.refuse(path, origin, "anything that can be set; text stands in quotes"),
            DeValue::Array(list) => ValueKind::Array(
                list.iter()
                    .enumerate()
                    .map(|(index, value)| {
                        let place = (self.locate)(value.span());
                        let place = Place { key: place.clone(), value: place };
                        self.value(&entry(path, index), place, value)
                    })
                    .collect(),
            ),
            DeValue::Table(table) => ValueKind::Table(self.table(path, table)),
        };
        Value::new(None, kind)
    }

    /// `Nil` is what readers pass over in silence, since it was complained of here.
    fn refuse(&mut self, path: &str, origin: Origin, expected: &str) -> ValueKind {
        let kind = ErrorKind::BadValue { value: None, expected: expected.to_owned() };
        self.errors.push(ConfigError { kind, origin, path: path.to_owned(), hint: None });
        ValueKind::Nil
    }
}
