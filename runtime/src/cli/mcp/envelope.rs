//! What has to be known of a message to carry it, and the messages that are the carrier's own.

use serde::Deserialize;
use serde_json::{Value, json};

/// The revision that was agreed upon where requests do not say theirs.
const PER_REQUEST: &str = "io.modelcontextprotocol/protocolVersion";

/// A message of the client's, as far as it has to be read.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    jsonrpc: Option<String>,
    pub(super) id: Option<Value>,
    method: Option<String>,
    #[serde(default)]
    params: Params,
}

#[derive(Debug, Default, Deserialize)]
struct Params {
    name: Option<Value>,
    uri: Option<Value>,
    level: Option<Value>,
    #[serde(rename = "taskId")]
    task: Option<Value>,
    #[serde(rename = "requestId")]
    request: Option<Value>,
    #[serde(rename = "_meta", default)]
    meta: Option<serde_json::Map<String, Value>>,
}

/// What a line is.
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    Request(Request),
    /// The client gives up the request of this id.
    Cancelled(Value),
    /// The client has shaken hands.
    Initialized,
    /// Nothing that anybody waits for an answer to.
    Other,
}

/// A request that is to be carried.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Request {
    pub(super) id: Value,
    pub(super) method: String,
    /// The revision of the protocol, in those that say it with each request.
    pub(super) version: Option<String>,
    /// What of its parameters has to stand in the head of a request over HTTP.
    pub(super) name: Option<String>,
    /// What it asks for beyond its answer.
    pub(super) wish: Option<Wish>,
}

/// What a request asks for that holds until the client goes, so that it is the carrier's to remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// Log messages of this level and those above it.
    Level(String),
    /// Changes of what is at this address.
    Subscribe(String),
    Unsubscribe(String),
}

/// JSON-RPC's code for what is no JSON.
pub(super) const PARSE_ERROR: i32 = -32700;
/// JSON-RPC's code for what is no request.
pub(super) const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC's code for what can't be asked so.
pub(super) const INVALID_PARAMS: i32 = -32602;
/// JSON-RPC's code for what failed inside the server.
pub(super) const INTERNAL_ERROR: i32 = -32603;

/// What a line is.
///
/// # Errors
/// The error to answer it with.
pub(super) fn read(line: &[u8]) -> Result<Message, Value> {
    let value: Value = serde_json::from_slice(line).map_err(|error| {
        error_line(&Value::Null, PARSE_ERROR, "the line is not valid JSON", &format!("column {}", error.column()))
    })?;
    if value.is_array() {
        let hint = "send each message on a line of its own";
        return Err(error_line(&Value::Null, INVALID_REQUEST, "batches are not taken", hint));
    }
    let id = value.get("id").filter(|id| id.is_string() || id.is_number()).cloned().unwrap_or(Value::Null);
    let refused = |what: &str| error_line(&id, INVALID_REQUEST, what, "messages are JSON-RPC 2.0 objects");
    // Fields of other types than they have to be are the server's to tell of.
    let Ok(Envelope { jsonrpc, id: said, method, params }) = serde_json::from_value(value) else {
        return Err(refused("the line is no message of JSON-RPC"));
    };
    if jsonrpc.as_deref() != Some("2.0") {
        return Err(refused("the line is no message of JSON-RPC 2.0"));
    }
    let Some(method) = method else { return Ok(Message::Other) };
    let Some(said) = said else {
        return Ok(match params.request {
            Some(request) if method == "notifications/cancelled" => Message::Cancelled(request),
            _ if method == "notifications/initialized" => Message::Initialized,
            _ => Message::Other,
        });
    };
    if !(said.is_string() || said.is_i64() || said.is_u64()) {
        return Err(refused("the id of a request is a text or a whole number"));
    }
    let text = |value: Option<Value>| value.and_then(|value| value.as_str().map(str::to_owned));
    let uri = text(params.uri);
    let wish = match method.as_str() {
        "logging/setLevel" => text(params.level).map(Wish::Level),
        "resources/subscribe" => uri.clone().map(Wish::Subscribe),
        "resources/unsubscribe" => uri.clone().map(Wish::Unsubscribe),
        _ => None,
    };
    let name = match method.as_str() {
        "tools/call" | "prompts/get" => text(params.name),
        "resources/read" => uri,
        method if method.starts_with("tasks/") => text(params.task),
        _ => None,
    };
    let version = params.meta.as_ref().and_then(|meta| meta.get(PER_REQUEST)).and_then(Value::as_str);
    Ok(Message::Request(Request { id: said, version: version.map(str::to_owned), name, wish, method }))
}

/// An error that answers a request.
pub(super) fn error_line(id: &Value, code: i32, message: &str, hint: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message, "data": {"hint": hint}}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &str) -> (Value, i64) {
        let error = read(line.as_bytes()).unwrap_err();
        (error["id"].clone(), error["error"]["code"].as_i64().unwrap())
    }

    #[test]
    fn what_is_no_message_is_answered_with_why() {
        assert_eq!(code("{\"jsonrpc\": \"2.0\", \"id\": 1"), (Value::Null, -32700));
        assert_eq!(code("[]"), (Value::Null, -32600));
        assert_eq!(code("7"), (Value::Null, -32600));
        assert_eq!(code(r#"{"id": 7, "method": "ping"}"#), (json!(7), -32600));
        assert_eq!(code(r#"{"jsonrpc": "2.0", "id": [], "method": "ping"}"#), (Value::Null, -32600));
        assert_eq!(code(r#"{"jsonrpc": "2.0", "id": "a", "method": 1}"#), (json!("a"), -32600));
    }

    #[test]
    fn a_request_is_known_by_its_id_its_revision_and_its_name() {
        let line = r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"ai_chat","arguments":{"uri":1},
            "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        let request = Request {
            id: "a".into(),
            method: "tools/call".to_owned(),
            version: Some("2026-07-28".to_owned()),
            name: Some("ai_chat".to_owned()),
            wish: None,
        };
        assert_eq!(read(line.as_bytes()).unwrap(), Message::Request(request));
        let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3}}"#;
        assert_eq!(read(cancelled.as_bytes()).unwrap(), Message::Cancelled(json!(3)));
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        assert_eq!(read(initialized.as_bytes()).unwrap(), Message::Initialized);
        let subscribe = r#"{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"a://b"}}"#;
        let Message::Request(request) = read(subscribe.as_bytes()).unwrap() else { panic!("it is a request") };
        assert_eq!((request.name, request.wish), (None, Some(Wish::Subscribe("a://b".to_owned()))));
        for other in [
            r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        ] {
            assert_eq!(read(other.as_bytes()).unwrap(), Message::Other);
        }
    }
}
