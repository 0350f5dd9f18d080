//! The wires, seen as one.

use greenroom_wire::{
    ChatRequest, LeftOut, anthropic,
    chat::{Message, Wire},
    ollama, openai_chat,
};
use serde_json::Value;

pub(crate) const WIRES: [Wire; 3] = [Wire::OpenaiChat, Wire::Anthropic, Wire::Ollama];

/// A body, and where something was left out of it.
pub(crate) struct Encoded {
    pub(crate) body: Vec<u8>,
    pub(crate) left_out: Vec<LeftOut>,
}

impl Encoded {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a body is JSON")
    }

    /// The places of what was left out, sorted.
    pub(crate) fn places(&self) -> Vec<&str> {
        let mut places: Vec<_> = self.left_out.iter().map(|left| left.at.as_str()).collect();
        places.sort_unstable();
        places
    }
}

/// Writes a request for a provider of this wire that takes all that the wire can say of a conversation.
pub(crate) fn encode(wire: Wire, request: &ChatRequest, provider: &str, model: &str) -> Encoded {
    let (body, left_out) = match wire {
        Wire::OpenaiChat => {
            let dialect = openai_chat::Dialect::REASONING_CONTENT;
            let encoded = openai_chat::encode_request(request, provider, model, &dialect);
            (encoded.body, encoded.left_out)
        }
        Wire::Anthropic => {
            let dialect = anthropic::Dialect::of_model("claude-sonnet-4-5");
            let encoded = anthropic::encode_request(request, provider, model, &dialect);
            (encoded.body, encoded.left_out)
        }
        Wire::Ollama => {
            let encoded = ollama::encode_request(request, model);
            (encoded.body, encoded.left_out)
        }
        other => panic!("{other:?} is not among the wires"),
    };
    Encoded { body, left_out }
}

/// Reads a body as a server of this wire does.
pub(crate) fn decode(wire: Wire, body: &[u8]) -> Vec<Message> {
    let request = match wire {
        Wire::OpenaiChat => openai_chat::decode_request(body).map(|served| served.request),
        Wire::Anthropic => anthropic::decode_request(body).map(|served| served.request),
        Wire::Ollama => ollama::decode_request(body).map(|served| served.request),
        other => panic!("{other:?} is not among the wires"),
    };
    request.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(body))).messages
}
