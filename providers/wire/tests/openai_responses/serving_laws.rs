//! What holds for every answer that is served.

use greenroom_wire::{
    ChatEvent, FinishReason, Usage,
    chat::ToolCallKind,
    openai_responses::{ToolNames, decode_answer, whole_response},
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};

use crate::{
    harness::*,
    serving::{echo, frames, stream_of},
    shapes::words,
};

/// What is said at a stretch, as a provider of this wire says it if `own`, else as one of another.
fn stretches(own: bool) -> impl Strategy<Value = Vec<ChatEvent>> {
    let piece = || words().prop_filter("a delta is never empty", |text| !text.is_empty());
    let pieces = move || vec(piece(), 1..4);
    let note = || json!({"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1});
    let said = (pieces(), any::<bool>(), any::<bool>()).prop_map(move |(pieces, refuses, cites)| {
        let mut events: Vec<_> = pieces
            .into_iter()
            .map(|delta| if refuses { ChatEvent::Refusal { delta } } else { ChatEvent::Text { delta } })
            .collect();
        let cites = cites && !refuses;
        events.extend(cites.then(|| ChatEvent::Citation { json: note() }));
        if own {
            events.insert(0, extra("/output/0", json!({"type": "message", "id": "msg_own"})));
            let mut fields = json!({"id": "msg_own", "status": "completed"});
            if cites {
                fields["content"] = json!([{"annotations": [note()]}]);
            }
            events.push(opaque(json!({"message": fields})));
        }
        events
    });
    let thought = (pieces(), words()).prop_map(move |(pieces, hidden)| {
        let summary = json!([{"type": "summary_text", "text": pieces.concat()}]);
        let item = json!({"id": "rs_own", "type": "reasoning", "summary": summary, "encrypted_content": hidden});
        let mut events: Vec<_> = pieces.into_iter().map(|delta| ChatEvent::Thinking { delta }).collect();
        if own {
            events.insert(0, extra("/output/0", json!({"type": "reasoning", "id": "rs_own"})));
            events.push(opaque(json!({"item": item})));
        }
        events
    });
    let called = (pieces(), any::<bool>()).prop_map(move |(pieces, custom)| {
        let kind = if custom { ToolCallKind::Custom } else { ToolCallKind::Function };
        let mut events = vec![ChatEvent::ToolCallStarted { index: 0, id: String::new(), name: "f".into(), kind }];
        if own {
            let kind = if custom { "custom_tool_call" } else { "function_call" };
            events.insert(0, extra("/output/0", json!({"type": kind, "id": "fc_own", "call_id": ""})));
        }
        events.extend(pieces.into_iter().map(|delta| ChatEvent::ToolCallArgs { index: 0, delta }));
        events.push(called(0));
        if own {
            events.push(opaque(json!({"call": {"call_id": "", "id": "fc_own", "status": "completed"}})));
        }
        events
    });
    let whole = words().prop_map(move |word| match own {
        true => vec![opaque(json!({"item": {"type": "web_search_call", "id": "ws", "action": word}}))],
        false => vec![opaque(json!({"type": "redacted_thinking", "data": word}))],
    });
    let picture = Just(vec![ChatEvent::Media { media_type: "image/png".into(), data: "AAAA".into() }]);
    prop_oneof![3 => said, 2 => thought, 2 => called, 1 => whole, 1 => picture]
}

/// The events of an answer. Calls are numbered through, as items are.
fn answers(own: bool) -> impl Strategy<Value = Vec<ChatEvent>> {
    let reasons = select(vec![
        FinishReason::Stop,
        FinishReason::Length,
        FinishReason::ContentFilter,
        FinishReason::Other("odd".into()),
    ]);
    (vec(stretches(own), 0..7), option::of((0..99u64, 0..99u64, 0..9u64)), reasons).prop_map(
        move |(stretches, counts, reason)| {
            let mut events = vec![started()];
            let mut calls = 0;
            for (item, stretch) in stretches.into_iter().enumerate() {
                // On this wire a picture comes with how it was made.
                if own && matches!(stretch[0], ChatEvent::Media { .. }) {
                    let made = json!({"type": "image_generation_call", "id": "ig", "result": "AAAA"});
                    events.extend(stretch);
                    events.push(opaque(json!({"item": made})));
                    continue;
                }
                let is_call = stretch.iter().any(|event| matches!(event, ChatEvent::ToolCallStarted { .. }));
                events.extend(stretch.into_iter().map(|event| numbered(event, calls, item)));
                calls += u32::from(is_call);
            }
            events.extend(counts.map(|(input, output, reasoning)| {
                ChatEvent::Usage(Usage { input, output: output + reasoning, reasoning, ..Usage::default() })
            }));
            events.push(finished(reason));
            events
        },
    )
}

fn numbered(mut event: ChatEvent, call: u32, item: usize) -> ChatEvent {
    let own = format!("call_{call}");
    match &mut event {
        ChatEvent::ToolCallStarted { index, id, .. } => (*index, *id) = (call, own),
        ChatEvent::ToolCallArgs { index, .. } | ChatEvent::ToolCallDone { index } => *index = call,
        ChatEvent::Opaque { data } => {
            if let Some(fields) = data.get_mut("call") {
                fields["call_id"] = own.into();
            }
        }
        ChatEvent::Extra(extra) => {
            extra.path = format!("/output/{item}");
            if extra.json.get("call_id").is_some() {
                extra.json["call_id"] = own.into();
            }
        }
        _ => {}
    }
    event
}

/// Puts a response together as the API's clients do: from what begins and from deltas, with what an item is at its end.
fn accumulated(stream: &[u8]) -> Value {
    let mut output: Vec<Value> = Vec::new();
    let mut done: Vec<Value> = Vec::new();
    for frame in frames(stream) {
        let at = frame["output_index"].as_u64().unwrap_or_default() as usize;
        let part = frame["content_index"].as_u64().unwrap_or_default() as usize;
        let add =
            |text: &mut Value| *text = (text.as_str().unwrap().to_owned() + frame["delta"].as_str().unwrap()).into();
        match frame["type"].as_str().unwrap().strip_prefix("response.").unwrap() {
            "output_item.added" => {
                assert_eq!(at, output.len(), "items begin in their order");
                output.push(frame["item"].clone());
                done.push(Value::Null);
            }
            "content_part.added" => output[at]["content"].as_array_mut().unwrap().push(frame["part"].clone()),
            "output_text.delta" => add(&mut output[at]["content"][part]["text"]),
            "refusal.delta" => add(&mut output[at]["content"][part]["refusal"]),
            "function_call_arguments.delta" => add(&mut output[at]["arguments"]),
            "custom_tool_call_input.delta" => add(&mut output[at]["input"]),
            "output_text.annotation.added" => {
                let list = output[at]["content"][part]["annotations"].as_array_mut().unwrap();
                list.push(frame["annotation"].clone());
            }
            "reasoning_summary_part.added" => output[at]["summary"].as_array_mut().unwrap().push(frame["part"].clone()),
            "reasoning_summary_text.delta" => add(&mut output[at]["summary"][0]["text"]),
            "output_text.done" => assert_eq!(output[at]["content"][part]["text"], frame["text"]),
            "refusal.done" => assert_eq!(output[at]["content"][part]["refusal"], frame["refusal"]),
            "content_part.done" => assert_eq!(output[at]["content"][part], frame["part"]),
            "function_call_arguments.done" => assert_eq!(output[at]["arguments"], frame["arguments"]),
            "custom_tool_call_input.done" => assert_eq!(output[at]["input"], frame["input"]),
            "reasoning_summary_text.done" => assert_eq!(output[at]["summary"][0]["text"], frame["text"]),
            "output_item.done" => {
                assert_eq!(done[at], Value::Null, "an item ends once");
                done[at] = frame["item"].clone();
                // What is known only at the end.
                for key in ["status", "encrypted_content"] {
                    if let Some(json) = frame["item"].get(key) {
                        output[at][key] = json.clone();
                    }
                }
                assert_eq!(output[at], done[at]);
            }
            "completed" | "incomplete" => {
                assert_eq!(frame["response"]["output"], Value::from(output));
                return frame["response"].clone();
            }
            "created" | "in_progress" | "reasoning_summary_part.done" => {}
            other => panic!("an event that is not known: {other}"),
        }
    }
    panic!("the stream has no end")
}

/// Without what a provider of another wire did not say: items' ids, and what goes back with them.
fn said_by_another(events: Vec<ChatEvent>) -> Vec<ChatEvent> {
    let events = undated(events).into_iter().filter(|event| match event {
        ChatEvent::Opaque { .. } => false,
        event => !is_head(event),
    });
    merged(events.collect())
}

/// Without when the answer was made, which is said anew to each client.
fn undated(mut events: Vec<ChatEvent>) -> Vec<ChatEvent> {
    let dated = events.len();
    events.retain(|event| !matches!(event, ChatEvent::Extra(extra) if extra.path == "/created_at"));
    assert!(dated - events.len() <= 1);
    events
}

/// With the citations at the end: a whole answer has them after all the text of their part.
fn cited_last(events: Vec<ChatEvent>) -> Vec<ChatEvent> {
    let (cited, other): (Vec<_>, Vec<_>) =
        events.into_iter().partition(|event| matches!(event, ChatEvent::Citation { .. }));
    merged(other.into_iter().chain(cited).collect())
}

/// The reason that a client of this wire can be told.
fn with_own_reason(mut events: Vec<ChatEvent>) -> Vec<ChatEvent> {
    let calls = events.iter().any(|event| matches!(event, ChatEvent::ToolCallStarted { .. }));
    let refused = events.iter().any(|event| matches!(event, ChatEvent::Refusal { .. }));
    if let Some(ChatEvent::Finished { reason: reason @ FinishReason::Stop }) = events.last_mut() {
        *reason = match (calls, refused) {
            (true, _) => FinishReason::ToolCalls,
            (_, true) => FinishReason::Refusal,
            _ => FinishReason::Stop,
        };
    }
    events
}

/// Two pictures are two items, whose use is counted.
fn with_tools_counted(mut events: Vec<ChatEvent>) -> Vec<ChatEvent> {
    let count = |events: &[ChatEvent], test: fn(&ChatEvent) -> bool| events.iter().filter(|event| test(event)).count();
    let made = count(&events, |event| matches!(event, ChatEvent::Media { .. }));
    let searched = count(
        &events,
        |event| matches!(event, ChatEvent::Opaque { data } if data["item"]["type"] == "web_search_call"),
    );
    for event in &mut events {
        if let ChatEvent::Usage(usage) = event {
            for (tool, count) in [("image_generation", made), ("web_search", searched)] {
                if count > 0 {
                    usage.server_tools.insert(tool.into(), count as u64);
                }
            }
        }
    }
    events
}

proptest! {
    #[test]
    fn a_stream_put_together_is_the_whole_response(events in any::<bool>().prop_flat_map(answers)) {
        let request = json!({"model": "m", "input": "x", "tools": [{"type": "function", "name": "f"}]});
        let whole = whole_response(&events, "resp_1", 7, "m", echo(&request));
        let whole: Value = serde_json::from_slice(&whole).unwrap();
        prop_assert_eq!(accumulated(&stream_of(&events, echo(&request))), whole);
    }

    #[test]
    fn what_a_provider_of_this_wire_said_is_served_so(events in answers(true)) {
        let echo = || echo(&json!({"model": "m", "input": "x"}));
        let want = merged(with_own_reason(with_tools_counted(events.clone())));
        let (read, error, skipped) = decode_all(&ToolNames::default(), [&stream_of(&events, echo())[..]]);
        prop_assert_eq!((error.map(|error| error.kind), skipped), (None, 0));
        prop_assert_eq!(undated(without_progress(read)), renumbered(want.clone()));
        let whole = decode_answer(&whole_response(&events, "resp_1", 7, "m", echo()), &ToolNames::default()).unwrap();
        prop_assert_eq!(merged(undated(whole)), renumbered(want));
    }

    #[test]
    fn what_any_provider_said_is_served_so(events in answers(false)) {
        let echo = || echo(&json!({"model": "m", "input": "x"}));
        let want = said_by_another(with_own_reason(with_tools_counted(events.clone())));
        let (read, error, skipped) = decode(&ToolNames::default(), [&stream_of(&events, echo())[..]]);
        prop_assert_eq!((error.map(|error| error.kind), skipped), (None, 0));
        prop_assert_eq!(said_by_another(read), want.clone());
        let whole = decode_answer(&whole_response(&events, "resp_1", 7, "m", echo()), &ToolNames::default()).unwrap();
        prop_assert_eq!(cited_last(said_by_another(whole)), cited_last(want));
    }
}

/// With the items' numbers as they are served: one for each that begins, those that come whole included.
fn renumbered(mut events: Vec<ChatEvent>) -> Vec<ChatEvent> {
    let mut next = 0;
    for event in &mut events {
        let is_whole = matches!(event, ChatEvent::Opaque { data } if data["item"]["type"].as_str().is_some_and(|kind| kind.ends_with("_call")));
        match event {
            ChatEvent::Extra(extra) => extra.path = format!("/output/{next}"),
            _ if is_whole => {}
            _ => continue,
        }
        next += 1;
    }
    events
}
