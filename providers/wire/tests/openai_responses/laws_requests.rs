//! What holds for every request.

use greenroom_wire::openai_responses::{Dialect, decode_request, encode_request};
use proptest::{collection::vec, option, prelude::*};
use serde_json::{Value, json};

use crate::{harness::*, shapes::shapes};

/// A text that says something: of an answer, empty ones are left out.
fn words() -> impl Strategy<Value = String> {
    "[a-z\u{e9}\u{2028} \\\\\"\n]{0,8}[a-z]"
}

/// A client's body in the one form that an encoder would write, with unknown fields in all places.
fn requests() -> impl Strategy<Value = Value> {
    let odd = || option::weighted(0.3, shapes());
    let with = |mut object: Value, odd: Option<Value>| {
        if let Some(odd) = odd {
            object["x/odd~"] = odd;
        }
        object
    };
    let part = (0..6, words(), odd()).prop_map(move |(kind, text, odd)| {
        let part = match kind {
            0 | 1 => json!({"type": "input_text", "text": text}),
            2 => json!({"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"}),
            3 => json!({"type": "input_file", "filename": text, "file_data": "data:application/pdf;base64,AAAA"}),
            4 => json!({"type": "input_file", "file_url": text}),
            _ => json!({"type": "unheard_of", "thing": text}),
        };
        with(part, odd)
    });
    let part = part.boxed();
    let said = (vec(part.clone(), 2..4), prop::sample::select(vec!["user", "developer"]), odd())
        .prop_map(move |(parts, role, odd)| with(json!({"type": "message", "role": role, "content": parts}), odd));
    let call =
        (words(), any::<bool>(), odd(), vec(part, 2..4), odd()).prop_map(move |(text, custom, odd, list, other)| {
            let (call, kind) = match custom {
                false => {
                    (json!({"type": "function_call", "call_id": "", "name": "f", "arguments": text}), "function_call")
                }
                true => {
                    (json!({"type": "custom_tool_call", "call_id": "", "name": "g", "input": text}), "custom_tool_call")
                }
            };
            let output = json!({"type": format!("{kind}_output"), "call_id": "", "output": list});
            (with(call, odd), with(output, other))
        });
    let answer = (option::of(words()), words(), option::of(words()), vec(call, 0..3), any::<bool>(), odd()).prop_map(
        move |(hidden, text, phase, calls, searches, odd)| {
            let mut items = Vec::new();
            if let Some(hidden) = hidden {
                let summary = json!([{"type": "summary_text", "text": text}]);
                let item = json!({"type": "reasoning", "summary": summary, "encrypted_content": hidden});
                items.push(with(item, odd.clone()));
            }
            if searches {
                items.push(json!({"type": "web_search_call", "id": "ws_1", "action": {"query": text}}));
            }
            let part = with(
                json!({"type": "output_text", "text": text}),
                odd.clone().filter(|odd| *odd != json!([]) && !odd.is_null()),
            );
            let content = json!([part, {"type": "refusal", "refusal": text}]);
            let mut said = json!({"type": "message", "role": "assistant", "content": content});
            if let Some(phase) = phase {
                said["phase"] = phase.into();
            }
            items.push(said.clone());
            items.push(said);
            let (mut made, mut given) = (Vec::new(), Vec::new());
            for (number, (mut call, mut output)) in calls.into_iter().enumerate() {
                call["call_id"] = format!("c{number}").into();
                output["call_id"] = call["call_id"].clone();
                made.push(call);
                given.push(output);
            }
            items.extend(made);
            items.extend(given);
            items
        },
    );
    let tool = (odd(), any::<bool>()).prop_map(move |(odd, native)| match native {
        true => with(json!({"type": "web_search"}), odd),
        false => with(json!({"type": "function", "name": "f", "parameters": {"z": 1, "a": 2}, "strict": null}), odd),
    });
    (said, option::of(answer), vec(tool, 0..3), odd(), option::of(words()), any::<bool>()).prop_map(
        move |(said, answer, tools, odd, instructions, stored)| {
            let mut body = json!({"model": "m", "stream": true, "store": stored});
            if !stored {
                body["include"] = json!(["reasoning.encrypted_content"]);
            }
            if !tools.is_empty() {
                body["tools"] = tools.into();
                body["tool_choice"] = "auto".into();
            }
            body["text"] = json!({"format": {"type": "json_object", "odd": 1}, "verbosity": "low"});
            body["reasoning"] = json!({"effort": "low", "summary": "auto"});
            if let Some(instructions) = instructions {
                body["instructions"] = instructions.into();
            }
            let mut body = with(body, odd);
            let input: Vec<_> = [said].into_iter().chain(answer.into_iter().flatten()).collect();
            body["input"] = input.into();
            body
        },
    )
}

proptest! {
    #[test]
    fn a_request_that_is_read_and_written_is_the_same(body in requests()) {
        let served = decode_request(body.to_string().as_bytes()).unwrap();
        let encoded = encode_request(&served.request, "p", "m", &Dialect::OPENAI);
        prop_assert_eq!(&encoded.left_out, &[]);
        prop_assert_eq!(body_of(&encoded), body.clone());
        let again = decode_request(&encoded.body).unwrap();
        prop_assert_eq!(&again.request, &served.request);
        // The same bytes each time: prompt caches depend on it.
        prop_assert_eq!(encode_request(&again.request, "p", "m", &Dialect::OPENAI).body, encoded.body);
    }
}
