//! Credentials as they are shown: no secret is in any of it.

use std::time::SystemTime;

use greenroom_actors::{Login, LoginStatus};
use greenroom_config::{ProfileKey, SecretReference};
use serde::{Deserialize, Serialize};

use super::{
    Credentials,
    added::{Kept, KeptSecret, Own},
};

/// A credential, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialInfo {
    /// The provider that it lets in to.
    pub provider: String,
    /// The profile.
    pub profile: String,
    /// What it is.
    pub kind: CredentialKind,
    /// Where its secret is: `keyring`, `store` (sealed), `configuration`, or the reference that the configuration has
    /// (`env:NAME`).
    pub r#where: String,
    /// Whether it can be used.
    pub state: CredentialState,
    /// Why it can't, or could not be refreshed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was added, in whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::state::moment::optional")]
    pub added: Option<SystemTime>,
    /// When the token of a login ends; it is refreshed before that.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::state::moment::optional")]
    pub expires: Option<SystemTime>,
}

/// What a credential is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CredentialKind {
    /// A key.
    Key,
    /// A login, whose tokens are refreshed.
    Login,
    /// A service account or an application, in whose name tokens are asked for.
    Identity,
}

impl CredentialKind {
    /// The word that stands for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Login => "login",
            Self::Identity => "identity",
        }
    }
}

/// Whether a credential can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CredentialState {
    /// As far as is known.
    Ok,
    /// It could not be refreshed lately, which is tried again.
    Failing,
    /// Somebody has to log in anew.
    Ended,
    /// The configuration has the profile, and nothing was added under its name.
    Missing,
    /// The configuration has no such provider any more.
    Unused,
}

impl CredentialState {
    /// The word that stands for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failing => "failing",
            Self::Ended => "ended",
            Self::Missing => "missing",
            Self::Unused => "unused",
        }
    }
}

impl Credentials {
    /// Every credential that was written or added, in the order of their providers.
    pub async fn list(&self) -> Vec<CredentialInfo> {
        let settings = self.settings();
        let mut list = Vec::new();
        for provider in &settings.providers {
            for profile in &provider.profiles {
                let own = (provider.name.clone(), profile.id.clone());
                match &profile.key {
                    ProfileKey::None => {}
                    ProfileKey::Reference(reference) => list.push(written(own, reference)),
                    ProfileKey::Added => list.push(self.info_of(&own).await),
                    ProfileKey::Identity(identity) => {
                        let info = info(own.clone(), CredentialKind::Identity, &identity.to_string());
                        list.push(self.with_login_status(&own, info).await);
                    }
                }
            }
        }
        let known: Vec<(Own, Kept)> = self.known().iter().map(|(own, kept)| (own.clone(), kept.clone())).collect();
        for (own, kept) in known {
            if !list.iter().any(|info: &CredentialInfo| info.provider == own.0 && info.profile == own.1) {
                let reason = format!("the configuration has no provider \"{}\"", own.0);
                list.push(CredentialInfo {
                    state: CredentialState::Unused,
                    reason: Some(reason),
                    ..self.added(&own, &kept).await
                });
            }
        }
        list
    }

    /// One that is said to be added.
    pub(super) async fn info_of(&self, own: &Own) -> CredentialInfo {
        let kept = self.known().get(own).cloned();
        match kept {
            Some(kept) => self.added(own, &kept).await,
            None => CredentialInfo {
                state: CredentialState::Missing,
                reason: Some("nothing was added under this name".to_owned()),
                ..info(own.clone(), CredentialKind::Key, "nowhere")
            },
        }
    }

    async fn added(&self, own: &Own, kept: &Kept) -> CredentialInfo {
        let added = Some(kept.added);
        match &kept.secret {
            KeptSecret::Keyring => CredentialInfo { added, ..info(own.clone(), CredentialKind::Key, "keyring") },
            KeptSecret::Sealed(_) => CredentialInfo { added, ..info(own.clone(), CredentialKind::Key, "store") },
            KeptSecret::Login { .. } => {
                let info = CredentialInfo { added, ..info(own.clone(), CredentialKind::Login, "store") };
                self.with_login_status(own, info).await
            }
        }
    }

    async fn with_login_status(&self, own: &Own, info: CredentialInfo) -> CredentialInfo {
        let status = self.login_status(own).await;
        let (state, reason) = match &status {
            Some(LoginStatus { ended: Some(ended), .. }) => (CredentialState::Ended, Some(ended.reason.clone())),
            Some(LoginStatus { failing: Some(reason), .. }) => (CredentialState::Failing, Some(reason.clone())),
            _ => (CredentialState::Ok, None),
        };
        let expires = status.and_then(|status| status.expires);
        CredentialInfo { state, reason, expires, ..info }
    }

    /// As the provider that runs knows it; else as it is kept.
    async fn login_status(&self, (provider, profile): &Own) -> Option<LoginStatus> {
        if let Some(system) = self.0.running.get() {
            let status = system.status(provider).await;
            let own = status.and_then(|status| status.profiles.into_iter().find(|own| *own.id == **profile));
            if let Some(login) = own.and_then(|own| own.login) {
                return Some(login);
            }
        }
        let (_, store) = self.0.secrets.place().ok()?;
        Login::kept(store, provider, profile).await.ok().flatten()
    }
}

fn info((provider, profile): Own, kind: CredentialKind, place: &str) -> CredentialInfo {
    CredentialInfo {
        provider,
        profile,
        kind,
        r#where: place.to_owned(),
        state: CredentialState::Ok,
        reason: None,
        added: None,
        expires: None,
    }
}

fn written(own: Own, reference: &SecretReference) -> CredentialInfo {
    let place = match reference {
        SecretReference::Literal(_) => "configuration".to_owned(),
        reference => reference.to_string(),
    };
    info(own, CredentialKind::Key, &place)
}
