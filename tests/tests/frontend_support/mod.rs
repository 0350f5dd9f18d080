//! Every frontend of the HTTP interface that answers in another's words, as its clients hold it.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

use greenroom_tests::client::{Connection, Event, Response};
use serde_json::{Value, json};

use crate::http_support::Api;

/// The path of the embeddings, here and at a provider.
pub const EMBEDDINGS: &str = "/v1/embeddings";

/// In whose words a client asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frontend {
    Chat,
    Completions,
    Responses,
    Messages,
    Embeddings,
}

/// Those that answer with what a model says.
pub const ANSWERING: [Frontend; 4] = [Frontend::Chat, Frontend::Completions, Frontend::Responses, Frontend::Messages];

/// All of them.
pub const ALL: [Frontend; 5] =
    [Frontend::Chat, Frontend::Completions, Frontend::Responses, Frontend::Messages, Frontend::Embeddings];

impl Frontend {
    pub fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
            Self::Responses => "/v1/responses",
            Self::Messages => "/v1/messages",
            Self::Embeddings => EMBEDDINGS,
        }
    }

    /// A question, to be answered as a stream or whole.
    pub fn ask(self, model: &str, streamed: bool) -> Value {
        let messages = json!([{"role": "user", "content": "hi"}]);
        let mut body = match self {
            Self::Chat => json!({"model": model, "messages": messages}),
            Self::Completions => json!({"model": model, "prompt": "hi"}),
            Self::Responses => json!({"model": model, "input": "hi", "store": false}),
            Self::Messages => json!({"model": model, "messages": messages, "max_tokens": 100}),
            Self::Embeddings => return json!({"model": model, "input": "hi"}),
        };
        body["stream"] = streamed.into();
        body
    }

    /// Sends a question, of which nothing of the response was read yet.
    pub async fn begin(self, api: &Api, body: &Value) -> Connection {
        let connection = Connection::open(&api.url).await.unwrap();
        self.send(connection, api, self.path(), body).await
    }

    /// Sends it to this path on a connection.
    pub async fn send(self, mut connection: Connection, api: &Api, path: &str, body: &Value) -> Connection {
        let bearer = format!("Bearer {}", api.token);
        let who: &[_] = match self {
            Self::Messages => &[("x-api-key", api.token.as_str()), ("anthropic-version", "2023-06-01")],
            _ => &[("authorization", bearer.as_str())],
        };
        let headers = [&[("content-type", "application/json")], who].concat();
        connection.send("POST", path, &headers, body.to_string().as_bytes()).await.unwrap();
        connection
    }

    /// Asks, and reads the whole response.
    pub async fn asked(self, api: &Api, body: &Value) -> Response {
        self.begin(api, body).await.response().await.unwrap()
    }

    /// The text that an event of a stream adds.
    pub fn text(self, event: &Event) -> String {
        if event.text() == "[DONE]" {
            return String::new();
        }
        let json = event.json();
        let text = match self {
            Self::Chat => &json["choices"][0]["delta"]["content"],
            Self::Completions => &json["choices"][0]["text"],
            Self::Responses if json["type"] == "response.output_text.delta" => &json["delta"],
            Self::Messages => &json["delta"]["text"],
            _ => &Value::Null,
        };
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Whether an event says that the answer is whole.
    pub fn ends(self, event: &Event) -> bool {
        match self {
            Self::Chat | Self::Completions => event.text() == "[DONE]",
            Self::Responses => event.json()["type"] == "response.completed",
            Self::Messages => event.json()["type"] == "message_stop",
            Self::Embeddings => false,
        }
    }

    /// Whether an event only says that the answer is awaited.
    pub fn is_heartbeat(self, event: &Event) -> bool {
        match self {
            Self::Messages => event.event.as_deref() == Some("ping"),
            _ => event.is_comment(),
        }
    }
}
