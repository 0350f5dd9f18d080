//! Google's application default credentials: whatever a machine has that speaks for it.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use futures::future::BoxFuture;
use reqwest::header;
use secrecy::{ExposeSecret as _, zeroize::Zeroizing};
use serde_json::{Value, json};
use url::Url;

use super::{
    Issuer, ServiceAccount, TokenClient, TokenError, TokenErrorKind, TokenSource, Tokens,
    answer::tokens,
    client::AskTokens,
    fields::Fields,
    key_file,
    presets::{CLOUD_PLATFORM, GOOGLE_TOKEN_URL},
    refusal::Grant,
};

/// Below the metadata server's address.
const METADATA_PATH: &str = "computeMetadata/v1/instance/service-accounts/default/token";
/// The metadata server is near, and elsewhere than at Google often nothing answers at all.
const METADATA_LIMIT: Duration = Duration::from_secs(5);
/// What to do where nothing is found.
const HINT: &str = "log in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS";

/// Where to look, in this order.
#[derive(Debug, Clone, Default)]
pub struct DefaultPlaces {
    /// The file that `GOOGLE_APPLICATION_CREDENTIALS` names. If there is one, nothing else is looked at.
    pub file: Option<PathBuf>,
    /// Where `gcloud` keeps its own, which need not be there.
    pub well_known: Option<PathBuf>,
    /// The metadata server (`http://metadata.google.internal`).
    pub metadata: Option<Url>,
}

/// Application default credentials. What they are is found anew for each token, so that a changed file is heeded.
#[derive(Debug, Clone)]
pub struct ApplicationDefault {
    places: DefaultPlaces,
    scopes: Vec<String>,
    client: TokenClient,
}

impl ApplicationDefault {
    /// Those in these places.
    pub fn new(places: DefaultPlaces, scopes: Vec<String>, client: impl Into<TokenClient>) -> Self {
        Self { places, scopes, client: client.into() }
    }

    async fn ask(&self, now: SystemTime) -> Result<Tokens, TokenError> {
        if let Some(fields) = self.file().await? {
            let tokens = match fields.text("type") {
                Some("impersonated_service_account") => self.ask_impersonated(&fields, now).await,
                _ => self.ask_own(&fields, &self.scopes, now).await,
            }?;
            // A person is of no project, so that Google wants the one named whose quota it is.
            let account = fields.text("quota_project_id").map(str::to_owned);
            return Ok(Tokens { account, ..tokens });
        }
        match &self.places.metadata {
            Some(metadata) => self.ask_metadata(metadata, now).await.map_err(|error| match error.kind {
                TokenErrorKind::Network => error.with_hint(HINT),
                _ => error,
            }),
            None => {
                Err(TokenError::new(TokenErrorKind::Config, "there are no credentials of Google's").with_hint(HINT))
            }
        }
    }

    async fn file(&self) -> Result<Option<Fields>, TokenError> {
        let (path, is_named) = match (&self.places.file, &self.places.well_known) {
            (Some(path), _) => (path.clone(), true),
            (None, Some(path)) => (path.clone(), false),
            (None, None) => return Ok(None),
        };
        let shown = path.display().to_string();
        let read = tokio::task::spawn_blocking(move || read(&path)).await;
        match read.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(json) => key_file::parse(&json).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_named => Ok(None),
            Err(error) => {
                let message = format!("the file with the credentials can't be read: {shown}");
                Err(TokenError::new(TokenErrorKind::Config, message).with_hint(HINT).with_source(error))
            }
        }
    }

    /// What a file speaks for itself with.
    async fn ask_own(&self, fields: &Fields, scopes: &[String], now: SystemTime) -> Result<Tokens, TokenError> {
        match fields.text("type") {
            Some("service_account") => {
                ServiceAccount::from_fields(fields, scopes.to_vec(), self.client.clone())?.ask(now).await
            }
            Some("authorized_user") => self.ask_user(fields, scopes, now).await,
            // Its words are the file's, of which nothing is told that isn't known to be harmless.
            Some("external_account" | "external_account_authorized_user" | "gdch_service_account") => {
                Err(key_file::bad("credentials of another cloud's identity are not supported"))
            }
            _ => Err(key_file::bad("its type is not known")),
        }
    }

    async fn ask_user(&self, fields: &Fields, scopes: &[String], now: SystemTime) -> Result<Tokens, TokenError> {
        let issuer = Issuer {
            client_secret: Some(key_file::secret(fields, "client_secret")?),
            scopes: scopes.to_vec(),
            ..Issuer::new(
                key_file::address(fields, "token_uri", GOOGLE_TOKEN_URL)?,
                key_file::field(fields, "client_id")?,
            )
        };
        let refresh = key_file::secret(fields, "refresh_token")?;
        let refresh = refresh.expose_secret();
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        let (grant, secrets) = (Grant::Refresh, &[refresh]);
        let ask = AskTokens { issuer: &issuer, grant, form: &form, secrets, before: None, now };
        match self.client.ask_tokens(ask).await {
            // The file is where the refresh token is kept.
            Ok(tokens) => Ok(Tokens { refresh: None, ..tokens }),
            Err(error) if error.kind == TokenErrorKind::Revoked => {
                Err(error.with_hint("log in again with `gcloud auth application-default login`"))
            }
            Err(error) => Err(error),
        }
    }

    async fn ask_impersonated(&self, fields: &Fields, now: SystemTime) -> Result<Tokens, TokenError> {
        let url = key_file::field(fields, "service_account_impersonation_url")?;
        let url: Url = url.parse().map_err(|_| key_file::bad("service_account_impersonation_url is not an address"))?;
        let Some(Value::Object(source)) = fields.get("source_credentials") else {
            return Err(key_file::bad("source_credentials is missing"));
        };
        let source = self.ask_own(&Fields::new(source.clone()), &[CLOUD_PLATFORM.to_owned()], now).await?;
        let delegates = fields.get("delegates").filter(|delegates| delegates.is_array()).cloned().unwrap_or(json!([]));
        let body = json!({"scope": self.scopes, "lifetime": "3600s", "delegates": delegates}).to_string();
        let bearer = source.access.expose_secret();
        let answer = self.client.send(&url, |client, url| {
            client.post(url).bearer_auth(bearer).header(header::CONTENT_TYPE, "application/json").body(body)
        });
        let answer = answer.await?;
        let fields = answer.fields(Grant::Client, &[bearer])?;
        let access = fields.secret("accessToken").map_err(|error| answer.with_details(error))?;
        let expires_at = fields.text("expireTime").and_then(|time| humantime::parse_rfc3339(time).ok());
        let expires_at = expires_at.map(|time| answer.by_our_clock(time, now));
        Ok(Tokens { expires_at, scopes: self.scopes.clone(), ..Tokens::of(access) })
    }

    async fn ask_metadata(&self, metadata: &Url, now: SystemTime) -> Result<Tokens, TokenError> {
        let mut url = metadata.clone();
        url.path_segments_mut()
            .map_err(|()| TokenError::new(TokenErrorKind::Config, "the metadata server's address can't have a path"))?
            .pop_if_empty()
            .extend(METADATA_PATH.split('/'));
        if !self.scopes.is_empty() {
            url.query_pairs_mut().append_pair("scopes", &self.scopes.join(","));
        }
        let client = self.client.clone().with_limit(METADATA_LIMIT.min(self.client.limit()));
        // There is no TLS at that address: it is this machine's own, and nothing secret is sent.
        let answer = client.send_near(&url, |client, url| client.get(url).header("metadata-flavor", "Google")).await?;
        if answer.flavor.as_deref() != Some("Google") {
            let message = "what answers at the metadata server's address is not one";
            return Err(answer.with_details(TokenError::new(TokenErrorKind::Protocol, message).with_hint(HINT)));
        }
        let issuer = Issuer { scopes: self.scopes.clone(), ..Issuer::new(url, "") };
        let fields = answer.fields(Grant::Client, &[])?;
        tokens(&fields, &issuer, None, now).map_err(|error| answer.with_details(error))
    }
}

fn read(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut json = Zeroizing::new(Vec::with_capacity(usize::try_from(key_file::MOST_BYTES).unwrap_or_default()));
    std::fs::File::open(path)?.take(key_file::MOST_BYTES).read_to_end(&mut json)?;
    Ok(json)
}

impl TokenSource for ApplicationDefault {
    fn needs_login(&self) -> bool {
        false
    }

    fn refresh<'a>(&'a self, _: Option<&'a Tokens>, now: SystemTime) -> BoxFuture<'a, Result<Tokens, TokenError>> {
        Box::pin(self.ask(now))
    }
}
