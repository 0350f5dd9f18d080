//! What Bedrock, or whoever answers in its place, may send that is no answer.
#![cfg(feature = "bedrock")]
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod bedrock_support;

use bedrock_support::*;
use greenroom_wire::{ChatError, ChatEvent, ErrorKind, FinishReason};
use serde_json::json;

fn text(text: &str) -> Vec<u8> {
    event("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"text": text}}))
}

fn started() -> Vec<u8> {
    event("messageStart", json!({"role": "assistant"}))
}

fn said(events: &[ChatEvent]) -> String {
    events.iter().filter_map(ChatEvent::delta).collect()
}

/// What is said before something bad, and the failure; the same however the bytes come.
async fn fails(bad: &[u8]) -> ChatError {
    let body = [&started(), &text("said before"), bad].concat();
    let mut failures = Vec::new();
    for length in [1, 13, usize::MAX] {
        let (events, outcome) = answer(&body, length).await;
        assert_eq!(said(&events), "said before", "what was said stays, so that it can be gone on with");
        failures.push(outcome.expect_err("it is no answer"));
    }
    assert!(failures.iter().all(|error| error.kind == failures[0].kind), "{failures:?}");
    failures.remove(0)
}

#[tokio::test]
async fn frames_that_can_not_be_read_break_the_answer_off() {
    let good = text("never");
    let mut bad = vec![("cut in a frame", good[..good.len() - 5].to_vec()), ("cut between frames", Vec::new())];
    let flipped = |at: usize| {
        let mut frame = good.clone();
        frame[at] ^= 0x40;
        frame
    };
    bad.push(("a wrong checksum of the lengths", flipped(9)));
    bad.push(("a wrong checksum of the frame", flipped(good.len() - 1)));
    bad.push(("a changed payload", flipped(good.len() - 20)));
    bad.push(("a header's length beyond the frame", flipped(5)));
    bad.push(("not JSON", raw_event("contentBlockDelta", b"{\"contentBlockIndex\":0,")));
    bad.push(("a page", raw_event("contentBlockDelta", b"<html>")));
    bad.push((
        "not UTF-8",
        raw_event("contentBlockDelta", b"{\"contentBlockIndex\":0,\"delta\":{\"text\":\"\xff\xfe\"}}"),
    ));
    let mistyped = json!({"contentBlockIndex": 0, "delta": {"text": 3}});
    bad.push(("a number where a text belongs", event("contentBlockDelta", mistyped)));
    bad.push(("a text where a number belongs", event("metadata", json!({"usage": {"inputTokens": "many"}}))));
    bad.push(("a number that is none", event("metadata", json!({"usage": {"inputTokens": 1e300}}))));
    bad.push(("deeper than anything", raw_event("contentBlockDelta", "[".repeat(5000).as_bytes())));
    bad.push(("no kind of frame", frame(&[(":message-type", "dream")], b"{}")));
    bad.push(("no headers", frame(&[], b"{}")));
    let input = json!({"contentBlockIndex": 9, "delta": {"toolUse": {"input": "{}"}}});
    bad.push(("arguments of no call", event("contentBlockDelta", input)));
    for (what, bad) in bad {
        let error = fails(&bad).await;
        assert_eq!(error.kind, ErrorKind::Protocol, "{what}: {error}");
        assert!(!format!("{error:?}").contains("never"), "{what}: what it said is not quoted");
    }
}

#[tokio::test]
async fn a_gigantic_frame_is_refused_before_it_is_read() {
    // A gibibyte and no end: what is kept of it would be all that comes.
    let mut head = [(1_u32 << 30).to_be_bytes(), 20_u32.to_be_bytes()].concat();
    head.extend_from_slice(&crc32(&head).to_be_bytes());
    head.resize(1 << 20, b'x');
    let error = fails(&head).await;
    assert_eq!(error.kind, ErrorKind::Protocol);
    assert!(error.message.contains("impossible length"), "{error}");
}

#[tokio::test]
async fn exceptions_are_told_by_their_type_first_and_in_between() {
    let rows = [
        ("throttlingException", "Too many requests", ErrorKind::RateLimited),
        ("validationException", "Reformat your input", ErrorKind::InvalidRequest),
        ("validationException", "Input is too long for requested model.", ErrorKind::ContextOverflow),
        ("modelStreamErrorException", "it broke", ErrorKind::Server),
        ("internalServerException", "oops", ErrorKind::Server),
        ("serviceUnavailableException", "busy", ErrorKind::Overloaded),
        ("modelTimeoutException", "late", ErrorKind::Timeout),
        ("unheardOfException", "who knows", ErrorKind::Protocol),
    ];
    for (kind, message, want) in rows {
        let bad = exception(kind, json!({ "message": message }).to_string().as_bytes());
        let error = fails(&bad).await;
        assert_eq!((error.kind, error.message.as_str()), (want, message), "{kind}");
        assert_eq!(error.details.code.as_deref(), Some(kind));
        let (events, outcome) = answer(&bad, 9).await;
        assert_eq!((events.len(), outcome.unwrap_err().kind), (0, want), "as the first frame, with status 200");
    }
    for payload in [&b""[..], b"<html>", b"\xff", b"[1]"] {
        assert_eq!(fails(&exception("throttlingException", payload)).await.kind, ErrorKind::RateLimited);
    }
    let headers =
        [(":message-type", "error"), (":error-code", "internalServerException"), (":error-message", "no more")];
    let error = fails(&frame(&headers, b"")).await;
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Server, "no more"));
}

#[tokio::test]
async fn what_is_no_stream_is_read_as_what_it_is() {
    let whole = json!({"output": {"message": {"role": "assistant", "content": [{"text": "whole"}]}},
        "stopReason": "end_turn", "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}});
    let asked = async |content_type: &str, body: &[u8], length: usize| {
        let (base, _seen) = server(vec![Scripted::typed(content_type, body, length)]).await;
        ask(&bedrock(&base), CLAUDE, &asking("hi")).await
    };
    for content_type in ["application/json", "application/vnd.amazon.eventstream", "text/html"] {
        let (events, outcome) = asked(content_type, whole.to_string().as_bytes(), 5).await;
        outcome.unwrap();
        assert_eq!(said(&events), "whole", "{content_type}");
        assert_eq!(events.last(), Some(&ChatEvent::Finished { reason: FinishReason::Stop }));
        for body in ["<html>no</html>", "{}", "[", "hello", "{\"output\":"] {
            let (events, outcome) = asked(content_type, body.as_bytes(), 5).await;
            assert_eq!((events.len(), outcome.unwrap_err().kind), (0, ErrorKind::Protocol), "{content_type} {body}");
        }
        let (_, outcome) = asked(content_type, b"", 5).await;
        assert_eq!(outcome.unwrap_err().kind, ErrorKind::Protocol, "{content_type}: nothing");
    }
    let stream = [started(), text("x"), event("messageStop", json!({"stopReason": "end_turn"}))].concat();
    let (events, outcome) = asked("application/json", &stream, 5).await;
    outcome.unwrap();
    assert_eq!(said(&events), "x", "a stream is one by what it begins with");
    let endless = [b"{".to_vec(), vec![b' '; 33 << 20]].concat();
    let (_, outcome) = asked("application/json", &endless, 1 << 20).await;
    let error = outcome.unwrap_err();
    assert!(error.kind == ErrorKind::Protocol && error.message.contains("larger than"), "{error}");
}

#[tokio::test]
async fn nothing_that_comes_after_the_end_undoes_it() {
    let stop = event("messageStop", json!({"stopReason": "end_turn"}));
    for after in [exception("internalServerException", b"{}"), vec![0, 0, 0, 1, 2, 3], text("late")[..20].to_vec()] {
        let body = [started(), text("done"), stop.clone(), after].concat();
        let (events, outcome) = answer(&body, 11).await;
        outcome.unwrap();
        assert_eq!(said(&events), "done");
        assert_eq!(events.last(), Some(&ChatEvent::Finished { reason: FinishReason::Stop }));
    }
}
