//! Requests as a client writes them.

use greenroom_wire::{
    ErrorKind, Part, Role,
    chat::{Extra, MediaSource, ResponseFormat, Tool, ToolChoice, Wire},
    openai_responses::{ServedRequest, decode_request},
};
use serde_json::{Value, json};

use crate::harness::*;

fn served(body: Value) -> ServedRequest {
    decode_request(body.to_string().as_bytes()).unwrap()
}

#[test]
fn a_text_is_what_the_user_says() {
    let served = served(json!({"model": "gpt-5", "input": "hi", "instructions": "brief", "stream": true}));
    let said: Vec<_> = served.request.messages.iter().map(|message| (message.role, message.parts.clone())).collect();
    assert_eq!(said, [(Role::System, vec![Part::text("brief")]), (Role::User, vec![Part::text("hi")])]);
    assert_eq!((served.stream, served.request.model.as_str()), (true, "gpt-5"));
    let kept = Extra { wire: Wire::OpenaiResponses, path: "/store".into(), json: true.into() };
    assert_eq!(served.request.extra, [kept]);
}

#[test]
fn what_the_model_said_at_a_stretch_is_one_message() {
    let served = served(json!({"model": "m", "store": false, "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "a"},
            {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "high"}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "x"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "id": "fc_1"},
        {"type": "function_call", "call_id": "d", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "1"},
        {"type": "function_call_output", "call_id": "d", "output": [{"type": "input_text", "text": "2"}]},
        {"role": "assistant", "content": "done"},
        {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "phase": "x"},
    ]}));
    let roles: Vec<_> = served.request.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::Tool, Role::Assistant]);
    let opaque = |data: Value| Part::Opaque { provider: String::new(), model: String::new(), data };
    let item =
        json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "x"});
    assert_eq!(
        served.request.messages[1].parts,
        [
            Part::Thinking { text: "hm".into() },
            opaque(json!({"item": item})),
            tool_call("c", "{}"),
            opaque(json!({"call": {"call_id": "c", "id": "fc_1"}})),
            tool_call("d", "{}"),
        ]
    );
    assert_eq!(served.request.messages[3].parts, [tool_result("d", "2")]);
    let image = MediaSource::Base64 { media_type: "image/png".into(), data: "AAAA".into() };
    let image = Part::Image { source: image, detail: Some("high".into()) };
    assert_eq!(served.request.messages[0].parts, [Part::text("a"), image]);
    assert_eq!(
        served.request.messages[4].parts,
        [
            Part::text("done"),
            opaque(json!({"message": {}})),
            Part::Refusal { text: "no".into() },
            opaque(json!({"message": {"phase": "x"}})),
        ]
    );
}

#[test]
fn tools_and_formats_are_read() {
    let served = served(json!({"model": "m", "input": [], "tool_choice": {"type": "function", "name": "f"},
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": false},
            {"type": "custom", "name": "g"}],
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": "low"},
        "reasoning": {"effort": "low", "summary": "auto"}, "max_output_tokens": 9}));
    let request = served.request;
    let function = Tool::Function {
        name: "f".into(),
        description: None,
        parameters: Some(json!({"type": "object"})),
        strict: Some(false),
        extra: vec![],
    };
    let custom = Tool::Native { wire: Wire::OpenaiResponses, json: json!({"type": "custom", "name": "g"}) };
    assert_eq!(request.tools, [function, custom]);
    assert_eq!(request.tool_choice, Some(ToolChoice::Function { name: "f".into() }));
    let format =
        ResponseFormat::JsonSchema { name: "n".into(), description: None, schema: Some(json!({})), strict: None };
    assert_eq!(request.response_format, Some(format));
    assert_eq!(request.thinking.unwrap().effort.as_deref(), Some("low"));
    assert_eq!(request.max_tokens, Some(9));
    let paths: Vec<_> = request.extra.iter().map(|extra| extra.path.as_str()).collect();
    assert_eq!(paths, ["/store", "/text/verbosity", "/reasoning/summary"]);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let cases = [
        (json!({"input": "hi"}), "model"),
        (json!({"model": 7, "input": "hi"}), "model"),
        (json!({"model": "m", "input": 7}), "input"),
        (json!({"model": "m", "input": ["hi"]}), "input[0]"),
        (json!({"model": "m", "input": [{"content": "hi"}]}), "input[0].type"),
        (json!({"model": "m", "input": [{"role": "robot", "content": "hi"}]}), "input[0].role"),
        (json!({"model": "m", "input": [{"role": "user"}]}), "input[0].content"),
        (json!({"model": "m", "input": [{"role": "user", "content": [{"text": "x"}]}]}), "input[0].content[0].type"),
        (json!({"model": "m", "input": [{"type": "function_call", "name": "f"}]}), "input[0].call_id"),
        (json!({"model": "m", "input": "x", "tools": [{"type": "function"}]}), "tools[0].name"),
        (json!({"model": "m", "input": "x", "text": {"format": {}}}), "text.format.type"),
        (json!({"model": "m", "input": "x", "stream": "yes"}), "stream"),
        (json!({"model": "m", "input": "x", "max_output_tokens": -1}), "max_output_tokens"),
    ];
    for (body, param) in cases {
        let error = decode_request(body.to_string().as_bytes()).unwrap_err();
        assert_eq!((error.kind, error.details.param.as_deref()), (ErrorKind::InvalidRequest, Some(param)), "{body}");
    }
    for body in ["", "[]", "{\"model\":"] {
        assert_eq!(decode_request(body.as_bytes()).unwrap_err().kind, ErrorKind::InvalidRequest);
    }
}
