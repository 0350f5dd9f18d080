//! The wires, seen as one.

use greenroom_wire::{
    ChatRequest, LeftOut, anthropic, bedrock,
    chat::{Message, Wire},
    gemini, ollama,
    openai_chat::{self, Dialect, ToolNames},
    openai_responses,
};
use serde_json::Value;

/// Those whose requests are read as well as written.
pub(crate) const WIRES: [Wire; 5] =
    [Wire::OpenaiChat, Wire::Anthropic, Wire::Ollama, Wire::Gemini, Wire::OpenaiResponses];

/// Those whose requests are written.
pub(crate) const WRITTEN: [Wire; 6] =
    [Wire::OpenaiChat, Wire::Anthropic, Wire::Ollama, Wire::Gemini, Wire::OpenaiResponses, Wire::Bedrock];

/// A body, and where something was left out of it.
pub(crate) struct Encoded {
    pub(crate) body: Vec<u8>,
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) names: ToolNames,
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
    let server = match wire {
        Wire::OpenaiChat => Server::Openai(Dialect::REASONING_CONTENT),
        Wire::Anthropic => Server::Anthropic("claude-sonnet-4-5"),
        Wire::Ollama => Server::Ollama,
        Wire::OpenaiResponses => Server::Responses(openai_responses::Dialect::OPENAI),
        Wire::Gemini => Server::Gemini("gemini-3-flash"),
        Wire::Bedrock => Server::Bedrock("us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        other => panic!("{other:?} is not among the wires"),
    };
    server.encode(request, provider, model)
}

/// A server, by what it takes of its wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Server {
    Openai(Dialect),
    /// With an id by which the dialect is told.
    Anthropic(&'static str),
    Ollama,
    Responses(openai_responses::Dialect),
    /// With an id by which the dialect is told.
    Gemini(&'static str),
    /// With an id by which the dialect is told.
    Bedrock(&'static str),
}

/// All kinds of servers.
pub(crate) const SERVERS: [Server; 17] = [
    Server::Openai(Dialect::OPENAI),
    Server::Openai(Dialect::COMPATIBLE),
    Server::Openai(Dialect::OPENROUTER),
    Server::Openai(Dialect::REASONING_CONTENT),
    Server::Openai(Dialect::MISTRAL),
    Server::Anthropic("claude-sonnet-4-5"),
    // It takes instructions within the conversation.
    Server::Anthropic("claude-opus-4-8"),
    Server::Ollama,
    Server::Responses(openai_responses::Dialect::OPENAI),
    Server::Responses(openai_responses::Dialect::COMPATIBLE),
    Server::Responses(openai_responses::Dialect::CODEX),
    Server::Gemini("gemini-2.5-flash"),
    // It takes pictures in results, and wants calls to be signed.
    Server::Gemini("gemini-3-flash"),
    // It has no place for instructions.
    Server::Gemini("gemma-3-27b-it"),
    Server::Bedrock("us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    Server::Bedrock("amazon.nova-lite-v1:0"),
    // It has no sign for a failed call, and no cache points.
    Server::Bedrock("meta.llama3-1-8b-instruct-v1:0"),
];

impl Server {
    pub(crate) fn wire(self) -> Wire {
        match self {
            Self::Openai(_) => Wire::OpenaiChat,
            Self::Anthropic(_) => Wire::Anthropic,
            Self::Ollama => Wire::Ollama,
            Self::Responses(_) => Wire::OpenaiResponses,
            Self::Gemini(_) => Wire::Gemini,
            Self::Bedrock(_) => Wire::Bedrock,
        }
    }

    pub(crate) fn encode(self, request: &ChatRequest, provider: &str, model: &str) -> Encoded {
        let encoded = match self {
            Self::Openai(dialect) => openai_chat::encode_request(request, provider, model, &dialect),
            Self::Anthropic(id) => {
                anthropic::encode_request(request, provider, model, &anthropic::Dialect::of_model(id))
            }
            Self::Ollama => ollama::encode_request(request, model),
            Self::Responses(dialect) => openai_responses::encode_request(request, provider, model, &dialect),
            Self::Gemini(id) => gemini::encode_request(request, provider, model, &gemini::Dialect::of_model(id)),
            Self::Bedrock(id) => bedrock::encode_request(request, provider, model, &bedrock::Dialect::of_model(id)),
        };
        Encoded { body: encoded.body, left_out: encoded.left_out, names: encoded.names }
    }
}

/// Reads a body as a server of this wire does.
pub(crate) fn decode(wire: Wire, body: &[u8]) -> Vec<Message> {
    let request = match wire {
        Wire::OpenaiChat => openai_chat::decode_request(body).map(|served| served.request),
        Wire::Anthropic => anthropic::decode_request(body).map(|served| served.request),
        Wire::Ollama => ollama::decode_request(body).map(|served| served.request),
        Wire::OpenaiResponses => openai_responses::decode_request(body).map(|served| served.request),
        Wire::Gemini => gemini::decode_request(body, "m"),
        other => panic!("{other:?} is not among the wires"),
    };
    request.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(body))).messages
}
