//! What holds for everything that is served.

use greenroom_wire::{
    ChatEvent, FinishReason, Usage,
    anthropic::{StreamWriter, ToolNames, decode_answer, whole_answer},
    chat::ToolCallKind,
};
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::{Value, json};

use crate::{
    harness::*,
    serving::{accumulated, events_of, streamed},
};

fn words() -> impl Strategy<Value = String> {
    "[a-z\u{e9}\u{1f30a}\u{2028} {}\\[\\\\\"\n]{1,8}"
}

fn index() -> impl Strategy<Value = u32> {
    0u32..3
}

/// Anything that may be said, in any order, as no provider would say it.
fn anything() -> impl Strategy<Value = ChatEvent> {
    let opaque_blocks = prop_oneof![
        words().prop_map(|text| json!({"type": "thinking", "thinking": text, "signature": "s"})),
        Just(json!({"type": "thinking", "thinking": "", "signature": "s"})),
        words().prop_map(|text| json!({"type": "text", "text": text, "citations": [{"type": "char_location"}]})),
        words().prop_map(|text| json!({"type": "server_tool_use", "id": "s", "name": "n", "input": {"q": text}})),
        words().prop_map(|text| json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": text})),
        words().prop_map(|text| json!({"type": "compaction", "content": text})),
        index().prop_map(|call| json!({"tool_call": call, "caller": {"type": "code"}})),
        Just(json!({"reasoning_details": [1]})),
        Just(json!(3)),
    ];
    let extras = prop_oneof![
        Just(("/content/1/type", json!("text"))),
        Just(("/content/2", json!({"type": "new"}))),
        Just(("/content/0/caller", json!({"type": "direct"}))),
        Just(("/stop_sequence", json!("END"))),
        Just(("/container", json!({"id": "c"}))),
        Just(("/context_management", json!({}))),
        Just(("/usage/service_tier", json!("standard"))),
    ];
    let kind = prop_oneof![4 => Just(ToolCallKind::Function), 1 => Just(ToolCallKind::Custom)];
    prop_oneof![
        4 => words().prop_map(|delta| ChatEvent::Text { delta }),
        1 => words().prop_map(|delta| ChatEvent::Refusal { delta }),
        2 => words().prop_map(|delta| ChatEvent::Thinking { delta }),
        2 => (index(), words(), kind).prop_map(|(index, id, kind)| {
            ChatEvent::ToolCallStarted { index, id, name: "f".into(), kind }
        }),
        3 => (index(), words()).prop_map(|(index, delta)| ChatEvent::ToolCallArgs { index, delta }),
        2 => index().prop_map(called),
        3 => opaque_blocks.prop_map(opaque),
        1 => Just(ChatEvent::Citation { json: json!({"type": "page_location"}) }),
        1 => Just(ChatEvent::Citation { json: json!({"type": "url_citation"}) }),
        1 => Just(ChatEvent::Media { media_type: "image/png".into(), data: "AA==".into() }),
        1 => extras.prop_map(|(path, json)| extra(path, json)),
        1 => any::<u8>().prop_map(|count| usage(count.into(), 1)),
        1 => Just(started()),
    ]
}

fn endings() -> impl Strategy<Value = FinishReason> {
    prop::sample::select(vec![
        FinishReason::Stop,
        FinishReason::Length,
        FinishReason::ToolCalls,
        FinishReason::Refusal,
        FinishReason::Pause,
        FinishReason::Other("odd".into()),
    ])
}

/// What a provider of this wire says: blocks, one after another, each as the decoder tells it.
fn orderly() -> impl Strategy<Value = Vec<ChatEvent>> {
    #[derive(Debug, Clone)]
    enum Said {
        Text(String),
        Cited(String),
        Signed(String),
        Unsigned(String),
        Call(String, bool),
        Verbatim(Value),
    }
    let verbatim = prop_oneof![
        words().prop_map(|text| json!({"type": "server_tool_use", "id": "s", "name": "n", "input": {"q": text}})),
        Just(json!({"type": "mcp_tool_use", "id": "s", "name": "n", "input": {}, "server_name": "x"})),
        words().prop_map(|text| json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": text})),
        words().prop_map(|text| json!({"type": "compaction", "content": text, "encrypted_content": "e"})),
        Just(json!({"type": "redacted_thinking", "data": "d"})),
        Just(json!({"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}})),
    ];
    let said = prop_oneof![
        words().prop_map(Said::Text),
        words().prop_map(Said::Cited),
        "[a-z]{0,5}".prop_map(Said::Signed),
        words().prop_map(Said::Unsigned),
        (words(), any::<bool>()).prop_map(|(text, direct)| Said::Call(text, direct)),
        verbatim.prop_map(Said::Verbatim),
    ];
    (vec(said, 0..7), endings(), any::<bool>(), any::<u16>()).prop_map(|(said, reason, met, count)| {
        let mut events = vec![started()];
        let mut last = "";
        let mut calls = 0;
        for (place, said) in said.into_iter().enumerate() {
            let kind = match &said {
                Said::Text(_) | Said::Cited(_) => "text",
                Said::Signed(_) | Said::Unsigned(_) => "thinking",
                _ => "-",
            };
            if kind == last {
                events.push(extra(&format!("/content/{place}/type"), json!(kind)));
            }
            last = "";
            match said {
                Said::Text(delta) => {
                    events.push(text(&delta));
                    last = "text";
                }
                Said::Cited(said) => {
                    let citation = json!({"type": "char_location", "cited_text": said});
                    events.extend([ChatEvent::Citation { json: citation.clone() }, text(&said)]);
                    events.push(opaque(json!({"type": "text", "text": said, "citations": [citation]})));
                }
                Said::Signed(said) => {
                    events.extend((!said.is_empty()).then(|| thinking(&said)));
                    events.push(opaque(json!({"type": "thinking", "thinking": said, "signature": "s"})));
                }
                Said::Unsigned(said) => {
                    events.push(thinking(&said));
                    last = "thinking";
                }
                Said::Call(said, direct) => {
                    events.push(call(calls, &format!("toolu_{calls}"), "f"));
                    events.push(match direct {
                        true => extra(&format!("/content/{place}/caller"), json!({"type": "direct"})),
                        false => opaque(json!({"tool_call": calls, "caller": {"type": "code"}})),
                    });
                    events.extend([args(calls, &json!({"x": said}).to_string()), called(calls)]);
                    calls += 1;
                }
                Said::Verbatim(block) => events.push(opaque(block)),
            }
        }
        if met {
            events.push(extra("/stop_sequence", json!("END")));
        }
        events.push(extra("/usage/service_tier", json!("standard")));
        events.push(ChatEvent::Usage(Usage {
            input: count.into(),
            output: 7,
            cache_read: 3,
            cache_write_5m: 2,
            cache_write_1h: 1,
            ..Usage::default()
        }));
        let reason = match reason {
            FinishReason::Stop if calls > 0 => FinishReason::ToolCalls,
            reason => reason,
        };
        events.push(finished(reason));
        events
    })
}

/// The same events, each delta cut in two.
fn cut(events: &[ChatEvent], cuts: &[Index]) -> Vec<ChatEvent> {
    let mut cuts = cuts.iter().cycle();
    let pieces = events.iter().flat_map(|event| {
        let Some(delta) = event.delta() else { return vec![event.clone()] };
        let places: Vec<usize> = delta.char_indices().map(|(at, _)| at).collect();
        let at = cuts.next().map_or(0, |cut| places[cut.index(places.len())]);
        let with = |text: &str| {
            let mut piece = event.clone();
            if let ChatEvent::Text { delta }
            | ChatEvent::Thinking { delta }
            | ChatEvent::Refusal { delta }
            | ChatEvent::ToolCallArgs { delta, .. } = &mut piece
            {
                text.clone_into(delta);
            }
            piece
        };
        [&delta[..at], &delta[at..]].into_iter().filter(|text| !text.is_empty()).map(with).collect()
    });
    pieces.collect()
}

/// With arguments as JSON, of which strings can be written in several ways, and with a field of the message first, which a
/// stream says last.
fn read_back(events: Vec<ChatEvent>) -> Vec<ChatEvent> {
    let same = |text: &str| serde_json::from_str::<Value>(text).expect("arguments are JSON").to_string();
    let read = merged(events).into_iter().map(|event| match event {
        ChatEvent::ToolCallArgs { index, delta } => args(index, &same(&delta)),
        event => event,
    });
    let mut read: Vec<_> = read.collect();
    let field = extra("/stop_sequence", json!("END"));
    read.sort_by_key(|event| *event != field);
    read
}

proptest! {
    #[test]
    fn a_stream_makes_the_message_that_is_served_whole(
        events in vec(anything(), 0..24), reason in endings(), shown in any::<bool>(), cuts in vec(any::<Index>(), 1..6),
    ) {
        let events: Vec<_> = [started()].into_iter().chain(events).chain([finished(reason)]).collect();
        let whole: Value = serde_json::from_slice(&whole_answer(&events, "msg_1", "m", shown)).unwrap();
        for events in [events.clone(), cut(&events, &cuts)] {
            let mut writer = StreamWriter::new("msg_1", "m").unsigned_thinking(shown);
            let mut out = Vec::new();
            events.iter().for_each(|event| writer.write(event, &mut out));
            let written = events_of(&out);
            prop_assert_eq!(written.last().unwrap(), &over());
            prop_assert_eq!(accumulated(&written), whole.clone());
        }
    }

    #[test]
    fn what_is_served_reads_back_as_it_was_said(events in orderly(), cuts in vec(any::<Index>(), 1..6)) {
        let names = ToolNames::default();
        let stream = streamed(&cut(&events, &cuts));
        let (read, error, skipped) = decode(&names, [&stream[..]]);
        prop_assert!(error.is_none(), "{error:?}");
        prop_assert_eq!(skipped, 0);
        prop_assert_eq!(read_back(read), read_back(events.clone()));
        let whole = whole_answer(&events, "msg_1", "m", true);
        prop_assert_eq!(read_back(decode_answer(&whole, &names).unwrap()), read_back(events));
    }
}
