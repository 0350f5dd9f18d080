//! Providers that nobody wrote down.

mod clouds;

use config::{Map, Value, ValueKind};
use url::Url;

use crate::layers::{Layer, Merged, Written};
use crate::origin::Place;
use crate::{Discovery, Environment, IgnoredVariable, Kind, LocalServer, Origin};

/// Where OpenAI itself is, which an address without a key can't be for.
pub(crate) const OPENAI_HOST: &str = "api.openai.com";

const COMPATIBLE: &str = "openai-compatible";

/// The variables that name an AWS region, the first of which counts.
pub(crate) const AWS_REGION: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// What was found.
pub(crate) struct Found {
    /// The lowest layers: what the usual variables say of a provider, or what was found.
    pub(crate) layers: Vec<Layer>,
    pub(crate) discovery: Discovery,
    pub(crate) ignored: Vec<IgnoredVariable>,
}

/// How the usual variables say a provider.
type Finder = fn(&Environment) -> Option<Provider>;

/// The providers that can be found, in the order in which they are tried.
const FINDERS: [(&str, Kind, Finder); 8] = [
    ("anthropic", Kind::Anthropic, anthropic),
    ("openai", Kind::OpenAi, openai),
    ("azure", Kind::Azure, clouds::azure),
    ("gemini", Kind::Gemini, gemini),
    ("vertex", Kind::Vertex, clouds::vertex),
    ("bedrock", Kind::Bedrock, bedrock),
    ("copilot", Kind::Copilot, copilot),
    ("openrouter", Kind::OpenRouter, openrouter),
];

/// Looks at the usual variables where no provider was written.
///
/// They also complete a `[providers.openai]`, or one of the others, that says neither where it is nor how to get in: key
/// and address belong together, so one of them is never taken without the other.
pub(crate) fn discover(written: &Merged, environment: &Environment, local: &[LocalServer]) -> Found {
    let providers = written.section("providers").unwrap_or_default();
    if written.root.contains_key("providers") && !providers.is_empty() {
        let incomplete = FINDERS
            .into_iter()
            .filter(|(name, kind, _)| providers.get(*name).is_some_and(|provider| needs_variables(provider, *kind)));
        let found = incomplete.filter_map(|(_, _, find)| find(environment));
        let layers = Vec::from_iter(layer(found));
        return Found { layers, discovery: Discovery::Configured, ignored: Vec::new() };
    }
    let found = FINDERS.into_iter().filter_map(|(_, _, find)| find(environment));
    let (layers, discovery) = match layer(found) {
        Some(layer) => (vec![layer], Discovery::Environment),
        None if !local.is_empty() => (Vec::from_iter(layer(local.iter().map(found_there))), Discovery::Local),
        None => (vec![demo()], Discovery::Demo),
    };
    Found { layers, discovery, ignored: ignored(environment) }
}

fn needs_variables(provider: &Value, kind: Kind) -> bool {
    let ValueKind::Table(table) = &provider.kind else { return false };
    let own_kind = match table.get("kind").map(|kind| &kind.kind) {
        None => true,
        Some(ValueKind::String(written)) => written == kind.name(),
        Some(_) => false,
    };
    own_kind
        && !["key", "profiles", "oauth", "base_url", "google_credentials", "entra", "aws_profile"]
            .iter()
            .any(|key| table.contains_key(*key))
}

fn anthropic(environment: &Environment) -> Option<Provider> {
    const KEY: &str = "ANTHROPIC_API_KEY";
    const BASE: &str = "ANTHROPIC_BASE_URL";
    environment.text(KEY)?;
    let mut found = Provider::new("anthropic", Origin::Environment { variable: KEY.to_owned() });
    found.set("kind", Kind::Anthropic.name(), KEY);
    found.set("key", &format!("env:{KEY}"), KEY);
    if let Some(base) = environment.text(BASE) {
        found.set("base_url", base, BASE);
    }
    Some(found)
}

fn openai(environment: &Environment) -> Option<Provider> {
    let key = environment.text("OPENAI_API_KEY").map(|_| "OPENAI_API_KEY");
    let base = environment.text("OPENAI_BASE_URL");
    let own_host = |base: &str| Url::parse(base).is_ok_and(|url| url.host_str() == Some(OPENAI_HOST));

    let (kind, named_by) = match (key, base) {
        (Some(key), _) => (Kind::OpenAi.name(), key),
        (None, Some(base)) if !own_host(base) => (COMPATIBLE, "OPENAI_BASE_URL"),
        _ => return None,
    };
    let mut found = Provider::new("openai", Origin::Environment { variable: named_by.to_owned() });
    found.set("kind", kind, named_by);
    if let Some(key) = key {
        found.set("key", &format!("env:{key}"), key);
    }
    let copied = [
        ("base_url", ["OPENAI_BASE_URL", ""]),
        ("organization", ["OPENAI_ORG_ID", "OPENAI_ORGANIZATION"]),
        ("project", ["OPENAI_PROJECT_ID", ""]),
    ];
    for (setting, variables) in copied {
        let first = variables.into_iter().find_map(|variable| Some((variable, environment.text(variable)?)));
        if let Some((variable, value)) = first {
            found.set(setting, value, variable);
        }
    }
    Some(found)
}

fn gemini(environment: &Environment) -> Option<Provider> {
    const BASE: &str = "GOOGLE_GEMINI_BASE_URL";
    // The other one is then a key of Vertex's.
    let both = !clouds::wants_vertex(environment).unwrap_or(false);
    let keys = ["GEMINI_API_KEY", "GOOGLE_API_KEY"].into_iter().filter(|key| both || *key == "GEMINI_API_KEY");
    let key = keys.into_iter().find(|key| environment.text(key).is_some())?;
    let mut found = Provider::new("gemini", Origin::Environment { variable: key.to_owned() });
    found.set("kind", Kind::Gemini.name(), key);
    found.set("key", &format!("env:{key}"), key);
    if let Some(base) = environment.text(BASE) {
        found.set("base_url", base, BASE);
    }
    Some(found)
}

fn bedrock(environment: &Environment) -> Option<Provider> {
    const KEY: &str = "AWS_BEARER_TOKEN_BEDROCK";
    if !Kind::Bedrock.is_built() {
        return None;
    }
    environment.text(KEY)?;
    let mut found = Provider::new("bedrock", Origin::Environment { variable: KEY.to_owned() });
    found.set("kind", Kind::Bedrock.name(), KEY);
    found.set("key", &format!("env:{KEY}"), KEY);
    for variable in AWS_REGION {
        if let Some(region) = environment.text(variable) {
            found.set("region", region, variable);
            break;
        }
    }
    Some(found)
}

/// A GitHub token that is meant for other ends (`GH_TOKEN`) is not taken for this one.
fn copilot(environment: &Environment) -> Option<Provider> {
    by_key("copilot", Kind::Copilot, "COPILOT_GITHUB_TOKEN", environment)
}

fn openrouter(environment: &Environment) -> Option<Provider> {
    by_key("openrouter", Kind::OpenRouter, "OPENROUTER_API_KEY", environment)
}

/// A provider that a key alone says.
fn by_key(name: &'static str, kind: Kind, key: &'static str, environment: &Environment) -> Option<Provider> {
    environment.text(key)?;
    let mut found = Provider::new(name, Origin::Environment { variable: key.to_owned() });
    found.set("kind", kind.name(), key);
    found.set("key", &format!("env:{key}"), key);
    Some(found)
}

fn found_there(server: &LocalServer) -> Provider {
    let origin = Origin::Found { address: server.base_url.to_string() };
    let mut found = Provider::new(server.name, origin.clone());
    found.set_from("kind", server.kind.name(), origin.clone());
    found.set_from("base_url", server.base_url.as_str(), origin);
    found
}

fn demo() -> Layer {
    layer([Provider::new("demo", Origin::BuiltIn)]).expect("one provider makes a layer")
}

/// One provider of a layer, in the making.
struct Provider {
    name: &'static str,
    table: Map<String, Value>,
    places: Vec<Written>,
}

impl Provider {
    fn new(name: &'static str, origin: Origin) -> Self {
        let place = Place { key: origin.clone(), value: origin };
        let written = Written { path: format!("providers.{name}"), place, is_table: true };
        Self { name, table: Map::new(), places: vec![written] }
    }

    fn set(&mut self, setting: &str, value: &str, variable: &str) {
        self.set_from(setting, value, Origin::Environment { variable: variable.to_owned() });
    }

    /// A setting of a table of the provider's.
    fn set_in(&mut self, table: &'static str, setting: &str, value: &str, variable: &str) {
        let origin = Origin::Environment { variable: variable.to_owned() };
        let place = Place { key: origin.clone(), value: origin };
        let path = format!("providers.{}.{table}", self.name);
        let opened = self.table.entry(table.to_owned()).or_insert_with(|| {
            self.places.push(Written { path: path.clone(), place: place.clone(), is_table: true });
            Value::from(Map::<String, Value>::new())
        });
        if let ValueKind::Table(inner) = &mut opened.kind {
            inner.insert(setting.to_owned(), Value::new(None, value));
        }
        self.places.push(Written { path: format!("{path}.{setting}"), place, is_table: false });
    }

    fn set_from(&mut self, setting: &str, value: &str, origin: Origin) {
        let place = Place { key: origin.clone(), value: origin };
        self.places.push(Written { path: format!("providers.{}.{setting}", self.name), place, is_table: false });
        self.table.insert(setting.to_owned(), Value::new(None, value));
    }
}

/// The layer of these providers; none if there are none.
fn layer(found: impl IntoIterator<Item = Provider>) -> Option<Layer> {
    let (mut tables, mut places) = (Map::new(), Vec::new());
    for provider in found {
        tables.insert(provider.name.to_owned(), Value::from(provider.table));
        places.extend(provider.places);
    }
    let root = |tables: Map<String, Value>| Map::from_iter([("providers".to_owned(), Value::from(tables))]);
    (!tables.is_empty()).then(|| Layer { root: root(tables), places })
}

/// Variables of providers that this version has no kind for.
const NOT_YET: [(&str, &str); 6] = [
    ("AWS_BEARER_TOKEN_BEDROCK", "bedrock"),
    ("GROQ_API_KEY", "groq"),
    ("MISTRAL_API_KEY", "mistral"),
    ("DEEPSEEK_API_KEY", "deepseek"),
    ("XAI_API_KEY", "xai"),
    ("TOGETHER_API_KEY", "together"),
];

fn ignored(environment: &Environment) -> Vec<IgnoredVariable> {
    NOT_YET
        .into_iter()
        .filter(|(_, provider)| !Kind::named(provider).is_some_and(Kind::is_built))
        .filter(|(variable, _)| environment.raw(variable).is_some())
        .map(|(variable, provider)| IgnoredVariable { variable, provider, hint: compatible_hint(provider) })
        .chain(clouds::incomplete(environment))
        .collect()
}

/// How a provider without a kind of its own can be reached all the same, through the wire that it shares with OpenAI.
pub(crate) fn compatible_hint(provider: &str) -> Option<&'static str> {
    Some(match provider {
        "groq" => {
            "it works as kind = \"openai-compatible\" with base_url = \"https://api.groq.com/openai/v1\" and key = \"env:GROQ_API_KEY\""
        }
        "mistral" => {
            "it works as kind = \"openai-compatible\" with base_url = \"https://api.mistral.ai/v1\" and key = \"env:MISTRAL_API_KEY\""
        }
        "deepseek" => {
            "it works as kind = \"openai-compatible\" with base_url = \"https://api.deepseek.com/v1\" and key = \"env:DEEPSEEK_API_KEY\""
        }
        "xai" => {
            "it works as kind = \"openai-compatible\" with base_url = \"https://api.x.ai/v1\" and key = \"env:XAI_API_KEY\""
        }
        "together" => {
            "it works as kind = \"openai-compatible\" with base_url = \"https://api.together.xyz/v1\" and key = \"env:TOGETHER_API_KEY\""
        }
        _ => return None,
    })
}
