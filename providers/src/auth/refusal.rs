//! What it means that an endpoint refuses.

use serde_json::Value;

use super::{TokenError, TokenErrorKind, fields::Fields};

/// Longest words of an endpoint that are passed on, in bytes.
const LONGEST_TEXT: usize = 240;
/// Longest code that is passed on, in bytes.
const LONGEST_CODE: usize = 64;
/// From this length on a secret is looked for in what an endpoint says, in bytes.
const SHORTEST_SECRET: usize = 4;

/// What was asked with, on which the meaning of a refusal depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grant {
    /// The code of a login in the browser.
    Code,
    /// The code of a device.
    Device,
    /// A refresh token.
    Refresh,
    /// A signed statement.
    Assertion,
    /// The client's own id and secret, or something that stands for them.
    Client,
}

/// An endpoint's code and words for why it refuses.
pub(crate) struct Refusal {
    code: String,
    words: Option<String>,
}

impl Refusal {
    /// The refusal in an answer, if it is one: `{error, error_description}`, or an object `{error: {code, message}}`.
    pub(crate) fn of(fields: &Fields) -> Option<Self> {
        let own = str::to_owned;
        match fields.get("error")? {
            Value::String(code) if !code.is_empty() => {
                Some(Self { code: code.clone(), words: fields.text("error_description").map(own) })
            }
            Value::Object(error) => {
                let error = Fields::new(error.clone());
                let code = error.text("code").or(error.text("status")).or(error.text("type"));
                Some(Self { code: code.unwrap_or_default().to_owned(), words: error.text("message").map(own) })
            }
            _ => None,
        }
    }

    /// A refusal in a browser's redirect.
    pub(crate) fn in_redirect(code: &str, words: Option<&str>) -> Self {
        Self { code: code.to_owned(), words: words.map(str::to_owned) }
    }

    /// The refusal as an error. `secrets` are those that were sent: some endpoints echo them.
    pub(crate) fn into_error(self, grant: Grant, secrets: &[&str]) -> TokenError {
        let kind = classify(&self.code, self.words.as_deref(), grant);
        let code = self.code.chars().all(|c| c.is_ascii_alphanumeric() || "_-.:".contains(c));
        let code = code && (1..=LONGEST_CODE).contains(&self.code.len()) && !holds(&self.code, secrets);
        let code = code.then_some(self.code);
        let words = self.words.map(|words| clean(&words, secrets)).filter(|words| !words.is_empty());
        let why = match (words, &code) {
            (Some(words), Some(code)) => format!("{words} ({code})"),
            (Some(words), None) => words,
            (None, Some(code)) => code.clone(),
            (None, None) => "it does not say why".into(),
        };
        let mut error = TokenError::new(kind, format!("{}: {why}", what(kind)));
        error.details.code = code;
        error
    }
}

fn what(kind: TokenErrorKind) -> &'static str {
    match kind {
        TokenErrorKind::Revoked => "the login is not valid any more",
        TokenErrorKind::Reused => "the refresh token was used before, which ends the login",
        TokenErrorKind::Denied => "the access was not allowed",
        TokenErrorKind::Expired => "the code is not valid any more",
        TokenErrorKind::Server => "the token endpoint can't answer now",
        _ => "the token endpoint refuses the client",
    }
}

/// What a code means. Words are looked at only where the standard has one code for two things that differ for a person.
fn classify(code: &str, words: Option<&str>, grant: Grant) -> TokenErrorKind {
    match code {
        "refresh_token_reused" | "refresh_token_already_used" | "token_reused" => TokenErrorKind::Reused,
        "invalid_grant"
        | "bad_refresh_token"
        | "refresh_token_expired"
        | "refresh_token_invalidated"
        | "refresh_token_revoked"
        | "token_revoked"
        | "bad_verification_code"
        | "incorrect_device_code" => match grant {
            Grant::Refresh if code == "invalid_grant" && words.is_some_and(tells_of_reuse) => TokenErrorKind::Reused,
            Grant::Refresh | Grant::Assertion => TokenErrorKind::Revoked,
            Grant::Code | Grant::Device => TokenErrorKind::Expired,
            Grant::Client => TokenErrorKind::Client,
        },
        "access_denied"
        | "consent_required"
        | "interaction_required"
        | "login_required"
        | "account_selection_required"
        | "admin_policy_enforced"
        | "unverified_user_email" => TokenErrorKind::Denied,
        "expired_token" => TokenErrorKind::Expired,
        "server_error" | "temporarily_unavailable" | "slow_down" => TokenErrorKind::Server,
        _ => TokenErrorKind::Client,
    }
}

fn tells_of_reuse(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    ["refresh_token_reused", "reuse", "already used", "already been used"].iter().any(|sign| words.contains(sign))
}

/// Secrets as they are, and as they were written into a form.
fn forms<'a>(secrets: &'a [&'a str]) -> impl Iterator<Item = String> + 'a {
    let long = secrets.iter().filter(|secret| secret.len() >= SHORTEST_SECRET);
    long.flat_map(|secret| [(*secret).to_owned(), url::form_urlencoded::byte_serialize(secret.as_bytes()).collect()])
}

fn holds(text: &str, secrets: &[&str]) -> bool {
    forms(secrets).any(|secret| text.contains(&secret))
}

/// An endpoint's words, fit to be shown: one line, not long, without what was sent to it.
fn clean(words: &str, secrets: &[&str]) -> String {
    let mut words = words.to_owned();
    for secret in forms(secrets) {
        words = words.replace(&secret, "[secret]");
    }
    let plain: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = &line[..line.floor_char_boundary(LONGEST_TEXT)];
    line.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(value: Value, grant: Grant, secrets: &[&str]) -> TokenError {
        let Value::Object(fields) = value else { panic!("an answer is an object") };
        Refusal::of(&Fields::new(fields)).expect("it is a refusal").into_error(grant, secrets)
    }

    #[test]
    fn a_code_decides_what_a_refusal_means() {
        use TokenErrorKind as Kind;
        for (code, grant, kind) in [
            ("invalid_grant", Grant::Refresh, Kind::Revoked),
            ("invalid_grant", Grant::Code, Kind::Expired),
            ("invalid_grant", Grant::Device, Kind::Expired),
            ("invalid_grant", Grant::Assertion, Kind::Revoked),
            ("bad_refresh_token", Grant::Refresh, Kind::Revoked),
            ("refresh_token_reused", Grant::Refresh, Kind::Reused),
            ("access_denied", Grant::Device, Kind::Denied),
            ("interaction_required", Grant::Refresh, Kind::Denied),
            ("expired_token", Grant::Device, Kind::Expired),
            ("invalid_client", Grant::Refresh, Kind::Client),
            ("unauthorized_client", Grant::Client, Kind::Client),
            ("invalid_scope", Grant::Refresh, Kind::Client),
            ("unsupported_grant_type", Grant::Refresh, Kind::Client),
            ("temporarily_unavailable", Grant::Refresh, Kind::Server),
            ("nobody_knows", Grant::Refresh, Kind::Client),
        ] {
            let error = refused(json!({"error": code}), grant, &[]);
            assert_eq!((error.kind, error.details.code.as_deref()), (kind, Some(code)));
            let error = refused(json!({"error": {"code": code, "message": "already used"}}), grant, &[]);
            let kind = if (code, grant) == ("invalid_grant", Grant::Refresh) { Kind::Reused } else { kind };
            assert_eq!(error.kind, kind, "{code}");
        }
    }

    #[test]
    fn reuse_is_told_by_its_code_and_else_by_the_words_for_a_refresh_alone() {
        let words = "Refresh token reuse detected.";
        let of = |grant| refused(json!({"error": "invalid_grant", "error_description": words}), grant, &[]);
        assert_eq!(of(Grant::Refresh).kind, TokenErrorKind::Reused);
        assert_eq!(of(Grant::Code).kind, TokenErrorKind::Expired);
        let coded = json!({"error": {"code": "refresh_token_expired", "message": "reuse"}});
        assert_eq!(refused(coded, Grant::Refresh, &[]).kind, TokenErrorKind::Revoked);
    }

    #[test]
    fn what_was_sent_is_not_in_what_is_told() {
        let words = format!("the code s3cret/value and s3cret%2Fvalue\u{1b}[31m\nare bad {}.", "x".repeat(999));
        let value = json!({"error": "s3cret/value", "error_description": words});
        let error = refused(value, Grant::Code, &["s3cret/value", "no"]);
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("s3cret") && !shown.contains('\u{1b}'), "{shown}");
        assert!(error.message.contains("the code [secret] and [secret] [31m are bad xxx"), "{error}");
        assert!(error.message.len() < 300 && error.details.code.is_none());
    }

    #[test]
    fn an_answer_without_an_error_is_no_refusal() {
        for value in [json!({}), json!({"error": null}), json!({"error": ""}), json!({"error": false})] {
            let Value::Object(fields) = value else { panic!("an answer is an object") };
            assert!(Refusal::of(&Fields::new(fields)).is_none());
        }
    }
}
