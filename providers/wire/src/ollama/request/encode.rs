//! A request as Ollama reads it.

use serde_json::Value;

use super::{
    encode_message::Messages,
    extras::{own_extras, put_extras, report_foreign},
};
use crate::{
    chat::{ChatRequest, Extra, ResponseFormat, ThinkingRequest, Tool, ToolChoice, Wire},
    encode::{Encoded, LeftOut, adapted},
    json::{put_comma, put_key, put_str, put_value},
    names::ToolNames,
};

/// Options that OpenAI's wire has too, under the same name and with the same meaning, but as fields of the request.
const SHARED_OPTIONS: [&str; 3] = ["seed", "frequency_penalty", "presence_penalty"];
/// Fields of `/api/generate` that a conversation has no place for.
const OF_GENERATE: [&str; 4] = ["template", "context", "raw", "suffix"];

/// Writes the body of `POST /api/chat`, always for a stream.
///
/// `model` is the provider's own id of the model, whatever name the request has for it. The body begins with all that
/// stays the same in a conversation and ends with the messages, so that the body of the next turn goes on where this
/// one's messages end, byte for byte.
pub fn encode_request(request: &ChatRequest, model: &str) -> Encoded {
    let mut left_out = Vec::new();
    let request = &*adapted(request, Wire::Ollama, &mut left_out);
    let mut out = Vec::with_capacity(4096);
    out.push(b'{');
    put_key(&mut out, "model");
    put_str(&mut out, model);
    put_key(&mut out, "stream");
    out.extend_from_slice(b"true");
    put_tools(&mut out, request, &mut left_out);
    put_format(&mut out, request.response_format.as_ref(), &mut left_out);
    put_think(&mut out, request.thinking.as_ref(), &mut left_out);
    put_options(&mut out, request, &mut left_out);
    let mut miss = |at: &str| left_out.push(LeftOut { at: at.into(), what: "this wire has no word for it" });
    if request.parallel_tool_calls == Some(false) {
        miss("parallel_tool_calls");
    }
    if !request.metadata.is_empty() {
        miss("metadata");
    }
    report_others(&request.extra, &mut left_out);
    put_extras(&mut out, &request.extra, "", &WRITTEN);
    put_key(&mut out, "messages");
    out.push(b'[');
    Messages { out: &mut out, left_out: &mut left_out }.put_all(&request.messages);
    out.extend_from_slice(b"]}");
    // Any name is taken here.
    Encoded { body: out, left_out, names: ToolNames::default() }
}

/// Keys that an extra must not say a second time, or not at all.
const WRITTEN: [&str; 11] = [
    "model",
    "stream",
    "messages",
    "tools",
    "format",
    "think",
    "options",
    OF_GENERATE[0],
    OF_GENERATE[1],
    OF_GENERATE[2],
    OF_GENERATE[3],
];

fn report_others(extras: &[Extra], left_out: &mut Vec<LeftOut>) {
    let translated = |extra: &Extra| extra.path.strip_prefix('/').is_some_and(|key| SHARED_OPTIONS.contains(&key));
    let foreign: Vec<Extra> = extras.iter().filter(|extra| !translated(extra)).cloned().collect();
    report_foreign("", &foreign, left_out);
    for (key, _) in own_extras(extras, "").filter(|(key, _)| OF_GENERATE.contains(&key.as_str())) {
        left_out.push(LeftOut { at: format!("/{key}"), what: "only a prompt without messages can have it" });
    }
}

fn put_tools(out: &mut Vec<u8>, request: &ChatRequest, left_out: &mut Vec<LeftOut>) {
    let ours = |tool: &Tool| matches!(tool, Tool::Function { .. } | Tool::Native { wire: Wire::Ollama, .. });
    for (index, _) in request.tools.iter().enumerate().filter(|(_, tool)| !ours(tool)) {
        left_out.push(LeftOut { at: format!("tools[{index}]"), what: "another wire's own tool" });
    }
    // There is no choice on this wire but that of the tools which are offered.
    let only = match &request.tool_choice {
        None | Some(ToolChoice::Auto) => None,
        Some(ToolChoice::None) => {
            if request.tools.iter().any(ours) {
                left_out.push(LeftOut { at: "tools".into(), what: "not offered, since none may be called" });
            }
            return;
        }
        Some(ToolChoice::Required) => {
            left_out
                .push(LeftOut { at: "tool_choice".into(), what: "this wire cannot say that a tool must be called" });
            None
        }
        Some(ToolChoice::Function { name }) => {
            left_out.push(LeftOut { at: "tool_choice".into(), what: "only that tool is offered" });
            Some(name)
        }
        Some(ToolChoice::Native { wire: Wire::Ollama, json }) => {
            put_key(out, "tool_choice");
            put_value(out, json);
            None
        }
        Some(ToolChoice::Native { .. }) => {
            left_out.push(LeftOut { at: "tool_choice".into(), what: "another wire's own choice" });
            None
        }
    };
    let offered = |tool: &Tool| match (only, tool) {
        (None, _) => ours(tool),
        (Some(only), Tool::Function { name, .. }) => name == only,
        (Some(_), Tool::Native { .. }) => false,
    };
    if !request.tools.iter().any(offered) {
        return;
    }
    put_key(out, "tools");
    out.push(b'[');
    for (index, tool) in request.tools.iter().enumerate().filter(|(_, tool)| offered(tool)) {
        put_comma(out);
        match tool {
            Tool::Native { json, .. } => put_value(out, json),
            Tool::Function { name, description, parameters, strict, extra } => {
                report_foreign(&format!("tools[{index}]"), extra, left_out);
                out.extend_from_slice(b"{\"type\":\"function\",\"function\":{");
                put_key(out, "name");
                put_str(out, name);
                put_some(out, "description", description.as_ref());
                put_some(out, "parameters", parameters.as_ref());
                put_some(out, "strict", strict.as_ref());
                put_extras(out, extra, "/function", &[]);
                out.push(b'}');
                put_extras(out, extra, "", &["type", "function"]);
                out.push(b'}');
            }
        }
    }
    out.push(b']');
}

fn put_some<T: serde::Serialize>(out: &mut Vec<u8>, key: &str, value: Option<&T>) {
    if let Some(value) = value {
        put_key(out, key);
        put_value(out, value);
    }
}

fn put_format(out: &mut Vec<u8>, format: Option<&ResponseFormat>, left_out: &mut Vec<LeftOut>) {
    match format {
        None | Some(ResponseFormat::Text) => {}
        Some(ResponseFormat::JsonObject | ResponseFormat::JsonSchema { schema: None, .. }) => {
            put_key(out, "format");
            put_str(out, "json");
        }
        Some(ResponseFormat::JsonSchema { schema: Some(schema), description, .. }) => {
            if description.is_some() {
                left_out
                    .push(LeftOut { at: "response_format.description".into(), what: "this wire has no word for it" });
            }
            put_key(out, "format");
            put_value(out, schema);
        }
    }
}

/// `think` is a boolean, or one of the words that the model knows.
fn put_think(out: &mut Vec<u8>, thinking: Option<&ThinkingRequest>, left_out: &mut Vec<LeftOut>) {
    let Some(thinking) = thinking else { return };
    if thinking.budget.is_some() {
        left_out.push(LeftOut { at: "thinking.budget".into(), what: "this wire has no word for it" });
    }
    let word = match (thinking.enabled, thinking.effort.as_deref()) {
        (Some(false), _) | (_, Some("none")) => Value::Bool(false),
        // Words of other wires beyond the ends of this one's scale.
        (_, Some("minimal")) => "low".into(),
        (_, Some("xhigh")) => "high".into(),
        (_, Some(effort)) => effort.into(),
        (Some(true), None) => Value::Bool(true),
        (None, None) => return,
    };
    if matches!(thinking.effort.as_deref(), Some("minimal" | "xhigh")) && word != false {
        left_out.push(LeftOut { at: "thinking.effort".into(), what: "the nearest word that this wire has" });
    }
    put_key(out, "think");
    put_value(out, &word);
}

fn put_options(out: &mut Vec<u8>, request: &ChatRequest, left_out: &mut Vec<LeftOut>) {
    let start = out.len();
    put_key(out, "options");
    out.push(b'{');
    let empty = out.len();
    for (key, number) in [("temperature", request.temperature), ("top_p", request.top_p)] {
        if let Some(number) = number {
            put_key(out, key);
            put_number(out, number);
        }
    }
    put_some(out, "num_predict", request.max_tokens.as_ref());
    if !request.stop.is_empty() {
        put_key(out, "stop");
        put_value(out, &request.stop);
    }
    let written = |key: &str| match key {
        "temperature" => request.temperature.is_some(),
        "top_p" => request.top_p.is_some(),
        "num_predict" => request.max_tokens.is_some(),
        "stop" => !request.stop.is_empty(),
        _ => false,
    };
    for (key, json) in own_extras(&request.extra, "/options").filter(|(key, _)| !written(key)) {
        put_key(out, &key);
        put_value(out, json);
    }
    for key in SHARED_OPTIONS {
        let foreign = |extra: &&Extra| extra.wire != Wire::Ollama && extra.path.strip_prefix('/') == Some(key);
        let own = own_extras(&request.extra, "/options").any(|(own, _)| own == key);
        match request.extra.iter().find(foreign) {
            Some(extra) if extra.json.is_number() && !own => {
                put_key(out, key);
                put_value(out, &extra.json);
            }
            Some(extra) if !extra.json.is_null() => {
                left_out.push(LeftOut { at: extra.path.clone(), what: "another wire's own field" });
            }
            _ => {}
        }
    }
    match out.len() {
        length if length == empty => out.truncate(start),
        _ => out.push(b'}'),
    }
}

/// Whole numbers without a fraction, as people write them.
fn put_number(out: &mut Vec<u8>, number: f64) {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        put_value(out, &(number as i64));
    } else {
        put_value(out, &number);
    }
}
