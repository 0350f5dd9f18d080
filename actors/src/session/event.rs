//! The events of a session's log: what every frontend is shown.

mod weight;

use std::time::Duration;

use greenroom_wire::{
    ChatError, ChatEvent, ErrorKind, FinishReason, Part, Usage,
    chat::{Extra, Tool, ToolCallKind},
    error::{ErrorDetails, Origin},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use super::asked::Asked;

/// An event at its place in the log.
///
/// A structural event takes one position; a delta takes its length in UTF-8 bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogEvent {
    /// What happened.
    #[serde(flatten)]
    pub body: EventBody,
    /// The turn it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u64>,
    /// Where it begins.
    pub position: u64,
    /// Where the next one begins: the cursor to resume from.
    pub next: u64,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum EventBody {
    /// The session begins.
    #[serde(rename = "session.created")]
    SessionCreated {
        /// What turns ask of, unless they say otherwise.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// Its instructions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        system: Option<String>,
        /// What the model may call.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tools: Vec<Tool>,
        /// What its turns may cost in all, in US dollars.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        budget: Option<String>,
    },
    /// What later turns ask has changed.
    #[serde(rename = "session.updated")]
    SessionUpdated {
        /// The new model, if it changed; empty if it is whatever is the default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// The new instructions, if they changed; empty if there are none now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        system: Option<String>,
        /// What the model may call from now on, if that changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tools: Option<Vec<Tool>>,
        /// The new budget, if it changed; empty if there is none now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        budget: Option<String>,
    },
    /// The user says something.
    #[serde(rename = "message.user")]
    MessageUser {
        /// What is said.
        parts: Vec<Part>,
        /// Whether it waits for the turn that runs.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        queued: bool,
        /// The whole request, where it says more than the session does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<Box<Asked>>,
    },
    /// An answer is sought.
    #[serde(rename = "turn.started")]
    TurnStarted,
    /// Who answers, or goes on with an answer that was cut.
    #[serde(rename = "route")]
    Route {
        /// The configured provider.
        provider: String,
        /// The provider's id of the model, as asked for.
        model: String,
        /// The auth profile.
        profile: String,
        /// Attempts made so far, this one included.
        attempts: u32,
        /// The provider's id of the answer; empty where it gives none.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        answer: String,
        /// The model in the provider's own words, where it says more than what was asked for; else empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reported: String,
        /// What the provider has told of the prompt by then; of no use once there is a `usage`, which has it as well.
        #[serde(default, skip_serializing_if = "Usage::is_nothing")]
        prompt: Usage,
    },
    /// More text.
    #[serde(rename = "text")]
    Text {
        /// The text.
        delta: String,
    },
    /// More of a refusal, where the provider keeps it apart from text.
    #[serde(rename = "refusal")]
    Refusal {
        /// The words.
        delta: String,
    },
    /// More thinking.
    #[serde(rename = "thinking")]
    Thinking {
        /// The thinking.
        delta: String,
    },
    /// A tool call begins.
    #[serde(rename = "tool_call")]
    ToolCall {
        /// Its index in this answer.
        index: u32,
        /// Its id.
        id: String,
        /// The tool.
        name: String,
        /// Which kind of tool, where it is no function.
        #[serde(default, skip_serializing_if = "is_function")]
        kind: ToolCallKind,
    },
    /// More of a tool call's arguments.
    #[serde(rename = "tool_call.args")]
    ToolCallArgs {
        /// The call's index.
        index: u32,
        /// The fragment.
        delta: String,
    },
    /// A tool call is whole.
    #[serde(rename = "tool_call.done")]
    ToolCallDone {
        /// The call's index.
        index: u32,
    },
    /// A tool call that was begun is not to be heeded: the answer was cut within it.
    #[serde(rename = "tool_call.dropped")]
    ToolCallDropped {
        /// The call's index, which no other call of the answer has.
        index: u32,
    },
    /// What was said of the answer so far is not to be heeded: it is made anew.
    #[serde(rename = "answer.restarted")]
    AnswerRestarted,
    /// The answer so far ends with calls of tools; it goes on once each of them has its result.
    #[serde(rename = "turn.waiting")]
    TurnWaiting {
        /// The ids of the calls.
        ids: Vec<String>,
    },
    /// What a call gave.
    #[serde(rename = "tool_result")]
    ToolResult {
        /// The call's id.
        id: String,
        /// What it gave: text, images, documents.
        parts: Vec<Part>,
        /// Whether the call failed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        error: bool,
    },
    /// The conversation outgrew the model's window: turns before some turn are not shown to it any more.
    #[serde(rename = "context")]
    Context {
        /// How many finished turns it has not been shown since the last such event.
        dropped: u64,
        /// The first turn that it is still shown.
        from: u64,
        /// What stands for those that are not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        summary: Option<String>,
    },
    /// What a provider needs back verbatim.
    #[serde(rename = "opaque")]
    Opaque {
        /// The configured provider that said it.
        provider: String,
        /// The model that said it.
        model: String,
        /// What it said.
        data: Value,
    },
    /// A picture or sound that the model made.
    #[serde(rename = "media")]
    Media {
        /// Its MIME type.
        media_type: String,
        /// Its bytes in base64.
        data: String,
    },
    /// A source of what was said.
    #[serde(rename = "citation")]
    Citation {
        /// The citation in the provider's words.
        citation: Value,
    },
    /// What the chat language has no word for, for a frontend of the same wire.
    #[serde(rename = "extra")]
    Extra(Extra),
    /// Another candidate takes over; the same one, if it is asked to go on with an answer that was cut.
    #[serde(rename = "failover")]
    Failover {
        /// The candidate that failed, `provider/model`.
        from: String,
        /// The one that is asked now.
        to: String,
        /// Why.
        kind: ErrorKind,
    },
    /// What the answer used.
    #[serde(rename = "usage")]
    Usage(Usage),
    /// The answer is complete.
    #[serde(rename = "turn.finished")]
    TurnFinished {
        /// Why it ended.
        reason: FinishReason,
    },
    /// There is no complete answer.
    #[serde(rename = "turn.failed")]
    TurnFailed {
        /// Why.
        error: Failure,
    },
    /// The turn was cancelled; what was produced stays.
    #[serde(rename = "turn.cancelled")]
    TurnCancelled,
    /// To who asked for one answer, not in a session's log: whether it was kept from before, or would have been.
    #[serde(rename = "cache")]
    Cache {
        /// Whether it was.
        hit: bool,
        /// How old it is, in seconds.
        age: u64,
    },
    /// To one reader, not in the log: all that was there when it came has been given.
    #[serde(rename = "synced")]
    Synced,
    /// To one reader, not in the log: what it was shown up to its cursor may not be what the log has. What follows begins
    /// at `cursor`, and replaces whatever the reader had from there on.
    #[serde(rename = "reset")]
    Reset {
        /// Where what follows begins.
        cursor: String,
    },
    /// To one reader, not in the log: nothing more can be given, since the log can't be read.
    #[serde(rename = "error")]
    Error {
        /// Why.
        error: Failure,
    },
}

fn is_function(kind: &ToolCallKind) -> bool {
    *kind == ToolCallKind::Function
}

/// A failure as the log and the HTTP API tell it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind.
    pub kind: ErrorKind,
    /// What happened.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Seconds to wait before asking again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<f64>,
    /// HTTP status of the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The provider's own code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The parameter that is complained of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
    /// The provider, where one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The provider's model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The auth profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Each attempt, oldest first, where several were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Failure>,
}

impl From<&ChatError> for Failure {
    fn from(error: &ChatError) -> Self {
        let details = &error.details;
        let origin = details.origin.as_ref();
        Self {
            kind: error.kind,
            message: error.message.clone(),
            hint: details.hint.clone(),
            retry_after: details.retry_after.map(|wait| wait.as_secs_f64()),
            status: details.status,
            code: details.code.clone(),
            param: details.param.clone(),
            provider: origin.map(|origin| origin.provider.clone()),
            model: origin.map(|origin| origin.model.clone()),
            profile: origin.and_then(|origin| origin.profile.clone()),
            attempts: details.attempts.iter().map(Self::from).collect(),
        }
    }
}

impl From<Failure> for ChatError {
    fn from(failure: Failure) -> Self {
        let Failure { kind, message, hint, retry_after, status, code, param, provider, model, profile, attempts } =
            failure;
        let origin = provider.zip(model).map(|(provider, model)| Origin { provider, model, profile });
        let retry_after = retry_after.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let attempts = attempts.into_iter().map(Self::from).collect();
        let mut error = Self::new(kind, message);
        *error.details =
            ErrorDetails { status, code, param, retry_after, origin, hint, attempts, ..ErrorDetails::default() };
        error
    }
}

impl EventBody {
    /// Whether nothing of its turn comes after it.
    pub fn ends_turn(&self) -> bool {
        matches!(self, Self::TurnFinished { .. } | Self::TurnFailed { .. } | Self::TurnCancelled)
    }

    /// Whether one reader alone is told it, and no log has it.
    pub(crate) fn is_told(&self) -> bool {
        matches!(self, Self::Cache { .. } | Self::Synced | Self::Reset { .. } | Self::Error { .. })
    }

    /// The delta's text, if this is one.
    pub(crate) fn delta(&self) -> Option<&String> {
        match self {
            Self::Text { delta }
            | Self::Refusal { delta }
            | Self::Thinking { delta }
            | Self::ToolCallArgs { delta, .. } => Some(delta),
            _ => None,
        }
    }

    /// The same event with another delta; of a structural event, the event.
    pub(crate) fn with_delta(&self, delta: String) -> Self {
        match self {
            Self::Text { .. } => Self::Text { delta },
            Self::Refusal { .. } => Self::Refusal { delta },
            Self::Thinking { .. } => Self::Thinking { delta },
            Self::ToolCallArgs { index, .. } => Self::ToolCallArgs { index: *index, delta },
            other => other.clone(),
        }
    }

    /// Takes `other` in if both are deltas of one piece; gives it back otherwise.
    pub(crate) fn merge(&mut self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Text { delta }, Self::Text { delta: more })
            | (Self::Refusal { delta }, Self::Refusal { delta: more })
            | (Self::Thinking { delta }, Self::Thinking { delta: more }) => delta.push_str(&more),
            (Self::ToolCallArgs { index, delta }, Self::ToolCallArgs { index: of, delta: more }) if *index == of => {
                delta.push_str(&more);
            }
            (_, other) => return Some(other),
        }
        None
    }

    /// How much of the log it takes: bytes of a delta, one otherwise.
    pub(crate) fn width(&self) -> u64 {
        self.delta().map_or(1, |delta| u64::try_from(delta.len()).unwrap_or(u64::MAX))
    }

    /// The event in the chat language, for a frontend that speaks a provider's wire; `None` for what it has no word for.
    pub fn into_chat(self) -> Option<ChatEvent> {
        Some(match self {
            Self::Route { model, answer, reported, .. } => {
                ChatEvent::Started { id: answer, model: if reported.is_empty() { model } else { reported } }
            }
            Self::Text { delta } => ChatEvent::Text { delta },
            Self::Refusal { delta } => ChatEvent::Refusal { delta },
            Self::Thinking { delta } => ChatEvent::Thinking { delta },
            Self::ToolCall { index, id, name, kind } => ChatEvent::ToolCallStarted { index, id, name, kind },
            Self::ToolCallArgs { index, delta } => ChatEvent::ToolCallArgs { index, delta },
            Self::ToolCallDone { index } => ChatEvent::ToolCallDone { index },
            Self::Opaque { data, .. } => ChatEvent::Opaque { data },
            Self::Media { media_type, data } => ChatEvent::Media { media_type, data },
            Self::Citation { citation } => ChatEvent::Citation { json: citation },
            Self::Extra(extra) => ChatEvent::Extra(extra),
            Self::Usage(usage) => ChatEvent::Usage(usage),
            Self::TurnFinished { reason } => ChatEvent::Finished { reason },
            _ => return None,
        })
    }
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
