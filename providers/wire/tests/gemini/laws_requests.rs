//! What holds for every request.

use greenroom_wire::{
    ChatRequest, Message, Part, Role,
    chat::{Tool, ToolCallKind},
    gemini::{Dialect, decode_request, encode_request},
};
use proptest::{collection::vec, option, prelude::*, sample::Index};
use serde_json::{Value, json};

use crate::{
    harness::encode_for,
    laws::{shapes, words},
};

const MODEL: &str = "gemini-3-flash";

fn odd() -> impl Strategy<Value = Option<Value>> {
    option::weighted(0.3, shapes().prop_filter("null is nothing", |value| !value.is_null()))
}

fn with(mut object: Value, odd: Option<Value>) -> Value {
    if let Some(odd) = odd {
        object["x/odd~"] = odd;
    }
    object
}

/// A content of the user's.
fn asked() -> impl Strategy<Value = Vec<Value>> {
    let text = (words(), odd()).prop_map(|(text, odd)| with(json!({"text": text}), odd));
    let blob = (odd(), odd(), prop::sample::select(vec!["image/png", "audio/wav", "application/pdf", "video/mp4"]));
    let blob = blob.prop_map(|(inner, outer, kind)| {
        with(json!({"inlineData": with(json!({"mimeType": kind, "data": "AAAA"}), inner)}), outer)
    });
    let file = odd().prop_map(|odd| {
        let uri = "https://generativelanguage.googleapis.com/v1beta/files/x";
        with(json!({"fileData": {"fileUri": uri, "mimeType": "image/png"}}), odd)
    });
    let unknown = shapes().prop_map(|odd| json!({"x/odd~": odd}));
    (vec(prop_oneof![4 => text, 2 => blob, 1 => file, 1 => unknown], 1..4), odd())
        .prop_map(|(parts, odd)| vec![with(json!({"role": "user", "parts": parts}), odd)])
}

/// A content of the model's with calls, and their results.
fn called() -> impl Strategy<Value = Vec<Value>> {
    let call = (words(), odd(), odd(), any::<bool>());
    let before = prop_oneof![
        words().prop_map(|text| json!({"text": text})),
        words().prop_map(|text| json!({"text": text, "thoughtSignature": "s"})),
        words().prop_map(|text| json!({"text": text, "thought": true, "thoughtSignature": "s"})),
        Just(json!({"text": "", "thoughtSignature": "s"})),
        Just(json!({"executableCode": {"code": "1"}})),
    ];
    (option::of(before), vec(call, 1..3), odd(), odd()).prop_map(|(before, calls, outer, inner)| {
        let mut parts: Vec<_> = before.into_iter().collect();
        let mut results = Vec::new();
        for (number, (text, outer, within, failed)) in calls.into_iter().enumerate() {
            let id = format!("c{number}");
            let call = with(json!({"id": id, "name": "f", "args": {"z": text, "a": number}}), within);
            let mut part = json!({"functionCall": call});
            if number == 0 {
                part["thoughtSignature"] = "s".into();
            }
            parts.push(with(part, outer));
            let response = if failed { json!({"error": text}) } else { json!({"z": text, "a": [null]}) };
            let result = with(json!({"id": id, "name": "f", "response": response}), inner.clone());
            results.push(json!({"functionResponse": result}));
        }
        vec![with(json!({"role": "model", "parts": parts}), outer), json!({"role": "user", "parts": results})]
    })
}

/// A client's body in the one form that an encoder would write, with unknown fields in all places.
fn requests() -> impl Strategy<Value = Value> {
    let function = (odd(), any::<bool>()).prop_map(|(odd, strict)| {
        let function = match strict {
            true => json!({"name": "f", "parametersJsonSchema": {"type": "object", "additionalProperties": false}}),
            false => json!({"name": "f", "parameters": {"type": "object", "properties": {"z": {}, "a": {}}}}),
        };
        with(function, odd)
    });
    let native = odd().prop_map(|odd| json!({"codeExecution": with(json!({}), odd)}));
    let config = (option::of(0..8u8), option::of(1..100u32), odd(), 0..5u8);
    (
        asked(),
        vec((called(), asked()), 0..3),
        option::of(function),
        vec(native, 0..2),
        config,
        odd(),
        option::of(words()),
    )
        .prop_map(|(first, turns, function, native, (temperature, most, odd_config, form), odd, system)| {
            let mut config = json!({});
            if let Some(temperature) = temperature {
                config["temperature"] = (0.125 + f64::from(temperature) / 4.0).into();
            }
            if let Some(most) = most {
                config["maxOutputTokens"] = most.into();
            }
            match form {
                0 => config["responseMimeType"] = "application/json".into(),
                1 => config["thinkingConfig"] = json!({"thinkingLevel": "low", "includeThoughts": true}),
                2 => config["thinkingConfig"] = json!({"thinkingBudget": 99, "includeThoughts": true}),
                _ => {}
            }
            let (config, mut body) = (with(config, odd_config), json!({}));
            if config != json!({}) {
                body["generationConfig"] = config;
            }
            body = with(body, odd);
            let functions = function.map(|function| json!({"functionDeclarations": [function]}));
            let tools: Vec<_> = functions.into_iter().chain(native).collect();
            if !tools.is_empty() {
                body["tools"] = tools.into();
            }
            if let Some(system) = system {
                body["systemInstruction"] = json!({"parts": [{"text": system}]});
            }
            let mut contents = first;
            for (called, asked) in turns {
                contents.extend(called);
                contents.push(json!({"role": "model", "parts": [{"text": "ok"}]}));
                contents.extend(asked);
            }
            body["contents"] = contents.into();
            body
        })
}

/// A turn: a question, and its answer with a tool.
fn turn() -> impl Strategy<Value = Vec<Message>> {
    (words(), option::of(words()), words()).prop_map(|(question, tool, answer)| {
        let mut turn = vec![Message::user(question)];
        if let Some(arguments) = tool {
            let call = Part::ToolCall { id: "c".into(), name: "f".into(), arguments, kind: ToolCallKind::Function };
            turn.push(Message::new(Role::Assistant, vec![Part::Thinking { text: "hm".into() }, call]));
            let result = Part::ToolResult { id: "c".into(), parts: vec![Part::text("1")], error: false };
            turn.push(Message::new(Role::Tool, vec![result]));
        }
        turn.push(Message::text(Role::Assistant, answer));
        turn
    })
}

proptest! {
    #[test]
    fn a_request_that_is_read_and_written_is_the_same(body in requests()) {
        let request = decode_request(body.to_string().as_bytes(), "m").unwrap();
        let encoded = encode_request(&request, "p", "m", &Dialect::of_model(MODEL));
        prop_assert_eq!(&encoded.left_out, &[]);
        prop_assert_eq!(serde_json::from_slice::<Value>(&encoded.body).unwrap(), body.clone());
        let again = decode_request(&encoded.body, "m").unwrap();
        prop_assert_eq!(&again, &request);
        prop_assert_eq!(encode_request(&again, "p", "m", &Dialect::of_model(MODEL)).body, encoded.body);
    }

    #[test]
    fn a_growing_conversation_keeps_its_beginning(turns in vec(turn(), 1..6), length in any::<Index>()) {
        let kept = 1 + length.index(turns.len());
        let body = |turns: &[Vec<Message>]| {
            let parameters = json!({"type": "object", "properties": {"z": {}, "a": {}}});
            let tool = Tool::Function {
                name: "f".into(), description: None, parameters: Some(parameters), strict: None, extra: Vec::new(),
            };
            let request = ChatRequest { messages: turns.concat(), tools: vec![tool], ..ChatRequest::default() };
            encode_request(&request, "p", "m", &Dialect::of_model(MODEL)).body
        };
        let (short, long) = (body(&turns[..kept]), body(&turns));
        let beginning = short.strip_suffix(b"]}").unwrap();
        prop_assert!(long.starts_with(beginning), "{}\n{}", String::from_utf8_lossy(&short), String::from_utf8_lossy(&long));
    }

    #[test]
    fn a_body_is_json_in_one_piece_whatever_is_said(text in words(), arguments in words(), schema in shapes()) {
        let call = Part::ToolCall { id: "c".into(), name: text.clone(), arguments, kind: ToolCallKind::Function };
        let result = Part::ToolResult { id: "c".into(), parts: vec![Part::text(text.clone())], error: false };
        let tool = Tool::Function {
            name: text.clone(), description: Some(text.clone()), parameters: Some(schema), strict: None, extra: Vec::new(),
        };
        let messages = vec![
            Message::user(text), Message::new(Role::Assistant, vec![call]), Message::new(Role::Tool, vec![result]),
        ];
        let request = ChatRequest { messages, tools: vec![tool], ..ChatRequest::default() };
        for model in [MODEL, "gemini-2.0-flash"] {
            encode_for(model, &request);
            let body = encode_request(&request, "p", "m", &Dialect::of_model(model)).body;
            let safe = !std::str::from_utf8(&body).unwrap().contains(['\u{85}', '\u{2028}', '\u{2029}']);
            prop_assert!(safe);
        }
    }
}
