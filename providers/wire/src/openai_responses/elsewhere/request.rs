//! The request, told elsewhere.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{
    answer::ToolForms,
    tools::{INPUT, functions, is_beside, joined},
};
use crate::{
    chat::{ChatRequest, Message, Part, Tool, ToolCallKind, ToolChoice, Wire},
    encode::allowed::only_narrows,
};

/// Whether a request has tools, or a choice between them, that can't be told in another wire.
pub fn only_here(request: &ChatRequest) -> bool {
    let is_told = |json: &Value| functions(json).is_some();
    let mut natives = request.tools.iter().filter_map(native).peekable();
    let has_natives = natives.peek().is_some();
    if !natives.all(|json| is_told(json) || is_beside(json)) {
        return true;
    }
    if has_natives && !request.tools.iter().any(|tool| native(tool).is_none_or(is_told)) {
        return true;
    }
    match &request.tool_choice {
        Some(ToolChoice::Native { wire: Wire::OpenaiResponses, json }) if only_narrows(json) => {
            let allowed = json["tools"].as_array();
            allowed.is_some_and(|tools| !tools.is_empty() && tools.iter().all(|tool| chosen(tool).is_none()))
        }
        Some(ToolChoice::Native { wire: Wire::OpenaiResponses, json }) => chosen(json).is_none(),
        _ => false,
    }
}

/// The request as another wire can be told it, and how its answer is told back. `None` if there is nothing in it that
/// would have to be told otherwise.
pub fn tell(request: &ChatRequest) -> Option<(ChatRequest, ToolForms)> {
    let calls = |message: &Message| message.parts.iter().any(|part| is_custom(part) || namespace(part).is_some());
    if !request.wants(Wire::OpenaiResponses) && !request.messages.iter().any(calls) {
        return None;
    }
    let mut forms = ToolForms::default();
    let mut told = request.clone();
    told.tools = Vec::with_capacity(request.tools.len());
    for tool in &request.tools {
        match tool {
            Tool::Native { wire: Wire::OpenaiResponses, json } => {
                for function in functions(json).into_iter().flatten() {
                    forms.add(&function);
                    told.tools.push(function.tool);
                }
            }
            other => told.tools.push(other.clone()),
        }
    }
    match &mut told.tool_choice {
        Some(ToolChoice::Native { wire: Wire::OpenaiResponses, json }) if only_narrows(json) => {
            for tool in json["tools"].as_array_mut().into_iter().flatten() {
                if let Some(name) = chosen(tool) {
                    *tool = json!({"type": "function", "name": name});
                }
            }
        }
        Some(ToolChoice::Native { wire: Wire::OpenaiResponses, json }) => {
            told.tool_choice = chosen(json).map(|name| ToolChoice::Function { name });
        }
        _ => {}
    }
    told.messages.iter_mut().for_each(tell_calls);
    Some((told, forms))
}

fn native(tool: &Tool) -> Option<&Value> {
    match tool {
        Tool::Native { wire: Wire::OpenaiResponses, json } => Some(json),
        _ => None,
    }
}

/// The function that is told for the tool that a choice names.
fn chosen(json: &Value) -> Option<String> {
    matches!(json["type"].as_str()?, "custom" | "function").then_some(())?;
    let name = json["name"].as_str().or_else(|| json["function"]["name"].as_str())?;
    Some(joined(json["namespace"].as_str(), name))
}

fn is_custom(part: &Part) -> bool {
    matches!(part, Part::ToolCall { kind: ToolCallKind::Custom, .. })
}

/// The call that a part is about, and its namespace, if it says one.
fn namespace(part: &Part) -> Option<(&str, &str)> {
    let Part::Opaque { data, .. } = part else { return None };
    let call = data.get("call")?;
    Some((call.get("call_id")?.as_str()?, call.get("namespace")?.as_str()?))
}

/// Tells the calls of the conversation as of the functions that are told.
fn tell_calls(message: &mut Message) {
    let namespaces: HashMap<String, String> =
        message.parts.iter().filter_map(namespace).map(|(id, name)| (id.to_owned(), name.to_owned())).collect();
    for part in &mut message.parts {
        let Part::ToolCall { id, name, arguments, kind } = part else { continue };
        if let Some(namespace) = namespaces.get(id.as_str()) {
            *name = joined(Some(namespace), name);
        }
        if *kind == ToolCallKind::Custom {
            *arguments = json!({INPUT: arguments}).to_string();
            *kind = ToolCallKind::Function;
        }
    }
}
