//! Blocks that only Anthropic's wire has and that hold what a model is to read, for a wire that has none of them.

use std::borrow::Cow;

use serde_json::Value;

use crate::chat::{ChatRequest, Extra, Message, Part, Wire};

/// The request with such blocks as texts, if it has any.
pub(crate) fn in_words(request: Cow<'_, ChatRequest>, wire: Wire) -> Cow<'_, ChatRequest> {
    let has_any = |message: &Message| message.extra.iter().any(|extra| text(extra).is_some());
    if wire == Wire::Anthropic || !request.messages.iter().any(has_any) {
        return request;
    }
    let mut request = request.into_owned();
    request.messages.iter_mut().for_each(tell);
    Cow::Owned(request)
}

/// Tells the blocks of a message, each in its place among the parts.
fn tell(message: &mut Message) {
    let mut blocks: Vec<(usize, Option<usize>, Option<String>)> = Vec::new();
    message.extra.retain(|extra| {
        let Some((place, inside)) = whole_block(extra) else { return true };
        let text = text(extra);
        let stays = text.is_none();
        blocks.push((place, inside, text));
        stays
    });
    blocks.sort_by_key(|(place, inside, _)| (*place, *inside));
    // Places count blocks, of which those that are kept as they are have no part.
    let mut kept = 0;
    let mut kept_inside = (0, 0);
    for (place, inside, text) in blocks {
        match (inside, text) {
            (None, None) => kept += 1,
            (None, Some(text)) => {
                let at = place.saturating_sub(kept).min(message.parts.len());
                message.parts.insert(at, Part::Text { text });
                message.cache.iter_mut().filter(|mark| mark.part >= at).for_each(|mark| mark.part += 1);
            }
            (Some(inside), text) => {
                if kept_inside.0 != place {
                    kept_inside = (place, 0);
                }
                match (text, message.parts.get_mut(place.saturating_sub(kept))) {
                    (Some(text), Some(Part::ToolResult { parts, .. })) => {
                        let at = inside.saturating_sub(kept_inside.1).min(parts.len());
                        parts.insert(at, Part::Text { text });
                    }
                    _ => kept_inside.1 += 1,
                }
            }
        }
    }
}

/// The place of the block that an extra is, and its place in a result of a tool, if it stands there.
fn whole_block(extra: &Extra) -> Option<(usize, Option<usize>)> {
    extra.json.get("type").filter(|_| extra.wire == Wire::Anthropic)?;
    let (place, inside) = match extra.path.strip_prefix("/content/")?.split_once("/content/") {
        Some((place, inside)) => (place, Some(inside)),
        None => (extra.path.strip_prefix("/content/")?, None),
    };
    Some((place.parse().ok()?, inside.map(str::parse).transpose().ok()?))
}

/// What a block says, if it is one of those.
fn text(extra: &Extra) -> Option<String> {
    whole_block(extra)?;
    let block = &extra.json;
    let word = |key: &str| block[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let about = |texts: String| [word("title"), word("source"), Some(texts)].into_iter().flatten().collect::<Vec<_>>();
    match block["type"].as_str()? {
        "search_result" => Some(about(texts(&block["content"])?).join("\n\n")),
        "document" => Some(about(texts(&block["source"]["content"])?).join("\n\n")),
        // What a search among the tools has found.
        "tool_reference" => word("tool_name"),
        _ => None,
    }
}

fn texts(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(blocks) => {
            Some(blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n\n"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::anthropic::decode_request;

    fn read(content: &Value) -> ChatRequest {
        let call = json!({"type": "tool_use", "id": "t", "name": "f", "input": {}});
        let messages = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": [call]},
            {"role": "user", "content": content}]);
        let body = json!({"model": "m", "max_tokens": 9, "messages": messages});
        decode_request(body.to_string().as_bytes()).unwrap().request
    }

    /// The parts of the last message as another wire is told them.
    fn told(content: &Value) -> Message {
        let request = read(content);
        let same = in_words(Cow::Borrowed(&request), Wire::Anthropic);
        assert!(matches!(same, Cow::Borrowed(_)), "its own wire has the blocks");
        in_words(Cow::Borrowed(&request), Wire::OpenaiChat).into_owned().messages.pop().unwrap()
    }

    fn say(text: &str) -> Part {
        Part::text(text)
    }

    #[test]
    fn what_is_to_be_read_is_told_in_its_place() {
        let text = |text: &str| json!({"type": "text", "text": text});
        let found = json!({"type": "search_result", "source": "s", "title": "t", "content": [text("a"), text("b")]});
        let pages = json!({"type": "document", "source": {"type": "content", "content": [text("c")]}});
        let odd = json!({"type": "container_upload", "file_id": "f"});
        let marked = json!({"type": "text", "text": "z", "cache_control": {"type": "ephemeral"}});
        let message = told(&json!([odd, text("x"), found, text("y"), pages, odd, marked]));
        assert_eq!(message.parts, [say("x"), say("t\n\ns\n\na\n\nb"), say("y"), say("c"), say("z")]);
        assert_eq!(message.cache[0].part, 4);
        assert_eq!(message.extra.len(), 2, "what nobody can tell is left to be reported");
    }

    #[test]
    fn tools_that_a_search_has_found_are_named_in_its_result() {
        let reference = |name: &str| json!({"type": "tool_reference", "tool_name": name});
        let odd = json!({"type": "odd"});
        let content = json!([odd, reference("a"), {"type": "text", "text": "and"}, reference("b")]);
        let message = told(&json!([{"type": "tool_result", "tool_use_id": "t", "content": content}]));
        let Part::ToolResult { parts, .. } = &message.parts[0] else { panic!("{message:?}") };
        assert_eq!(*parts, [say("a"), say("and"), say("b")]);
    }

    #[test]
    fn a_request_without_such_blocks_is_not_copied() {
        let request = read(&json!([{"type": "text", "text": "x"}, {"type": "container_upload", "file_id": "f"}]));
        assert!(matches!(in_words(Cow::Borrowed(&request), Wire::Gemini), Cow::Borrowed(_)));
    }
}
