//! Items of the provider's own tools, from their start to their end.

use serde_json::{Map, Value};

use super::frames::{Frames, Place};
use crate::json::{put_key, put_value};

/// Those that have begun and not ended.
#[derive(Debug, Default)]
pub(super) struct Growing(Vec<Item>);

#[derive(Debug)]
struct Item {
    /// By which number the provider says more of it.
    number: u32,
    place: Place,
    begun: Map<String, Value>,
}

impl Growing {
    /// An item begins as this.
    pub(super) fn begin(
        &mut self,
        number: u32,
        index: u32,
        begun: &Map<String, Value>,
        frames: &mut Frames,
        out: &mut Vec<u8>,
    ) {
        let id = begun.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        frames.added(index, out, |out| put_value(out, begun));
        self.0.push(Item { number, place: Place { index, id }, begun: begun.clone() });
    }

    /// Whether an item has this number.
    pub(super) fn has(&self, number: u32) -> bool {
        self.0.iter().any(|item| item.number == number)
    }

    /// Says how far an item has come.
    pub(super) fn say(&self, number: u32, event: &Value, frames: &mut Frames, out: &mut Vec<u8>) {
        let Some(item) = self.0.iter().rfind(|item| item.number == number) else { return };
        let (Some(fields), Some(kind)) = (event.as_object(), event.get("type").and_then(Value::as_str)) else { return };
        // It is written as the name of an event, which is a line.
        if kind.is_empty() || kind.bytes().any(|byte| !(byte.is_ascii_alphanumeric() || b"._-".contains(&byte))) {
            return;
        }
        frames.put_of(kind, &item.place, out, |out| {
            let own = ["type", "sequence_number", "item_id", "output_index"];
            for (key, json) in fields.iter().filter(|(key, _)| !own.contains(&key.as_str())) {
                put_key(out, key);
                put_value(out, json);
            }
        });
    }

    /// Takes out the place of the item that ends as this, if it is one of these. Some servers give an item another id at
    /// its end: it is then the oldest of its type.
    pub(super) fn end(&mut self, item: &Map<String, Value>) -> Option<u32> {
        let same = |own: &Item, key: &str| own.begun.get(key) == item.get(key);
        let by_id = self.0.iter().position(|own| same(own, "type") && same(own, "id"));
        let at = by_id.or_else(|| self.0.iter().position(|own| same(own, "type")))?;
        Some(self.0.remove(at).place.index)
    }

    /// Nothing more is said of those that are left: takes them out as they stand, by their places.
    pub(super) fn break_off(&mut self) -> impl Iterator<Item = (u32, Map<String, Value>)> {
        self.0.drain(..).map(|item| {
            let mut begun = item.begun;
            if begun.contains_key("status") {
                begun.insert("status".into(), "incomplete".into());
            }
            (item.place.index, begun)
        })
    }
}
