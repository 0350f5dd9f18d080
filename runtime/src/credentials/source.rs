//! From what was written of a provider's logins to whoever gives its tokens.

use std::{sync::Arc, time::SystemTime};

use greenroom_actors::{Login, LoginArgs, Way};
use greenroom_config::{
    CredentialError, Entra, Environment, GoogleCredentials, Identity, OAuth, OAuthPreset, Provider, gcloud_credentials,
};
use greenroom_providers::{
    Credential,
    auth::{
        AZURE_SCOPE, ApplicationDefault, CLOUD_PLATFORM, CopilotExchange, DefaultPlaces, ENTRA_AUTHORITY, EntraArgs,
        EntraClient, Issuer, OAuthSource, Preset, PresetClient, TokenClient, TokenError, TokenErrorKind, TokenSource,
        Tokens, copilot_exchange_url,
    },
    copilot::OWN_HEADERS,
    transport::Transport,
};
use secrecy::SecretString;
use url::Url;

use crate::assemble;

/// The issuer of a provider's logins, if it has any; with this client in place of the one that was written.
pub(super) fn issuer(
    written: &Provider,
    client_id: Option<&str>,
    environment: &Environment,
) -> Option<Result<Issuer, TokenError>> {
    let oauth = written.oauth.as_ref()?;
    Some(made(written, oauth, client_id, environment))
}

fn made(
    written: &Provider,
    oauth: &OAuth,
    client_id: Option<&str>,
    environment: &Environment,
) -> Result<Issuer, TokenError> {
    let unresolved = |error: CredentialError| {
        let hint = error.hint();
        TokenError::new(TokenErrorKind::Config, error.to_string()).with_source(error).with_hint(hint)
    };
    let id = client_id.or(oauth.client_id.as_deref()).unwrap_or_default().to_owned();
    let secret = written.client_secret(environment).map_err(unresolved)?;
    let mut issuer = match (oauth.preset, &oauth.token_url) {
        (Some(preset), _) => {
            let client = PresetClient { id, secret, domain: oauth.domain.clone() };
            known(preset).issuer(client)?
        }
        (None, Some(token_url)) => Issuer { client_secret: secret, ..Issuer::new(token_url.clone(), id) },
        (None, None) => {
            let error = TokenError::new(TokenErrorKind::Config, "nothing says where tokens are had");
            return Err(error.with_hint("set oauth.token_url"));
        }
    };
    // What was written goes before what a preset knows.
    if let Some(url) = &oauth.token_url {
        issuer.token_url = url.clone();
    }
    let over = |known: &mut Option<Url>, written: &Option<Url>| {
        if written.is_some() {
            known.clone_from(written);
        }
    };
    over(&mut issuer.authorize_url, &oauth.authorize_url);
    over(&mut issuer.device_url, &oauth.device_url);
    over(&mut issuer.redirect, &oauth.redirect_url);
    if !oauth.scopes.is_empty() {
        issuer.scopes.clone_from(&oauth.scopes);
    }
    issuer.audience.clone_from(&oauth.audience);
    // Whoever says where the provider is means its logins as well.
    issuer.base.take_if(|_| written.base_url.is_some());
    Ok(issuer)
}

fn known(preset: OAuthPreset) -> Preset {
    match preset {
        OAuthPreset::Google => Preset::Google,
        OAuthPreset::GoogleCloud => Preset::GoogleCloud,
        OAuthPreset::Copilot => Preset::Copilot,
        OAuthPreset::ChatGpt => Preset::ChatGpt,
        OAuthPreset::OpenRouter => Preset::OpenRouter,
    }
}

/// Where Google's machines ask who they are, unless a variable says another place.
const METADATA: &str = "metadata.google.internal";

/// What gives the tokens of an identity.
pub(super) fn of_identity(
    written: &Provider,
    identity: &Identity,
    environment: &Environment,
    transport: Arc<Transport>,
) -> Result<Arc<dyn TokenSource>, TokenError> {
    let client = TokenClient::new(transport);
    match identity {
        Identity::GoogleCredentials(credentials) => {
            let places = google_places(credentials, environment)?;
            Ok(Arc::new(ApplicationDefault::new(places, vec![CLOUD_PLATFORM.to_owned()], client)))
        }
        Identity::Entra(entra) => Ok(Arc::new(EntraClient::new(application(written, entra, environment)?, client)?)),
    }
}

fn google_places(credentials: &GoogleCredentials, environment: &Environment) -> Result<DefaultPlaces, TokenError> {
    let file = credentials.named_file(environment);
    if matches!(credentials, GoogleCredentials::File(_)) {
        return Ok(DefaultPlaces { file, ..DefaultPlaces::default() });
    }
    let host = environment.text("GCE_METADATA_HOST").unwrap_or(METADATA);
    let metadata = format!("http://{host}").parse().map_err(|_| {
        TokenError::new(TokenErrorKind::Config, "GCE_METADATA_HOST is not the name of a host")
            .with_hint("take it out, or set it to a host with its port")
    })?;
    Ok(DefaultPlaces { file, well_known: gcloud_credentials(environment), metadata: Some(metadata) })
}

fn application(written: &Provider, entra: &Entra, environment: &Environment) -> Result<EntraArgs, TokenError> {
    let secret = entra.client_secret.resolve(environment).map_err(|error| {
        let message = format!("no secret for the application of \"entra\" of the provider \"{}\"", written.name);
        TokenError::new(TokenErrorKind::Config, message).with_source(error).with_hint("run `greenroom config check`")
    })?;
    let usual = || ENTRA_AUTHORITY.parse().expect("the usual authority is an address");
    Ok(EntraArgs {
        authority: entra.authority.clone().unwrap_or_else(usual),
        tenant: entra.tenant.clone(),
        client_id: entra.client_id.clone(),
        client_secret: secret,
        scope: entra.scope.clone().unwrap_or_else(|| AZURE_SCOPE.to_owned()),
    })
}

/// What refreshes the logins of a provider's issuer.
pub(super) fn source(
    written: &Provider,
    issuer: Issuer,
    environment: &Environment,
    transport: Arc<Transport>,
) -> Result<Arc<dyn TokenSource>, TokenError> {
    let client = TokenClient::new(transport);
    let Some(oauth) = exchanging(written) else { return Ok(Arc::new(OAuthSource::new(issuer, client))) };
    Ok(Arc::new(exchange(written, oauth.exchange_url.as_ref(), oauth.domain.as_deref(), environment, client)?))
}

fn exchange(
    written: &Provider,
    url: Option<&Url>,
    domain: Option<&str>,
    environment: &Environment,
    client: TokenClient,
) -> Result<CopilotExchange, TokenError> {
    let url = match url {
        Some(url) => url.clone(),
        None => copilot_exchange_url(domain)?,
    };
    // Whoever is asked for answers is told the same of who asks.
    let mut headers = assemble::headers(written, environment).map_err(|error| {
        let hint = error.details.hint.clone().unwrap_or_default();
        TokenError::new(TokenErrorKind::Config, error.message.clone()).with_source(error).with_hint(hint)
    })?;
    for (name, value) in OWN_HEADERS {
        if !headers.keys().any(|own| own.eq_ignore_ascii_case(name)) {
            headers.insert(name.to_owned(), value.to_owned());
        }
    }
    CopilotExchange::new(url, &headers, client)
}

/// What exchanges a GitHub token that was given outright, where the provider's tokens are exchanged.
pub(crate) fn exchange_of_key(
    written: &Provider,
    key: &SecretString,
    environment: &Environment,
    transport: Arc<Transport>,
) -> Option<Result<CopilotExchange, TokenError>> {
    let of = &written.copilot;
    let (url, domain) = (of.exchange_url.as_ref(), of.domain.as_deref());
    let made = || exchange(written, url, domain, environment, TokenClient::new(transport));
    of.exchange.then(|| made().map(|exchange| exchange.with_token(key.clone())))
}

/// What lets a profile in by its key: the key, or the tokens that it is exchanged for.
///
/// # Errors
/// It can't be exchanged as the provider is configured.
pub(crate) fn by_key(
    written: &Provider,
    profile: &str,
    key: Option<SecretString>,
    environment: &Environment,
    transport: Arc<Transport>,
) -> Result<Way, TokenError> {
    let Some(key) = key else { return Ok(Way::Fixed(Arc::new(Credential::None))) };
    let Some(exchange) = exchange_of_key(written, &key, environment, transport) else {
        return Ok(Way::Fixed(Arc::new(Credential::Key(key))));
    };
    let source = Arc::new(exchange?);
    let args = LoginArgs { provider: written.name.as_str().into(), profile: profile.into(), source, vault: None };
    Ok(Way::Login(Login::unattended(args)))
}

/// What a login gave, as tokens of the provider's [`source`]. Where that exchanges them it is asked at once, so that an
/// account without access is told of it in the login.
///
/// # Errors
/// The account has no access.
pub(super) async fn adopted(
    written: &Provider,
    source: &dyn TokenSource,
    login: Tokens,
    now: SystemTime,
) -> Result<Tokens, TokenError> {
    if exchanging(written).is_none() {
        return Ok(login);
    }
    let adopted = CopilotExchange::adopt(login, now);
    match source.refresh(Some(&adopted), now).await {
        Ok(tokens) => Ok(tokens),
        // The person has done all that is to be done: the rest is tried again by whoever keeps the login.
        Err(error) if error.is_transient() => Ok(adopted),
        Err(error) => Err(error),
    }
}

/// The logins of a provider whose tokens are exchanged for those that requests are sent with.
fn exchanging(written: &Provider) -> Option<&OAuth> {
    written.oauth.as_ref().filter(|oauth| oauth.preset == Some(OAuthPreset::Copilot) && oauth.exchange)
}
