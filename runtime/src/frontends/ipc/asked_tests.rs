use greenroom_config::{Environment, Source, load};
use greenroom_wire::{Part, Role, chat::Tool};
use secrecy::ExposeSecret as _;

use super::*;

/// Two providers of one kind, and one of another.
fn settings() -> Settings {
    let text = "[providers.a]\nkind = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
                [providers.b]\nkind = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:2/v1\"\n\
                [providers.claude]\nkind = \"anthropic\"\nbase_url = \"http://127.0.0.1:3\"\n";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    load(&Source::locate(Some(file.path()), Environment::empty())).unwrap().settings
}

fn read(line: &Value) -> Result<Asked, Refusal> {
    Asked::read(line.to_string().as_bytes(), &settings())
}

fn chatted(line: &Value) -> (ChatRequest, bool) {
    match read(line) {
        Ok(Asked::Chat { request, thinking }) => (*request, thinking),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_chat_says_its_model_its_messages_and_its_options() {
    let tool = json!({"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}});
    let (request, thinking) = chatted(&json!({
        "id": 1, "action": "stream_chat", "provider": "anthropic", "later": true,
        "params": {
            "model": "claude-x", "more": 1, "messages": [
                {"role": "user", "content": "hi", "name": "ada"},
                {"role": "assistant", "tool_calls": [{"id": "c1", "name": "look", "arguments": {"at": "it"}}]},
                {"role": "tool", "tool_call_id": "c1", "content": "it is red"},
            ],
            "options": {"maxTokens": 10, "temperature": 0.5, "tools": [tool], "thinking": true, "topK": 3},
        },
    }));
    assert!(thinking);
    assert_eq!(request.model, "claude/claude-x", "by the kind that one provider is of");
    assert_eq!((request.max_tokens, request.temperature), (Some(10), Some(0.5)));
    assert_eq!(request.thinking.unwrap().enabled, Some(true));
    assert!(matches!(&request.tools[..], [Tool::Function { name, .. }] if name == "look"));
    assert_eq!(request.messages[0].name.as_deref(), Some("ada"));
    let call = Part::ToolCall {
        id: "c1".into(),
        name: "look".into(),
        arguments: "{\"at\":\"it\"}".into(),
        kind: Default::default(),
    };
    assert_eq!(request.messages[1].parts, [call]);
    assert_eq!(request.messages[2].role, Role::Tool);
}

#[test]
fn a_model_needs_no_provider_and_thinking_is_off_unless_it_is_asked_for() {
    let messages = json!([{"role": "user", "content": "hi"}]);
    let (request, thinking) = chatted(&json!({
        "action": "stream_chat", "params": {"model": "smart", "messages": messages, "options": {"thinking": false}},
    }));
    assert_eq!((request.model.as_str(), thinking, request.thinking), ("smart", false, None));
    let counted = read(&json!({"action": "count_tokens", "provider": "a", "params": {"messages": messages}}));
    assert!(matches!(counted, Ok(Asked::Tokens { of: Some(of), .. }) if of == "a"));
}

#[test]
fn who_authenticates_gives_a_key_or_wants_a_login() {
    let key = read(&json!({"action": "authenticate", "provider": "claude", "params": {"api_key": "sk-1"}}));
    match key {
        Ok(Asked::Key { provider, key }) => assert_eq!((provider.as_str(), key.expose_secret()), ("claude", "sk-1")),
        other => panic!("{other:?}"),
    }
    let login = read(&json!({"action": "authenticate", "provider": "openrouter", "params": {}}));
    assert!(matches!(login, Ok(Asked::Login { provider }) if provider == "openrouter"), "it may be known by then");
    let shown =
        format!("{:?}", read(&json!({"action": "authenticate", "provider": "a", "params": {"api_key": "sk-1"}})));
    assert!(!shown.contains("sk-1"), "{shown}");
}

#[test]
fn what_is_wrong_is_a_bad_request_that_says_where() {
    let messages = json!([{"role": "user", "content": "hi"}]);
    let chat = |params: Value| json!({"action": "stream_chat", "provider": "a", "params": params});
    let cases = [
        (json!({"action": "list_models", "provider": 1}), "provider must be"),
        (json!({"action": "list_models", "params": []}), "params must be"),
        (json!({"action": "list_models", "provider": "openai-compatible"}), "several providers"),
        (json!({"action": "authenticate", "params": {}}), "provider is missing"),
        (json!({"action": "authenticate", "provider": "a", "params": {"api_key": 12345}}), "api_key must be"),
        (json!({"action": "count_tokens", "params": {"messages": "hi"}}), "messages"),
        (json!({"action": "count_tokens", "params": {"messages": messages, "model": 1}}), "params.model must be"),
        (chat(json!({"messages": messages})), "params.model is missing"),
        (chat(json!({"model": "m"})), "messages"),
        (chat(json!({"model": "m", "messages": []})), "messages"),
        (chat(json!({"model": "m", "messages": [{"role": "user"}]})), "messages[0]"),
        (chat(json!({"model": "m", "messages": [{"role": "poet", "content": "hi"}]})), "messages[0]"),
        (chat(json!({"model": "m", "messages": messages, "options": 1})), "params.options must be"),
        (chat(json!({"model": "m", "messages": messages, "options": {"thinking": "yes"}})), "thinking must be"),
        (chat(json!({"model": "m", "messages": messages, "options": {"maxTokens": "9"}})), "maxTokens"),
        (chat(json!({"model": "m", "messages": messages, "options": {"temperature": "hot"}})), "temperature"),
        (chat(json!({"model": "m", "messages": messages, "options": {"tools": [{}]}})), "tools[0]"),
    ];
    for (line, words) in cases {
        let refusal = read(&line).expect_err(&line.to_string());
        assert_eq!(refusal.code(), "bad_request", "{line}");
        assert!(refusal.message().contains(words), "{line}: {}", refusal.message());
        assert!(!refusal.message().contains("12345"), "{line}");
    }
    let unknown = read(&json!({"action": "list_models", "provider": "nobody"})).unwrap_err();
    assert_eq!(unknown.code(), "not_found");
}
