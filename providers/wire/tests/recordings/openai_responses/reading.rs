//! An independent reading of an answer: its whole response, put together as the API's own clients do.

use serde_json::{Value, json};

#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The response as an unstreamed answer would have been.
    pub(super) response: Value,
    /// What deltas said: text, refusals, thinking.
    pub(super) spoken: [String; 3],
    pub(super) id: String,
    pub(super) annotations: usize,
    pub(super) logprobs: usize,
    pub(super) error: Option<Value>,
    /// What the last event says beside its response.
    pub(super) beside: Vec<String>,
}

/// Reads the events of a stream, up to its first end.
pub(super) fn read_stream(body: &str) -> Reading {
    let mut reading = Reading::default();
    let mut items: Vec<Value> = Vec::new();
    let mut summary = Value::Null;
    for line in body.split(['\n', '\r']) {
        let Some(data) = line.strip_prefix("data:").map(str::trim).filter(|data| data.starts_with('{')) else {
            continue;
        };
        let event: Value = serde_json::from_str(data).expect("recorded events are JSON");
        let kind = event["type"].as_str().unwrap_or_default();
        let delta = event["delta"].as_str().unwrap_or_default();
        reading.logprobs += usize::from(kind == "response.output_text.delta" && is_filled(&event["logprobs"]));
        match kind {
            "response.created" => reading.id = event["response"]["id"].as_str().unwrap_or_default().to_owned(),
            "response.output_text.delta" => reading.spoken[0].push_str(delta),
            "response.refusal.delta" => reading.spoken[1].push_str(delta),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                let at = json!([event["output_index"], event["summary_index"], event["content_index"]]);
                if summary[0] == at[0] && summary != at {
                    reading.spoken[2].push_str("\n\n");
                }
                summary = at;
                reading.spoken[2].push_str(delta);
            }
            "response.output_item.done" => {
                let at = event["output_index"].as_u64().unwrap_or(0) as usize;
                let length = items.len().max(at + 1);
                items.resize(length, Value::Null);
                items[at] = event["item"].clone();
            }
            "response.completed" | "response.incomplete" => {
                reading.response = event["response"].clone();
                let known = ["type", "sequence_number", "response"];
                let keys = event.as_object().into_iter().flatten().map(|(key, _)| key.clone());
                reading.beside = keys.filter(|key| !known.contains(&key.as_str())).collect();
                break;
            }
            "error" => {
                reading.error = Some(event["error"].clone());
                break;
            }
            "response.failed" => {
                reading.error = Some(event["response"]["error"].clone());
                break;
            }
            _ => {}
        }
    }
    // What the end says of the items may be nothing, or the same in other words (encrypted anew).
    reading.annotations = annotations(&items);
    reading.response["output"] = items.into();
    reading
}

/// Reads a whole answer.
pub(super) fn read_whole(body: &str) -> Reading {
    let response: Value = serde_json::from_str(body.trim()).expect("a recorded answer is JSON");
    let items = response["output"].as_array().cloned().unwrap_or_default();
    let all = |kind: &str, key: &str| -> String {
        let parts = items.iter().flat_map(|item| item["content"].as_array().into_iter().flatten());
        parts.filter(|part| part["type"] == kind).filter_map(|part| part[key].as_str()).collect()
    };
    let thoughts = items.iter().map(|item| {
        let parts = item["summary"].as_array().into_iter().flatten();
        parts.filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n\n")
    });
    Reading {
        spoken: [all("output_text", "text"), all("refusal", "refusal"), thoughts.collect()],
        id: response["id"].as_str().unwrap_or_default().to_owned(),
        annotations: annotations(&items),
        response,
        ..Reading::default()
    }
}

fn annotations(items: &[Value]) -> usize {
    let parts = items.iter().flat_map(|item| item["content"].as_array().into_iter().flatten());
    parts.map(|part| part["annotations"].as_array().map_or(0, Vec::len)).sum()
}

fn is_filled(list: &Value) -> bool {
    list.as_array().is_some_and(|list| !list.is_empty())
}

impl Reading {
    pub(super) fn items(&self) -> &[Value] {
        self.response["output"].as_array().map(Vec::as_slice).unwrap_or_default()
    }
}
