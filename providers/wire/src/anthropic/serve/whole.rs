//! A whole answer, for a client that asked for no stream.

use serde_json::{Map, Value, json};

use super::{around::Around, blocks::Blocks, sink::Content};
use crate::{event::ChatEvent, json::put_value};

/// Writes a whole answer as the body of an unstreamed response. `id` and `model` are as for
/// [`StreamWriter::new`](super::StreamWriter::new), `unsigned_thinking` as for
/// [`StreamWriter::unsigned_thinking`](super::StreamWriter::unsigned_thinking).
pub fn whole_answer<'a>(
    events: impl IntoIterator<Item = &'a ChatEvent>,
    id: &str,
    model: &str,
    unsigned_thinking: bool,
) -> Vec<u8> {
    let (mut blocks, mut content, mut around) = (Blocks::new(), Content::default(), Around::default());
    blocks.shows_thinking = unsigned_thinking;
    let mut reason = None;
    for event in events {
        match event {
            ChatEvent::Started { .. } => blocks.go_on(&mut content),
            ChatEvent::Finished { reason: said } => reason = Some(said),
            event if around.take(event) => {}
            event => blocks.take(event, &mut content),
        }
    }
    blocks.finish(&mut content);
    let (stop_reason, stop_sequence) = match reason {
        Some(reason) => {
            let (word, met) = around.stop(reason, blocks.refused);
            (Value::from(word), met)
        }
        None => (Value::Null, Value::Null),
    };
    let message = json!({
        "id": id, "type": "message", "role": "assistant", "model": model, "content": content.blocks,
        "stop_reason": stop_reason, "stop_sequence": stop_sequence, "usage": around.usage(),
    });
    let mut message: Map<String, Value> = message.as_object().cloned().unwrap_or_default();
    for (key, json) in around.fields {
        message.entry(key).or_insert(json);
    }
    let mut body = Vec::new();
    put_value(&mut body, &message);
    body
}
