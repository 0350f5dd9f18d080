//! How the providers are, as it is shown: at the command line and over HTTP in the same form.

use std::time::SystemTime;

use greenroom_actors::{MarkStatus, ProfileStatus, ProviderStatus, System};
use greenroom_config::{self as config, Environment, Limits, Settings};
use serde::{Deserialize, Serialize};

use crate::{Warned, assemble::left_out};

/// How a provider is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderState {
    /// Its configured name.
    pub provider: String,
    /// Its kind.
    pub kind: String,
    /// Whether any of its profiles can be used.
    pub state: State,
    /// What it lacks, where it has no profile that could lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its auth profiles, in the order they were written.
    pub profiles: Vec<ProfileState>,
    /// Limits over all profiles.
    pub limits: ShownLimits,
}

/// How an auth profile is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfileState {
    /// Its name.
    pub id: String,
    /// Whether it can be used.
    pub state: State,
    /// The kind of failure for which it is left alone, or what its key lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Until when it is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "moment::optional")]
    pub until: Option<SystemTime>,
    /// Until when requests wait for it, since the provider says that nothing is left of its own limits.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "moment::optional")]
    pub paced_until: Option<SystemTime>,
    /// Models for which it is left alone.
    pub models: Vec<ModelState>,
    /// Its own limits.
    pub limits: ShownLimits,
}

/// A model that is left alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelState {
    /// The provider's id of it.
    pub model: String,
    /// The kind of failure.
    pub reason: String,
    /// Until when.
    #[serde(with = "moment")]
    pub until: SystemTime,
}

/// Whether something can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Now.
    Ok,
    /// Later, by itself.
    Cooling,
    /// Not before somebody mends it.
    Down,
}

impl State {
    /// The word that stands for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Cooling => "cooling",
            Self::Down => "down",
        }
    }
}

/// Limits as they were written; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownLimits {
    /// Requests a minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens a minute.
    pub tokens_per_minute: Option<u32>,
    /// Requests at once.
    pub concurrent: Option<u32>,
}

impl From<Limits> for ShownLimits {
    fn from(limits: Limits) -> Self {
        Self {
            requests_per_minute: limits.requests_per_minute.map(Into::into),
            tokens_per_minute: limits.tokens_per_minute.map(Into::into),
            concurrent: limits.concurrent.map(Into::into),
        }
    }
}

/// Every provider that was written, those that can't be used included.
pub(crate) async fn states(system: &System, settings: &Settings, left_out: &[Warned]) -> Vec<ProviderState> {
    let asked = settings.providers.iter().map(|written| async move {
        let status = system.status(&written.name).await;
        provider_state(written, status.as_ref(), left_out, SystemTime::now())
    });
    futures::future::join_all(asked).await
}

/// The same of settings with which nothing can run, since no provider can be used.
pub fn providers_at_rest(settings: &Settings, environment: &Environment) -> Vec<ProviderState> {
    let (now, left_out) = (SystemTime::now(), left_out(settings, environment));
    settings.providers.iter().map(|written| provider_state(written, None, &left_out, now)).collect()
}

fn provider_state(
    written: &config::Provider,
    status: Option<&ProviderStatus>,
    left_out: &[Warned],
    now: SystemTime,
) -> ProviderState {
    let profiles: Vec<ProfileState> = written
        .profiles
        .iter()
        .map(|profile| {
            let own = status.and_then(|status| status.profiles.iter().find(|other| *other.id == *profile.id));
            // What was lacking at the start may have been added since.
            let left_out = left_out.iter().filter(|_| own.is_none());
            let lacking = left_out.into_iter().find(|warned| warned.is_of(&written.name, &profile.id));
            // A model that fails whatever the profile is left alone with each of them.
            let whatever = status.into_iter().flat_map(|status| &status.unhealthy);
            let models = own.into_iter().flat_map(|own| &own.models).chain(whatever);
            let models = models.filter(|model| model.mark.until > now).map(|model| ModelState {
                model: model.model.clone(),
                reason: model.mark.reason.to_string(),
                until: model.mark.until,
            });
            profile_state(profile, lacking, own, models.collect(), now)
        })
        .collect();
    let state = match status {
        Some(_) if profiles.iter().any(|profile| profile.state == State::Ok) => State::Ok,
        Some(_) if profiles.iter().any(|profile| profile.state == State::Cooling) => State::Cooling,
        _ => State::Down,
    };
    let lacking = left_out.iter().find(|warned| profiles.is_empty() && *warned.provider == *written.name);
    ProviderState {
        provider: written.name.clone(),
        kind: written.kind.name().to_owned(),
        state,
        reason: lacking.map(|warned| warned.message.clone()),
        profiles,
        limits: written.shared_limits.into(),
    }
}

fn profile_state(
    written: &config::Profile,
    lacking: Option<&Warned>,
    status: Option<&ProfileStatus>,
    models: Vec<ModelState>,
    now: SystemTime,
) -> ProfileState {
    let mark: Option<MarkStatus> = status.and_then(|status| status.mark).filter(|mark| mark.until > now);
    let login = status.and_then(|status| status.login.as_ref());
    let ended = login.and_then(|login| login.ended.as_ref()).map(|ended| ended.reason.clone());
    // Why it could not be refreshed says nothing while its token is good.
    let over = login.filter(|login| login.expires.is_some_and(|expires| expires <= now));
    let failing = over.and_then(|login| login.failing.clone());
    let state = match (lacking, status, mark) {
        (Some(_), ..) | (None, None, _) => State::Down,
        _ if ended.is_some() => State::Down,
        (None, Some(_), Some(_)) => State::Cooling,
        (None, Some(_), None) if failing.is_some() => State::Cooling,
        (None, Some(_), None) => State::Ok,
    };
    ProfileState {
        id: written.id.clone(),
        state,
        reason: lacking
            .map(|warned| warned.message.clone())
            .or(ended)
            .or_else(|| mark.map(|mark| mark.reason.to_string()))
            .or(failing),
        until: mark.map(|mark| mark.until),
        paced_until: status.and_then(|status| status.paced_until),
        models,
        limits: written.limits.into(),
    }
}

/// Names of what was left out, by provider and profile.
impl Warned {
    fn is_of(&self, provider: &str, profile: &str) -> bool {
        *self.provider == *provider && self.profile.as_deref().is_none_or(|id| id == profile)
    }
}

/// Moments as RFC 3339 has them, in UTC and whole seconds.
pub(crate) mod moment {
    use std::time::SystemTime;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_rfc3339_seconds(*at))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        humantime::parse_rfc3339(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }

    pub(crate) mod optional {
        use super::{Deserializer, Serializer, SystemTime};

        pub(crate) fn serialize<S: Serializer>(at: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
            match at {
                Some(at) => super::serialize(at, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
            super::deserialize(deserializer).map(Some)
        }
    }
}
