//! A choice between some of the tools, as OpenAI's two wires say it (`allowed_tools`), for a wire that can't say it.

use std::borrow::Cow;

use serde_json::Value;

use super::LeftOut;
use crate::chat::{ChatRequest, Tool, ToolChoice, Wire};

/// The type of such a choice.
const KIND: &str = "allowed_tools";

/// Whether a choice only narrows down which tools may be called, so that any wire can be told by what it is offered.
pub(crate) fn only_narrows(choice: &Value) -> bool {
    choice["type"] == KIND
}

/// The request with no more tools than may be called, if that is what its choice says in another wire's words.
pub(crate) fn narrowed<'r>(request: &'r ChatRequest, wire: Wire, left_out: &mut Vec<LeftOut>) -> Cow<'r, ChatRequest> {
    let json = match &request.tool_choice {
        Some(ToolChoice::Native { wire: own, json }) if *own != wire && only_narrows(json) => json,
        _ => return Cow::Borrowed(request),
    };
    // Chat completions have an object of it, the Responses API has it beside the type.
    let allowed = if json[KIND].is_object() { &json[KIND] } else { json };
    let names: Vec<_> = allowed["tools"].as_array().into_iter().flatten().filter_map(name).collect();
    let may_be_called = |tool: &Tool| match tool {
        Tool::Function { name, .. } => names.contains(&name.as_str()),
        Tool::Native { .. } => true,
    };
    let mut narrowed = request.clone();
    narrowed.tools.retain(may_be_called);
    if narrowed.tools.len() < request.tools.len() {
        left_out.push(LeftOut { at: "tools".into(), what: "only those that may be called are offered" });
    }
    narrowed.tool_choice = Some(if allowed["mode"] == "required" { ToolChoice::Required } else { ToolChoice::Auto });
    Cow::Owned(narrowed)
}

fn name(tool: &Value) -> Option<&str> {
    tool.pointer("/function/name").or(tool.get("name"))?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(wire: Wire, json: Value) -> ChatRequest {
        let tool = |name: &str| Tool::Function {
            name: name.into(),
            description: None,
            parameters: None,
            strict: None,
            extra: Vec::new(),
        };
        let native = Tool::Native { wire: Wire::Anthropic, json: json!({"type": "web_search"}) };
        let tools = vec![tool("f"), tool("g"), native];
        ChatRequest { tools, tool_choice: Some(ToolChoice::Native { wire, json }), ..ChatRequest::default() }
    }

    #[test]
    fn another_wire_is_offered_only_what_may_be_called() {
        let chat = json!({"type": "allowed_tools", "allowed_tools":
            {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]}});
        let responses = json!({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "g"}]});
        let cases =
            [(Wire::OpenaiChat, chat, ToolChoice::Required), (Wire::OpenaiResponses, responses, ToolChoice::Auto)];
        for (wire, choice, want) in cases {
            let request = request(wire, choice);
            let mut left_out = Vec::new();
            let narrowed = narrowed(&request, Wire::Anthropic, &mut left_out);
            assert_eq!(narrowed.tools, request.tools[1..]);
            assert_eq!(narrowed.tool_choice, Some(want));
            assert_eq!(left_out.len(), 1);
        }
    }

    #[test]
    fn its_own_wire_and_every_other_choice_stay_as_they_are() {
        let narrows = json!({"type": "allowed_tools", "mode": "auto", "tools": []});
        for (wire, choice) in [(Wire::OpenaiResponses, narrows), (Wire::Gemini, json!({"type": "odd"}))] {
            let request = request(wire, choice);
            let mut left_out = Vec::new();
            assert!(matches!(narrowed(&request, Wire::OpenaiResponses, &mut left_out), Cow::Borrowed(_)));
            assert!(left_out.is_empty());
        }
    }
}
