//! Everything that a caller may name as a model.

use std::{collections::HashSet, sync::Arc};

use greenroom_actors::System;
use greenroom_config::Settings;
use greenroom_providers::{Catalog, Facts, ModelInfo, Price, catalog::Date};
use greenroom_wire::{ChatError, ErrorKind};
use serde::{Deserialize, Serialize};

use crate::assemble::model_info;

/// The most models that are asked the same at once: each costs what an answer costs.
pub const MOST_COMPARED: usize = 16;

/// Every model that is known, and the providers that could not list theirs.
#[derive(Debug)]
pub struct Listing {
    /// The names in the configuration that stand for others, patterns left out.
    pub aliases: Vec<String>,
    /// The patterns among them, in which `*` stands for any text.
    pub patterns: Vec<String>,
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

/// What is built in of facts about models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownModels {
    /// How many models.
    pub count: usize,
    /// When the facts were gathered.
    pub date: Option<Date>,
}

impl KnownModels {
    /// Those of this version. They are read for it, which takes some milliseconds.
    #[must_use]
    pub fn built_in() -> Self {
        let catalog = Catalog::embedded();
        Self { count: catalog.len(), date: catalog.date() }
    }
}

/// A listing as it is shown, at the command line and over HTTP in the same form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShownListing {
    /// The models, by provider in the order they were written.
    pub models: Vec<ShownModel>,
    /// The names in the configuration that stand for others, patterns left out.
    pub aliases: Vec<String>,
    /// The patterns among them, in which `*` stands for any text; for the owner alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<String>,
    /// Providers whose list could not be had.
    pub failed: Vec<FailedList>,
}

/// A model as it is shown; what is not known is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShownModel {
    /// The provider's own id.
    pub id: String,
    /// The configured provider.
    pub provider: String,
    /// A name for people.
    pub name: Option<String>,
    /// The window in tokens, prompt and answer together.
    pub context: Option<u64>,
    /// Most tokens of an answer.
    pub max_output: Option<u64>,
    /// What it takes beside text.
    pub modalities: Option<Vec<String>>,
    /// Whether it takes tools.
    pub tools: Option<bool>,
    /// Whether it can think before it answers.
    pub reasoning: Option<bool>,
    /// Whether it goes on with a trailing assistant message.
    pub prefill: Option<bool>,
    /// What it costs.
    pub cost: ShownCost,
}

/// Prices in US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ShownCost {
    /// What is sent and not cached.
    pub input: Option<f64>,
    /// What is answered.
    pub output: Option<f64>,
    /// What is read from the provider's cache.
    pub cache_read: Option<f64>,
    /// What is written to it.
    pub cache_write: Option<f64>,
}

/// A list that could not be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedList {
    /// The configured provider.
    pub provider: String,
    /// Why, for a person.
    pub message: String,
    /// One line on what to do.
    pub hint: Option<String>,
    /// The kind of failure.
    pub kind: ErrorKind,
    /// Whether its models are there all the same, as it listed them before.
    pub old: bool,
}

impl From<&Listing> for ShownListing {
    fn from(listing: &Listing) -> Self {
        let failed = listing.failed.iter().map(|(provider, error)| FailedList {
            provider: provider.to_string(),
            message: error.to_string(),
            hint: error.details.hint.as_deref().map(str::to_owned),
            kind: error.kind,
            old: listing.old.contains(provider),
        });
        Self {
            models: listing.models.iter().map(ShownModel::from).collect(),
            aliases: listing.aliases.clone(),
            patterns: listing.patterns.clone(),
            failed: failed.collect(),
        }
    }
}

impl From<&Model> for ShownModel {
    fn from(Model { provider, info }: &Model) -> Self {
        let price = info.price;
        Self {
            id: info.id.clone(),
            provider: provider.to_string(),
            name: info.name.clone(),
            context: info.context,
            max_output: info.max_output,
            modalities: info.takes.known().map(|known| known.into_iter().map(str::to_owned).collect()),
            tools: info.tools,
            reasoning: info.reasoning,
            prefill: info.prefill,
            cost: ShownCost {
                input: price.map(|price| price.input),
                output: price.map(|price| price.output),
                cache_read: price.and_then(|price| price.cache_read),
                cache_write: price.and_then(|price| price.cache_write),
            },
        }
    }
}

/// What a model costs, as far as that is known without asking anybody.
pub(crate) async fn price(
    system: &System,
    settings: &Settings,
    facts: &Facts,
    provider: &str,
    model: &str,
) -> Option<Price> {
    let configured = settings.provider(provider).and_then(|own| own.models.iter().find(|(id, _)| *id == model));
    let info = configured.map_or_else(|| ModelInfo::named(model), model_info);
    let listed = system.old_models(provider).await;
    let listed = listed.as_deref().and_then(|list| list.iter().find(|listed| listed.id == model));
    let info = listed.map_or_else(|| info.clone(), |listed| info.clone().or(listed));
    facts.complete(provider, info).price
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
    let aliases = |are_patterns: bool| {
        let all = settings.models.aliases.iter();
        let wanted = all.filter(|alias| only.is_none() && alias.is_pattern() == are_patterns);
        wanted.map(|alias| alias.name.clone()).collect()
    };
    let mut listing = Listing {
        aliases: aliases(false),
        patterns: aliases(true),
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
        // In the order in which the router has them: the first is what is taken where nobody names a model.
        for info in configured.iter().chain(listed) {
            if seen.insert(info.id.clone()) {
                // What was configured goes before what is listed, and that before the catalogue.
                let listed = listed.iter().find(|model| model.id == info.id);
                let info = listed.map_or_else(|| info.clone(), |listed| info.clone().or(listed));
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
