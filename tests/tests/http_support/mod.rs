//! What the tests of the HTTP interface share: a daemon between a scripted provider and a client.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

use std::time::Duration;

use greenroom_tests::client::{self, Connection, Event, Response};
use greenroom_tests::harness::{Daemon, Home};
use greenroom_tests::{Attempt, Recorded, ScriptedProvider, Stats, openai};
use serde_json::{Value, json};

/// Far more than anything takes that works.
pub const LIMIT: Duration = Duration::from_secs(20);
/// The path of the chat route.
pub const CHAT: &str = openai::CHAT;

/// Has an answer that is cut end there, for tests of how one attempt is told.
pub const ENDS_WHERE_CUT: &str = "[failover]\non_interrupt = \"fail\"\n";

/// A section of the configuration: a compatible server with a key, whose retries wait for nothing.
pub fn provider(name: &str, scripted: &ScriptedProvider) -> String {
    provider_at(name, &scripted.url())
}

/// The same, of a server at any address.
pub fn provider_at(name: &str, url: &str) -> String {
    format!("[providers.{name}]\nkind = \"openai-compatible\"\nbase_url = \"{url}/v1\"\nkey = \"{name}-key\"\n")
}

/// A provider that plays these attempts of chat, and lists the models `m1` and `m2`.
pub async fn scripted<A: Into<Attempt>>(attempts: impl IntoIterator<Item = A>) -> ScriptedProvider {
    let script = greenroom_tests::Script::new([openai::chat(attempts), openai::models(["m1", "m2"])]);
    ScriptedProvider::start(script).await
}

/// A running daemon, and how to reach it.
pub struct Greenroom {
    pub api: Api,
    pub daemon: Daemon,
    pub home: Home,
}

impl Greenroom {
    /// Starts it with this configuration.
    pub async fn start(config: &str) -> Self {
        Self::start_in(Home::new(), config).await
    }

    /// Starts it in front of one scripted provider, `lab`.
    pub async fn before(scripted: &ScriptedProvider) -> Self {
        Self::start(&provider("lab", scripted)).await
    }

    pub async fn start_in(home: Home, config: &str) -> Self {
        home.config(config);
        let daemon = home.serve(&[]).await;
        let api = Api { url: daemon.url().to_owned(), token: daemon.token() };
        Self { api, daemon, home }
    }
}

/// Where the interface is, and what opens it.
#[derive(Debug, Clone)]
pub struct Api {
    pub url: String,
    pub token: String,
}

impl Api {
    /// Posts a chat and reads the whole response.
    pub async fn chat(&self, body: &Value) -> Response {
        client::post_json(&self.url, CHAT, Some(&self.token), body).await.unwrap()
    }

    /// The same with more headers.
    pub async fn chat_with(&self, body: &Value, more: &[(&str, &str)]) -> Response {
        let mut connection = Connection::open(&self.url).await.unwrap();
        let authorization = format!("Bearer {}", self.token);
        let mut headers = vec![("content-type", "application/json"), ("authorization", &authorization)];
        headers.extend(more);
        connection.send("POST", CHAT, &headers, body.to_string().as_bytes()).await.unwrap();
        connection.response().await.unwrap()
    }

    /// Posts a chat and gives the connection, on which nothing was read yet.
    pub async fn begin(&self, body: &Value) -> Connection {
        let mut connection = Connection::open(&self.url).await.unwrap();
        connection.post_json(CHAT, Some(&self.token), body).await.unwrap();
        connection
    }

    /// Gets a path with the token.
    pub async fn get(&self, path: &str) -> Response {
        client::get(&self.url, path, Some(&self.token)).await.unwrap()
    }

    /// Posts a chat and reads its events to the end of the body, heartbeats left out.
    pub async fn events(&self, body: &Value) -> Vec<Event> {
        let mut connection = self.begin(body).await;
        let head = connection.head().await.unwrap();
        assert_eq!(head.status, 200, "{}", String::from_utf8_lossy(&connection.body().await.unwrap()));
        events(&mut connection).await
    }
}

/// All events up to the end of the body, heartbeats left out.
pub async fn events(connection: &mut Connection) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = connection.event().await.unwrap() {
        if !event.is_comment() {
            events.push(event);
        }
    }
    events
}

/// A chat of one message.
pub fn ask(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "hi"}]})
}

/// The same, to be answered as a stream.
pub fn ask_streamed(model: &str) -> Value {
    with(ask(model), json!({"stream": true}))
}

/// The same body with more fields, or others.
pub fn with(mut body: Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    body.as_object_mut().unwrap().extend(fields);
    body
}

/// The text in a list of events.
pub fn text(events: &[Event]) -> String {
    let delta = |event: &Event| event.json()["choices"][0]["delta"]["content"].as_str().map(str::to_owned);
    events.iter().filter_map(delta).collect()
}

/// Whether the stream ended as a complete one does.
pub fn is_done(events: &[Event]) -> bool {
    events.last().is_some_and(|event| event.text() == "[DONE]")
}

/// The `error` of the last event.
pub fn last_error(events: &[Event]) -> Value {
    events.last().map(|event| event.json()["error"].clone()).unwrap_or_default()
}

/// The status, and type and code of the error.
pub fn refusal(response: &Response) -> (u16, String, String) {
    let error = &response.json()["error"];
    let word = |key: &str| error[key].as_str().unwrap_or("null").to_owned();
    (response.status, word("type"), word("code"))
}

/// The message of an error, which must be fit for a person: it begins low, and says what to do.
pub fn message(response: &Response) -> String {
    assert_eq!(response.header("content-type"), Some("application/json"), "{}", response.text());
    let json = response.json();
    let message = json["error"]["message"].as_str().unwrap_or_else(|| panic!("no message in {json}"));
    assert!(!message.starts_with(|first: char| first.is_uppercase()) && !message.ends_with('.'), "{message}");
    message.to_owned()
}

/// The chats that the provider was asked for, oldest first.
pub fn chats_asked(scripted: &ScriptedProvider) -> Vec<Recorded> {
    scripted.requests().into_iter().filter(|request| request.path() == CHAT).collect()
}

/// Waits until the provider's counters are so.
pub async fn until(scripted: &ScriptedProvider, condition: impl Fn(&Stats) -> bool) -> Stats {
    scripted.wait_for(condition, LIMIT).await.unwrap()
}
