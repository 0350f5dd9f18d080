//! Why an answer ended.

use serde_json::value::RawValue;

use crate::event::FinishReason;

/// What a finish reason means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The answer is complete.
    Finished(FinishReason),
    /// The model failed to answer, which another attempt may not.
    Failed,
}

/// The provider's word for a reason; where enums are numbers, those that mean the same wherever they are said.
pub(super) fn word(raw: &RawValue) -> String {
    let text = raw.get();
    let word = match text {
        "0" => "FINISH_REASON_UNSPECIFIED",
        "1" => "STOP",
        "2" => "MAX_TOKENS",
        "3" => "SAFETY",
        "4" => "RECITATION",
        "5" => "OTHER",
        // On the one API and on the other these are two of several filters.
        "6" => "BLOCKLIST",
        "7" => "PROHIBITED_CONTENT",
        "8" => "SPII",
        _ => return serde_json::from_str(text).unwrap_or_else(|_| text.to_owned()),
    };
    word.to_owned()
}

/// What a word means.
pub(super) fn ending(word: &str) -> Ending {
    Ending::Finished(match word {
        "STOP" => FinishReason::Stop,
        "MAX_TOKENS" => FinishReason::Length,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "MODEL_ARMOR"
        | "LANGUAGE" => FinishReason::ContentFilter,
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE"
        | "MALFORMED_RESPONSE"
        | "OTHER" => return Ending::Failed,
        other => FinishReason::Other(other.to_owned()),
    })
}
