//! New tokens for a login.

use std::time::SystemTime;

use futures::future::BoxFuture;
use secrecy::ExposeSecret as _;

use super::{
    Issuer, IssuerForm, TokenClient, TokenError, TokenErrorKind, TokenSource, Tokens, client::AskTokens, refusal::Grant,
};

/// Refreshes the tokens of a login.
#[derive(Debug, Clone)]
pub struct OAuthSource {
    issuer: Issuer,
    client: TokenClient,
}

impl OAuthSource {
    /// The logins of this issuer.
    pub fn new(issuer: Issuer, client: impl Into<TokenClient>) -> Self {
        Self { issuer, client: client.into() }
    }

    async fn ask(&self, current: Option<&Tokens>, now: SystemTime) -> Result<Tokens, TokenError> {
        if self.issuer.form == IssuerForm::Key {
            return Err(TokenError::new(TokenErrorKind::Config, "this issuer gives keys, which are not refreshed"));
        }
        let Some(before) = current else {
            return Err(TokenError::new(TokenErrorKind::Revoked, "there is no login").with_hint("log in"));
        };
        let Some(refresh) = &before.refresh else {
            let message = "the login is over, and the provider gave nothing to renew it with";
            return Err(TokenError::new(TokenErrorKind::Revoked, message));
        };
        let refresh = refresh.expose_secret();
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        let secrets = &[refresh, before.access.expose_secret()];
        let (issuer, before) = (&self.issuer, Some(before));
        let ask = AskTokens { issuer, grant: Grant::Refresh, form: &form, secrets, before, now };
        self.client.ask_tokens(ask).await
    }
}

impl TokenSource for OAuthSource {
    fn needs_login(&self) -> bool {
        true
    }

    fn refresh<'a>(
        &'a self,
        current: Option<&'a Tokens>,
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Tokens, TokenError>> {
        Box::pin(self.ask(current, now))
    }
}
