//! Every frontend before every wire: what is asked and answered, in words that belong to none of them.
#![allow(unreachable_pub, reason = "a test program is one crate")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

pub mod frontends;
mod lines;
pub mod tools;
pub mod wires;

use serde_json::{Value, json};

/// The words by which a provider knows what it is to answer.
pub const TEXT: &str = "say something";
pub const CALLS: &str = "call both";
pub const THINKING: &str = "think first";
pub const LENGTH: &str = "say too much";
pub const LIMITED: &str = "be limited";
pub const BROKEN: &str = "break off";

/// What a provider says to [`TEXT`]: beyond ASCII, and with what breaks readers of lines.
pub const SAID: [&str; 2] = ["Grüß", " dich\u{2028}🦀"];
/// What comes back of a tool, and what is said of it.
pub const RESULT: &str = "seventeen degrees";
/// A picture, in base64.
pub const PICTURE: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub words: &'static str,
    pub tools: bool,
    pub picture: bool,
    pub schema: bool,
    pub thinks: bool,
    pub stop: Option<&'static str>,
    /// The calls of the turn before, which were answered by [`RESULT`].
    pub after: Vec<(String, String, Value)>,
}

/// What was answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    pub text: String,
    pub thinking: String,
    /// The id, the name and the arguments of each call.
    pub calls: Vec<(String, String, Value)>,
    /// "stop", "length" or "calls".
    pub reason: String,
    /// Tokens of the prompt and of the answer.
    pub used: (u64, u64),
}

/// How it went wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Wrong {
    /// Before the answer began, with a status, and after how many seconds it is worth to ask again.
    Refused(u16, Option<String>),
    /// Within the stream.
    Midway,
    /// Before the answer or within it, with the kind and the seconds to wait: there are no statuses.
    Failed(String, Option<u64>),
    /// The frontend has no word for what is asked, and says so.
    Unsayable(String),
}

pub fn schema() -> Value {
    json!({"type": "object", "properties": {"legs": {"type": "integer"}}, "required": ["legs"],
        "additionalProperties": false})
}

/// The parameters of the one tool, `weather`.
pub fn parameters() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
}
