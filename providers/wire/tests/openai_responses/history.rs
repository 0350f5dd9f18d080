//! What was said in earlier turns goes back.

use greenroom_wire::{
    ChatRequest, Message, Part, Role,
    chat::{Extra, MediaSource, ToolCallKind, Wire},
    fold::fold,
    openai_responses::{Dialect, ToolNames, encode_request},
};
use serde_json::{Value, json};

use crate::harness::*;

fn reasoning(hidden: &str) -> Value {
    json!({"type": "reasoning", "id": "rs_1", "encrypted_content": hidden,
        "summary": [{"type": "summary_text", "text": "hm"}]})
}

#[test]
fn an_answer_goes_back_as_it_was() {
    let items = [
        reasoning("x"),
        json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "wait"}],
            "id": "msg_1", "status": "completed", "phase": "commentary"}),
        json!({"type": "web_search_call", "id": "ws_1", "action": {"query": "q"}}),
        reasoning("y"),
        json!({"type": "function_call", "call_id": "call_0", "name": "f", "arguments": "{ }", "id": "fc_0",
            "status": "completed"}),
        json!({"type": "custom_tool_call", "call_id": "call_1", "name": "g", "input": "4 + 4", "id": "ctc_1"}),
    ];
    let events = answer((0..).zip(items.clone()).map(|(index, item)| done(index, item)));
    let (events, _, _) = decode(&ToolNames::default(), [&sse(&events)[..]]);
    let said = fold(events, "p", "m").message;
    let result = |id: &str| tool_result(id, "1");
    let (input, left_out) = sent([said, says(Role::Tool, [result("call_1"), result("call_0")])]);
    let input = input.as_array().unwrap();
    assert_eq!(input[..6], items);
    assert_eq!(input[6], json!({"type": "custom_tool_call_output", "call_id": "call_1", "output": "1"}));
    assert_eq!(input[7], json!({"type": "function_call_output", "call_id": "call_0", "output": "1"}));
    assert_eq!(left_out, Vec::<String>::new());
}

#[test]
fn only_who_said_it_gets_it() {
    let of = |provider: &str, model: &str, data: Value| Part::Opaque {
        provider: provider.into(),
        model: model.into(),
        data,
    };
    let message = says(
        Role::Assistant,
        [
            Part::Thinking { text: "hm".into() },
            of("p", "other", json!({"item": reasoning("x")})),
            of("q", "m", json!({"item": reasoning("y")})),
            own(json!({"type": "redacted_thinking", "data": "z"})),
            own(json!({"reasoning_details": [{"data": "z"}]})),
            of("", "", json!({"type": "thinking", "thinking": "z"})),
            Part::text("hi"),
            of("q", "m", json!({"message": {"id": "msg_1"}})),
        ],
    );
    let (input, left_out) = sent([message]);
    let content = json!([{"type": "output_text", "text": "hi"}]);
    assert_eq!(input, json!([{"type": "message", "role": "assistant", "content": content}]));
    let places: Vec<_> = [0, 1, 2, 3, 4, 5, 7].map(|place| format!("messages[0].parts[{place}]")).into();
    assert_eq!(left_out, places);
}

#[test]
fn reasoning_that_the_provider_did_not_keep_needs_its_content() {
    let bare = json!({"type": "reasoning", "id": "rs_1", "summary": []});
    let messages = vec![says(Role::Assistant, [own(json!({"item": bare})), Part::text("hi")])];
    assert_eq!(sent(messages.clone()).1, ["messages[0].parts[0]"]);
    let kept = Extra { wire: Wire::OpenaiResponses, path: "/store".into(), json: true.into() };
    let request = ChatRequest { messages, extra: vec![kept], ..ChatRequest::default() };
    let encoded = encoded(&request);
    assert_eq!((&body_of(&encoded)["input"][0], left_out(&encoded)), (&bare, vec![]));
}

#[test]
fn reasoning_that_led_to_nothing_is_left_out_where_that_is_refused() {
    let messages =
        vec![says(Role::Assistant, [Part::text("hi"), own(json!({"item": reasoning("x")}))]), Message::user("go on")];
    let (input, left_out) = sent(messages.clone());
    assert_eq!((input.as_array().unwrap().len(), left_out), (2, vec!["messages[0].parts[1]".to_owned()]));
    let request = ChatRequest { messages, ..ChatRequest::default() };
    let taken = encode_request(&request, "p", "m", &Dialect::COMPATIBLE);
    assert_eq!(body_of(&taken)["input"][1], reasoning("x"));
    assert!(taken.left_out.is_empty());
}

#[test]
fn calls_and_results_find_each_other() {
    let (input, left_out) = sent([
        says(Role::Assistant, [tool_call("a", ""), tool_call("a", "{\"x\":1}"), Part::text("both")]),
        says(Role::Tool, [tool_result("a", "1")]),
        says(Role::Tool, [tool_result("lost", "2")]),
        says(Role::Assistant, [tool_call("a", "{}")]),
    ]);
    let ids: Vec<_> = input.as_array().unwrap().iter().map(|item| item["call_id"].as_str().unwrap_or("")).collect();
    assert_eq!(ids, ["a", "a_2", "", "a", "a_2", "", "a_3", "a_3"]);
    assert_eq!((&input[0]["arguments"], &input[3]["output"]), (&json!("{}"), &json!("1")));
    assert!(input[4]["output"].as_str().unwrap().starts_with("Error: "));
    assert!(input[5]["content"].to_string().contains("(lost)"));
    assert_eq!(left_out, ["messages[2].parts[0]"]);
}

#[test]
fn results_of_calls_that_the_provider_kept_are_sent() {
    let continues = Extra { wire: Wire::OpenaiResponses, path: "/previous_response_id".into(), json: "resp_0".into() };
    let messages = vec![says(Role::Tool, [tool_result("call_0", "1")])];
    let encoded = encoded(&ChatRequest { messages, extra: vec![continues], ..ChatRequest::default() });
    let result = json!({"type": "function_call_output", "call_id": "call_0", "output": "1"});
    assert_eq!((&body_of(&encoded)["input"], left_out(&encoded)), (&json!([result]), vec![]));
}

#[test]
fn a_picture_that_the_model_made_goes_back_within_its_item() {
    let item = json!({"type": "image_generation_call", "id": "ig_1", "result": "AAAA"});
    let picture = |data: &str| Part::Image {
        source: MediaSource::Base64 { media_type: "image/png".into(), data: data.into() },
        detail: None,
    };
    let (input, left_out) =
        sent([says(Role::Assistant, [picture("AAAA"), own(json!({"item": item})), picture("BBBB")])]);
    assert_eq!((input, left_out), (json!([item]), vec!["messages[0].parts[2]".to_owned()]));
}

#[test]
fn what_stands_beside_a_text_goes_back_while_there_are_as_many_texts() {
    let note = json!([{"type": "url_citation", "url": "u"}]);
    let fields = own(json!({"message": {"id": "msg_1", "content": [{"annotations": note}]}}));
    let (input, _) = sent([says(Role::Assistant, [Part::text("a"), fields.clone()])]);
    assert_eq!(input[0]["content"], json!([{"type": "output_text", "text": "a", "annotations": note}]));
    let refusal = Part::Refusal { text: "no".into() };
    let (input, _) = sent([says(Role::Assistant, [Part::text("a"), refusal, fields])]);
    let plain = json!([{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "no"}]);
    assert_eq!((&input[0]["content"], &input[0]["id"]), (&plain, &json!("msg_1")));
}

#[test]
fn an_answer_of_nothing_is_nothing() {
    let custom = Part::ToolCall { id: "c".into(), name: "g".into(), arguments: "x".into(), kind: ToolCallKind::Custom };
    let (input, left_out) = sent([says(Role::Assistant, [Part::text("")]), says(Role::Assistant, [custom])]);
    assert_eq!((input.as_array().unwrap().len(), left_out), (2, vec![]));
    assert_eq!(input[1]["type"], "custom_tool_call_output");
}
