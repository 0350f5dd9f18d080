//! Requests as a provider reads them.

use greenroom_wire::{
    ChatRequest, Message, Part, Role,
    chat::{Extra, MediaSource, ResponseFormat, ThinkingRequest, Tool, ToolChoice, Wire},
    openai_responses::{Dialect, encode_request},
};
use serde_json::{Value, json};

use crate::harness::*;

fn extra_of(path: &str, json: Value) -> Extra {
    Extra { wire: Wire::OpenaiResponses, path: path.into(), json }
}

fn body(request: &ChatRequest, dialect: &Dialect) -> (Value, Vec<String>) {
    let encoded = encode_request(request, "p", "m", dialect);
    (body_of(&encoded), left_out(&encoded))
}

#[test]
fn nothing_is_kept_by_the_provider_and_reasoning_comes_back() {
    let request = ChatRequest {
        messages: vec![Message::text(Role::System, "brief"), Message::user("hi")],
        ..ChatRequest::default()
    };
    assert_eq!(
        body(&request, &Dialect::OPENAI).0,
        json!({"model": "m", "stream": true, "store": false, "include": ["reasoning.encrypted_content"],
            "instructions": "brief", "input": [{"type": "message", "role": "user", "content": "hi"}]})
    );
    assert_eq!(body(&request, &Dialect::OPENAI.of_model("gpt-4o")).0["include"], Value::Null);
}

#[test]
fn what_a_client_asks_to_keep_is_kept() {
    let mut request = ChatRequest { messages: vec![Message::user("hi")], ..ChatRequest::default() };
    request.extra = vec![
        extra_of("/store", true.into()),
        extra_of("/include", json!(["message.output_text.logprobs"])),
        extra_of("/previous_response_id", "resp_0".into()),
        extra_of("/background", true.into()),
    ];
    let (sent, left_out) = body(&request, &Dialect::OPENAI);
    assert_eq!((&sent["store"], &sent["include"]), (&json!(true), &json!(["message.output_text.logprobs"])));
    assert_eq!((&sent["previous_response_id"], &sent["background"]), (&json!("resp_0"), &json!(true)));
    assert!(left_out.is_empty());
    request.extra[0].json = false.into();
    let include = json!(["message.output_text.logprobs", "reasoning.encrypted_content"]);
    assert_eq!(body(&request, &Dialect::OPENAI).0["include"], include);
}

#[test]
fn every_wish_has_its_place() {
    let schema = json!({"type": "object", "properties": {"z": {}, "a": {}}});
    let request = ChatRequest {
        messages: vec![Message::user("hi")],
        tools: vec![
            Tool::Function {
                name: "f.g".into(),
                description: Some("does".into()),
                parameters: Some(schema.clone()),
                strict: None,
                extra: vec![extra_of("/odd", 1.into())],
            },
            Tool::Function { name: "h".into(), description: None, parameters: None, strict: Some(true), extra: vec![] },
            Tool::Native { wire: Wire::OpenaiResponses, json: json!({"type": "web_search"}) },
            Tool::Native { wire: Wire::Anthropic, json: json!({"type": "bash"}) },
        ],
        tool_choice: Some(ToolChoice::Function { name: "f.g".into() }),
        parallel_tool_calls: Some(false),
        temperature: Some(1.0),
        max_tokens: Some(3),
        stop: vec!["x".into()],
        response_format: Some(ResponseFormat::JsonSchema {
            name: "n".into(),
            description: None,
            schema: Some(schema.clone()),
            strict: Some(true),
        }),
        thinking: Some(ThinkingRequest { enabled: Some(true), budget: Some(9), effort: Some("low".into()) }),
        metadata: [("a".to_owned(), json!("b"))].into_iter().collect(),
        extra: vec![
            extra_of("/text/verbosity", "low".into()),
            Extra { wire: Wire::OpenaiChat, path: "/seed".into(), json: 1.into() },
        ],
        ..ChatRequest::default()
    };
    let (sent, left_out) = body(&request, &Dialect::OPENAI);
    assert_eq!(
        sent["tools"],
        json!([
            {"type": "function", "name": "f_g", "description": "does", "parameters": schema, "strict": false, "odd": 1},
            {"type": "function", "name": "h", "parameters": {"type": "object", "properties": {}}, "strict": true},
            {"type": "web_search"},
        ])
    );
    assert_eq!(sent["tool_choice"], json!({"type": "function", "name": "f_g"}));
    assert_eq!((&sent["parallel_tool_calls"], &sent["temperature"]), (&json!(false), &json!(1)));
    assert_eq!((&sent["max_output_tokens"], &sent["metadata"]), (&json!(16), &json!({"a": "b"})));
    let format = json!({"type": "json_schema", "name": "n", "schema": schema, "strict": true});
    assert_eq!(sent["text"], json!({"format": format, "verbosity": "low"}));
    assert_eq!(sent["reasoning"], json!({"effort": "low", "summary": "auto"}));
    assert_eq!(left_out, ["tools[3]", "max_tokens", "stop", "thinking.budget", "/seed"]);

    let (sent, left_out) = body(&request, &Dialect::CODEX);
    for key in ["max_output_tokens", "temperature", "metadata"] {
        assert_eq!(sent[key], Value::Null, "{key}");
    }
    assert_eq!(sent["instructions"], "");
    assert_eq!(left_out, ["tools[3]", "temperature", "max_tokens", "stop", "metadata", "thinking.budget", "/seed"]);
    assert_eq!(body(&request, &Dialect::COMPATIBLE).0["max_output_tokens"], 3);
}

#[test]
fn a_wish_not_to_think_is_an_effort() {
    let thinks = |enabled, effort: Option<&str>| ChatRequest {
        thinking: Some(ThinkingRequest { enabled, budget: None, effort: effort.map(str::to_owned) }),
        ..ChatRequest::default()
    };
    let sent = |request| body(&request, &Dialect::OPENAI).0["reasoning"].clone();
    assert_eq!(sent(thinks(Some(false), Some("high"))), json!({"effort": "none"}));
    assert_eq!(sent(thinks(None, Some("high"))), json!({"effort": "high"}));
    assert_eq!(sent(thinks(None, None)), Value::Null);
    let mut detailed = thinks(Some(true), None);
    detailed.extra.push(extra_of("/reasoning/summary", "detailed".into()));
    assert_eq!(sent(detailed), json!({"summary": "detailed"}));
}

#[test]
fn media_are_parts_of_messages_and_of_results() {
    let base64 = |media_type: &str| MediaSource::Base64 { media_type: media_type.into(), data: "AAAA".into() };
    let picture = Part::Image { source: base64("image/png"), detail: Some("low".into()) };
    let paper = Part::Document { source: base64("application/pdf"), name: Some("a.pdf".into()) };
    let parts = vec![
        Part::text("see"),
        picture.clone(),
        Part::Image { source: MediaSource::File { id: "file-1".into() }, detail: None },
        paper,
        Part::Document { source: MediaSource::Url { url: "https://x/a.pdf".into() }, name: None },
        Part::Audio { source: base64("audio/wav") },
    ];
    let result = Part::ToolResult { id: "c".into(), parts: vec![Part::text("1"), picture], error: true };
    let (input, left_out) =
        sent([says(Role::User, parts), says(Role::Assistant, [tool_call("c", "{}")]), says(Role::Tool, [result])]);
    let image = json!({"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"});
    assert_eq!(
        input[0]["content"],
        json!([
            {"type": "input_text", "text": "see"},
            image,
            {"type": "input_image", "file_id": "file-1"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
            {"type": "input_file", "file_url": "https://x/a.pdf"},
        ])
    );
    let output = json!([{"type": "input_text", "text": "Error: 1"}, image]);
    assert_eq!(input[2], json!({"type": "function_call_output", "call_id": "c", "output": output}));
    assert_eq!(left_out, ["messages[0].parts[5]", "messages[2].parts[0].error"]);
}

#[test]
fn instructions_later_on_are_messages() {
    let (input, left_out) =
        sent([Message::user("hi"), Message::text(Role::System, "one"), Message::text(Role::Developer, "two")]);
    let roles: Vec<_> = input.as_array().unwrap().iter().map(|item| item["role"].as_str().unwrap()).collect();
    assert_eq!((roles, left_out), (vec!["user", "system", "developer"], vec![]));
}
