//! A turn that says all that it asks, in place of what its session asks.

use greenroom_wire::ChatRequest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::OnInterrupt;

/// What a turn asks that says more than what its user says: the whole request of a frontend whose every request has its
/// own instructions, tools and bounds. The conversation of the turns before stands between its instructions and its
/// messages. Such a turn waits for no results: it ends with its calls, and the next one brings what they gave.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The instructions, for this turn alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// The request; its messages are what is new, by whomever.
    pub request: ChatRequest,
    /// Whether the turn goes on in the next process where this one ends. Else somebody waits for it, who is gone then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub runs_on: bool,
    /// Whether the session is kept from here on as others are, though it was made to be kept for a day.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keeps: bool,
    /// What is done with an answer that is interrupted, in place of what is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_interrupt: Option<OnInterrupt>,
    /// What the frontend that asked needs to tell the answer again. It means nothing here.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub told: Value,
}
