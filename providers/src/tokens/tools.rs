//! Tools as models are shown them: OpenAI's as declarations of a TypeScript-like language, others as JSON. What becomes of a
//! schema is not published; it is known from what models repeat of it and from the counts that come back.

use greenroom_wire::chat::Tool;
use serde_json::{Map, Value, json};

/// Deeper schemas are written as they are.
const DEEPEST: usize = 16;

/// All tools as JSON.
pub(super) fn listed(tools: &[Tool]) -> String {
    let written = tools.iter().map(|tool| match tool {
        Tool::Function { name, description, parameters, .. } => {
            json!({"name": name, "description": description, "parameters": parameters}).to_string()
        }
        Tool::Native { json, .. } => json.to_string(),
    });
    written.collect::<Vec<_>>().join("\n")
}

/// All tools, in one namespace.
pub(super) fn declared(tools: &[Tool]) -> String {
    let mut text = String::from("## functions\n\nnamespace functions {\n\n");
    for tool in tools {
        match tool {
            Tool::Function { name, description, parameters, .. } => {
                comment(description.as_deref(), "", &mut text);
                let properties = parameters.as_ref().and_then(Value::as_object).filter(|schema| has_properties(schema));
                match properties {
                    Some(schema) => {
                        text.push_str(&format!("type {name} = (_: "));
                        object(schema, 0, &mut text);
                        text.push_str(") => any;\n\n");
                    }
                    None => text.push_str(&format!("type {name} = () => any;\n\n")),
                }
            }
            Tool::Native { json, .. } => text.push_str(&format!("{json}\n\n")),
        }
    }
    text.push_str("} // namespace functions");
    text
}

fn has_properties(schema: &Map<String, Value>) -> bool {
    schema.get("properties").and_then(Value::as_object).is_some_and(|properties| !properties.is_empty())
}

fn comment(text: Option<&str>, indent: &str, out: &mut String) {
    for line in text.into_iter().flat_map(str::lines) {
        out.push_str(&format!("{indent}// {line}\n"));
    }
}

fn object(schema: &Map<String, Value>, depth: usize, out: &mut String) {
    out.push_str("{\n");
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        comment(property.get("description").and_then(Value::as_str), "", out);
        let mark = if required.contains(&name.as_str()) { "" } else { "?" };
        out.push_str(&format!("{name}{mark}: "));
        kind(property, depth + 1, out);
        out.push_str(",\n");
    }
    out.push('}');
}

fn kind(schema: &Value, depth: usize, out: &mut String) {
    let Some(map) = schema.as_object().filter(|_| depth < DEEPEST) else { return out.push_str(&schema.to_string()) };
    if let Some(choices) = map.get("enum").and_then(Value::as_array) {
        return join(choices.iter(), out, |choice, out| out.push_str(&choice.to_string()));
    }
    if let Some(choices) = ["anyOf", "oneOf", "allOf"].iter().find_map(|key| map.get(*key)?.as_array()) {
        return join(choices.iter(), out, |choice, out| kind(choice, depth + 1, out));
    }
    match map.get("type") {
        Some(Value::Array(kinds)) => {
            join(kinds.iter(), out, |kind, out| out.push_str(kind.as_str().unwrap_or("any")));
        }
        Some(Value::String(name)) => match name.as_str() {
            "object" if has_properties(map) => object(map, depth, out),
            "array" => {
                match map.get("items") {
                    Some(items) => kind(items, depth + 1, out),
                    None => out.push_str("any"),
                }
                out.push_str("[]");
            }
            "integer" => out.push_str("number"),
            name => out.push_str(name),
        },
        _ => out.push_str("any"),
    }
}

fn join<'a>(choices: impl Iterator<Item = &'a Value>, out: &mut String, mut each: impl FnMut(&'a Value, &mut String)) {
    for (at, choice) in choices.enumerate() {
        if at > 0 {
            out.push_str(" | ");
        }
        each(choice, out);
    }
}
