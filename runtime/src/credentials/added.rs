//! What was added beside the configuration, as the store has it, and how it joins what was written.

use std::{collections::BTreeMap, time::SystemTime};

use greenroom_actors::{Sealed, store::Table};
use greenroom_config::{Discovery, Kind, Profile, ProfileKey, Provider, Settings};
use serde::{Deserialize, Serialize};

/// A provider and one of its profiles.
pub(super) type Own = (String, String);

/// Every credential that was added. Of what is secret there is nothing here but what is sealed.
pub(super) static ADDED: Table<Own, Kept> = Table::new("credential");

/// A credential as the store has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) secret: KeptSecret,
    #[serde(with = "crate::state::moment")]
    pub(super) added: SystemTime,
}

/// What a credential is, and where its secret is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum KeptSecret {
    /// A key in the system's keyring.
    Keyring,
    /// A key, sealed.
    Sealed(Sealed),
    /// A login, whose tokens its provider's actor keeps; the client that it was made with, where the configuration did not
    /// say one.
    Login {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_id: Option<String>,
    },
}

/// The kinds that a provider of their own name has without a line in the configuration.
const BY_NAME: [Kind; 6] =
    [Kind::Anthropic, Kind::OpenAi, Kind::Gemini, Kind::Bedrock, Kind::Copilot, Kind::OpenRouter];

/// The kind of a provider that nobody wrote and that can be meant by its name alone.
pub(super) fn kind_by_name(provider: &str) -> Option<Kind> {
    by_name().find(|kind| kind.name() == provider)
}

fn by_name() -> impl Iterator<Item = Kind> {
    BY_NAME.into_iter().filter(|kind| kind.is_built())
}

/// The names that mean a provider by themselves.
pub(super) fn names() -> impl Iterator<Item = String> {
    by_name().map(|kind| kind.name().to_owned())
}

/// The settings with what was added: profiles that have no line join their provider, and a provider that nobody wrote
/// comes in by its name. What stands in for having none, the demo and servers that were found, then goes.
pub(super) fn joined<'a>(written: &Settings, added: impl IntoIterator<Item = &'a Own>) -> Settings {
    let mut settings = written.clone();
    let mut of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (provider, profile) in added {
        of.entry(provider).or_default().push(profile);
    }
    let mut come: Vec<Provider> = Vec::new();
    for (name, profiles) in of {
        match settings.providers.iter_mut().find(|provider| provider.name == name) {
            Some(provider) => profiles.into_iter().for_each(|profile| join(provider, profile)),
            None => {
                let Some(kind) = kind_by_name(name) else { continue };
                let mut provider = Provider { profiles: Vec::new(), ..Provider::new(name, kind) };
                provider.timeouts = settings.timeouts.clone();
                profiles.into_iter().for_each(|profile| join(&mut provider, profile));
                come.push(provider);
            }
        }
    }
    if !come.is_empty() {
        if matches!(settings.discovery, Discovery::Demo | Discovery::Local) {
            settings.providers.clear();
            settings.discovery = Discovery::Environment;
        }
        come.sort_by_key(|provider| BY_NAME.iter().position(|kind| *kind == provider.kind));
        settings.providers.extend(come);
    }
    settings
}

fn join(provider: &mut Provider, id: &str) {
    match provider.profiles.iter_mut().find(|profile| profile.id == id) {
        // One that wanted no key has one now.
        Some(profile) if profile.key == ProfileKey::None => profile.key = ProfileKey::Added,
        Some(_) => {}
        None => {
            // What stands for wanting no key goes.
            provider.profiles.retain(|profile| profile.key != ProfileKey::None);
            let limits = provider.limits;
            provider.profiles.push(Profile { id: id.to_owned(), key: ProfileKey::Added, limits, ..Profile::new(None) });
        }
    }
}

#[cfg(test)]
mod tests {
    use greenroom_config::SecretReference;

    use super::*;

    fn own(provider: &str, profile: &str) -> Own {
        (provider.to_owned(), profile.to_owned())
    }

    fn shown(settings: &Settings) -> Vec<String> {
        let of = |provider: &Provider| {
            let profiles = provider.profiles.iter().map(|profile| match &profile.key {
                ProfileKey::None => format!("{}-", profile.id),
                ProfileKey::Reference(_) | ProfileKey::Identity(_) => profile.id.clone(),
                ProfileKey::Added => format!("{}+", profile.id),
            });
            format!("{}: {}", provider.name, profiles.collect::<Vec<_>>().join(" "))
        };
        settings.providers.iter().map(of).collect()
    }

    fn written(providers: Vec<Provider>, discovery: Discovery) -> Settings {
        Settings { providers, discovery, ..Settings::default() }
    }

    #[test]
    fn what_was_added_joins_its_provider_and_what_was_written_stays() {
        let mut openai = Provider::new("openai", Kind::OpenAi);
        openai.profiles[0].key = ProfileKey::Reference(SecretReference::Environment { variable: "K".to_owned() });
        let lab = Provider::new("lab", Kind::OpenAiCompatible);
        let settings = written(vec![openai, lab], Discovery::Configured);
        let added = [own("openai", "home"), own("openai", "default"), own("lab", "default"), own("gone", "x")];
        assert_eq!(shown(&joined(&settings, &added)), ["openai: default home+", "lab: default+"]);
        assert_eq!(shown(&joined(&settings, &[own("lab", "me")])), ["openai: default", "lab: me+"]);
        let more = joined(&settings, &[own("anthropic", "default")]);
        assert_eq!(shown(&more), ["openai: default", "lab: default-", "anthropic: default+"]);
    }

    #[test]
    fn what_was_added_comes_in_place_of_what_stands_in_for_nothing() {
        for discovery in [Discovery::Demo, Discovery::Local] {
            let settings = written(vec![Provider::new("demo", Kind::Demo)], discovery);
            let added = [own("gemini", "c"), own("openai", "a"), own("anthropic", "b"), own("anthropic", "a")];
            let joined = joined(&settings, &added);
            assert_eq!(shown(&joined), ["anthropic: b+ a+", "openai: a+", "gemini: c+"]);
            assert_eq!(joined.discovery, Discovery::Environment);
        }
        let settings = written(vec![Provider::new("demo", Kind::Demo)], Discovery::Demo);
        assert_eq!(joined(&settings, &[]), settings);
    }
}
