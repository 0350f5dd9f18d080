//! What makes two requests the same: all that an answer depends on, whatever the order in which its objects have their
//! keys. Pure.

use aws_lc_rs::digest::{Context, SHA256};
use greenroom_wire::ChatRequest;
use serde_json::{Map, Value};

use crate::session::OnInterrupt;

/// A request of an owner, as far as its answer depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RequestKey([u8; 32]);

impl RequestKey {
    /// Whose request it is counts: nobody is told what another was answered, not even how fast.
    pub(crate) fn of(owner: &str, on_interrupt: Option<OnInterrupt>, request: &ChatRequest) -> Self {
        // Labels are the caller's own, and change nothing.
        let request = ChatRequest { metadata: Map::new(), ..request.clone() };
        let request = serde_json::to_value(&request).expect("a request has no keys but texts");
        let mut digest = Context::new(&SHA256);
        feed_text(owner, &mut digest);
        feed_text(&format!("{on_interrupt:?}"), &mut digest);
        feed(&request, &mut digest);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.finish().as_ref());
        Self(bytes)
    }
}

/// Everything says what it is and how long, so that no two values look the same.
fn feed(value: &Value, digest: &mut Context) {
    match value {
        Value::Null => digest.update(b"n"),
        Value::Bool(value) => digest.update(if *value { b"t" } else { b"f" }),
        Value::Number(number) => {
            digest.update(b"#");
            feed_text(&number.to_string(), digest);
        }
        Value::String(text) => feed_text(text, digest),
        Value::Array(items) => {
            digest.update(b"[");
            feed_length(items.len(), digest);
            items.iter().for_each(|item| feed(item, digest));
        }
        Value::Object(map) => {
            digest.update(b"{");
            feed_length(map.len(), digest);
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            for key in keys {
                feed_text(key, digest);
                feed(&map[key], digest);
            }
        }
    }
}

fn feed_text(text: &str, digest: &mut Context) {
    digest.update(b"\"");
    feed_length(text.len(), digest);
    digest.update(text.as_bytes());
}

fn feed_length(length: usize, digest: &mut Context) {
    digest.update(&u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use greenroom_wire::{Message, Part, chat::Tool};
    use serde_json::json;

    use super::*;

    fn tool(parameters: &str) -> Tool {
        serde_json::from_value(json!({
            "type": "function", "name": "f", "parameters": serde_json::from_str::<Value>(parameters).unwrap(),
        }))
        .unwrap()
    }

    #[test]
    fn requests_are_the_same_if_their_answers_would_be() {
        let base = ChatRequest {
            model: "m".into(),
            messages: vec![Message::user("hi")],
            tools: vec![tool(r#"{"type": "object", "a": {"x": 1, "y": [1, 2]}}"#)],
            ..ChatRequest::default()
        };
        let key = |request: &ChatRequest| RequestKey::of("me", None, request);
        let mut same = base.clone();
        same.tools = vec![tool(r#"{"a": {"y": [1, 2], "x": 1}, "type": "object"}"#)];
        same.metadata.insert("trace".into(), json!("7"));
        assert_eq!(key(&base), key(&same), "the order of keys, and labels");
        let others: [fn(&mut ChatRequest); 8] = [
            |other| other.model = "n".into(),
            |other| other.messages = vec![Message::user("hi ")],
            |other| other.messages.push(Message::user("")),
            |other| other.messages[0].parts = vec![Part::text("h"), Part::text("i")],
            |other| other.temperature = Some(0.0),
            |other| other.max_tokens = Some(1),
            |other| other.stop = vec!["x".into()],
            |other| other.tools = vec![tool(r#"{"type": "object", "a": {"x": 1, "y": [2, 1]}}"#)],
        ];
        let mut keys = vec![key(&base)];
        for change in others {
            let mut other = base.clone();
            change(&mut other);
            keys.push(key(&other));
        }
        keys.push(RequestKey::of("you", None, &base));
        keys.push(RequestKey::of("me", Some(OnInterrupt::Fail), &base));
        let count = keys.len();
        let all: std::collections::HashSet<RequestKey> = keys.into_iter().collect();
        assert_eq!(all.len(), count);
    }
}
