//! Logins of a provider, as they were written.

use serde::Serialize;
use serde::ser::Serializer;
use url::Url;

use crate::SecretReference;

/// `oauth` of a provider: how a person logs in there. What a preset knows by itself is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OAuth {
    /// Whose endpoints and habits these are; without, `token_url` is there and so is what `flow` needs.
    pub preset: Option<OAuthPreset>,
    /// Where the person is sent.
    #[serde(serialize_with = "serialize_url")]
    pub authorize_url: Option<Url>,
    /// Where tokens are had.
    #[serde(serialize_with = "serialize_url")]
    pub token_url: Option<Url>,
    /// Where a code for another device is had.
    #[serde(serialize_with = "serialize_url")]
    pub device_url: Option<Url>,
    /// The user's own client. Always there but for [`OAuthPreset::OpenRouter`], which knows no clients.
    pub client_id: Option<String>,
    /// Its secret, where it has one.
    pub client_secret: Option<SecretReference>,
    /// What is asked for; the preset's where there are none.
    pub scopes: Vec<String>,
    /// Whom the tokens are for, where the provider wants that said.
    pub audience: Option<String>,
    /// A fixed loopback address that the provider sends the browser back to; `None` is any free port.
    #[serde(serialize_with = "serialize_url")]
    pub redirect_url: Option<Url>,
    /// How a login goes unless the person asks for the other way.
    pub flow: OAuthFlow,
    /// A GitHub Enterprise host, for [`OAuthPreset::Copilot`] alone.
    pub domain: Option<String>,
    /// Whether the token of the login is exchanged for a short-lived one, for [`OAuthPreset::Copilot`] alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exchange: bool,
    /// Where it is exchanged; the preset's, for `domain`, if it is `None`.
    #[serde(serialize_with = "serialize_url")]
    pub exchange_url: Option<Url>,
}

/// A provider whose endpoints are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OAuthPreset {
    /// Google, for the Gemini API.
    Google,
    /// Google, for Vertex AI.
    GoogleCloud,
    /// GitHub, for Copilot.
    Copilot,
    /// OpenAI's login of ChatGPT.
    #[serde(rename = "chatgpt")]
    ChatGpt,
    /// OpenRouter, whose login mints a key.
    #[serde(rename = "openrouter")]
    OpenRouter,
}

impl OAuthPreset {
    /// The words for it.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("google", Self::Google),
        ("google-cloud", Self::GoogleCloud),
        ("copilot", Self::Copilot),
        ("chatgpt", Self::ChatGpt),
        ("openrouter", Self::OpenRouter),
    ];
}

/// How a login goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OAuthFlow {
    /// In a browser that comes back to this machine.
    Pkce,
    /// By a code that is typed in on any device.
    Device,
}

impl OAuthFlow {
    /// The words for it.
    pub const WORDS: [(&'static str, Self); 2] = [("pkce", Self::Pkce), ("device", Self::Device)];
}

fn serialize_url<S: Serializer>(url: &Option<Url>, serializer: S) -> Result<S::Ok, S::Error> {
    url.as_ref().map(Url::as_str).serialize(serializer)
}
