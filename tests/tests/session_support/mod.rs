//! Sessions over HTTP, as a client holds them.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

pub mod socket;

use greenroom_tests::client::{Connection, Event, Response};
use serde_json::{Value, json};

use crate::http_support::Api;

/// The list of sessions.
pub const SESSIONS: &str = "/api/sessions";

/// The path of a session, or of what is below it.
pub fn at(id: &str, rest: &str) -> String {
    format!("{SESSIONS}/{id}{rest}")
}

impl Api {
    /// Makes a request with the token, and reads the whole answer.
    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let mut connection = Connection::open(&self.url).await.unwrap();
        let authorization = format!("Bearer {}", self.token);
        let mut all = vec![("authorization", authorization.as_str())];
        all.extend(headers);
        connection.send(method, path, &all, body).await.unwrap();
        connection.response().await.unwrap()
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.ask("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes()).await
    }

    /// Posts JSON that has to be taken, and gives what was answered.
    pub async fn posted(&self, path: &str, body: &Value) -> Value {
        let response = self.post(path, body).await;
        assert!((200..300).contains(&response.status), "{path} {body}: {} {}", response.status, response.text());
        response.json()
    }

    /// Makes a session.
    pub async fn create(&self, id: &str) -> Value {
        self.posted(SESSIONS, &json!({"id": id})).await
    }

    /// Says something in a session.
    pub async fn say(&self, id: &str, text: &str) -> Value {
        self.posted(&at(id, "/messages"), &json!({"text": text})).await
    }

    /// What is told of a session.
    pub async fn info(&self, id: &str) -> Value {
        let response = self.get(&at(id, "")).await;
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()
    }

    /// Reads a session from a place on; `query` is `?from=…`, or nothing.
    pub async fn tail(&self, id: &str, query: &str) -> Tail {
        self.tail_with(id, query, &[]).await
    }

    /// The same with more headers.
    pub async fn tail_with(&self, id: &str, query: &str, headers: &[(&str, &str)]) -> Tail {
        let mut connection = Connection::open(&self.url).await.unwrap();
        let authorization = format!("Bearer {}", self.token);
        let mut all = vec![("authorization", authorization.as_str())];
        all.extend(headers);
        connection.send("GET", &at(id, &format!("/events{query}")), &all, b"").await.unwrap();
        let head = connection.head().await.unwrap();
        assert_eq!(head.status, 200, "{}", String::from_utf8_lossy(&connection.body().await.unwrap()));
        assert_eq!(head.headers.get("content-type"), Some("text/event-stream; charset=utf-8"));
        Tail(connection)
    }

    /// What there is in a session from a place on.
    pub async fn there(&self, id: &str, query: &str) -> Vec<Event> {
        self.tail(id, query).await.until("synced").await
    }

    /// Says something and waits for the end of its turn.
    pub async fn turn(&self, id: &str, text: &str) -> Vec<Event> {
        let sent = self.say(id, text).await;
        self.tail(id, &format!("?from={}", sent["position"])).await.until_turn_ends(&sent["turn"]).await
    }
}

/// A reader of a session.
pub struct Tail(pub Connection);

impl Tail {
    /// The next event, heartbeats left out; none at the end of the stream.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let event = self.0.event().await.unwrap()?;
            if !event.is_comment() {
                return Some(checked(event));
            }
        }
    }

    /// Everything up to the first event that is so, which is the last that is given.
    pub async fn until_so(&mut self, so: impl Fn(&Value) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            let is_last = so(&event.json());
            events.push(event);
            if is_last {
                return events;
            }
        }
        panic!("the stream ended: {events:#?}");
    }

    /// Everything up to the first event of this type.
    pub async fn until(&mut self, kind: &str) -> Vec<Event> {
        self.until_so(|event| event["type"] == kind).await
    }

    /// Everything up to the end of a turn.
    pub async fn until_turn_ends(&mut self, turn: &Value) -> Vec<Event> {
        let ends = ["turn.finished", "turn.failed", "turn.cancelled"];
        self.until_so(|event| event["turn"] == *turn && ends.iter().any(|end| event["type"] == *end)).await
    }
}

/// Every event says three times what it is, and each time the same.
fn checked(event: Event) -> Event {
    let json = event.json();
    assert_eq!(event.event.as_deref(), json["type"].as_str(), "{event:?}");
    let id = event.id.as_deref().unwrap_or_default();
    match json["cursor"].as_str() {
        Some(cursor) => assert_eq!(id, cursor),
        None => assert_eq!(id.split_once('-').map(|(_, next)| next), Some(json["next"].to_string().as_str())),
    }
    event
}

/// The events as JSON, without those that are told to one reader alone.
pub fn logged(events: &[Event]) -> Vec<Value> {
    let events = events.iter().map(Event::json);
    events.filter(|event| event["type"] != "synced" && event["type"] != "reset").collect()
}

/// The same events with neighbouring deltas made one, as if all had been there at once.
pub fn merged(events: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for event in events {
        let key = |event: &Value| (event["type"].clone(), event["turn"].clone(), event["index"].clone());
        if let Some(last) = all.last_mut()
            && event["delta"].is_string()
            && key(last) == key(&event)
            && last["next"] == event["position"]
        {
            last["delta"] = format!("{}{}", last["delta"].as_str().unwrap(), event["delta"].as_str().unwrap()).into();
            last["next"] = event["next"].clone();
        } else {
            all.push(event);
        }
    }
    all
}

/// The text of the answers in a list of events.
pub fn text(events: &[Event]) -> String {
    let delta = |event: &Event| {
        let json = event.json();
        (json["type"] == "text").then(|| json["delta"].as_str().unwrap().to_owned())
    };
    events.iter().filter_map(delta).collect()
}

/// The types of a list of events, in their order.
pub fn types(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| event.event.clone().unwrap_or_default()).collect()
}

/// The status and kind of an error, which has to be one that helps a person.
pub fn error(response: &Response) -> (u16, String) {
    let message = crate::http_support::message(response);
    let error = &response.json()["error"];
    let kind = error["kind"].as_str().unwrap_or_else(|| panic!("no kind in {error}"));
    assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()) || message.contains("; "), "{error}");
    (response.status, kind.to_owned())
}

/// What a bad request is.
pub fn bad() -> (u16, String) {
    (400, "invalid_request".to_owned())
}

/// What a conflict is.
pub fn conflict() -> (u16, String) {
    (409, "invalid_request".to_owned())
}

/// What there isn't.
pub fn not_found() -> (u16, String) {
    (404, "not_found".to_owned())
}
