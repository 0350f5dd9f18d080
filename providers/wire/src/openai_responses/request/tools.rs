//! Tools, and the choice between them.

use super::{own, report_foreign};
use crate::{
    chat::{Tool, ToolChoice, Wire},
    encode::{
        LeftOut,
        identifiers::Names,
        put_some,
        tools::{self, own_tools},
    },
    json::{put_comma, put_key, put_str, put_value},
};

pub(super) fn put_tools<'a>(out: &mut Vec<u8>, tools: &'a [Tool], names: &mut Names<'a>, left_out: &mut Vec<LeftOut>) {
    let tools = own_tools(Wire::OpenaiResponses, tools, left_out);
    if tools.is_empty() {
        return;
    }
    put_key(out, "tools");
    out.push(b'[');
    for (index, tool) in tools {
        put_comma(out);
        match tool {
            Tool::Native { json, .. } => put_value(out, json),
            Tool::Function { name, description, parameters, strict, extra } => {
                report_foreign(&format!("tools[{index}]"), extra, left_out);
                let extras = own(extra);
                out.extend_from_slice(b"{\"type\":\"function\"");
                put_key(out, "name");
                put_str(out, names.name(name));
                put_some(out, "description", description.as_ref());
                put_key(out, "parameters");
                match parameters {
                    Some(schema) => put_value(out, schema),
                    None => out.extend_from_slice(b"{\"type\":\"object\",\"properties\":{}}"),
                }
                // On this wire alone, what is not said means true, which makes another schema of most.
                let is_said = strict.is_some() || extras.keys_at("").any(|(key, _)| key == "strict");
                let strict = strict.or((!is_said).then_some(false));
                put_some(out, "strict", strict.as_ref());
                let written: &[&str] = match strict {
                    Some(_) => &["type", "name", "description", "parameters", "strict"],
                    None => &["type", "name", "description", "parameters"],
                };
                extras.put_keys(out, "", written);
                out.push(b'}');
            }
        }
    }
    out.push(b']');
}

/// Writes `tool_choice`, if there is one that this wire can say.
pub(super) fn put_tool_choice<'a>(
    out: &mut Vec<u8>,
    choice: Option<&'a ToolChoice>,
    names: &mut Names<'a>,
    left_out: &mut Vec<LeftOut>,
) {
    let around: (&[u8], &[u8]) = (b"{\"type\":\"function\",\"name\":", b"}");
    tools::put_tool_choice(out, Wire::OpenaiResponses, choice, names, left_out, around);
}
