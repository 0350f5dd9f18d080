//! What two request bodies may differ in and still ask for the same.

use serde_json::{Map, Value, json};

/// Applies every rule to a body.
pub(super) fn normalise(body: &mut Value) {
    let Value::Object(body) = body else { return };
    body.shift_remove("stream");
    null_is_the_default(body);
    what_is_not_said_is_stored(body);
    no_model_is_that_of_the_prompt(body);
    a_text_is_a_message(body);
    let input = body.entry("input").or_insert_with(|| json!([]));
    for item in input.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        a_message_is_one_without_a_word(item);
        a_text_is_one_part(item);
    }
    instructions_are_the_first_message(body);
    for tool in body.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Value::Object(tool) = tool
            && tool.get("type").is_some_and(|kind| kind == "function")
        {
            null_is_the_default(tool);
        }
    }
    for key in ["text", "reasoning"] {
        if let Some(Value::Object(inside)) = body.get_mut(key) {
            null_is_the_default(inside);
        }
    }
    for value in body.values_mut() {
        // JSON does not tell 1 from 1.0.
        if let Some(number) = value.as_f64() {
            *value = json!(number);
        }
    }
}

/// The API takes null for every optional field.
fn null_is_the_default(map: &mut Map<String, Value>) {
    map.retain(|_, value| !value.is_null());
}

fn what_is_not_said_is_stored(body: &mut Map<String, Value>) {
    body.entry("store").or_insert(Value::Bool(true));
}

fn no_model_is_that_of_the_prompt(body: &mut Map<String, Value>) {
    if body.get("model").is_some_and(|model| model == "") {
        body.shift_remove("model");
    }
}

fn a_text_is_a_message(body: &mut Map<String, Value>) {
    if let Some(text @ Value::String(_)) = body.get("input").cloned() {
        body.insert("input".into(), json!([{"role": "user", "content": text}]));
    }
}

fn a_message_is_one_without_a_word(item: &mut Map<String, Value>) {
    if item.contains_key("role") {
        item.entry("type").or_insert("message".into());
    }
}

/// Content as a list; and in an answer, lists of nothing beside a text say nothing.
fn a_text_is_one_part(item: &mut Map<String, Value>) {
    let is_answer = item.get("role").is_some_and(|role| role == "assistant");
    let Some(content) = item.get_mut("content") else { return };
    if let Value::String(text) = content {
        let kind = if is_answer { "output_text" } else { "input_text" };
        *content = json!([{"type": kind, "text": text}]);
    }
    for part in content.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut).filter(|_| is_answer) {
        part.retain(|_, json| *json != json!([]) && !json.is_null());
    }
}

/// Instructions come first, whether in their own field or as a message.
fn instructions_are_the_first_message(body: &mut Map<String, Value>) {
    if let Some(text) = body.shift_remove("instructions") {
        let message = json!({"type": "message", "role": "system", "content": [{"type": "input_text", "text": text}]});
        if let Some(input) = body.get_mut("input").and_then(Value::as_array_mut) {
            input.insert(0, message);
        }
    }
}
