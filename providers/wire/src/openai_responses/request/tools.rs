//! Tools, and the choice between them.

use super::{own, report_foreign};
use crate::{
    chat::{Tool, ToolChoice, Wire},
    encode::{LeftOut, identifiers::Names, put_some},
    json::{put_comma, put_key, put_str, put_value},
};

pub(super) fn put_tools<'a>(out: &mut Vec<u8>, tools: &'a [Tool], names: &mut Names<'a>, left_out: &mut Vec<LeftOut>) {
    let ours = |tool: &Tool| matches!(tool, Tool::Function { .. } | Tool::Native { wire: Wire::OpenaiResponses, .. });
    for (index, _) in tools.iter().enumerate().filter(|(_, tool)| !ours(tool)) {
        left_out.push(LeftOut { at: format!("tools[{index}]"), what: "another wire's own tool" });
    }
    if !tools.iter().any(ours) {
        return;
    }
    put_key(out, "tools");
    out.push(b'[');
    for (index, tool) in tools.iter().enumerate().filter(|(_, tool)| ours(tool)) {
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

pub(super) fn put_tool_choice<'a>(
    out: &mut Vec<u8>,
    choice: Option<&'a ToolChoice>,
    names: &mut Names<'a>,
    left_out: &mut Vec<LeftOut>,
) {
    let Some(choice) = choice else { return };
    if matches!(choice, ToolChoice::Native { wire, .. } if *wire != Wire::OpenaiResponses) {
        left_out.push(LeftOut { at: "tool_choice".into(), what: "another wire's own choice" });
        return;
    }
    put_key(out, "tool_choice");
    match choice {
        ToolChoice::Auto => put_str(out, "auto"),
        ToolChoice::None => put_str(out, "none"),
        ToolChoice::Required => put_str(out, "required"),
        ToolChoice::Function { name } => {
            out.extend_from_slice(b"{\"type\":\"function\",\"name\":");
            put_str(out, names.name(name));
            out.push(b'}');
        }
        ToolChoice::Native { json, .. } => put_value(out, json),
    }
}
