//! What is sent on Gemini's wire keeps the rules that its servers hold requests to, whatever was to be said.

use greenroom_wire::{ChatRequest, Part, chat::Tool};
use proptest::prelude::*;
use serde_json::Value;

use crate::{
    wild::{ASKED, wild},
    wires::{Encoded, SERVERS, Server},
};

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn is_name(name: &str) -> bool {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins && name.len() <= 64 && name.bytes().all(is_of_name)
}

/// Roles take turns from the user's on, no content is empty, and no part says nothing.
fn check_contents(contents: &[Value]) -> Result<(), TestCaseError> {
    prop_assert!(!contents.is_empty());
    for (number, content) in contents.iter().enumerate() {
        let role = if number % 2 == 0 { "user" } else { "model" };
        prop_assert_eq!(&content["role"], role);
        prop_assert!(!list(content, "parts").is_empty(), "{}", content);
        for part in list(content, "parts") {
            let says = part.as_object().is_some_and(|part| !part.is_empty());
            prop_assert!(says && (part["text"] != "" || part["thoughtSignature"].is_string()), "{}", part);
            prop_assert!(part["thought"] != true || part["thoughtSignature"].is_string(), "{}", part);
        }
    }
    Ok(())
}

/// The calls of an answer are followed by as many results in the same order, before anything else.
fn check_calls(contents: &[Value]) -> Result<(), TestCaseError> {
    let mut open: Vec<(Value, Value)> = Vec::new();
    for content in contents {
        let parts = list(content, "parts");
        let results: Vec<_> = parts.iter().filter(|part| part["functionResponse"].is_object()).collect();
        prop_assert_eq!(results.len(), open.len(), "{}", content);
        for (result, ((name, id), first)) in results.iter().zip(open.iter().zip(parts)) {
            prop_assert_eq!(*result, first, "a result stands first");
            prop_assert_eq!(&result["functionResponse"]["name"], name);
            prop_assert_eq!(&result["functionResponse"]["id"], id);
            prop_assert!(result["functionResponse"]["response"].is_object(), "{}", result);
        }
        let calls = parts.iter().map(|part| &part["functionCall"]).filter(|call| call.is_object());
        open = calls.map(|call| (call["name"].clone(), call["id"].clone())).collect();
        for (number, (name, id)) in open.iter().enumerate() {
            prop_assert!(name.as_str().is_some_and(is_name), "{}", name);
            prop_assert!(!open[..number].iter().any(|(_, other)| other == id), "two calls have one id: {}", content);
        }
        prop_assert!(open.is_empty() || content["role"] == "model");
    }
    prop_assert!(open.is_empty(), "calls without results at the end");
    Ok(())
}

/// The names in a body mean what the conversation says.
fn check_names(request: &ChatRequest, encoded: &Encoded) -> Result<(), TestCaseError> {
    let body = encoded.json();
    let declared = list(&body, "tools").iter().flat_map(|tool| list(tool, "functionDeclarations"));
    let sent: Vec<_> = declared.filter_map(|function| function["name"].as_str()).collect();
    let names = request.tools.iter().filter_map(|tool| match tool {
        Tool::Function { name, .. } => Some(name.as_str()),
        Tool::Native { .. } => None,
    });
    let meant: Vec<_> = names.collect();
    prop_assert_eq!(sent.iter().map(|name| encoded.names.name(name)).collect::<Vec<_>>(), meant.clone());
    for (sent, meant) in sent.iter().zip(meant) {
        prop_assert!(is_name(sent) && (!is_name(meant) || *sent == meant), "{} for {}", sent, meant);
    }
    let parts = list(&body, "contents").iter().flat_map(|content| list(content, "parts"));
    let called: Vec<_> = parts.filter_map(|part| part["functionCall"]["name"].as_str()).collect();
    let is_answer = |message: &&greenroom_wire::Message| message.role == greenroom_wire::Role::Assistant;
    let said = request.messages.iter().filter(is_answer).flat_map(|message| &message.parts);
    let meant = said.filter_map(|part| if let Part::ToolCall { name, .. } = part { Some(name.as_str()) } else { None });
    prop_assert_eq!(called.iter().map(|name| encoded.names.name(name)).collect::<Vec<_>>(), meant.collect::<Vec<_>>());
    Ok(())
}

/// Where calls have to be signed, the first of each answer is.
fn check_signatures(contents: &[Value]) -> Result<(), TestCaseError> {
    for content in contents {
        let call = list(content, "parts").iter().find(|part| part["functionCall"].is_object());
        prop_assert!(call.is_none_or(|call| call["thoughtSignature"].is_string()), "{}", content);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn servers_take_what_is_sent(request in wild()) {
        for server in SERVERS {
            let Server::Gemini(id) = server else { continue };
            let encoded = server.encode(&request, ASKED.0, ASKED.1);
            let body = encoded.json();
            check_contents(list(&body, "contents"))?;
            check_calls(list(&body, "contents"))?;
            check_names(&request, &encoded)?;
            if id.starts_with("gemini-3") {
                check_signatures(list(&body, "contents"))?;
            }
            prop_assert_eq!(body["systemInstruction"].is_null() || !id.starts_with("gemma"), true);
        }
    }
}
