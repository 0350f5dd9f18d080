//! Signatures and what else goes back, from an answer to the next request.

use greenroom_wire::{
    Message, Part, Role,
    chat::{MediaSource, ToolCallKind},
    fold::fold,
};
use serde_json::{Value, json};

use crate::harness::*;

/// The parts that the next request has for an answer of these, and how much was left out.
fn back(model: &str, asked: (&str, &str), parts: &[Value]) -> (Value, Vec<String>) {
    let chunks: Vec<_> = parts.iter().map(|part| chunk(json!([part]))).chain([end("STOP")]).collect();
    let answer = fold(read(&chunks), asked.0, asked.1).message;
    let results = answer.parts.iter().filter_map(|part| match part {
        Part::ToolCall { id, .. } => Some(Part::ToolResult { id: id.clone(), parts: vec![], error: false }),
        _ => None,
    });
    let results = Message::new(Role::Tool, results.collect());
    let (contents, left_out) =
        encode_messages(model, vec![Message::user("x"), answer, results, Message::user("and then?")]);
    (contents[1]["parts"].clone(), left_out)
}

const GEMINI: &str = "gemini-2.5-flash";

#[test]
fn each_signature_goes_back_on_its_own_part() {
    let parts = [
        json!({"text": "hm", "thought": true, "thoughtSignature": "s0"}),
        json!({"text": "a", "thoughtSignature": "s1"}),
        json!({"executableCode": {"language": "PYTHON", "code": "1+1"}, "thoughtSignature": "s2"}),
        json!({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}}),
        json!({"text": "b"}),
        json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thoughtSignature": "s3"}),
        json!({"functionCall": {"id": "c", "name": "f", "args": {"a": 1}}, "thoughtSignature": "s4"}),
        json!({"functionCall": {"id": "d", "name": "f", "args": {}}}),
        json!({"newKind": [1], "thoughtSignature": "s5"}),
        json!({"text": "", "thoughtSignature": "s6"}),
    ];
    assert_eq!(back(GEMINI, ("p", "m"), &parts), (json!(parts), vec![]));
}

#[test]
fn signed_text_is_not_joined_to_unsigned() {
    let parts = [
        json!({"text": "a"}),
        json!({"text": "b"}),
        json!({"text": "c", "thoughtSignature": "s"}),
        json!({"text": "d"}),
    ];
    let want = json!([{"text": "ab"}, {"text": "c", "thoughtSignature": "s"}, {"text": "d"}]);
    assert_eq!(back(GEMINI, ("p", "m"), &parts), (want, vec![]));
}

#[test]
fn unsigned_thoughts_do_not_go_back() {
    let parts = [json!({"text": "hm", "thought": true}), json!({"text": "a"})];
    assert_eq!(back(GEMINI, ("p", "m"), &parts), (json!([{"text": "a"}]), vec!["messages[1].parts[0]".to_owned()]));
}

#[test]
fn another_provider_or_model_gets_no_signature() {
    let parts = [
        json!({"text": "a", "thoughtSignature": "s1"}),
        json!({"functionCall": {"id": "c", "name": "f", "args": {}}, "thoughtSignature": "s2"}),
    ];
    let plain = json!([{"text": "a"}, {"functionCall": {"id": "c", "name": "f", "args": {}}}]);
    let lost: Vec<_> = [1, 3].map(|part| format!("messages[1].parts[{part}]")).to_vec();
    for asked in [("p", "other"), ("q", "m")] {
        assert_eq!(back(GEMINI, asked, &parts), (plain.clone(), lost.clone()));
    }
    // Where calls must be signed, Google's own word says that these are of others.
    let (sent, _) = back("gemini-3-pro-preview", ("q", "m"), &parts);
    assert_eq!(sent[1]["thoughtSignature"], "skip_thought_signature_validator");
}

#[test]
fn only_the_first_of_several_calls_needs_to_be_signed() {
    let call = |id: &str, signature: Option<&str>| {
        let mut part = json!({"functionCall": {"id": id, "name": "f", "args": {}}});
        if let Some(signature) = signature {
            part["thoughtSignature"] = signature.into();
        }
        part
    };
    let parts = [call("a", Some("s")), call("b", None)];
    assert_eq!(back("gemini-3-pro-preview", ("p", "m"), &parts), (json!(parts), vec![]));
    let (sent, left_out) = back("gemini-3-pro-preview", ("p", "m"), &[call("a", None), call("b", None)]);
    assert_eq!((sent[0]["thoughtSignature"].is_string(), sent[1]["thoughtSignature"].is_null()), (true, true));
    assert!(left_out.is_empty(), "{left_out:?}");
}

#[test]
fn a_signature_whose_part_is_gone_is_left_out() {
    let opaque = |data: Value| Part::Opaque { provider: "p".into(), model: "m".into(), data };
    let image =
        Part::Image { source: MediaSource::Base64 { media_type: "image/png".into(), data: "A".into() }, detail: None };
    let call =
        Part::ToolCall { id: "c".into(), name: "f".into(), arguments: String::new(), kind: ToolCallKind::Function };
    let answer = Message::new(
        Role::Assistant,
        vec![
            Part::text("edited"),
            opaque(json!({"text": "as it was", "thoughtSignature": "s"})),
            image,
            Part::text("between"),
            opaque(json!({"inlineData": {}, "thoughtSignature": "s"})),
            call,
            opaque(json!({"tool_call": 1, "thoughtSignature": "s"})),
            opaque(json!({"tool_call": 0, "thoughtSignature": "s"})),
            opaque(json!({"tool_call": 0, "thoughtSignature": "t"})),
            opaque(json!({"text": 7, "thoughtSignature": "s"})),
            opaque(json!({"odd": 1})),
            opaque(json!("odd")),
        ],
    );
    let (contents, left_out) = encode_messages(GEMINI, vec![Message::user("x"), answer]);
    let want = json!([{"text": "edited"}, {"inlineData": {"mimeType": "image/png", "data": "A"}}, {"text": "between"},
        {"functionCall": {"id": "c", "name": "f", "args": {}}, "thoughtSignature": "s"}]);
    assert_eq!(contents[1]["parts"], want);
    let lost = [1, 4, 6, 8, 9, 10, 11].map(|part| format!("messages[1].parts[{part}]"));
    assert_eq!(left_out, lost);
}
