//! What two request bodies may differ in and still ask for the same.

use serde_json::{Map, Value, json};

/// Applies every rule to a body.
pub(super) fn normalise(body: &mut Value) {
    let Value::Object(body) = body else { return };
    body.shift_remove("stream");
    null_is_the_default(body);
    empty_is_none(body);
    the_older_format(body);
    if let Some(system) = body.get_mut("system") {
        a_text_is_one_block(system);
        blocks(system);
    }
    if body.get("system") == Some(&json!([])) {
        body.shift_remove("system");
    }
    for tool in body.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Value::Object(tool) = tool
            && tool.get("type").is_none_or(|kind| kind.is_null() || kind == "custom")
        {
            null_is_the_default(tool);
        }
    }
    numbers_are_numbers(body);
    if let Some(messages) = body.get_mut("messages").and_then(Value::as_array_mut) {
        for message in &mut *messages {
            if let Some(content) = message.get_mut("content") {
                a_text_is_one_block(content);
                blocks(content);
            }
        }
        neighbours_are_one(messages);
        for message in messages {
            results_come_first(message);
        }
    }
}

/// The API takes null for every optional field.
fn null_is_the_default(map: &mut Map<String, Value>) {
    map.retain(|_, value| !value.is_null());
}

/// No tools, stop texts or labels are the same as an empty list of them.
fn empty_is_none(body: &mut Map<String, Value>) {
    if let Some(Value::Object(labels)) = body.get_mut("metadata") {
        null_is_the_default(labels);
    }
    for key in ["tools", "stop_sequences", "metadata"] {
        if body.get(key).is_some_and(|value| *value == json!([]) || *value == json!({})) {
            body.shift_remove(key);
        }
    }
}

/// `output_format` was the first name of `output_config.format`.
fn the_older_format(body: &mut Map<String, Value>) {
    if let Some(format) = body.shift_remove("output_format") {
        let config = body.entry("output_config").or_insert_with(|| json!({}));
        config["format"] = format;
    }
}

fn a_text_is_one_block(content: &mut Value) {
    if content.is_string() {
        *content = json!([{"type": "text", "text": content.take()}]);
    }
}

fn blocks(content: &mut Value) {
    for block in content.as_array_mut().into_iter().flatten() {
        let Value::Object(block) = block else { continue };
        null_is_the_default(block);
        if block.get("type") == Some(&json!("tool_result")) {
            // No error is the default, and no content is an empty one.
            if block.get("is_error") == Some(&json!(false)) {
                block.shift_remove("is_error");
            }
            if let Some(content) = block.get_mut("content") {
                if *content == "" || *content == json!([]) {
                    block.shift_remove("content");
                } else {
                    a_text_is_one_block(content);
                    blocks(content);
                }
            }
        }
    }
    // Empty texts say nothing, and the API refuses them.
    if let Some(list) = content.as_array_mut() {
        list.retain(|block| !(block["type"] == "text" && block["text"] == ""));
    }
}

/// The API merges neighbours of one role.
fn neighbours_are_one(messages: &mut Vec<Value>) {
    let mut merged = Vec::<Value>::new();
    for mut message in messages.drain(..) {
        match merged.last_mut() {
            Some(before) if before["role"] == message["role"] => {
                let more = message["content"].take();
                if let (Some(list), Value::Array(more)) = (before["content"].as_array_mut(), more) {
                    list.extend(more);
                }
            }
            _ => merged.push(message),
        }
    }
    *messages = merged;
}

/// The API wants results before everything else.
fn results_come_first(message: &mut Value) {
    if let Some(list) = message["content"].as_array_mut() {
        list.sort_by_key(|block| block["type"] != "tool_result");
    }
}

/// JSON does not tell 1 from 1.0.
fn numbers_are_numbers(body: &mut Map<String, Value>) {
    for value in body.values_mut() {
        if let Some(number) = value.as_f64() {
            *value = json!(number);
        }
    }
}
