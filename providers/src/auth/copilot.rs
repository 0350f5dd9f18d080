//! GitHub Copilot's own tokens, which are had for a GitHub token and don't live long.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::future::BoxFuture;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use super::{
    TokenClient, TokenError, TokenErrorKind, TokenSource, Tokens, answer::Answer, fields::Fields, refusal::Grant,
};
use crate::transport::is_loopback;

/// How long before the time that the answer names new tokens are asked for.
const EARLY: Duration = Duration::from_secs(60);

/// The exchange of a GitHub token for Copilot's.
#[derive(Debug, Clone)]
pub struct CopilotExchange {
    url: Url,
    headers: HeaderMap,
    /// A GitHub token that was given outright; `None` if it is a login's.
    github: Option<SecretString>,
    client: TokenClient,
}

impl CopilotExchange {
    /// The exchange at `url` (see [`copilot_exchange_url`](super::copilot_exchange_url)), which is sent these headers, for
    /// the GitHub tokens of logins; see [`adopt`](Self::adopt).
    ///
    /// # Errors
    /// `Config`: a header that can't be one.
    pub fn new(
        url: Url,
        headers: &BTreeMap<String, String>,
        client: impl Into<TokenClient>,
    ) -> Result<Self, TokenError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let header = name.parse::<HeaderName>().ok().zip(HeaderValue::from_str(value).ok());
            let (name, value) = header.ok_or_else(|| {
                TokenError::new(TokenErrorKind::Config, format!("the header \"{}\" can't be sent", name.escape_debug()))
            })?;
            map.insert(name, value);
        }
        Ok(Self { url, headers: map, github: None, client: client.into() })
    }

    /// The same for a GitHub token that is there without a login.
    #[must_use]
    pub fn with_token(self, github: SecretString) -> Self {
        Self { github: Some(github), ..self }
    }

    /// What a login at GitHub gave, as tokens of this source: the GitHub token becomes what new ones are asked for with,
    /// and there is no valid one yet.
    pub fn adopt(login: Tokens, now: SystemTime) -> Tokens {
        Tokens { refresh: Some(login.access.clone()), expires_at: Some(now), refresh_at: Some(now), ..login }
    }

    async fn ask(&self, current: Option<&Tokens>, now: SystemTime) -> Result<Tokens, TokenError> {
        let github = self.github.as_ref().or_else(|| current.and_then(|tokens| tokens.refresh.as_ref()));
        let Some(github) = github else {
            return Err(TokenError::new(TokenErrorKind::Revoked, "there is no login at GitHub").with_hint("log in"));
        };
        let secret = github.expose_secret();
        let mut authorization = HeaderValue::from_str(&format!("token {secret}")).map_err(|_| {
            TokenError::new(TokenErrorKind::Config, "the GitHub token has characters that can't be sent")
                .with_hint("check that the token was copied whole and without line ends")
        })?;
        authorization.set_sensitive(true);
        let answer = self.client.send(&self.url, |client, url| {
            client.get(url).headers(self.headers.clone()).header("authorization", authorization)
        });
        let answer = answer.await?;
        let fields = answer.fields(Grant::Client, &[secret]).map_err(|error| {
            let error = explain(error, &answer);
            match (error.kind, &self.github) {
                // Nobody has logged in who could do so again.
                (TokenErrorKind::Revoked, Some(_)) => {
                    error.with_hint("give a GitHub token that is still good, of an account that has Copilot")
                }
                _ => error,
            }
        })?;
        // A login's GitHub token is kept with the rest; one that was given outright is kept where it came from.
        let refresh = self.github.is_none().then(|| github.clone());
        read(&fields, &answer, refresh, now).map_err(|error| answer.with_details(error))
    }
}

fn read(
    fields: &Fields,
    answer: &Answer,
    refresh: Option<SecretString>,
    now: SystemTime,
) -> Result<Tokens, TokenError> {
    let access = fields.secret("token")?;
    let base = match fields.get("endpoints").and_then(|endpoints| endpoints.get("api")) {
        None | Some(Value::Null) => None,
        Some(api) => Some(base(api)?),
    };
    let expires_at = fields.unix("expires_at").and_then(|since| UNIX_EPOCH.checked_add(since));
    let refresh_at = fields.seconds("refresh_in").and_then(|after| {
        // Of what is good for less than twice that, half.
        now.checked_add(if after > EARLY * 2 { after - EARLY } else { after / 2 })
    });
    Ok(Tokens {
        refresh,
        expires_at: expires_at.map(|time| answer.by_our_clock(time, now)),
        refresh_at,
        base,
        ..Tokens::of(access)
    })
}

/// The token will be sent there.
fn base(api: &Value) -> Result<Url, TokenError> {
    let url = api.as_str().and_then(|api| api.parse::<Url>().ok());
    url.filter(|url| url.scheme() == "https" || is_loopback(url)).ok_or_else(|| {
        let message = "the answer can't be used: endpoints.api is no address that is safe to send a token to";
        TokenError::new(TokenErrorKind::Protocol, message)
    })
}

/// GitHub says no by the status, with words in `message`.
fn explain(error: TokenError, answer: &Answer) -> TokenError {
    if error.kind != TokenErrorKind::Client {
        return error;
    }
    let (kind, message, hint) = match answer.status {
        401 => (TokenErrorKind::Revoked, "GitHub does not accept the login any more", None),
        403 if answer.retry_after.is_some() => (TokenErrorKind::Server, "GitHub asks to wait", None),
        403 => {
            let hint = "check that the account has Copilot, and that its organization allows it";
            (TokenErrorKind::Denied, "GitHub gives this account no access to Copilot", Some(hint))
        }
        404 => {
            let hint = "use the GitHub token without the exchange, or another client id";
            (TokenErrorKind::Client, "GitHub gives tokens of this client no access to Copilot", Some(hint))
        }
        _ => return error,
    };
    let mut explained = TokenError::new(kind, message);
    if let Some(hint) = hint {
        explained = explained.with_hint(hint);
    }
    explained.details.code = error.details.code;
    answer.with_details(explained)
}

impl TokenSource for CopilotExchange {
    fn needs_login(&self) -> bool {
        self.github.is_none()
    }

    fn refresh<'a>(
        &'a self,
        current: Option<&'a Tokens>,
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Tokens, TokenError>> {
        Box::pin(self.ask(current, now))
    }
}
