//! What holds for every request.

use greenroom_wire::{
    ChatRequest, Message, Part,
    anthropic::{Dialect, decode_request, encode_request},
    chat::{MediaSource, Role, Tool},
};
use proptest::{collection::vec, option, prelude::*, sample::Index};
use serde_json::{Value, json};

use crate::{harness::*, laws::shapes};

/// A text that says something, since others are left out.
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
    let part = (0..7, words(), odd(), any::<bool>()).prop_map(move |(kind, text, odd, cached)| {
        let mut part = with(
            match kind {
                0 | 1 => json!({"type": "text", "text": text}),
                2 => json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}),
                3 => json!({"type": "image", "source": {"type": "url", "url": text, "odd": 1}}),
                4 => json!({"type": "document", "source": {"type": "file", "file_id": "x"}, "title": text}),
                5 => json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}}),
                _ => json!({"type": "unheard_of", "thing": text}),
            },
            odd,
        );
        if cached && kind < 6 {
            part["cache_control"] = json!({"type": "ephemeral", "ttl": "1h"});
        }
        part
    }).boxed();
    let said = (vec(part.clone(), 1..4), odd())
        .prop_map(move |(parts, odd)| with(json!({"role": "user", "content": parts}), odd));
    let answer = (vec((words(), odd()), 1..3), option::of(words()), words(), odd(), vec(part, 0..2)).prop_map(
        move |(calls, thinking, text, odd, after)| {
            let mut content = Vec::new();
            if let Some(thinking) = thinking {
                content.push(json!({"type": "thinking", "thinking": thinking, "signature": "s"}));
                content.push(json!({"type": "unheard_of", "thing": {"deep": 1}}));
            }
            content.push(json!({"type": "text", "text": text, "citations": [{"a": 1}]}));
            let mut results = Vec::new();
            for (at, (given, odd)) in calls.into_iter().enumerate() {
                let call =
                    json!({"type": "tool_use", "id": format!("c{at}"), "name": "f", "input": {"z": given, "a": 1}});
                content.push(with(call, odd.clone()));
                let inside = json!([{"type": "text", "text": given}, {"type": "tool_reference", "tool_name": "f"}]);
                results.push(with(
                    json!({"type": "tool_result", "tool_use_id": format!("c{at}"), "content": inside}),
                    odd,
                ));
            }
            results.extend(after);
            vec![
                json!({"role": "assistant", "content": content}),
                with(json!({"role": "user", "content": results}), odd),
            ]
        },
    );
    let tool = (odd(), any::<bool>()).prop_map(move |(odd, native)| match native {
        true => with(json!({"type": "web_search_20250305", "name": "web_search"}), odd),
        false => with(json!({"name": "f", "input_schema": {"type": "object", "z": 1, "a": 2}}), odd),
    });
    (said, option::of(answer), vec(tool, 0..3), odd(), option::of(words()), any::<bool>()).prop_map(
        move |(said, answer, tools, odd, system, thinks)| {
            let mut body = json!({"model": "m", "max_tokens": 9000, "stream": true});
            if thinks && answer.is_none() {
                body["thinking"] = json!({"type": "enabled", "budget_tokens": 2000, "display": "omitted"});
            }
            let mut body = with(body, odd);
            if !tools.is_empty() {
                body["tools"] = tools.into();
                body["tool_choice"] = json!({"type": "auto", "disable_parallel_tool_use": true});
            }
            if let Some(system) = system {
                body["system"] = system.into();
            }
            let messages: Vec<_> = [said].into_iter().chain(answer.into_iter().flatten()).collect();
            body["messages"] = messages.into();
            body
        },
    )
}

/// A turn: a question, and its answer with tools.
fn turn() -> impl Strategy<Value = Vec<Message>> {
    (words(), option::of((words(), any::<bool>())), words()).prop_map(|(question, tool, answer)| {
        let mut turn = vec![Message::user(question)];
        if let Some((thought, picture)) = tool {
            let signed = block(json!({"type": "thinking", "thinking": thought, "signature": "s"}));
            turn.push(says(Role::Assistant, [Part::Thinking { text: thought }, signed, tool_call("c", "{\"a\": 1}")]));
            let mut parts = vec![Part::text("1")];
            let source = MediaSource::Url { url: "https://example.org/a.png".into() };
            parts.extend(picture.then_some(Part::Image { source, detail: None }));
            turn.push(says(Role::Tool, [Part::ToolResult { id: "c".into(), parts, error: false }]));
        }
        turn.push(Message::text(Role::Assistant, answer));
        turn
    })
}

proptest! {
    #[test]
    fn a_request_that_is_read_and_written_is_the_same(body in requests()) {
        let dialect = Dialect::of_model("claude-sonnet-4-5");
        let served = decode_request(body.to_string().as_bytes()).unwrap();
        let encoded = encode_request(&served.request, "p", "m", &dialect);
        prop_assert_eq!(&encoded.left_out, &[]);
        prop_assert_eq!(body_of(&encoded), body.clone());
        let again = decode_request(&encoded.body).unwrap();
        prop_assert_eq!(&again.request, &served.request);
        // The same bytes each time: prompt caches depend on it.
        prop_assert_eq!(encode_request(&again.request, "p", "m", &dialect).body, encoded.body);
    }

    #[test]
    fn a_growing_conversation_keeps_its_beginning(turns in vec(turn(), 1..6), length in any::<Index>()) {
        let kept = 1 + length.index(turns.len());
        let body = |turns: &[Vec<Message>]| {
            let parameters = json!({"type": "object", "properties": {"z": {}, "a": {}}});
            let tool = Tool::Function {
                name: "f".into(), description: None, parameters: Some(parameters), strict: None, extra: Vec::new(),
            };
            let system = vec![Message::text(Role::System, "brief")];
            let messages = [system, turns.concat()].concat();
            let request = ChatRequest { messages, tools: vec![tool], ..ChatRequest::default() };
            encode_request(&request, "p", "m", &Dialect::of_model("m")).body
        };
        let (short, long) = (body(&turns[..kept]), body(&turns));
        let beginning = short.strip_suffix(b"]}").unwrap();
        prop_assert!(long.starts_with(beginning), "{}\n{}", String::from_utf8_lossy(&short), String::from_utf8_lossy(&long));
    }

    #[test]
    fn every_conversation_is_one_that_the_api_takes(messages in vec(any_message(), 0..9)) {
        let encoded = encode_request(
            &ChatRequest { messages, ..ChatRequest::default() }, "p", "m", &Dialect::of_model("m"),
        );
        let body = body_of(&encoded);
        let messages = body["messages"].as_array().unwrap();
        let mut open = Vec::<Value>::new();
        let mut seen = Vec::<Value>::new();
        for (index, message) in messages.iter().enumerate() {
            let role = if index % 2 == 0 { "user" } else { "assistant" };
            prop_assert_eq!(&message["role"], role, "{}", body);
            let content = message["content"].as_array().unwrap();
            prop_assert!(!content.is_empty());
            let mut results = true;
            for block in content {
                prop_assert!(block["type"] != "text" || block["text"] != "");
                if block["type"] == "tool_result" {
                    prop_assert!(results, "results come first");
                    let at = open.iter().position(|id| *id == block["tool_use_id"]);
                    prop_assert!(at.is_some(), "a result without its call: {}", body);
                    open.remove(at.unwrap());
                } else {
                    results = false;
                }
            }
            prop_assert!(role == "assistant" || open.is_empty(), "a call without a result: {}", body);
            for block in content.iter().filter(|block| block["type"] == "tool_use") {
                prop_assert!(!seen.contains(&block["id"]), "an id is there twice: {}", body);
                seen.push(block["id"].clone());
                open.push(block["id"].clone());
            }
        }
        prop_assert!(open.is_empty());
    }
}

/// Any message at all, however odd its place.
fn any_message() -> impl Strategy<Value = Message> {
    let role = prop::sample::select(vec![Role::System, Role::User, Role::Assistant, Role::Tool]);
    let id = || prop::sample::select(vec!["a", "b", "a.b", ""]);
    let part = prop_oneof![
        "[a-z ]{0,3}".prop_map(Part::text),
        id().prop_map(|id| tool_call(id, "{}")),
        id().prop_map(|id| tool_result(id, "1"))
    ];
    (role, vec(part, 0..4)).prop_map(|(role, parts)| {
        // Only the model calls.
        let fits = |part: &Part| role == Role::Assistant || !matches!(part, Part::ToolCall { .. });
        says(role, parts.into_iter().filter(fits).collect::<Vec<_>>())
    })
}
