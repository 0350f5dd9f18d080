//! Logins: a person's way through a provider's pages, in a browser that comes back to this machine or by a code that is
//! typed in anywhere.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use greenroom_actors::{Login, LoginArgs, Way};
use greenroom_config::{OAuthFlow, Provider as Written};
use greenroom_providers::auth::{
    Authorization, DeviceProgress, Granted, Issuer, Loopback, TokenClient, TokenSource, Tokens, log_in_by_device,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};
use url::Url;

use super::{
    CredentialInfo, Credentials, CredentialsError,
    added::{KeptSecret, Own},
    check_profile, source,
};

/// How long a login waits for the end of another of its profile: whoever left may not be noticed yet.
const PATIENCE: Duration = Duration::from_secs(2);

/// A login to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewLogin {
    /// The provider.
    pub provider: String,
    /// The profile that it is to let in.
    pub profile: String,
    /// How, where it is not to be as the configuration says.
    pub flow: Option<OAuthFlow>,
    /// The client in place of the one that the configuration says.
    pub client_id: Option<String>,
}

/// How far a login has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginStep {
    /// The person is to open this address, in a browser that can reach this machine; or to give what it ends with.
    Browser {
        /// The address.
        url: Url,
        /// Where the browser comes back to.
        redirect: Url,
    },
    /// The person is to type in a code.
    Device {
        /// The code.
        user_code: String,
        /// Where.
        verification_uri: Url,
        /// The same with the code in it, if there is such an address.
        verification_uri_complete: Option<Url>,
        /// Until when.
        expires: SystemTime,
    },
    /// The person has not done it yet.
    Waiting,
    /// The provider gave no answer, and is asked again.
    Retrying {
        /// Why.
        reason: String,
    },
}

impl LoginStep {
    /// As it is told to whoever reads a line of JSON for each step.
    pub fn told(&self) -> Value {
        match self {
            LoginStep::Browser { url, redirect } => {
                json!({"type": "browser", "url": url.as_str(), "redirect_uri": redirect.as_str()})
            }
            LoginStep::Device { user_code, verification_uri, verification_uri_complete, expires } => {
                let expires_in = expires.duration_since(SystemTime::now()).unwrap_or_default().as_secs();
                let mut told = json!({
                    "type": "device_flow",
                    "user_code": user_code,
                    "verification_uri": verification_uri.as_str(),
                    "expires_in": expires_in,
                });
                if let Some(complete) = verification_uri_complete {
                    told["verification_uri_complete"] = complete.as_str().into();
                }
                told
            }
            LoginStep::Waiting => json!({"type": "waiting"}),
            LoginStep::Retrying { reason } => json!({"type": "retrying", "reason": reason}),
        }
    }
}

/// Logins that are under way, with how what a person pastes gets there.
#[derive(Debug, Default)]
pub(super) struct Flows {
    under_way: Mutex<HashMap<Own, Option<Pasting>>>,
    ended: Notify,
}

#[derive(Debug, Clone)]
struct Pasting {
    authorization: Arc<Authorization>,
    tell: mpsc::Sender<SecretString>,
}

impl Flows {
    fn lock(&self) -> MutexGuard<'_, HashMap<Own, Option<Pasting>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn begin<'a>(&'a self, own: &'a Own) -> Result<Flow<'a>, CredentialsError> {
        let begun = async {
            loop {
                // Before the look, so that what ends in between is not missed.
                let ended = self.ended.notified();
                tokio::pin!(ended);
                ended.as_mut().enable();
                if let Entry::Vacant(vacant) = self.lock().entry(own.clone()) {
                    vacant.insert(None);
                    return Flow { flows: self, own };
                }
                ended.await;
            }
        };
        tokio::time::timeout(PATIENCE, begun).await.map_err(|_| CredentialsError::Flow {
            what: "another login of this profile is under way",
            hint: "finish or end that one, or name another profile",
        })
    }
}

/// A login that is under way, until this is dropped.
struct Flow<'a> {
    flows: &'a Flows,
    own: &'a Own,
}

impl Flow<'_> {
    fn takes(&self, pasting: Pasting) {
        self.flows.lock().insert(self.own.clone(), Some(pasting));
    }
}

impl Drop for Flow<'_> {
    fn drop(&mut self) {
        self.flows.lock().remove(self.own);
        self.flows.ended.notify_waiters();
    }
}

impl Credentials {
    /// Has a person log in, and tells `progress` how far that has come. The login is kept when this returns, in the place
    /// of one before it, and what runs goes by it. Dropping the future ends the login, but for one that was granted: that
    /// is kept to its end.
    ///
    /// # Errors
    /// Why there is no login.
    pub async fn login(
        &self,
        new: NewLogin,
        progress: &mut (dyn FnMut(LoginStep) + Send),
    ) -> Result<CredentialInfo, CredentialsError> {
        let NewLogin { provider, profile, flow, client_id } = new;
        check_profile(&profile)?;
        let written = self.provider(&provider, &profile)?;
        let own = (provider, profile);
        // Before anybody has logged in for nothing.
        self.0.secrets.place()?;
        let under_way = self.0.flows.begin(&own).await?;
        let environment = self.looked_up(&written).await;
        let issuer = source::issuer(&written, client_id.as_deref(), &environment);
        let issuer = issuer.ok_or_else(|| CredentialsError::NoLogin { provider: own.0.clone() })?;
        let issuer = issuer.map_err(CredentialsError::Login)?;
        let transport = self.transport(&written);
        let source = source::source(&written, issuer.clone(), &environment, Arc::clone(&transport));
        let source = source.map_err(CredentialsError::Login)?;
        let client = TokenClient::new(transport);
        let granted = match flow.unwrap_or_else(|| usual(&written)) {
            OAuthFlow::Pkce => by_browser(&issuer, &client, &under_way, progress).await?,
            OAuthFlow::Device => by_device(&issuer, &client, progress).await?,
        };
        let (credentials, kept) = (self.clone(), own.clone());
        // On a task of its own: whoever leaves now is not to leave half of it behind.
        let keeping = tokio::spawn(async move {
            match granted {
                Granted::Key(key) => credentials.keep_key(kept, key).await,
                Granted::Tokens(tokens) => credentials.keep_login(&written, kept, client_id, source, tokens).await,
            }
        });
        keeping.await.expect("keeping a login does not panic, and nobody ends it")?;
        Ok(self.info_of(&own).await)
    }

    async fn keep_key(&self, own: Own, key: SecretString) -> Result<(), CredentialsError> {
        let _one_at_a_time = self.0.changing.lock().await;
        self.put_key(&own, key).await
    }

    async fn keep_login(
        &self,
        written: &Written,
        own: Own,
        client_id: Option<String>,
        source: Arc<dyn TokenSource>,
        tokens: Tokens,
    ) -> Result<(), CredentialsError> {
        let adopted = source::adopted(written, &*source, tokens, SystemTime::now()).await;
        let tokens = adopted.map_err(CredentialsError::Login)?;
        let _one_at_a_time = self.0.changing.lock().await;
        let vault = Some(self.0.secrets.vault().await?);
        let args = LoginArgs { provider: own.0.as_str().into(), profile: own.1.as_str().into(), source, vault };
        let login = Login::begin(args, tokens, SystemTime::now()).await.map_err(CredentialsError::NotKept)?;
        self.put(own, KeptSecret::Login { client_id }, Way::Login(login)).await
    }

    /// Takes what a person pasted for a login that is under way: the address that the browser came to, or the code.
    ///
    /// # Errors
    /// There is no such login, or this is not of it; the login goes on.
    pub async fn paste(&self, provider: &str, profile: &str, pasted: &SecretString) -> Result<(), CredentialsError> {
        use secrecy::ExposeSecret as _;

        let own = (provider.to_owned(), profile.to_owned());
        let found = self.0.flows.lock().get(&own).cloned().flatten();
        let none = CredentialsError::Flow {
            what: "no login of this profile waits for a browser",
            hint: "begin one with `greenroom auth login`",
        };
        let Some(Pasting { authorization, tell }) = found else { return Err(none) };
        let code = authorization.read_redirect(pasted.expose_secret()).map_err(CredentialsError::Login)?;
        tell.send(code).await.map_err(|_| none)
    }
}

/// As the configuration says.
fn usual(written: &Written) -> OAuthFlow {
    written.oauth.as_ref().map_or(OAuthFlow::Pkce, |oauth| oauth.flow)
}

async fn by_browser(
    issuer: &Issuer,
    client: &TokenClient,
    under_way: &Flow<'_>,
    progress: &mut (dyn FnMut(LoginStep) + Send),
) -> Result<Granted, CredentialsError> {
    let loopback = Loopback::bind(issuer.redirect.as_ref()).await.map_err(CredentialsError::Login)?;
    let authorization = Authorization::begin(issuer, loopback.redirect()).map_err(CredentialsError::Login)?;
    let authorization = Arc::new(authorization);
    let (tell, mut pasted) = mpsc::channel(1);
    under_way.takes(Pasting { authorization: Arc::clone(&authorization), tell });
    progress(LoginStep::Browser { url: authorization.url.clone(), redirect: loopback.redirect().clone() });
    let code = tokio::select! {
        code = loopback.wait(&authorization) => code.map_err(CredentialsError::Login)?,
        Some(code) = pasted.recv() => code,
    };
    authorization.exchange(client, &code, SystemTime::now()).await.map_err(CredentialsError::Login)
}

async fn by_device(
    issuer: &Issuer,
    client: &TokenClient,
    progress: &mut (dyn FnMut(LoginStep) + Send),
) -> Result<Granted, CredentialsError> {
    let mut tell = |step: DeviceProgress<'_>| {
        progress(match step {
            DeviceProgress::Code(code) => LoginStep::Device {
                user_code: code.user_code.clone(),
                verification_uri: code.verification_uri.clone(),
                verification_uri_complete: code.verification_uri_complete.clone(),
                expires: code.expires_at,
            },
            DeviceProgress::Waiting => LoginStep::Waiting,
            DeviceProgress::Retrying(error) => LoginStep::Retrying { reason: error.to_string() },
        });
    };
    log_in_by_device(issuer, client, &mut tell).await.map(Granted::Tokens).map_err(CredentialsError::Login)
}
