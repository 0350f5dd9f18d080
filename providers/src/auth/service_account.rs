//! Google's service accounts: a key that signs for a token, without a login.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    Issuer, TokenClient, TokenError, TokenErrorKind, TokenSource, Tokens, answer::tokens, fields::Fields, key_file,
    presets::GOOGLE_TOKEN_URL, refusal::Grant,
};

/// How long a statement is good, the longest that is allowed.
const LIFETIME: Duration = Duration::from_secs(3600);
/// Clocks that differ by less are not why a statement is refused.
const SKEW: i64 = 60;

/// A service account. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct ServiceAccount {
    /// Whose token endpoint is asked, and for what; the client's id is the account's address.
    issuer: Issuer,
    key: EncodingKey,
    key_id: Option<String>,
    client: TokenClient,
}

/// What is signed.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

/// An attempt that failed, and the endpoint's clock then.
struct Failed {
    error: TokenError,
    date: Option<SystemTime>,
}

impl ServiceAccount {
    /// The account in this file's text, as Google's console gives it.
    ///
    /// # Errors
    /// `Config`: it is not such a file, or its key can't be read.
    pub fn from_json(json: &[u8], scopes: Vec<String>, client: impl Into<TokenClient>) -> Result<Self, TokenError> {
        Self::from_fields(&key_file::parse(json)?, scopes, client.into())
    }

    pub(crate) fn from_fields(fields: &Fields, scopes: Vec<String>, client: TokenClient) -> Result<Self, TokenError> {
        if fields.text("type") != Some("service_account") {
            return Err(key_file::bad("it is not a service account's"));
        }
        let email = key_file::field(fields, "client_email")?;
        let token_url = key_file::address(fields, "token_uri", GOOGLE_TOKEN_URL)?;
        let key = EncodingKey::from_rsa_pem(key_file::field(fields, "private_key")?.as_bytes())
            .map_err(|error| key_file::bad("private_key is no RSA key").with_source(error))?;
        let key_id = fields.text("private_key_id").map(str::to_owned);
        Ok(Self { issuer: Issuer { scopes, ..Issuer::new(token_url, email) }, key, key_id, client })
    }

    pub(crate) async fn ask(&self, now: SystemTime) -> Result<Tokens, TokenError> {
        let started = Instant::now();
        let failed = match self.attempt(now, now).await {
            Ok(tokens) => return Ok(tokens),
            Err(failed) => failed,
        };
        let ours = now + started.elapsed();
        let Some((theirs, ahead)) = failed.date.map(|theirs| (theirs, seconds_ahead(ours, theirs))) else {
            return Err(failed.error);
        };
        if !is_refusal(&failed.error) || ahead.abs() <= SKEW {
            return Err(failed.error);
        }
        tracing::warn!(ahead, "this machine's clock is wrong; signing with the token endpoint's time");
        match self.attempt(theirs, ours).await {
            Ok(tokens) => Ok(tokens),
            Err(again) if is_refusal(&again.error) => Err(wrong_clock(ahead, again.error)),
            Err(again) => Err(again.error),
        }
    }

    /// Asks once, with a statement of `signed_at`; what comes expires by our own clock, which says `now`.
    async fn attempt(&self, signed_at: SystemTime, now: SystemTime) -> Result<Tokens, Failed> {
        let unanswered = |error| Failed { error, date: None };
        let statement = self.sign(signed_at).map_err(unanswered)?;
        let statement = statement.expose_secret();
        let form = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", statement)];
        let answer = self.client.post_form(&self.issuer.token_url, &form).await.map_err(unanswered)?;
        answer
            .fields(Grant::Assertion, &[statement])
            .and_then(|fields| tokens(&fields, &self.issuer, None, now).map_err(|error| answer.with_details(error)))
            .map_err(|error| Failed { error, date: answer.date })
    }

    fn sign(&self, at: SystemTime) -> Result<SecretString, TokenError> {
        let iat = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let claims = Claims {
            iss: &self.issuer.client_id,
            scope: &self.issuer.scopes.join(" "),
            aud: self.issuer.token_url.as_str(),
            iat: iat.as_secs(),
            exp: (iat + LIFETIME).as_secs(),
        };
        let header = Header { kid: self.key_id.clone(), ..Header::new(Algorithm::RS256) };
        let signed = encode(&header, &claims, &self.key);
        signed.map(Into::into).map_err(|error| key_file::bad("private_key can't sign").with_source(error))
    }
}

/// Whether the endpoint has answered, and has said no.
fn is_refusal(error: &TokenError) -> bool {
    error.details.status.is_some() && !error.is_transient()
}

fn seconds_ahead(ours: SystemTime, theirs: SystemTime) -> i64 {
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    match ours.duration_since(theirs) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => -seconds(behind.duration()),
    }
}

fn wrong_clock(ahead: i64, cause: TokenError) -> TokenError {
    let off = humantime::format_duration(Duration::from_secs(ahead.unsigned_abs()));
    let which = if ahead > 0 { "ahead of" } else { "behind" };
    let message = format!("this machine's clock is {off} {which} the token endpoint's");
    let mut error = TokenError::new(TokenErrorKind::Clock, message);
    error.details.clock_ahead = Some(ahead);
    error.details.status = cause.details.status;
    error.details.code.clone_from(&cause.details.code);
    error.with_source(cause)
}

impl TokenSource for ServiceAccount {
    fn needs_login(&self) -> bool {
        false
    }

    fn refresh<'a>(&'a self, _: Option<&'a Tokens>, now: SystemTime) -> BoxFuture<'a, Result<Tokens, TokenError>> {
        Box::pin(self.ask(now))
    }
}
