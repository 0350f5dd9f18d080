//! What a provider's actor is made of.

use std::{sync::Arc, time::SystemTime};

use greenroom_providers::{Credential, Provider};

use super::{
    limiter::Limits,
    lists::{CachedList, ListedHook},
    login::{Login, Ready},
    profiles::{ProfileId, Tier},
};
use crate::store::Store;

/// What a provider's actor is made of.
#[derive(Clone)]
pub struct ProviderArgs {
    /// Its configured name.
    pub name: Arc<str>,
    /// What it is.
    pub provider: Arc<dyn Provider>,
    /// Its auth profiles, as it starts; more may come in later.
    pub profiles: Vec<ProfileArgs>,
    /// Limits over all profiles.
    pub shared_limits: Limits,
    /// Most requests that wait.
    pub queue: usize,
    /// The models that it listed to an earlier process.
    pub cached: Option<CachedList>,
    /// Who is told of each list.
    pub listed: Option<ListedHook>,
    /// Where marks, health, last use and limiters are kept.
    pub store: Option<Store>,
}

/// One auth profile.
#[derive(Clone)]
pub struct ProfileArgs {
    /// Its name.
    pub id: ProfileId,
    /// What lets it in.
    pub way: Way,
    /// Its share among the profiles; at least 1.
    pub weight: u32,
    /// Its own limits.
    pub limits: Limits,
}

/// What lets a profile in.
#[derive(Clone)]
pub enum Way {
    /// Something that stays what it is, such as a key.
    Fixed(Arc<Credential>),
    /// Tokens, which end and are refreshed.
    Login(Arc<Login>),
}

impl Way {
    pub(super) fn tier(&self) -> Tier {
        match self {
            Self::Fixed(_) => Tier::Key,
            Self::Login(_) => Tier::Login,
        }
    }

    pub(super) fn login(&self) -> Option<&Arc<Login>> {
        match self {
            Self::Fixed(_) => None,
            Self::Login(login) => Some(login),
        }
    }

    /// What gets in by it now, of which tokens that is; nothing before a login is refreshed.
    pub(super) fn ready(&self, now: SystemTime) -> Ready {
        match self {
            Self::Fixed(credential) => Ready::Fixed(Arc::clone(credential)),
            Self::Login(login) => login.ready(now),
        }
    }
}
