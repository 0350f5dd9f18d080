//! What the frames of a socket ask for.

use greenroom_wire::json::put_value;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    super::{site::App, who::Who},
    errors::{ApiError, Told},
    extract::{self, may_ask},
    requests::{Cancel, ClaimCall, Give, Say},
};
use crate::Session;

/// Who sends frames, and to which session.
pub(super) struct Peer<'a> {
    pub(super) app: &'a App,
    pub(super) who: &'a Who,
    pub(super) session: &'a Session,
}

/// Does what a frame says, and gives the reply to it.
pub(super) async fn obey(peer: &Peer<'_>, frame: &str) -> String {
    let (reference, outcome) = match serde_json::from_str(frame) {
        Ok(Value::Object(mut said)) => (said.remove("ref"), act(peer, said).await),
        Ok(_) => (None, Err(ApiError::bad("the frame is no object", HINT))),
        Err(error) => (None, Err(ApiError::bad(format!("the frame can't be read: {error}"), HINT))),
    };
    let (ok, error) = match outcome {
        Ok(ok) => (Some(ok), None),
        Err(error) => (None, error.into_told()),
    };
    let mut reply = Vec::new();
    put_value(&mut reply, &Reply { kind: "reply", reference, ok, error });
    String::from_utf8(reply).expect("JSON is UTF-8")
}

const HINT: &str = "send a JSON object whose type is message, cancel, tool_claim or tool_result";

#[derive(Debug, Serialize)]
struct Reply {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ok: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Box<Told>>,
}

async fn act(peer: &Peer<'_>, mut said: Map<String, Value>) -> Result<Value, ApiError> {
    // A frame is a request like any other.
    peer.who.count().map_err(ApiError::too_often)?;
    let session = peer.session;
    let kind = said.remove("type");
    match kind.as_ref().and_then(Value::as_str) {
        Some("message") => {
            let key = match said.remove("idempotency_key") {
                None | Some(Value::Null) => None,
                Some(Value::String(key)) => Some(key),
                Some(_) => return Err(ApiError::bad("the idempotency key is no text", "send it as a text")),
            };
            let say = fields::<Say>(said)?;
            may_ask(peer.app, peer.who, session).await?;
            let message = say.outgoing(key, session).await?;
            Ok(as_json(session.post(message).await?))
        }
        Some("cancel") => {
            let Cancel { turn } = fields(said)?;
            let state = session.cancel(turn).await?;
            Ok(json!({"turn": turn, "state": state}))
        }
        Some("tool_claim") => {
            let ClaimCall { id, claim } = fields(said)?;
            Ok(as_json(session.claim(&id, claim).await?))
        }
        Some("tool_result") => {
            let given = fields::<Give>(said)?.try_into()?;
            may_ask(peer.app, peer.who, session).await?;
            Ok(as_json(session.result(given).await?))
        }
        Some(other) => Err(ApiError::bad(format!("there are no frames of type '{other}'"), HINT)),
        None => Err(ApiError::bad("the frame has no type", HINT)),
    }
}

fn fields<T: DeserializeOwned>(said: Map<String, Value>) -> Result<T, ApiError> {
    extract::fields("the frame", Value::Object(said))
}

fn as_json(value: impl Serialize) -> Value {
    serde_json::to_value(value).expect("what is answered is JSON")
}
