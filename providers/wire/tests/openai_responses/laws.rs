//! What holds for every stream.

use greenroom_wire::{
    ErrorKind, StreamDecoder, StreamState,
    openai_responses::{OpenaiResponsesDecoder, ToolNames, decode_answer, decode_error, decode_request},
};
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::{Value, json};

use crate::{
    harness::*,
    shapes::{shapes, words},
};

/// An item as it stands at its end, and the events of a stream before that, without their place.
type Made = (Value, Vec<Value>);

fn deltas(kind: &str, pieces: &[String], fields: Value) -> Vec<Value> {
    let with = |piece: &String| {
        let mut fields = fields.clone();
        fields["delta"] = piece.as_str().into();
        of_item(kind, 0, fields)
    };
    pieces.iter().map(with).collect()
}

fn items() -> impl Strategy<Value = Vec<Made>> {
    let pieces = || vec(words(), 0..4);
    let said = (pieces(), any::<bool>(), any::<bool>()).prop_map(|(pieces, refuses, cites)| {
        let text = pieces.concat();
        let note = json!({"type": "url_citation", "url": "u"});
        let (kind, part) = match (refuses, cites) {
            (true, _) => ("refusal.delta", json!({"type": "refusal", "refusal": text})),
            (_, false) => ("output_text.delta", output_text(&text)),
            (_, true) => {
                ("output_text.delta", json!({"type": "output_text", "text": text, "annotations": [note], "odd": 1}))
            }
        };
        (message_item("msg", json!([part])), deltas(kind, &pieces, json!({"content_index": 0})))
    });
    let thought = (vec(pieces(), 0..3), words()).prop_map(|(parts, hidden)| {
        let texts = parts.iter().map(|pieces| json!({"type": "summary_text", "text": pieces.concat()}));
        let item = json!({"type": "reasoning", "summary": texts.collect::<Vec<_>>(), "encrypted_content": hidden});
        let events = parts.iter().enumerate().flat_map(|(index, pieces)| {
            deltas("reasoning_summary_text.delta", pieces, json!({"summary_index": index}))
        });
        (item, events.collect())
    });
    let called = (pieces(), any::<bool>()).prop_map(|(pieces, custom)| {
        let text = pieces.concat();
        match custom {
            false => (call_item(0, &text), deltas("function_call_arguments.delta", &pieces, json!({}))),
            true => {
                let item = json!({"type": "custom_tool_call", "call_id": "c", "name": "g", "input": text});
                (item, deltas("custom_tool_call_input.delta", &pieces, json!({})))
            }
        }
    });
    let theirs = words().prop_map(|text| {
        let item = json!({"type": "web_search_call", "id": "ws", "action": text});
        (item, vec![of_item("web_search_call.searching", 0, json!({}))])
    });
    vec(prop_oneof![said, thought, called, theirs], 0..6)
}

/// The same answer as a stream and whole.
fn answers() -> impl Strategy<Value = (Vec<u8>, Value)> {
    (items(), any::<u32>(), prop::sample::select(vec!["", "max_output_tokens", "odd"])).prop_map(
        |(items, output, why)| {
            let mut events = vec![created()];
            for (index, (item, pieces)) in (0u32..).zip(&items) {
                let mut begun = item.clone();
                for (key, empty) in [("content", json!([])), ("summary", json!([])), ("arguments", json!(""))] {
                    if begun.get(key).is_some() {
                        begun[key] = empty;
                    }
                }
                events.push(added(index, begun));
                for piece in pieces {
                    let mut piece = piece.clone();
                    piece["output_index"] = index.into();
                    events.push(piece);
                }
                events.push(done(index, item.clone()));
            }
            let usage =
                json!({"input_tokens": 9, "output_tokens": output, "input_tokens_details": {"cached_tokens": 4}});
            let output: Vec<_> = items.into_iter().map(|(item, _)| item).collect();
            let mut response = json!({"id": "resp_1", "model": "m", "status": "completed", "output": output,
                "usage": usage, "service_tier": "default"});
            let mut kind = "response.completed";
            if !why.is_empty() {
                kind = "response.incomplete";
                response["status"] = "incomplete".into();
                response["incomplete_details"] = json!({"reason": why});
            }
            events.push(json!({"type": kind, "response": response}));
            (sse(&events), response)
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
        let (events, error, skipped) = decode_all(&names, pieces(&stream, &cuts));
        prop_assert!(error.is_none(), "{error:?}");
        prop_assert_eq!(skipped, 0);
        let events_of_whole = merged(decode_answer(whole.to_string().as_bytes(), &names).unwrap());
        prop_assert_eq!(without_progress(events), events_of_whole);
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
    fn a_cut_answer_is_never_a_whole_one((stream, _) in answers(), length in any::<Index>()) {
        // The last event counts without the blank line after it, and without the end of its line.
        let stream = &stream[..length.index(stream.len() - 2)];
        let (_, error, _) = decode(&ToolNames::default(), [stream]);
        prop_assert_eq!(error.map(|error| error.kind), Some(ErrorKind::Protocol));
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
        let framed = [&sse(&[created()])[..], format!("data: {text}\n\ndata: {text}\n\n").as_bytes()].concat();
        decode(&names, [&framed[..]]);
        decode(&names, [&sse(&[created(), added(0, value.clone()), done(0, value)])[..]]);
        let _ = decode_answer(text.as_bytes(), &names);
        let _ = decode_request(text.as_bytes());
        let header = |_: &str| Some(text.clone());
        let response = greenroom_wire::ErrorResponse {
            status: 429, header: &header, body: text.as_bytes(), now: std::time::SystemTime::UNIX_EPOCH,
        };
        decode_error(&response);
    }
}

#[test]
fn memory_is_bounded() {
    let mut decoder = OpenaiResponsesDecoder::new(ToolNames::default());
    let line = vec![b'x'; 1 << 20];
    decoder.handle_bytes(b"data: ");
    for _ in 0..20 {
        decoder.handle_bytes(&line);
    }
    let StreamState::Failed(error) = decoder.state() else { panic!("an endless line is a failure") };
    assert!(error.message.contains("larger than"), "{error}");
}
