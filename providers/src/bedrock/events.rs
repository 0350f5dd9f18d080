//! The SDK's events, as the wire has them.

use aws_sdk_bedrockruntime::types::{
    CacheTtl, CitationLocation, CitationsDelta, ContentBlockDelta, ContentBlockDeltaEvent, ContentBlockStart,
    ContentBlockStartEvent, ConverseStreamMetadataEvent, ConverseStreamOutput, ImageSource, ReasoningContentBlockDelta,
    TokenUsage, ToolResultBlockDelta, ToolUseType,
};
use aws_smithy_types::{Document, Number};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use greenroom_wire::bedrock::{ConverseEvent, TokenCounts};
use serde_json::{Map, Value, json};

/// What is not known of a picture's format, which only its start says: the models that make pictures make these.
const PICTURE: &str = "image/png";

/// One event. Nothing that the SDK has no type for is in it.
pub(super) fn event(output: ConverseStreamOutput) -> ConverseEvent {
    match output {
        ConverseStreamOutput::MessageStart(_) => ConverseEvent::Started,
        ConverseStreamOutput::ContentBlockStart(start) => begun(start),
        ConverseStreamOutput::ContentBlockDelta(delta) => said(delta),
        ConverseStreamOutput::ContentBlockStop(stop) => {
            ConverseEvent::BlockStopped { block: stop.content_block_index.into() }
        }
        ConverseStreamOutput::MessageStop(stop) => ConverseEvent::Stopped {
            reason: stop.stop_reason.as_str().to_owned(),
            fields: stop.additional_model_response_fields.as_ref().map(value),
        },
        ConverseStreamOutput::Metadata(metadata) => told(&metadata),
        _ => ConverseEvent::Unknown,
    }
}

fn begun(event: ContentBlockStartEvent) -> ConverseEvent {
    let block = event.content_block_index.into();
    match event.start {
        Some(ContentBlockStart::ToolUse(start)) => ConverseEvent::ToolUse {
            block,
            server: start.r#type == Some(ToolUseType::ServerToolUse),
            id: start.tool_use_id,
            name: start.name,
        },
        Some(ContentBlockStart::ToolResult(start)) => {
            let status = start.status.as_ref().map(|status| status.as_str());
            let fields = [
                ("toolUseId", Some(start.tool_use_id.as_str())),
                ("type", start.r#type.as_deref()),
                ("status", status),
            ];
            ConverseEvent::ToolResult { block, start: object(fields.map(|(key, text)| (key, text.map(Value::from)))) }
        }
        _ => ConverseEvent::Unknown,
    }
}

fn said(event: ContentBlockDeltaEvent) -> ConverseEvent {
    let block = event.content_block_index.into();
    match event.delta {
        Some(ContentBlockDelta::Text(text)) => ConverseEvent::Text { block, text },
        Some(ContentBlockDelta::ToolUse(delta)) => ConverseEvent::ToolInput { block, json: delta.input },
        Some(ContentBlockDelta::ReasoningContent(delta)) => match delta {
            ReasoningContentBlockDelta::Text(text) => ConverseEvent::Reasoning { block, text },
            ReasoningContentBlockDelta::Signature(text) => ConverseEvent::Signature { block, text },
            ReasoningContentBlockDelta::RedactedContent(data) => {
                ConverseEvent::Redacted { block, data: STANDARD.encode(data) }
            }
            _ => ConverseEvent::Unknown,
        },
        Some(ContentBlockDelta::Citation(citation)) => ConverseEvent::Citation { json: cited(citation) },
        Some(ContentBlockDelta::ToolResult(content)) => {
            ConverseEvent::ToolResultContent { block, content: content.iter().filter_map(given).collect() }
        }
        Some(ContentBlockDelta::Image(image)) => match image.source {
            Some(ImageSource::Bytes(data)) => {
                ConverseEvent::Image { media_type: PICTURE.to_owned(), data: STANDARD.encode(data) }
            }
            _ => ConverseEvent::Unknown,
        },
        _ => ConverseEvent::Unknown,
    }
}

fn given(delta: &ToolResultBlockDelta) -> Option<Value> {
    match delta {
        ToolResultBlockDelta::Text(text) => Some(json!({ "text": text })),
        ToolResultBlockDelta::Json(document) => Some(json!({ "json": value(document) })),
        _ => None,
    }
}

fn told(metadata: &ConverseStreamMetadataEvent) -> ConverseEvent {
    let trace = metadata.trace.as_ref().and_then(|trace| trace.prompt_router.as_ref());
    let router = trace.and_then(|router| router.invoked_model_id.as_deref());
    let more = [
        ("/metrics/latencyMs", metadata.metrics.as_ref().map(|metrics| metrics.latency_ms.into())),
        (
            "/performanceConfig/latency",
            metadata.performance_config.as_ref().map(|config| config.latency.as_str().into()),
        ),
        ("/serviceTier/type", metadata.service_tier.as_ref().map(|tier| tier.r#type.as_str().into())),
        ("/trace/promptRouter/invokedModelId", router.map(Value::from)),
    ];
    ConverseEvent::Metadata {
        usage: metadata.usage.as_ref().map(counts),
        more: more.into_iter().filter_map(|(path, json)| Some((path, json?))).collect(),
    }
}

/// A count below zero is none.
fn counts(usage: &TokenUsage) -> TokenCounts {
    let count = |number: i32| u64::try_from(number).unwrap_or(0);
    let of_hour = usage.cache_details().iter().filter(|one| one.ttl == CacheTtl::OneHour);
    TokenCounts {
        input: count(usage.input_tokens),
        output: count(usage.output_tokens),
        cache_read: usage.cache_read_input_tokens.map_or(0, count),
        cache_write: usage.cache_write_input_tokens.map_or(0, count),
        cache_write_1h: of_hour.map(|one| count(one.input_tokens)).sum(),
    }
}

fn cited(citation: CitationsDelta) -> Value {
    let content = citation
        .source_content
        .map(|content| content.into_iter().filter_map(|one| Some(json!({"text": one.text?}))).collect::<Value>());
    Value::Object(object([
        ("location", citation.location.as_ref().and_then(place)),
        ("sourceContent", content),
        ("source", citation.source.map(Value::from)),
        ("title", citation.title.map(Value::from)),
    ]))
}

fn place(location: &CitationLocation) -> Option<Value> {
    let range = |index: (&'static str, Option<i32>), start: Option<i32>, end: Option<i32>| {
        let fields = [index, ("start", start), ("end", end)];
        Value::Object(object(fields.map(|(key, number)| (key, number.map(Value::from)))))
    };
    const DOCUMENT: &str = "documentIndex";
    Some(match location {
        CitationLocation::DocumentChar(at) => {
            json!({"documentChar": range((DOCUMENT, at.document_index), at.start, at.end)})
        }
        CitationLocation::DocumentChunk(at) => {
            json!({"documentChunk": range((DOCUMENT, at.document_index), at.start, at.end)})
        }
        CitationLocation::DocumentPage(at) => {
            json!({"documentPage": range((DOCUMENT, at.document_index), at.start, at.end)})
        }
        CitationLocation::SearchResultLocation(at) => {
            json!({"searchResultLocation": range(("searchResultIndex", at.search_result_index), at.start, at.end)})
        }
        CitationLocation::Web(at) => {
            let fields = [("url", at.url.as_deref()), ("domain", at.domain.as_deref())];
            json!({"web": object(fields.map(|(key, text)| (key, text.map(Value::from))))})
        }
        _ => return None,
    })
}

/// An object of the fields that are there.
fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Map<String, Value> {
    fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

/// A document as JSON. The SDK keeps its keys in no order: here they are sorted.
fn value(document: &Document) -> Value {
    match document {
        Document::Null => Value::Null,
        Document::Bool(flag) => (*flag).into(),
        Document::String(text) => text.as_str().into(),
        Document::Number(Number::PosInt(number)) => (*number).into(),
        Document::Number(Number::NegInt(number)) => (*number).into(),
        // What is no number in JSON is null.
        Document::Number(Number::Float(number)) => (*number).into(),
        Document::Array(list) => list.iter().map(value).collect(),
        Document::Object(map) => {
            let mut keys: Vec<_> = map.keys().collect();
            keys.sort_unstable();
            keys.into_iter().map(|key| (key.clone(), value(&map[key]))).collect()
        }
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
