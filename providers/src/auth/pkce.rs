//! A login in the browser: an authorization code, bound to who began the login (PKCE, S256).

use std::{borrow::Cow, fmt, time::SystemTime};

use oauth2::{AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, RedirectUrl, Scope, basic::BasicClient};
use reqwest::header;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use url::Url;

use super::{
    Issuer, IssuerForm, TokenClient, TokenError, TokenErrorKind, Tokens, client::AskTokens, redirect, refusal::Grant,
};

/// A login that is under way. Its `Debug` shows no secret, and not the address either, which has the state in it.
pub struct Authorization {
    /// Where to send the browser.
    pub url: Url,
    issuer: Issuer,
    redirect: Url,
    state: SecretString,
    verifier: SecretString,
}

/// What a login ends with.
#[derive(Debug, Clone)]
pub enum Granted {
    /// Tokens, to be kept and refreshed.
    Tokens(Tokens),
    /// A key for good.
    Key(SecretString),
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Authorization {
    /// Begins a login that ends at `redirect`, an address on this machine; if the issuer has a fixed one, that.
    ///
    /// # Errors
    /// `Config`: the issuer has no login in the browser.
    pub fn begin(issuer: &Issuer, redirect: &Url) -> Result<Self, TokenError> {
        let authorize = issuer.authorize_url.as_ref().ok_or_else(|| {
            TokenError::new(TokenErrorKind::Config, "this login has no address to send the browser to")
                .with_hint("set oauth.authorize_url, or oauth.flow = \"device\"")
        })?;
        let redirect = issuer.redirect.as_ref().unwrap_or(redirect).clone();
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let state = CsrfToken::new_random_len(32);
        let secret = SecretString::from(state.secret().as_str());
        let url = match issuer.form {
            IssuerForm::Tokens => authorize_url(issuer, authorize, &redirect, challenge, state),
            IssuerForm::Key => key_url(issuer, authorize, &redirect, &challenge, &state),
        };
        Ok(Self { url, issuer: issuer.clone(), redirect, state: secret, verifier: verifier.into_secret().into() })
    }

    /// The code in what came back from the browser: a whole address that a person pasted, its query alone, or
    /// `code#state`.
    ///
    /// # Errors
    /// `State`: it is of another login, or nothing of a login; this one stays as it is. `Denied`, `Server`, `Client`: the
    /// issuer says so, and the login is over.
    pub fn read_redirect(&self, pasted: &str) -> Result<SecretString, TokenError> {
        redirect::read(pasted, self.state.expose_secret())
    }

    /// Gives the code and takes what the login was for.
    ///
    /// # Errors
    /// `Expired`: the code came too late, or a second time. Else what [`TokenSource::refresh`](super::TokenSource::refresh)
    /// fails with.
    pub async fn exchange(
        &self,
        client: &TokenClient,
        code: &SecretString,
        now: SystemTime,
    ) -> Result<Granted, TokenError> {
        let (code, verifier) = (code.expose_secret(), self.verifier.expose_secret());
        match self.issuer.form {
            IssuerForm::Tokens => {
                let form = [
                    ("grant_type", "authorization_code"),
                    ("code", code),
                    ("redirect_uri", self.redirect.as_str()),
                    ("code_verifier", verifier),
                ];
                let (issuer, secrets) = (&self.issuer, &[code, verifier]);
                let ask = AskTokens { issuer, grant: Grant::Code, form: &form, secrets, before: None, now };
                client.ask_tokens(ask).await.map(Granted::Tokens)
            }
            IssuerForm::Key => {
                let body =
                    json!({"code": code, "code_verifier": verifier, "code_challenge_method": "S256"}).to_string();
                let json = header::HeaderValue::from_static("application/json");
                let answer = client.send(&self.issuer.token_url, |client, url| {
                    client.post(url).header(header::CONTENT_TYPE, json).body(body)
                });
                let answer = answer.await?;
                let fields = answer.fields(Grant::Code, &[code, verifier]).map_err(explain_key)?;
                fields.secret("key").map(Granted::Key).map_err(|error| answer.with_details(error))
            }
        }
    }
}

/// Where there are no codes of OAuth, a code that isn't good is told by the status alone.
fn explain_key(mut error: TokenError) -> TokenError {
    if error.kind == TokenErrorKind::Client && error.details.status == Some(403) {
        error.kind = TokenErrorKind::Expired;
        error.message = "the code is not valid any more".into();
    }
    error
}

fn authorize_url(
    issuer: &Issuer,
    authorize: &Url,
    redirect: &Url,
    challenge: PkceCodeChallenge,
    state: CsrfToken,
) -> Url {
    let client = BasicClient::new(ClientId::new(issuer.client_id.clone()));
    let client = client.set_auth_uri(AuthUrl::from_url(authorize.clone()));
    let mut request = client
        .authorize_url(|| state)
        .set_pkce_challenge(challenge)
        .set_redirect_uri(Cow::Owned(RedirectUrl::from_url(redirect.clone())))
        .add_scopes(issuer.scopes.iter().cloned().map(Scope::new));
    for (name, value) in &issuer.extra {
        request = request.add_extra_param(name, value);
    }
    if let Some(audience) = &issuer.audience {
        request = request.add_extra_param("audience", audience);
    }
    request.url().0
}

/// There is no parameter for the state, so that it goes with the address to come back to, whose query is kept.
fn key_url(issuer: &Issuer, authorize: &Url, redirect: &Url, challenge: &PkceCodeChallenge, state: &CsrfToken) -> Url {
    let (mut url, mut callback) = (authorize.clone(), redirect.clone());
    callback.query_pairs_mut().append_pair("state", state.secret());
    url.query_pairs_mut()
        .append_pair("callback_url", callback.as_str())
        .append_pair("code_challenge", challenge.as_str())
        .append_pair("code_challenge_method", "S256")
        .extend_pairs(&issuer.extra);
    url
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::auth::{Preset, PresetClient};

    fn begun(preset: Preset) -> Authorization {
        let client = PresetClient { id: "own-client".into(), secret: Some("client-secret".into()), domain: None };
        let redirect = "http://127.0.0.1:4711/callback".parse().unwrap();
        Authorization::begin(&preset.issuer(client).unwrap(), &redirect).unwrap()
    }

    fn query(url: &Url) -> BTreeMap<String, String> {
        url.query_pairs().into_owned().collect()
    }

    #[test]
    fn the_browser_is_sent_with_all_that_the_issuer_needs() {
        let google = query(&begun(Preset::Google).url);
        assert_eq!((&*google["response_type"], &*google["client_id"]), ("code", "own-client"));
        assert_eq!((&*google["access_type"], &*google["prompt"]), ("offline", "consent"));
        assert_eq!(google["redirect_uri"], "http://127.0.0.1:4711/callback");
        assert_eq!(google["scope"], "https://www.googleapis.com/auth/generative-language");
        assert_eq!((&*google["code_challenge_method"], google["code_challenge"].len()), ("S256", 43));
        let chatgpt = query(&begun(Preset::ChatGpt).url);
        assert_eq!(chatgpt["redirect_uri"], "http://localhost:1455/auth/callback", "the fixed one");
        assert_eq!((&*chatgpt["scope"], &*chatgpt["originator"]), ("openid profile email offline_access", "greenroom"));
    }

    #[test]
    fn an_issuer_of_keys_gets_the_state_back_with_the_address_that_it_is_given() {
        let login = begun(Preset::OpenRouter);
        let query = query(&login.url);
        assert_eq!(query["code_challenge"].len(), 43);
        let mut callback: Url = query["callback_url"].parse().unwrap();
        assert_eq!((callback.port(), callback.path()), (Some(4711), "/callback"));
        callback.query_pairs_mut().append_pair("code", "a-code");
        assert_eq!(login.read_redirect(callback.as_str()).unwrap().expose_secret(), "a-code");
    }

    #[test]
    fn each_login_has_a_state_and_a_verifier_of_its_own() {
        let (one, two) = (query(&begun(Preset::Google).url), query(&begun(Preset::Google).url));
        assert!(one["state"] != two["state"] && one["state"].len() >= 43);
        assert_ne!(one["code_challenge"], two["code_challenge"]);
    }

    #[test]
    fn the_challenge_is_the_digest_of_the_verifier_which_is_not_in_the_address() {
        let login = begun(Preset::Google);
        let verifier = oauth2::PkceCodeVerifier::new(login.verifier.expose_secret().to_owned());
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        assert_eq!(query(&login.url)["code_challenge"], challenge.as_str());
        let shown = format!("{} {login:?}", login.url);
        assert!(!shown.contains(login.verifier.expose_secret()) && !shown.contains("client-secret"));
        assert!(!format!("{login:?}").contains(login.state.expose_secret()));
    }

    #[test]
    fn an_issuer_without_a_login_in_the_browser_says_so() {
        let issuer = Preset::Copilot.issuer(PresetClient { id: "x".into(), ..PresetClient::default() }).unwrap();
        let error = Authorization::begin(&issuer, &"http://127.0.0.1:1/".parse().unwrap()).unwrap_err();
        assert_eq!(error.kind, TokenErrorKind::Config);
    }
}
