//! One value on the way to a setting.

use config::{Value, ValueKind};

use crate::origin::entry;
use crate::read::{Reader, Table};
use crate::{ConfigError, ErrorKind, Origin};

/// A value with its path. Readers give `None` once they have noted what is wrong with it.
#[derive(Clone)]
pub(crate) struct Node<'a> {
    pub(crate) reader: &'a Reader<'a>,
    pub(crate) path: String,
    pub(crate) value: &'a Value,
}

impl<'a> Node<'a> {
    pub(crate) fn root(reader: &'a Reader<'a>, value: &'a Value) -> Self {
        Self { reader, path: String::new(), value }
    }

    /// Where the value was written.
    pub(crate) fn origin(&self) -> &'a Origin {
        self.reader.origins.get(&self.path)
    }

    /// Notes what is wrong with this value.
    pub(crate) fn refuse(&self, kind: ErrorKind, hint: Option<String>) {
        self.note(self.origin(), kind, hint);
    }

    /// Notes what is wrong, at the key: for tables, whose value has no place of its own that a person would look at.
    pub(crate) fn refuse_key(&self, kind: ErrorKind, hint: Option<String>) {
        self.note(self.reader.origins.key(&self.path), kind, hint);
    }

    fn note(&self, origin: &Origin, kind: ErrorKind, hint: Option<String>) {
        let error = ConfigError { kind, origin: origin.clone(), path: self.path.clone(), hint };
        self.reader.errors.borrow_mut().push(error);
    }

    /// Notes that the value isn't what it should be, and shows it.
    pub(crate) fn bad(&self, value: &str, expected: impl Into<String>) {
        let value = Some(format!("{value:?}"));
        self.refuse(ErrorKind::BadValue { value, expected: expected.into() }, None);
    }

    /// Notes that the value isn't what it should be, without showing it, since it may hold a secret.
    pub(crate) fn bad_unshown(&self, expected: impl Into<String>) {
        self.refuse(ErrorKind::BadValue { value: None, expected: expected.into() }, None);
    }

    pub(crate) fn wrong_type(&self, expected: &'static str) {
        let found = match &self.value.kind {
            // Noted already, when the file was parsed.
            ValueKind::Nil => return,
            ValueKind::Boolean(_) => "true or false",
            ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => "a number",
            ValueKind::Float(_) => "a number with a fraction",
            ValueKind::String(_) => "text",
            ValueKind::Table(_) => "a table",
            ValueKind::Array(_) => "a list",
        };
        self.refuse(ErrorKind::WrongType { expected, found }, None);
    }

    /// The text of a variable or a flag, which know no other type. In the file, text is text.
    pub(crate) fn untyped(&self) -> Option<&'a str> {
        match (&self.value.kind, self.origin()) {
            (ValueKind::String(text), Origin::Environment { .. } | Origin::Flag { .. }) => Some(text.trim()),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        match &self.value.kind {
            ValueKind::String(text) => Some(text),
            _ => {
                self.wrong_type("text");
                None
            }
        }
    }

    /// The value as it would stand in JSON, tables in the order in which they were written.
    pub(crate) fn json(&self) -> serde_json::Value {
        match &self.value.kind {
            ValueKind::Nil => serde_json::Value::Null,
            ValueKind::Boolean(is) => (*is).into(),
            ValueKind::I64(number) => (*number).into(),
            ValueKind::U64(number) => (*number).into(),
            ValueKind::I128(number) => i64::try_from(*number).map_or(serde_json::Value::Null, Into::into),
            ValueKind::U128(number) => u64::try_from(*number).map_or(serde_json::Value::Null, Into::into),
            ValueKind::Float(number) => (*number).into(),
            ValueKind::String(text) => text.as_str().into(),
            ValueKind::Table(map) => {
                let entries = Table::new(self.clone(), map).entries();
                entries.into_iter().map(|(key, node)| (key.to_owned(), node.json())).collect()
            }
            ValueKind::Array(_) => self.list().unwrap_or_default().iter().map(Self::json).collect(),
        }
    }

    pub(crate) fn table(&self) -> Option<Table<'a>> {
        match &self.value.kind {
            ValueKind::Table(map) => Some(Table::new(self.clone(), map)),
            _ => {
                self.wrong_type("a table");
                None
            }
        }
    }

    /// The entries of a list.
    pub(crate) fn list(&self) -> Option<Vec<Self>> {
        match &self.value.kind {
            ValueKind::Array(values) => Some(
                values
                    .iter()
                    .enumerate()
                    .map(|(index, value)| Self { reader: self.reader, path: entry(&self.path, index), value })
                    .collect(),
            ),
            _ => {
                self.wrong_type("a list");
                None
            }
        }
    }

    /// A list of text; variables and flags may separate it by commas. An entry that is wrong makes it all wrong.
    pub(crate) fn texts(&self) -> Option<Vec<(Self, &'a str)>> {
        if let Some(text) = self.untyped() {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            return Some(parts.map(|part| (self.clone(), part)).collect());
        }
        self.all(|node| node.text().map(|text| (node.clone(), text)))
    }

    /// Reads every entry of a list, so that each one's error is noted, and gives them if all are right.
    pub(crate) fn all<T>(&self, read: impl Fn(&Self) -> Option<T>) -> Option<Vec<T>> {
        let read: Vec<Option<T>> = self.list()?.iter().map(read).collect();
        read.into_iter().collect()
    }
}
