//! What holds for every stream.

use greenroom_wire::{
    StreamDecoder, StreamState,
    anthropic::{
        AnthropicDecoder, ToolNames, decode_answer, decode_count, decode_error, decode_models, decode_request,
    },
};
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::{Value, json};

use crate::harness::*;

fn words() -> impl Strategy<Value = String> {
    "[a-z\u{e9}\u{1f30a}\u{2028} \\\\\"\n]{0,8}"
}

/// A block as it stands in a whole message, and its deltas in a stream.
fn blocks() -> impl Strategy<Value = Vec<(Value, Vec<Value>)>> {
    let piece = |kind: &'static str, key: &'static str| {
        move |texts: Vec<String>| texts.into_iter().map(|text| json!({"type": kind, key: text})).collect::<Vec<_>>()
    };
    let text = vec(words(), 0..4)
        .prop_map(move |texts| (json!({"type": "text", "text": texts.concat()}), piece("text_delta", "text")(texts)));
    let thought = (vec(words(), 0..4), words()).prop_map(move |(texts, signature)| {
        let whole = json!({"type": "thinking", "thinking": texts.concat(), "signature": signature});
        let mut deltas = piece("thinking_delta", "thinking")(texts);
        deltas.push(json!({"type": "signature_delta", "signature": signature}));
        (whole, deltas)
    });
    let input = (any::<u8>(), vec(any::<Index>(), 0..4));
    let call = |start: Value| {
        input.clone().prop_map(move |(number, cuts)| {
            let input = json!({"x": number, "t": "é\n"});
            let mut whole = start.clone();
            whole["input"] = input.clone();
            let text = input.to_string();
            let places: Vec<_> = text.char_indices().map(|(at, _)| at).collect();
            let cuts = cuts.iter().map(|cut| places[cut.index(places.len())]);
            let mut at: Vec<_> = cuts.chain([0, text.len()]).collect();
            at.sort_unstable();
            let mut deltas = vec![json!({"type": "input_json_delta", "partial_json": ""})];
            deltas.extend(
                at.windows(2).map(|two| json!({"type": "input_json_delta", "partial_json": text[two[0]..two[1]]})),
            );
            (whole, deltas)
        })
    };
    let ours = call(json!({"type": "tool_use", "id": "toolu_1", "name": "f"}));
    let theirs = call(json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search"}));
    let given = words().prop_map(|text| {
        (json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": text}), Vec::new())
    });
    let cited = (words(), words()).prop_map(|(text, source)| {
        let citation = json!({"type": "x", "cited_text": source});
        let whole = json!({"type": "text", "text": text, "citations": [citation]});
        let deltas =
            vec![json!({"type": "citations_delta", "citation": citation}), json!({"type": "text_delta", "text": text})];
        (whole, deltas)
    });
    vec(prop_oneof![text, thought, ours, theirs, given, cited], 0..6)
}

fn usage_of(output: u32) -> Value {
    json!({"input_tokens": 5, "output_tokens": output, "cache_read_input_tokens": 3, "service_tier": "standard"})
}

/// The same answer as a stream and whole.
fn answers() -> impl Strategy<Value = (Vec<u8>, Value)> {
    (blocks(), any::<u32>(), prop::sample::select(vec!["end_turn", "tool_use", "max_tokens", "odd"])).prop_map(
        |(blocks, output, reason)| {
            let mut events = vec![start()];
            for (index, (whole, deltas)) in (0u32..).zip(&blocks) {
                let mut begun = whole.clone();
                if !deltas.is_empty() {
                    for (key, empty) in
                        [("text", json!("")), ("thinking", json!("")), ("signature", json!("")), ("input", json!({}))]
                    {
                        if begun.get(key).is_some() {
                            begun[key] = empty;
                        }
                    }
                    begun.as_object_mut().unwrap().shift_remove("citations");
                }
                events.push(begin(index, begun));
                events.extend(deltas.iter().map(|piece| delta(index, piece.clone())));
                events.push(stop(index));
            }
            events.push(json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage_of(output)}));
            events.push(over());
            let content: Vec<_> = blocks.into_iter().map(|(whole, _)| whole).collect();
            let whole = json!({"id": "msg_1", "model": "m", "content": content, "stop_reason": reason,
                "usage": usage_of(output)});
            (sse(&events), whole)
        },
    )
}

fn pieces<'a>(stream: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).chain([0, stream.len()]).collect();
    places.sort_unstable();
    places.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn a_stream_says_what_the_whole_answer_says((stream, whole) in answers(), cuts in vec(any::<Index>(), 0..6)) {
        let names = ToolNames::default();
        let (events, error, skipped) = decode(&names, pieces(&stream, &cuts));
        prop_assert!(error.is_none(), "{error:?}");
        prop_assert_eq!(skipped, 0);
        let events_of_whole = merged(decode_answer(whole.to_string().as_bytes(), &names).unwrap());
        prop_assert_eq!(events, events_of_whole);
    }

    #[test]
    fn cuts_change_nothing((stream, _) in answers(), cuts in vec(any::<Index>(), 0..9), length in any::<Index>()) {
        let stream = &stream[..length.index(stream.len() + 1)];
        let names = ToolNames::default();
        let (whole, error, skipped) = decode(&names, [stream]);
        let (again, other, skipped_again) = decode(&names, pieces(stream, &cuts));
        prop_assert_eq!(again, whole);
        prop_assert_eq!(other.map(|error| error.kind), error.map(|error| error.kind));
        prop_assert_eq!(skipped_again, skipped);
    }

    #[test]
    fn garbage_does_no_harm(
        (stream, _) in answers(), at in any::<Index>(), bytes in vec(any::<u8>(), 0..12), noise in vec(any::<u8>(), 0..200),
    ) {
        let names = ToolNames::default();
        let mut stream = stream;
        let at = at.index(stream.len() + 1);
        stream.splice(at..(at + bytes.len() / 2).min(stream.len()), bytes);
        decode(&names, stream.chunks(7));
        decode(&names, [&noise[..]]);
        let _ = decode_answer(&noise, &names);
        let _ = decode_request(&noise);
    }

    #[test]
    fn json_of_any_shape_does_no_harm(value in shapes()) {
        let text = value.to_string();
        let names = ToolNames::default();
        decode(&names, [format!("data: {text}\n\n").as_bytes()]);
        let framed = [&sse(&[start()])[..], format!("data: {text}\n\ndata: {text}\n\n").as_bytes()].concat();
        decode(&names, [&framed[..]]);
        let _ = decode_answer(text.as_bytes(), &names);
        let _ = decode_request(text.as_bytes());
        let _ = decode_models(text.as_bytes());
        let _ = decode_count(text.as_bytes());
        let header = |_: &str| Some(text.clone());
        let response = greenroom_wire::ErrorResponse {
            status: 429, header: &header, body: text.as_bytes(), now: std::time::SystemTime::UNIX_EPOCH,
        };
        decode_error(&response);
    }
}

/// JSON made of this wire's own keys, with anything under them.
pub(crate) fn shapes() -> impl Strategy<Value = Value> {
    const KEYS: &[&str] = &[
        "type",
        "index",
        "message",
        "id",
        "model",
        "content",
        "content_block",
        "delta",
        "text",
        "thinking",
        "signature",
        "partial_json",
        "citation",
        "citations",
        "name",
        "input",
        "caller",
        "usage",
        "input_tokens",
        "iterations",
        "cache_creation",
        "stop_reason",
        "error",
        "details",
        "retryDelay",
        "messages",
        "role",
        "system",
        "source",
        "data",
        "media_type",
        "tool_use_id",
        "tools",
        "input_schema",
        "tool_choice",
        "output_config",
        "format",
        "schema",
        "cache_control",
        "metadata",
    ];
    const WORDS: &[&str] = &[
        "",
        "text",
        "thinking",
        "tool_use",
        "tool_result",
        "server_tool_use",
        "image",
        "document",
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "text_delta",
        "input_json_delta",
        "signature_delta",
        "compaction_delta",
        "user",
        "assistant",
        "system",
        "base64",
        "ephemeral",
        "enabled",
        "error",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // What short decimals read back as is exact; serde_json's fast reading of long ones may be off by the last bit.
        any::<i16>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        prop::sample::select(WORDS.to_vec()).prop_map(Value::from),
        words().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((prop::sample::select(KEYS.to_vec()), inner), 0..8).prop_map(|entries| {
                entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Value>()
            }),
        ]
    })
}

#[test]
fn memory_is_bounded() {
    let mut decoder = AnthropicDecoder::new(ToolNames::default());
    let line = vec![b'x'; 1 << 20];
    decoder.handle_bytes(b"data: ");
    for _ in 0..20 {
        decoder.handle_bytes(&line);
    }
    let StreamState::Failed(error) = decoder.state() else { panic!("an endless line is a failure") };
    assert!(error.message.contains("larger than"), "{error}");
}
