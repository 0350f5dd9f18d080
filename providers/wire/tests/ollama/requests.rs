//! Requests, from a client and to a server.

use greenroom_wire::{
    ChatRequest, ErrorKind, Message, Part, Role,
    chat::{CacheMark, Extra, MediaSource, ResponseFormat, ThinkingRequest, Tool, ToolCallKind, ToolChoice, Wire},
    ollama::{decode_generate_request, decode_request, encode_request},
};
use serde_json::{Value, json};

/// The body, and what was left out of it.
fn encode(request: &ChatRequest) -> (Value, Vec<String>) {
    let encoded = encode_request(request, "m");
    let left_out = encoded.left_out.into_iter().map(|left| left.at).collect();
    (serde_json::from_slice(&encoded.body).unwrap(), left_out)
}

fn encode_messages(messages: Vec<Message>) -> (Value, Vec<String>) {
    let (mut body, left_out) = encode(&ChatRequest { messages, ..ChatRequest::default() });
    (body["messages"].take(), left_out)
}

fn tool_call(id: &str, arguments: &str) -> Part {
    Part::ToolCall { id: id.into(), name: "f".into(), arguments: arguments.into(), kind: ToolCallKind::Function }
}

fn result(id: &str, parts: Vec<Part>) -> Message {
    Message::new(Role::Tool, vec![Part::ToolResult { id: id.into(), parts, error: false }])
}

fn function(name: &str) -> Tool {
    Tool::Function { name: name.into(), description: None, parameters: None, strict: None, extra: Vec::new() }
}

#[test]
fn every_field_has_its_place() {
    let body = json!({"model": "m", "stream": true,
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"z": 1, "a": 2}}}],
        "format": {"type": "object", "z": {}, "a": {}}, "think": "high",
        "options": {"temperature": 0.5, "top_p": 1, "num_predict": 9, "stop": ["END"], "seed": 3, "num_ctx": 4096},
        "keep_alive": "5m", "logprobs": true,
        "messages": [{"role": "system", "content": "s"},
            {"role": "user", "content": "hi", "images": ["iVBORw0KGgoAAAANSUhEUg=="]},
            {"role": "assistant", "content": "", "thinking": "hm",
                "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"z": 1, "a": 2}}}]},
            {"role": "tool", "content": "1", "tool_name": "f", "tool_call_id": "c"}]});
    let served = decode_request(body.to_string().as_bytes()).unwrap();
    assert!(served.stream);
    let request = served.request;
    assert_eq!((request.temperature, request.top_p, request.max_tokens), (Some(0.5), Some(1.0), Some(9)));
    assert_eq!(request.stop, ["END"]);
    assert_eq!(request.thinking, Some(ThinkingRequest { effort: Some("high".into()), ..ThinkingRequest::default() }));
    let Some(ResponseFormat::JsonSchema { schema: Some(schema), .. }) = &request.response_format else {
        panic!("{:?}", request.response_format)
    };
    assert_eq!(schema.to_string(), r#"{"type":"object","z":{},"a":{}}"#, "the order of keys is kept");
    let Part::Image { source: MediaSource::Base64 { media_type, .. }, .. } = &request.messages[1].parts[1] else {
        panic!("{:?}", request.messages[1])
    };
    assert_eq!(media_type, "image/png");
    assert_eq!(encode(&request), (body, vec![]));
}

#[test]
fn a_stream_is_the_default_and_null_is_nothing() {
    let body =
        json!({"model": "m", "messages": null, "format": "", "think": null, "options": {"seed": null, "stop": "x"}});
    let served = decode_request(body.to_string().as_bytes()).unwrap();
    assert!(served.stream && served.request.messages.is_empty());
    assert_eq!((served.request.stop.as_slice(), &served.request.extra), (&["x".to_owned()][..], &vec![]));
    assert_eq!((served.request.response_format, served.request.thinking), (None, None));
    assert!(!decode_request(br#"{"model":"m","stream":false}"#).unwrap().stream);
    let unbounded = decode_request(br#"{"model":"m","options":{"num_predict":-1}}"#).unwrap().request;
    assert_eq!(unbounded.max_tokens, None);
    assert_eq!(encode(&unbounded).0["options"], json!({"num_predict": -1}));
}

#[test]
fn the_wrong_parameter_is_named() {
    let with = |key: &str, value: Value| {
        let mut body = json!({"model": "m"});
        body[key] = value;
        body
    };
    let said = |message: Value| with("messages", json!([message]));
    let called = |call: Value| said(json!({"role": "assistant", "tool_calls": [call]}));
    for (body, param) in [
        (json!({"messages": []}), "model"),
        (with("model", json!(3)), "model"),
        (with("messages", json!("x")), "messages"),
        (with("messages", json!([3])), "messages[0]"),
        (with("stream", json!("yes")), "stream"),
        (with("format", json!(3)), "format"),
        (with("format", json!("xml")), "format"),
        (with("think", json!(3)), "think"),
        (with("options", json!([])), "options"),
        (with("options", json!({"temperature": "hot"})), "options.temperature"),
        (with("options", json!({"stop": [1]})), "options.stop[0]"),
        (with("options", json!({"num_predict": "x"})), "options.num_predict"),
        (with("tools", json!([{"function": {}}])), "tools[0].function.name"),
        (said(json!({"content": "x"})), "messages[0].role"),
        (said(json!({"role": "king"})), "messages[0].role"),
        (said(json!({"role": "user", "content": []})), "messages[0].content"),
        (said(json!({"role": "user", "images": "x"})), "messages[0].images"),
        (said(json!({"role": "user", "images": [1]})), "messages[0].images[0]"),
        (called(json!({})), "messages[0].tool_calls[0].function"),
        (called(json!({"function": {"name": 1}})), "messages[0].tool_calls[0].function.name"),
        (called(json!({"function": {"name": "f", "arguments": [1]}})), "messages[0].tool_calls[0].function.arguments"),
    ] {
        let error = decode_request(body.to_string().as_bytes()).unwrap_err();
        assert_eq!((error.kind, error.details.param.as_deref()), (ErrorKind::InvalidRequest, Some(param)), "{body}");
    }
    for body in ["", "[]", "{\"model\":"] {
        assert_eq!(decode_request(body.as_bytes()).unwrap_err().kind, ErrorKind::InvalidRequest, "{body}");
    }
}

#[test]
fn results_find_their_calls_by_id_by_tool_or_in_order() {
    let ids = |messages: Value| {
        let body = json!({"model": "m", "messages": messages});
        let request = decode_request(body.to_string().as_bytes()).unwrap().request;
        let ids = request.messages.iter().flat_map(|message| &message.parts).filter_map(|part| match part {
            Part::ToolCall { id, .. } | Part::ToolResult { id, .. } => Some(id.clone()),
            _ => None,
        });
        ids.collect::<Vec<_>>()
    };
    let call = |name: &str| json!({"function": {"name": name, "arguments": {}}});
    let calls = json!({"role": "assistant", "tool_calls": [call("f"), call("g")]});
    let (f, g) = ("call_0_0".to_owned(), "call_0_1".to_owned());
    let plain = json!({"role": "tool", "content": "1"});
    assert_eq!(ids(json!([calls, plain, plain])), [f.clone(), g.clone(), f.clone(), g.clone()]);
    let of_g = json!({"role": "tool", "content": "1", "tool_name": "g"});
    assert_eq!(ids(json!([calls, of_g, plain])), [f.clone(), g.clone(), g.clone(), f.clone()]);
    let named = json!({"role": "tool", "content": "1", "tool_name": "g", "tool_call_id": "x"});
    assert_eq!(ids(json!([calls, named, plain])), [f.clone(), "x".into(), "x".into(), f]);
    assert_eq!(ids(json!([plain])), ["call_0"]);
    let own = json!({"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": {}}}]});
    let stranger = json!({"role": "tool", "content": "1", "tool_call_id": "b"});
    assert_eq!(ids(json!([own, stranger])), ["a", "b"], "a call with an id of its own keeps it");
}

#[test]
fn arguments_are_an_object_whatever_they_were() {
    let written = |arguments: &str| {
        let messages =
            vec![Message::new(Role::Assistant, vec![tool_call("c", arguments)]), result("c", vec![Part::text("1")])];
        let (messages, left_out) = encode_messages(messages);
        (messages[0]["tool_calls"][0]["function"]["arguments"].clone(), left_out)
    };
    assert_eq!(written(""), (json!({}), vec![]));
    assert_eq!(written(" {\"a\": 1}\n"), (json!({"a": 1}), vec![]));
    let reported = vec!["messages[0].parts[0]".to_owned()];
    assert_eq!(written("{\"a\":"), (json!({"input": "{\"a\":"}), reported.clone()));
    assert_eq!(written("free text"), (json!({"input": "free text"}), reported.clone()));
    assert_eq!(written("[1]"), (json!({"input": "[1]"}), reported));
    let digits = encode_request(
        &ChatRequest {
            messages: vec![Message::new(Role::Assistant, vec![tool_call("c", "{\"n\":12345678901234567890123}")])],
            ..ChatRequest::default()
        },
        "m",
    );
    assert!(String::from_utf8(digits.body).unwrap().contains("{\"n\":12345678901234567890123}"));
}

#[test]
fn every_call_gets_a_result_and_its_tool() {
    let (messages, left_out) = encode_messages(vec![
        Message::new(
            Role::Assistant,
            vec![Part::text("a"), tool_call("c", "{}"), tool_call("d", "{}"), Part::text("b")],
        ),
        result("d", vec![Part::text("1"), Part::text("2")]),
        Message::user("go on"),
    ]);
    assert_eq!(messages[0]["content"], "ab");
    assert_eq!(messages[1], json!({"role": "tool", "content": "1\n\n2", "tool_name": "f", "tool_call_id": "d"}));
    assert_eq!((&messages[2]["role"], &messages[2]["tool_call_id"]), (&json!("tool"), &json!("c")));
    assert!(messages[2]["content"].as_str().unwrap().starts_with("Error:"));
    assert_eq!((&messages[3]["content"], left_out), (&json!("go on"), vec!["messages[0].parts[3]".to_owned()]));
}

#[test]
fn a_failed_call_says_so_in_its_text() {
    let failed = Part::ToolResult { id: "c".into(), parts: vec![Part::text("no such file")], error: true };
    let (messages, left_out) = encode_messages(vec![
        Message::new(Role::Assistant, vec![tool_call("c", "{}")]),
        Message::new(Role::Tool, vec![failed]),
    ]);
    assert_eq!(messages[1]["content"], "Error: no such file");
    assert_eq!(left_out, ["messages[1].parts[0].error"]);
}

#[test]
fn calls_and_results_find_each_other_wherever_they_are_said() {
    let user = Message::new(Role::User, vec![Part::text("x"), tool_call("c", "{}")]);
    let late = Message::new(Role::Tool, vec![Part::text("y")]);
    let (messages, left_out) =
        encode_messages(vec![user, Message::user("hurry"), late, result("c", vec![Part::text("1")])]);
    let want = json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {}}}]},
        {"role": "tool", "content": "1", "tool_name": "f", "tool_call_id": "c"},
        {"role": "user", "content": "hurry"},
        {"role": "user", "content": "y"},
    ]);
    assert_eq!(
        (messages, left_out),
        (want, ["messages[0].parts[1]", "messages[2].parts[0]"].map(str::to_owned).to_vec())
    );
    // A server takes a result without its call as it is.
    let alone = vec![Message::user("x"), result("gone", vec![Part::text("1")])];
    let want = json!([{"role": "user", "content": "x"}, {"role": "tool", "content": "1", "tool_call_id": "gone"}]);
    assert_eq!(encode_messages(alone), (want, vec![]));
}

#[test]
fn what_comes_out_of_its_order_is_reported() {
    let thought = |text: &str| Part::Thinking { text: text.into() };
    let mut turn =
        Message::new(Role::Assistant, vec![thought("a"), tool_call("c", "{}"), thought("b"), Part::text("x")]);
    turn.cache = vec![CacheMark { part: 3, ttl: None }];
    let (messages, left_out) = encode_messages(vec![turn, result("c", vec![])]);
    assert_eq!((&messages[0]["thinking"], &messages[0]["content"]), (&json!("ab"), &json!("x")));
    assert_eq!(left_out, ["messages[0].parts[3]", "messages[0].parts[2]", "messages[0].cache[0]"]);
}

#[test]
fn what_cannot_be_said_is_reported() {
    let source = |url: &str| MediaSource::Url { url: url.into() };
    let data = MediaSource::Base64 { media_type: "image/png".into(), data: "AAAA".into() };
    let opaque = Part::Opaque { provider: "p".into(), model: "m".into(), data: json!({}) };
    let mut named = Message::new(
        Role::User,
        vec![
            Part::text("look"),
            Part::Image { source: source("https://example.org/a.png"), detail: None },
            Part::Image { source: data.clone(), detail: Some("low".into()) },
            Part::Document { source: data.clone(), name: None },
            Part::Audio { source: data },
            opaque,
        ],
    );
    named.name = Some("Ann".into());
    let (messages, left_out) = encode_messages(vec![named]);
    assert_eq!(messages, json!([{"role": "user", "content": "look", "images": ["AAAA"]}]));
    let at = |what: &str| format!("messages[0].{what}");
    assert_eq!(
        left_out,
        [at("name"), at("parts[1]"), at("parts[2].detail"), at("parts[3]"), at("parts[4]"), at("parts[5]")]
    );

    let foreign = |path: &str, json: Value| Extra { wire: Wire::OpenaiChat, path: path.into(), json };
    let request = ChatRequest {
        parallel_tool_calls: Some(false),
        metadata: serde_json::Map::from_iter([("a".into(), json!("b"))]),
        thinking: Some(ThinkingRequest { budget: Some(9), ..ThinkingRequest::default() }),
        extra: vec![
            foreign("/logit_bias", json!({})),
            foreign("/seed", json!(7)),
            foreign("/frequency_penalty", json!("x")),
        ],
        ..ChatRequest::default()
    };
    let (body, mut left_out) = encode(&request);
    left_out.sort();
    assert_eq!(left_out, ["/frequency_penalty", "/logit_bias", "metadata", "parallel_tool_calls", "thinking.budget"]);
    assert_eq!(body, json!({"model": "m", "stream": true, "options": {"seed": 7}, "messages": []}));
}

#[test]
fn the_choice_is_made_by_what_is_offered() {
    let offered = |choice: Option<ToolChoice>| {
        let request =
            ChatRequest { tools: vec![function("f"), function("g")], tool_choice: choice, ..ChatRequest::default() };
        let (body, left_out) = encode(&request);
        let names = body["tools"].as_array().into_iter().flatten().map(|tool| tool["function"]["name"].clone());
        (names.collect::<Vec<_>>(), left_out.len())
    };
    assert_eq!(offered(None), (vec![json!("f"), json!("g")], 0));
    assert_eq!(offered(Some(ToolChoice::Auto)), (vec![json!("f"), json!("g")], 0));
    assert_eq!(offered(Some(ToolChoice::None)), (vec![], 1));
    assert_eq!(offered(Some(ToolChoice::Required)), (vec![json!("f"), json!("g")], 1));
    assert_eq!(offered(Some(ToolChoice::Function { name: "g".into() })), (vec![json!("g")], 1));
}

#[test]
fn thinking_is_a_switch_or_a_word() {
    let think = |enabled: Option<bool>, effort: Option<&str>| {
        let thinking = ThinkingRequest { enabled, effort: effort.map(str::to_owned), budget: None };
        encode(&ChatRequest { thinking: Some(thinking), ..ChatRequest::default() }).0["think"].clone()
    };
    assert_eq!(think(Some(true), None), json!(true));
    assert_eq!(think(Some(false), Some("high")), json!(false));
    assert_eq!(think(None, Some("none")), json!(false));
    assert_eq!(think(Some(true), Some("medium")), json!("medium"));
    assert_eq!((think(None, Some("minimal")), think(None, Some("xhigh"))), (json!("low"), json!("high")));
    assert_eq!(think(None, None), Value::Null);
}

#[test]
fn a_form_is_json_or_a_schema() {
    let form = |response_format| {
        encode(&ChatRequest { response_format: Some(response_format), ..ChatRequest::default() }).0["format"].clone()
    };
    assert_eq!(form(ResponseFormat::Text), Value::Null);
    assert_eq!(form(ResponseFormat::JsonObject), json!("json"));
    let schema =
        |schema| ResponseFormat::JsonSchema { name: "n".into(), description: None, schema, strict: Some(true) };
    assert_eq!(form(schema(Some(json!({"type": "object"})))), json!({"type": "object"}));
    assert_eq!(form(schema(None)), json!("json"));
    let read = decode_request(br#"{"model":"m","format":"json"}"#).unwrap().request;
    assert_eq!(read.response_format, Some(ResponseFormat::JsonObject));
}

#[test]
fn a_generation_becomes_a_conversation() {
    let body = json!({"model": "m", "system": "s", "prompt": "p", "images": ["AAAA"], "stream": false, "raw": true,
        "context": [1], "suffix": "", "template": "", "options": {"num_predict": 3}, "keep_alive": "5m"});
    let served = decode_generate_request(body.to_string().as_bytes()).unwrap();
    assert!(!served.stream);
    let (again, left_out) = encode(&served.request);
    let want = json!({"model": "m", "stream": true, "options": {"num_predict": 3}, "keep_alive": "5m",
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "p", "images": ["AAAA"]}]});
    assert_eq!((again, left_out), (want, vec!["/raw".to_owned(), "/context".to_owned()]));
    let load = decode_generate_request(br#"{"model":"m","prompt":""}"#).unwrap();
    assert!(load.request.messages.is_empty());
    for (body, param) in [("{}", "model"), ("{\"model\":\"m\",\"prompt\":3}", "prompt")] {
        let error = decode_generate_request(body.as_bytes()).unwrap_err();
        assert_eq!(error.details.param.as_deref(), Some(param));
    }
}
