//! OpenRouter's `reasoning_details`, put together from fragments so that they can be sent back.

use serde_json::{Map, Value};

#[derive(Debug, Default)]
pub(super) struct Details(Vec<Map<String, Value>>);

impl Details {
    /// Takes a fragment, and gives the thinking that it adds.
    pub(super) fn take(&mut self, fragment: Map<String, Value>) -> String {
        let added =
            ["text", "summary"].iter().find_map(|key| fragment.get(*key)?.as_str()).unwrap_or_default().to_owned();
        match self.0.iter_mut().rev().find(|entry| continues(entry, &fragment)) {
            Some(entry) => merge(entry, fragment),
            None => self.0.push(fragment),
        }
        added
    }

    /// The whole list, if there is any.
    pub(super) fn finish(self) -> Option<Value> {
        (!self.0.is_empty()).then(|| Value::Array(self.0.into_iter().map(Value::Object).collect()))
    }
}

/// Whether a fragment goes on with an entry: same index and type, and no other id. Encrypted data comes whole, and
/// several of one index are several.
fn continues(entry: &Map<String, Value>, fragment: &Map<String, Value>) -> bool {
    let said = |map: &Map<String, Value>, key: &str| map.get(key).filter(|value| !value.is_null()).cloned();
    let kind = said(fragment, "type");
    let same = |key: &str| match (said(entry, key), said(fragment, key)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    kind == said(entry, "type")
        && kind.as_ref().and_then(Value::as_str) != Some("reasoning.encrypted")
        && said(entry, "index") == said(fragment, "index")
        && same("id")
}

fn merge(entry: &mut Map<String, Value>, fragment: Map<String, Value>) {
    for (key, value) in fragment {
        match (key.as_str(), entry.get_mut(&key), value) {
            (_, _, Value::Null) => {}
            ("text" | "summary", Some(Value::String(text)), Value::String(more)) => text.push_str(&more),
            (_, _, value) => drop(entry.insert(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fragments_of_one_index_become_one() {
        let mut details = Details::default();
        let mut take = |value: Value| details.take(value.as_object().unwrap().clone());
        assert_eq!(take(json!({"type": "reasoning.text", "text": "a", "index": 0, "signature": null})), "a");
        assert_eq!(take(json!({"type": "reasoning.text", "text": "b", "index": 0, "format": "f"})), "b");
        assert_eq!(take(json!({"type": "reasoning.text", "signature": "s", "index": 0})), "");
        assert_eq!(take(json!({"type": "reasoning.encrypted", "data": "x", "index": 0, "id": "1"})), "");
        assert_eq!(take(json!({"type": "reasoning.encrypted", "data": "y", "index": 0, "id": "2"})), "");
        assert_eq!(take(json!({"type": "reasoning.summary", "summary": "c", "index": 1})), "c");
        assert_eq!(
            details.finish().unwrap(),
            json!([
                {"type": "reasoning.text", "text": "ab", "index": 0, "signature": "s", "format": "f"},
                {"type": "reasoning.encrypted", "data": "x", "index": 0, "id": "1"},
                {"type": "reasoning.encrypted", "data": "y", "index": 0, "id": "2"},
                {"type": "reasoning.summary", "summary": "c", "index": 1},
            ])
        );
    }
}
