//! Requests as they are sent.

use greenroom_wire::{
    ChatRequest, Message, Part,
    anthropic::{Dialect, encode_count, encode_request},
    chat::{CacheMark, Extra, MediaSource, ResponseFormat, Role, Tool, ToolCallKind, ToolChoice, Wire},
    openai_chat,
};
use serde_json::{Value, json};

use crate::harness::*;

fn tool(name: &str, parameters: Value) -> Tool {
    Tool::Function {
        name: name.into(),
        description: Some("d".into()),
        parameters: Some(parameters),
        strict: Some(true),
        extra: Vec::new(),
    }
}

#[test]
fn a_plain_request_says_all_that_the_wire_needs() {
    let messages = vec![Message::text(Role::System, "be brief"), Message::user("hi")];
    let request = ChatRequest {
        model: "an alias".into(),
        messages,
        temperature: Some(0.5),
        top_p: Some(1.0),
        stop: vec!["END".into(), "\n".into()],
        metadata: [("user_id".to_owned(), json!("u")), ("team".to_owned(), json!("t"))].into_iter().collect(),
        ..ChatRequest::default()
    };
    let encoded = encoded(&request);
    let want = json!({"model": "m", "max_tokens": 8192, "stream": true, "temperature": 0.5, "top_p": 1,
        "stop_sequences": ["END"], "metadata": {"user_id": "u"}, "system": "be brief",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]});
    assert_eq!(body_of(&encoded), want);
    assert_eq!(left_out(&encoded), ["stop", "metadata.team"]);
}

#[test]
fn a_bound_is_sent_as_it_is_or_as_the_model_allows() {
    let bound = |asked: Option<u64>, most: Option<u64>| {
        let request = ChatRequest { max_tokens: asked, ..ChatRequest::default() };
        let dialect = Dialect::of_model("claude-sonnet-4-5").with_max_output(most);
        body_of(&encode_request(&request, "p", "m", &dialect))["max_tokens"].as_u64().unwrap()
    };
    assert_eq!((bound(Some(5), None), bound(None, None)), (5, 8192));
    assert_eq!((bound(None, Some(64_000)), bound(Some(99_000), Some(64_000))), (64_000, 64_000));
}

#[test]
fn instructions_are_blocks_where_they_are_marked() {
    let mut system = says(Role::System, [Part::text("a"), Part::text(""), Part::text("b")]);
    system.cache = vec![CacheMark { part: 2, ttl: Some("1h".into()) }];
    let developer = Message::text(Role::Developer, "c");
    let request = ChatRequest { messages: vec![system, developer, Message::user("hi")], ..ChatRequest::default() };
    let want = json!([{"type": "text", "text": "a"},
        {"type": "text", "text": "b", "cache_control": {"type": "ephemeral", "ttl": "1h"}}, {"type": "text", "text": "c"}]);
    assert_eq!(body_of(&encoded(&request))["system"], want);
}

#[test]
fn instructions_within_a_conversation_stay_in_their_place() {
    let messages = vec![Message::user("hi"), Message::text(Role::System, "now in French")];
    let (body, left) = sent(messages.clone());
    let text = |text: &str| json!({"type": "text", "text": text});
    assert_eq!(body, json!([{"role": "user", "content": [text("hi"), text("<system>\nnow in French\n</system>")]}]));
    assert_eq!(left, ["messages[1]"]);
    let request = ChatRequest { messages, ..ChatRequest::default() };
    let newest = encode_request(&request, "p", "m", &Dialect::of_model("claude-opus-4-8"));
    let want =
        json!([{"role": "user", "content": [text("hi")]}, {"role": "system", "content": [text("now in French")]}]);
    assert_eq!((body_of(&newest)["messages"].clone(), left_out(&newest)), (want, vec![]));
}

#[test]
fn neighbours_are_merged_and_a_user_speaks_first() {
    let (body, left) = sent([
        Message::text(Role::Assistant, "welcome"),
        Message::user("a"),
        Message::user(""),
        Message::user("b"),
        says(Role::Assistant, []),
        Message::user("c"),
        Message::text(Role::Assistant, "d"),
        Message::text(Role::Assistant, "e "),
    ]);
    let text = |text: &str| json!({"type": "text", "text": text});
    let want = json!([
        {"role": "user", "content": [text("Begin.")]},
        {"role": "assistant", "content": [text("welcome")]},
        {"role": "user", "content": [text("a"), text("b"), text("c")]},
        {"role": "assistant", "content": [text("d"), text("e")]},
    ]);
    assert_eq!((body, left), (want, ["messages", "messages[7].parts[0]"].map(str::to_owned).to_vec()));
}

#[test]
fn results_come_first_in_one_message_and_each_call_has_one() {
    let failed = Part::ToolResult { id: "c".into(), parts: vec![], error: true };
    let (body, left) = sent([
        Message::user("go"),
        says(Role::Assistant, [tool_call("a", "{\"x\":1}"), tool_call("b", ""), tool_call("c", "{}")]),
        Message::user("hurry"),
        says(Role::Tool, [tool_result("a", "1")]),
        says(Role::Tool, [failed, tool_result("gone", "9")]),
    ]);
    let call = |id: &str, input: Value| json!({"type": "tool_use", "id": id, "name": "f", "input": input});
    let text = |text: &str| json!({"type": "text", "text": text});
    let lost = "The call was not carried out, and there is no result.";
    let want = json!([
        {"role": "user", "content": [text("go")]},
        {"role": "assistant", "content": [call("a", json!({"x": 1})), call("b", json!({})), call("c", json!({}))]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": "1"},
            {"type": "tool_result", "tool_use_id": "c", "is_error": true},
            {"type": "tool_result", "tool_use_id": "b", "content": lost, "is_error": true},
            text("hurry"),
            text("What an earlier tool call gave: (gone)"),
            text("9"),
        ]},
    ]);
    assert_eq!((body, left), (want, vec!["messages[4].parts[1]".to_owned()]));
}

#[test]
fn calls_at_the_end_are_answered_too() {
    let (body, _) = sent([Message::user("go"), says(Role::Assistant, [tool_call("a", "{}")])]);
    assert_eq!(body[2]["content"][0]["tool_use_id"], "a");
    assert_eq!(body[2]["content"][0]["is_error"], true);
}

#[test]
fn ids_are_made_acceptable_and_each_ones_own() {
    let turn = |text: &str| {
        [says(Role::Assistant, [tool_call("call:0", "{}")]), says(Role::Tool, [tool_result("call:0", text)])]
    };
    let (body, _) = sent([vec![Message::user("go")], turn("1").to_vec(), turn("2").to_vec()].concat());
    let id = |message: usize, key: &str| body[message]["content"][0][key].as_str().unwrap().to_owned();
    assert_eq!((id(1, "id"), id(2, "tool_use_id")), ("call_0".into(), "call_0".into()));
    assert_eq!((id(3, "id"), id(4, "tool_use_id")), ("call_0_2".into(), "call_0_2".into()));
    assert_eq!((&body[2]["content"][0]["content"], &body[4]["content"][0]["content"]), (&json!("1"), &json!("2")));
}

#[test]
fn arguments_go_back_byte_for_byte_or_wrapped() {
    let custom =
        Part::ToolCall { id: "d".into(), name: "f".into(), arguments: "ls -l".into(), kind: ToolCallKind::Custom };
    let calls = [tool_call("a", "{ \"x\" : 1.50 }"), tool_call("b", "{\"x\":"), tool_call("c", "[1]"), custom];
    let messages = vec![Message::user("go"), says(Role::Assistant, calls)];
    let encoded = encoded(&ChatRequest { messages, ..ChatRequest::default() });
    assert!(String::from_utf8_lossy(&encoded.body).contains("\"input\":{ \"x\" : 1.50 }"));
    let body = body_of(&encoded);
    let input = |at: usize| body["messages"][1]["content"][at]["input"].clone();
    assert_eq!(input(1), json!({"arguments": "{\"x\":"}));
    assert_eq!((input(2), input(3)), (json!({"arguments": "[1]"}), json!({"input": "ls -l"})));
    assert_eq!(encoded.left_out.len(), 3);
}

#[test]
fn pictures_and_documents_have_their_forms() {
    let base64 = |kind: &str, data: &str| MediaSource::Base64 { media_type: kind.into(), data: data.into() };
    let parts = vec![
        Part::Image { source: base64("image/png", "AAAA"), detail: Some("low".into()) },
        Part::Image { source: MediaSource::Url { url: "https://example.org/a.png".into() }, detail: None },
        Part::Document { source: MediaSource::File { id: "file_1".into() }, name: Some("n".into()) },
        Part::Document { source: base64("application/pdf", "AAAA"), name: None },
        Part::Document { source: base64("text/plain", "aMOp"), name: None },
        Part::Audio { source: base64("audio/wav", "AAAA") },
    ];
    let (body, left) = sent([says(Role::User, parts)]);
    let want = json!([
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}, "title": "n"},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hé"}},
    ]);
    let lost = ["messages[0].parts[0].detail", "messages[0].parts[5]"];
    assert_eq!((body[0]["content"].clone(), left), (want, lost.map(str::to_owned).to_vec()));
}

#[test]
fn results_hold_pictures_and_marks() {
    let source = MediaSource::Base64 { media_type: "image/png".into(), data: "AAAA".into() };
    let parts = vec![Part::text("look"), Part::text(""), Part::Image { source, detail: None }];
    let mut result = says(Role::Tool, [Part::ToolResult { id: "a".into(), parts, error: false }]);
    result.cache = vec![CacheMark { part: 0, ttl: None }];
    let (body, left) = sent([Message::user("go"), says(Role::Assistant, [tool_call("a", "{}")]), result]);
    let want = json!({"type": "tool_result", "tool_use_id": "a", "cache_control": {"type": "ephemeral"}, "content": [
        {"type": "text", "text": "look"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
    ]});
    assert_eq!((&body[2]["content"][0], left.len()), (&want, 0));
}

#[test]
fn what_is_not_said_as_it_was_is_reported() {
    let source = || MediaSource::Base64 { media_type: "image/png".into(), data: "AAAA".into() };
    let picture = || Part::Image { source: source(), detail: Some("low".into()) };
    let failed = Part::ToolResult { id: "gone".into(), parts: vec![Part::text("9"), picture()], error: true };
    let own = |path: &str| Extra { wire: Wire::Anthropic, path: path.into(), json: json!(1) };
    let mut brief = Message::text(Role::System, "brief");
    (brief.name, brief.extra) = (Some("ann".into()), vec![own("/odd")]);
    let mut question = Message::user("hi");
    question.extra = vec![own("/odd")];
    let mark = |part| CacheMark { part, ttl: None };
    let mut answer = says(
        Role::Assistant,
        [Part::text(""), block_of("p", "m", json!({"tool_call": 3, "caller": 1})), Part::text("a \n")],
    );
    (answer.extra, answer.cache) = (vec![own("/odd")], vec![mark(0), mark(2)]);
    let (body, mut left) = sent([brief, question.clone(), question, says(Role::Tool, [failed]), answer]);
    let text = |text: &str| json!({"type": "text", "text": text});
    let picture = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}});
    let lost = "What an earlier tool call gave, and failed: (gone)";
    let mut last = text("a");
    last["cache_control"] = json!({"type": "ephemeral"});
    let want = json!([
        {"role": "user", "content": [text("hi"), text("hi"), text(lost), text("9"), picture], "odd": 1},
        {"role": "assistant", "content": [last], "odd": 1},
    ]);
    assert_eq!(body, want);
    left.sort();
    let want = [
        "messages[0].name",
        "messages[0]/odd",
        "messages[2]/odd",
        "messages[3].parts[0]",
        "messages[3].parts[0].parts[1].detail",
        "messages[4].cache[0]",
        "messages[4].parts[1]",
        "messages[4].parts[2]",
    ];
    assert_eq!(left, want);
}

#[test]
fn own_fields_go_with_results_that_were_written_before() {
    let mut second = says(Role::Tool, [tool_result("b", "2")]);
    second.extra = vec![Extra { wire: Wire::Anthropic, path: "/odd".into(), json: json!(1) }];
    let calls = says(Role::Assistant, [tool_call("a", "{}"), tool_call("b", "{}")]);
    let (body, left) = sent([Message::user("go"), calls, says(Role::Tool, [tool_result("a", "1")]), second]);
    assert_eq!((&body[2]["odd"], left), (&json!(1), vec![]));
}

#[test]
fn tools_have_schemas_of_objects() {
    let native = json!({"type": "web_search_20250305", "name": "web_search", "max_uses": 3});
    let bare =
        Tool::Function { name: "b".into(), description: None, parameters: None, strict: None, extra: Vec::new() };
    let tools = vec![
        tool("a", json!({"type": "object", "z": 1, "a": 2})),
        bare,
        tool("c", json!({"properties": {}})),
        tool("d", json!(true)),
        Tool::Native { wire: Wire::Anthropic, json: native.clone() },
        Tool::Native { wire: Wire::OpenaiChat, json: json!({"type": "custom"}) },
    ];
    let encoded = encoded(&ChatRequest { tools, ..ChatRequest::default() });
    let body = body_of(&encoded);
    let a =
        json!({"name": "a", "description": "d", "input_schema": {"type": "object", "z": 1, "a": 2}, "strict": true});
    assert_eq!((&body["tools"][0], &body["tools"][4]), (&a, &native));
    assert_eq!(body["tools"][1], json!({"name": "b", "input_schema": {"type": "object", "properties": {}}}));
    assert_eq!(body["tools"][2]["input_schema"], json!({"type": "object", "properties": {}}));
    assert_eq!(body["tools"].as_array().unwrap().len(), 5);
    assert_eq!(left_out(&encoded), ["tools[5]", "tools[3].parameters"]);
}

#[test]
fn choices_have_their_words() {
    let choice = |choice: Option<ToolChoice>, parallel: Option<bool>| {
        let tools = vec![tool("a.b", json!({"type": "object"}))];
        let request =
            ChatRequest { tools, tool_choice: choice, parallel_tool_calls: parallel, ..ChatRequest::default() };
        body_of(&encoded(&request))["tool_choice"].clone()
    };
    let named = Some(ToolChoice::Function { name: "a.b".into() });
    assert_eq!(choice(named, Some(true)), json!({"type": "tool", "name": "a_b", "disable_parallel_tool_use": false}));
    assert_eq!(choice(Some(ToolChoice::Required), None), json!({"type": "any"}));
    assert_eq!(choice(Some(ToolChoice::None), Some(false)), json!({"type": "none"}));
    assert_eq!(choice(None, Some(false)), json!({"type": "auto", "disable_parallel_tool_use": true}));
    assert_eq!(choice(None, Some(true)), Value::Null);
    let alone = ChatRequest { tool_choice: Some(ToolChoice::Required), ..ChatRequest::default() };
    let alone = encoded(&alone);
    assert_eq!((body_of(&alone)["tool_choice"].clone(), left_out(&alone)), (Value::Null, vec!["tool_choice".into()]));
}

#[test]
fn a_schema_is_the_form_of_an_answer() {
    let schema = json!({"type": "object", "z": 1, "a": 2});
    let format = ResponseFormat::JsonSchema {
        name: "n".into(),
        description: None,
        schema: Some(schema.clone()),
        strict: Some(true),
    };
    let request = ChatRequest { response_format: Some(format), ..ChatRequest::default() };
    let body = body_of(&encoded(&request));
    assert_eq!(body["output_config"], json!({"format": {"type": "json_schema", "schema": schema}}));
    let any = encoded(&ChatRequest { response_format: Some(ResponseFormat::JsonObject), ..ChatRequest::default() });
    assert_eq!((body_of(&any)["output_config"].clone(), left_out(&any)), (Value::Null, vec!["response_format".into()]));
}

#[test]
fn a_conversation_of_another_wire_is_said_without_its_own() {
    let mut answer = says(
        Role::Assistant,
        [
            Part::Thinking { text: "hm".into() },
            block_of("q", "m", json!({"type": "thinking", "thinking": "hm", "signature": "s"})),
            block_of("q", "n", json!({"reasoning_details": [{"signature": "s"}]})),
            Part::Refusal { text: "no".into() },
            tool_call("call_9", "{}"),
        ],
    );
    answer.extra = vec![Extra { wire: Wire::OpenaiChat, path: "/audio".into(), json: json!({"id": "a"}) }];
    let request = ChatRequest {
        messages: vec![Message::user("go"), answer, says(Role::Tool, [tool_result("call_9", "1")])],
        extra: vec![Extra { wire: Wire::OpenaiChat, path: "/logit_bias".into(), json: json!({}) }],
        ..ChatRequest::default()
    };
    let encoded = encoded(&request);
    let body = body_of(&encoded);
    let want = json!([{"type": "text", "text": "no"}, {"type": "tool_use", "id": "call_9", "name": "f", "input": {}}]);
    assert_eq!(body["messages"][1]["content"], want);
    assert_eq!(body["messages"][2]["content"][0]["tool_use_id"], "call_9");
    let left = left_out(&encoded);
    let want =
        ["/logit_bias", "messages[1]/audio", "messages[1].parts[0]", "messages[1].parts[1]", "messages[1].parts[2]"];
    assert_eq!(left, want);
    assert!(!body.to_string().contains("signature"));
}

fn block_of(provider: &str, model: &str, data: Value) -> Part {
    Part::Opaque { provider: provider.into(), model: model.into(), data }
}

#[test]
fn a_request_of_an_openai_client_can_be_sent() {
    let body = json!({"model": "x", "max_completion_tokens": 64, "stop": "END", "n": 1,
        "messages": [{"role": "developer", "content": "brief"},
            {"role": "user", "content": [{"type": "text", "text": "see"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "2"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "tool_choice": "required", "parallel_tool_calls": false});
    let served = openai_chat::decode_request(body.to_string().as_bytes()).unwrap();
    let encoded = encoded(&served.request);
    let want = json!({"model": "m", "max_tokens": 64, "stream": true, "stop_sequences": ["END"],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true}, "system": "brief",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "see"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "2"}]}]});
    assert_eq!(body_of(&encoded), want);
    assert_eq!(left_out(&encoded), ["/n"]);
}

#[test]
fn a_count_asks_for_the_prompt_alone() {
    let own = |path: &str, json: Value| Extra { wire: Wire::Anthropic, path: path.into(), json };
    let request = ChatRequest {
        messages: vec![Message::user("hi")],
        max_tokens: Some(5),
        temperature: Some(1.0),
        stop: vec!["x".into()],
        tools: vec![tool("a", json!({"type": "object"}))],
        extra: vec![own("/top_k", json!(5)), own("/cache_control", json!({"type": "ephemeral"}))],
        ..ChatRequest::default()
    };
    let body = body_of(&encode_count(&request, "p", "m", &Dialect::of_model("m")));
    let keys: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["model", "cache_control", "tools", "messages"]);
}

#[test]
fn vertex_names_the_version_and_not_the_model() {
    let request = ChatRequest { messages: vec![Message::user("hi")], ..ChatRequest::default() };
    let body = body_of(&encode_request(&request, "p", "m", &Dialect::of_model("m").on_vertex()));
    assert_eq!((&body["anthropic_version"], &body["model"]), (&json!("vertex-2023-10-16"), &Value::Null));
}
