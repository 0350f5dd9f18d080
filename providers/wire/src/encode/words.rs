//! What is put into words where wires have none of their own.

use std::borrow::Cow;

use crate::chat::Part;

/// What a call without a result is answered with on wires that have no word for failure: servers refuse a conversation
/// in which a call has none, and models would call again.
pub(crate) const NO_RESULT: &str = "Error: the call was not carried out, and there is no result.";
/// How the result of a failed call begins on such wires.
const FAILED: &str = "Error:";
/// The result of a failed call that gave no text.
const FAILED_SILENTLY: &str = "Error: the call failed.";

/// The text of a part that is nothing else.
pub(crate) fn plain_text(part: &Part) -> Option<&str> {
    match part {
        Part::Text { text } | Part::Refusal { text } => Some(text),
        _ => None,
    }
}

/// The texts of a result, saying that the call failed where it did.
pub(crate) fn result_texts(parts: &[Part], error: bool) -> Vec<Cow<'_, str>> {
    let mut texts: Vec<Cow<'_, str>> = parts.iter().filter_map(plain_text).map(Cow::Borrowed).collect();
    if error {
        match texts.first_mut() {
            None => texts.push(FAILED_SILENTLY.into()),
            Some(first) if first.trim_start().starts_with(FAILED) => {}
            Some(first) => *first = format!("{FAILED} {first}").into(),
        }
    }
    texts
}

/// What stands before a result whose call is no longer there, where it is said as text.
pub(crate) fn without_call(id: &str, error: bool) -> String {
    let failed = if error { ", and failed" } else { "" };
    format!("What an earlier tool call gave{failed}: ({id})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_said_once() {
        let texts = |parts: &[&str], error| {
            let parts: Vec<_> = parts.iter().map(|text| Part::text(*text)).collect();
            result_texts(&parts, error).into_iter().map(Cow::into_owned).collect::<Vec<_>>()
        };
        assert_eq!(texts(&["no such file", "x"], true), ["Error: no such file", "x"]);
        assert_eq!(texts(&["Error: no such file"], true), ["Error: no such file"]);
        assert_eq!(texts(&["Errors found"], true), ["Error: Errors found"]);
        assert_eq!(texts(&[], true), ["Error: the call failed."]);
        assert_eq!(texts(&["no such file"], false), ["no such file"]);
    }
}
