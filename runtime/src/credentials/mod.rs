//! What lets in to providers: keys and logins that were added beside the configuration, where their secrets are, and how
//! both come into what runs.
//!
//! A credential is kept before anything uses it, and what is kept of it in the store tells no secret ([`added`]). Keys are in
//! the system's keyring or sealed in the store ([`secrets`]); the tokens of logins are the provider's actor's to keep.

mod added;
mod error;
mod info;
mod key_file;
mod keyring;
mod login;
mod lookup;
mod sealing_key;
mod secrets;
pub(crate) mod source;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use greenroom_actors::{
    Login, LoginArgs, ProfileArgs, System, Way,
    store::{Batch, Store, StoreError},
};
use greenroom_config::{Environment, Identity, Profile, ProfileKey, Provider as Written, Settings};
use greenroom_providers::{Credential, Provider, auth::TokenSource as _};
use greenroom_wire::ErrorKind;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::watch;

use self::{
    added::{ADDED, Kept, KeptSecret, Own, joined, kind_by_name},
    login::Flows,
    secrets::Secrets,
};
pub use self::{
    error::CredentialsError,
    info::{CredentialInfo, CredentialKind, CredentialState},
    key_file::FileError,
    keyring::{Keyring, KeyringError, KeyringErrorKind},
    login::{LoginStep, NewLogin},
    lookup::look_up,
    sealing_key::{KeyArgs, KeyPlace, SealingKey, SealingKeyError, has_sealing_key, sealing_key},
};
use crate::{
    ChatError, StartError,
    assemble::{self, AddedWays, Transports},
    lists::ListStore,
    store,
};

/// A provider that does not list its models in this time, or in that which it may be silent, says nothing about a key.
const VERIFY_WAIT: Duration = Duration::from_secs(15);
/// No key is longer, in bytes.
const LONGEST_KEY: usize = 16 << 10;

/// What lets in to providers. Clones are the same.
#[derive(Debug, Clone)]
pub struct Credentials(Arc<Inner>);

struct Inner {
    /// The settings without what was added, and with it.
    written: Settings,
    settings: RwLock<Arc<Settings>>,
    /// Told once the settings are others.
    changed: watch::Sender<()>,
    environment: Environment,
    secrets: Secrets,
    known: RwLock<BTreeMap<Own, Kept>>,
    /// Held by who changes something, so that store, settings and what runs change in the same order.
    changing: tokio::sync::Mutex<()>,
    transports: Mutex<Transports>,
    lists: Option<ListStore>,
    flows: Flows,
    /// What is told of changes, once it runs.
    running: OnceLock<System>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// What became of a key that was added.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Added {
    /// The credential.
    #[serde(flatten)]
    pub credential: CredentialInfo,
    /// Whether its provider took it.
    pub verified: bool,
    /// Why that isn't known, where it was asked and did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unverified: Option<String>,
}

impl Credentials {
    /// Those that a store has, beside these settings.
    pub(crate) async fn load(
        settings: Settings,
        environment: Environment,
        place: Option<(&Path, Store)>,
        lists: Option<ListStore>,
    ) -> Result<Self, StoreError> {
        let kept = match &place {
            Some((_, store)) => store.scan(&ADDED).await?,
            None => Vec::new(),
        };
        let known: BTreeMap<Own, Kept> = kept.into_iter().collect();
        let place = place.map(|(dir, store)| (dir.to_owned(), store));
        let secrets = Secrets::new(&settings, environment.clone(), place);
        let effective = RwLock::new(Arc::new(joined(&settings, known.keys())));
        Ok(Self(Arc::new(Inner {
            written: settings,
            settings: effective,
            changed: watch::Sender::new(()),
            environment,
            secrets,
            known: RwLock::new(known),
            changing: tokio::sync::Mutex::new(()),
            transports: Mutex::default(),
            lists,
            flows: Flows::default(),
            running: OnceLock::new(),
        })))
    }

    /// Those of a data directory that no runtime has open, beside these settings; its store is made if there is none.
    /// [`close`](Self::close) it when it is done with.
    ///
    /// # Errors
    /// The store can't be opened, made, or read.
    pub async fn at_rest(data_dir: &Path, settings: Settings, environment: Environment) -> Result<Self, StartError> {
        let store = store::open_or_make(data_dir, settings.store.durability).await?;
        match Self::load(settings, environment, Some((data_dir, store.clone())), None).await {
            Ok(credentials) => Ok(credentials),
            Err(fault) => {
                // Its own error would hide the one that is told.
                let _closed = store.close().await;
                Err(StartError::Credentials(fault))
            }
        }
    }

    /// The same where looking is to make nothing: where there is no store, nothing was added.
    ///
    /// # Errors
    /// The store can't be opened or read.
    pub async fn as_it_is(data_dir: &Path, settings: Settings, environment: Environment) -> Result<Self, StartError> {
        if store::has_store(data_dir) {
            return Self::at_rest(data_dir, settings, environment).await;
        }
        Self::load(settings, environment, None, None).await.map_err(StartError::Credentials)
    }

    /// Closes the store that [`at_rest`](Self::at_rest) opened.
    ///
    /// # Errors
    /// What was changed is not kept.
    pub async fn close(self) -> Result<(), StartError> {
        match self.0.secrets.place() {
            Ok((_, store)) => store.close().await.map_err(StartError::NotKept),
            Err(_) => Ok(()),
        }
    }

    /// The settings with what was added.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.0.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What tells that the settings are others.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    /// The environment that references are looked up in.
    pub(crate) fn environment(&self) -> &Environment {
        &self.0.environment
    }

    /// What changes from now on is told to what runs.
    pub(crate) fn attach(&self, system: System) {
        let _once = self.0.running.set(system);
    }

    /// What lets in each profile that is said to be added, and why there is nothing for the others.
    pub(crate) async fn ways(&self) -> AddedWays {
        let settings = self.settings();
        let mut ways = AddedWays::new();
        for provider in &settings.providers {
            for profile in &provider.profiles {
                let own = (provider.name.clone(), profile.id.clone());
                if let ProfileKey::Identity(identity) = &profile.key {
                    let way = self.identity(provider, &own, identity).await;
                    ways.insert(own, way);
                    continue;
                }
                if profile.key != ProfileKey::Added {
                    continue;
                }
                let kept = self.known().get(&own).cloned();
                if let Some(kept) = kept {
                    let way = self.way(provider, &own, &kept).await;
                    ways.insert(own, way);
                }
            }
        }
        ways
    }

    /// What lets in a profile in whose name tokens are asked for. They are kept in memory alone: new ones are there for the
    /// asking.
    async fn identity(&self, provider: &Written, own: &Own, identity: &Identity) -> Result<Way, CredentialsError> {
        let environment = self.looked_up(provider).await;
        let source = source::of_identity(provider, identity, &environment, self.transport(provider));
        let source = source.map_err(CredentialsError::Login)?;
        let args = LoginArgs { provider: own.0.as_str().into(), profile: own.1.as_str().into(), source, vault: None };
        Login::load(args).await.map(Way::Login).map_err(CredentialsError::NotKept)
    }

    async fn way(&self, provider: &Written, own: &Own, kept: &Kept) -> Result<Way, CredentialsError> {
        if let KeptSecret::Login { client_id } = &kept.secret {
            let args = self.login_args(provider, own, client_id.as_deref()).await?;
            return Login::load(args).await.map(Way::Login).map_err(CredentialsError::NotKept);
        }
        let key = self.0.secrets.key(own, &kept.secret).await?;
        self.by_key(provider, &own.1, key).await
    }

    /// What lets a profile in by its key.
    async fn by_key(
        &self,
        provider: &Written,
        profile: &str,
        key: Option<SecretString>,
    ) -> Result<Way, CredentialsError> {
        let environment = self.looked_up(provider).await;
        source::by_key(provider, profile, key, &environment, self.transport(provider)).map_err(CredentialsError::Login)
    }

    async fn login_args(
        &self,
        provider: &Written,
        own: &Own,
        client_id: Option<&str>,
    ) -> Result<LoginArgs, CredentialsError> {
        let environment = self.looked_up(provider).await;
        let issuer = source::issuer(provider, client_id, &environment);
        let issuer = issuer.ok_or_else(|| CredentialsError::NoLogin { provider: own.0.clone() })?;
        let issuer = issuer.map_err(CredentialsError::Login)?;
        let source = source::source(provider, issuer, &environment, self.transport(provider));
        let source = source.map_err(CredentialsError::Login)?;
        let vault = Some(self.0.secrets.vault().await?);
        Ok(LoginArgs { provider: own.0.as_str().into(), profile: own.1.as_str().into(), source, vault })
    }

    /// The environment with what the references of a provider lead to.
    async fn looked_up(&self, provider: &Written) -> Environment {
        let client = provider.oauth.as_ref().and_then(|oauth| oauth.client_secret.as_ref());
        look_up(provider.references().chain(client), self.0.environment.clone()).await
    }

    fn transport(&self, provider: &Written) -> Arc<greenroom_providers::transport::Transport> {
        lock(&self.0.transports).get(provider.timeouts.connect)
    }

    /// Adds a key, or puts it in the place of one that was added. It is kept when this returns, and what runs goes by it.
    /// With `verify` its provider is asked first whether it lets in: only if that clearly refuses the key, nothing is added.
    ///
    /// # Errors
    /// Why it is not added.
    pub async fn add(
        &self,
        provider: &str,
        profile: &str,
        key: SecretString,
        verify: bool,
    ) -> Result<Added, CredentialsError> {
        check_profile(profile)?;
        let key = checked(&key)?;
        let written = self.provider(provider, profile)?;
        if written.kind == greenroom_config::Kind::Demo {
            return Err(CredentialsError::WantsNone { name: provider.to_owned() });
        }
        self.0.secrets.place()?;
        let unverified = if verify { self.verify(&written, &key).await? } else { None };
        let own = (provider.to_owned(), profile.to_owned());
        let _one_at_a_time = self.0.changing.lock().await;
        self.put_key(&own, key).await?;
        let credential = self.info_of(&own).await;
        Ok(Added { credential, verified: verify && unverified.is_none(), unverified })
    }

    /// Why the provider does not say whether it takes a key; nothing if it does.
    async fn verify(&self, written: &Written, key: &SecretString) -> Result<Option<String>, CredentialsError> {
        let provider = self.build(written).await?;
        let credential = match self.exchanged(written, key).await? {
            Ok(credential) => credential,
            Err(unverified) => return Ok(Some(unverified)),
        };
        let wait = VERIFY_WAIT.min(written.timeouts.idle);
        match tokio::time::timeout(wait, provider.health(&credential)).await {
            Ok(Ok(_)) => Ok(None),
            Ok(Err(error)) if is_clear(&error) => {
                Err(CredentialsError::Refused { provider: written.name.clone(), source: Box::new(error) })
            }
            Ok(Err(error)) => Ok(Some(error.to_string())),
            Err(_) => Ok(Some(format!("{} did not answer in time", written.name))),
        }
    }

    /// What requests are sent with, where a key is exchanged first; or why that isn't to be had just now.
    async fn exchanged(
        &self,
        written: &Written,
        key: &SecretString,
    ) -> Result<Result<Credential, String>, CredentialsError> {
        let environment = self.looked_up(written).await;
        let exchange = source::exchange_of_key(written, key, &environment, self.transport(written));
        let Some(exchange) = exchange else { return Ok(Ok(Credential::Key(key.clone()))) };
        match exchange.map_err(CredentialsError::Login)?.refresh(None, SystemTime::now()).await {
            Ok(tokens) => Ok(Ok(Credential::Token(tokens.access_token()))),
            Err(error) if error.is_transient() => Ok(Err(error.to_string())),
            Err(error) => {
                let source = Box::new(error.into_chat());
                Err(CredentialsError::Refused { provider: written.name.clone(), source })
            }
        }
    }

    async fn build(&self, written: &Written) -> Result<Arc<dyn Provider>, CredentialsError> {
        let environment = self.looked_up(written).await;
        let built = assemble::provider(written, &environment, &mut lock(&self.0.transports));
        built.map_err(|source| CredentialsError::Provider { provider: written.name.clone(), source: Box::new(source) })
    }

    /// Keeps a key, and has what runs go by it. Where it can't be kept, what was there before stays.
    async fn put_key(&self, own: &Own, key: SecretString) -> Result<(), CredentialsError> {
        let written = self.provider(&own.0, &own.1)?;
        let way = self.by_key(&written, &own.1, Some(key.clone())).await?;
        let (secret, before) = self.0.secrets.keep(own, &key).await?;
        let put = self.put(own.clone(), secret, way).await;
        if let Err(CredentialsError::NotKept(_)) = &put {
            self.0.secrets.put_back(own, before).await;
        }
        put
    }

    /// Keeps a credential, and has what runs go by it.
    async fn put(&self, own: Own, secret: KeptSecret, way: Way) -> Result<(), CredentialsError> {
        let (_, store) = self.0.secrets.place()?;
        let kept = Kept { secret, added: whole_seconds(SystemTime::now()) };
        let mut batch = Batch::default();
        batch.put(&ADDED, &own, &kept).map_err(CredentialsError::NotKept)?;
        if !matches!(kept.secret, KeptSecret::Login { .. }) {
            // The tokens of a login that it replaces are nobody's any more.
            Login::forget_in(&mut batch, &own.0, &own.1);
        }
        store.commit(batch).await.map_err(CredentialsError::NotKept)?;
        let replaced = self.known().get(&own).cloned();
        if let Some(replaced) = replaced.filter(|replaced| replaced.secret == KeptSecret::Keyring)
            && kept.secret != KeptSecret::Keyring
            && let Err(error) = self.0.secrets.forget(&own, &replaced.secret).await
        {
            tracing::warn!("an entry that nothing uses stays in the keyring, {}/{}: {error}", own.0, own.1);
        }
        self.0.known.write().unwrap_or_else(PoisonError::into_inner).insert(own.clone(), kept);
        self.rejoin(&own.0, Some((&own.1, way))).await
    }

    /// Removes what was added. What is answered by it now may go on to its end.
    ///
    /// # Errors
    /// Nothing of that name was added, or it is still there.
    pub async fn remove(&self, provider: &str, profile: &str) -> Result<(), CredentialsError> {
        let own = (provider.to_owned(), profile.to_owned());
        let _one_at_a_time = self.0.changing.lock().await;
        let Some(kept) = self.known().get(&own).cloned() else { return Err(self.not_added(own)) };
        let (_, store) = self.0.secrets.place()?;
        // First: one that can't be removed now could not be named later.
        let before = self.0.secrets.forget(&own, &kept.secret).await?;
        let mut batch = Batch::default();
        batch.remove(&ADDED, &own);
        Login::forget_in(&mut batch, provider, profile);
        if let Err(fault) = store.commit(batch).await {
            self.0.secrets.put_back(&own, before).await;
            return Err(CredentialsError::NotKept(fault));
        }
        self.0.known.write().unwrap_or_else(PoisonError::into_inner).remove(&own);
        self.rejoin(provider, None).await
    }

    fn not_added(&self, (provider, profile): Own) -> CredentialsError {
        let written = self.0.written.provider(&provider);
        let written = written.and_then(|written| written.profiles.iter().find(|written| written.id == profile));
        match written {
            Some(written) if written.key.is_written() => CredentialsError::Written { profile },
            _ => CredentialsError::NotFound { provider, profile },
        }
    }

    /// Makes the settings anew, and has the provider that runs have the profiles that they say.
    async fn rejoin(&self, provider: &str, come: Option<(&str, Way)>) -> Result<(), CredentialsError> {
        let new = Arc::new(joined(&self.0.written, self.known().keys()));
        let old = {
            let mut settings = self.0.settings.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *settings, Arc::clone(&new))
        };
        self.0.changed.send_replace(());
        let Some(system) = self.0.running.get() else { return Ok(()) };
        let profiles = |settings: &Settings| -> Vec<Profile> {
            settings.provider(provider).map(|written| written.profiles.clone()).unwrap_or_default()
        };
        let (before, after) = (profiles(&old), profiles(&new));
        let keyless = |profile: &&Profile| profile.key == ProfileKey::None && !before.contains(profile);
        let back = after.iter().filter(keyless).map(|profile| (profile, keyless_way()));
        let come = come.and_then(|(id, way)| Some((after.iter().find(|profile| profile.id == id)?, way)));
        for (profile, way) in back.chain(come) {
            let args = assemble::profile(profile, way);
            if !system.set_profile(provider, args.clone()).await.map_err(CredentialsError::Down)? {
                self.start(system, &new, provider, args).await?;
            }
        }
        // Behind those that come in their place, so that nobody finds the provider without any.
        for gone in before.iter().filter(|old| !after.iter().any(|new| new.id == old.id)) {
            system.remove_profile(provider, &gone.id).await.map_err(CredentialsError::Down)?;
        }
        Ok(())
    }

    /// Starts a provider that could not be used before, or was not there.
    async fn start(
        &self,
        system: &System,
        settings: &Settings,
        name: &str,
        profile: ProfileArgs,
    ) -> Result<(), CredentialsError> {
        let Some(written) = settings.provider(name) else { return Ok(()) };
        let provider = self.build(written).await?;
        let spec = assemble::spec(written, provider, vec![profile], self.0.lists.as_ref());
        let shelf = assemble::shelf(written, &spec);
        // Where it would be after a restart, and before what only stood in for having none.
        let mut names = settings.providers.iter().map(|provider| provider.name.as_str());
        let _until_it = names.find(|other| *other == name);
        let stood_in = self.0.written.providers.iter().map(|provider| provider.name.as_str());
        let stood_in = stood_in.filter(|other| settings.provider(other).is_none());
        let before = names.chain(stood_in).map(Arc::from).collect();
        let started = system.add_provider(spec, shelf, before).await;
        started.map_err(|_| CredentialsError::Down(greenroom_actors::Unavailable::Down))
    }

    /// The provider of this name, whose profile is not the configuration's.
    fn provider(&self, name: &str, profile: &str) -> Result<Written, CredentialsError> {
        let settings = self.settings();
        let written = match settings.provider(name) {
            Some(written) => written.clone(),
            None => match kind_by_name(name) {
                Some(kind) => {
                    let timeouts = settings.timeouts.clone();
                    Written { profiles: Vec::new(), timeouts, ..Written::new(name, kind) }
                }
                None => {
                    let known = settings.providers.iter().map(|provider| provider.name.clone());
                    let mut known: Vec<String> = known.chain(added::names()).collect();
                    known.sort_unstable();
                    known.dedup();
                    return Err(CredentialsError::UnknownProvider { name: name.to_owned(), known });
                }
            },
        };
        match written.profiles.iter().find(|written| written.id == profile) {
            Some(own) if own.key.is_written() => Err(CredentialsError::Written { profile: profile.to_owned() }),
            _ => Ok(written),
        }
    }

    fn known(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<Own, Kept>> {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keyless_way() -> Way {
    Way::Fixed(Arc::new(Credential::None))
}

fn lock(transports: &Mutex<Transports>) -> MutexGuard<'_, Transports> {
    transports.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a provider clearly refuses a key, whatever else may be wrong.
fn is_clear(error: &ChatError) -> bool {
    let status = error.details.status;
    matches!(error.kind, ErrorKind::Auth | ErrorKind::AuthPermanent | ErrorKind::Permission)
        && (status == Some(401) || status == Some(403))
}

/// The rule of ids in the configuration, and a bound.
fn check_profile(id: &str) -> Result<(), CredentialsError> {
    let fits = (1..=64).contains(&id.chars().count());
    let plain = |char: char| !char.is_whitespace() && !char.is_control() && char != '/';
    if fits && id.chars().all(plain) { Ok(()) } else { Err(CredentialsError::BadProfile) }
}

/// The key without white space around it, if it can be one.
fn checked(key: &SecretString) -> Result<SecretString, CredentialsError> {
    let text = key.expose_secret().trim();
    let good = !text.is_empty() && text.len() <= LONGEST_KEY && !text.chars().any(char::is_control);
    if good { Ok(text.into()) } else { Err(CredentialsError::BadKey) }
}

/// As it is shown, so that it is the same after it was kept.
fn whole_seconds(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}
