//! What an endpoint for tokens answers, and what it means. Pure: the time is an argument.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use jsonwebtoken::dangerous::insecure_decode_claims;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

use super::{
    Issuer, TokenError, TokenErrorKind, Tokens,
    fields::Fields,
    refusal::{Grant, Refusal},
};

/// A whole answer.
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// The header of that name.
    pub(crate) content_type: Option<String>,
    /// The endpoint's clock.
    pub(crate) date: Option<SystemTime>,
    /// How long it asks to wait.
    pub(crate) retry_after: Option<Duration>,
    /// `Metadata-Flavor`, by which the metadata server shows that it is one.
    pub(crate) flavor: Option<String>,
    /// Bounded by who read it.
    pub(crate) body: Vec<u8>,
}

impl fmt::Debug for Answer {
    /// Without the body, in which secrets are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).field("length", &self.body.len()).finish_non_exhaustive()
    }
}

impl Answer {
    /// An answer of JSON.
    #[cfg(test)]
    pub(crate) fn of(status: u16, body: &Value) -> Self {
        let (body, content_type) = (body.to_string().into_bytes(), Some("application/json".into()));
        Self { status, content_type, date: None, retry_after: None, flavor: None, body }
    }

    /// The fields of an answer that grants something. `secrets` are those that were sent.
    ///
    /// # Errors
    /// `Server`: it failed or has too much to do. `Protocol`: it is no JSON object (nor a form), whatever its status.
    /// Else what the endpoint refuses with, even under a status of success.
    pub(crate) fn fields(&self, grant: Grant, secrets: &[&str]) -> Result<Fields, TokenError> {
        let object = self.object();
        let refusal = object.as_ref().and_then(Refusal::of);
        let busy = matches!(self.status, 408 | 429 | 500..);
        let error = match (refusal, object) {
            (Some(refusal), _) if busy => {
                let told = refusal.into_error(grant, secrets);
                let mut error = self.failed();
                error.details.code = told.details.code;
                error
            }
            (None, _) if busy => self.failed(),
            (Some(refusal), _) => refusal.into_error(grant, secrets),
            (None, None) => self.not_understood(),
            (None, Some(fields)) if (200..300).contains(&self.status) => return Ok(fields),
            (None, Some(_)) => {
                let message = format!("the token endpoint refuses without saying why (status {})", self.status);
                TokenError::new(TokenErrorKind::Client, message)
            }
        };
        Err(self.with_details(error))
    }

    /// The body as an object, if it is one.
    pub(crate) fn object(&self) -> Option<Fields> {
        let kind = self.content_type.as_deref().unwrap_or_default();
        if kind.starts_with("application/x-www-form-urlencoded") {
            let pairs = url::form_urlencoded::parse(&self.body);
            let fields: Map<_, _> = pairs.map(|(name, value)| (name.into_owned(), value.into_owned().into())).collect();
            return Some(Fields::new(fields));
        }
        match serde_json::from_slice(&self.body).ok()? {
            Value::Object(fields) => Some(Fields::new(fields)),
            _ => None,
        }
    }

    /// With the status and how long to wait.
    pub(crate) fn with_details(&self, mut error: TokenError) -> TokenError {
        error.details.status = Some(self.status);
        error.details.retry_after = self.retry_after;
        error
    }

    /// A time of the endpoint's by our own clock, which said `now` when it was asked: the two may differ by hours.
    pub(crate) fn by_our_clock(&self, theirs: SystemTime, now: SystemTime) -> SystemTime {
        let Some(date) = self.date else { return theirs };
        match theirs.duration_since(date) {
            Ok(ahead) => now.checked_add(ahead).unwrap_or(theirs),
            Err(_) => now,
        }
    }

    fn failed(&self) -> TokenError {
        let message = match self.status {
            429 => "the token endpoint has too much to do".into(),
            status => format!("the token endpoint failed (status {status})"),
        };
        TokenError::new(TokenErrorKind::Server, message)
    }

    /// What is no answer of such an endpoint. Its body is not told: nobody knows what is in it.
    pub(crate) fn not_understood(&self) -> TokenError {
        let what = match (self.status, self.content_type.as_deref().unwrap_or_default()) {
            (300..400, _) => "redirects to another address",
            (_, kind) if kind.starts_with("text/html") => "answers with a page in place of tokens",
            _ => "answers with something that is not JSON",
        };
        let message = format!("the token endpoint {what} (status {})", self.status);
        self.with_details(TokenError::new(TokenErrorKind::Protocol, message))
    }
}

/// The tokens in an answer that grants some.
///
/// `before` are those that were refreshed: what the answer is silent of stays as it was, above all the refresh token.
///
/// # Errors
/// `Protocol`: there is no access token in it.
pub(crate) fn tokens(
    fields: &Fields,
    issuer: &Issuer,
    before: Option<&Tokens>,
    now: SystemTime,
) -> Result<Tokens, TokenError> {
    let access = fields.secret("access_token")?;
    let refresh = fields.text("refresh_token").map(SecretString::from);
    let account = issuer.account.as_deref().zip(fields.text("id_token"));
    let account = account.and_then(|(pointer, token)| account_in(token, pointer));
    let scopes = fields.words("scope").or_else(|| before.map(|before| before.scopes.clone()));
    Ok(Tokens {
        access,
        refresh: refresh.or_else(|| before.and_then(|before| before.refresh.clone())),
        // Nobody gives a token that is over: who says so has no end in mind.
        expires_at: fields
            .seconds("expires_in")
            .filter(|seconds| !seconds.is_zero())
            .and_then(|seconds| now.checked_add(seconds)),
        refresh_at: None,
        scopes: scopes.unwrap_or_else(|| issuer.scopes.clone()),
        account: account.or_else(|| before.and_then(|before| before.account.clone())),
        base: before.and_then(|before| before.base.clone()).or_else(|| issuer.base.clone()),
    })
}

/// The account that an id token names. Its signature is not looked at: the token came over TLS from the issuer itself,
/// which is as good a proof of who wrote it, and nothing is decided by it here.
fn account_in(id_token: &str, pointer: &str) -> Option<String> {
    let claims: Value = insecure_decode_claims(id_token).ok()?;
    claims.pointer(pointer)?.as_str().filter(|account| !account.is_empty()).map(str::to_owned)
}

/// The secrets of some that may be there.
pub(crate) fn exposed<'a>(secrets: impl IntoIterator<Item = Option<&'a SecretString>>) -> Vec<&'a str> {
    secrets.into_iter().flatten().map(|secret| secret.expose_secret()).collect()
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
