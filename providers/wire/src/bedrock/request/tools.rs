//! `toolConfig`: tools, and the choice between them.

use serde_json::json;

use super::own;
use crate::{
    anthropic::request::put_schema,
    chat::{ChatRequest, Tool, ToolChoice, Wire},
    encode::{LeftOut, identifiers::Names, put_some, report_foreign},
    json::{put_comma, put_key, put_str, put_value},
};

fn is_ours(tool: &Tool) -> bool {
    matches!(tool, Tool::Function { .. } | Tool::Native { wire: Wire::Bedrock, .. })
}

/// Writes `toolConfig`, which must be there if calls are in the conversation: `called` names their tools. `thinks` is
/// whether Claude thinks, which then may not be made to call.
pub(super) fn put_tool_config<'a>(
    out: &mut Vec<u8>,
    request: &'a ChatRequest,
    called: &[&'a str],
    thinks: bool,
    names: &mut Names<'a>,
    left_out: &mut Vec<LeftOut>,
) {
    for (index, _) in request.tools.iter().enumerate().filter(|(_, tool)| !is_ours(tool)) {
        left_out.push(LeftOut { at: format!("tools[{index}]"), what: "another wire's own tool" });
    }
    let mut miss = |at: &str, what| left_out.push(LeftOut { at: at.into(), what });
    let some = request.tools.iter().any(is_ours);
    let forbidden = request.tool_choice == Some(ToolChoice::None);
    if request.parallel_tool_calls == Some(false) && some {
        miss("parallel_tool_calls", "this wire has no word for it");
    }
    if (!some || forbidden) && called.is_empty() {
        // The wire has no word for "none": who is offered no tool calls none.
        if request.tool_choice.is_some() && !forbidden {
            miss("tool_choice", "there are no tools to choose from");
        }
        for (index, tool) in request.tools.iter().enumerate() {
            if let Tool::Function { extra, .. } = tool {
                report_foreign(Wire::Bedrock, &format!("tools[{index}]"), extra, left_out);
            }
        }
        return;
    }
    put_key(out, "toolConfig");
    out.extend_from_slice(b"{\"tools\":[");
    for (index, tool) in request.tools.iter().enumerate() {
        put_tool(out, index, tool, names, left_out);
    }
    if !some {
        left_out
            .push(LeftOut { at: "tools".into(), what: "the conversation has calls, so that their tools were named" });
        for name in called {
            put_comma(out);
            let name = names.name(name);
            put_value(out, &json!({"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}}));
        }
    }
    out.push(b']');
    put_choice(out, request, some, thinks, names, left_out);
    out.push(b'}');
}

fn put_tool<'a>(out: &mut Vec<u8>, index: usize, tool: &'a Tool, names: &mut Names<'a>, left_out: &mut Vec<LeftOut>) {
    match tool {
        Tool::Native { wire: Wire::Bedrock, json } => {
            put_comma(out);
            put_value(out, json);
        }
        Tool::Native { .. } => {}
        Tool::Function { name, description, parameters, strict, extra } => {
            let at = format!("tools[{index}]");
            report_foreign(Wire::Bedrock, &at, extra, left_out);
            put_comma(out);
            out.extend_from_slice(b"{\"toolSpec\":{\"name\":");
            put_str(out, names.name(name));
            // A blank one is refused.
            put_some(out, "description", description.as_ref().filter(|text| !text.trim().is_empty()));
            out.extend_from_slice(b",\"inputSchema\":{\"json\":");
            put_schema(out, parameters.as_ref(), &at, left_out);
            out.push(b'}');
            // What is so by default is not said: not every model takes the word.
            put_some(out, "strict", strict.as_ref().filter(|strict| **strict));
            own(extra).put_keys(out, "", &["name", "description", "inputSchema", "strict"]);
            out.extend_from_slice(b"}}");
        }
    }
}

fn put_choice<'a>(
    out: &mut Vec<u8>,
    request: &'a ChatRequest,
    some: bool,
    thinks: bool,
    names: &mut Names<'a>,
    left_out: &mut Vec<LeftOut>,
) {
    let mut miss = |what| left_out.push(LeftOut { at: "tool_choice".into(), what });
    let Some(choice) = &request.tool_choice else { return };
    let choice = match choice {
        ToolChoice::None if some => return miss("there were calls, so that their tools must be offered"),
        ToolChoice::None => return,
        ToolChoice::Native { wire, .. } if *wire != Wire::Bedrock => return miss("another wire's own choice"),
        _ if !some => return miss("there are no tools to choose from"),
        ToolChoice::Required | ToolChoice::Function { .. } if thinks => {
            miss("a model that thinks cannot be made to call, said as \"auto\"");
            &ToolChoice::Auto
        }
        choice => choice,
    };
    put_key(out, "toolChoice");
    match choice {
        ToolChoice::Auto | ToolChoice::None => out.extend_from_slice(b"{\"auto\":{}}"),
        ToolChoice::Required => out.extend_from_slice(b"{\"any\":{}}"),
        ToolChoice::Function { name } => {
            out.extend_from_slice(b"{\"tool\":{\"name\":");
            put_str(out, names.name(name));
            out.extend_from_slice(b"}}");
        }
        ToolChoice::Native { json, .. } => put_value(out, json),
    }
}
