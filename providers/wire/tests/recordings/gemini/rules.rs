//! What two request bodies may differ in and still ask for the same.

use serde_json::{Map, Value, json};

/// Applies every rule to a body.
pub(super) fn normalise(body: &mut Value) {
    null_is_the_default(body);
    in_camel(body);
    let Value::Object(body) = body else { return };
    // The model stands in the path.
    body.shift_remove("model");
    instructions_have_no_role(body);
    if let Some(Value::Object(config)) = body.get_mut("generationConfig") {
        the_form_has_one_name(config);
        thoughts_are_hidden_by_default(config);
        config.values_mut().for_each(number_is_a_number);
        config.retain(|key, value| !(key == "stopSequences" && *value == json!([])));
    }
    // None of it is all of it.
    body.retain(|key, value| key == "contents" || !(*value == json!({}) || *value == json!([])));
    for function in body.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        for one in function.get_mut("functionDeclarations").and_then(Value::as_array_mut).into_iter().flatten() {
            schema_has_one_name(
                one.as_object_mut().expect("a declaration is an object"),
                "parametersJsonSchema",
                "parameters",
            );
        }
    }
    for content in body.get_mut("contents").and_then(Value::as_array_mut).into_iter().flatten() {
        let Value::Object(content) = content else { continue };
        content.entry("role").or_insert_with(|| "user".into());
        if content["role"] == "function" {
            content["role"] = "user".into();
        }
        content.entry("parts").and_modify(a_part_is_a_list).and_modify(parts);
    }
    if let Some(Value::Array(contents)) = body.get_mut("contents") {
        neighbours_are_one(contents);
        contents.iter_mut().for_each(results_come_first);
    }
}

/// On this wire null is the same as nothing everywhere, but in what is the client's own.
fn null_is_the_default(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            for (key, value) in map.iter_mut() {
                if !is_clients(key) {
                    null_is_the_default(value);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(null_is_the_default),
        _ => {}
    }
}

/// Keys whose values are the client's own JSON.
fn is_clients(key: &str) -> bool {
    ["args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema"].contains(&key)
}

/// The API takes either way of writing a name.
fn in_camel(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, mut value) in std::mem::take(map) {
                let mut camel = String::new();
                for letter in key.chars() {
                    match camel.ends_with('_') {
                        true => {
                            camel.pop();
                            camel.push(letter.to_ascii_uppercase());
                        }
                        false => camel.push(letter),
                    }
                }
                // What a tool of the provider's own is given is not looked at.
                if !is_clients(&camel) && camel != "fileSearch" {
                    in_camel(&mut value);
                }
                let native = ["googleSearch", "codeExecution", "urlContext", "fileSearch"].contains(&camel.as_str());
                map.insert(if native { camel } else { camel_or(&key, &camel) }, value);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(in_camel),
        _ => {}
    }
}

fn camel_or(key: &str, camel: &str) -> String {
    if key.contains('_') { camel.to_owned() } else { key.to_owned() }
}

fn instructions_have_no_role(body: &mut Map<String, Value>) {
    let Some(Value::Object(said)) = body.get_mut("systemInstruction") else { return };
    said.shift_remove("role");
    said.entry("parts").and_modify(a_part_is_a_list).and_modify(parts);
    if said["parts"] == json!([]) {
        body.shift_remove("systemInstruction");
    }
}

fn a_part_is_a_list(value: &mut Value) {
    if value.is_object() {
        *value = json!([value.take()]);
    }
}

/// That a part is no thought is the default; empty texts say nothing, and thoughts that nobody signed do not go back.
fn parts(list: &mut Value) {
    let Some(list) = list.as_array_mut() else { return };
    list.retain(|part| {
        let unsigned = part["text"].is_string() && part["thoughtSignature"].is_null();
        !(unsigned && (part["text"] == "" || part["thought"] == true))
    });
    for part in list {
        let Value::Object(part) = part else { continue };
        part.retain(|key, value| !(key == "thought" && *value == false));
        if let Some(Value::Object(call)) = part.get_mut("functionCall") {
            // No arguments are an empty object.
            call.entry("args").or_insert_with(|| json!({}));
        }
    }
}

/// The API takes neighbours of one role as one.
fn neighbours_are_one(contents: &mut Vec<Value>) {
    let mut merged = Vec::<Value>::new();
    for mut content in contents.drain(..) {
        match merged.last_mut() {
            Some(before) if before["role"] == content["role"] => {
                if let (Some(list), Value::Array(more)) = (before["parts"].as_array_mut(), content["parts"].take()) {
                    list.extend(more);
                }
            }
            _ if content["parts"] == json!([]) => {}
            _ => merged.push(content),
        }
    }
    *contents = merged;
}

/// The API wants results before everything else.
fn results_come_first(content: &mut Value) {
    if let Some(list) = content.get_mut("parts").and_then(Value::as_array_mut) {
        list.sort_by_key(|part| part.get("functionResponse").is_none());
    }
}

/// A schema says the same under either of its names, and its types in upper case or lower case.
fn schema_has_one_name(map: &mut Map<String, Value>, any: &str, subset: &str) {
    if let Some(schema) = map.shift_remove(any) {
        map.insert(subset.into(), schema);
    }
    if let Some(schema) = map.get_mut(subset) {
        types_in_lower_case(schema);
    }
}

fn types_in_lower_case(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                match value {
                    Value::String(kind) if key == "type" => kind.make_ascii_lowercase(),
                    value => types_in_lower_case(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(types_in_lower_case),
        _ => {}
    }
}

fn the_form_has_one_name(config: &mut Map<String, Value>) {
    schema_has_one_name(config, "responseJsonSchema", "responseSchema");
}

/// A budget that is the model's own, and thoughts that are not shown, are the default.
fn thoughts_are_hidden_by_default(config: &mut Map<String, Value>) {
    let Some(Value::Object(thinking)) = config.get_mut("thinkingConfig") else { return };
    thinking
        .retain(|key, value| !(key == "includeThoughts" && *value == false || key == "thinkingBudget" && *value == -1));
    if let Some(Value::String(level)) = thinking.get_mut("thinkingLevel") {
        level.make_ascii_lowercase();
    }
    if thinking.is_empty() {
        config.shift_remove("thinkingConfig");
    }
}

/// JSON does not tell 1 from 1.0.
fn number_is_a_number(value: &mut Value) {
    if let Some(number) = value.as_f64() {
        *value = json!(number);
    }
}

/// Where a client gives a call or a result no id, we do.
pub(super) fn forget_new_ids(body: &Value, again: &mut Value) {
    let Some(ours) = again.get_mut("contents").and_then(Value::as_array_mut) else { return };
    for (content, own) in body["contents"].as_array().into_iter().flatten().zip(ours) {
        let own = own["parts"].as_array_mut().into_iter().flatten();
        for (part, own) in content["parts"].as_array().into_iter().flatten().zip(own) {
            for key in ["functionCall", "functionResponse"] {
                let own = own.get_mut(key).and_then(Value::as_object_mut);
                if let Some(own) = own.filter(|_| part[key]["id"].is_null()) {
                    own.shift_remove("id");
                }
            }
        }
    }
}
