//! Where a login stands: what the disk has of it, and what is known beside that. Pure: the time is an argument.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use greenroom_providers::{Credential, auth::Tokens};
use greenroom_wire::{ChatError, ErrorKind};
use serde::{Deserialize, Serialize};

use super::LoginArgs;
use crate::{
    store::{Table, moment},
    vault::{Sealed, VaultError},
};

/// A token is renewed this long before its end, or in the last sixth of its life if that is shorter.
const AHEAD: Duration = Duration::from_secs(300);
const SHARE_AHEAD: u32 = 6;
/// A token is not sent that ends in so short a time, or in the last twelfth of its life if that is shorter: it would be
/// refused on its way.
const LAST_MOMENTS: Duration = Duration::from_secs(5);
const SHARE_OF_LAST_MOMENTS: u32 = 12;

pub(super) type Place = (String, String);

pub(super) static LOGINS: Table<Place, LoginRecord> = Table::new("login");

/// A login as the store has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LoginRecord {
    /// Tells this login from one before it in the same place.
    pub(super) id: u64,
    pub(super) tokens: Option<Sealed>,
    #[serde(with = "moment")]
    pub(super) obtained: SystemTime,
    /// When the token ends, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "moment::optional")]
    pub(super) expires: Option<SystemTime>,
    /// Since when a refresh is under way; after a crash, one that may have used up the refresh token.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "moment::optional")]
    pub(super) refreshing: Option<SystemTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ended: Option<Ended>,
}

/// Why a login is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Why, for a person.
    pub reason: String,
    /// One line on what to do.
    pub hint: String,
    /// Whether the configuration is at fault, rather than the login.
    #[serde(default)]
    pub is_configuration: bool,
}

pub(super) struct Standing {
    pub(super) tokens: Option<Arc<Tokens>>,
    pub(super) credential: Option<Arc<Credential>>,
    pub(super) obtained: SystemTime,
    /// Counts new tokens.
    pub(super) generation: u64,
    pub(super) refreshing: bool,
    /// The process before this ended in the midst of a refresh, so that its refresh token may be used up.
    pub(super) was_cut: bool,
    /// The tokens are of a refresh that a refusal asked for, and nothing was answered with them yet.
    pub(super) forced: bool,
    pub(super) rest: Option<Rest>,
    pub(super) failures: u32,
    pub(super) ended: Option<Ended>,
    /// What the disk has.
    pub(super) record: Option<LoginRecord>,
}

/// Why a login is not used for a while.
#[derive(Debug, Clone)]
pub(super) struct Rest {
    pub(super) until: SystemTime,
    pub(super) kind: ErrorKind,
    pub(super) reason: String,
}

impl Standing {
    /// There are new tokens.
    pub(super) fn take(&mut self, tokens: Tokens, obtained: SystemTime) {
        self.obtained = obtained;
        (self.rest, self.failures, self.ended, self.was_cut) = (None, 0, None, false);
        self.set(tokens);
    }

    pub(super) fn set(&mut self, tokens: Tokens) {
        self.credential = Some(Arc::new(Credential::Token(tokens.access_token())));
        self.tokens = Some(Arc::new(tokens));
        self.generation += 1;
    }

    pub(super) fn kept_tokens(&self, args: &LoginArgs) -> Result<Option<Tokens>, VaultError> {
        let sealed = self.record.as_ref().and_then(|record| record.tokens.as_ref());
        let (Some(vault), Some(sealed)) = (&args.vault, sealed) else { return Ok(None) };
        let bytes = vault.open(&args.aad(), sealed)?;
        Tokens::from_bytes(&bytes).ok_or(VaultError::Unreadable).map(Some)
    }

    /// When a token that ends is renewed.
    pub(super) fn ahead_of_its_end(&self) -> Option<SystemTime> {
        let ends = self.tokens.as_ref()?.expires_at?;
        Some(ends - AHEAD.min(self.life(ends) / SHARE_AHEAD))
    }

    pub(super) fn life(&self, ends: SystemTime) -> Duration {
        ends.duration_since(self.obtained).unwrap_or_default()
    }

    pub(super) fn is_over(&self, now: SystemTime) -> bool {
        let ends = self.tokens.as_ref().and_then(|tokens| tokens.expires_at);
        ends.is_some_and(|ends| ends <= now + LAST_MOMENTS.min(self.life(ends) / SHARE_OF_LAST_MOMENTS))
    }
}

impl Ended {
    pub(super) fn kind(&self) -> ErrorKind {
        if self.is_configuration { ErrorKind::Config } else { ErrorKind::AuthPermanent }
    }

    pub(super) fn error(&self, provider: &str, profile: &str) -> ChatError {
        let message = format!("the login of the profile \"{profile}\" of {provider} is over: {}", self.reason);
        ChatError::new(self.kind(), message).with_hint(self.hint.clone())
    }
}
