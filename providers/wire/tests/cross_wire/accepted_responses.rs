//! What is sent to OpenAI's Responses API keeps its rules, whatever was to be said.

use std::collections::HashSet;

use greenroom_wire::{
    ChatRequest, Part,
    chat::{Tool, ToolChoice},
    openai_responses::Dialect,
};
use proptest::prelude::*;
use serde_json::Value;

use crate::{
    wild::{ASKED, wild},
    wires::{Encoded, SERVERS, Server},
};

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, TestCaseError> {
    value[key].as_str().ok_or_else(|| TestCaseError::fail(format!("no text at {key} of {value}")))
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// Each call has an id of its own and one result of its kind, before anyone else than the model says something.
fn check_calls(items: &[Value]) -> Result<(), TestCaseError> {
    let (mut open, mut seen) = (Vec::<(&str, &str)>::new(), HashSet::new());
    for item in items {
        match text(item, "type")? {
            kind @ ("function_call" | "custom_tool_call") => {
                let id = text(item, "call_id")?;
                prop_assert!((1..=64).contains(&id.chars().count()), "{id}");
                prop_assert!(seen.insert(id), "an id is there twice: {item}");
                prop_assert!(is_name(text(item, "name")?), "{item}");
                text(item, if kind == "function_call" { "arguments" } else { "input" })?;
                open.push((kind, id));
            }
            kind @ ("function_call_output" | "custom_tool_call_output") => {
                let call = (kind.trim_end_matches("_output"), text(item, "call_id")?);
                let at = open.iter().position(|open| *open == call);
                prop_assert!(at.is_some(), "a result without its call: {item}");
                open.remove(at.expect("it was found"));
                prop_assert!(item["output"].is_string() || !list(item, "output").is_empty(), "{item}");
            }
            "message" if item["role"] != "assistant" => prop_assert!(open.is_empty(), "open calls before {item}"),
            _ => {}
        }
    }
    prop_assert!(open.is_empty(), "calls without results at the end");
    Ok(())
}

fn check_messages(items: &[Value]) -> Result<(), TestCaseError> {
    for item in items.iter().filter(|item| item["type"] == "message") {
        let role = text(item, "role")?;
        prop_assert!(["system", "developer", "user", "assistant"].contains(&role), "{role}");
        prop_assert!(item["content"].is_string() || !list(item, "content").is_empty(), "{item}");
        for part in list(item, "content") {
            let kind = text(part, "type")?;
            let is_of_answers = matches!(kind, "output_text" | "refusal");
            prop_assert_eq!(is_of_answers, role == "assistant", "{}", item);
        }
    }
    Ok(())
}

/// Reasoning is followed by what the model said or did next.
fn check_reasoning(items: &[Value]) -> Result<(), TestCaseError> {
    for (at, item) in items.iter().enumerate().filter(|(_, item)| item["type"] == "reasoning") {
        let next = items[at + 1..].iter().find(|item| item["type"] != "reasoning");
        let is_said = |next: &Value| next["type"] != "message" || next["role"] == "assistant";
        prop_assert!(next.is_some_and(is_said), "{item} is followed by {next:?}");
    }
    Ok(())
}

/// The names in a body, of tools, of the choice and of calls, mean what the conversation says.
fn check_names(request: &ChatRequest, encoded: &Encoded, body: &Value) -> Result<(), TestCaseError> {
    let (mut sent, mut meant) = (Vec::new(), Vec::new());
    for (tool, of) in list(body, "tools").iter().zip(&request.tools) {
        let Tool::Function { name, .. } = of else { continue };
        sent.push(text(tool, "name")?);
        meant.push(name.as_str());
    }
    prop_assert_eq!(sent.iter().collect::<HashSet<_>>().len(), sent.len(), "{:?}", sent);
    if let Some(ToolChoice::Function { name }) = &request.tool_choice {
        sent.push(text(&body["tool_choice"], "name")?);
        meant.push(name);
    }
    let is_call = |item: &&Value| item["type"] == "function_call" || item["type"] == "custom_tool_call";
    for call in list(body, "input").iter().filter(is_call) {
        sent.push(text(call, "name")?);
    }
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    meant.extend(parts.filter_map(|part| match part {
        Part::ToolCall { name, .. } => Some(name.as_str()),
        _ => None,
    }));
    prop_assert_eq!(sent.iter().map(|name| encoded.names.name(name)).collect::<Vec<_>>(), meant);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_responses_api_takes_what_is_sent(request in wild()) {
        for server in SERVERS {
            let Server::Responses(dialect) = server else { continue };
            let encoded = server.encode(&request, ASKED.0, ASKED.1);
            let body = encoded.json();
            let items = list(&body, "input");
            check_calls(items)?;
            check_messages(items)?;
            check_names(&request, &encoded, &body)?;
            if dialect != Dialect::COMPATIBLE {
                check_reasoning(items)?;
            }
            prop_assert!(!dialect.instructions || body["instructions"].is_string());
        }
    }
}
