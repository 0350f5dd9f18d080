//! What servers would refuse, or have no word for, is said in another way, and reported.

use greenroom_wire::{
    ChatEvent, ChatRequest, Message, Part, Role,
    chat::{CacheMark, Extra, MediaSource, Tool, ToolCallKind, ToolChoice, Wire},
    openai_chat::{Dialect, OpenaiChatDecoder, StreamWriter, ToolNames, decode_answer, encode_request},
};
use greenroom_wire::{StreamDecoder, StreamState};
use serde_json::{Value, json};

use crate::harness::*;

/// The messages as they are sent, and where something was left out or said differently.
fn sent(messages: impl Into<Vec<Message>>, dialect: &Dialect) -> (Value, Vec<String>) {
    let request = ChatRequest { messages: messages.into(), ..ChatRequest::default() };
    let encoded = encode_request(&request, "p", "m", dialect);
    let mut body: Value = serde_json::from_slice(&encoded.body).unwrap();
    (body["messages"].take(), encoded.left_out.into_iter().map(|left| left.at).collect())
}

fn tool_call(id: &str, name: &str) -> Part {
    Part::ToolCall { id: id.into(), name: name.into(), arguments: "{}".into(), kind: ToolCallKind::Function }
}

fn tool_result(id: &str, text: &str) -> Part {
    Part::ToolResult { id: id.into(), parts: vec![Part::text(text)], error: false }
}

fn says(role: Role, parts: impl Into<Vec<Part>>) -> Message {
    Message::new(role, parts.into())
}

fn own(data: Value) -> Part {
    Part::Opaque { provider: "p".into(), model: "m".into(), data }
}

fn thought(text: &str) -> Part {
    Part::Thinking { text: text.into() }
}

#[test]
fn a_failed_call_says_so_in_its_text() {
    let failed = |id: &str, parts: Vec<Part>| Part::ToolResult { id: id.into(), parts, error: true };
    let results = [
        failed("a", vec![Part::text("no such file"), Part::text("x")]),
        failed("b", vec![Part::text("Error: no such file")]),
        failed("c", vec![]),
    ];
    let calls = ["a", "b", "c"].map(|id| tool_call(id, "f"));
    let (messages, left) = sent([says(Role::Assistant, calls), says(Role::Tool, results)], &Dialect::OPENAI);
    assert_eq!(messages[1]["content"][0]["text"], "Error: no such file");
    assert_eq!(
        (&messages[1]["content"][1]["text"], &messages[2]["content"]),
        (&json!("x"), &json!("Error: no such file"))
    );
    assert_eq!(messages[3]["content"], "Error: the call failed.");
    assert_eq!(left, ["messages[1].parts[0].error", "messages[1].parts[1].error", "messages[1].parts[2].error"]);
}

#[test]
fn calls_that_no_model_said_have_an_answer_of_their_own() {
    let user = says(Role::User, [Part::text("x"), tool_call("a", "f"), Part::text("y")]);
    let tool = says(Role::Tool, [tool_result("a", "1"), tool_call("b", "g"), Part::text("z")]);
    let (messages, left) = sent([user, tool, Message::user("on")], &Dialect::OPENAI);
    let call = |id: &str, name: &str| {
        json!({"role": "assistant", "content": null,
        "tool_calls": [{"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}}]})
    };
    let text = |text: &str| json!({"type": "text", "text": text});
    let missing = "Error: the call was not carried out, and there is no result.";
    let want = json!([
        {"role": "user", "content": [text("x"), text("y")]},
        call("a", "f"),
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "user", "content": "z"},
        call("b", "g"),
        {"role": "tool", "tool_call_id": "b", "content": missing},
        {"role": "user", "content": "on"},
    ]);
    assert_eq!(messages, want);
    assert_eq!(left, ["messages[0].parts[1]", "messages[1].parts[2]", "messages[1].parts[1]"]);
}

#[test]
fn results_come_right_after_their_calls_or_as_text() {
    let picture = Part::Image { source: MediaSource::Url { url: "https://example.org/a.png".into() }, detail: None };
    let failed = Part::ToolResult { id: "gone".into(), parts: vec![Part::text("9"), picture.clone()], error: true };
    let (messages, left) = sent(
        [
            says(Role::Assistant, [tool_call("a", "f")]),
            Message::user("hurry"),
            says(Role::Tool, [tool_result("a", "1"), tool_result("a", "2")]),
            says(Role::Tool, [failed]),
        ],
        &Dialect::OPENAI,
    );
    let text = |text: &str| json!({"type": "text", "text": text});
    let want = json!([
        {"role": "assistant", "content": null,
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "user", "content": "hurry"},
        {"role": "user", "content": [text("What an earlier tool call gave: (a)"), text("2")]},
        {"role": "user", "content": [text("What an earlier tool call gave, and failed: (gone)"), text("9"),
            {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]},
    ]);
    assert_eq!(messages, want);
    assert_eq!(left, ["messages[2].parts[1]", "messages[3].parts[0]"]);
}

#[test]
fn a_result_belongs_to_one_call_and_to_the_nearest() {
    let contents = |messages: Vec<Message>| {
        let (messages, _) = sent(messages, &Dialect::OPENAI);
        let messages = messages.as_array().unwrap().clone();
        let of = |message: &Value| message["content"].as_str().map(|text| text.chars().take(5).collect::<String>());
        messages.iter().filter(|message| message["role"] == "tool").filter_map(of).collect::<Vec<_>>()
    };
    let first = says(Role::Assistant, [tool_call("a", "f")]);
    let result = says(Role::Tool, [tool_result("a", "1")]);
    let second = says(Role::User, [tool_call("a", "f")]);
    assert_eq!(contents(vec![first.clone(), second, result]), ["Error", "1"]);
    let both = says(Role::Tool, [tool_result("a", "1"), tool_call("a", "f")]);
    assert_eq!(contents(vec![first, both]), ["1", "Error"]);
}

#[test]
fn thinking_goes_back_where_it_is_taken() {
    let turn = |parts: Vec<Part>| says(Role::Assistant, [parts, vec![Part::text("x")]].concat());
    let details =
        |text: &str| json!({"reasoning_details": [{"type": "reasoning.text", "text": text, "signature": "s"}]});
    for dialect in [Dialect::OPENAI, Dialect::COMPATIBLE, Dialect::MISTRAL] {
        let (messages, left) = sent([turn(vec![thought("hm")])], &dialect);
        assert_eq!(messages, json!([{"role": "assistant", "content": "x"}]));
        assert_eq!(left, ["messages[0].parts[0]"]);
        // What only its provider can read has said it already.
        let (_, left) = sent([turn(vec![thought("hm"), own(details("hm, yes"))])], &dialect);
        assert_eq!(left, [""; 0]);
        // There was nothing.
        assert_eq!(sent([turn(vec![thought("")])], &dialect).1, [""; 0]);
    }
    let (messages, left) = sent([turn(vec![thought("hm")])], &Dialect::OPENROUTER);
    assert_eq!((messages, left), (json!([{"role": "assistant", "content": "x", "reasoning": "hm"}]), vec![]));
    let (messages, left) = sent([turn(vec![thought("hm"), own(details("hm"))])], &Dialect::OPENROUTER);
    assert_eq!((messages[0].get("reasoning"), left), (None, vec![]), "it is said once");
    // Thinking is said first, and an empty one is what DeepSeek wants beside calls.
    let late = says(Role::Assistant, [thought("a"), Part::text("x"), thought("b")]);
    let (messages, left) = sent([late], &Dialect::REASONING_CONTENT);
    assert_eq!((&messages[0]["reasoning_content"], left), (&json!("ab"), vec!["messages[0].parts[2]".to_owned()]));
    let (messages, _) = sent([turn(vec![thought("")])], &Dialect::REASONING_CONTENT);
    assert_eq!(messages[0]["reasoning_content"], "");
}

#[test]
fn all_that_a_provider_said_for_itself_goes_back_or_is_reported() {
    let details = |data: &str| json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": data}]});
    let of_call = |text: &str, call: u32| own(json!({"extra_content": {"s": text}, "tool_call": call}));
    let parts = [
        own(details("1")),
        own(json!({"unheard_of": 1})),
        own(json!({"reasoning_opaque": "old"})),
        Part::text("x"),
        own(details("2")),
        own(json!({"reasoning_opaque": "new"})),
        tool_call("a", "f"),
        of_call("first", 0),
        of_call("last", 0),
        of_call("no call", 1),
    ];
    let (messages, mut left) = sent([says(Role::Assistant, parts)], &Dialect::OPENAI);
    let want = json!([{"type": "reasoning.encrypted", "data": "1"}, {"type": "reasoning.encrypted", "data": "2"}]);
    assert_eq!((&messages[0]["reasoning_details"], &messages[0]["reasoning_opaque"]), (&want, &json!("new")));
    assert_eq!(messages[0]["tool_calls"][0]["extra_content"], json!({"s": "last"}));
    left.sort();
    assert_eq!(left, [1, 2, 7, 9].map(|part| format!("messages[0].parts[{part}]")));
}

#[test]
fn what_is_said_after_a_call_is_said_before_it() {
    let turn = says(Role::Assistant, [Part::text("a"), tool_call("c", "f"), Part::text("b"), Part::text("")]);
    let (messages, left) = sent([turn, says(Role::Tool, [tool_result("c", "1")])], &Dialect::OPENAI);
    assert_eq!((&messages[0]["content"][1]["text"], left), (&json!("b"), vec!["messages[0].parts[2]".to_owned()]));
}

#[test]
fn each_cache_mark_is_said_or_reported() {
    let mark = |part| CacheMark { part, ttl: None };
    let message = Message { cache: vec![mark(0), mark(0), mark(7)], ..Message::user("x") };
    let mut result = says(Role::Tool, [tool_result("c", "1")]);
    result.cache = vec![mark(0)];
    let mut turn = says(Role::Assistant, [tool_call("c", "f")]);
    turn.cache = vec![mark(0)];
    let messages = [message, turn, result];
    let (_, left) = sent(messages.clone(), &Dialect::OPENAI);
    let all = [
        "messages[0].cache[0]",
        "messages[0].cache[1]",
        "messages[0].cache[2]",
        "messages[1].cache[0]",
        "messages[2].cache[0]",
    ];
    assert_eq!(left, all);
    let (written, left) = sent(messages, &Dialect::OPENROUTER);
    assert_eq!(left, all[1..4]);
    assert!(written[0]["content"][0]["cache_control"].is_object());
    assert!(written[2]["content"][0]["cache_control"].is_object());
}

#[test]
fn nothing_empty_is_left_of_what_cannot_be_said() {
    let file = || Part::Image { source: MediaSource::File { id: "x".into() }, detail: None };
    let mut odd = says(Role::User, [file()]);
    odd.extra = vec![Extra { wire: Wire::OpenaiChat, path: "/content/0/odd".into(), json: json!(1) }];
    let foreign = Part::Opaque { provider: "q".into(), model: "m".into(), data: json!({}) };
    let (messages, left) = sent([odd, says(Role::Assistant, [foreign]), Message::user("x")], &Dialect::OPENAI);
    assert_eq!(messages, json!([{"role": "user", "content": ""}, {"role": "user", "content": "x"}]));
    assert_eq!(left, ["messages[0].parts[0]", "messages[1].parts[0]"]);
}

#[test]
fn ids_have_the_form_that_a_server_takes() {
    let long = "x".repeat(65);
    let turn = |id: &str, text: &str| {
        [
            says(Role::Assistant, [tool_call(id, "f"), tool_call(id, "f")]),
            says(Role::Tool, [tool_result(id, text), tool_result(id, text)]),
        ]
    };
    let conversation = [turn("call:0", "1"), turn(&long, "2"), turn("call:0", "3")].concat();
    let ids = |dialect: &Dialect| {
        let (messages, _) = sent(conversation.clone(), dialect);
        let of_turn = |turn: usize| {
            let calls = [0, 1].map(|call| messages[3 * turn]["tool_calls"][call]["id"].as_str().unwrap().to_owned());
            let results = [1, 2].map(|result| messages[3 * turn + result]["tool_call_id"].as_str().unwrap().to_owned());
            assert_eq!(calls, results);
            calls
        };
        [0, 1, 2].map(of_turn)
    };
    let openai = ids(&Dialect::OPENAI);
    assert_eq!(openai[0], ["call:0", "call:0_2"], "two calls of an answer are told apart");
    assert_eq!(openai[1], ["x".repeat(64), format!("{}_2", "x".repeat(62))]);
    assert_eq!(openai[2], openai[0], "an id stays the same in every turn");
    let mistral = ids(&Dialect::MISTRAL);
    assert_eq!(mistral[0], ["0000call0", "0000call2"]);
    assert_eq!((mistral[1][0].as_str(), &mistral[2]), ("xxxxxxxxx", &mistral[0]));
}

fn request_of_odd_names() -> ChatRequest {
    let function = |name: &str| Tool::Function {
        name: name.into(),
        description: None,
        parameters: None,
        strict: None,
        extra: Vec::new(),
    };
    let mut result = says(Role::Tool, [tool_result("1", "x")]);
    result.name = Some("a.b".into());
    ChatRequest {
        tools: vec![function("a.b"), function("a_b"), function("ok")],
        tool_choice: Some(ToolChoice::Function { name: "a.b".into() }),
        messages: vec![says(Role::Assistant, [tool_call("1", "a.b"), tool_call("2", "gone!")]), result],
        ..ChatRequest::default()
    }
}

#[test]
fn names_have_the_form_that_servers_take() {
    let encoded = encode_request(&request_of_odd_names(), "p", "m", &Dialect::COMPATIBLE);
    let body: Value = serde_json::from_slice(&encoded.body).unwrap();
    let names: Vec<_> = (0..3).map(|tool| body["tools"][tool]["function"]["name"].clone()).collect();
    assert_eq!(names, ["a_b_2", "a_b", "ok"]);
    assert_eq!(body["tool_choice"]["function"]["name"], "a_b_2");
    let calls = &body["messages"][0]["tool_calls"];
    assert_eq!((&calls[0]["function"]["name"], &calls[1]["function"]["name"]), (&json!("a_b_2"), &json!("gone_")));
    assert_eq!(body["messages"][1]["name"], "a_b_2");
}

#[test]
fn tools_are_called_by_the_names_that_the_caller_gave_them() {
    let names = encode_request(&request_of_odd_names(), "p", "m", &Dialect::COMPATIBLE).names;
    let function = |index: u32, name: &str| {
        json!({"index": index, "id": format!("c{index}"), "type": "function",
        "function": {"name": name, "arguments": "{}"}})
    };
    let custom = json!({"index": 2, "id": "c2", "type": "custom", "custom": {"name": "gone_", "input": "x"}});
    let calls = json!([function(0, "a_b_2"), function(1, "a_b"), custom]);
    let called = |events: &[ChatEvent]| -> Vec<String> {
        let name = |event: &ChatEvent| match event {
            ChatEvent::ToolCallStarted { name, .. } => Some(name.clone()),
            _ => None,
        };
        events.iter().filter_map(name).collect()
    };
    let stream = sse(&[delta(json!({"tool_calls": calls})), end("tool_calls")]);
    let whole =
        json!({"id": "a", "choices": [{"index": 0, "message": {"tool_calls": calls}, "finish_reason": "tool_calls"}]});
    let whole = whole.to_string().into_bytes();
    assert_eq!(called(&decode_with(&names, 1, &stream)), ["a.b", "a_b", "gone!"]);
    assert_eq!(called(&decode_answer(&whole, 1, &names).unwrap()), ["a.b", "a_b", "gone!"]);
    assert_eq!(called(&decode_answer(&whole, 1, &ToolNames::default()).unwrap()), ["a_b_2", "a_b", "gone_"]);
    let legacy = sse(&[delta(json!({"function_call": {"name": "a_b_2", "arguments": "{}"}})), end("function_call")]);
    assert_eq!(called(&decode_with(&names, 1, &legacy)), ["a.b"]);

    // Another choice goes out as it is, but for the names.
    let other = |delta: Value| json!({"id": "a", "choices": [{"index": 1, "delta": delta, "finish_reason": "stop"}]});
    let stream = sse(&[end("stop"), other(json!({"tool_calls": calls}))]);
    let extras: Vec<_> = decode_with(&names, 2, &stream)
        .into_iter()
        .filter_map(|event| match event {
            ChatEvent::Extra(extra) if extra.path == "/choices/1/delta" => Some(extra.json),
            _ => None,
        })
        .collect();
    assert_eq!(extras[0]["tool_calls"][0]["function"]["name"], "a.b");
    assert_eq!(extras[0]["tool_calls"][2]["custom"]["name"], "gone!");
}

fn decode_with(names: &ToolNames, choices: u32, stream: &[u8]) -> Vec<ChatEvent> {
    let mut decoder = OpenaiChatDecoder::new(choices).with_names(names.clone());
    decoder.handle_bytes(stream);
    decoder.handle_end();
    assert!(matches!(decoder.state(), StreamState::Done), "{:?}", decoder.state());
    std::iter::from_fn(|| decoder.poll_event()).collect()
}

#[test]
fn a_prompt_is_no_larger_than_it_was_though_more_of_it_is_said_to_be_cached() {
    let usage = json!({"prompt_tokens": 347, "completion_tokens": 18, "total_tokens": 365,
        "prompt_tokens_details": {"cached_tokens": 403}});
    let chunk = json!({"id": "a", "choices": [], "usage": usage});
    let events = read(&[delta(json!({"content": "x"})), end("stop"), chunk]);
    let mut writer = StreamWriter::new("a", 7, "m").include_usage(true);
    let mut out = Vec::new();
    events.iter().for_each(|event| writer.write(event, &mut out));
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains("\"prompt_tokens\":347") && out.contains("\"cached_tokens\":347"), "{out}");
}
