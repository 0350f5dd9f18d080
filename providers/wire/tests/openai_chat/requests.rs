//! Requests, from a client and to a provider.

use greenroom_wire::{
    ChatRequest, ErrorKind, Message, Part, Role,
    chat::{CacheMark, MediaSource, ResponseFormat, ThinkingRequest, Tool, ToolCallKind, ToolChoice, Wire},
    openai_chat::{Dialect, Encoded, decode_request, encode_request},
};
use serde_json::{Value, json};

fn decode(body: Value) -> ChatRequest {
    decode_request(body.to_string().as_bytes()).unwrap().request
}

fn message(message: Value) -> Message {
    decode(json!({"model": "m", "messages": [message]})).messages.remove(0)
}

fn encode(request: &ChatRequest, dialect: &Dialect) -> (Value, Encoded) {
    let encoded = encode_request(request, "p", "m", dialect);
    (serde_json::from_slice(&encoded.body).unwrap(), encoded)
}

fn encode_messages(messages: Vec<Message>, dialect: &Dialect) -> (Value, Encoded) {
    let (mut body, encoded) = encode(&ChatRequest { messages, ..ChatRequest::default() }, dialect);
    (body["messages"].take(), encoded)
}

/// Where something was left out.
fn places(encoded: &Encoded) -> Vec<&str> {
    encoded.left_out.iter().map(|left| left.at.as_str()).collect()
}

fn tool_call(id: &str) -> Part {
    Part::ToolCall { id: id.into(), name: "f".into(), arguments: "{}".into(), kind: ToolCallKind::Function }
}

fn result(id: &str, parts: Vec<Part>) -> Message {
    Message::new(Role::Tool, vec![Part::ToolResult { id: id.into(), parts, error: false }])
}

#[test]
fn every_field_has_its_place() {
    let body = json!({"model": "m", "stream": true, "stream_options": {"include_usage": true}, "n": 2,
        "temperature": 0.5, "top_p": 1, "max_completion_tokens": 9, "stop": "END", "seed": 3, "logit_bias": {"5": -1},
        "tool_choice": {"type": "function", "function": {"name": "f"}}, "parallel_tool_calls": false,
        "reasoning_effort": "low", "metadata": {"a": "b"}, "user": null,
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "strict": true, "schema": {"z": 1, "a": 2}}},
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "strict": true, "parameters": {"type": "object"}}},
            {"type": "custom", "custom": {"name": "g"}}],
        "messages": [{"role": "user", "content": "hi", "name": "Ann"}]});
    let served = decode_request(body.to_string().as_bytes()).unwrap();
    assert_eq!((served.stream, served.include_usage, served.choices, served.legacy_functions), (true, true, 2, false));
    let request = served.request;
    assert_eq!((request.temperature, request.top_p, request.max_tokens), (Some(0.5), Some(1.0), Some(9)));
    assert_eq!((request.stop.as_slice(), request.parallel_tool_calls), (&["END".to_owned()][..], Some(false)));
    assert_eq!(request.tool_choice, Some(ToolChoice::Function { name: "f".into() }));
    assert_eq!(request.thinking, Some(ThinkingRequest { effort: Some("low".into()), ..ThinkingRequest::default() }));
    let Some(ResponseFormat::JsonSchema { schema: Some(schema), strict: Some(true), .. }) = &request.response_format
    else {
        panic!("{:?}", request.response_format)
    };
    assert_eq!(schema.to_string(), r#"{"z":1,"a":2}"#, "the order of keys is kept");
    assert!(
        matches!(&request.tools[1], Tool::Native { wire: Wire::OpenaiChat, json } if json["custom"]["name"] == "g")
    );
    assert_eq!(request.messages[0].name.as_deref(), Some("Ann"));
    let (again, encoded) = encode(&request, &Dialect::OPENAI);
    assert_eq!(encoded.left_out, []);
    let mut want = body;
    want["stop"] = json!(["END"]);
    assert_eq!(again, want);
}

#[test]
fn defaults_are_no_stream_and_one_answer() {
    let served = decode_request(br#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#).unwrap();
    assert_eq!((served.stream, served.include_usage, served.choices), (false, false, 1));
}

#[test]
fn the_wrong_parameter_is_named() {
    let part = |part: Value| json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, part]}]});
    let with = |key: &str, value: Value| {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
        body[key] = value;
        body
    };
    let said = |message: Value| json!({"model": "m", "messages": [message]});
    for (body, param) in [
        (json!({"messages": []}), "model"),
        (json!({"model": "m"}), "messages"),
        (with("model", json!(3)), "model"),
        (with("messages", json!([])), "messages"),
        (with("messages", json!("x")), "messages"),
        (with("messages", json!([3])), "messages[0]"),
        (with("temperature", json!("hot")), "temperature"),
        (with("max_tokens", json!(-1)), "max_tokens"),
        (with("max_tokens", json!(1.5)), "max_tokens"),
        (with("n", json!(0)), "n"),
        (with("n", json!(1000)), "n"),
        (with("stream", json!("yes")), "stream"),
        (with("stream_options", json!({"include_usage": 1})), "stream_options.include_usage"),
        (with("stop", json!([1])), "stop[0]"),
        (with("tools", json!([{"function": {"name": "f"}}])), "tools[0].type"),
        (with("tools", json!([{"type": "function"}])), "tools[0].function"),
        (with("tools", json!([{"type": "function", "function": {}}])), "tools[0].function.name"),
        (
            with("tools", json!([{"type": "function", "function": {"name": "f", "parameters": 3}}])),
            "tools[0].function.parameters",
        ),
        (with("tool_choice", json!("maybe")), "tool_choice"),
        (with("response_format", json!({})), "response_format.type"),
        (
            with("response_format", json!({"type": "json_schema", "json_schema": {}})),
            "response_format.json_schema.name",
        ),
        (said(json!({"content": "x"})), "messages[0].role"),
        (said(json!({"role": "king", "content": "x"})), "messages[0].role"),
        (said(json!({"role": "user"})), "messages[0].content"),
        (said(json!({"role": "user", "content": 3})), "messages[0].content"),
        (said(json!({"role": "tool", "content": "x"})), "messages[0].tool_call_id"),
        (
            said(json!({"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "f"}}]})),
            "messages[0].tool_calls[0].id",
        ),
        (
            said(json!({"role": "assistant", "tool_calls": [{"id": "c", "function": {}}]})),
            "messages[0].tool_calls[0].function.name",
        ),
        (part(json!({"type": "text"})), "messages[0].content[1].text"),
        (part(json!({"text": "x"})), "messages[0].content[1].type"),
        (part(json!({"type": "image_url", "image_url": {}})), "messages[0].content[1].image_url.url"),
        (
            part(json!({"type": "input_audio", "input_audio": {"data": "x"}})),
            "messages[0].content[1].input_audio.format",
        ),
        (part(json!({"type": "file", "file": {}})), "messages[0].content[1].file.file_data"),
    ] {
        let error = decode_request(body.to_string().as_bytes()).unwrap_err();
        assert_eq!(
            (error.kind, error.details.param.as_deref()),
            (ErrorKind::InvalidRequest, Some(param)),
            "{body}: {error}"
        );
        assert!(error.message.contains(param), "{error}");
    }
}

#[test]
fn broken_json_is_said_where() {
    let error = decode_request(b"{\n \"model\": \"m\",\n \"messages\": [}").unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest);
    assert!(error.message.contains("line 3, column 15"), "{error}");
    assert!(decode_request(b"[]").unwrap_err().message.contains("object"));
}

#[test]
fn parts_are_read_and_written() {
    let parts = json!([
        {"type": "text", "text": "look", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
        {"type": "video_url", "video_url": {"url": "https://example.org/a.mp4"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "text", "text": "new", "mood": {"a": 1}},
    ]);
    let base64 = |media_type: &str| MediaSource::Base64 { media_type: media_type.into(), data: "AA==".into() };
    let read = message(json!({"role": "user", "content": parts}));
    assert_eq!(
        read.parts,
        [
            Part::text("look"),
            Part::Image { source: base64("image/png"), detail: Some("low".into()) },
            Part::Image { source: MediaSource::Url { url: "https://example.org/a.png".into() }, detail: None },
            Part::Audio { source: base64("audio/mpeg") },
            Part::Document { source: base64("application/pdf"), name: Some("a.pdf".into()) },
            Part::Document { source: MediaSource::File { id: "file-1".into() }, name: None },
            Part::text("new"),
        ]
    );
    assert_eq!(read.cache, [CacheMark { part: 0, ttl: Some("1h".into()) }]);
    let paths: Vec<_> = read.extra.iter().map(|extra| extra.path.as_str()).collect();
    assert_eq!(paths, ["/content/4", "/content/7/mood"]);
    let (written, encoded) = encode_messages(vec![read.clone()], &Dialect::OPENROUTER);
    assert_eq!((&written[0]["content"], encoded.left_out.as_slice()), (&parts, &[][..]));
    let (written, _) = encode_messages(vec![read], &Dialect::OPENAI);
    assert_eq!(written[0]["content"][0], json!({"type": "text", "text": "look"}), "OpenAI takes no cache marks");
}

#[test]
fn an_assistants_turn_is_read_and_written() {
    let turn = json!({"role": "assistant", "content": null, "reasoning_content": "hm", "audio": {"id": "x"},
        "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\" : 1}"}, "cache_control": {"type": "ephemeral"}},
            {"id": "d", "type": "custom", "custom": {"name": "g", "input": "free"}}]});
    let read = message(turn.clone());
    assert_eq!(
        read.parts,
        [
            Part::Thinking { text: "hm".into() },
            Part::ToolCall {
                id: "c".into(),
                name: "f".into(),
                arguments: "{\"a\" : 1}".into(),
                kind: ToolCallKind::Function
            },
            Part::ToolCall { id: "d".into(), name: "g".into(), arguments: "free".into(), kind: ToolCallKind::Custom },
        ]
    );
    let answered = vec![read, result("c", vec![Part::text("1")]), result("d", vec![Part::text("2")])];
    let (written, _) = encode_messages(answered.clone(), &Dialect::REASONING_CONTENT);
    assert_eq!(written[0], turn);
    let (written, _) = encode_messages(answered, &Dialect::OPENAI);
    assert_eq!(written[0].get("reasoning_content"), None, "OpenAI takes no thinking back");
    let refusal = message(json!({"role": "assistant", "content": null, "refusal": "No."}));
    assert_eq!(refusal.parts, [Part::Refusal { text: "No.".into() }]);
    let (written, _) = encode_messages(vec![refusal.clone()], &Dialect::OPENAI);
    assert_eq!(written[0], json!({"role": "assistant", "content": null, "refusal": "No."}));
    let (written, _) = encode_messages(vec![refusal], &Dialect::COMPATIBLE);
    assert_eq!(written[0], json!({"role": "assistant", "content": "No."}));
}

#[test]
fn legacy_functions_become_tools() {
    let body = json!({"model": "m", "functions": [{"name": "f", "parameters": {"type": "object"}}], "function_call": {"name": "f"},
        "messages": [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "1"}]});
    let served = decode_request(body.to_string().as_bytes()).unwrap();
    assert!(served.legacy_functions);
    let (again, _) = encode(&served.request, &Dialect::OPENAI);
    let id = &again["messages"][1]["tool_calls"][0]["id"];
    assert!(id.is_string());
    assert_eq!(again["messages"][2], json!({"role": "tool", "tool_call_id": id, "content": "1"}));
    assert_eq!(
        again["tools"],
        json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])
    );
    assert_eq!(again["tool_choice"], json!({"type": "function", "function": {"name": "f"}}));
}

#[test]
fn calls_without_results_get_one() {
    let turn = Message::new(Role::Assistant, vec![tool_call("c"), tool_call("d")]);
    let results = vec![turn, result("c", vec![Part::text("1")]), Message::user("go on")];
    let (written, _) = encode_messages(results, &Dialect::OPENAI);
    let roles: Vec<_> = written.as_array().unwrap().iter().map(|one| one["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["assistant", "tool", "tool", "user"]);
    assert_eq!(written[2]["tool_call_id"], "d");
    assert!(written[2]["content"].as_str().unwrap().starts_with("Error"));
}

#[test]
fn pictures_of_tools_come_after_their_results() {
    let picture = Part::Image { source: MediaSource::Url { url: "https://example.org/a.png".into() }, detail: None };
    let messages = vec![
        Message::new(Role::Assistant, vec![tool_call("c"), tool_call("d")]),
        result("c", vec![Part::text("see"), picture]),
        result("d", vec![Part::text("2"), Part::text("3")]),
    ];
    let (written, encoded) = encode_messages(messages, &Dialect::OPENAI);
    assert_eq!(written[1]["content"], "see");
    assert_eq!(written[2]["content"][1]["text"], "3");
    assert_eq!(written[3]["role"], "user");
    assert_eq!(written[3]["content"][1]["image_url"]["url"], "https://example.org/a.png");
    assert_eq!(encoded.left_out[0].at, "messages[1].parts[0]");
}

#[test]
fn a_client_may_have_pictures_in_results_of_tools() {
    let text = |text: &str| json!({"type": "text", "text": text});
    let image = json!({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}});
    let odd = json!({"type": "odd"});
    let read = message(json!({"role": "tool", "tool_call_id": "c", "content": [image, text("see"), odd, text("2")]}));
    let Part::ToolResult { parts, .. } = &read.parts[0] else { panic!("{read:?}") };
    let picture = Part::Image { source: MediaSource::Url { url: "https://example.org/a.png".into() }, detail: None };
    assert_eq!(parts, &[picture, Part::text("see"), Part::text("2")]);
    let call = Message::new(Role::Assistant, vec![tool_call("c")]);
    let (written, _) = encode_messages(vec![call, read], &Dialect::OPENAI);
    assert_eq!(written[1]["content"], json!([text("see"), odd, text("2")]));
    assert_eq!(written[2]["content"][1], image);
}

#[test]
fn opaque_data_goes_back_to_whoever_said_it() {
    let turn = |provider: &str, model: &str, data: Value| {
        let opaque = Part::Opaque { provider: provider.into(), model: model.into(), data };
        Message::new(Role::Assistant, vec![Part::Thinking { text: "hm".into() }, opaque, Part::text("x")])
    };
    let details = || json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": "d"}]});
    let (written, encoded) = encode_messages(vec![turn("p", "m", details())], &Dialect::OPENAI);
    assert_eq!(written[0]["reasoning_details"], details()["reasoning_details"]);
    assert_eq!(places(&encoded), ["messages[0].parts[0]"], "the thinking, which OpenAI takes in no form");
    for (provider, model) in [("p", "other"), ("other", "m")] {
        let (written, encoded) = encode_messages(vec![turn(provider, model, details())], &Dialect::OPENROUTER);
        assert_eq!((written[0].get("reasoning_details"), encoded.left_out.len()), (None, 1));
    }
    // Where a client's history does not say whose it is, a server that knows the form gets it.
    let (written, _) = encode_messages(vec![turn("", "", details())], &Dialect::OPENROUTER);
    assert_eq!(written[0]["reasoning_details"], details()["reasoning_details"]);
    assert_eq!(encode_messages(vec![turn("", "", details())], &Dialect::OPENAI).0[0].get("reasoning_details"), None);
    let (written, _) = encode_messages(vec![turn("p", "m", json!({"reasoning_opaque": "s"}))], &Dialect::OPENAI);
    let want = json!({"role": "assistant", "content": "x", "reasoning_opaque": "s", "reasoning_text": "hm"});
    assert_eq!(written[0], want);
    let signed = Part::Opaque {
        provider: "p".into(),
        model: "m".into(),
        data: json!({"extra_content": {"s": 1}, "tool_call": 1}),
    };
    let turn = Message::new(Role::Assistant, vec![tool_call("c"), tool_call("d"), signed]);
    let (written, _) = encode_messages(vec![turn], &Dialect::OPENAI);
    assert_eq!(written[0]["tool_calls"][0].get("extra_content"), None);
    assert_eq!(written[0]["tool_calls"][1]["extra_content"], json!({"s": 1}));
}

#[test]
fn dialects_differ() {
    let request = ChatRequest {
        max_tokens: Some(5),
        thinking: Some(ThinkingRequest { enabled: Some(true), budget: Some(7), effort: Some("low".into()) }),
        messages: vec![Message::text(Role::Developer, "be kind")],
        ..ChatRequest::default()
    };
    let (openai, encoded) = encode(&request, &Dialect::OPENAI);
    assert_eq!((&openai["max_completion_tokens"], &openai["reasoning_effort"]), (&json!(5), &json!("low")));
    assert_eq!(
        (&openai["messages"][0]["role"], encoded.left_out[0].at.as_str()),
        (&json!("developer"), "thinking.budget")
    );
    let (compatible, _) = encode(&request, &Dialect::COMPATIBLE);
    assert_eq!((&compatible["max_tokens"], &compatible["messages"][0]["role"]), (&json!(5), &json!("system")));
    let (openrouter, encoded) = encode(&request, &Dialect::OPENROUTER);
    assert_eq!(openrouter["reasoning"], json!({"enabled": true, "effort": "low", "max_tokens": 7}));
    assert_eq!(encoded.left_out, []);
    let plain = Dialect { stream_options: false, ..Dialect::COMPATIBLE };
    assert_eq!(encode(&request, &plain).0.get("stream_options"), None);
}
