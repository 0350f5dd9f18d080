//! Microsoft Entra ID, for Azure OpenAI: an application's own id and secret.

use std::time::SystemTime;

use futures::future::BoxFuture;
use secrecy::SecretString;
use url::Url;

use super::{Issuer, TokenClient, TokenError, TokenErrorKind, TokenSource, Tokens, client::AskTokens, refusal::Grant};

/// Where it is, but for national clouds.
pub const ENTRA_AUTHORITY: &str = "https://login.microsoftonline.com";
/// What Azure OpenAI wants.
pub const AZURE_SCOPE: &str = "https://cognitiveservices.azure.com/.default";

/// An application of a tenant.
#[derive(Debug, Clone)]
pub struct EntraClient {
    issuer: Issuer,
    client: TokenClient,
}

/// What an application is made of.
#[derive(Debug, Clone)]
pub struct EntraArgs {
    /// Where Entra ID is; [`ENTRA_AUTHORITY`] but for national clouds.
    pub authority: Url,
    /// The tenant's id or domain.
    pub tenant: String,
    /// The application's id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// What is asked for, such as [`AZURE_SCOPE`].
    pub scope: String,
}

impl EntraClient {
    /// An application.
    ///
    /// # Errors
    /// `Config`: the tenant is neither an id nor a domain, or the authority can't have a path.
    pub fn new(args: EntraArgs, client: impl Into<TokenClient>) -> Result<Self, TokenError> {
        let EntraArgs { authority: mut token_url, tenant, client_id, client_secret, scope } = args;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
        if !tenant.chars().any(|c| c.is_ascii_alphanumeric()) || !tenant.chars().all(is_plain) {
            let message = format!("\"{}\" is not a tenant", tenant.escape_debug());
            return Err(
                TokenError::new(TokenErrorKind::Config, message).with_hint("give the tenant's id or its domain")
            );
        }
        token_url
            .path_segments_mut()
            .map_err(|()| TokenError::new(TokenErrorKind::Config, "the authority's address can't have a path"))?
            .pop_if_empty()
            .extend([&*tenant, "oauth2", "v2.0", "token"]);
        let client_secret = Some(client_secret);
        let issuer = Issuer { client_secret, scopes: vec![scope], ..Issuer::new(token_url, client_id) };
        Ok(Self { issuer, client: client.into() })
    }

    async fn ask(&self, now: SystemTime) -> Result<Tokens, TokenError> {
        let scope = self.issuer.scopes.join(" ");
        let form = [("grant_type", "client_credentials"), ("scope", scope.as_str())];
        let ask =
            AskTokens { issuer: &self.issuer, grant: Grant::Client, form: &form, secrets: &[], before: None, now };
        self.client.ask_tokens(ask).await
    }
}

impl TokenSource for EntraClient {
    fn needs_login(&self) -> bool {
        false
    }

    fn refresh<'a>(&'a self, _: Option<&'a Tokens>, now: SystemTime) -> BoxFuture<'a, Result<Tokens, TokenError>> {
        Box::pin(self.ask(now))
    }
}
