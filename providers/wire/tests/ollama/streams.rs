//! Streamed answers.

use greenroom_wire::{ChatEvent, ErrorKind, FinishReason, StreamDecoder, StreamState, Usage, ollama::OllamaDecoder};
use serde_json::json;

use crate::harness::*;

#[test]
fn text_comes_between_start_and_end() {
    let events = read(&[line(json!({"content": "Grü"})), line(json!({"content": "ße 🎉"})), done("stop")]);
    assert_eq!(events, [started(), text("Grüße 🎉"), usage(5, 2), stopped()]);
}

#[test]
fn a_line_separator_of_unicode_ends_no_line() {
    let mut stream =
        "{\"model\":\"m\",\"message\":{\"content\":\"a\u{2028}b\u{85}c\"},\"done\":false}\r\n".as_bytes().to_vec();
    stream.extend_from_slice(&ndjson(&[done("stop")]));
    assert_eq!(read_bytes(&stream).0[1], text("a\u{2028}b\u{85}c"));
}

#[test]
fn a_last_line_needs_no_end_and_nothing_comes_after_it() {
    let mut stream = ndjson(&[line(json!({"content": "x"})), done("stop")]);
    stream.pop();
    assert_eq!(read_bytes(&stream).0, [started(), text("x"), usage(5, 2), stopped()]);
    stream.extend_from_slice(b"\nnonsense\n");
    let (events, error) = read_bytes(&stream);
    assert!(error.is_none() && events.last() == Some(&stopped()), "what comes after the end is nobody's");
}

#[test]
fn thinking_comes_by_itself_and_before_the_text_of_its_line() {
    let events = read(&[
        line(json!({"content": "", "thinking": "h"})),
        line(json!({"content": "x", "thinking": "m"})),
        line(json!({"content": "y"})),
        done("stop"),
    ]);
    assert_eq!(events, [started(), thinking("hm"), text("xy"), usage(5, 2), stopped()]);
}

#[test]
fn calls_come_whole_with_ids_or_without_on_one_line_or_several() {
    let one = |id: Option<&str>, name: &str| {
        let mut call = json!({"function": {"index": 0, "name": name, "arguments": {"z": 1, "a": [2.50]}}});
        if let Some(id) = id {
            call["id"] = id.into();
        }
        call
    };
    let events = read(&[
        line(json!({"content": "", "tool_calls": [one(Some("c"), "f"), one(Some("c"), "g")]})),
        line(json!({"content": "", "tool_calls": [one(None, "f")]})),
        done("stop"),
    ]);
    let args = r#"{"z":1,"a":[2.5]}"#;
    let want = [
        vec![started()],
        call(0, "c", "f", args),
        call(1, "call_202601020304056_1", "g", args),
        call(2, "call_202601020304056_2", "f", args),
        vec![usage(5, 2), finished(FinishReason::ToolCalls)],
    ];
    assert_eq!(events, want.concat());
}

#[test]
fn arguments_keep_the_models_own_digits() {
    let raw = "{\"model\":\"m\",\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"n\": 12345678901234567890123, \"x\":1e2}}}]},\"done\":false}\n";
    let mut stream = raw.as_bytes().to_vec();
    stream.extend_from_slice(&ndjson(&[done("stop")]));
    let (events, _) = read_bytes(&stream);
    assert_eq!(events[1..4], call(0, "call_0", "f", "{\"n\": 12345678901234567890123, \"x\":1e2}"));
}

#[test]
fn arguments_may_be_missing_or_text() {
    let calls = json!([{"function": {"name": "f", "arguments": {}}}, {"id": "d", "function": {"name": "g"}},
        {"id": "e", "type": "function", "function": {"name": "h", "arguments": "{\"a\":1}"}}]);
    let events = read(&[line(json!({"tool_calls": calls})), done("stop")]);
    let want =
        [call(0, "call_202601020304056_0", "f", "{}"), call(1, "d", "g", ""), call(2, "e", "h", "{\"a\":1}")].concat();
    assert_eq!(events[1..events.len() - 2], want);
}

#[test]
fn every_reason_has_its_word() {
    let reason = |word: &str| match read(&[done(word)]).pop() {
        Some(ChatEvent::Finished { reason }) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason("stop"), FinishReason::Stop);
    assert_eq!(reason("length"), FinishReason::Length);
    assert_eq!(reason("load"), FinishReason::Stop);
    assert_eq!(reason("unload"), FinishReason::Stop);
    assert_eq!(reason("odd"), FinishReason::Other("odd".into()));
    let call = json!({"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {}}}]});
    let cut = read(&[line(call), done("length")]);
    assert_eq!(cut.last(), Some(&finished(FinishReason::Length)), "a length that was reached is told before calls");
    let without = json!({"model": "m", "message": {"content": "x"}, "done": true});
    assert_eq!(read(&[without]), [started(), text("x"), stopped()], "old servers give no reason");
}

#[test]
fn counts_may_be_missing_or_odd() {
    let with = |fields: serde_json::Value| {
        let mut last = json!({"model": "m", "done": true, "done_reason": "stop"});
        last.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        read(&[last]).into_iter().find_map(|event| if let ChatEvent::Usage(usage) = event { Some(usage) } else { None })
    };
    assert_eq!(with(json!({})), None);
    assert_eq!(with(json!({"eval_count": 3})), Some(Usage { output: 3, ..Usage::default() }));
    let cached = json!({"prompt_eval_count": 9, "prompt_eval_cached_count": 4, "eval_count": 3});
    assert_eq!(with(cached), Some(Usage { input: 5, cache_read: 4, output: 3, ..Usage::default() }));
    assert_eq!(with(json!({"prompt_eval_count": "many", "eval_count": -1})), None);
    assert_eq!(with(json!({"prompt_eval_count": 2.0, "eval_count": 1e300})).unwrap().output, 1 << 53);
}

#[test]
fn what_has_no_word_is_passed_on_and_constants_once() {
    let mut one = line(json!({"content": "x", "odd/key": 1}));
    one["remote_host"] = "https://ollama.com".into();
    one["logprobs"] = json!([{"token": "x", "logprob": -0.5}]);
    let mut two = line(json!({"content": "y"}));
    two["remote_host"] = "https://ollama.com".into();
    two["logprobs"] = json!([{"token": "y", "logprob": -0.25}]);
    let mut last = done("stop");
    last["total_duration"] = json!(7);
    last["load_duration"] = serde_json::Value::Null;
    let events = read(&[one, two, last]);
    assert_eq!(
        events,
        [
            started(),
            extra("/remote_host", json!("https://ollama.com")),
            extra("/logprobs", json!([{"token": "x", "logprob": -0.5}])),
            extra("/message/odd~1key", json!(1)),
            text("x"),
            extra("/logprobs", json!([{"token": "y", "logprob": -0.25}])),
            text("y"),
            extra("/total_duration", json!(7)),
            usage(5, 2),
            stopped(),
        ]
    );
}

#[test]
fn a_generation_is_an_answer_too() {
    let part = |text: &str| json!({"model": "m", "response": text, "done": false});
    let last = json!({"model": "m", "response": "", "done": true, "done_reason": "stop", "context": [1, 2],
        "prompt_eval_count": 5, "eval_count": 2});
    let thought = json!({"model": "m", "response": "", "thinking": "hm", "done": false});
    let want = [started(), thinking("hm"), text("xy"), extra("/context", json!([1, 2])), usage(5, 2), stopped()];
    assert_eq!(read(&[thought, part("x"), part("y"), last]), want);
}

#[test]
fn a_picture_is_told_by_its_bytes() {
    let data = "iVBORw0KGgoAAAANSUhEUg==";
    let events = read(&[line(json!({"images": [data]})), done("stop")]);
    assert_eq!(events[1], ChatEvent::Media { media_type: "image/png".into(), data: data.into() });
}

#[test]
fn an_error_in_the_stream_fails_and_keeps_what_came_before() {
    let after = |error: serde_json::Value| fails(&ndjson(&[line(json!({"content": "x"})), error, done("stop")]));
    let (kind, events) = after(json!({"error": "an error was encountered while running the model"}));
    assert_eq!((kind, events), (ErrorKind::Server, vec![started(), text("x")]));
    assert_eq!(after(json!({"error": {"message": "it broke"}})).0, ErrorKind::Server);
    assert_eq!(after(json!({"StatusCode": 429, "error": "too many requests"})).0, ErrorKind::RateLimited);
    let long = "prompt too long; exceeded max context length by 9 tokens";
    assert_eq!(after(json!({"error": long})).0, ErrorKind::ContextOverflow);
    let mut beside = line(json!({"content": "y"}));
    beside["error"] = "".into();
    assert_eq!(read(&[beside, done("stop")])[1], text("y"), "no words are no error");
}

#[test]
fn a_body_that_ends_before_the_answer_was_cut() {
    assert_eq!(fails(&ndjson(&[line(json!({"content": "x"}))])), (ErrorKind::Protocol, vec![started(), text("x")]));
    assert_eq!(fails(b""), (ErrorKind::Protocol, vec![]));
    let stream = ndjson(&[line(json!({"content": "x"})), done("stop")]);
    assert_eq!(fails(&stream[..stream.len() - 3]).0, ErrorKind::Protocol, "half a line is none");
}

#[test]
fn what_is_no_answer_is_skipped_and_counted() {
    let mut decoder = OllamaDecoder::new();
    decoder.handle_bytes(&ndjson(&[json!({"status": "loading"}), json!({}), done("stop")]));
    assert_eq!((std::iter::from_fn(|| decoder.poll_event()).count(), decoder.skipped()), (3, 2));
    assert!(matches!(decoder.state(), StreamState::Done));
}

#[test]
fn what_breaks_the_wire_fails() {
    for bad in [
        "nonsense".to_owned(),
        "7".into(),
        "{\"message\":".into(),
        json!({"message": 7}).to_string(),
        json!({"message": {"content": 7}}).to_string(),
        json!({"message": {"content": "x"}, "done": "yes"}).to_string(),
        json!({"message": {"tool_calls": {}}}).to_string(),
        json!({"message": {"tool_calls": [{"function": {"arguments": {}}}]}}).to_string(),
        json!({"message": {"tool_calls": [{"function": {"name": "f", "arguments": [1]}}]}}).to_string(),
    ] {
        let mut stream = ndjson(&[line(json!({"content": "x"}))]);
        stream.extend_from_slice(bad.as_bytes());
        stream.push(b'\n');
        stream.extend_from_slice(&ndjson(&[done("stop")]));
        assert_eq!(fails(&stream), (ErrorKind::Protocol, vec![started(), text("x")]), "{bad}");
    }
    assert_eq!(fails(b"{\"message\":{\"content\":\"\xff\"}}\n").0, ErrorKind::Protocol);
}

#[test]
fn a_failure_does_not_quote_what_was_said() {
    let (_, error) = read_bytes(&ndjson(&[json!({"message": {"content": 3}, "done": "my secret"})]));
    let error = error.unwrap();
    assert!(!format!("{error} {error:?}").contains("my secret"), "{error:?}");
}
