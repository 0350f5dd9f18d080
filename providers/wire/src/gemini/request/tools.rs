//! Tools, and the choice between them, as a provider reads them.

use serde_json::Value;

use super::{dialect::Dialect, own, report_foreign};
use crate::{
    chat::{ChatRequest, Tool, ToolChoice, Wire},
    encode::{LeftOut, identifiers::Names, put_some},
    gemini::schema,
    json::{put_comma, put_key, put_str, put_value},
};

fn is_ours(tool: &Tool) -> bool {
    matches!(tool, Tool::Function { .. } | Tool::Native { wire: Wire::Gemini, .. })
}

/// Whether any function is offered.
pub(super) fn offers_functions(tools: &[Tool]) -> bool {
    tools.iter().any(|tool| matches!(tool, Tool::Function { .. }))
}

/// Writes the tools: all functions in one entry, where the first of them stands.
pub(super) fn put_tools<'a>(
    out: &mut Vec<u8>,
    tools: &'a [Tool],
    dialect: &Dialect,
    names: &mut Names<'a>,
    left_out: &mut Vec<LeftOut>,
) {
    for (index, _) in tools.iter().enumerate().filter(|(_, tool)| !is_ours(tool)) {
        left_out.push(LeftOut { at: format!("tools[{index}]"), what: "another wire's own tool" });
    }
    if !tools.iter().any(is_ours) {
        return;
    }
    put_key(out, "tools");
    out.push(b'[');
    let mut functions_written = false;
    for tool in tools.iter().filter(|tool| is_ours(tool)) {
        match tool {
            Tool::Native { json, .. } => {
                put_comma(out);
                put_value(out, json);
            }
            Tool::Function { .. } if functions_written => {}
            Tool::Function { .. } => {
                functions_written = true;
                put_comma(out);
                out.extend_from_slice(b"{\"functionDeclarations\":[");
                for (index, tool) in tools.iter().enumerate() {
                    put_function(out, (index, tool), dialect, names, left_out);
                }
                out.extend_from_slice(b"]}");
            }
        }
    }
    out.push(b']');
}

fn put_function<'a>(
    out: &mut Vec<u8>,
    (index, tool): (usize, &'a Tool),
    dialect: &Dialect,
    names: &mut Names<'a>,
    left_out: &mut Vec<LeftOut>,
) {
    let Tool::Function { name, description, parameters, strict, extra } = tool else { return };
    let at = format!("tools[{index}]");
    report_foreign(&at, extra, left_out);
    if *strict == Some(true) {
        left_out.push(LeftOut { at: format!("{at}.strict"), what: "this wire has no word for it" });
    }
    put_comma(out);
    out.extend_from_slice(b"{\"name\":");
    put_str(out, names.name(name));
    put_some(out, "description", description.as_ref());
    if let Some(parameters) = parameters {
        let at = format!("{at}.parameters");
        let keys = ["parameters", "parametersJsonSchema"];
        if parameters.is_object() {
            put_schema(out, keys, parameters, dialect, at, left_out);
        } else {
            left_out.push(LeftOut { at, what: "a schema that is not of an object, left out" });
        }
    }
    own(extra).put_keys(out, "", &["name", "description", "parameters", "parametersJsonSchema"]);
    out.push(b'}');
}

/// Writes a schema under the first of the keys if it is of the subset that is taken there, else under the second, which
/// takes any.
pub(super) fn put_schema(
    out: &mut Vec<u8>,
    [subset, any]: [&str; 2],
    json: &Value,
    dialect: &Dialect,
    at: String,
    left_out: &mut Vec<LeftOut>,
) {
    match schema::fits(json) {
        true => {
            put_key(out, subset);
            put_value(out, json);
        }
        false if dialect.json_schema => {
            put_key(out, any);
            put_value(out, json);
        }
        false => {
            left_out.push(LeftOut { at, what: "a schema that was made to fit what this model takes" });
            put_key(out, subset);
            put_value(out, &schema::made_to_fit(json));
        }
    }
}

/// Writes the choice.
pub(super) fn put_choice<'a>(
    out: &mut Vec<u8>,
    request: &'a ChatRequest,
    names: &mut Names<'a>,
    left_out: &mut Vec<LeftOut>,
) {
    let extras = own(&request.extra);
    let mut miss = |at: &str, what| left_out.push(LeftOut { at: at.into(), what });
    if request.parallel_tool_calls == Some(false) {
        miss("parallel_tool_calls", "this wire has no word for it");
    }
    let mut choice = request.tool_choice.as_ref();
    match choice {
        Some(ToolChoice::Native { wire, .. }) if *wire != Wire::Gemini => {
            miss("tool_choice", "another wire's own choice");
            choice = None;
        }
        // There is nothing to choose from, which the API does not take.
        Some(ToolChoice::Required | ToolChoice::Function { .. }) if !offers_functions(&request.tools) => {
            miss("tool_choice", "there are no tools to choose from");
            choice = None;
        }
        Some(ToolChoice::Auto | ToolChoice::None) if !offers_functions(&request.tools) => choice = None,
        _ => {}
    }
    if choice.is_none() && !extras.below("/toolConfig") {
        return;
    }
    put_key(out, "toolConfig");
    out.push(b'{');
    if let Some(choice) = choice {
        put_key(out, "functionCallingConfig");
        let mode = match choice {
            ToolChoice::Auto => "AUTO",
            ToolChoice::None => "NONE",
            ToolChoice::Required | ToolChoice::Function { .. } => "ANY",
            ToolChoice::Native { .. } => "",
        };
        match choice {
            ToolChoice::Native { json, .. } => put_value(out, json),
            ToolChoice::Function { name } => {
                out.extend_from_slice(b"{\"mode\":\"ANY\",\"allowedFunctionNames\":[");
                put_str(out, names.name(name));
                out.extend_from_slice(b"]}");
            }
            _ => {
                out.extend_from_slice(b"{\"mode\":");
                put_str(out, mode);
                out.push(b'}');
            }
        }
    }
    extras.put_keys(out, "/toolConfig", &["functionCallingConfig"]);
    out.push(b'}');
}
