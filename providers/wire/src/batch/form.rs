//! How a batch is sent: what stands in it for each request, and around all of them.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    json::{put_key, put_str},
    object::object,
};

object! {
    /// The body of a request, without what asks for a stream: no batch is streamed.
    Unstreamed {} ignore ["stream", "stream_options"]
}

/// In which of a provider's languages the requests of a batch are, which are all in the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchForm {
    /// Anthropic's messages.
    AnthropicMessages,
    /// OpenAI's chat completions.
    OpenaiChat,
    /// OpenAI's Responses API.
    OpenaiResponses,
    /// OpenAI's embeddings.
    OpenaiEmbeddings,
}

impl BatchForm {
    /// The form that says what both can say: what fits chat completions fits the Responses API as well. `None` if there is
    /// none.
    pub fn with(self, other: Self) -> Option<Self> {
        match (self, other) {
            (one, other) if one == other => Some(one),
            (Self::OpenaiChat, Self::OpenaiResponses) | (Self::OpenaiResponses, Self::OpenaiChat) => {
                Some(Self::OpenaiResponses)
            }
            _ => None,
        }
    }

    /// The path of OpenAI's API that its requests are for, with its version; nothing where the form is not OpenAI's.
    pub fn endpoint(self) -> &'static str {
        match self {
            Self::AnthropicMessages => "",
            Self::OpenaiChat => "/v1/chat/completions",
            Self::OpenaiResponses => "/v1/responses",
            Self::OpenaiEmbeddings => "/v1/embeddings",
        }
    }

    /// What stands before the first request, between two, and after the last.
    pub fn around(self) -> [&'static [u8]; 3] {
        match self {
            Self::AnthropicMessages => [b"{\"requests\":[", b",\n", b"]}"],
            Self::OpenaiChat | Self::OpenaiResponses | Self::OpenaiEmbeddings => [b"", b"\n", b"\n"],
        }
    }

    /// Whether this can be the id of a request: the caller's own, by which its answer is known again.
    pub fn takes_id(self, id: &str) -> bool {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        match self {
            Self::AnthropicMessages => (1..=64).contains(&id.len()) && id.bytes().all(is_word),
            Self::OpenaiChat | Self::OpenaiResponses | Self::OpenaiEmbeddings => !id.is_empty() && id.len() <= 512,
        }
    }

    /// Writes one request: its id, and its body as an encoder of that wire makes it for a stream or for none.
    pub fn encode(self, id: &str, body: &[u8]) -> Vec<u8> {
        let body: Unstreamed<'_> = serde_json::from_slice(body).expect("what an encoder writes is an object");
        let mut out = Vec::with_capacity(256);
        out.push(b'{');
        put_key(&mut out, "custom_id");
        put_str(&mut out, id);
        match self {
            Self::AnthropicMessages => put_key(&mut out, "params"),
            Self::OpenaiChat | Self::OpenaiResponses | Self::OpenaiEmbeddings => {
                put_key(&mut out, "method");
                put_str(&mut out, "POST");
                put_key(&mut out, "url");
                put_str(&mut out, self.endpoint());
                put_key(&mut out, "body");
            }
        }
        put_object(&mut out, &body.rest);
        out.push(b'}');
        out
    }
}

fn put_object(out: &mut Vec<u8>, fields: &[(std::borrow::Cow<'_, str>, &RawValue)]) {
    out.push(b'{');
    for (key, value) in fields {
        put_key(out, key);
        out.extend_from_slice(value.get().as_bytes());
    }
    out.push(b'}');
}
