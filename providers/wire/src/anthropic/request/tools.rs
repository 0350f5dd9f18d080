//! Tools, and the choice between them.

use serde_json::Value;

use super::{own, report_foreign};
use crate::{
    chat::{ChatRequest, Tool, ToolChoice, Wire},
    encode::{LeftOut, identifiers::Names, put_some},
    extras::Extras,
    json::{put_comma, put_key, put_str, put_value},
};

fn is_ours(tool: &Tool) -> bool {
    matches!(tool, Tool::Function { .. } | Tool::Native { wire: Wire::Anthropic, .. })
}

pub(super) fn put_tools<'a>(out: &mut Vec<u8>, tools: &'a [Tool], names: &mut Names<'a>, left_out: &mut Vec<LeftOut>) {
    for (index, _) in tools.iter().enumerate().filter(|(_, tool)| !is_ours(tool)) {
        left_out.push(LeftOut { at: format!("tools[{index}]"), what: "another wire's own tool" });
    }
    if !tools.iter().any(is_ours) {
        return;
    }
    put_key(out, "tools");
    out.push(b'[');
    for (index, tool) in tools.iter().enumerate().filter(|(_, tool)| is_ours(tool)) {
        put_comma(out);
        match tool {
            Tool::Native { json, .. } => put_value(out, json),
            Tool::Function { name, description, parameters, strict, extra } => {
                let at = format!("tools[{index}]");
                report_foreign(&at, extra, left_out);
                out.extend_from_slice(b"{\"name\":");
                put_str(out, names.name(name));
                put_some(out, "description", description.as_ref());
                put_key(out, "input_schema");
                put_schema(out, parameters.as_ref(), &at, left_out);
                put_some(out, "strict", strict.as_ref());
                own(extra).put_keys(out, "", &["name", "description", "input_schema", "strict"]);
                out.push(b'}');
            }
        }
    }
    out.push(b']');
}

/// Writes the schema of arguments, whose root must be `"type":"object"` on this wire.
pub(crate) fn put_schema(out: &mut Vec<u8>, schema: Option<&Value>, at: &str, left_out: &mut Vec<LeftOut>) {
    match schema {
        Some(Value::Object(map)) if map.get("type").is_some_and(|kind| kind == "object") => put_value(out, map),
        Some(Value::Object(map)) if !map.contains_key("type") => {
            out.extend_from_slice(b"{\"type\":\"object\"");
            for (key, value) in map {
                put_key(out, key);
                put_value(out, value);
            }
            out.push(b'}');
        }
        other => {
            if other.is_some() {
                let at = format!("{at}.parameters");
                left_out.push(LeftOut { at, what: "a schema that is not of an object, said as any object" });
            }
            out.extend_from_slice(b"{\"type\":\"object\",\"properties\":{}}");
        }
    }
}

/// Writes the choice. A model that thinks may not be made to call a tool.
pub(super) fn put_choice<'a>(
    out: &mut Vec<u8>,
    request: &'a ChatRequest,
    thinks: bool,
    names: &mut Names<'a>,
    left_out: &mut Vec<LeftOut>,
) {
    let extras = own(&request.extra);
    let mut miss = |what| left_out.push(LeftOut { at: "tool_choice".into(), what });
    let mut choice = match &request.tool_choice {
        Some(ToolChoice::Native { wire, .. }) if *wire != Wire::Anthropic => {
            miss("another wire's own choice");
            None
        }
        choice => choice.as_ref(),
    };
    let one_by_one = request.parallel_tool_calls.map(|parallel| !parallel);
    // There is nothing to choose from, which the wire does not take.
    if !request.tools.iter().any(is_ours) && extras.keys_at("").all(|(key, _)| key != "mcp_servers") {
        if choice.is_some() {
            miss("there are no tools to choose from");
        }
        return;
    }
    if thinks && matches!(choice, Some(ToolChoice::Required | ToolChoice::Function { .. })) {
        miss("a model that thinks cannot be made to call, said as \"auto\"");
        choice = Some(&ToolChoice::Auto);
    }
    if choice.is_none() && one_by_one == Some(true) {
        choice = Some(&ToolChoice::Auto);
    }
    let Some(choice) = choice else { return };
    put_key(out, "tool_choice");
    let kind = match choice {
        ToolChoice::Auto => "auto",
        ToolChoice::None => "none",
        ToolChoice::Required => "any",
        ToolChoice::Function { .. } => "tool",
        ToolChoice::Native { json, .. } => return put_value(out, json),
    };
    out.push(b'{');
    put_key(out, "type");
    put_str(out, kind);
    if let ToolChoice::Function { name } = choice {
        put_key(out, "name");
        put_str(out, names.name(name));
    }
    if *choice != ToolChoice::None {
        put_some(out, "disable_parallel_tool_use", one_by_one.as_ref());
    }
    put_rest(out, extras);
    out.push(b'}');
}

fn put_rest(out: &mut Vec<u8>, extras: Extras<'_>) {
    extras.put_keys(out, "/tool_choice", &["type", "name", "disable_parallel_tool_use"]);
}
