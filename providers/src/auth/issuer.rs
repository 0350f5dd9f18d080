//! Who gives tokens, and to whom.

use secrecy::SecretString;
use url::Url;

/// An authorization server and this client of it. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// Where the browser is sent; needed for logins with one.
    pub authorize_url: Option<Url>,
    /// Where tokens are asked for.
    pub token_url: Url,
    /// Where a login by a code on another device begins.
    pub device_url: Option<Url>,
    /// The one address on this machine that the issuer sends the browser back to, where it doesn't allow any port
    /// (`http://localhost:1455/auth/callback`).
    pub redirect: Option<Url>,
    /// The client's id, the user's own.
    pub client_id: String,
    /// The client's secret, where it has one.
    pub client_secret: Option<SecretString>,
    /// Where the secret is put.
    pub secret_place: SecretPlace,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// The API that the tokens are for, where the issuer wants it named.
    pub audience: Option<String>,
    /// More parameters for the browser's address.
    pub extra: Vec<(String, String)>,
    /// What it gives.
    pub form: IssuerForm,
    /// Where in the id token's claims the account is, as a JSON pointer, where calls must name it.
    pub account: Option<String>,
    /// The address that its tokens are good for, where that isn't the provider's.
    pub base: Option<Url>,
}

/// Where a client's secret is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecretPlace {
    /// In the form.
    #[default]
    Body,
    /// In the header `Authorization: Basic`.
    Basic,
}

/// What an issuer gives at the end of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IssuerForm {
    /// Tokens, as OAuth 2.0 has it.
    #[default]
    Tokens,
    /// A key for good, as OpenRouter has it: the browser's address names a `callback_url`, and a JSON body with the code
    /// is answered by `{key}`.
    Key,
}

impl Issuer {
    /// An issuer of which nothing is known but where it gives tokens and to whom.
    pub fn new(token_url: Url, client_id: impl Into<String>) -> Self {
        Self {
            authorize_url: None,
            token_url,
            device_url: None,
            redirect: None,
            client_id: client_id.into(),
            client_secret: None,
            secret_place: SecretPlace::default(),
            scopes: Vec::new(),
            audience: None,
            extra: Vec::new(),
            form: IssuerForm::default(),
            account: None,
            base: None,
        }
    }
}
