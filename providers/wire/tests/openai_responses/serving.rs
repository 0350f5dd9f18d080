//! Answers to our own clients.

use greenroom_wire::{
    ChatError, ChatEvent, ErrorKind, FinishReason, Usage,
    chat::{Extra, ToolCallKind, Wire},
    openai_responses::{Echo, StreamWriter, ToolNames, decode_request, whole_response},
};
use serde_json::{Value, json};

use crate::harness::*;

/// What the answer to this request repeats of it.
pub(crate) fn echo(body: &Value) -> Echo {
    decode_request(body.to_string().as_bytes()).unwrap().echo
}

fn plain() -> Echo {
    echo(&json!({"model": "m", "input": "hi"}))
}

/// The events as a stream has them, by their names and data, which agree and are numbered through.
pub(crate) fn frames(stream: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(stream).unwrap();
    let frames = text.split_terminator("\n\n").enumerate().map(|(number, frame)| {
        let (name, data) = frame.split_once('\n').unwrap();
        let json: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), json["type"].as_str());
        assert_eq!(json["sequence_number"], number);
        json
    });
    frames.collect()
}

pub(crate) fn stream_of(events: &[ChatEvent], echo: Echo) -> Vec<u8> {
    let mut writer = StreamWriter::new("resp_1", 7, "m", echo);
    let mut out = Vec::new();
    events.iter().for_each(|event| writer.write(event, &mut out));
    out
}

fn served(events: impl IntoIterator<Item = ChatEvent>, reason: FinishReason) -> Vec<Value> {
    let events: Vec<_> = [started()].into_iter().chain(events).chain([finished(reason)]).collect();
    frames(&stream_of(&events, plain()))
}

/// The types of events without those of the response.
fn kinds(frames: &[Value]) -> Vec<&str> {
    let kinds = frames.iter().map(|frame| frame["type"].as_str().unwrap().strip_prefix("response.").unwrap());
    kinds.filter(|kind| !["created", "in_progress", "completed"].contains(kind)).collect()
}

fn last_output(frames: &[Value]) -> &Value {
    &frames.last().unwrap()["response"]["output"]
}

#[test]
fn a_stream_is_byte_for_byte_openais() {
    let counts = Usage { input: 1, output: 2, reasoning: 1, cache_read: 3, ..Usage::default() };
    let head = extra("/output/0", json!({"type": "message", "id": "msg_a", "phase": "final_answer"}));
    let events = [started(), head, text("a\"\u{2028}"), ChatEvent::Usage(counts), finished(FinishReason::Stop)];
    let stream = String::from_utf8(stream_of(&events, plain())).unwrap();
    let response = |status: &str, output: &str, usage: &str| {
        format!(
            concat!(
                r#"{{"id":"resp_1","object":"response","created_at":7,"status":"{}","background":false,"error":null,"#,
                r#""incomplete_details":null,"model":"m","output":[{}],"store":false,"instructions":null,"#,
                r#""max_output_tokens":null,"max_tool_calls":null,"metadata":{{}},"parallel_tool_calls":true,"#,
                r#""previous_response_id":null,"prompt_cache_key":null,"reasoning":{{"effort":null,"summary":null}},"#,
                r#""safety_identifier":null,"temperature":null,"text":{{"format":{{"type":"text"}}}},"#,
                r#""tool_choice":"auto","tools":[],"top_logprobs":null,"top_p":null,"truncation":"disabled","usage":{}}}"#
            ),
            status, output, usage
        )
    };
    let part = |text: &str| format!(r#"{{"type":"output_text","text":"{text}","annotations":[],"logprobs":[]}}"#);
    let item = |status: &str, content: &str| {
        format!(
            concat!(
                r#"{{"id":"msg_a","type":"message","status":"{}","role":"assistant","content":[{}],"#,
                r#""phase":"final_answer"}}"#
            ),
            status, content
        )
    };
    let of_item = r#""item_id":"msg_a","output_index":0,"content_index":0"#;
    let whole = item("completed", &part("a\\\"\\u2028"));
    let usage = concat!(
        r#"{"input_tokens":4,"input_tokens_details":{"cached_tokens":3,"cache_write_tokens":0},"output_tokens":2,"#,
        r#""output_tokens_details":{"reasoning_tokens":1},"total_tokens":6}"#
    );
    let want = [
        ("created", format!(r#""response":{}"#, response("in_progress", "", "null"))),
        ("in_progress", format!(r#""response":{}"#, response("in_progress", "", "null"))),
        ("output_item.added", format!(r#""output_index":0,"item":{}"#, item("in_progress", ""))),
        ("content_part.added", format!(r#"{of_item},"part":{}"#, part(""))),
        ("output_text.delta", format!(r#"{of_item},"delta":"a\"\u2028","logprobs":[]"#)),
        ("output_text.done", format!(r#"{of_item},"text":"a\"\u2028","logprobs":[]"#)),
        ("content_part.done", format!(r#"{of_item},"part":{}"#, part("a\\\"\\u2028"))),
        ("output_item.done", format!(r#""output_index":0,"item":{whole}"#)),
        ("completed", format!(r#""response":{}"#, response("completed", &whole, usage))),
    ];
    let want = want.iter().enumerate().map(|(number, (kind, rest))| {
        let head = format!(r#"{{"type":"response.{kind}","sequence_number":{number}"#);
        format!("event: response.{kind}\ndata: {head},{rest}}}\n\n")
    });
    assert_eq!(stream, want.collect::<String>());
}

#[test]
fn a_response_repeats_its_request() {
    let request = json!({"model": "m", "input": "x", "instructions": "brief", "temperature": 0.5, "top_p": null,
        "metadata": {"a": "b"}, "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "g"}],
        "text": {"verbosity": "low"}, "reasoning": {"effort": "low"}, "tool_choice": {"type": "function", "name": "f"},
        "parallel_tool_calls": false, "max_output_tokens": 99, "user": "u"});
    let body = whole_response(&[started(), finished(FinishReason::Stop)], "resp_1", 7, "m", echo(&request));
    let response: Value = serde_json::from_slice(&body).unwrap();
    let want = json!({"instructions": "brief", "temperature": 0.5, "top_p": null, "metadata": {"a": "b"},
        "tools": [{"type": "function", "name": "f", "parameters": null, "strict": null}, {"type": "custom", "name": "g"}],
        "text": {"verbosity": "low", "format": {"type": "text"}}, "reasoning": {"effort": "low", "summary": null},
        "tool_choice": {"type": "function", "name": "f"}, "parallel_tool_calls": false, "max_output_tokens": 99});
    for (key, value) in want.as_object().unwrap() {
        assert_eq!(response[key], *value, "{key}");
    }
}

#[test]
fn thoughts_calls_and_texts_are_items_one_after_the_other() {
    let events = [
        thinking("hm"),
        thinking("?"),
        text("I look."),
        call(0, "c", "f"),
        args(0, "{}"),
        called(0),
        ChatEvent::ToolCallStarted { index: 1, id: "d".into(), name: "g".into(), kind: ToolCallKind::Custom },
        args(1, "x"),
        called(1),
    ];
    let frames = served(events, FinishReason::ToolCalls);
    let want = [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
    ];
    assert_eq!(kinds(&frames), want);
    let want = json!([
        {"id": "rs_100", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm?"}]},
        {"id": "msg_101", "type": "message", "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": "I look.", "annotations": [], "logprobs": []}]},
        {"id": "fc_102", "type": "function_call", "status": "completed", "call_id": "c", "name": "f", "arguments": "{}"},
        {"id": "ctc_103", "type": "custom_tool_call", "status": "completed", "call_id": "d", "name": "g", "input": "x"},
    ]);
    assert_eq!(*last_output(&frames), want);
}

#[test]
fn calls_side_by_side_stand_in_the_order_of_their_beginnings() {
    let events = [
        call(0, "c", "f"),
        args(0, "{\"a\""),
        call(1, "d", "f"),
        args(1, "{}"),
        args(0, ":1}"),
        called(1),
        text("and"),
        called(0),
        call(2, "e", "f"),
    ];
    let frames = served(events, FinishReason::Length);
    let items = last_output(&frames).as_array().unwrap().iter();
    let items: Vec<_> =
        items.map(|item| (item["call_id"].as_str(), item["arguments"].as_str(), &item["status"])).collect();
    let (completed, incomplete) = (json!("completed"), json!("incomplete"));
    let want = [
        (Some("c"), Some("{\"a\":1}"), &completed),
        (Some("d"), Some("{}"), &completed),
        (None, None, &completed),
        (Some("e"), Some("{}"), &incomplete),
    ];
    assert_eq!(items, want);
}

#[test]
fn what_goes_back_stands_in_its_place_as_it_was() {
    let reasoning = json!({"type": "reasoning", "id": "rs_a", "summary": [{"type": "summary_text", "text": "h"},
        {"type": "summary_text", "text": "m"}], "encrypted_content": "secret"});
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "q"}});
    let call_fields = json!({"call": {"call_id": "c", "id": "fc_a", "status": "completed", "caller": "x"}});
    let events = [
        extra("/output/0", json!({"type": "reasoning", "id": "rs_a"})),
        thinking("h\n\nm"),
        opaque(json!({"item": reasoning})),
        opaque(json!({"item": search})),
        extra("/output/2", json!({"type": "message", "id": "msg_a", "phase": "commentary"})),
        text("one"),
        opaque(json!({"message": {"id": "msg_a", "status": "completed", "phase": "commentary"}})),
        text("two"),
        extra("/output/4", json!({"type": "function_call", "id": "fc_a", "call_id": "c"})),
        call(0, "c", "f"),
        called(0),
        opaque(call_fields),
        opaque(json!({"type": "thinking", "signature": "of another wire"})),
    ];
    let frames = served(events, FinishReason::ToolCalls);
    let said = |id: &str, text: &str| {
        let mut item = message_item(id, json!([output_text(text)]));
        if id == "msg_a" {
            item["phase"] = "commentary".into();
        }
        item
    };
    let called = json!({"id": "fc_a", "type": "function_call", "status": "completed", "call_id": "c", "name": "f",
        "arguments": "{}", "caller": "x"});
    let want = json!([reasoning, search, said("msg_a", "one"), said("msg_103", "two"), called]);
    assert_eq!(*last_output(&frames), want);
    let ids = frames.iter().filter(|frame| frame["output_index"] == 0);
    let ids: Vec<_> = ids.filter_map(|frame| frame["item_id"].as_str().or(frame["item"]["id"].as_str())).collect();
    assert!(ids.len() > 4 && ids.iter().all(|id| *id == "rs_a"), "an item has one id from its start on: {ids:?}");
}

#[test]
fn sources_of_any_wire_are_annotations() {
    let own = json!({"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1});
    let of_chat = json!({"type": "url_citation", "url_citation": {"url": "v", "start_index": 1, "end_index": 2}});
    let of_anthropic = json!({"type": "web_search_result_location", "url": "w", "title": "t", "cited_text": "x"});
    let of_a_page = json!({"type": "page_location", "document_index": 0});
    let cite = |json: &Value| ChatEvent::Citation { json: json.clone() };
    let events = [text("hé"), cite(&own), cite(&of_chat), cite(&of_anthropic), cite(&of_a_page)];
    let frames = served(events, FinishReason::Stop);
    let want = json!([
        own,
        {"type": "url_citation", "url": "v", "title": "", "start_index": 1, "end_index": 2},
        {"type": "url_citation", "url": "w", "title": "t", "start_index": 2, "end_index": 2},
    ]);
    assert_eq!(last_output(&frames)[0]["content"][0]["annotations"], want);
    let added = frames.iter().filter(|frame| frame["type"] == "response.output_text.annotation.added");
    assert_eq!(added.map(|frame| frame["annotation"].clone()).collect::<Value>(), want);
}

#[test]
fn pictures_are_told_once() {
    let picture = |data: &str| ChatEvent::Media { media_type: "image/png".into(), data: data.into() };
    let own = json!({"type": "image_generation_call", "id": "ig_1", "result": "AAAA", "status": "completed"});
    let frames =
        served([picture("AAAA"), opaque(json!({"item": own})), picture("BBBB"), text("x")], FinishReason::Stop);
    let made = json!({"id": "ig_101", "type": "image_generation_call", "status": "completed", "result": "BBBB",
        "output_format": "png"});
    let output = last_output(&frames);
    assert_eq!((&output[0], &output[1], output.as_array().unwrap().len()), (&own, &made, 3));
}

#[test]
fn an_answer_says_how_it_ended() {
    let end = |events: &[ChatEvent], reason| {
        let frames = served(events.to_vec(), reason);
        let last = frames.last().unwrap();
        let response = &last["response"];
        assert_eq!(last["type"], format!("response.{}", response["status"].as_str().unwrap()));
        json!([response["status"], response["incomplete_details"]["reason"], response["output"][0]["status"]])
    };
    let said = [text("x")];
    assert_eq!(end(&said, FinishReason::Stop), json!(["completed", null, "completed"]));
    assert_eq!(end(&said, FinishReason::Length), json!(["incomplete", "max_output_tokens", "incomplete"]));
    assert_eq!(end(&said, FinishReason::ContentFilter), json!(["incomplete", "content_filter", "incomplete"]));
    assert_eq!(end(&said, FinishReason::Other("odd".into())), json!(["incomplete", "odd", "incomplete"]));
    let refused = [ChatEvent::Refusal { delta: "no".into() }];
    assert_eq!(end(&refused, FinishReason::Refusal), json!(["completed", null, "completed"]));
    assert_eq!(end(&[], FinishReason::Refusal), json!(["incomplete", "content_filter", null]));
    assert_eq!(end(&[call(0, "c", "f"), args(0, "{")], FinishReason::Length)[2], "incomplete");
}

#[test]
fn extras_of_this_wire_stand_in_the_response_and_others_do_not() {
    let foreign = Extra { wire: Wire::OpenaiChat, path: "/system_fingerprint".into(), json: "f".into() };
    let events = [
        text("x"),
        extra("/output/0/content/0/logprobs", json!([{"token": "x", "logprob": -1}])),
        extra("/service_tier", json!("flex")),
        extra("/status", json!("never")),
        extra("/usage/cost", json!(1)),
        ChatEvent::Extra(foreign),
        usage(1, 2),
    ];
    let frames = served(events, FinishReason::Stop);
    let response = &frames.last().unwrap()["response"];
    assert_eq!((&response["service_tier"], &response["usage"]["cost"]), (&json!("flex"), &json!(1)));
    assert_eq!((&response["status"], response.get("system_fingerprint")), (&json!("completed"), None));
    assert_eq!(response["output"][0]["content"][0]["logprobs"], json!([{"token": "x", "logprob": -1}]));
}

#[test]
fn an_error_ends_the_stream_as_the_api_ends_it() {
    let kinds = [
        (ErrorKind::RateLimited, "rate_limit_exceeded"),
        (ErrorKind::Billing, "insufficient_quota"),
        (ErrorKind::ContextOverflow, "context_length_exceeded"),
        (ErrorKind::ContentFilter, "content_filter"),
        (ErrorKind::InvalidRequest, "invalid_prompt"),
        (ErrorKind::NotFound, "model_not_found"),
        (ErrorKind::Auth, "invalid_api_key"),
        (ErrorKind::Server, "server_error"),
    ];
    for (kind, code) in kinds {
        let mut writer = StreamWriter::new("resp_1", 7, "m", plain());
        let mut out = Vec::new();
        [started(), text("so far"), usage(1, 2)].iter().for_each(|event| writer.write(event, &mut out));
        writer.write_error(&ChatError::new(kind, "it failed").with_hint("do this"), &mut out);
        let frames = frames(&out);
        let [.., error, failed] = frames.as_slice() else { panic!("an error has two events") };
        let message = "it failed; do this";
        assert_eq!(
            (&error["type"], &error["code"], &error["message"]),
            (&json!("error"), &json!(code), &json!(message))
        );
        assert_eq!((&error["error"]["code"], &error["error"]["message"]), (&json!(code), &json!(message)));
        let response = &failed["response"];
        assert_eq!((&failed["type"], &response["status"]), (&json!("response.failed"), &json!("failed")));
        assert_eq!(response["error"], json!({"code": code, "message": message}));
        assert_eq!(response["usage"]["total_tokens"], 3);
        let (_, read, _) = decode(&ToolNames::default(), [&out[..]]);
        assert_eq!(read.map(|error| error.kind), Some(kind), "{code}");
    }
}

#[test]
fn an_error_before_anything_was_said_is_told_too() {
    let mut out = Vec::new();
    StreamWriter::write_heartbeat(&mut out);
    assert_eq!(out, b": keep-alive\n\n");
    out.clear();
    let mut writer = StreamWriter::new("resp_1", 7, "m", plain());
    writer.write_error(&ChatError::new(ErrorKind::Server, "it failed"), &mut out);
    assert_eq!(
        frames(&out).iter().map(|frame| frame["type"].clone()).collect::<Value>(),
        json!(["error", "response.failed"])
    );
}

/// A tool of the provider's own that runs, as the decoder says it.
fn searching() -> Vec<ChatEvent> {
    let item = json!({"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "q"}});
    let progress =
        |kind: &str| extra("/output/4/events", json!({"type": format!("response.web_search_call.{kind}"), "x": [1]}));
    vec![
        extra("/output/4", json!({"type": "web_search_call", "id": "ws_1", "status": "in_progress"})),
        progress("in_progress"),
        progress("searching"),
        progress("completed"),
        opaque(json!({"item": item})),
    ]
}

#[test]
fn how_far_a_tool_of_the_provider_has_come_is_told_as_it_comes() {
    let events =
        [vec![started(), text("I look.")], searching(), vec![text("Here."), finished(FinishReason::Stop)]].concat();
    let frames = frames(&stream_of(&events, plain()));
    let numbers: Vec<_> = frames.iter().map(|frame| frame["sequence_number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..frames.len() as u64).collect::<Vec<_>>());
    let of_item: Vec<_> = frames.iter().filter(|frame| frame["output_index"] == 1).collect();
    let kinds: Vec<_> = of_item.iter().map(|frame| frame["type"].as_str().unwrap()).collect();
    let progress = ["in_progress", "searching", "completed"].map(|word| format!("response.web_search_call.{word}"));
    let [one, two, three] = &progress;
    assert_eq!(kinds, ["response.output_item.added", one, two, three, "response.output_item.done"]);
    assert_eq!(of_item[0]["item"]["status"], "in_progress");
    assert_eq!((&of_item[2]["item_id"], &of_item[2]["x"]), (&json!("ws_1"), &json!([1])));
    let place =
        |kind: &str| frames.iter().position(|frame| frame["type"] == kind && frame["output_index"] == 0).unwrap();
    assert!(place("response.output_item.done") < frames.iter().position(|frame| frame["output_index"] == 1).unwrap());
    let output = frames.last().unwrap()["response"]["output"].as_array().unwrap();
    let kinds: Vec<_> = output.iter().map(|item| &item["type"]).collect();
    assert_eq!(kinds, ["message", "web_search_call", "message"]);
    assert_eq!(output[1]["action"]["query"], "q");
}

#[test]
fn a_tool_that_nobody_hears_of_again_ends_where_another_model_goes_on() {
    let half = searching()[..2].to_vec();
    let again = ChatEvent::Started { id: "other".into(), model: "m-2".into() };
    let events =
        [vec![started(), text("I look.")], half, vec![again, text("Here."), finished(FinishReason::Stop)]].concat();
    let frames = frames(&stream_of(&events, plain()));
    let done = frames.iter().find(|frame| frame["type"] == "response.output_item.done" && frame["output_index"] == 1);
    assert_eq!(done.unwrap()["item"]["status"], "incomplete");
    assert_eq!(frames.last().unwrap()["response"]["output"].as_array().unwrap().len(), 3);
}

#[test]
fn what_is_no_event_of_an_item_that_is_open_is_not_told() {
    let odd = [
        extra("/output/9/events", json!({"type": "response.web_search_call.searching"})),
        extra("/output/4/events", json!({"type": "response.x\nevent: forged"})),
        extra("/output/4/events", json!({"type": 3})),
        extra("/output/4/events", json!("text")),
        extra("/output/99999999999", json!({"type": "web_search_call"})),
    ];
    let mut events = vec![started()];
    events.extend(searching()[..1].to_vec());
    let before = frames(&stream_of(&events, plain())).len();
    events.extend(odd);
    assert_eq!(frames(&stream_of(&events, plain())).len(), before);
}
