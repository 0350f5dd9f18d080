//! Counts of tokens.

use serde::Deserialize;

use crate::{
    error::{ChatError, ErrorKind},
    error_response::not_json,
};

#[derive(Deserialize)]
struct Count {
    // Zero is left out.
    #[serde(default, rename = "totalTokens", alias = "total_tokens")]
    total: Option<u64>,
    #[serde(default, rename = "totalBillableCharacters")]
    characters: Option<serde::de::IgnoredAny>,
    #[serde(default, rename = "promptTokensDetails")]
    details: Option<serde::de::IgnoredAny>,
}

/// Reads how many tokens a prompt has.
///
/// # Errors
///
/// The body is not a count (`Protocol`).
pub fn decode_count(body: &[u8]) -> Result<u64, ChatError> {
    let none = || ChatError::new(ErrorKind::Protocol, "the provider answered with no count");
    match serde_json::from_slice::<Count>(body) {
        Ok(Count { total: Some(total), .. }) => Ok(total),
        Ok(count) if count.characters.is_some() || count.details.is_some() => Ok(0),
        Ok(_) => Err(none()),
        Err(error) if error.is_data() => Err(none()),
        Err(_) => Err(not_json(body.trim_ascii(), 200)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_and_what_is_none_is_said_so() {
        let count = |body: &str| decode_count(body.as_bytes());
        assert_eq!(
            count(r#"{"totalTokens":61,"totalBillableCharacters":9,"promptTokensDetails":[{"modality":"TEXT"}]}"#)
                .unwrap(),
            61
        );
        assert_eq!(count(r#"{"totalBillableCharacters":3}"#).unwrap(), 0);
        for body in ["", "<html>", "{}", "[]", "{\"totalTokens\":\"43\"}", "{\"totalTokens\":-1}"] {
            assert_eq!(count(body).unwrap_err().kind, ErrorKind::Protocol, "{body}");
        }
    }
}
