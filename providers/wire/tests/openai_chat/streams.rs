//! Streamed answers: text, thinking, usage, ends, extras.

use greenroom_wire::{
    ChatEvent, ErrorKind, FinishReason, StreamDecoder, StreamState, Usage, openai_chat::OpenaiChatDecoder,
};
use serde_json::json;

use crate::harness::*;

#[test]
fn text_comes_between_start_and_end() {
    let events = read(&[
        delta(json!({"role": "assistant", "content": "", "refusal": null})),
        delta(json!({"content": "Grü"})),
        delta(json!({"content": "ße 🎉"})),
        end("stop"),
        json!({"id": "a", "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}),
    ]);
    assert_eq!(events, [started(), text("Grüße 🎉"), usage(5, 2), stopped()]);
}

#[test]
fn a_drain_of_many_deltas_is_one_event() {
    let mut decoder = OpenaiChatDecoder::new(1);
    let chunks: Vec<_> = (0..100).map(|_| delta(json!({"content": "x"}))).collect();
    decoder.handle_bytes(&cut(&chunks));
    let events: Vec<_> = std::iter::from_fn(|| decoder.poll_event()).collect();
    assert_eq!(events, [started(), text(&"x".repeat(100))]);
}

#[test]
fn the_state_follows_the_answer() {
    let mut decoder = OpenaiChatDecoder::new(1);
    decoder.handle_bytes(&cut(&[delta(json!({"content": "x"}))]));
    assert!(matches!(decoder.state(), StreamState::Open));
    decoder.handle_bytes(&cut(&[end("stop")]));
    assert!(matches!(decoder.state(), StreamState::Finishing));
    let events: Vec<_> = std::iter::from_fn(|| decoder.poll_event()).collect();
    assert_eq!(events, [started(), text("x")], "Finished waits for usage");
    decoder.handle_bytes(b"data: [DONE]\n\n");
    assert!(matches!(decoder.state(), StreamState::Done));
    assert_eq!(decoder.poll_event(), Some(stopped()));
    decoder.handle_bytes(&cut(&[delta(json!({"content": "more"}))]));
    decoder.handle_end();
    assert_eq!(decoder.poll_event(), None);
}

#[test]
fn an_end_without_a_marker_is_an_end_after_a_reason_only() {
    let (events, error) = read_of(1, &cut(&[delta(json!({"content": "x"})), end("stop")]));
    assert_eq!((events, error.is_none()), (vec![started(), text("x"), stopped()], true));
    let (kind, events) = fails(&cut(&[delta(json!({"content": "x"}))]));
    assert_eq!((kind, events), (ErrorKind::Protocol, vec![started(), text("x")]));
    assert_eq!(fails(b"").0, ErrorKind::Protocol);
    assert_eq!(fails(b"data: [DONE]\n\n").0, ErrorKind::Protocol);
    // Some servers say `[DONE]` and no reason.
    assert_eq!(read(&[delta(json!({"content": "x"}))]), [started(), text("x"), stopped()]);
}

#[test]
fn every_finish_reason_has_its_kind() {
    let other = |word: &str| FinishReason::Other(word.into());
    for (word, reason) in [
        ("stop", FinishReason::Stop),
        ("eos", FinishReason::Stop),
        ("length", FinishReason::Length),
        ("model_length", FinishReason::Length),
        ("tool_calls", FinishReason::ToolCalls),
        ("tool_call", FinishReason::ToolCalls),
        ("function_call", FinishReason::ToolCalls),
        ("content_filter", FinishReason::ContentFilter),
        ("repetition", other("repetition")),
    ] {
        assert_eq!(read(&[delta(json!({"content": "x"})), end(word)]).last(), Some(&finished(reason)), "{word}");
    }
    let refusal = read(&[delta(json!({"refusal": "No"})), delta(json!({"refusal": "."})), end("stop")]);
    let want = [started(), ChatEvent::Refusal { delta: "No.".into() }, finished(FinishReason::Refusal)];
    assert_eq!(refusal, want);
}

#[test]
fn absent_and_null_are_nothing() {
    let nulls = json!({"content": null, "refusal": null, "tool_calls": null, "function_call": null, "role": null,
        "reasoning": null, "reasoning_content": null, "reasoning_details": null, "annotations": null, "audio": null});
    let events = read(&[
        json!({"choices": [], "created": 0, "id": "", "model": "", "object": "", "usage": null}),
        json!({"id": "a", "model": "m", "choices": [{"index": 0}], "error": null}),
        json!({"id": "a", "model": "m", "choices": [{"delta": null, "finish_reason": "", "logprobs": null}]}),
        delta(nulls),
        delta(json!({"content": "x"})),
        end("stop"),
    ]);
    assert_eq!(events, [started(), text("x"), stopped()]);
}

#[test]
fn azures_first_chunk_is_not_the_beginning() {
    let filter = json!([{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": false}}}]);
    let events = read(&[
        json!({"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": filter}),
        json!({"id": "a", "model": "m", "choices": [{"content_filter_results": {}, "delta": {"content": "x"}, "index": 0}]}),
        json!({"id": "a", "model": "m", "choices": [{"content_filter_offsets": {"end": 1}, "index": 0}]}),
        end("stop"),
    ]);
    let offsets = extra("/choices/0/content_filter_offsets", json!({"end": 1}));
    assert_eq!(events, [started(), extra("/prompt_filter_results", filter), text("x"), offsets, stopped()]);
}

#[test]
fn usage_is_the_last_one_said() {
    let with = |tokens: u64, content: &str| {
        json!({"id": "a", "model": "m", "choices": [{"index": 0, "delta": {"content": content}}],
            "usage": {"prompt_tokens": 9, "completion_tokens": tokens}})
    };
    assert_eq!(
        read(&[with(0, "x"), with(1, "y"), end("stop"), with(2, "")]),
        [started(), text("xy"), usage(9, 2), stopped()]
    );
    let (_, events) = fails(&cut(&[with(3, "x")]));
    assert_eq!(events, [started(), text("x"), usage(9, 3)], "what a failed answer used is known");
}

#[test]
fn usage_is_found_where_servers_put_it() {
    let counts = json!({"prompt_tokens": 9, "completion_tokens": 2});
    let in_choice =
        json!({"id": "a", "model": "m", "choices": [{"index": 0, "finish_reason": "stop", "usage": counts}]});
    assert_eq!(read(&[in_choice]), [started(), usage(9, 2), stopped()]);
    let groq = json!({"id": "a", "model": "m", "choices": [{"index": 0, "finish_reason": "stop"}], "x_groq": {"usage": counts}});
    assert!(read(&[groq]).contains(&usage(9, 2)));
}

#[test]
fn usage_keeps_what_has_no_word() {
    let counts = json!({"prompt_tokens": 10, "completion_tokens": 4, "cost": 0.25,
        "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2, "audio_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 3, "image_tokens": 0}});
    let events = read(&[delta(json!({"content": "x"})), end("stop"), json!({"choices": [], "usage": counts})]);
    let cost = Some(250_000_000_000);
    let counts =
        Usage { input: 5, output: 4, reasoning: 3, cache_read: 3, cache_write_5m: 2, cost, ..Usage::default() };
    assert_eq!(
        events[2..],
        [
            extra("/usage/cost", json!(0.25)),
            extra("/usage/prompt_tokens_details/audio_tokens", json!(1)),
            extra("/usage/completion_tokens_details/image_tokens", json!(0)),
            ChatEvent::Usage(counts),
            stopped(),
        ]
    );
}

#[test]
fn constants_are_said_once() {
    let chunk = |content: &str, fingerprint: &str, tokens: i32| {
        json!({"id": "a", "model": "m", "created": 1, "object": "chat.completion.chunk", "obfuscation": content,
            "system_fingerprint": fingerprint, "service_tier": "default", "p": "padding", "choices": [
            {"index": 0, "delta": {"content": content, "padding": "xy"}, "logprobs": {"content": [{"token": tokens}]}}]})
    };
    let probs = |tokens: i32| extra("/choices/0/logprobs", json!({"content": [{"token": tokens}]}));
    assert_eq!(
        read(&[chunk("x", "f1", 1), chunk("y", "f1", 1), chunk("z", "f2", 2), end("stop")]),
        [
            started(),
            extra("/system_fingerprint", json!("f1")),
            extra("/service_tier", json!("default")),
            probs(1),
            text("x"),
            probs(1),
            text("y"),
            extra("/system_fingerprint", json!("f2")),
            probs(2),
            text("z"),
            stopped(),
        ]
    );
}

#[test]
fn thinking_has_many_names() {
    for name in ["reasoning_content", "reasoning", "reasoning_text", "cot_summary"] {
        let events = read(&[
            delta(json!({"content": "", name: "h"})),
            delta(json!({"content": null, name: "m"})),
            delta(json!({"content": "x"})),
            end("stop"),
        ]);
        assert_eq!(events, [started(), thinking("hm"), text("x"), stopped()], "{name}");
    }
    let twice = delta(json!({"reasoning_content": "hm", "reasoning": "hm"}));
    assert_eq!(read(&[twice, end("stop")])[1], thinking("hm"));
}

#[test]
fn mistrals_parts_are_told_apart() {
    let events = read(&[
        delta(json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}]})),
        delta(json!({"content": [{"type": "thinking", "thinking": "m"}]})),
        delta(json!({"content": [{"type": "text", "text": "x"}, {"type": "reference", "reference_ids": [1]}]})),
        delta(json!({"content": "y"})),
        end("stop"),
    ]);
    let source = ChatEvent::Citation { json: json!({"type": "reference", "reference_ids": [1]}) };
    assert_eq!(events, [started(), thinking("hm"), text("x"), source, text("y"), stopped()]);
}

#[test]
fn details_of_thinking_are_spoken_once_and_kept_whole() {
    let detail = |text: &str| json!({"type": "reasoning.text", "text": text, "format": "f", "index": 0});
    let events = read(&[
        delta(json!({"content": "", "reasoning": "h", "reasoning_details": [detail("h")]})),
        delta(json!({"content": "", "reasoning": "m", "reasoning_details": [detail("m")]})),
        delta(json!({"reasoning_details": [{"type": "reasoning.text", "signature": "s", "index": 0}]})),
        delta(json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": "d", "index": 1}]})),
        delta(json!({"content": "x"})),
        end("stop"),
    ]);
    let whole = json!({"reasoning_details": [
        {"type": "reasoning.text", "text": "hm", "format": "f", "index": 0, "signature": "s"},
        {"type": "reasoning.encrypted", "data": "d", "index": 1},
    ]});
    assert_eq!(events, [started(), thinking("hm"), text("x"), opaque(whole), stopped()]);
    // Where thinking comes by itself first, the details that follow repeat it.
    let events =
        read(&[delta(json!({"reasoning": "hm"})), delta(json!({"reasoning_details": [detail("hm")]})), end("stop")]);
    assert_eq!(events, [started(), thinking("hm"), opaque(json!({"reasoning_details": [detail("hm")]})), stopped()]);
}

#[test]
fn copilots_signature_stays_in_its_place() {
    let events = read(&[
        delta(json!({"reasoning_text": "hm"})),
        delta(json!({"content": "x", "reasoning_opaque": "s"})),
        delta(json!({"content": "y", "reasoning_opaque": "s"})),
        end("stop"),
    ]);
    assert_eq!(
        events,
        [started(), thinking("hm"), text("x"), opaque(json!({"reasoning_opaque": "s"})), text("y"), stopped()]
    );
}

#[test]
fn sources_pictures_and_sounds_come_through() {
    let source = json!({"type": "url_citation", "url_citation": {"url": "https://example.org"}});
    let picture = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}});
    let linked = json!({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}});
    let sound = json!({"id": "s", "data": "AAAA", "transcript": "hi"});
    let events = read(&[
        delta(json!({"annotations": [source]})),
        delta(json!({"images": [picture, linked]})),
        delta(json!({"audio": sound})),
        delta(json!({"audio": sound, "annotations": {"CodeVulnerability": []}, "copilot_annotations": {"a": 1}})),
        end("stop"),
    ]);
    assert_eq!(
        events,
        [
            started(),
            ChatEvent::Citation { json: source },
            ChatEvent::Media { media_type: "image/png".into(), data: "AAAA".into() },
            extra("/choices/0/delta/images", json!([linked])),
            extra("/choices/0/delta/audio", sound.clone()),
            extra("/choices/0/delta/audio", sound),
            extra("/choices/0/delta/annotations", json!({"CodeVulnerability": []})),
            stopped(),
        ]
    );
}

#[test]
fn choices_are_one_answer_unless_several_were_asked_for() {
    let at = |index: u32, choice: serde_json::Value| {
        let mut choice = choice;
        choice["index"] = index.into();
        json!({"id": "a", "model": "m", "choices": [choice]})
    };
    let stream = sse(&[
        at(0, json!({"delta": {"role": "assistant", "content": "x"}})),
        at(1, json!({"delta": {"content": "y"}, "logprobs": null})),
        at(0, json!({"delta": {}, "finish_reason": "stop"})),
        at(1, json!({"delta": {}, "finish_reason": "length"})),
    ]);
    let (events, _) = read_of(1, &stream);
    assert_eq!(events, [started(), text("xy"), finished(FinishReason::Length)]);
    let (events, _) = read_of(2, &stream);
    let other = extra("/choices/1/delta", json!({"content": "y"}));
    assert_eq!(events, [started(), text("x"), other, extra("/choices/1/finish_reason", json!("length")), stopped()]);

    let mut decoder = OpenaiChatDecoder::new(2);
    decoder.handle_bytes(&cut(&[at(0, json!({"finish_reason": "stop"}))]));
    assert!(matches!(decoder.state(), StreamState::Open), "the other choice still speaks");
}

#[test]
fn legacy_completions_are_text() {
    let chunk = |choice| json!({"choices": [choice]});
    let events = read(&[chunk(json!({"text": "x", "index": 0})), chunk(json!({"index": 0, "finish_reason": "stop"}))]);
    assert_eq!(events, [ChatEvent::Started { id: String::new(), model: String::new() }, text("x"), stopped()]);
}

#[test]
fn what_is_no_chunk_is_skipped_and_counted() {
    let mut decoder = OpenaiChatDecoder::new(1);
    decoder.handle_bytes(&sse(&[json!({"type": "ping"}), delta(json!({"content": "x"})), end("stop")]));
    assert_eq!((std::iter::from_fn(|| decoder.poll_event()).count(), decoder.skipped()), (3, 1));
}

#[test]
fn what_breaks_the_wire_fails_and_keeps_what_came_before() {
    let good = cut(&[delta(json!({"content": "x"}))]);
    for bad in [
        "data: {\"choices\":\n\n".to_owned(),
        "data: nonsense\n\n".into(),
        "data: 7\n\n".into(),
        format!("data: {}\n\n", json!({"id": 7, "choices": []})),
        format!("data: {}\n\n", json!({"choices": {}})),
        format!("data: {}\n\n", json!({"choices": [7]})),
        format!("data: {}\n\n", delta(json!({"content": 7}))),
        format!("data: {}\n\n", delta(json!({"reasoning": true}))),
        format!("data: {}\n\n", delta(json!({"tool_calls": [{"index": "0"}]}))),
        format!("data: {}\n\n", delta(json!({"tool_calls": [{"index": -1}]}))),
        format!("data: {}\n\n", delta(json!({"tool_calls": [{"index": 0, "function": {"arguments": 7}}]}))),
        format!("data: {}\n\n", delta(json!({"content": [7]}))),
        format!("data: {}\n\n", json!({"choices": [{"index": 0, "finish_reason": 3}]})),
        format!("data: {}\n\n", json!({"choices": [], "usage": 3})),
    ] {
        let mut stream = good.clone();
        stream.extend_from_slice(bad.as_bytes());
        stream.extend_from_slice(&sse(&[end("stop")]));
        let (kind, events) = fails(&stream);
        assert_eq!((kind, events), (ErrorKind::Protocol, vec![started(), text("x")]), "{bad}");
    }
    let mut stream = good;
    stream.extend_from_slice(b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\"}}]}\n\n");
    assert_eq!(fails(&stream).0, ErrorKind::Protocol);
}

#[test]
fn a_failure_does_not_quote_what_was_said() {
    let (_, error) = read_of(1, &sse(&[json!({"choices": [{"index": "my secret"}]})]));
    let error = error.unwrap();
    assert!(!format!("{error} {error:?}").contains("my secret"), "{error:?}");
}
