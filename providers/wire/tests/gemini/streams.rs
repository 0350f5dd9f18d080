//! Streamed answers.

use greenroom_wire::{
    ChatEvent, ErrorKind, FinishReason, StreamDecoder, StreamState, Usage,
    gemini::{GeminiDecoder, ToolNames},
};
use serde_json::{Value, json};

use crate::harness::*;

#[test]
fn text_comes_between_start_and_end() {
    let events = read(&[said("Grü"), said("ße 🎉"), end("STOP")]);
    assert_eq!(events, [started(), text("Grüße 🎉"), usage(5, 2), stopped()]);
}

#[test]
fn events_are_read_however_their_lines_end() {
    for between in ["\n\n", "\r\n\r\n", "\r\r"] {
        let stream = format!(": hi{between}data:{}{between}data: {}", said("a\u{2028}b"), end("STOP"));
        assert_eq!(read_bytes(stream.as_bytes()).0, [started(), text("a\u{2028}b"), usage(5, 2), stopped()]);
    }
    let marked = [b"\xef\xbb\xbf", &sse(&[said("x"), end("STOP")])[..]].concat();
    assert_eq!(read_bytes(&marked).0, [started(), text("x"), usage(5, 2), stopped()]);
}

#[test]
fn an_array_is_a_stream_too() {
    let chunks = [said("}],{\"a\": ["), said("\\\" é"), end("STOP")];
    let want = [started(), text("}],{\"a\": [\\\" é"), usage(5, 2), stopped()];
    assert_eq!(read_bytes(&array(&chunks)).0, want);
    let padded = [b"\xef\xbb\xbf \n", &array(&chunks)[..], b"\n"].concat();
    assert_eq!(read_bytes(&padded).0, want);
    assert_eq!(read_bytes(end("STOP").to_string().as_bytes()).0, [started(), usage(5, 2), stopped()]);
}

#[test]
fn thoughts_are_thinking() {
    let thought = |text: &str| chunk(json!([{"text": text, "thought": true}]));
    let both = chunk(json!([{"text": "m", "thought": true}, {"text": "x", "thought": false}]));
    let events = read(&[thought("h"), both, said("y"), end("STOP")]);
    assert_eq!(events, [started(), thinking("hm"), text("xy"), usage(5, 2), stopped()]);
}

#[test]
fn parts_that_say_nothing_are_nothing() {
    let no_parts = json!({"candidates": [{"content": {"role": "model"}}], "modelVersion": "m", "responseId": "r"});
    let no_content = json!({"candidates": [{"index": 0}]});
    let events = read(&[no_parts, no_content, chunk(json!([{}, null, {"text": ""}])), said("x"), end("STOP")]);
    assert_eq!(events, [started(), text("x"), usage(5, 2), stopped()]);
}

#[test]
fn every_reason_has_its_word() {
    let reason = |word: Value| {
        let mut last = end("STOP");
        last["candidates"][0]["finishReason"] = word;
        match read(&[said("x"), last]).pop() {
            Some(ChatEvent::Finished { reason }) => reason,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(reason("STOP".into()), FinishReason::Stop);
    assert_eq!(reason("MAX_TOKENS".into()), FinishReason::Length);
    for word in
        ["SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "MODEL_ARMOR", "LANGUAGE"]
    {
        assert_eq!(reason(word.into()), FinishReason::ContentFilter, "{word}");
    }
    assert_eq!(reason("NEW_ONE".into()), FinishReason::Other("NEW_ONE".into()));
    assert_eq!(reason("FINISH_REASON_UNSPECIFIED".into()), FinishReason::Other("FINISH_REASON_UNSPECIFIED".into()));
    assert_eq!((reason(1.into()), reason(2.into())), (FinishReason::Stop, FinishReason::Length));
    assert_eq!((reason(3.into()), reason(99.into())), (FinishReason::ContentFilter, FinishReason::Other("99".into())));
}

#[test]
fn a_filter_says_which_it_was_and_comes_last() {
    let mut first = said("x");
    first["candidates"][0]["finishReason"] = "STOP".into();
    let filter = extra("/candidates/0/finishReason", json!("RECITATION"));
    let events = read(&[first, said("y"), end("RECITATION")]);
    assert_eq!(events[1..], [text("xy"), filter, usage(5, 2), finished(FinishReason::ContentFilter)]);
}

#[test]
fn an_answer_that_the_model_failed_at_is_a_failure() {
    for word in
        ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "OTHER", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE"]
    {
        let mut last = end(word);
        last["candidates"][0]["finishMessage"] = "Malformed function call".into();
        let (events, error) = read_bytes(&sse(&[said("x"), last]));
        let error = error.unwrap();
        assert_eq!((error.kind, error.details.code.as_deref()), (ErrorKind::Server, Some(word)));
        assert!(error.message.contains("Malformed function call"), "{error}");
        assert_eq!(events, [started(), text("x"), usage(5, 2)], "what was used was used");
    }
}

#[test]
fn a_blocked_prompt_is_refused() {
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "it is unsafe",
        "safetyRatings": [{"category": "HARM_CATEGORY_HATE_SPEECH", "probability": "HIGH"}]},
        "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}, "modelVersion": "m", "responseId": "r"});
    let (events, error) = read_bytes(&sse(std::slice::from_ref(&blocked)));
    let error = error.unwrap();
    assert_eq!((error.kind, error.details.code.as_deref()), (ErrorKind::ContentFilter, Some("SAFETY")));
    assert_eq!(error.message, "the provider blocked the prompt (SAFETY): it is unsafe");
    assert_eq!(events.last(), Some(&usage(9, 0)));
    // Ratings alone block nothing, and after something was said the answer ends there.
    let mut rated = said("x");
    rated["promptFeedback"] = json!({"safetyRatings": [1], "blockReason": "BLOCK_REASON_UNSPECIFIED"});
    let events = read(&[rated, end("STOP")]);
    assert_eq!(events[1..3], [extra("/promptFeedback/safetyRatings", json!([1])), text("x")]);
    let late = read(&[said("x"), json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})]);
    assert_eq!(late.last(), Some(&finished(FinishReason::ContentFilter)));
}

#[test]
fn the_first_chunk_tells_of_the_prompt_before_the_model_speaks() {
    let mut first = said("x");
    first["usageMetadata"] = json!({"promptTokenCount": 15, "cachedContentTokenCount": 4, "totalTokenCount": 15});
    let mut decoder = GeminiDecoder::new(ToolNames::default());
    decoder.handle_bytes(&sse(&[first, end("STOP")]));
    decoder.handle_end();
    let events: Vec<_> = std::iter::from_fn(|| decoder.poll_event()).collect();
    let counted = |output| ChatEvent::Usage(Usage { input: 11, cache_read: 4, output, ..Usage::default() });
    assert_eq!(events[..3], [started(), counted(0), text("x")]);
    assert_eq!(events.iter().filter(|event| matches!(event, ChatEvent::Usage(_))).count(), 2, "{events:?}");
}

#[test]
fn counts_are_of_the_last_chunk() {
    let with = |usage: Value| {
        let mut chunk = said("x");
        chunk["usageMetadata"] = usage;
        chunk
    };
    let first = with(json!({"promptTokenCount": 15, "totalTokenCount": 15, "trafficType": "ON_DEMAND"}));
    let second = with(json!({"promptTokenCount": 15, "candidatesTokenCount": 37, "thoughtsTokenCount": 742,
        "cachedContentTokenCount": 5, "toolUsePromptTokenCount": 770, "trafficType": "ON_DEMAND"}));
    let mut last = end("STOP");
    last["usageMetadata"] = Value::Null;
    let events = read(&[first, second, last]);
    let want = Usage { input: 780, output: 779, reasoning: 742, cache_read: 5, ..Usage::default() };
    let traffic = extra("/usageMetadata/trafficType", json!("ON_DEMAND"));
    assert_eq!(events[2..], [traffic, ChatEvent::Usage(want), stopped()]);
}

#[test]
fn sources_are_named_once_and_what_rests_on_them_is_passed_on() {
    let mut first = said("x");
    first["candidates"][0]["groundingMetadata"] = json!({});
    first["candidates"][0]["citationMetadata"] = json!({"citationSources": [{"uri": "a"}]});
    let mut second = said("y");
    let grounding =
        json!({"groundingChunks": [{"web": {"uri": "b"}}], "groundingSupports": [{"groundingChunkIndices": [0]}]});
    second["candidates"][0]["groundingMetadata"] = grounding.clone();
    second["candidates"][0]["citationMetadata"] = json!({"citations": [{"uri": "a"}, {"uri": "c"}]});
    let mut last = end("STOP");
    last["candidates"][0]["groundingMetadata"] = grounding.clone();
    let source = |json: Value| ChatEvent::Citation { json };
    let want = [
        started(),
        text("x"),
        source(json!({"uri": "a"})),
        text("y"),
        source(json!({"uri": "c"})),
        source(json!({"web": {"uri": "b"}})),
        extra("/candidates/0/groundingMetadata", grounding),
        usage(5, 2),
        stopped(),
    ];
    assert_eq!(read(&[first, second, last]), want);
}

#[test]
fn what_has_no_word_is_passed_on_and_constants_once() {
    let mut one = said("x");
    one["createTime"] = "t".into();
    one["candidates"][0]["safetyRatings"] = json!([{"probability": "LOW"}]);
    one["candidates"][0]["content"]["parts"][0]["odd/key"] = json!(1);
    let mut two = said("y");
    two["createTime"] = "t".into();
    two["candidates"][0]["safetyRatings"] = json!([{"probability": "HIGH"}]);
    let rated = |word: &str| extra("/candidates/0/safetyRatings", json!([{"probability": word}]));
    let want = [
        started(),
        extra("/createTime", json!("t")),
        text("x"),
        extra("/candidates/0/content/parts/0/odd~1key", json!(1)),
        rated("LOW"),
        text("y"),
        rated("HIGH"),
        usage(5, 2),
        stopped(),
    ];
    assert_eq!(read(&[one, two, end("STOP")]), want);
}

#[test]
fn other_candidates_are_passed_on() {
    let other = json!({"content": {"parts": [{"text": "z"}], "role": "model"}, "index": 1});
    let mut both = said("x");
    both["candidates"].as_array_mut().unwrap().push(other.clone());
    let unnumbered = json!({"candidates": [{"content": {"parts": [{"text": "y"}]}}, {"finishReason": "OTHER"}]});
    let events = read(&[both, unnumbered, end("STOP")]);
    assert_eq!(events[1..4], [text("x"), extra("/candidates/1", other), text("y")]);
    assert_eq!(events.last(), Some(&stopped()), "the failure of another is not this one's");
}

#[test]
fn pictures_come_whole() {
    let picture = json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thoughtSignature": "s"});
    let draft = json!({"inlineData": {"mimeType": "image/png", "data": "BBBB"}, "thought": true});
    let events = read(&[chunk(json!([draft, picture])), end("STOP")]);
    let draft = json!({"thought": true, "inlineData": {"mimeType": "image/png", "data": "BBBB"}});
    assert_eq!(
        events[1..4],
        [
            extra("/candidates/0/content/parts/0", draft),
            ChatEvent::Media { media_type: "image/png".into(), data: "AAAA".into() },
            opaque(json!({"inlineData": {}, "thoughtSignature": "s"})),
        ]
    );
}

#[test]
fn an_error_in_the_stream_fails_and_keeps_what_came_before() {
    let after = |error: Value| fails(&sse(&[said("x"), json!({"error": error}), end("STOP")]));
    let (kind, events) = after(json!({"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}));
    assert_eq!((kind, events), (ErrorKind::Overloaded, vec![started(), text("x")]));
    assert_eq!(after(json!({"code": 500, "message": "it broke"})).0, ErrorKind::Server);
    assert_eq!(after(json!({"message": "it broke"})).0, ErrorKind::Protocol);
    assert_eq!(after(json!("it broke")).0, ErrorKind::Protocol);
    let alone = br#"[{"error": {"code": 429, "message": "no", "status": "RESOURCE_EXHAUSTED"}}]"#;
    assert_eq!(fails(alone), (ErrorKind::RateLimited, vec![]));
}

#[test]
fn a_body_that_ends_before_the_answer_was_cut() {
    assert_eq!(fails(&sse(&[said("x")])), (ErrorKind::Protocol, vec![started(), text("x")]));
    for body in [&b""[..], b" \n", b"\xef\xbb", b"[]", b"[", b"{", b"data: {}\n\n"] {
        assert_eq!(fails(body).0, ErrorKind::Protocol, "{body:?}");
    }
    let stream = sse(&[said("x"), end("STOP")]);
    assert_eq!(fails(&stream[..stream.len() - 9]).0, ErrorKind::Protocol, "half a chunk is none");
    let whole = array(&[said("x"), end("STOP")]);
    assert_eq!(fails(&whole[..whole.len() - 9]).0, ErrorKind::Protocol);
    assert!(decode([&whole[..whole.len() - 1]]).1.is_none(), "all chunks are there, if not the array's end");
}

#[test]
fn what_is_no_answer_is_skipped_and_counted() {
    let mut decoder = GeminiDecoder::new(ToolNames::default());
    decoder.handle_bytes(&sse(&[json!({"odd": 1}), chunk(json!([{"newKind": {"a": 1}}])), said("x"), end("STOP")]));
    decoder.handle_end();
    let events: Vec<_> = std::iter::from_fn(|| decoder.poll_event()).collect();
    assert_eq!(events[1], extra("/candidates/0/content/parts/0", json!({"newKind": {"a": 1}})));
    assert_eq!((events.len(), decoder.skipped()), (5, 2));
    assert!(matches!(decoder.state(), StreamState::Done));
}

#[test]
fn what_breaks_the_wire_fails() {
    let part = |part: Value| chunk(json!([part])).to_string();
    for bad in [
        "nonsense".to_owned(),
        "7".into(),
        "null".into(),
        "{\"candidates\":".into(),
        json!({"candidates": 7}).to_string(),
        json!({"candidates": [7]}).to_string(),
        json!({"candidates": [{"content": "x"}]}).to_string(),
        json!({"candidates": [{"content": {"parts": {"text": "x"}}}]}).to_string(),
        json!({"candidates": [], "usageMetadata": 7}).to_string(),
        part(json!({"text": 7})),
        part(json!({"text": "x", "thought": "yes"})),
        part(json!({"text": "x", "thoughtSignature": 7})),
        part(json!({"functionCall": "f"})),
        part(json!({"functionCall": {"args": {}}})),
        part(json!({"functionCall": {"name": "f", "args": [1]}})),
        part(json!({"functionCall": {"name": "f", "partialArgs": [{"stringValue": "x"}], "willContinue": true}})),
        part(json!({"inlineData": {"mimeType": "image/png"}})),
    ] {
        let mut stream = sse(&[said("x")]);
        stream.extend_from_slice(format!("data: {bad}\n\n").as_bytes());
        stream.extend_from_slice(&sse(&[end("STOP")]));
        let (kind, events) = fails(&stream);
        assert_eq!((kind, &events[..2]), (ErrorKind::Protocol, &[started(), text("x")][..]), "{bad}");
    }
    assert_eq!(
        fails(b"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\xff\"}]}}]}\n\n").0,
        ErrorKind::Protocol
    );
    assert_eq!(fails(b"[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\xff\"}]}}]}]").0, ErrorKind::Protocol);
    assert_eq!(fails(b"[7]").0, ErrorKind::Protocol);
}

#[test]
fn a_failure_does_not_quote_what_was_said() {
    let (_, error) = read_bytes(&sse(&[chunk(json!([{"text": "x", "thought": "my secret"}]))]));
    let error = error.unwrap();
    assert!(!format!("{error} {error:?}").contains("my secret"), "{error:?}");
}

#[test]
fn memory_is_bounded() {
    for lead in [&b"data: "[..], b"[{\"a\": \"", b"x", b" "] {
        let mut decoder = GeminiDecoder::new(ToolNames::default());
        decoder.handle_bytes(lead);
        let piece = vec![if lead == b" " { b' ' } else { b'x' }; 1 << 20];
        for _ in 0..20 {
            decoder.handle_bytes(&piece);
        }
        match decoder.state() {
            StreamState::Failed(error) => assert!(error.message.contains("larger than"), "{error}"),
            state => assert!(lead == b" " && matches!(state, StreamState::Open), "{state:?}"),
        }
    }
}
