//! Extras that wait for the chunk they ride on.

use serde_json::Value;

use crate::{
    chat::{Extra, Wire},
    json::{put_key, put_value},
};

/// Where an extra of an answer goes.
pub(super) enum Place<'a> {
    /// Beside the choices.
    Top(&'a str),
    /// In the choice that is the answer.
    Choice(&'a str),
    /// In its delta.
    Delta(&'a str),
    /// In a tool call of its delta.
    Call(u32, &'a str),
    /// In another choice.
    Other(u32, &'a str),
    /// In the usage, at this pointer.
    Usage(&'a str),
    /// Nowhere in an answer.
    None,
}

pub(super) fn place(path: &str) -> Place<'_> {
    let single = |key: &str| !key.is_empty() && !key.contains('/');
    let numbered = |rest: &'static str| {
        let (number, key) = path.strip_prefix(rest)?.split_once('/')?;
        Some((number.parse::<u32>().ok()?, key))
    };
    if let Some(rest) = path.strip_prefix("/usage/") {
        return Place::Usage(&path[path.len() - rest.len() - 1..]);
    }
    if let Some((call, key)) = numbered("/choices/0/delta/tool_calls/").filter(|(_, key)| single(key)) {
        return Place::Call(call, key);
    }
    if let Some(key) = path.strip_prefix("/choices/0/delta/").filter(|key| single(key)) {
        return Place::Delta(key);
    }
    match numbered("/choices/") {
        Some((0, key)) if single(key) => Place::Choice(key),
        Some((choice, key)) if choice > 0 && single(key) => Place::Other(choice, key),
        _ => match path.strip_prefix('/').filter(|key| single(key)) {
            Some(key) => Place::Top(key),
            None => Place::None,
        },
    }
}

/// A key of a JSON pointer as it stands in the object.
pub(super) fn plain_key(key: &str) -> String {
    key.replace("~1", "/").replace("~0", "~")
}

/// What waits for the next chunk.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) top: Vec<(String, Value)>,
    pub(super) choice: Vec<(String, Value)>,
    pub(super) delta: Vec<(String, Value)>,
}

impl Waiting {
    /// Whether an extra at the same place waits already, so that a chunk of its own is needed for this one.
    pub(super) fn collides(&self, extra: &Extra) -> bool {
        let (list, key) = match place(&extra.path) {
            Place::Top(key) => (&self.top, key),
            Place::Choice(key) => (&self.choice, key),
            Place::Delta(key) => (&self.delta, key),
            _ => return false,
        };
        extra.wire == Wire::OpenaiChat && list.iter().any(|(other, _)| *other == plain_key(key))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.top.is_empty() && self.choice.is_empty() && self.delta.is_empty()
    }
}

/// Writes what waits into the open object.
pub(super) fn put_waiting(out: &mut Vec<u8>, list: &mut Vec<(String, Value)>) {
    for (key, value) in list.drain(..) {
        put_key(out, &key);
        put_value(out, &value);
    }
}
