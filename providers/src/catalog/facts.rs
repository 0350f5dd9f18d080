//! The catalogue in the words of a configuration.

use std::{collections::HashMap, sync::Arc};

use super::Catalog;
use crate::ModelInfo;

/// What the catalogue knows of the models of configured providers.
#[derive(Debug, Clone)]
pub struct Facts {
    catalog: Arc<Catalog>,
    kinds: HashMap<Arc<str>, &'static str>,
}

impl Facts {
    /// Of a catalogue, for these providers: the configured name of each, and the catalogue's word for whose models it has.
    pub fn new(catalog: Arc<Catalog>, kinds: impl IntoIterator<Item = (Arc<str>, &'static str)>) -> Self {
        Self { catalog, kinds: kinds.into_iter().collect() }
    }

    /// Nothing is known of any model.
    pub fn none() -> Self {
        Self::new(Arc::new(Catalog::embedded()), [])
    }

    /// What is known of a model. `None` is "nothing", never "there is no such model".
    pub fn of(&self, provider: &str, id: &str) -> Option<ModelInfo> {
        Some(self.catalog.lookup(self.kinds.get(provider)?, id)?.info)
    }

    /// A model, with what isn't known of it filled in.
    #[must_use]
    pub fn complete(&self, provider: &str, model: ModelInfo) -> ModelInfo {
        match self.of(provider, &model.id) {
            Some(known) => model.or(&known),
            None => model,
        }
    }
}
