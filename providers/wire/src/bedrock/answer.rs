//! Answers that come whole, though a stream was asked for: some gateways and proxies give no other.

use serde_json::{Map, Value, json};

use super::{
    event::{ConverseEvent, TokenCounts},
    stream::ConverseDecoder,
};
use crate::{
    decode::StreamState,
    error::{ChatError, ErrorKind},
    error_response::not_json,
    event::ChatEvent,
    names::ToolNames,
};

/// Reads an answer that came whole, as `Converse` gives it; `id` is what the answer is called.
///
/// # Errors
/// It is no answer (`Protocol`).
pub fn decode_answer(body: &[u8], names: &ToolNames, id: &str) -> Result<Vec<ChatEvent>, ChatError> {
    let body = body.trim_ascii();
    let Ok(Value::Object(answer)) = serde_json::from_slice::<Value>(body) else { return Err(not_json(body, 200)) };
    let wrong = || ChatError::new(ErrorKind::Protocol, "the provider answered with something that is no answer");
    let content = answer.get("output").and_then(|output| output.pointer("/message/content")).and_then(Value::as_array);
    let (content, reason) = content.zip(answer.get("stopReason").and_then(Value::as_str)).ok_or_else(wrong)?;
    let mut decoder = ConverseDecoder::new(names.clone(), id);
    decoder.handle_event(ConverseEvent::Started);
    for (index, block) in (0..).zip(content) {
        put_block(&mut decoder, index, block).ok_or_else(wrong)?;
        decoder.handle_event(ConverseEvent::BlockStopped { block: index });
    }
    let fields = answer.get("additionalModelResponseFields").filter(|fields| !fields.is_null()).cloned();
    decoder.handle_event(ConverseEvent::Stopped { reason: reason.to_owned(), fields });
    decoder.handle_event(metadata(&answer));
    match decoder.state() {
        StreamState::Failed(error) => Err(error.clone()),
        _ => Ok(std::iter::from_fn(|| decoder.poll_event()).collect()),
    }
}

/// Says a block as the events that a stream has for it; `None` if it is of a known kind and not what that is.
fn put_block(decoder: &mut ConverseDecoder, block: i64, json: &Value) -> Option<()> {
    let (kind, inside) = json.as_object()?.iter().find(|(_, inside)| !inside.is_null())?;
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut say = |event| decoder.handle_event(event);
    match kind.as_str() {
        "text" => say(ConverseEvent::Text { block, text: inside.as_str()?.to_owned() }),
        "reasoningContent" => {
            if let Some(said) = inside.get("reasoningText") {
                say(ConverseEvent::Reasoning { block, text: text(said, "text").unwrap_or_default() });
                say(ConverseEvent::Signature { block, text: text(said, "signature").unwrap_or_default() });
            }
            if let Some(data) = text(inside, "redactedContent") {
                say(ConverseEvent::Redacted { block, data });
            }
        }
        "toolUse" => {
            let server = text(inside, "type").is_some_and(|kind| kind == "server_tool_use");
            let (id, name) = (text(inside, "toolUseId")?, text(inside, "name")?);
            say(ConverseEvent::ToolUse { block, id, name, server });
            let input = inside.get("input").filter(|input| !input.is_null());
            say(ConverseEvent::ToolInput { block, json: input.map(Value::to_string).unwrap_or_default() });
        }
        "toolResult" => {
            let mut start = inside.as_object()?.clone();
            let content = start.shift_remove("content");
            say(ConverseEvent::ToolResult { block, start });
            if let Some(Value::Array(content)) = content {
                say(ConverseEvent::ToolResultContent { block, content });
            }
        }
        "citationsContent" => {
            for said in inside.get("content").and_then(Value::as_array).into_iter().flatten() {
                say(ConverseEvent::Text { block, text: text(said, "text").unwrap_or_default() });
            }
            for json in inside.get("citations").and_then(Value::as_array).into_iter().flatten() {
                say(ConverseEvent::Citation { json: json.clone() });
            }
        }
        "image" => {
            let data = inside.pointer("/source/bytes")?.as_str()?.to_owned();
            say(ConverseEvent::Image { media_type: format!("image/{}", text(inside, "format")?), data });
        }
        _ => say(ConverseEvent::Unknown),
    }
    Some(())
}

fn metadata(answer: &Map<String, Value>) -> ConverseEvent {
    const TOLD: [(&str, &str); 4] = [
        ("/metrics/latencyMs", "/latencyMs"),
        ("/performanceConfig/latency", "/latency"),
        ("/serviceTier/type", "/type"),
        ("/trace", ""),
    ];
    let told = |(path, below): (&'static str, &str)| {
        let key = path[1..].split('/').next().unwrap_or_default();
        let json = answer.get(key)?.pointer(below).filter(|json| !json.is_null())?;
        Some((path, json.clone()))
    };
    let usage = answer.get("usage").filter(|usage| usage.is_object()).map(counts);
    ConverseEvent::Metadata { usage, more: TOLD.into_iter().filter_map(told).collect() }
}

fn counts(usage: &Value) -> TokenCounts {
    let count = |value: &Value, key: &str| value.get(key).and_then(Value::as_u64).unwrap_or(0).min(1 << 48);
    let no_details = json!([]);
    let details = usage.get("cacheDetails").unwrap_or(&no_details).as_array().map(Vec::as_slice).unwrap_or_default();
    TokenCounts {
        input: count(usage, "inputTokens"),
        output: count(usage, "outputTokens"),
        cache_read: count(usage, "cacheReadInputTokens"),
        cache_write: count(usage, "cacheWriteInputTokens"),
        cache_write_1h: details.iter().filter(|one| one["ttl"] == "1h").map(|one| count(one, "inputTokens")).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Part, event::Usage, fold::fold};

    #[test]
    fn every_block_of_a_whole_answer_is_read() {
        let body = json!({
            "output": {"message": {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
                {"reasoningContent": {"redactedContent": "UkVE"}},
                {"toolUse": {"toolUseId": "s", "name": "nova_grounding", "input": {"q": 1}, "type": "server_tool_use"}},
                {"toolResult": {"toolUseId": "s", "status": "success", "content": [{"text": "found"}]}},
                {"citationsContent": {"content": [{"text": "so"}], "citations": [{"title": "t"}]}},
                {"toolUse": {"toolUseId": "a", "name": "f", "input": {}}},
                {"video": {"format": "mp4"}},
            ]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 7, "outputTokens": 5, "totalTokens": 40, "cacheReadInputTokens": 20,
                "cacheWriteInputTokens": 8, "cacheDetails": [{"ttl": "1h", "inputTokens": 3}]},
            "metrics": {"latencyMs": 12},
        });
        let events = decode_answer(body.to_string().as_bytes(), &ToolNames::default(), "req").unwrap();
        let folded = fold(events, "p", "m");
        let opaque = |data| Part::Opaque { provider: "p".into(), model: "m".into(), data };
        let call = json!({"toolUseId": "s", "name": "nova_grounding", "input": {"q": 1}, "type": "server_tool_use"});
        let result = json!({"toolUseId": "s", "status": "success", "content": [{"text": "found"}]});
        let want = [
            Part::Thinking { text: "hm".into() },
            opaque(json!({"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}})),
            opaque(json!({"reasoningContent": {"redactedContent": "UkVE"}})),
            opaque(json!({ "toolUse": call })),
            opaque(json!({ "toolResult": result })),
            Part::text("so"),
            Part::ToolCall { id: "a".into(), name: "f".into(), arguments: "{}".into(), kind: Default::default() },
        ];
        assert_eq!(folded.message.parts, want);
        assert_eq!((folded.id.as_str(), folded.citations), ("req", vec![json!({"title": "t"})]));
        assert_eq!(folded.finish, Some(crate::FinishReason::ToolCalls), "a call of the caller's is to be answered");
        let usage =
            Usage { input: 7, output: 5, cache_read: 20, cache_write_5m: 5, cache_write_1h: 3, ..Usage::default() };
        assert_eq!(folded.usage, Some(usage));
    }

    #[test]
    fn what_is_no_answer_is_said_so() {
        for body in [
            "",
            "[]",
            "<html>",
            "{}",
            r#"{"output":{}}"#,
            r#"{"output":{"message":{"content":[{"text":3}]}},"stopReason":"end_turn"}"#,
        ] {
            let error = decode_answer(body.as_bytes(), &ToolNames::default(), "").unwrap_err();
            assert_eq!(error.kind, ErrorKind::Protocol, "{body}");
        }
    }
}
