//! `POST /apply-template` and `POST /tokenize`: a request as its model reads it, and that in tokens.

use serde_json::{Value, json};

use crate::{
    error::{ChatError, ErrorKind},
    error_response::not_json,
};

/// Reads the body of an answer of `POST /apply-template`, which takes the body of a request for an answer.
///
/// # Errors
///
/// It has no prompt (`Protocol`).
pub fn decode_prompt(body: &[u8]) -> Result<String, ChatError> {
    match read(body)?.get_mut("prompt").map(Value::take) {
        Some(Value::String(prompt)) => Ok(prompt),
        _ => Err(ChatError::new(ErrorKind::Protocol, "the server answered with no prompt")),
    }
}

/// Writes the body of `POST /tokenize`. What a template wrote of special tokens is read as such, and the one that begins
/// every prompt is added.
pub fn encode_tokenize(prompt: &str) -> Vec<u8> {
    json!({"content": prompt, "add_special": true, "parse_special": true}).to_string().into_bytes()
}

/// Reads how many tokens there are in an answer of `POST /tokenize`.
///
/// # Errors
///
/// It has no list of tokens (`Protocol`).
pub fn decode_tokens(body: &[u8]) -> Result<u64, ChatError> {
    match read(body)?.get("tokens").and_then(Value::as_array) {
        Some(tokens) => Ok(tokens.len() as u64),
        None => Err(ChatError::new(ErrorKind::Protocol, "the server answered with no tokens")),
    }
}

fn read(body: &[u8]) -> Result<Value, ChatError> {
    serde_json::from_slice(body).map_err(|_| not_json(body.trim_ascii(), 200))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_counted_whatever_they_look_like() {
        assert_eq!(decode_tokens(br#"{"tokens": [1, 2, 3]}"#).unwrap(), 3);
        assert_eq!(decode_tokens(br#"{"tokens": [{"id": 1, "piece": "a"}]}"#).unwrap(), 1);
        for body in ["{}", "<html>", r#"{"tokens": 3}"#] {
            assert_eq!(decode_tokens(body.as_bytes()).unwrap_err().kind, ErrorKind::Protocol, "{body}");
        }
        assert_eq!(decode_prompt(br#"{"prompt": "<|im_start|>"}"#).unwrap(), "<|im_start|>");
        assert_eq!(decode_prompt(br#"{"prompt": 3}"#).unwrap_err().kind, ErrorKind::Protocol);
    }
}
