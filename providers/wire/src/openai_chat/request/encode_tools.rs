//! Tools, and the choice between them.

use super::{encode::report_foreign, extras::own};
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
    let tools = own_tools(Wire::OpenaiChat, tools, left_out);
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
                out.extend_from_slice(b"{\"type\":\"function\",\"function\":{");
                put_key(out, "name");
                put_str(out, names.name(name));
                put_some(out, "description", description.as_ref());
                put_some(out, "parameters", parameters.as_ref());
                put_some(out, "strict", strict.as_ref());
                extras.put_keys(out, "/function", &[]);
                out.push(b'}');
                extras.put_keys(out, "", &["function"]);
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
    let around: (&[u8], &[u8]) = (b"{\"type\":\"function\",\"function\":{\"name\":", b"}}");
    tools::put_tool_choice(out, Wire::OpenaiChat, choice, names, left_out, around);
}
