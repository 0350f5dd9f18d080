//! Sources, in the form of this wire.

use serde_json::{Value, json};

/// The annotation that says a citation, whichever wire it is of: as it is if it is of this one, else as the link that it
/// holds, put at `end`, the number of characters that the text has by then. None where it holds no link.
pub(super) fn annotation(citation: &Value, end: usize) -> Option<Value> {
    let is_own = |kind: &str| {
        let nests = citation.get(kind).is_some_and(Value::is_object);
        matches!(kind, "url_citation" | "file_citation" | "container_file_citation" | "file_path") && !nests
    };
    if citation.get("type").and_then(Value::as_str).is_some_and(is_own) {
        return Some(citation.clone());
    }
    let inside = ["url_citation", "web", "retrievedContext"].iter().find_map(|key| citation.get(key));
    let source = inside.unwrap_or(citation);
    let word = |keys: &[&str]| keys.iter().find_map(|key| source.get(key)?.as_str().map(str::to_owned));
    let number = |key: &str| source.get(key).and_then(Value::as_u64);
    let url = word(&["url", "uri"])?;
    Some(json!({
        "type": "url_citation",
        "url": url,
        "title": word(&["title"]).unwrap_or_default(),
        "start_index": number("start_index").unwrap_or(end as u64),
        "end_index": number("end_index").unwrap_or(end as u64),
    }))
}
