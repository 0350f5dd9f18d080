//! What the bodies of requests are, and the frames that a socket takes: read strictly, so that a field which was misspelt
//! is told and not passed over.

use greenroom_wire::{Part, chat::Tool};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::errors::ApiError;
use crate::{Busy, CallResult, Cursor, NewSession, Outgoing, Period, Session, SpendBudget, Update};

/// A new session.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    id: Option<String>,
    model: Option<String>,
    system: Option<String>,
    tools: Option<Value>,
    budget: Option<String>,
}

/// What later turns ask.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    model: Option<String>,
    system: Option<String>,
    tools: Option<Value>,
    /// Nothing takes it away, and is told apart from what is left out.
    #[serde(default, deserialize_with = "written")]
    budget: Option<Option<String>>,
}

fn written<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A message.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Say {
    text: Option<String>,
    parts: Option<Value>,
    at: Option<Place>,
    #[serde(default)]
    busy: WhenBusy,
}

/// What becomes of a message while a turn runs.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WhenBusy {
    #[default]
    Queue,
    Refuse,
}

/// The turn to cancel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cancel {
    pub(super) turn: u64,
}

/// The call to claim.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClaimCall {
    pub(super) id: String,
    pub(super) claim: Option<String>,
}

/// What a call gave.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Give {
    id: String,
    text: Option<String>,
    parts: Option<Value>,
    #[serde(default)]
    error: bool,
    claim: Option<String>,
}

/// Where to fork.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fork {
    pub(super) at: Place,
    pub(super) id: Option<String>,
}

/// A cursor as a client writes it.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a cursor is a text, such as \"1-4711\", or a position")]
pub(super) enum Place {
    Text(String),
    Position(u64),
}

impl Place {
    pub(super) async fn cursor(self, session: &Session) -> Result<Cursor, ApiError> {
        match self {
            Self::Text(text) => cursor(session, &text).await,
            Self::Position(position) => cursor(session, &position.to_string()).await,
        }
    }
}

/// Reads a cursor.
pub(super) async fn cursor(session: &Session, text: &str) -> Result<Cursor, ApiError> {
    if let Err(error) = Cursor::parse(text, 0) {
        return Err(ApiError::bad(error.to_string(), "use a cursor that the session gave: the id of an event"));
    }
    Ok(session.cursor(text).await?)
}

impl TryFrom<Create> for NewSession {
    type Error = ApiError;

    fn try_from(create: Create) -> Result<Self, ApiError> {
        let Create { id, model, system, tools, budget } = create;
        let tools = tools.map(self::tools).transpose()?.unwrap_or_default();
        let budget = budget.map(|text| self::budget(&text)).transpose()?;
        Ok(Self { id, model, system, tools, budget, brief: false })
    }
}

impl TryFrom<Change> for Update {
    type Error = ApiError;

    fn try_from(change: Change) -> Result<Self, ApiError> {
        let Change { model, system, tools, budget } = change;
        let budget = budget.map(|text| text.map(|text| self::budget(&text)).transpose()).transpose()?;
        Ok(Self { model, system, tools: tools.map(self::tools).transpose()?, budget })
    }
}

/// What a session's turns may cost in all.
fn budget(text: &str) -> Result<SpendBudget, ApiError> {
    match text.parse::<SpendBudget>() {
        Ok(budget) if budget.per == Period::Ever => Ok(budget),
        _ => Err(ApiError::bad("'budget' is no amount", "write US dollars as a text, such as \"2.50\"")),
    }
}

impl Say {
    /// The message; its cursor is one of `session`.
    pub(super) async fn outgoing(self, key: Option<String>, session: &Session) -> Result<Outgoing, ApiError> {
        let parts = parts(self.text, self.parts)?;
        let at = match self.at {
            Some(place) => Some(place.cursor(session).await?),
            None => None,
        };
        let busy = match self.busy {
            WhenBusy::Queue => Busy::Queue,
            WhenBusy::Refuse => Busy::Refuse,
        };
        Ok(Outgoing { parts, asked: None, busy, at, key })
    }
}

impl TryFrom<Give> for CallResult {
    type Error = ApiError;

    fn try_from(give: Give) -> Result<Self, ApiError> {
        let Give { id, text, parts, error, claim } = give;
        Ok(Self { id, parts: self::parts(text, parts)?, error, claim })
    }
}

/// What is said: a text, or parts.
fn parts(text: Option<String>, parts: Option<Value>) -> Result<Vec<Part>, ApiError> {
    match (text, parts) {
        // An empty text is nothing that is said.
        (Some(text), None) if text.is_empty() => Ok(Vec::new()),
        (Some(text), None) => Ok(vec![Part::text(text)]),
        (None, Some(parts)) => whole(parts, "parts"),
        (Some(_), Some(_)) => Err(ApiError::bad("both 'text' and 'parts' are given", "send one of them")),
        (None, None) => Err(ApiError::bad("neither 'text' nor 'parts' is given", "send one of them")),
    }
}

fn tools(tools: Value) -> Result<Vec<Tool>, ApiError> {
    whole(tools, "tools")
}

/// Reads values of the chat language, and leaves no field of theirs unread.
fn whole<T: DeserializeOwned + Serialize>(sent: Value, name: &str) -> Result<Vec<T>, ApiError> {
    let hint = || format!("see the reference of '{name}', or leave it out");
    let read = Vec::<T>::deserialize(&sent)
        .map_err(|error| ApiError::bad(format!("'{name}' can't be read: {error}"), hint()))?;
    let again = serde_json::to_value(&read).expect("the chat language is JSON");
    match unread(&sent, &again) {
        Some(field) => Err(ApiError::bad(format!("'{name}' has an unknown field '{field}'"), hint())),
        None => Ok(read),
    }
}

/// A field of what was sent that is not in what was read of it. What says no more than leaving it out is none.
fn unread<'a>(sent: &'a Value, read: &Value) -> Option<&'a str> {
    match (sent, read) {
        (Value::Object(sent), Value::Object(read)) => sent.iter().find_map(|(key, value)| match read.get(key) {
            Some(read) => unread(value, read),
            None => (!says_nothing(key, value)).then_some(key.as_str()),
        }),
        (Value::Array(sent), Value::Array(read)) => sent.iter().zip(read).find_map(|(sent, read)| unread(sent, read)),
        _ => None,
    }
}

fn says_nothing(key: &str, value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::String(text) => key == "kind" && text == "function",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_that_is_misspelt_is_told_wherever_it_stands() {
        let message = |tools: Value| match self::tools(tools) {
            Ok(_) => String::new(),
            Err(error) => serde_json::to_string(&error.into_told()).unwrap(),
        };
        let tool = |fields: Value| {
            let mut tool = json!({"type": "function", "name": "f", "strict": null, "extra": []});
            tool.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            json!([tool])
        };
        assert_eq!(message(tool(json!({"parameters": {"any": {"thing": [null, {"x": false}]}}}))), "");
        assert!(message(tool(json!({"paramters": {}}))).contains("'paramters'"));
        assert!(message(json!([{"name": "f"}])).contains("type"));
        assert!(message(json!({"name": "f"})).contains("'tools' can't be read"));
        let call = json!([{"type": "tool_call", "id": "1", "name": "f", "arguments": "{}", "kind": "function"}]);
        assert_eq!(parts(None, Some(call)).unwrap().len(), 1);
        let image = json!([{"type": "image", "source": {"from": "url", "url": "http://x", "medium": "png"}}]);
        parts(None, Some(image)).unwrap_err();
    }

    #[test]
    fn either_a_text_or_parts_are_said() {
        assert_eq!(parts(Some("a".into()), None).unwrap(), [Part::text("a")]);
        assert!(parts(Some(String::new()), None).unwrap().is_empty());
        parts(None, None).unwrap_err();
        parts(Some("a".into()), Some(json!([]))).unwrap_err();
    }
}
