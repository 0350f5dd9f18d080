//! From merged values to settings, with everything that is wrong noted on the way.

mod credentials;
mod identity;
mod models;
mod node;
mod oauth;
mod profiles;
mod provider;
mod sandbox;
mod scalars;
mod server;
mod table;
mod tuning;

use std::cell::RefCell;

use config::{Map, Value, ValueKind};

use crate::{ConfigError, Origins, Settings};
pub(crate) use node::Node;
pub(crate) use table::Table;

/// What all readers share: where things were written, and what was wrong so far.
pub(crate) struct Reader<'a> {
    origins: &'a Origins,
    errors: RefCell<Vec<ConfigError>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(origins: &'a Origins, errors: Vec<ConfigError>) -> Self {
        Self { origins, errors: RefCell::new(errors) }
    }

    pub(crate) fn into_errors(self) -> Vec<ConfigError> {
        self.errors.into_inner()
    }
}

/// Reads all of it. What was wrong has its default in the result, which is of use only where nothing was.
pub(crate) fn settings(reader: &Reader<'_>, root: &Map<String, Value>) -> Settings {
    let whole = Value::new(None, ValueKind::Table(root.clone()));
    let Some(table) = Node::root(reader, &whole).table() else { return Settings::default() };
    let timeouts = table.node("timeouts");
    let timeouts = tuning::timeouts(timeouts.as_ref(), &Settings::default().timeouts);
    let settings = Settings {
        server: table.node("server").map(|node| server::server(&node)).unwrap_or_default(),
        providers: table.node("providers").map(|node| provider::providers(&node, &timeouts)).unwrap_or_default(),
        models: table.node("models").map(|node| models::models(&node)).unwrap_or_default(),
        failover: table.node("failover").map(|node| tuning::failover(&node)).unwrap_or_default(),
        sessions: table.node("sessions").map(|node| tuning::sessions(&node)).unwrap_or_default(),
        usage: table.node("usage").map(|node| tuning::usage(&node)).unwrap_or_default(),
        cache: table.node("cache").map(|node| tuning::cache(&node)).unwrap_or_default(),
        store: table.node("store").map(|node| tuning::store(&node)).unwrap_or_default(),
        credentials: table.node("credentials").map(|node| credentials::credentials(&node)).unwrap_or_default(),
        sandbox: table.node("sandbox").map(|node| sandbox::sandbox(&node)).unwrap_or_default(),
        timeouts,
        ..Settings::default()
    };
    table.finish();
    settings
}
