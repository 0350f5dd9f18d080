//! Everything that a caller may name as a model.

use std::{collections::HashSet, sync::Arc};

use greenroom_actors::System;
use greenroom_config::Settings;
use greenroom_providers::{Facts, ModelInfo};
use greenroom_wire::ChatError;

use crate::assemble::model_info;

/// Every model that is known, and the providers that could not list theirs.
#[derive(Debug)]
pub struct Listing {
    /// The names in the configuration that stand for others, patterns left out.
    pub aliases: Vec<String>,
    /// The models, by provider in the order they were written.
    pub models: Vec<Model>,
    /// Providers whose list could not be had, and why.
    pub failed: Vec<(Arc<str>, ChatError)>,
    /// Those of them whose models are there all the same, as they were listed before.
    pub old: Vec<Arc<str>>,
}

/// A model of a provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The configured provider.
    pub provider: Arc<str>,
    /// What is known of it; its id is the provider's own.
    pub info: ModelInfo,
}

/// Every model; with `only`, those of this provider and no aliases.
pub(crate) async fn list(
    system: &System,
    settings: &Settings,
    facts: &Facts,
    fresh: bool,
    only: Option<&str>,
) -> Listing {
    // One whose last credential was removed is still there, and nobody's.
    let wanted = |name: &Arc<str>| settings.provider(name).is_some() && only.is_none_or(|only| **name == *only);
    let asked = system.providers().into_iter().filter(wanted).map(|name| async move {
        let list = system.models(&name, fresh).await;
        // One that has just failed is not asked again: this is what it listed before, or nothing.
        let old = if fresh && list.is_err() { system.old_models(&name).await } else { None };
        (name, list, old)
    });
    let mut listing = Listing {
        aliases: settings
            .models
            .aliases
            .iter()
            .filter(|alias| only.is_none() && !alias.is_pattern())
            .map(|alias| alias.name.clone())
            .collect(),
        models: Vec::new(),
        failed: Vec::new(),
        old: Vec::new(),
    };
    for (provider, list, old) in futures::future::join_all(asked).await {
        let configured: Vec<ModelInfo> = settings
            .provider(&provider)
            .map(|provider| provider.models.iter().map(model_info).collect())
            .unwrap_or_default();
        let listed: &[ModelInfo] = match (&list, &old) {
            (Ok(list), _) | (Err(_), Some(list)) => list,
            (Err(_), None) => &[],
        };
        let mut seen = HashSet::new();
        for info in listed.iter().chain(&configured) {
            if seen.insert(info.id.clone()) {
                // What was configured goes before what is listed, and that before the catalogue.
                let written = configured.iter().find(|model| model.id == info.id).cloned();
                let info = written.map_or_else(|| info.clone(), |written| written.or(info));
                listing.models.push(Model { provider: Arc::clone(&provider), info: facts.complete(&provider, info) });
            }
        }
        if let Err(error) = list {
            listing.old.extend(old.map(|_| Arc::clone(&provider)));
            listing.failed.push((provider, error));
        }
    }
    listing
}
