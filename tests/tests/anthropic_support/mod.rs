//! Anthropic's messages over HTTP, as a client holds them.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

use greenroom_tests::anthropic::{self, MESSAGES};
use greenroom_tests::client::{Connection, Event, Response};
use greenroom_tests::{Attempt, Recorded, Script, ScriptedProvider};
use serde_json::{Value, json};

use crate::http_support::{self, Api};

/// A section of the configuration: a provider of this wire, called `claude`.
pub fn claude(scripted: &ScriptedProvider) -> String {
    claude_called("claude", scripted)
}

/// The same by another name.
pub fn claude_called(name: &str, scripted: &ScriptedProvider) -> String {
    format!("[providers.{name}]\nkind = \"anthropic\"\nbase_url = \"{}\"\nkey = \"{name}-key\"\n", scripted.url())
}

/// A provider of this wire that plays these attempts, counts every prompt as 43 tokens, and lists the models `m` and `n`.
pub async fn scripted<A: Into<Attempt>>(attempts: impl IntoIterator<Item = A>) -> ScriptedProvider {
    let routes = [anthropic::messages(attempts), anthropic::models(["m", "n"]), anthropic::count(43)];
    ScriptedProvider::start(Script::new(routes)).await
}

/// The requests for an answer that a provider of this wire had, oldest first.
pub fn asked(scripted: &ScriptedProvider) -> Vec<Recorded> {
    scripted.requests().into_iter().filter(|request| request.path() == MESSAGES).collect()
}

/// A question to a model.
pub fn ask(model: &str) -> Value {
    json!({"model": model, "max_tokens": 1000, "messages": [{"role": "user", "content": "hi"}]})
}

/// The same, to be answered as a stream.
pub fn ask_streamed(model: &str) -> Value {
    http_support::with(ask(model), json!({"stream": true}))
}

impl Api {
    /// Posts a request and gives the connection, on which nothing was read yet; the token goes as this API's header.
    pub async fn begin_message(&self, path: &str, body: &Value, more: &[(&str, &str)]) -> Connection {
        let mut connection = Connection::open(&self.url).await.unwrap();
        let mut headers =
            vec![("content-type", "application/json"), ("x-api-key", &self.token), ("anthropic-version", "2023-06-01")];
        headers.extend(more);
        connection.send("POST", path, &headers, body.to_string().as_bytes()).await.unwrap();
        connection
    }

    /// Posts a request and reads the whole response.
    pub async fn message(&self, body: &Value) -> Response {
        self.begin_message(MESSAGES, body, &[]).await.response().await.unwrap()
    }

    /// Posts a request for a stream, which has to begin, and reads its events to the end of the body.
    pub async fn message_events(&self, body: &Value) -> Vec<Event> {
        let mut connection = self.begin_message(MESSAGES, body, &[]).await;
        let head = connection.head().await.unwrap();
        assert_eq!(head.status, 200, "{}", String::from_utf8_lossy(&connection.body().await.unwrap()));
        http_support::events(&mut connection).await
    }

    /// The message that a stream makes, which has to be whole.
    pub async fn message_streamed(&self, body: &Value) -> Value {
        let events = self.message_events(&http_support::with(body.clone(), json!({"stream": true}))).await;
        assert!(is_done(&events), "{events:?}");
        accumulated(&events)
    }
}

/// Whether the stream ended as a complete one does.
pub fn is_done(events: &[Event]) -> bool {
    events.last().is_some_and(|event| event.event.as_deref() == Some("message_stop"))
}

/// All text of a stream.
pub fn text(events: &[Event]) -> String {
    events.iter().filter_map(|event| event.json()["delta"]["text"].as_str().map(str::to_owned)).collect()
}

/// The message that a client's library makes of the events.
pub fn accumulated(events: &[Event]) -> Value {
    let mut message = Value::Null;
    let mut input = String::new();
    for event in events {
        let json = event.json();
        assert_eq!(event.event.as_deref(), json["type"].as_str(), "an event is named by its type");
        let index = usize::try_from(json["index"].as_u64().unwrap_or_default()).unwrap();
        let delta = &json["delta"];
        match json["type"].as_str().unwrap() {
            "message_start" => message = json["message"].clone(),
            "content_block_start" => {
                assert_eq!(message["content"].as_array().unwrap().len(), index);
                message["content"].as_array_mut().unwrap().push(json["content_block"].clone());
            }
            "content_block_delta" => {
                let block = &mut message["content"][index];
                for key in ["text", "thinking", "signature"] {
                    if let Some(more) = delta[key].as_str() {
                        block[key] = (block[key].as_str().unwrap().to_owned() + more).into();
                    }
                }
                input += delta["partial_json"].as_str().unwrap_or_default();
                if delta["type"] == "citations_delta" {
                    let list = block.as_object_mut().unwrap().entry("citations").or_insert(json!([]));
                    list.as_array_mut().unwrap().push(delta["citation"].clone());
                }
            }
            "content_block_stop" => {
                let written = std::mem::take(&mut input);
                if !written.is_empty() {
                    message["content"][index]["input"] = serde_json::from_str(&written).unwrap();
                }
            }
            "message_delta" => {
                for (key, value) in delta.as_object().unwrap() {
                    message[key] = value.clone();
                }
                message["usage"] = json["usage"].clone();
            }
            _ => {}
        }
    }
    message
}

/// Status, type and message of an error, which must have this API's shape and be fit for a person.
pub fn refusal(response: &Response) -> (u16, String, String) {
    assert_eq!(response.header("content-type"), Some("application/json"), "{}", response.text());
    let json = response.json();
    assert_eq!(json["type"], "error", "{json}");
    assert_eq!(json["request_id"].as_str(), response.header("request-id"), "{json}");
    let word = |key: &str| json["error"][key].as_str().unwrap_or_else(|| panic!("no {key} in {json}")).to_owned();
    let message = word("message");
    assert!(!message.starts_with(|first: char| first.is_uppercase()) && !message.ends_with('.'), "{message}");
    (response.status, word("type"), message)
}
