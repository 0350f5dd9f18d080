//! What holds for every answer and every stream.

use greenroom_wire::{
    ChatEvent, FinishReason,
    gemini::{
        ErrorResponse, ToolNames, decode_answer, decode_count, decode_embed_request, decode_embeddings, decode_error,
        decode_models, decode_request,
    },
};
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::{Value, json};

use crate::harness::*;

/// Texts with what trips line splitters and JSON writers.
pub(crate) fn words() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z ]{1,8}", "[\u{85}\u{2028}\u{2029}\"\\\\\n\r\t\u{1}{}\\[\\]é€😀]{1,6}", any::<String>()]
        .prop_filter("deltas are never empty", |text| !text.is_empty())
}

#[derive(Debug, Clone)]
enum Said {
    Text(String, bool),
    Thinking(String, bool),
    Calls(Vec<(bool, String, bool)>),
    InPieces(Vec<String>),
    Odd(String),
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        4 => (words(), any::<bool>()).prop_map(|(text, signed)| Said::Text(text, signed)),
        2 => (words(), any::<bool>()).prop_map(|(text, signed)| Said::Thinking(text, signed)),
        2 => vec((any::<bool>(), words(), any::<bool>()), 1..4).prop_map(Said::Calls),
        1 => vec(words(), 1..4).prop_map(Said::InPieces),
        1 => words().prop_map(Said::Odd),
    ]
}

/// An answer as chunks, and the events that it has to be read as.
fn answer(all: &[Said]) -> (Vec<Value>, Vec<ChatEvent>) {
    let (mut chunks, mut events, mut calls) = (Vec::new(), vec![started()], 0u32);
    let sign = |part: &mut Value, signed: bool| {
        if signed {
            part["thoughtSignature"] = "s".into();
        }
    };
    for (number, one) in all.iter().enumerate() {
        match one {
            Said::Text(delta, signed) => {
                let mut part = json!({"text": delta});
                sign(&mut part, *signed);
                events.push(text(delta));
                events.extend(signed.then(|| opaque(part.clone())));
                chunks.push(chunk(json!([part])));
            }
            Said::Thinking(delta, signed) => {
                let mut part = json!({"text": delta, "thought": true});
                sign(&mut part, *signed);
                events.push(thinking(delta));
                events.extend(signed.then(|| opaque(part.clone())));
                chunks.push(chunk(json!([part])));
            }
            Said::Calls(list) => {
                let mut parts = Vec::new();
                for (with_id, argument, signed) in list {
                    let args = json!({"text": argument, "n": number});
                    let mut part = json!({"functionCall": {"name": "f", "args": args}});
                    let id = if *with_id { format!("own-{calls}") } else { format!("call_r_{calls}") };
                    if *with_id {
                        part["functionCall"]["id"] = id.clone().into();
                    }
                    sign(&mut part, *signed);
                    events.extend(call(calls, &id, "f", &args.to_string()));
                    events.extend(signed.then(|| opaque(json!({"tool_call": calls, "thoughtSignature": "s"}))));
                    parts.push(part);
                    calls += 1;
                }
                chunks.push(chunk(parts.into()));
            }
            Said::InPieces(texts) => {
                chunks.push(chunk(json!([{"functionCall": {"name": "g", "willContinue": true}}])));
                for text in texts {
                    let piece = json!({"jsonPath": "$['a b'].c", "stringValue": text, "willContinue": true});
                    chunks.push(chunk(json!([{"functionCall": {"partialArgs": [piece], "willContinue": true}}])));
                }
                chunks.push(chunk(json!([{"functionCall": {}}])));
                let args = json!({"a b": {"c": texts.concat()}}).to_string();
                events.extend(call(calls, &format!("call_r_{calls}"), "g", &args));
                calls += 1;
            }
            Said::Odd(value) => {
                let mut odd = chunk(json!([]));
                odd["odd~"] = json!([number, value]);
                chunks.push(odd);
                events.push(extra("/odd~0", json!([number, value])));
            }
        }
    }
    chunks.push(end("STOP"));
    events.push(usage(5, 2));
    events.push(finished(if calls > 0 { FinishReason::ToolCalls } else { FinishReason::Stop }));
    (chunks, merged(events))
}

fn answers() -> impl Strategy<Value = (Vec<u8>, Vec<ChatEvent>)> {
    (vec(said(), 0..8), any::<bool>()).prop_map(|(said, as_array)| {
        let (chunks, events) = answer(&said);
        // Pretty-printed, arguments stand as they were written: in one line for this.
        let lines: Vec<_> = chunks.iter().map(Value::to_string).collect();
        let stream = if as_array { format!("[{}]", lines.join("\n,\r\n")).into_bytes() } else { sse(&chunks) };
        (stream, events)
    })
}

fn pieces<'a>(stream: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).chain([0, stream.len()]).collect();
    places.sort_unstable();
    places.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect()
}

/// Whatever can be read is given this.
fn read_everything(bytes: &[u8]) {
    decode([bytes]);
    decode([&[b"data: ", bytes, b"\n\n"].concat()[..]]);
    decode([&[b"[", bytes, b"]"].concat()[..]]);
    let _ = decode_answer(bytes, &ToolNames::default());
    let _ = decode_request(bytes, "m");
    let _ = decode_embed_request(bytes, "m");
    let _ = decode_embeddings(bytes);
    let _ = decode_models(bytes);
    let _ = decode_count(bytes);
    let header = |_: &str| Some(String::from_utf8_lossy(bytes).into_owned());
    for status in [200, 400, 429] {
        let now = std::time::SystemTime::UNIX_EPOCH;
        decode_error(&ErrorResponse { status, header: &header, body: bytes, now });
    }
}

/// JSON made of this wire's own keys, with anything under them.
pub(crate) fn shapes() -> impl Strategy<Value = Value> {
    const KEYS: [&str; 44] = [
        "candidates",
        "content",
        "contents",
        "parts",
        "role",
        "text",
        "thought",
        "thoughtSignature",
        "functionCall",
        "functionResponse",
        "function_call",
        "id",
        "name",
        "args",
        "partialArgs",
        "jsonPath",
        "stringValue",
        "willContinue",
        "response",
        "inlineData",
        "fileData",
        "mimeType",
        "data",
        "executableCode",
        "finishReason",
        "index",
        "usageMetadata",
        "promptTokenCount",
        "promptFeedback",
        "blockReason",
        "citationMetadata",
        "groundingMetadata",
        "groundingChunks",
        "error",
        "details",
        "violations",
        "tools",
        "functionDeclarations",
        "parameters",
        "toolConfig",
        "generationConfig",
        "thinkingConfig",
        "systemInstruction",
        "models",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i16>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        prop::sample::select(vec!["", "STOP", "model", "user", "$.a[0]", "f", "image/png", "OTHER"])
            .prop_map(Value::from),
        words().prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 60, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((prop::sample::select(KEYS.to_vec()), inner), 0..8).prop_map(|entries| {
                entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Value>()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn an_answer_is_read_as_it_was_said((stream, events) in answers(), cuts in vec(any::<Index>(), 0..9)) {
        let (again, error) = decode(pieces(&stream, &cuts));
        prop_assert!(error.is_none(), "{error:?}");
        prop_assert_eq!(again, events);
    }

    #[test]
    fn cuts_change_nothing((stream, _) in answers(), cuts in vec(any::<Index>(), 0..9), length in any::<Index>()) {
        let stream = &stream[..length.index(stream.len() + 1)];
        let (whole, error) = decode([stream]);
        let (again, other) = decode(pieces(stream, &cuts));
        prop_assert_eq!(again, whole);
        prop_assert_eq!(other.map(|error| error.kind), error.map(|error| error.kind));
    }

    #[test]
    fn garbage_does_no_harm(
        (mut stream, _) in answers(), at in any::<Index>(), bytes in vec(any::<u8>(), 0..12), noise in vec(any::<u8>(), 0..200),
    ) {
        let at = at.index(stream.len() + 1);
        stream.splice(at..(at + bytes.len() / 2).min(stream.len()), bytes);
        let (whole, error) = decode([&stream[..]]);
        let (again, other) = decode(stream.chunks(7));
        prop_assert_eq!(again, whole);
        prop_assert_eq!(other.map(|error| error.kind), error.map(|error| error.kind));
        read_everything(&noise);
    }

    #[test]
    fn json_of_any_shape_does_no_harm(value in shapes(), part in shapes()) {
        read_everything(value.to_string().as_bytes());
        read_everything(chunk(json!([value, part])).to_string().as_bytes());
    }
}
