//! Calls of tools from a stream of one wire to a stream of another.

use greenroom_wire::{
    ChatEvent, FinishReason, StreamDecoder, StreamState, Usage,
    anthropic::{AnthropicDecoder, ToolNames},
    openai_chat::{OpenaiChatDecoder, StreamWriter},
    openai_responses::OpenaiResponsesDecoder,
};
use proptest::{collection::vec, option, prelude::*, sample::Index};
use serde_json::{Value, json};

use crate::language::words;

fn decode(mut decoder: impl StreamDecoder, bytes: &[u8], length: usize) -> Vec<ChatEvent> {
    let mut events = Vec::new();
    for piece in bytes.chunks(length) {
        decoder.handle_bytes(piece);
        events.extend(std::iter::from_fn(|| decoder.poll_event()));
    }
    decoder.handle_end();
    events.extend(std::iter::from_fn(|| decoder.poll_event()));
    assert!(matches!(decoder.state(), StreamState::Done), "{:?}", decoder.state());
    events
}

/// The calls of an answer by their indices: ids, names, arguments, and whether each was said to be whole.
fn calls(events: &[ChatEvent]) -> Vec<(String, String, String, bool)> {
    let mut calls = Vec::new();
    for event in events {
        match event {
            ChatEvent::ToolCallStarted { index, id, name, .. } => {
                assert_eq!(*index as usize, calls.len(), "calls are numbered in the order of beginning");
                calls.push((id.clone(), name.clone(), String::new(), false));
            }
            ChatEvent::ToolCallArgs { index, delta } => calls[*index as usize].2.push_str(delta),
            ChatEvent::ToolCallDone { index } => calls[*index as usize].3 = true,
            _ => {}
        }
    }
    calls
}

fn text(events: &[ChatEvent]) -> String {
    events
        .iter()
        .filter_map(|event| if let ChatEvent::Text { delta } = event { Some(&**delta) } else { None })
        .collect()
}

fn end(events: &[ChatEvent]) -> (Option<Usage>, Option<FinishReason>) {
    let usage = |event: &ChatEvent| if let ChatEvent::Usage(usage) = event { Some(usage.clone()) } else { None };
    let reason = |event: &ChatEvent| match event {
        ChatEvent::Finished { reason } => Some(reason.clone()),
        _ => None,
    };
    (events.iter().rev().find_map(usage), events.last().and_then(reason))
}

fn delta(index: usize, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

/// What is said: calls with their inputs, each after a text or at once after the call before it, and where the inputs are
/// cut.
type Said = [(Option<String>, Value, Vec<Index>)];

fn cut(input: &str, cuts: &[Index]) -> Vec<String> {
    let places: Vec<_> = input.char_indices().map(|(at, _)| at).collect();
    let mut cuts: Vec<_> = cuts.iter().map(|cut| places[cut.index(places.len())]).chain([0, input.len()]).collect();
    cuts.sort_unstable();
    cuts.windows(2).map(|two| input[two[0]..two[1]].to_owned()).collect()
}

fn lines(events: &[Value]) -> Vec<u8> {
    let line = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default());
    events.iter().flat_map(|event| line(event).into_bytes()).collect()
}

/// A stream of the Responses API, whose ids of calls are as Anthropic's.
fn responses(said: &Said) -> Vec<u8> {
    let mut events = vec![json!({"type": "response.created", "response": {"id": "resp_1", "model": "m"}})];
    let mut item = 0;
    let mut put = |item: u32, kind: &str, fields: Value| {
        let mut event = json!({"type": format!("response.{kind}"), "output_index": item});
        event.as_object_mut().expect("it is an object").extend(fields.as_object().cloned().unwrap_or_default());
        events.push(event);
    };
    for (number, (text, input, cuts)) in said.iter().enumerate() {
        if let Some(text) = text {
            put(item, "output_text.delta", json!({"content_index": 0, "delta": text}));
            let content = json!([{"type": "output_text", "text": text}]);
            put(
                item,
                "output_item.done",
                json!({"item": {"type": "message", "role": "assistant", "content": content}}),
            );
            item += 1;
        }
        let input = input.to_string();
        let call = |arguments: &str| {
            json!({"item": {"type": "function_call", "call_id": format!("toolu_{number}"), "name": format!("f{number}"),
                "arguments": arguments}})
        };
        put(item, "output_item.added", call(""));
        for piece in cut(&input, cuts) {
            put(item, "function_call_arguments.delta", json!({"delta": piece}));
        }
        put(item, "output_item.done", call(&input));
        item += 1;
    }
    let usage = json!({"input_tokens": 11, "output_tokens": 7});
    events.push(json!({"type": "response.completed", "response": {"status": "completed", "usage": usage}}));
    lines(&events)
}

/// A stream of Anthropic's.
fn anthropic(said: &Said) -> Vec<u8> {
    let usage = json!({"input_tokens": 11, "output_tokens": 1});
    let head =
        json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage});
    let mut events = vec![json!({"type": "message_start", "message": head})];
    let mut block = 0;
    let mut put = |start: Value, deltas: Vec<Value>| {
        events.push(json!({"type": "content_block_start", "index": block, "content_block": start}));
        events.extend(deltas.into_iter().map(|piece| delta(block, piece)));
        events.push(json!({"type": "content_block_stop", "index": block}));
        block += 1;
    };
    for (number, (text, input, cuts)) in said.iter().enumerate() {
        if let Some(text) = text {
            put(json!({"type": "text", "text": ""}), vec![json!({"type": "text_delta", "text": text})]);
        }
        let input = input.to_string();
        let pieces = cut(&input, cuts);
        let pieces = pieces.iter().map(|piece| json!({"type": "input_json_delta", "partial_json": piece}));
        let start =
            json!({"type": "tool_use", "id": format!("toolu_{number}"), "name": format!("f{number}"), "input": {}});
        put(start, pieces.collect());
    }
    let usage = json!({"output_tokens": 7});
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": usage}));
    events.push(json!({"type": "message_stop"}));
    lines(&events)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn parallel_calls_go_from_wire_to_wire(
        said in vec(
            (option::of(words()), words().prop_map(|text| json!({"t": text, "n": [1]})), vec(any::<Index>(), 0..4)),
            1..5,
        ),
        length in 1..90usize,
    ) {
        let first = decode(AnthropicDecoder::new(ToolNames::default()), &anthropic(&said), length);
        let want: Vec<_> = said
            .iter()
            .enumerate()
            .map(|(number, (_, input, _))| {
                (format!("toolu_{number}"), format!("f{number}"), input.to_string(), true)
            })
            .collect();
        prop_assert_eq!(&calls(&first), &want);
        let other = decode(OpenaiResponsesDecoder::new(ToolNames::default()), &responses(&said), length);
        prop_assert_eq!((calls(&other), text(&other), end(&other)), (want, text(&first), end(&first)));

        let mut writer = StreamWriter::new("chatcmpl-1", 1, "m").include_usage(true);
        let mut written = Vec::new();
        first.iter().for_each(|event| writer.write(event, &mut written));
        let second = decode(OpenaiChatDecoder::new(1), &written, length);
        prop_assert_eq!(calls(&second), calls(&first));
        prop_assert_eq!(text(&second), text(&first));
        prop_assert_eq!(end(&second), end(&first));
        prop_assert_eq!(end(&second).1, Some(FinishReason::ToolCalls));
    }
}
