//! The fields of an answer, read as leniently as is safe.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Map, Value};
use url::Url;

use super::{TokenError, TokenErrorKind};

/// Longer than anything lives; what is said to is bounded by it.
const LONGEST: f64 = 10.0 * 365.0 * 86_400.0;

/// A JSON object. It has no `Debug`: secrets are in it.
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    pub(crate) fn new(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    /// A field of any kind.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A text that isn't empty. What is of another type is as good as not there.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// `Protocol`, naming the field and never its value.
    pub(crate) fn require(&self, name: &str) -> Result<&str, TokenError> {
        self.text(name).ok_or_else(|| {
            let how = if self.0.get(name).is_none_or(Value::is_null) { "is missing" } else { "is not a text" };
            TokenError::new(TokenErrorKind::Protocol, format!("the answer can't be used: {name} {how}"))
        })
    }

    /// A secret that must be there.
    ///
    /// # Errors
    /// As [`require`](Self::require).
    pub(crate) fn secret(&self, name: &str) -> Result<SecretString, TokenError> {
        self.require(name).map(Into::into)
    }

    /// A number of seconds; some write it as text. One that can't be read is not known, since what came along with it
    /// may be the only valid refresh token, which must not be lost for that.
    pub(crate) fn seconds(&self, name: &str) -> Option<Duration> {
        let seconds = self.number(name)?;
        (seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(LONGEST)))
    }

    /// Seconds since 1970, as a number or as text.
    pub(crate) fn unix(&self, name: &str) -> Option<Duration> {
        let seconds = self.number(name)?;
        // Up to the year 9999.
        (0.0..253_402_300_800.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
    }

    fn number(&self, name: &str) -> Option<f64> {
        match self.0.get(name)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// Words in a text, as scopes are; some separate them by commas.
    pub(crate) fn words(&self, name: &str) -> Option<Vec<String>> {
        let words = self.text(name)?.split([' ', ',']).filter(|word| !word.is_empty());
        Some(words.map(str::to_owned).collect())
    }

    /// An address that a person or a browser can go to.
    pub(crate) fn page(&self, name: &str) -> Option<Url> {
        let url: Url = self.text(name)?.parse().ok()?;
        matches!(url.scheme(), "https" | "http").then_some(url)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Fields {
        match value {
            Value::Object(fields) => Fields::new(fields),
            _ => panic!("fields are an object"),
        }
    }

    #[test]
    fn seconds_are_read_from_numbers_and_texts_and_nothing_else() {
        let seconds = |value: Value| fields(json!({"expires_in": value})).seconds("expires_in").map(|it| it.as_secs());
        assert_eq!(seconds(json!(3600)), Some(3600));
        assert_eq!(seconds(json!(3599.5)), Some(3599));
        assert_eq!(seconds(json!("3600")), Some(3600));
        assert_eq!(seconds(json!(1e300)), Some(315_360_000));
        for other in [json!(-1), json!("soon"), json!("NaN"), json!(null), json!({"s": 1}), json!(true)] {
            assert_eq!(seconds(other.clone()), None, "{other}");
        }
    }

    #[test]
    fn a_field_that_must_be_there_is_named_and_its_value_never_told() {
        let fields = fields(json!({"number": 4711, "empty": "", "null": null}));
        let message = |name| fields.require(name).unwrap_err().to_string();
        assert_eq!(message("number"), "the answer can't be used: number is not a text");
        assert_eq!(message("null"), "the answer can't be used: null is missing");
        assert_eq!(message("absent"), "the answer can't be used: absent is missing");
        assert_eq!(fields.require("empty").unwrap_err().kind, TokenErrorKind::Protocol);
    }

    #[test]
    fn scopes_are_words_and_pages_are_of_the_web() {
        let fields = fields(json!({"scope": "a b,c", "page": "https://x.example/", "no": "javascript:alert(1)"}));
        assert_eq!(fields.words("scope"), Some(vec!["a".into(), "b".into(), "c".into()]));
        assert!(fields.page("page").is_some() && fields.page("no").is_none());
    }
}
