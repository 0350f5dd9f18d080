//! The issuers that are known by name. The client is always the user's own: none of any other product is here.

use secrecy::SecretString;
use url::Url;

use super::{Issuer, IssuerForm, TokenError, TokenErrorKind};
use crate::openai::CHATGPT_BASE;

/// The scope of Gemini's API.
const GENERATIVE_LANGUAGE: &str = "https://www.googleapis.com/auth/generative-language";
/// The scope of all of Google's cloud.
pub const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Where Google gives tokens.
pub(crate) const GOOGLE_TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
/// GitHub itself, in contrast to an Enterprise's domain.
const GITHUB: &str = "github.com";

/// An issuer that is known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Google, for Gemini's API.
    Google,
    /// Google, for Vertex AI.
    GoogleCloud,
    /// GitHub, for Copilot.
    Copilot,
    /// OpenAI, for a ChatGPT subscription.
    ChatGpt,
    /// OpenRouter, which gives a key.
    OpenRouter,
}

/// The user's own client of an issuer.
#[derive(Debug, Clone, Default)]
pub struct PresetClient {
    /// Its id; OpenRouter needs none.
    pub id: String,
    /// Its secret, where it has one: Google's desktop clients do.
    pub secret: Option<SecretString>,
    /// GitHub Enterprise's domain (`corp.ghe.com`), where it isn't github.com.
    pub domain: Option<String>,
}

impl Preset {
    /// The issuer, for this client.
    ///
    /// # Errors
    /// `Config`: the client has no id, or the domain isn't one.
    pub fn issuer(self, client: PresetClient) -> Result<Issuer, TokenError> {
        if client.id.is_empty() && self != Self::OpenRouter {
            let message = "a login needs a client id of one's own, and none is configured";
            return Err(TokenError::new(TokenErrorKind::Config, message)
                .with_hint("register an OAuth client with the provider and set oauth.client_id"));
        }
        let issuer = match self {
            Self::Google => google(GENERATIVE_LANGUAGE, &client.id),
            Self::GoogleCloud => google(CLOUD_PLATFORM, &client.id),
            Self::Copilot => github(&client.id, client.domain.as_deref())?,
            Self::ChatGpt => chatgpt(&client.id),
            Self::OpenRouter => openrouter(&client.id),
        };
        Ok(Issuer { client_secret: client.secret, ..issuer })
    }
}

fn google(scope: &str, client_id: &str) -> Issuer {
    Issuer {
        authorize_url: Some(known("https://accounts.google.com/o/oauth2/v2/auth")),
        scopes: vec![scope.into()],
        // Without both, a second login gives no refresh token.
        extra: pairs(&[("access_type", "offline"), ("prompt", "consent")]),
        ..Issuer::new(known(GOOGLE_TOKEN_URL), client_id)
    }
}

fn github(client_id: &str, domain: Option<&str>) -> Result<Issuer, TokenError> {
    let domain = domain.unwrap_or(GITHUB);
    Ok(Issuer {
        device_url: Some(at_domain("", domain, "login/device/code")?),
        scopes: vec!["read:user".into()],
        ..Issuer::new(at_domain("", domain, "login/oauth/access_token")?, client_id)
    })
}

fn chatgpt(client_id: &str) -> Issuer {
    Issuer {
        authorize_url: Some(known("https://auth.openai.com/oauth/authorize")),
        redirect: Some(known("http://localhost:1455/auth/callback")),
        scopes: ["openid", "profile", "email", "offline_access"].map(Into::into).to_vec(),
        extra: pairs(&[
            ("id_token_add_organizations", "true"),
            ("codex_cli_simplified_flow", "true"),
            ("originator", "greenroom"),
        ]),
        account: Some("/https:~1~1api.openai.com~1auth/chatgpt_account_id".into()),
        base: Some(known(CHATGPT_BASE)),
        ..Issuer::new(known("https://auth.openai.com/oauth/token"), client_id)
    }
}

fn openrouter(client_id: &str) -> Issuer {
    Issuer {
        authorize_url: Some(known("https://openrouter.ai/auth")),
        form: IssuerForm::Key,
        ..Issuer::new(known("https://openrouter.ai/api/v1/auth/keys"), client_id)
    }
}

/// Where Copilot is asked with a GitHub token as it is, at GitHub or at an Enterprise's domain.
///
/// # Errors
/// `Config`: the domain isn't one.
pub fn copilot_base(domain: Option<&str>) -> Result<Url, TokenError> {
    match domain {
        None => Ok(known("https://api.githubcopilot.com")),
        Some(domain) => at_domain("copilot-api.", domain, ""),
    }
}

/// Where a GitHub token is exchanged for one of Copilot's, at GitHub or at an Enterprise's domain.
///
/// # Errors
/// `Config`: the domain isn't one.
pub fn copilot_exchange_url(domain: Option<&str>) -> Result<Url, TokenError> {
    at_domain("api.", domain.unwrap_or(GITHUB), "copilot_internal/v2/token")
}

/// An address at a domain that a person wrote. Whatever isn't just a domain is refused: a token would be sent there.
fn at_domain(before: &str, domain: &str, path: &str) -> Result<Url, TokenError> {
    let host = format!("{before}{domain}");
    let url = format!("https://{host}/{path}").parse::<Url>().ok();
    let is_that = |url: &Url| !domain.is_empty() && url.host_str() == Some(host.to_ascii_lowercase().as_str());
    url.filter(is_that).ok_or_else(|| {
        TokenError::new(TokenErrorKind::Config, format!("\"{}\" is not a domain", domain.escape_debug()))
            .with_hint("give the domain alone, such as corp.ghe.com")
    })
}

fn known(url: &str) -> Url {
    url.parse().expect("an address that is written here is one")
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(domain: Option<&str>) -> PresetClient {
        PresetClient { id: "own-client".into(), secret: None, domain: domain.map(Into::into) }
    }

    #[test]
    fn every_preset_has_addresses_over_tls_and_the_users_own_client() {
        for preset in [Preset::Google, Preset::GoogleCloud, Preset::Copilot, Preset::ChatGpt, Preset::OpenRouter] {
            let secret = Some("sentinel-secret".into());
            let issuer = preset.issuer(PresetClient { secret, ..client(None) }).unwrap();
            assert_eq!(issuer.client_id, "own-client");
            let all = [Some(&issuer.token_url), issuer.authorize_url.as_ref(), issuer.device_url.as_ref()];
            assert!(all.iter().flatten().all(|url| url.scheme() == "https"), "{preset:?}");
            assert!(issuer.authorize_url.is_some() || issuer.device_url.is_some(), "{preset:?} has a way to log in");
            assert!(!format!("{issuer:?}").contains("sentinel"));
        }
    }

    #[test]
    fn a_preset_without_a_client_says_what_to_do() {
        let error = Preset::Google.issuer(PresetClient::default()).unwrap_err();
        assert_eq!(error.kind, TokenErrorKind::Config);
        assert!(error.hint().contains("oauth.client_id"), "{}", error.hint());
        assert!(Preset::OpenRouter.issuer(PresetClient::default()).is_ok(), "there are no clients");
    }

    #[test]
    fn an_enterprise_has_the_same_paths_on_its_domain() {
        let issuer = Preset::Copilot.issuer(client(Some("corp.ghe.com"))).unwrap();
        assert_eq!(issuer.device_url.unwrap().as_str(), "https://corp.ghe.com/login/device/code");
        assert_eq!(issuer.token_url.as_str(), "https://corp.ghe.com/login/oauth/access_token");
        assert_eq!(copilot_base(Some("corp.ghe.com")).unwrap().as_str(), "https://copilot-api.corp.ghe.com/");
        let exchange = copilot_exchange_url(Some("corp.ghe.com")).unwrap();
        assert_eq!(exchange.as_str(), "https://api.corp.ghe.com/copilot_internal/v2/token");
        let exchange = copilot_exchange_url(None).unwrap();
        assert_eq!(exchange.as_str(), "https://api.github.com/copilot_internal/v2/token");
    }

    #[test]
    fn what_is_more_than_a_domain_is_refused() {
        for domain in ["", "https://corp.ghe.com", "corp.ghe.com/path", "user@corp.ghe.com", "a b", "x?y", "x#y", "x:8"]
        {
            for url in [copilot_base(Some(domain)), copilot_exchange_url(Some(domain))] {
                assert_eq!(url.map_err(|error| error.kind), Err(TokenErrorKind::Config), "{domain}");
            }
            assert!(Preset::Copilot.issuer(client(Some(domain))).is_err(), "{domain}");
        }
    }
}
