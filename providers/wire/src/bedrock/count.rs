//! Counts of tokens.

use serde_json::Value;

use crate::error::{ChatError, ErrorKind};

/// The prefixes by which inference profiles of AWS's own are told from the models that they lead to.
const REGIONS: [&str; 9] = ["us", "us-gov", "eu", "apac", "global", "au", "jp", "ca", "sa"];

/// The model that an inference profile leads to, which counting tokens wants by its own id; other ids as they are.
pub fn base_model(id: &str) -> &str {
    match id.split_once('.') {
        Some((region, model)) if REGIONS.contains(&region) && model.contains('.') => model,
        _ => id,
    }
}

/// Reads how many tokens a prompt has.
///
/// # Errors
/// The body is not a count (`Protocol`).
pub fn decode_count(body: &[u8]) -> Result<u64, ChatError> {
    let count = serde_json::from_slice::<Value>(body).ok().and_then(|json| json.get("inputTokens")?.as_u64());
    count.ok_or_else(|| ChatError::new(ErrorKind::Protocol, "the provider answered with no count"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_lead_to_their_models() {
        let of = base_model;
        assert_eq!(of("us.anthropic.claude-sonnet-4-5-20250929-v1:0"), "anthropic.claude-sonnet-4-5-20250929-v1:0");
        assert_eq!(of("global.amazon.nova-2-lite-v1:0"), "amazon.nova-2-lite-v1:0");
        for id in [
            "anthropic.claude-3-haiku-20240307-v1:0",
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.x.y",
            "us.x",
            "",
        ] {
            assert_eq!(of(id), id);
        }
    }

    #[test]
    fn counts_are_read_and_what_is_none_is_said_so() {
        assert_eq!(decode_count(br#"{"inputTokens":18}"#).unwrap(), 18);
        for body in ["", "<html>", "{}", r#"{"inputTokens":"18"}"#, r#"{"inputTokens":-1}"#] {
            assert_eq!(decode_count(body.as_bytes()).unwrap_err().kind, ErrorKind::Protocol, "{body}");
        }
    }
}
