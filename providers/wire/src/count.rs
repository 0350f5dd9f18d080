//! Counts of tokens, as Anthropic and OpenAI's Responses API tell them.

use serde::Deserialize;

use crate::{
    error::{ChatError, ErrorKind},
    error_response::not_json,
};

#[derive(Deserialize)]
struct Count {
    input_tokens: u64,
}

/// Reads how many tokens a prompt has.
///
/// # Errors
///
/// The body is not a count (`Protocol`).
pub fn decode_count(body: &[u8]) -> Result<u64, ChatError> {
    match serde_json::from_slice::<Count>(body) {
        Ok(count) => Ok(count.input_tokens),
        Err(error) if error.is_data() => {
            Err(ChatError::new(ErrorKind::Protocol, "the provider answered with no count"))
        }
        Err(_) => Err(not_json(body.trim_ascii(), 200)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_and_what_is_none_is_said_so() {
        assert_eq!(decode_count(br#"{"input_tokens":43,"context_management":{}}"#).unwrap(), 43);
        for body in ["", "<html>", "{}", "{\"input_tokens\":\"43\"}", "{\"input_tokens\":-1}"] {
            assert_eq!(decode_count(body.as_bytes()).unwrap_err().kind, ErrorKind::Protocol, "{body}");
        }
    }
}
