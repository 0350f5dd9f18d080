use std::collections::HashMap;

use aws_sdk_bedrockruntime::{
    primitives::Blob,
    types::{
        CacheDetail, CitationSourceContentDelta, ContentBlockStopEvent, ConversationRole, ConverseStreamMetrics,
        DocumentCharLocation, MessageStartEvent, MessageStopEvent, StopReason, ToolResultBlockStart, ToolResultStatus,
        ToolUseBlockDelta, ToolUseBlockStart,
    },
};

use super::*;

fn delta(delta: ContentBlockDelta) -> ConverseEvent {
    let event = ContentBlockDeltaEvent::builder().content_block_index(2).delta(delta).build().unwrap();
    super::event(ConverseStreamOutput::ContentBlockDelta(event))
}

fn start(start: ContentBlockStart) -> ConverseEvent {
    let event = ContentBlockStartEvent::builder().content_block_index(2).start(start).build().unwrap();
    super::event(ConverseStreamOutput::ContentBlockStart(event))
}

#[test]
fn each_event_of_the_sdk_is_one_of_the_wire() {
    let begun = MessageStartEvent::builder().role(ConversationRole::Assistant).build().unwrap();
    assert_eq!(super::event(ConverseStreamOutput::MessageStart(begun)), ConverseEvent::Started);
    let ended = ContentBlockStopEvent::builder().content_block_index(7).build().unwrap();
    assert_eq!(super::event(ConverseStreamOutput::ContentBlockStop(ended)), ConverseEvent::BlockStopped { block: 7 });
    let text = |text: &str| text.to_owned();
    assert_eq!(delta(ContentBlockDelta::Text(text("hi"))), ConverseEvent::Text { block: 2, text: text("hi") });
    let input = ToolUseBlockDelta::builder().input("{").build().unwrap();
    assert_eq!(delta(ContentBlockDelta::ToolUse(input)), ConverseEvent::ToolInput { block: 2, json: text("{") });
    let reasoning = |delta| super::tests::delta(ContentBlockDelta::ReasoningContent(delta));
    let thought = reasoning(ReasoningContentBlockDelta::Text(text("hm")));
    assert_eq!(thought, ConverseEvent::Reasoning { block: 2, text: text("hm") });
    let signed = reasoning(ReasoningContentBlockDelta::Signature(text("s")));
    assert_eq!(signed, ConverseEvent::Signature { block: 2, text: text("s") });
    let hidden = reasoning(ReasoningContentBlockDelta::RedactedContent(Blob::new("RED")));
    assert_eq!(hidden, ConverseEvent::Redacted { block: 2, data: text("UkVE") });
}

#[test]
fn tools_of_the_provider_are_told_from_those_of_the_caller() {
    let used = |kind: Option<ToolUseType>| {
        let used = ToolUseBlockStart::builder().tool_use_id("t").name("f").set_type(kind).build().unwrap();
        matches!(start(ContentBlockStart::ToolUse(used)), ConverseEvent::ToolUse { server: true, .. })
    };
    assert!(used(Some(ToolUseType::ServerToolUse)) && !used(None) && !used(Some("tool_use".into())));
    let given = ToolResultBlockStart::builder().tool_use_id("t").r#type("x_result").status(ToolResultStatus::Success);
    let given = start(ContentBlockStart::ToolResult(given.build().unwrap()));
    let want = object([
        ("toolUseId", Some("t".into())),
        ("type", Some("x_result".into())),
        ("status", Some("success".into())),
    ]);
    assert_eq!(given, ConverseEvent::ToolResult { block: 2, start: want });
}

#[test]
fn citations_and_documents_keep_what_they_say() {
    let location = DocumentCharLocation::builder().document_index(0).start(3).end(73).build();
    let citation = CitationsDelta::builder()
        .title("facts")
        .location(CitationLocation::DocumentChar(location))
        .source_content(CitationSourceContentDelta::builder().text("Ruby").build())
        .build();
    let ConverseEvent::Citation { json } = delta(ContentBlockDelta::Citation(citation)) else { panic!() };
    let want = json!({"location": {"documentChar": {"documentIndex": 0, "start": 3, "end": 73}},
        "sourceContent": [{"text": "Ruby"}], "title": "facts"});
    assert_eq!(json, want);

    let list = [Number::PosInt(u64::MAX), Number::NegInt(i64::MIN), Number::Float(0.1), Number::Float(f64::NAN)];
    let map = HashMap::from([
        ("b".to_owned(), Document::Array(list.map(Document::Number).to_vec())),
        ("a".to_owned(), Document::Object(HashMap::from([("x".to_owned(), Document::Null)]))),
    ]);
    let stop = MessageStopEvent::builder().stop_reason(StopReason::from("new"));
    let stop = stop.additional_model_response_fields(Document::Object(map)).build().unwrap();
    let ConverseEvent::Stopped { reason, fields } = super::event(ConverseStreamOutput::MessageStop(stop)) else {
        panic!()
    };
    let want = r#"{"a":{"x":null},"b":[18446744073709551615,-9223372036854775808,0.1,null]}"#;
    assert_eq!((reason.as_str(), fields.unwrap().to_string()), ("new", want.to_owned()));
}

#[test]
fn tokens_are_counted_by_what_became_of_them() {
    let hour = CacheDetail::builder().ttl(CacheTtl::OneHour).input_tokens(3).build().unwrap();
    let short = CacheDetail::builder().ttl(CacheTtl::FiveMinutes).input_tokens(5).build().unwrap();
    let usage = TokenUsage::builder().input_tokens(7).output_tokens(-2).total_tokens(9).cache_read_input_tokens(4);
    let usage = usage.cache_write_input_tokens(8).cache_details(hour).cache_details(short).build().unwrap();
    let metrics = ConverseStreamMetrics::builder().latency_ms(12).build().unwrap();
    let metadata = ConverseStreamMetadataEvent::builder().usage(usage).metrics(metrics).build();
    let counts = TokenCounts { input: 7, output: 0, cache_read: 4, cache_write: 8, cache_write_1h: 3 };
    let want = ConverseEvent::Metadata { usage: Some(counts), more: vec![("/metrics/latencyMs", 12.into())] };
    assert_eq!(super::event(ConverseStreamOutput::Metadata(metadata)), want);
}
