//! The layers of what was written, and how they are merged.

pub(crate) mod file;
pub(crate) mod overrides;
mod tree;
pub(crate) mod variables;

use config::{Config, ConfigError, Map, Source, Value};

use crate::Origins;
use crate::origin::Place;

/// The crate `config` reads the outermost keys as paths (`a.b[0]`). Everything lies below this one, so that a key is
/// always just a key, whatever a person put into quotes.
const ROOT: &str = "greenroom";

/// One layer: values, and the place of each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layer {
    pub(crate) root: Map<String, Value>,
    pub(crate) places: Vec<Written>,
}

/// The place of one value.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) path: String,
    pub(crate) place: Place,
    pub(crate) is_table: bool,
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(Map::from_iter([(ROOT.to_owned(), Value::from(self.root.clone()))]))
    }
}

/// All layers as one.
#[derive(Debug, Clone)]
pub(crate) struct Merged {
    pub(crate) root: Map<String, Value>,
    pub(crate) origins: Origins,
}

impl Merged {
    /// Merges the layers, each over those before it: tables key by key, everything else as a whole.
    pub(crate) fn of(layers: &[Layer]) -> Self {
        let mut origins = Origins::default();
        for written in layers.iter().flat_map(|layer| &layer.places) {
            origins.put(written.path.clone(), written.place.clone(), written.is_table);
        }
        let builder = layers.iter().cloned().fold(Config::builder(), |builder, layer| builder.add_source(layer));
        let mut all = builder
            .build()
            .and_then(|merged| merged.collect())
            .expect("layers are in memory already, and collecting one of them never fails");
        let root = all.remove(ROOT).and_then(|root| root.into_table().ok()).unwrap_or_default();
        Self { root, origins }
    }

    /// The table at the top level of that name, if there is one.
    pub(crate) fn section(&self, name: &str) -> Option<Map<String, Value>> {
        self.root.get(name).cloned().and_then(|value| value.into_table().ok())
    }
}
