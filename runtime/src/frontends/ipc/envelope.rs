//! What stands around a request: its id, its action, and how long it may take.

use std::{sync::Arc, time::Duration};

use greenroom_wire::json::put_value;
use serde::Deserialize;
use serde_json::Value;

use super::words::Refusal;

/// The longest id, in bytes of its JSON: every line of an answer has it.
const LONGEST_ID: usize = 1024;

/// By what name an answer is known: a string or an integer, as its JSON.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Id(Arc<str>);

impl Id {
    /// Its JSON.
    pub(super) fn json(&self) -> &str {
        &self.0
    }
}

/// What can be asked of whoever has the providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `list_models`
    ListModels,
    /// `stream_chat`
    StreamChat,
    /// `count_tokens`
    CountTokens,
    /// `authenticate`
    Authenticate,
}

impl Action {
    /// The actions that are written so, beside [`CANCEL`].
    pub const ALL: [(&str, Self); 4] = [
        ("list_models", Self::ListModels),
        ("stream_chat", Self::StreamChat),
        ("count_tokens", Self::CountTokens),
        ("authenticate", Self::Authenticate),
    ];

    /// The action of this name.
    ///
    /// # Errors
    /// There is none, which is `unknown_action`.
    pub fn named(name: &str) -> Result<Self, Refusal> {
        let found = Self::ALL.into_iter().find(|(written, _)| *written == name);
        found.map(|(_, action)| action).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|(written, _)| *written).chain([CANCEL]).collect();
            Refusal::new("unknown_action", "there is no such action", format!("there are {}", names.join(", ")))
        })
    }

    /// Whether asking twice does what asking once does, and costs no more.
    pub fn is_harmless(self) -> bool {
        matches!(self, Self::ListModels | Self::CountTokens)
    }
}

/// The action that ends another request.
pub(super) const CANCEL: &str = "cancel";

/// What a line asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// An answer, within this time.
    Answer {
        /// Which.
        action: Action,
        /// How long it may take; as long as it takes if it is not said.
        timeout: Option<Duration>,
    },
    /// The end of the request of this id.
    Cancel(Id),
}

/// The fields of the envelope; those of `params` are read by whoever answers.
#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    action: Value,
    #[serde(default)]
    timeout: Value,
}

/// Reads a line. Its id is given as well where the rest is wrong, so that the refusal can be told by it.
pub(super) fn read(line: &[u8]) -> (Option<Id>, Result<Wish, Refusal>) {
    let fields = match fields(line) {
        Ok(fields) => fields,
        Err(refusal) => return (None, Err(refusal)),
    };
    match id_of(&fields.id) {
        Ok(id) => (id, wish(line, &fields)),
        Err(refusal) => (None, Err(refusal)),
    }
}

fn fields(line: &[u8]) -> Result<Fields, Refusal> {
    let hint = "write a JSON object on each line: {\"id\": 1, \"action\": \"list_models\"}";
    // What is skipped in reading the fields is not looked at so closely.
    let text = str::from_utf8(line).map_err(|_| Refusal::bad("the line is not UTF-8", hint))?;
    let text = text.trim_start_matches('\u{feff}');
    if !text.trim_ascii_start().starts_with('{') {
        return Err(Refusal::bad("the line is not a JSON object", hint));
    }
    serde_json::from_str(text).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Eof => "the line ends within its JSON",
            serde_json::error::Category::Data => "the line names a field twice",
            _ => "the line is not valid JSON",
        };
        Refusal::bad(format!("{what}, at byte {}", error.column()), hint)
    })
}

fn id_of(value: &Value) -> Result<Option<Id>, Refusal> {
    match value {
        Value::Null => return Ok(None),
        Value::String(_) => {}
        Value::Number(number) if number.is_i64() || number.is_u64() => {}
        _ => return Err(Refusal::bad("id must be a string or an integer", "leave it out if no answer is to have one")),
    }
    let mut json = Vec::new();
    put_value(&mut json, value);
    if json.len() > LONGEST_ID {
        return Err(Refusal::bad(
            format!("id is longer than {LONGEST_ID} bytes"),
            "every line of an answer repeats it",
        ));
    }
    let json = String::from_utf8(json).expect("JSON is written as UTF-8");
    Ok(Some(Id(json.into())))
}

fn wish(line: &[u8], fields: &Fields) -> Result<Wish, Refusal> {
    let timeout = match &fields.timeout {
        Value::Null => None,
        value => match value.as_u64() {
            Some(milliseconds @ 1..) => Some(Duration::from_millis(milliseconds)),
            _ => return Err(Refusal::bad("timeout must be a positive integer", "it is in milliseconds")),
        },
    };
    match &fields.action {
        Value::String(name) if name == CANCEL => cancelled(line).map(Wish::Cancel),
        Value::String(name) => Ok(Wish::Answer { action: Action::named(name)?, timeout }),
        _ => Err(Refusal::bad("action must be a string", "say what is to be done: {\"action\": \"list_models\"}")),
    }
}

/// Whom a line cancels.
fn cancelled(line: &[u8]) -> Result<Id, Refusal> {
    #[derive(Deserialize)]
    struct Whole {
        #[serde(default)]
        params: Value,
    }
    let hint = "name the request: {\"action\": \"cancel\", \"params\": {\"id\": 1}}";
    let text = str::from_utf8(line).unwrap_or_default().trim_start_matches('\u{feff}');
    let whole: Whole = serde_json::from_str(text).map_err(|_| Refusal::bad("params can't be read", hint))?;
    let Value::Object(params) = whole.params else { return Err(Refusal::bad("params must be an object", hint)) };
    let id = params.get("id").map(id_of).transpose()?.flatten();
    id.ok_or_else(|| Refusal::bad("params.id is missing", hint))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(json: &str) -> Option<Id> {
        Some(Id(json.into()))
    }

    fn refused(line: &str) -> (Option<Id>, String, String) {
        let (id, wish) = read(line.as_bytes());
        let refusal = wish.expect_err(line);
        (id, refusal.code().to_owned(), refusal.message().to_owned())
    }

    #[test]
    fn a_request_has_an_id_an_action_and_a_time_and_what_else_it_has_is_left_alone() {
        let line = br#"{"v": 2, "id": "a\u2028", "action": "stream_chat", "timeout": 1500, "params": [1]}"#;
        let wish = Wish::Answer { action: Action::StreamChat, timeout: Some(Duration::from_millis(1500)) };
        assert_eq!(read(line), (id("\"a\\u2028\""), Ok(wish)));
        let plain = Wish::Answer { action: Action::ListModels, timeout: None };
        for line in
            ["{\"action\":\"list_models\"}", "\u{feff} {\"id\":null,\"timeout\":null,\"action\":\"list_models\"}"]
        {
            assert_eq!(read(line.as_bytes()), (None, Ok(plain.clone())));
        }
        let cancel = br#"{"id": -7, "action": "cancel", "params": {"id": 18446744073709551615}}"#;
        assert_eq!(read(cancel), (id("-7"), Ok(Wish::Cancel(Id("18446744073709551615".into())))));
    }

    #[test]
    fn what_is_wrong_is_told_by_its_id_as_far_as_it_has_one() {
        let bad = "bad_request";
        let cases = [
            ("[]", None, bad, "not a JSON object"),
            ("null", None, bad, "not a JSON object"),
            ("hello", None, bad, "not a JSON object"),
            ("{\"id\": 1, \"action\": \"list_mod", None, bad, "ends within"),
            ("{\"id\": 1,}", None, bad, "not valid JSON"),
            ("{\"id\": 1} {}", None, bad, "not valid JSON"),
            ("{\"id\": 1, \"id\": 2}", None, bad, "twice"),
            ("{\"id\": {}, \"action\": \"list_models\"}", None, bad, "id must be"),
            ("{\"id\": 1.5, \"action\": \"list_models\"}", None, bad, "id must be"),
            ("{\"id\": true}", None, bad, "id must be"),
            ("{\"id\": 1}", Some("1"), bad, "action must be"),
            ("{\"id\": 1, \"action\": 2}", Some("1"), bad, "action must be"),
            ("{\"id\": \"x\", \"action\": \"chat\"}", Some("\"x\""), "unknown_action", "no such action"),
            ("{\"id\": 1, \"action\": \"list_models\", \"timeout\": \"5\"}", Some("1"), bad, "timeout must be"),
            ("{\"id\": 1, \"action\": \"list_models\", \"timeout\": 0}", Some("1"), bad, "timeout must be"),
            ("{\"id\": 1, \"action\": \"list_models\", \"timeout\": -1}", Some("1"), bad, "timeout must be"),
            ("{\"id\": 1, \"action\": \"cancel\"}", Some("1"), bad, "params must be"),
            ("{\"id\": 1, \"action\": \"cancel\", \"params\": {}}", Some("1"), bad, "params.id is missing"),
            ("{\"id\": 1, \"action\": \"cancel\", \"params\": {\"id\": []}}", Some("1"), bad, "id must be"),
        ];
        for (line, by, code, words) in cases {
            let (told, kind, message) = refused(line);
            assert_eq!((told.as_ref().map(Id::json), kind.as_str()), (by, code), "{line}");
            assert!(message.contains(words), "{line}: {message}");
        }
        let long = format!("{{\"id\": \"{}\"}}", "x".repeat(LONGEST_ID));
        assert!(refused(&long).2.contains("longer than"));
        let (_, not_utf8) = read(b"{\"action\": \"list_models\", \"params\": \"\xff\"}");
        assert!(not_utf8.expect_err("it is not UTF-8").message().contains("not UTF-8"));
    }

    proptest! {
        #[test]
        fn no_line_is_too_strange(line in any::<Vec<u8>>(), text in "\\PC*") {
            let _read = read(&line);
            let (_, wish) = read(format!("{{\"id\":1,\"action\":{text:?}").as_bytes());
            prop_assert!(wish.is_err());
        }
    }
}
