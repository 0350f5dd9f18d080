//! Tools, and the choice between them, as both of OpenAI's wires say them.

use super::{LeftOut, identifiers::Names};
use crate::{
    chat::{Tool, ToolChoice, Wire},
    json::{put_key, put_str, put_value},
};

/// The tools that a wire can say, with their places; those of other wires are reported.
pub(crate) fn own_tools<'a>(wire: Wire, tools: &'a [Tool], left_out: &mut Vec<LeftOut>) -> Vec<(usize, &'a Tool)> {
    let (own, others): (Vec<_>, Vec<_>) = tools.iter().enumerate().partition(|(_, tool)| match tool {
        Tool::Function { .. } => true,
        Tool::Native { wire: of, .. } => *of == wire,
    });
    let others = others.into_iter();
    left_out
        .extend(others.map(|(index, _)| LeftOut { at: format!("tools[{index}]"), what: "another wire's own tool" }));
    own
}

/// Writes `tool_choice`; `function` is what stands around the name of one that must be called.
pub(crate) fn put_tool_choice<'a>(
    out: &mut Vec<u8>,
    wire: Wire,
    choice: Option<&'a ToolChoice>,
    names: &mut Names<'a>,
    left_out: &mut Vec<LeftOut>,
    function: (&[u8], &[u8]),
) {
    let Some(choice) = choice else { return };
    if matches!(choice, ToolChoice::Native { wire: of, .. } if *of != wire) {
        left_out.push(LeftOut { at: "tool_choice".into(), what: "another wire's own choice" });
        return;
    }
    put_key(out, "tool_choice");
    match choice {
        ToolChoice::Auto => put_str(out, "auto"),
        ToolChoice::None => put_str(out, "none"),
        ToolChoice::Required => put_str(out, "required"),
        ToolChoice::Function { name } => {
            out.extend_from_slice(function.0);
            put_str(out, names.name(name));
            out.extend_from_slice(function.1);
        }
        ToolChoice::Native { json, .. } => put_value(out, json),
    }
}
