//! What holds for every answer, every request and every stream.

use greenroom_wire::{
    ChatEvent, ChatRequest, FinishReason, Message, Part, Role, StreamDecoder, StreamState, Usage,
    chat::{MediaSource, Tool, ToolCallKind},
    fold::fold,
    openai_chat::{
        Dialect, OpenaiChatDecoder, StreamWriter, ToolNames, decode_answer, decode_request, encode_request,
        whole_answer,
    },
};
use proptest::{collection::vec, option, prelude::*, sample::Index};
use serde_json::{Value, json};

use crate::harness::*;

/// Texts with what trips line splitters and JSON writers.
fn words() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z ]{1,8}", "[\u{85}\u{2028}\u{2029}\"\\\\\n\r\t\u{1}{}é€😀]{1,6}", any::<String>()]
        .prop_filter("deltas are never empty", |text| !text.is_empty())
}

#[derive(Debug, Clone)]
enum Said {
    Text(String),
    Thinking(String),
    Refusal(String),
    Call { custom: bool, args: Vec<String> },
    Source(String),
    Picture,
    Signature(String),
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        4 => words().prop_map(Said::Text),
        2 => words().prop_map(Said::Thinking),
        1 => words().prop_map(Said::Refusal),
        1 => vec(words(), 0..3).prop_map(|args| Said::Call { custom: true, args }),
        2 => (words(), any::<Index>()).prop_map(|(text, cut)| Said::Call { custom: false, args: json_in_two(&text, cut) }),
        1 => words().prop_map(Said::Source),
        1 => Just(Said::Picture),
        1 => words().prop_map(Said::Signature),
    ]
}

/// Whole JSON in two pieces.
fn json_in_two(text: &str, cut: Index) -> Vec<String> {
    let whole = json!({"text": text}).to_string();
    let cut =
        (1..whole.len()).rev().find(|at| *at <= 1 + cut.index(whole.len()) && whole.is_char_boundary(*at)).unwrap();
    vec![whole[..cut].to_owned(), whole[cut..].to_owned()]
}

/// Which extras come before a thing: beside the choices, in the choice, in the delta.
type Before = (bool, bool, bool);

/// An answer as this wire's decoder would say it: extras in the order of a chunk, calls ended when the next begins,
/// what is for later turns and usage at the end.
fn answer(
    said: Vec<(Before, Said)>,
    details: bool,
    usage: Option<(u64, u64, u64, u64)>,
    other: Option<String>,
) -> Vec<ChatEvent> {
    let mut events = vec![ChatEvent::Started { id: "a".into(), model: "m".into() }];
    let (mut calls, mut thought, mut refused, mut signature) = (0, String::new(), false, String::new());
    for (number, ((top, choice, in_delta), said)) in said.into_iter().enumerate() {
        if top {
            events.push(extra("/system_fingerprint", json!(format!("f{number}"))));
            events.push(extra("/timings", json!({"n": number})));
        }
        if choice {
            events.push(extra("/choices/0/logprobs", json!({"content": [number]})));
        }
        if in_delta {
            events.push(extra("/choices/0/delta/channel", json!(format!("c{number}"))));
        }
        match said {
            Said::Text(text) => events.push(ChatEvent::Text { delta: text }),
            Said::Thinking(text) => {
                thought.push_str(&text);
                events.push(ChatEvent::Thinking { delta: text });
            }
            Said::Refusal(text) => {
                refused = true;
                events.push(ChatEvent::Refusal { delta: text });
            }
            Said::Call { custom, args } => {
                if calls > 0 {
                    events.push(called(calls - 1));
                }
                let kind = if custom { ToolCallKind::Custom } else { ToolCallKind::Function };
                events.push(ChatEvent::ToolCallStarted {
                    index: calls,
                    id: format!("c{calls}"),
                    name: "f".into(),
                    kind,
                });
                events.extend(args.into_iter().map(|delta| ChatEvent::ToolCallArgs { index: calls, delta }));
                calls += 1;
            }
            Said::Source(url) => events.push(ChatEvent::Citation { json: json!({"type": "url_citation", "url": url}) }),
            Said::Picture => events.push(ChatEvent::Media { media_type: "image/png".into(), data: "AAAA".into() }),
            Said::Signature(text) if text != signature => {
                events.push(opaque(json!({"reasoning_opaque": text})));
                signature = text;
            }
            Said::Signature(_) => events.push(ChatEvent::Text { delta: "x".into() }),
        }
    }
    if calls > 0 {
        events.push(called(calls - 1));
    }
    if details && !thought.is_empty() {
        events.push(opaque(json!({"reasoning_details": [{"type": "reasoning.text", "text": thought, "index": 0}]})));
    }
    if let Some((input, output, cache_read, cache_write_5m)) = usage {
        let reasoning = output / 2;
        events.push(extra("/usage/cost", json!(0.5)));
        events.push(ChatEvent::Usage(Usage {
            input,
            output,
            reasoning,
            cache_read,
            cache_write_5m,
            cost: Some(500_000_000_000),
            ..Usage::default()
        }));
    }
    events.push(finished(match other {
        Some(word) => FinishReason::Other(word),
        None if calls > 0 => FinishReason::ToolCalls,
        None if refused => FinishReason::Refusal,
        None => FinishReason::Stop,
    }));
    events
}

fn answers() -> impl Strategy<Value = Vec<ChatEvent>> {
    let usage = option::of((0..1000u64, 0..1000u64, 0..1000u64, 0..1000u64));
    (vec((any::<Before>(), said()), 0..8), any::<bool>(), usage, option::weighted(0.2, "[a-z]{3}_odd"))
        .prop_map(|(said, details, usage, other)| answer(said, details, usage, other))
}

fn written(events: &[ChatEvent]) -> Vec<u8> {
    let mut writer = StreamWriter::new("a", 7, "m").include_usage(true);
    let mut out = Vec::new();
    events.iter().for_each(|event| writer.write(event, &mut out));
    out
}

fn pieces<'a>(stream: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).chain([0, stream.len()]).collect();
    places.sort_unstable();
    places.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(events in answers(), cuts in vec(any::<Index>(), 0..6)) {
        let stream = written(&events);
        let text = std::str::from_utf8(&stream).unwrap();
        let lines_are_safe = !text.contains(['\u{85}', '\u{2028}', '\u{2029}', '\r']);
        prop_assert!(lines_are_safe);
        let (again, error) = decode(1, pieces(&stream, &cuts));
        prop_assert!(error.is_none(), "{error:?}");
        prop_assert_eq!(again, merged(events));
    }

    #[test]
    fn a_whole_answer_says_what_its_stream_says(events in answers()) {
        let body = whole_answer(&events, "a", 7, "m", false);
        let again = decode_answer(&body, 1, &ToolNames::default()).unwrap();
        // A body has one place for each thing, so that only what is said of each is the same, not the order.
        let parts = |events: Vec<ChatEvent>| {
            let folded = fold(events, "p", "m");
            let text = |want: fn(&Part) -> Option<&str>| folded.message.parts.iter().filter_map(want).collect::<String>();
            let texts = [
                text(|part| if let Part::Text { text } = part { Some(text) } else { None }),
                text(|part| if let Part::Thinking { text } = part { Some(text) } else { None }),
                text(|part| if let Part::Refusal { text } = part { Some(text) } else { None }),
            ];
            let calls: Vec<_> = folded.message.parts.iter().filter(|part| matches!(part, Part::ToolCall { .. })).cloned().collect();
            (texts, calls, folded.usage, folded.finish, folded.citations, folded.id, folded.model)
        };
        prop_assert_eq!(parts(again), parts(events));
    }

    #[test]
    fn cuts_change_nothing(events in answers(), cuts in vec(any::<Index>(), 0..9), length in any::<Index>()) {
        let stream = written(&events);
        let stream = &stream[..length.index(stream.len() + 1)];
        let (whole, error) = decode(1, [stream]);
        let (again, other) = decode(1, pieces(stream, &cuts));
        prop_assert_eq!(again, whole);
        prop_assert_eq!(other.map(|error| error.kind), error.map(|error| error.kind));
    }

    #[test]
    fn garbage_does_no_harm(
        events in answers(), at in any::<Index>(), bytes in vec(any::<u8>(), 0..12), choices in 1..3u32,
        noise in vec(any::<u8>(), 0..200),
    ) {
        let mut stream = written(&events);
        let at = at.index(stream.len() + 1);
        stream.splice(at..(at + bytes.len() / 2).min(stream.len()), bytes);
        decode(choices, stream.chunks(7));
        decode(choices, [&noise[..]]);
        let _ = decode_answer(&noise, choices, &ToolNames::default());
        let _ = decode_request(&noise);
    }

    #[test]
    fn json_of_any_shape_does_no_harm(value in shapes(), choices in 1..3u32) {
        let text = value.to_string();
        decode(choices, [format!("data: {text}\n\n").as_bytes()]);
        let _ = decode_answer(text.as_bytes(), choices, &ToolNames::default());
        let _ = decode_request(text.as_bytes());
        let _ = greenroom_wire::openai_chat::decode_models(text.as_bytes());
        let header = |_: &str| Some(text.clone());
        let response = greenroom_wire::ErrorResponse {
            status: 429, header: &header, body: text.as_bytes(), now: std::time::SystemTime::UNIX_EPOCH,
        };
        greenroom_wire::openai_chat::decode_error(&response);
    }

    #[test]
    fn a_request_that_is_read_and_written_is_the_same(body in requests()) {
        let served = decode_request(body.to_string().as_bytes()).unwrap();
        let dialect = Dialect { reasoning_key: Some("reasoning_content"), refusal: true, ..Dialect::OPENROUTER };
        let encoded = encode_request(&served.request, "p", "m", &dialect);
        prop_assert_eq!(&encoded.left_out, &[]);
        prop_assert_eq!(serde_json::from_slice::<Value>(&encoded.body).unwrap(), body.clone());
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
            let request =
                ChatRequest { model: "m".into(), messages: turns.concat(), tools: vec![tool], ..ChatRequest::default() };
            encode_request(&request, "p", "m", &Dialect::OPENROUTER).body
        };
        let (short, long) = (body(&turns[..kept]), body(&turns));
        let beginning = short.strip_suffix(b"]}").unwrap();
        prop_assert!(long.starts_with(beginning), "{}\n{}", String::from_utf8_lossy(&short), String::from_utf8_lossy(&long));
    }
}

/// JSON made of this wire's own keys, with anything under them.
fn shapes() -> impl Strategy<Value = Value> {
    const KEYS: [&str; 40] = [
        "id",
        "model",
        "choices",
        "index",
        "delta",
        "message",
        "content",
        "role",
        "tool_calls",
        "function",
        "name",
        "arguments",
        "type",
        "text",
        "usage",
        "prompt_tokens",
        "total_tokens",
        "error",
        "code",
        "metadata",
        "raw",
        "reasoning_details",
        "signature",
        "finish_reason",
        "messages",
        "tools",
        "stop",
        "n",
        "image_url",
        "url",
        "data",
        "thinking",
        "function_call",
        "custom",
        "x_groq",
        "prompt_tokens_details",
        "functions",
        "response_format",
        "stream_options",
        "annotations",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // What short decimals read back as is exact; serde_json's fast reading of long ones may be off by the last bit.
        any::<i16>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        prop::sample::select(vec![
            "",
            "stop",
            "text",
            "thinking",
            "assistant",
            "user",
            "tool",
            "function",
            "0",
            "data:a;base64,"
        ])
        .prop_map(Value::from),
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

/// A client's body in the one form that an encoder would write, with unknown fields in all places.
fn requests() -> impl Strategy<Value = Value> {
    let odd = || option::weighted(0.3, shapes());
    let with = |mut object: Value, odd: Option<Value>| {
        if let Some(odd) = odd {
            object["x/odd~"] = odd;
        }
        object
    };
    let part = (0..6, words(), odd(), any::<bool>()).prop_map(move |(kind, text, odd, cached)| {
        let mut part = with(
            match kind {
                0 | 1 => json!({"type": "text", "text": text}),
                2 => json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}),
                3 => json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}),
                4 => json!({"type": "file", "file": {"filename": text, "file_id": "x"}}),
                _ => json!({"type": "unheard_of", "thing": text}),
            },
            odd,
        );
        if cached && kind < 5 {
            part["cache_control"] = json!({"type": "ephemeral"});
        }
        part
    });
    let said = (prop::sample::select(vec!["system", "developer", "user"]), vec(part, 2..4), words(), odd()).prop_map(
        move |(role, parts, text, odd)| {
            let content = if text.len() % 2 == 0 { Value::from(text) } else { Value::from(parts) };
            vec![with(json!({"role": role, "content": content}), odd)]
        },
    );
    let called = (vec((words(), odd()), 1..3), option::of(words()), odd()).prop_map(move |(calls, thinking, odd)| {
        let id = |at: usize| format!("c{at}");
        let list: Vec<_> = calls
            .iter()
            .enumerate()
            .map(|(at, (arguments, odd))| {
                let call = json!({"id": id(at), "type": "function", "function": {"name": "f", "arguments": arguments}});
                with(call, odd.clone())
            })
            .collect();
        let mut turn = with(json!({"role": "assistant", "content": null, "tool_calls": list}), odd);
        if let Some(thinking) = thinking {
            turn["reasoning_content"] = thinking.into();
        }
        let results = calls
            .iter()
            .enumerate()
            .map(|(at, (text, _))| json!({"role": "tool", "tool_call_id": id(at), "content": text}));
        std::iter::once(turn).chain(results).collect::<Vec<_>>()
    });
    let tool = (odd(), odd(), any::<bool>()).prop_map(move |(outer, inner, native)| {
        if native {
            return with(json!({"type": "custom", "custom": {"name": "g"}}), outer);
        }
        let function = with(json!({"name": "f", "parameters": {"type": "object", "z": 1, "a": 2}}), inner);
        with(json!({"type": "function", "function": function}), outer)
    });
    let messages = vec(prop_oneof![said, called], 1..4);
    (
        messages,
        vec(tool, 0..3),
        odd(),
        option::of((0..8u8).prop_map(|number| 0.125 + f64::from(number) / 4.0)),
        option::of(1..100u32),
    )
        .prop_map(move |(messages, tools, odd, temperature, n)| {
            let messages = messages.concat();
            let mut body = with(json!({"model": "m", "stream": true, "stream_options": {"include_usage": true}}), odd);
            if !tools.is_empty() {
                body["tools"] = tools.into();
            }
            if let Some(temperature) = temperature {
                body["temperature"] = temperature.into();
            }
            if let Some(n) = n {
                body["n"] = n.into();
            }
            body["messages"] = messages.into();
            body
        })
}

/// A turn: a question, and its answer with tools.
fn turn() -> impl Strategy<Value = Vec<Message>> {
    (words(), option::of((words(), any::<bool>())), words()).prop_map(|(question, tool, answer)| {
        let mut turn = vec![Message::user(question)];
        if let Some((arguments, picture)) = tool {
            let call = Part::ToolCall { id: "c".into(), name: "f".into(), arguments, kind: ToolCallKind::Function };
            let data = json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": "d"}]});
            let opaque = Part::Opaque { provider: "p".into(), model: "m".into(), data };
            turn.push(Message::new(Role::Assistant, vec![Part::Thinking { text: "hm".into() }, opaque, call]));
            let mut parts = vec![Part::text("1")];
            let source = MediaSource::Url { url: "https://example.org/a.png".into() };
            parts.extend(picture.then_some(Part::Image { source, detail: None }));
            turn.push(Message::new(Role::Tool, vec![Part::ToolResult { id: "c".into(), parts, error: false }]));
        }
        turn.push(Message::text(Role::Assistant, answer));
        turn
    })
}

#[test]
fn memory_is_bounded() {
    let mut decoder = OpenaiChatDecoder::new(1);
    let line = vec![b'x'; 1 << 20];
    decoder.handle_bytes(b"data: ");
    for _ in 0..20 {
        decoder.handle_bytes(&line);
    }
    let StreamState::Failed(error) = decoder.state() else { panic!("an endless line is a failure") };
    assert!(error.message.contains("larger than"), "{error}");
}
