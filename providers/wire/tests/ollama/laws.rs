//! What holds for every answer, every request and every stream.

use greenroom_wire::{
    ChatEvent, ChatRequest, FinishReason, Message, Part, Role, StreamDecoder, StreamState, Usage,
    chat::{Tool, ToolCallKind},
    ollama::{
        OllamaDecoder, PullDecoder, PullState, decode_answer, decode_embed_request, decode_embeddings, decode_error,
        decode_generate_request, decode_request, decode_show, decode_tags, encode_request,
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
    Calls(Vec<(bool, String)>),
    Odd(String),
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        4 => words().prop_map(Said::Text),
        2 => words().prop_map(Said::Thinking),
        2 => vec((any::<bool>(), words()), 1..4).prop_map(Said::Calls),
        1 => words().prop_map(Said::Odd),
    ]
}

/// An answer as a stream, and the events that it has to be read as.
fn answer(said: &[Said], counts: Option<(u32, u32)>) -> (Vec<u8>, Vec<ChatEvent>) {
    let (mut lines, mut events, mut calls) = (Vec::new(), vec![started()], 0);
    for (number, said) in said.iter().enumerate() {
        match said {
            Said::Text(delta) => {
                lines.push(line(json!({"content": delta})));
                events.push(text(delta));
            }
            Said::Thinking(delta) => {
                lines.push(line(json!({"content": "", "thinking": delta})));
                events.push(thinking(delta));
            }
            Said::Calls(list) => {
                let mut written = Vec::new();
                for (with_id, argument) in list {
                    let arguments = json!({"text": argument, "n": number});
                    let mut one = json!({"function": {"name": "f", "arguments": arguments}});
                    let id = if *with_id { format!("own-{calls}") } else { format!("call_202601020304056_{calls}") };
                    if *with_id {
                        one["id"] = id.clone().into();
                    }
                    written.push(one);
                    events.extend(call(calls, &id, "f", &arguments.to_string()));
                    calls += 1;
                }
                lines.push(line(json!({"content": "", "tool_calls": written})));
            }
            Said::Odd(value) => {
                let mut odd = line(json!({"content": ""}));
                odd["odd~"] = json!([number, value]);
                lines.push(odd);
                events.push(extra("/odd~0", json!([number, value])));
            }
        }
    }
    let mut last = json!({"model": "m", "done": true, "done_reason": "stop"});
    if let Some((prompt, output)) = counts {
        last["prompt_eval_count"] = prompt.into();
        last["eval_count"] = output.into();
        let usage = Usage { input: prompt.into(), output: output.into(), ..Usage::default() };
        events.push(ChatEvent::Usage(usage));
    }
    lines.push(last);
    events.push(finished(if calls > 0 { FinishReason::ToolCalls } else { FinishReason::Stop }));
    (ndjson(&lines), merged(events))
}

fn answers() -> impl Strategy<Value = (Vec<u8>, Vec<ChatEvent>)> {
    (vec(said(), 0..8), option::of((any::<u32>(), any::<u32>()))).prop_map(|(said, counts)| answer(&said, counts))
}

fn pieces<'a>(stream: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).chain([0, stream.len()]).collect();
    places.sort_unstable();
    places.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect()
}

/// Whatever can be read is given this.
fn read_everything(bytes: &[u8]) {
    decode([bytes]);
    let _ = decode_answer(bytes);
    let _ = decode_request(bytes);
    let _ = decode_generate_request(bytes);
    let _ = decode_embed_request(bytes);
    let _ = decode_embeddings(bytes);
    let _ = decode_tags(bytes);
    let _ = decode_show(bytes);
    let mut pull = PullDecoder::new();
    pull.handle_bytes(bytes);
    pull.handle_end();
    while pull.poll().is_some() {}
    assert!(!matches!(pull.state(), PullState::Open), "after the end a pull is done or failed");
    let header = |_: &str| Some(String::from_utf8_lossy(bytes).into_owned());
    decode_error(&greenroom_wire::ErrorResponse {
        status: 429,
        header: &header,
        body: bytes,
        now: std::time::SystemTime::UNIX_EPOCH,
    });
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
        decode(stream.chunks(7));
        read_everything(&noise);
    }

    #[test]
    fn json_of_any_shape_does_no_harm(value in shapes()) {
        read_everything(value.to_string().as_bytes());
    }

    #[test]
    fn a_request_that_is_read_and_written_is_the_same(body in requests()) {
        let served = decode_request(body.to_string().as_bytes()).unwrap();
        let encoded = encode_request(&served.request, "m");
        prop_assert_eq!(&encoded.left_out, &[]);
        prop_assert_eq!(serde_json::from_slice::<Value>(&encoded.body).unwrap(), body.clone());
        let again = decode_request(&encoded.body).unwrap();
        prop_assert_eq!(&again.request, &served.request);
        prop_assert_eq!(encode_request(&again.request, "m").body, encoded.body);
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
            encode_request(&request, "m").body
        };
        let (short, long) = (body(&turns[..kept]), body(&turns));
        let beginning = short.strip_suffix(b"]}").unwrap();
        prop_assert!(long.starts_with(beginning), "{}\n{}", String::from_utf8_lossy(&short), String::from_utf8_lossy(&long));
    }

    #[test]
    fn a_body_is_json_in_one_piece_whatever_is_said(text in words(), arguments in words()) {
        let call = Part::ToolCall { id: "c".into(), name: text.clone(), arguments, kind: ToolCallKind::Function };
        let messages = vec![Message::user(text), Message::new(Role::Assistant, vec![call])];
        let body = encode_request(&ChatRequest { messages, ..ChatRequest::default() }, "m").body;
        serde_json::from_slice::<Value>(&body).unwrap();
        let safe = !std::str::from_utf8(&body).unwrap().contains(['\u{85}', '\u{2028}', '\u{2029}']);
        prop_assert!(safe);
    }
}

/// JSON made of this wire's own keys, with anything under them.
fn shapes() -> impl Strategy<Value = Value> {
    const KEYS: [&str; 36] = [
        "model",
        "created_at",
        "message",
        "content",
        "role",
        "thinking",
        "tool_calls",
        "function",
        "name",
        "arguments",
        "id",
        "index",
        "images",
        "response",
        "done",
        "done_reason",
        "prompt_eval_count",
        "eval_count",
        "error",
        "StatusCode",
        "status",
        "digest",
        "total",
        "completed",
        "messages",
        "tools",
        "format",
        "think",
        "options",
        "stop",
        "stream",
        "models",
        "details",
        "embeddings",
        "input",
        "prompt",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i16>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        prop::sample::select(vec!["", "stop", "assistant", "user", "tool", "function", "success", "json"])
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
    let odd = || option::weighted(0.3, shapes().prop_filter("null is nothing", |value| !value.is_null()));
    let with = |mut object: Value, odd: Option<Value>| {
        if let Some(odd) = odd {
            object["x/odd~"] = odd;
        }
        object
    };
    let said = (prop::sample::select(vec!["system", "user"]), words(), any::<bool>(), odd()).prop_map(
        move |(role, text, picture, odd)| {
            let mut message = json!({"role": role, "content": text});
            if picture {
                message["images"] = json!(["AAAA", "iVBORw0KGgoAAAANSUhEUg=="]);
            }
            vec![with(message, odd)]
        },
    );
    let called =
        (vec((words(), odd(), odd()), 1..3), option::of(words()), odd()).prop_map(move |(calls, thinking, odd)| {
            let list: Vec<_> = calls
                .iter()
                .enumerate()
                .map(|(at, (argument, outer, inner))| {
                    let function = with(json!({"name": "f", "arguments": {"z": argument, "a": at}}), inner.clone());
                    with(json!({"id": format!("c{at}"), "function": function}), outer.clone())
                })
                .collect();
            let mut turn = json!({"role": "assistant", "content": ""});
            if let Some(thinking) = thinking {
                turn["thinking"] = thinking.into();
            }
            turn["tool_calls"] = list.into();
            let results = calls.iter().enumerate().map(|(at, (text, ..))| {
                json!({"role": "tool", "content": text, "tool_name": "f", "tool_call_id": format!("c{at}")})
            });
            std::iter::once(with(turn, odd)).chain(results).collect::<Vec<_>>()
        });
    let tool = (odd(), odd(), any::<bool>()).prop_map(move |(outer, inner, native)| {
        if native {
            return with(json!({"type": "unheard_of"}), outer);
        }
        let function = with(json!({"name": "f", "parameters": {"type": "object", "z": 1, "a": 2}}), inner);
        with(json!({"type": "function", "function": function}), outer)
    });
    let options = (option::of(0..8u8), option::of(1..100u32), odd());
    (vec(prop_oneof![said, called], 1..4), vec(tool, 0..3), options, odd(), 0..5u8).prop_map(
        move |(messages, tools, (temperature, most, odd_option), odd, form)| {
            let mut body = json!({"model": "m", "stream": true});
            if !tools.is_empty() {
                body["tools"] = tools.into();
            }
            match form {
                0 => body["format"] = "json".into(),
                1 => body["format"] = json!({"type": "object", "z": 1}),
                2 => body["think"] = true.into(),
                3 => body["think"] = "low".into(),
                _ => {}
            }
            let mut options = with(json!({}), odd_option);
            if let Some(temperature) = temperature {
                options["temperature"] = (0.125 + f64::from(temperature) / 4.0).into();
            }
            if let Some(most) = most {
                options["num_predict"] = most.into();
            }
            if options != json!({}) {
                body["options"] = options;
            }
            let mut body = with(body, odd);
            body["messages"] = messages.concat().into();
            body
        },
    )
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

#[test]
fn memory_is_bounded() {
    let mut decoder = OllamaDecoder::new();
    let line = vec![b'x'; 1 << 20];
    for _ in 0..20 {
        decoder.handle_bytes(&line);
    }
    let StreamState::Failed(error) = decoder.state() else { panic!("an endless line is a failure") };
    assert!(error.message.contains("larger than"), "{error}");
}
