//! What is sent on OpenAI's wire keeps the rules that its servers hold requests to, whatever was to be said.

use std::collections::{HashMap, HashSet};

use greenroom_wire::{
    ChatRequest, Part,
    chat::{Tool, ToolChoice},
    openai_chat::{CallIdForm, Dialect},
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

fn text<'a>(value: &'a Value, at: &str) -> Result<&'a str, TestCaseError> {
    let text = value.pointer(at).and_then(Value::as_str);
    text.ok_or_else(|| TestCaseError::fail(format!("no text at {at} of {value}")))
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

fn is_id(id: &str, dialect: &Dialect) -> bool {
    match dialect.call_ids {
        CallIdForm::AtMost64 => (1..=64).contains(&id.chars().count()),
        CallIdForm::Nine => id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
    }
}

fn name_of(call: &Value) -> Result<&str, TestCaseError> {
    text(call, &format!("/{}/name", text(call, "/type")?))
}

/// Each call has one result, right after the message with the calls, and each result its call.
fn check_calls(messages: &[Value], dialect: &Dialect) -> Result<(), TestCaseError> {
    let mut open: HashSet<&str> = HashSet::new();
    for message in messages {
        if message["role"] == "tool" {
            let id = text(message, "/tool_call_id")?;
            prop_assert!(open.remove(id), "a result without its call: {message}");
            continue;
        }
        prop_assert!(open.is_empty(), "calls without results before {message}");
        let calls = list(message, "tool_calls");
        prop_assert!(calls.is_empty() || message["role"] == "assistant", "{message}");
        for call in calls {
            let id = text(call, "/id")?;
            prop_assert!(is_id(id, dialect), "{id}");
            prop_assert!(is_name(name_of(call)?), "{call}");
            prop_assert!(open.insert(id), "two calls of an answer have one id: {message}");
        }
    }
    prop_assert!(open.is_empty(), "calls without results at the end");
    Ok(())
}

fn check_messages(messages: &[Value], dialect: &Dialect) -> Result<(), TestCaseError> {
    for message in messages {
        let role = text(message, "/role")?;
        let roles: &[&str] = match dialect.developer_role {
            true => &["system", "user", "assistant", "tool", "developer"],
            false => &["system", "user", "assistant", "tool"],
        };
        prop_assert!(roles.contains(&role), "{role}");
        match &message["content"] {
            Value::String(_) => {}
            Value::Array(parts) => prop_assert!(!parts.is_empty(), "{message}"),
            Value::Null => {
                let says = message.get("tool_calls").is_some() || message.get("refusal").is_some();
                prop_assert!(role == "assistant" && says, "{message}");
            }
            other => prop_assert!(false, "{other} is no content"),
        }
    }
    Ok(())
}

/// The names in a body, of tools, of the choice and of calls, mean what the conversation says.
fn check_names(request: &ChatRequest, encoded: &Encoded) -> Result<(), TestCaseError> {
    let body = encoded.json();
    let (mut sent, mut meant) = (Vec::new(), Vec::new());
    for (tool, of) in list(&body, "tools").iter().zip(&request.tools) {
        let Tool::Function { name, .. } = of else { continue };
        sent.push(text(tool, "/function/name")?);
        meant.push(name.as_str());
    }
    for (name, meant) in sent.iter().zip(&meant) {
        prop_assert!(is_name(name));
        prop_assert!(!is_name(meant) || name == meant, "{meant} was taken, and needed no other name");
    }
    prop_assert_eq!(sent.iter().collect::<HashSet<_>>().len(), sent.len(), "{:?}", sent);
    if let Some(ToolChoice::Function { name }) = &request.tool_choice {
        sent.push(text(&body, "/tool_choice/function/name")?);
        meant.push(name);
    }
    for call in list(&body, "messages").iter().flat_map(|message| list(message, "tool_calls")) {
        sent.push(name_of(call)?);
    }
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    meant.extend(parts.filter_map(|part| match part {
        Part::ToolCall { name, .. } => Some(name.as_str()),
        _ => None,
    }));
    prop_assert_eq!(sent.iter().map(|name| encoded.names.name(name)).collect::<Vec<_>>(), meant);
    Ok(())
}

/// Results stand under the ids of their own calls, whatever became of the ids.
fn check_results(request: &ChatRequest, body: &Value) -> Result<(), TestCaseError> {
    let parts = || request.messages.iter().flat_map(|message| &message.parts);
    let mut calls = parts().filter_map(|part| if let Part::ToolCall { id, .. } = part { Some(id) } else { None });
    let of_mark = |mark: &str| {
        parts().find_map(|part| match part {
            Part::ToolResult { id, parts, .. } => {
                let has_it = |part: &Part| matches!(part, Part::Text { text } if text.contains(mark));
                parts.iter().any(has_it).then_some(id)
            }
            _ => None,
        })
    };
    // What the ids of the last answer stand for.
    let mut meant: HashMap<&str, &String> = HashMap::new();
    for message in list(body, "messages") {
        let sent = list(message, "tool_calls");
        if !sent.is_empty() {
            let ids = sent.iter().map(|call| text(call, "/id")).collect::<Result<Vec<_>, _>>()?;
            meant = ids.into_iter().zip(&mut calls).collect();
        }
        let content = message["content"].to_string();
        let Some(at) = content.find("mark").filter(|_| message["role"] == "tool") else { continue };
        let mark: String = content[at..].chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
        // Whatever else than text was said has another mark.
        if let Some(id) = of_mark(&mark) {
            prop_assert_eq!(meant.get(text(message, "/tool_call_id")?), Some(&id), "{}", message);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn servers_take_what_is_sent(request in wild()) {
        for server in SERVERS {
            let Server::Openai(dialect) = server else { continue };
            let encoded = server.encode(&request, ASKED.0, ASKED.1);
            let body = encoded.json();
            check_messages(list(&body, "messages"), &dialect)?;
            check_calls(list(&body, "messages"), &dialect)?;
            check_names(&request, &encoded)?;
            check_results(&request, &body)?;
        }
    }
}
