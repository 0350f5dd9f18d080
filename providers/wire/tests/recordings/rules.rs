//! What two request bodies may differ in and still ask for the same.

use serde_json::{Map, Value, json};

/// Applies every rule to a body.
pub(crate) fn normalise(body: &mut Value) {
    let Value::Object(body) = body else { return };
    we_always_stream(body);
    null_is_the_default(body);
    one_stop_is_a_list(body);
    functions_are_tools(body);
    any_is_required(body);
    numbers_are_numbers(body);
    for tool in body.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(Value::Object(function)) = tool.get_mut("function") {
            null_is_the_default(function);
        }
    }
    for message in body.get_mut("messages").and_then(Value::as_array_mut).into_iter().flatten() {
        let Value::Object(message) = message else { continue };
        null_is_the_default(message);
        one_text_is_a_string(message);
        calls_need_no_text(message);
        thinking_is_said_once(message);
        calls_are_functions(message);
    }
}

/// The provider's answer is always a stream with usage, whatever the client wants.
fn we_always_stream(body: &mut Map<String, Value>) {
    body.shift_remove("stream");
    if let Some(Value::Object(options)) = body.get_mut("stream_options") {
        options.shift_remove("include_usage");
        if options.is_empty() {
            body.shift_remove("stream_options");
        }
    }
}

/// OpenAI's API takes null for every optional field.
fn null_is_the_default(map: &mut Map<String, Value>) {
    map.retain(|_, value| !value.is_null());
}

/// `stop` may be one text or a list.
fn one_stop_is_a_list(body: &mut Map<String, Value>) {
    if let Some(stop @ Value::String(_)) = body.get_mut("stop") {
        *stop = json!([stop.take()]);
    }
}

/// The legacy form of tools.
fn functions_are_tools(body: &mut Map<String, Value>) {
    if let Some(Value::Array(functions)) = body.shift_remove("functions") {
        let tools = functions.into_iter().map(|function| json!({"type": "function", "function": function}));
        body.insert("tools".into(), tools.collect());
    }
    if let Some(choice) = body.shift_remove("function_call") {
        let choice = if choice.is_object() { json!({"type": "function", "function": choice}) } else { choice };
        body.insert("tool_choice".into(), choice);
    }
}

/// Mistral's word, beside which it takes OpenAI's.
fn any_is_required(body: &mut Map<String, Value>) {
    if body.get("tool_choice") == Some(&json!("any")) {
        body.insert("tool_choice".into(), "required".into());
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

/// A list of one plain text is that text.
fn one_text_is_a_string(message: &mut Map<String, Value>) {
    let Some(Value::Array(parts)) = message.get("content") else { return };
    if let [Value::Object(part)] = parts.as_slice()
        && part.len() == 2
        && part["type"] == "text"
    {
        let text = part["text"].clone();
        message.insert("content".into(), text);
    }
}

/// Beside tool calls, no text, an empty one and null are the same.
fn calls_need_no_text(message: &mut Map<String, Value>) {
    if message.contains_key("tool_calls") && message.get("content") == Some(&json!("")) {
        message.shift_remove("content");
    }
}

/// Some clients say the same thinking under several names.
fn thinking_is_said_once(message: &mut Map<String, Value>) {
    let Some(said) = message.get("reasoning_content").cloned() else { return };
    message.retain(|key, value| key != "reasoning" || *value != said);
}

/// `function` is the default kind of a call, no arguments are an empty object, and a number is only for streams.
fn calls_are_functions(message: &mut Map<String, Value>) {
    for call in message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
        let Value::Object(call) = call else { continue };
        call.shift_remove("index");
        call.entry("type").or_insert_with(|| "function".into());
        let arguments = call.get_mut("function").and_then(|function| function.get_mut("arguments"));
        if let Some(arguments) = arguments.filter(|arguments| *arguments == "") {
            *arguments = "{}".into();
        }
    }
}
