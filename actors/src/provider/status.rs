//! How a provider is, for `providers status` and the HTTP API.

use std::{sync::Arc, time::SystemTime};

use greenroom_wire::ErrorKind;

use super::{limiter::Limits, login::LoginStatus, marks::Mark, profiles::ProfileId};

/// How a provider is.
#[derive(Debug, Clone)]
pub struct ProviderStatus {
    /// Its configured name.
    pub provider: Arc<str>,
    /// Its kind.
    pub kind: &'static str,
    /// Its auth profiles.
    pub profiles: Vec<ProfileStatus>,
    /// Models that are left alone whatever the profile.
    pub unhealthy: Vec<ModelStatus>,
    /// Limits over all profiles.
    pub shared_limits: Limits,
    /// Requests that wait.
    pub waiting: usize,
}

/// How an auth profile is.
#[derive(Debug, Clone)]
pub struct ProfileStatus {
    /// Its name.
    pub id: ProfileId,
    /// Why it is left alone, if it is.
    pub mark: Option<MarkStatus>,
    /// How its login is, if it has one.
    pub login: Option<LoginStatus>,
    /// Models for which it is left alone.
    pub models: Vec<ModelStatus>,
    /// When it was last used.
    pub last_used: Option<SystemTime>,
    /// Its limits.
    pub limits: Limits,
    /// Until when requests wait since its provider said that nothing is left, for any model.
    pub paced_until: Option<SystemTime>,
    /// Requests that are out, where they are counted.
    pub in_flight: Option<u32>,
}

/// A model that is left alone.
#[derive(Debug, Clone)]
pub struct ModelStatus {
    /// The provider's id of it.
    pub model: String,
    /// Why.
    pub mark: MarkStatus,
}

/// Why something is left alone, and until when.
#[derive(Debug, Clone, Copy)]
pub struct MarkStatus {
    /// Why.
    pub reason: ErrorKind,
    /// Until when.
    pub until: SystemTime,
}

impl From<&Mark> for MarkStatus {
    fn from(mark: &Mark) -> Self {
        Self { reason: mark.kind, until: mark.until }
    }
}
