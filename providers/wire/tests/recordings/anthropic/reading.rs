//! An independent reading of an answer: its whole message, put together as the API's own clients do.

use serde_json::{Map, Value, json};

#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The message as an unstreamed answer would have been.
    pub(super) message: Value,
    /// The deltas of tool calls as they were written, by block.
    pub(super) arguments: Vec<String>,
    pub(super) error: Option<Value>,
    pub(super) ended: bool,
    /// Events, blocks and deltas that PROTOCOL has no word for.
    pub(super) unknown: u64,
}

const BLOCKS: &[&str] = &[
    "text",
    "thinking",
    "redacted_thinking",
    "tool_use",
    "server_tool_use",
    "mcp_tool_use",
    "compaction",
    "fallback",
    "container_upload",
];

/// Whether a block is of a known type.
pub(super) fn is_known(block: &Value) -> bool {
    block["type"].as_str().is_some_and(|kind| BLOCKS.contains(&kind) || kind.ends_with("_tool_result"))
}

/// Reads the events of a stream.
pub(super) fn read_stream(body: &str) -> Reading {
    let mut reading = Reading { message: json!({"content": []}), ..Reading::default() };
    for line in body.split(['\n', '\r']) {
        let Some(data) = line.strip_prefix("data:").map(str::trim).filter(|data| data.starts_with('{')) else {
            continue;
        };
        let event: Value = serde_json::from_str(data).expect("recorded events are JSON");
        if reading.error.is_none() && !reading.ended {
            reading.event(&event);
        }
    }
    reading
}

/// Reads a whole answer.
pub(super) fn read_whole(body: &str) -> Reading {
    let message: Value = serde_json::from_str(body.trim()).expect("a recorded answer is JSON");
    if message["type"] == "error" {
        return Reading { error: Some(message["error"].clone()), ..Reading::default() };
    }
    let blocks = message["content"].as_array().map_or(0, Vec::len);
    Reading { message, arguments: vec![String::new(); blocks], ended: true, ..Reading::default() }
}

impl Reading {
    fn event(&mut self, event: &Value) {
        let index = event["index"].as_u64().unwrap_or(0) as usize;
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => {
                self.message = event["message"].clone();
                if !self.message["content"].is_array() {
                    self.message["content"] = json!([]);
                }
                let blocks = self.message["content"].as_array().map_or(0, Vec::len);
                self.arguments.resize(blocks, String::new());
            }
            "content_block_start" => {
                let content = self.message["content"].as_array_mut().expect("content is a list");
                let blocks = content.len().max(index + 1);
                content.resize(blocks, Value::Null);
                content[index] = event["content_block"].clone();
                self.arguments.resize(blocks, String::new());
                self.unknown += u64::from(!is_known(&event["content_block"]));
            }
            "content_block_delta" => self.delta(index, &event["delta"]),
            "content_block_stop" => self.stop(index),
            "message_delta" => {
                for (key, value) in event["delta"].as_object().into_iter().flatten() {
                    self.message[key] = value.clone();
                }
                for (key, value) in event["usage"].as_object().into_iter().flatten().filter(|(_, v)| !v.is_null()) {
                    self.message["usage"][key] = value.clone();
                }
            }
            "message_stop" => self.ended = true,
            "error" => self.error = Some(event["error"].clone()),
            "ping" => {}
            _ => self.unknown += 1,
        }
    }

    fn delta(&mut self, index: usize, delta: &Value) {
        let block = &mut self.message["content"][index];
        let mut append = |key: &str| {
            let more = delta[key].as_str().unwrap_or_default();
            block[key] = (block[key].as_str().unwrap_or_default().to_owned() + more).into();
        };
        match delta["type"].as_str().unwrap_or_default() {
            "text_delta" => append("text"),
            "thinking_delta" => append("thinking"),
            "signature_delta" => append("signature"),
            "input_json_delta" => {
                self.arguments[index].push_str(delta["partial_json"].as_str().unwrap_or_default());
            }
            "citations_delta" => {
                if !block["citations"].is_array() {
                    block["citations"] = json!([]);
                }
                block["citations"].as_array_mut().expect("a list").push(delta["citation"].clone());
            }
            "compaction_delta" => {
                let fields = delta.as_object().cloned().unwrap_or_default();
                let block = block.as_object_mut().expect("a block is an object");
                block.extend(fields.into_iter().filter(|(key, _)| key != "type"));
            }
            _ => self.unknown += 1,
        }
    }

    fn stop(&mut self, index: usize) {
        if !self.arguments[index].is_empty()
            && let Ok(input) = serde_json::from_str::<Map<String, Value>>(&self.arguments[index])
        {
            self.message["content"][index]["input"] = input.into();
        }
    }

    pub(super) fn blocks(&self) -> &[Value] {
        self.message["content"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// The texts of all blocks of a type.
    pub(super) fn text(&self, kind: &str, key: &str) -> String {
        self.blocks().iter().filter(|block| block["type"] == kind).filter_map(|block| block[key].as_str()).collect()
    }
}
