//! Responses that are kept, as a client holds them.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

use greenroom_tests::client::{Connection, Event, Response};
use greenroom_tests::responses::RESPONSES;
use serde_json::{Value, json};

use crate::http_support::{Api, events, with};

/// What asks the model `lab/m1` this.
pub fn ask(input: &str, fields: Value) -> Value {
    with(json!({"model": "lab/m1", "input": input}), fields)
}

/// The path of a response, or of what is below it.
pub fn at(id: &str, rest: &str) -> String {
    format!("{RESPONSES}/{id}{rest}")
}

/// The id of a response, or of whatever else has one.
pub fn id(of: &Value) -> String {
    of["id"].as_str().unwrap_or_else(|| panic!("no id in {of}")).to_owned()
}

/// The id of the session that a response is of.
pub fn session_of(response: &str) -> String {
    format!("conv_{}", &response["resp_".len()..][..32])
}

/// All text of a response.
pub fn text_of(response: &Value) -> String {
    let parts = response["output"].as_array().unwrap().iter().flat_map(|item| item["content"].as_array().into_iter());
    parts.flatten().filter_map(|part| part["text"].as_str()).collect()
}

/// A request with the token, to which nothing was read yet.
pub async fn send(api: &Api, method: &str, path: &str, body: Option<&Value>) -> Connection {
    let mut connection = Connection::open(&api.url).await.unwrap();
    let authorization = format!("Bearer {}", api.token);
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let body = body.map(Value::to_string).unwrap_or_default();
    connection.send(method, path, &headers, body.as_bytes()).await.unwrap();
    connection
}

/// The same with the whole answer.
pub async fn asked(api: &Api, method: &str, path: &str, body: Option<&Value>) -> Response {
    send(api, method, path, body).await.response().await.unwrap()
}

/// Asks for a response, whatever comes of it.
pub async fn post(api: &Api, body: &Value) -> Response {
    asked(api, "POST", RESPONSES, Some(body)).await
}

/// Asks for a response, which has to be given.
pub async fn create(api: &Api, body: &Value) -> Value {
    let response = post(api, body).await;
    assert_eq!(response.status, 200, "{body}: {}", response.text());
    response.json()
}

/// A response as it stands.
pub async fn retrieve(api: &Api, id: &str) -> Value {
    let response = api.get(&at(id, "")).await;
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()
}

/// A response once it is so.
pub async fn until_so(api: &Api, id: &str, so: impl Fn(&Value) -> bool) -> Value {
    let end = tokio::time::Instant::now() + crate::http_support::LIMIT;
    loop {
        let response = retrieve(api, id).await;
        if so(&response) {
            return response;
        }
        assert!(tokio::time::Instant::now() < end, "{response}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// A response once it has this status.
pub async fn until_status(api: &Api, id: &str, status: &str) -> Value {
    until_so(api, id, |response| response["status"] == status).await
}

/// A stream that has begun.
pub async fn begin_stream(api: &Api, method: &str, path: &str, body: Option<&Value>) -> Connection {
    let mut connection = send(api, method, path, body).await;
    let head = connection.head().await.unwrap();
    assert_eq!(head.status, 200, "{path}: {}", String::from_utf8_lossy(&connection.body().await.unwrap()));
    connection
}

/// All events of a stream that is asked for.
pub async fn stream(api: &Api, body: &Value) -> Vec<Event> {
    let body = with(body.clone(), json!({"stream": true}));
    let mut connection = begin_stream(api, "POST", RESPONSES, Some(&body)).await;
    checked(events(&mut connection).await)
}

/// All events of a response that is told again; `query` is what comes after `stream=true`.
pub async fn streamed_again(api: &Api, id: &str, query: &str) -> Vec<Event> {
    let mut connection = begin_stream(api, "GET", &at(id, &format!("?stream=true{query}")), None).await;
    checked(events(&mut connection).await)
}

/// The next event that is none of the heartbeats.
pub async fn next(connection: &mut Connection) -> Option<Event> {
    loop {
        let event = connection.event().await.ok()??;
        if !event.is_comment() {
            return Some(event);
        }
    }
}

/// Every event is named by its type.
fn checked(events: Vec<Event>) -> Vec<Event> {
    for event in &events {
        assert_eq!(event.event.as_deref(), event.json()["type"].as_str());
    }
    events
}

/// The sequence number of an event.
pub fn number(event: &Event) -> u64 {
    event.json()["sequence_number"].as_u64().unwrap()
}

/// The sequence numbers of events.
pub fn numbers(events: &[Event]) -> Vec<u64> {
    events.iter().map(number).collect()
}

/// What events say, one by one.
pub fn said(events: &[Event]) -> Vec<Value> {
    events.iter().map(Event::json).collect()
}

/// The text of a stream.
pub fn deltas(events: &[Event]) -> String {
    let delta = |event: &Event| {
        let json = event.json();
        (json["type"] == "response.output_text.delta").then(|| json["delta"].as_str().unwrap().to_owned())
    };
    events.iter().filter_map(delta).collect()
}

/// What the last event says of the response.
pub fn last(events: &[Event]) -> Value {
    events.last().unwrap().json()["response"].clone()
}

/// A client of this name, as it reaches the same daemon.
pub async fn client(api: &Api, name: &str, fields: Value) -> Api {
    let made = asked(api, "POST", "/api/clients", Some(&with(json!({"name": name}), fields))).await;
    let token = made.json()["token"].as_str().unwrap_or_else(|| panic!("{}", made.text())).to_owned();
    Api { url: api.url.clone(), token }
}
