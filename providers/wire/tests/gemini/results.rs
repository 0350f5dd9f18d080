//! Results of calls, in both directions.

use greenroom_wire::{
    Message, Part, Role,
    chat::{MediaSource, ToolCallKind},
    gemini::decode_request,
};
use serde_json::{Value, json};

use crate::harness::*;

fn call(id: &str, name: &str) -> Part {
    Part::ToolCall { id: id.into(), name: name.into(), arguments: "{}".into(), kind: ToolCallKind::Function }
}

fn result(id: &str, parts: Vec<Part>, error: bool) -> Part {
    Part::ToolResult { id: id.into(), parts, error }
}

/// What is sent for a call with this result.
fn sent(model: &str, parts: Vec<Part>, error: bool) -> (Value, Vec<String>) {
    let answer = Message::new(Role::Assistant, vec![call("c", "f")]);
    let given = Message::new(Role::Tool, vec![result("c", parts, error)]);
    let (contents, left_out) = encode_messages(model, vec![Message::user("x"), answer, given]);
    (contents[2]["parts"].clone(), left_out)
}

const GEMINI: &str = "gemini-2.5-flash";

#[test]
fn a_response_is_an_object_whatever_was_given() {
    let response = |texts: &[&str], error: bool| {
        let (parts, left_out) = sent(GEMINI, texts.iter().map(|text| Part::text(*text)).collect(), error);
        assert!(left_out.is_empty(), "{left_out:?}");
        parts[0]["functionResponse"]["response"].clone()
    };
    assert_eq!(response(&["42"], false), json!({"result": "42"}));
    assert_eq!(response(&["{\"t\": 20.50}"], false), json!({"t": 20.50}));
    assert_eq!(response(&["[1]"], false), json!({"result": "[1]"}));
    assert_eq!(response(&["a", "b"], false), json!({"result": ["a", "b"]}));
    assert_eq!(response(&[], false), json!({}));
    assert_eq!(response(&["no such file"], true), json!({"error": "no such file"}));
    assert_eq!(response(&["{\"t\": 1}"], true), json!({"error": "{\"t\": 1}"}));
    assert!(response(&[], true)["error"].is_string());
}

#[test]
fn a_response_is_read_as_it_was_given() {
    let read = |response: Value| {
        let body = json!({"contents": [{"role": "user", "parts": [{"text": "x"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": response}}]}]});
        let request = decode_request(body.to_string().as_bytes(), "m").unwrap();
        let Part::ToolResult { parts, error, .. } = request.messages[2].parts[0].clone() else { panic!("no result") };
        let (contents, left_out) = encode_messages(GEMINI, request.messages);
        let again = contents[2]["parts"][0]["functionResponse"]["response"].clone();
        assert_eq!((again, left_out), (response, vec![]));
        (parts, error)
    };
    assert_eq!(read(json!({"result": "42"})), (vec![Part::text("42")], false));
    assert_eq!(read(json!({"result": ["a", "b"]})), (vec![Part::text("a"), Part::text("b")], false));
    assert_eq!(read(json!({"result": ["a"]})), (vec![Part::text("{\"result\":[\"a\"]}")], false));
    assert_eq!(read(json!({"result": 42})), (vec![Part::text("{\"result\":42}")], false));
    assert_eq!(read(json!({"z": 1, "a": null})), (vec![Part::text("{\"z\":1,\"a\":null}")], false));
    assert_eq!(read(json!({"error": "no"})), (vec![Part::text("no")], true));
    assert_eq!(read(json!({"error": {"code": 1}})), (vec![Part::text("{\"error\":{\"code\":1}}")], false));
    assert_eq!(read(json!({})), (vec![], false));
}

#[test]
fn results_come_in_the_order_of_their_calls_and_before_all_else() {
    let answer = Message::new(Role::Assistant, vec![call("a", "f"), call("b", "g"), call("c", "h")]);
    let said = vec![
        Message::user("x"),
        answer,
        Message::user("hurry"),
        Message::new(
            Role::Tool,
            vec![result("c", vec![Part::text("3")], false), result("a", vec![Part::text("1")], false)],
        ),
        Message::new(Role::Tool, vec![result("gone", vec![Part::text("0")], false)]),
    ];
    let (contents, left_out) = encode_messages(GEMINI, said);
    let response = |id: &str, name: &str, response: Value| json!({"functionResponse": {"id": id, "name": name, "response": response}});
    let parts = contents[2]["parts"].as_array().unwrap();
    assert_eq!(parts[0], response("a", "f", json!({"result": "1"})));
    assert_eq!(
        (&parts[1]["functionResponse"]["id"], parts[1]["functionResponse"]["response"]["error"].is_string()),
        (&json!("b"), true)
    );
    assert_eq!(parts[2], response("c", "h", json!({"result": "3"})));
    assert_eq!(parts[3], json!({"text": "hurry"}));
    assert_eq!(parts[4]["text"], "What an earlier tool call gave: (gone)");
    assert_eq!((&parts[5]["text"], parts.len(), contents.as_array().unwrap().len()), (&json!("0"), 6, 3));
    assert_eq!(left_out, ["messages[4].parts[0]"]);
}

#[test]
fn calls_with_the_same_id_are_told_apart() {
    let answer = Message::new(Role::Assistant, vec![call("a", "f"), call("a", "g")]);
    let results = vec![result("a", vec![Part::text("1")], false), result("a", vec![Part::text("2")], false)];
    let (contents, _) = encode_messages(GEMINI, vec![Message::user("x"), answer, Message::new(Role::Tool, results)]);
    let ids = |content: usize, key: &str| {
        let parts = contents[content]["parts"].as_array().unwrap();
        parts.iter().map(|part| part[key]["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(1, "functionCall"), ["a", "a_2"]);
    assert_eq!(ids(2, "functionResponse"), ["a", "a_2"]);
    assert_eq!(contents[2]["parts"][1]["functionResponse"]["response"], json!({"result": "2"}));
}

#[test]
fn pictures_stand_within_a_result_where_they_may() {
    let picture = |source| Part::Image { source, detail: None };
    let data = MediaSource::Base64 { media_type: "image/png".into(), data: "AAAA".into() };
    let link = MediaSource::Url { url: "https://example.org/a.png".into() };
    let parts = vec![Part::text("seen"), picture(data), picture(link)];
    let blob = json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}});
    let place = |part: usize| format!("messages[2].parts[0].parts[{part}]");

    let (said, left_out) = sent("gemini-3-flash-preview", parts.clone(), false);
    assert_eq!(said[0]["functionResponse"]["parts"], json!([blob]));
    assert_eq!(left_out, [place(2)]);

    let (said, left_out) = sent(GEMINI, parts, false);
    assert_eq!(said[0]["functionResponse"]["response"], json!({"result": "seen"}));
    assert!(said[1]["text"].as_str().unwrap().contains("also gave"), "{said}");
    assert_eq!((&said[2], said.as_array().unwrap().len()), (&blob, 3));
    assert_eq!(left_out, [place(1), place(2)]);
}

#[test]
fn results_find_their_calls_by_id_by_name_or_in_order() {
    let ids = |calls: Value, results: Value| {
        let of = |list: Value, key: &str| {
            let list = list.as_array().unwrap().clone();
            Value::from(list.into_iter().map(|one| json!({key: one})).collect::<Vec<_>>())
        };
        let body = json!({"contents": [
            {"role": "model", "parts": of(calls, "functionCall")},
            {"role": "function", "parts": of(results, "functionResponse")}]});
        let request = decode_request(body.to_string().as_bytes(), "m").unwrap();
        let ids = request.messages.iter().flat_map(|message| &message.parts).filter_map(|part| match part {
            Part::ToolCall { id, .. } | Part::ToolResult { id, .. } => Some(id.clone()),
            _ => None,
        });
        ids.collect::<Vec<_>>()
    };
    let f = || json!({"name": "f"});
    let g = || json!({"name": "g"});
    let (one, two) = ("call_0_0", "call_0_1");
    assert_eq!(ids(json!([f(), g()]), json!([g(), f()])), [one, two, two, one]);
    assert_eq!(ids(json!([f(), f()]), json!([f(), f()])), [one, two, one, two]);
    let named = json!({"name": "g", "id": "x"});
    assert_eq!(ids(json!([f(), g()]), json!([named, f()])), [one, "x", "x", one]);
    let own = json!({"name": "f", "id": "a"});
    assert_eq!(ids(json!([own]), json!([{"name": "f", "id": "a"}])), ["a", "a"]);
    assert_eq!(ids(json!([own]), json!([{"name": "f", "id": "b"}])), ["a", "b"], "a call with an id keeps it");
    assert_eq!(ids(json!([]), json!([f()])), ["call_1_0"]);
}
