//! The tokens of one profile's login: who has them, when they are new again, and what became of the last try.
//!
//! `provider's actor -> Login::refresh -> a task of its own -> token endpoint -> disk -> ProviderMsg::Refreshed`. At most one
//! refresh is under way, and it outlives the actor that began it: whoever dropped it between the provider's answer and the
//! disk would lose a refresh token that is used up. New tokens are on disk before anybody uses them, and nothing is asked of
//! a token endpoint before the disk has shown that it takes writes.

mod standing;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use greenroom_providers::{
    Credential,
    auth::{TokenError, TokenErrorKind, TokenSource, Tokens},
    retry::Waits,
};
use greenroom_wire::{ChatError, ErrorKind};
use tokio::sync::Notify;

pub use self::standing::Ended;
use self::standing::{LOGINS, LoginRecord, Place, Rest, Standing};
use super::{
    actor::ProviderMsg,
    profiles::{Entry, ProfileId},
};
use crate::{
    handle::Handle,
    store::{Batch, Store, StoreError},
    vault::Vault,
};

/// No source takes longer: each bounds its own waiting, so this is for one that doesn't.
const ENDPOINT_WAIT: Duration = Duration::from_secs(120);
/// How often it is asked in one refresh.
const TRIES: u32 = 3;
/// How long requests do without a login that could not be refreshed: after the first failure, and at most.
const FIRST_REST: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_secs(60);
/// What a login is made of.
#[derive(Debug, Clone)]
pub struct LoginArgs {
    /// The provider that it is for.
    pub provider: Arc<str>,
    /// Its profile.
    pub profile: ProfileId,
    /// Where new tokens come from.
    pub source: Arc<dyn TokenSource>,
    /// Where they are kept; in memory alone if there is none.
    pub vault: Option<Vault>,
}

/// The login of one profile. It outlives the incarnations of its provider's actor, which alone refreshes it.
pub struct Login {
    args: LoginArgs,
    standing: Mutex<Standing>,
    /// Told whenever a refresh is over.
    settled: Notify,
}

/// What a login gives now.
pub(super) enum Ready {
    /// This, which stays what it is.
    Fixed(Arc<Credential>),
    /// This, of this generation of tokens.
    Good(Arc<Credential>, u64),
    /// Something once it is refreshed.
    Stale,
    /// Nothing for now, or before somebody logs in.
    Not,
}

/// How a login is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginStatus {
    /// When its token ends, where that is known.
    pub expires: Option<SystemTime>,
    /// Whether a refresh is under way.
    pub refreshing: bool,
    /// Why it could not be refreshed lately, if it couldn't.
    pub failing: Option<String>,
    /// Why somebody has to log in anew, if somebody has.
    pub ended: Option<Ended>,
}

impl Login {
    /// The login as it is kept; one whose source needs nobody to log in begins by itself.
    ///
    /// # Errors
    /// It can't be read.
    pub async fn load(args: LoginArgs) -> Result<Arc<Self>, StoreError> {
        let record = match &args.vault {
            Some(vault) => vault.store().get(&LOGINS, &args.place()).await?,
            None => None,
        };
        Ok(Self::of_record(args, record))
    }

    /// A login that nobody has to make, since its source needs none; its tokens are in memory alone.
    pub fn unattended(args: LoginArgs) -> Arc<Self> {
        Self::of_record(LoginArgs { vault: None, ..args }, None)
    }

    /// A login that was just made. It is kept when this returns, and takes the place of one before it.
    ///
    /// # Errors
    /// It is not kept.
    pub async fn begin(args: LoginArgs, tokens: Tokens, now: SystemTime) -> Result<Arc<Self>, StoreError> {
        let record = args.vault.as_ref().map(|vault| LoginRecord {
            id: rand::random(),
            tokens: Some(vault.seal(&args.aad(), &tokens.to_bytes())),
            obtained: now,
            expires: tokens.expires_at,
            refreshing: None,
            ended: None,
        });
        if let (Some(vault), Some(record)) = (&args.vault, &record) {
            vault.store().put(&LOGINS, &args.place(), record).await?;
        }
        let login = Self::of_record(args, record);
        login.standing().take(tokens, now);
        Ok(login)
    }

    /// Forgets what is kept of a login, once this is committed. A refresh of it that is under way keeps nothing more.
    pub fn forget_in(batch: &mut Batch, provider: &str, profile: &str) {
        batch.remove(&LOGINS, &(provider.to_owned(), profile.to_owned()));
    }

    /// How a login is, as far as that is kept; `None` if there is none.
    ///
    /// # Errors
    /// It can't be read.
    pub async fn kept(store: &Store, provider: &str, profile: &str) -> Result<Option<LoginStatus>, StoreError> {
        let record = store.get(&LOGINS, &(provider.to_owned(), profile.to_owned())).await?;
        Ok(record.map(|record| LoginStatus {
            expires: record.expires,
            refreshing: false,
            failing: None,
            ended: record.ended,
        }))
    }

    fn of_record(args: LoginArgs, record: Option<LoginRecord>) -> Arc<Self> {
        let mut standing = Standing {
            tokens: None,
            credential: None,
            obtained: record.as_ref().map_or(SystemTime::UNIX_EPOCH, |record| record.obtained),
            generation: 0,
            refreshing: false,
            was_cut: record.as_ref().is_some_and(|record| record.refreshing.is_some()),
            forced: false,
            rest: None,
            failures: 0,
            ended: record.as_ref().and_then(|record| record.ended.clone()),
            record,
        };
        match standing.kept_tokens(&args) {
            Ok(Some(tokens)) => standing.set(tokens),
            Ok(None) if args.source.needs_login() && standing.ended.is_none() => {
                standing.ended = Some(Ended {
                    reason: "nobody has logged in".to_owned(),
                    hint: args.hint(),
                    is_configuration: false,
                });
            }
            Ok(None) => {}
            Err(error) if args.source.needs_login() => {
                let hint = error.hint().to_owned();
                let reason = format!("the tokens that are kept can't be used: {error}");
                standing.ended = Some(Ended { reason, hint, is_configuration: false });
            }
            // New ones are to be had.
            Err(_) => {}
        }
        Arc::new(Self { args, standing: Mutex::new(standing), settled: Notify::new() })
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it gives now.
    pub(super) fn ready(&self, now: SystemTime) -> Ready {
        let standing = self.standing();
        if standing.ended.is_some() {
            return Ready::Not;
        }
        match &standing.credential {
            Some(credential) if !standing.is_over(now) => Ready::Good(Arc::clone(credential), standing.generation),
            _ if standing.rest.as_ref().is_some_and(|rest| rest.until > now) => Ready::Not,
            _ => Ready::Stale,
        }
    }

    /// Where it stands, for the choice among profiles.
    pub(super) fn entry(&self, now: SystemTime) -> Entry {
        let standing = self.standing();
        match (&standing.ended, &standing.rest) {
            (Some(ended), _) => Entry::Shut { kind: ended.kind() },
            (None, Some(rest)) if standing.credential.is_none() || standing.is_over(now) => {
                Entry::Resting { until: rest.until, kind: rest.kind }
            }
            _ => Entry::Open,
        }
    }

    /// When it should be refreshed; `None` if nothing is known of an end, or nothing can be done about it.
    pub(super) fn due(&self) -> Option<SystemTime> {
        let standing = self.standing();
        if standing.ended.is_some() || standing.refreshing {
            return None;
        }
        let rest = standing.rest.as_ref().map(|rest| rest.until);
        // One that nobody used yet is had when somebody does.
        let tokens = standing.tokens.as_ref()?;
        if !self.args.can_refresh(tokens) {
            return None;
        }
        let ahead = tokens.refresh_at.or_else(|| standing.ahead_of_its_end())?;
        Some(ahead.max(rest.unwrap_or(ahead)))
    }

    /// A request with tokens of this generation was refused. Whether it is worth asking again, with new ones.
    pub(super) fn handle_refused(self: &Arc<Self>, generation: u64, tell: &Handle<ProviderMsg>) -> bool {
        let mut standing = self.standing();
        if standing.ended.is_some() {
            return false;
        }
        if generation != standing.generation {
            // There are new ones already.
            return true;
        }
        if standing.refreshing {
            // There will be. Until then what was refused is not used any more.
            standing.credential = None;
            return true;
        }
        let can = standing.tokens.as_ref().is_some_and(|tokens| self.args.can_refresh(tokens));
        if standing.forced || !can {
            return false;
        }
        standing.forced = true;
        // What was refused is not used any more.
        standing.credential = None;
        drop(standing);
        self.refresh(tell);
        true
    }

    /// A request with these tokens was answered.
    pub(super) fn handle_taken(&self, generation: u64) {
        let mut standing = self.standing();
        standing.forced &= generation != standing.generation;
    }

    /// Has it refreshed, unless that is under way.
    pub(super) fn refresh(self: &Arc<Self>, tell: &Handle<ProviderMsg>) {
        if std::mem::replace(&mut self.standing().refreshing, true) {
            return;
        }
        let (login, tell) = (Arc::clone(self), tell.clone());
        // Not in any actor's set of tasks: it has to see the answer kept, whoever dies.
        tokio::spawn(async move {
            let outcome = login.renew().await;
            login.settle(outcome);
            login.settled.notify_waiters();
            tell.cast(ProviderMsg::Refreshed(Arc::clone(&login.args.profile)));
        });
    }

    /// Waits until there is something to come in by, or it is known why not.
    ///
    /// # Errors
    /// Why not.
    pub(super) async fn credential(self: &Arc<Self>, tell: &Handle<ProviderMsg>) -> Result<Arc<Credential>, ChatError> {
        for _ in 0..2 {
            // Before the look, so that what happens in between is not missed.
            let settled = self.settled.notified();
            match self.ready(SystemTime::now()) {
                Ready::Fixed(credential) | Ready::Good(credential, _) => return Ok(credential),
                Ready::Stale => {
                    self.refresh(tell);
                    settled.await;
                }
                Ready::Not => break,
            }
        }
        Err(self.why_not())
    }

    /// Waits until no refresh is under way.
    pub(super) async fn wait(&self) {
        loop {
            let settled = self.settled.notified();
            if !self.standing().refreshing {
                return;
            }
            settled.await;
        }
    }

    fn why_not(&self) -> ChatError {
        let standing = self.standing();
        match (&standing.ended, &standing.rest) {
            (Some(ended), _) => ended.error(&self.args.provider, &self.args.profile),
            (None, Some(rest)) => {
                ChatError::new(rest.kind, format!("the login could not be refreshed: {}", rest.reason))
            }
            (None, None) => ChatError::new(ErrorKind::Network, "the login could not be refreshed"),
        }
    }

    /// How it is.
    pub(super) fn status(&self, now: SystemTime) -> LoginStatus {
        let standing = self.standing();
        LoginStatus {
            expires: standing.tokens.as_ref().and_then(|tokens| tokens.expires_at),
            refreshing: standing.refreshing,
            failing: standing.rest.as_ref().filter(|rest| rest.until > now).map(|rest| rest.reason.clone()),
            ended: standing.ended.clone(),
        }
    }

    async fn renew(&self) -> Result<Renewed, Failed> {
        let tokens = self.standing().tokens.clone();
        self.announce(SystemTime::now()).await?;
        let mut waits = Waits::new();
        let mut tries = 1;
        let new = loop {
            let now = SystemTime::now();
            let asked = self.args.source.refresh(tokens.as_deref(), now);
            let outcome = match tokio::time::timeout(ENDPOINT_WAIT, asked).await {
                Ok(outcome) => outcome,
                Err(_) => Err(TokenError::new(TokenErrorKind::Network, "nothing came of it in time")),
            };
            match outcome {
                Ok(new) => break new,
                Err(error) if error.is_transient() && tries < TRIES => {
                    tracing::warn!(
                        provider = %self.args.provider, profile = %self.args.profile, "a login is not refreshed yet: {error}"
                    );
                    tries += 1;
                    tokio::time::sleep(waits.next_wait()).await;
                }
                Err(error) => return Err(self.conclude(error).await),
            }
        };
        let obtained = SystemTime::now();
        self.keep(&new, obtained).await?;
        tracing::info!(provider = %self.args.provider, profile = %self.args.profile, "a login is refreshed");
        Ok(Renewed { tokens: new, obtained })
    }

    /// Says on disk that a refresh is under way. Where that can't be said its answer could not be kept either.
    async fn announce(&self, now: SystemTime) -> Result<(), Failed> {
        let Some(vault) = &self.args.vault else { return Ok(()) };
        let before = self.standing().record.clone();
        let record = match &before {
            Some(before) => LoginRecord { refreshing: Some(now), ..before.clone() },
            // One that began by itself.
            None => LoginRecord {
                id: rand::random(),
                tokens: None,
                obtained: now,
                expires: None,
                refreshing: Some(now),
                ended: None,
            },
        };
        self.replace(vault, record).await
    }

    /// Keeps new tokens. That is tried until the disk takes them: what they replace is used up.
    async fn keep(&self, tokens: &Tokens, obtained: SystemTime) -> Result<(), Failed> {
        let Some(vault) = &self.args.vault else { return Ok(()) };
        let sealed = vault.seal(&self.args.aad(), &tokens.to_bytes());
        let mut waits = Waits::new();
        loop {
            let id = self.standing().record.as_ref().map_or_else(rand::random, |record| record.id);
            let (tokens, expires) = (Some(sealed.clone()), tokens.expires_at);
            let record = LoginRecord { id, tokens, obtained, expires, refreshing: None, ended: None };
            match self.replace(vault, record).await {
                Err(Failed::NotKept(error)) => {
                    tracing::error!(
                        provider = %self.args.provider, profile = %self.args.profile,
                        "new tokens can't be kept, and are not used before they are: {error}"
                    );
                    tokio::time::sleep(Duration::from_secs(1) + waits.next_wait()).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Puts a record in the place of the one that is known, unless another login has taken its place.
    async fn replace(&self, vault: &Vault, record: LoginRecord) -> Result<(), Failed> {
        let before = self.standing().record.clone();
        let place = self.args.place();
        let (expected, new) = (before.clone(), Some(record.clone()));
        let set = vault.store().compare_and_set(&LOGINS, &place, expected, new).await;
        match set.map_err(Failed::NotKept)? {
            Ok(()) => {}
            // A write whose answer was lost has landed all the same.
            Err(Some(found)) if found == record => {}
            Err(Some(found)) if before.as_ref().is_some_and(|before| before.id == found.id) => {
                let again = vault.store().compare_and_set(&LOGINS, &place, Some(found), Some(record.clone())).await;
                again.map_err(Failed::NotKept)?.map_err(|_| Failed::Replaced)?;
            }
            Err(_) => return Err(Failed::Replaced),
        }
        self.standing().record = Some(record);
        Ok(())
    }

    /// What follows from an error of the token endpoint; that a login is over is kept.
    async fn conclude(&self, error: TokenError) -> Failed {
        if error.is_transient() {
            return Failed::Endpoint(error);
        }
        let was_cut = self.standing().was_cut && matches!(error.kind, TokenErrorKind::Revoked | TokenErrorKind::Reused);
        let ended = Ended {
            reason: if was_cut {
                format!("{error}; greenroom was ended in the midst of its last refresh")
            } else {
                error.to_string()
            },
            hint: error.hint().to_owned(),
            is_configuration: matches!(
                error.kind,
                TokenErrorKind::Client | TokenErrorKind::Config | TokenErrorKind::Clock
            ),
        };
        // What the configuration or the clock is at fault for may be right with the next start.
        if let Some(vault) = self.args.vault.as_ref().filter(|_| !ended.is_configuration) {
            let before = self.standing().record.clone();
            if let Some(before) = before {
                let record = LoginRecord { refreshing: None, ended: Some(ended.clone()), ..before };
                if let Err(Failed::NotKept(error)) = self.replace(vault, record).await {
                    tracing::warn!("that a login is over is not kept: {error}");
                }
            }
        }
        Failed::Over(ended)
    }

    fn settle(&self, outcome: Result<Renewed, Failed>) {
        let (provider, profile) = (&self.args.provider, &self.args.profile);
        let mut standing = self.standing();
        standing.refreshing = false;
        let (kind, reason) = match outcome {
            Ok(Renewed { tokens, obtained }) => return standing.take(tokens, obtained),
            Err(Failed::Over(ended)) => {
                tracing::error!(%provider, %profile, hint = ended.hint, "a login is over: {}", ended.reason);
                standing.ended = Some(ended);
                return;
            }
            Err(Failed::Replaced) => {
                standing.ended = Some(Ended {
                    reason: "another login has taken its place, or it was removed".to_owned(),
                    hint: self.args.hint(),
                    is_configuration: false,
                });
                return;
            }
            Err(Failed::Endpoint(error)) => (error.clone().into_chat().kind, error.to_string()),
            Err(Failed::NotKept(error)) => (ErrorKind::Server, format!("new tokens could not be kept: {error}")),
        };
        let rest = (FIRST_REST * 2u32.saturating_pow(standing.failures)).min(LONGEST_REST);
        standing.failures += 1;
        tracing::warn!(%provider, %profile, "a login could not be refreshed, which is tried again in {rest:?}: {reason}");
        standing.rest = Some(Rest { until: SystemTime::now() + rest, kind, reason });
    }
}

/// What a refresh gave.
struct Renewed {
    tokens: Tokens,
    obtained: SystemTime,
}

/// What it failed of.
enum Failed {
    /// The token endpoint, for now.
    Endpoint(TokenError),
    /// The login itself.
    Over(Ended),
    /// The disk.
    NotKept(StoreError),
    /// It is not this login's place any more.
    Replaced,
}

impl LoginArgs {
    fn place(&self) -> Place {
        (self.provider.to_string(), self.profile.to_string())
    }

    fn aad(&self) -> String {
        format!("login:{}/{}", self.provider, self.profile)
    }

    fn hint(&self) -> String {
        format!("greenroom auth login {} --profile {}", self.provider, self.profile)
    }

    fn can_refresh(&self, tokens: &Tokens) -> bool {
        tokens.refresh.is_some() || !self.source.needs_login()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("provider", &self.args.provider).field("profile", &self.args.profile).finish()
    }
}
