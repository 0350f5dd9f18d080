//! `[providers.NAME]`.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde_json::{Map, Value};
use url::Url;

use crate::discovery::compatible_hint;
use crate::provider::{Copilot, Cost, Header, ModelFacts, Queue, RequestDefaults};
use crate::read::profiles::{keyless, of_each, profiles};
use crate::read::scalars::{Name, Positive, Read, word};
use crate::read::{Node, Table, oauth, profiles, tuning};
use crate::suggest::nearest;
use crate::{ErrorKind, Kind, OAuthPreset, OpenAiWire, ProfileKey, Provider, SecretReference, Timeouts};

/// What has no meaning for Bedrock, where nobody logs in through greenroom.
const NOT_FOR_BEDROCK: [&str; 3] = ["oauth", "organization", "project"];

/// What has one for Bedrock alone.
const FOR_BEDROCK: [&str; 1] = ["aws_profile"];

/// What has no meaning for the demo, which goes nowhere.
const NOT_FOR_DEMO: [&str; 11] = [
    "base_url",
    "key",
    "google_credentials",
    "entra",
    "profiles",
    "oauth",
    "organization",
    "project",
    "headers",
    "allow_http",
    "timeouts",
];

/// What means something for GitHub Copilot alone.
const OF_COPILOT: [&str; 4] = ["domain", "exchange", "exchange_url", "enable_models"];

/// What each request says itself, or greenroom of it.
const NOT_ROUTING: [&str; 22] = [
    "model",
    "messages",
    "input",
    "instructions",
    "stream",
    "stream_options",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "stop",
    "response_format",
    "text",
    "reasoning",
    "metadata",
    "n",
    "store",
    "include",
];

/// Headers that the HTTP client sets, which a fixed value would break.
const OWN_HEADERS: [&str; 5] = ["host", "content-length", "transfer-encoding", "connection", "content-type"];

pub(crate) fn providers(node: &Node<'_>, timeouts: &Timeouts) -> Vec<Provider> {
    let Some(table) = node.table() else { return Vec::new() };
    table.entries().into_iter().filter_map(|(name, node)| provider(name, &node, timeouts)).collect()
}

fn provider(name: &str, node: &Node<'_>, timeouts: &Timeouts) -> Option<Provider> {
    let table = node.table()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || !name.bytes().all(plain) {
        let expected = "a provider's name: letters, digits, \"-\", \"_\" and \".\"".to_owned();
        node.refuse_key(ErrorKind::BadValue { value: Some(format!("{name:?}")), expected }, None);
    }
    // Without a kind nobody can say which of the other keys mean something.
    let kind = kind(name, &table)?;
    if kind == Kind::Demo {
        table.not_applicable(kind.name(), &NOT_FOR_DEMO);
    }
    let is_bedrock = kind == Kind::Bedrock;
    table.not_applicable(kind.name(), if is_bedrock { &NOT_FOR_BEDROCK } else { &FOR_BEDROCK });
    if !kind.has_wires() {
        table.not_applicable(kind.name(), &["wire"]);
    }
    for (key, of) in [("api_version", &[Kind::Azure][..]), ("region", &[Kind::Vertex, Kind::Bedrock])] {
        if !of.contains(&kind) {
            table.not_applicable(kind.name(), &[key]);
        }
    }
    if kind != Kind::Copilot {
        table.not_applicable(kind.name(), &OF_COPILOT);
    }
    if kind != Kind::OpenRouter {
        table.not_applicable(kind.name(), &["routing"]);
    }
    let copilot = if kind == Kind::Copilot { copilot(&table) } else { Copilot::default() };
    let base_url = if kind == Kind::Demo { None } else { base_url(kind, &table) };
    let oauth = if matches!(kind, Kind::Bedrock | Kind::Demo) { None } else { table.node("oauth") };
    let limits = of_each(&table);
    let read = Provider {
        name: name.to_owned(),
        origin: node.reader.origins.key(&node.path).clone(),
        kind,
        profiles: if kind == Kind::Demo { keyless(limits) } else { profiles(kind, oauth.is_some(), limits, &table) },
        oauth: oauth.and_then(|node| oauth::oauth(&node, usual_login(kind), &copilot)),
        limits,
        shared_limits: table.node("shared_limits").map(|node| profiles::limits(&node, None)).unwrap_or_default(),
        queue: table.node("queue").map(|node| queue(&node)).unwrap_or_default(),
        models: table.node("models").map(|node| models(&node)).unwrap_or_default(),
        organization: table.get("organization").map(|Name(name)| name),
        project: project(kind, &table),
        region: table.node("region").and_then(|node| match kind {
            Kind::Vertex => label(&node, "a region"),
            Kind::Bedrock => region(&node),
            _ => None,
        }),
        api_version: table.node("api_version").filter(|_| kind == Kind::Azure).and_then(|node| api_version(&node)),
        aws_profile: table
            .node("aws_profile")
            .filter(|_| is_bedrock)
            .and_then(|node| Name::read(&node))
            .map(|Name(name)| name),
        headers: table.node("headers").map(|node| headers(&node)).unwrap_or_default(),
        defaults: table.node("defaults").map(|node| defaults(&node)).unwrap_or_default(),
        timeouts: tuning::timeouts(table.node("timeouts").as_ref(), timeouts),
        allow_http: table.get("allow_http").unwrap_or(false),
        wire: table.node("wire").filter(|_| kind.has_wires()).and_then(|node| word(&node, &OpenAiWire::WORDS)),
        routing: match kind {
            Kind::OpenRouter => table.node("routing").and_then(|node| routing(&node)).unwrap_or_default(),
            _ => Map::new(),
        },
        copilot,
        base_url,
    };
    if kind == Kind::Vertex && table.node("project").is_none() && (read.oauth.is_some() || has_identity(&read)) {
        let hint = Some("such as project = \"my-project\"; `gcloud config get project` says it".to_owned());
        node.refuse_key(ErrorKind::Missing { key: "project" }, hint);
    }
    table.finish();
    Some(read)
}

/// How a person logs in to a kind where nothing else is written.
fn usual_login(kind: Kind) -> Option<OAuthPreset> {
    match kind {
        Kind::Copilot => Some(OAuthPreset::Copilot),
        Kind::OpenRouter => Some(OAuthPreset::OpenRouter),
        _ => None,
    }
}

fn copilot(table: &Table<'_>) -> Copilot {
    let exchange = table.get("exchange").unwrap_or(false);
    let exchange_url = oauth::address(table, "exchange_url");
    if let (Some(node), false) = (table.node("exchange_url"), exchange) {
        let hint = Some("take it out: it would have no effect".to_owned());
        node.refuse_key(ErrorKind::MeansNothing { key: "exchange_url", without: "exchange = true" }, hint);
    }
    let domain = table.node("domain").and_then(|node| oauth::domain(&node));
    Copilot { domain, exchange, exchange_url, enable_models: table.get("enable_models").unwrap_or(false) }
}

fn routing(node: &Node<'_>) -> Option<Map<String, Value>> {
    let table = node.table()?;
    for (key, node) in table.entries().into_iter().filter(|(key, _)| NOT_ROUTING.contains(key)) {
        let hint = Some("take it out: each request says that itself".to_owned());
        let expected = "a field that requests don't say, such as \"provider\" or \"plugins\"".to_owned();
        node.refuse_key(ErrorKind::BadValue { value: Some(format!("{key:?}")), expected }, hint);
    }
    match node.json() {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}

fn kind(name: &str, table: &Table<'_>) -> Option<Kind> {
    let known = Kind::ALL.map(Kind::name);
    let written = table.node("kind");
    let (node, text) = match &written {
        Some(node) => (node, node.text()?.trim()),
        None => (&table.node, name),
    };
    let named = Kind::named(text);
    if let Some(kind) = named.filter(|kind| kind.is_built()) {
        return Some(kind);
    }
    let refuse = |kind, hint| match written {
        Some(_) => node.refuse(kind, hint),
        None => node.refuse_key(kind, hint),
    };
    if named.is_some() {
        let what = format!("the kind \"{text}\" in this program");
        let hint = format!("it was built without it: build with the feature \"{text}\"");
        refuse(ErrorKind::NotSupported { what }, Some(hint));
    } else if let Some(hint) = compatible_hint(text) {
        refuse(ErrorKind::NotSupported { what: format!("the kind \"{text}\"") }, Some(hint.to_owned()));
    } else if written.is_none() {
        let hint = format!("add kind = \"openai-compatible\" or another of {}", known.join(", "));
        refuse(ErrorKind::Missing { key: "kind" }, Some(hint));
    } else {
        let hint = match nearest(text, known) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => format!("this version has {}", known.join(", ")),
        };
        refuse(ErrorKind::UnknownKind { kind: text.to_owned(), known: known.to_vec() }, Some(hint));
    }
    None
}

/// The name of a region, which becomes a part of an address.
fn region(node: &Node<'_>) -> Option<String> {
    let Name(region) = Name::read(node)?;
    if !region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        node.bad(&region, "the name of a region, such as \"us-east-1\"");
        return None;
    }
    Some(region)
}

fn base_url(kind: Kind, table: &Table<'_>) -> Option<Url> {
    let Some(node) = table.node("base_url") else {
        let example = match kind {
            Kind::OpenAiCompatible => "http://127.0.0.1:8000/v1",
            Kind::Azure => "https://RESOURCE.openai.azure.com",
            _ => return None,
        };
        let hint = Some(format!("such as base_url = \"{example}\""));
        table.node.refuse_key(ErrorKind::Missing { key: "base_url" }, hint);
        return None;
    };
    let text = node.text()?.trim();
    // From here on the text isn't shown: an address may hold a password.
    let Some(url) = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    else {
        node.bad_unshown("an http or https address, such as \"https://api.example/v1\"");
        return None;
    };
    if !url.username().is_empty() || url.password().is_some() {
        let expected = "an address without user name and password".to_owned();
        let hint = Some("put them into \"key\" or \"headers\", where they are kept secret".to_owned());
        node.refuse(ErrorKind::BadValue { value: None, expected }, hint);
        return None;
    }
    if url.query().is_some() || url.fragment().is_some() {
        node.bad_unshown("an address without \"?\" and \"#\"");
        return None;
    }
    if kind == Kind::Azure && url.path_segments().is_some_and(|mut segments| segments.any(|one| one == "anthropic")) {
        let kind = ErrorKind::NotSupported { what: "Anthropic's wire in a provider of the kind \"azure\"".to_owned() };
        node.refuse(kind, Some("set kind = \"anthropic\", with the same address".to_owned()));
        return None;
    }
    Some(url)
}

/// Whether somebody comes in who has no project of their own, as a key of Vertex's express mode has.
fn has_identity(provider: &Provider) -> bool {
    provider.profiles.iter().any(|profile| matches!(profile.key, ProfileKey::Identity(_)))
}

/// Of Vertex it is part of every address.
fn project(kind: Kind, table: &Table<'_>) -> Option<String> {
    let node = table.node("project")?;
    match kind {
        Kind::Vertex => label(&node, "a project's id"),
        _ => Name::read(&node).map(|Name(name)| name),
    }
}

/// What becomes part of an address.
fn label(node: &Node<'_>, expected: &str) -> Option<String> {
    let Name(text) = Name::read(node)?;
    // Old projects have the domain of their organisation before a colon.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'_');
    if !text.bytes().all(plain) || !text.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        node.bad(&text, expected);
        return None;
    }
    Some(text)
}

fn api_version(node: &Node<'_>) -> Option<String> {
    let Name(text) = Name::read(node)?;
    let date = text.strip_suffix("-preview").unwrap_or(&text).as_bytes();
    let is_date = date.len() == 10
        && date
            .iter()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { *byte == b'-' } else { byte.is_ascii_digit() });
    if !is_date && !matches!(text.as_str(), "v1" | "preview" | "latest") {
        node.bad(&text, "a version of Azure's interface, such as \"2024-10-21\" or \"2025-04-01-preview\"");
        return None;
    }
    Some(text)
}

fn queue(node: &Node<'_>) -> Queue {
    let defaults = Queue::default();
    let Some(table) = node.table() else { return defaults };
    let queue = Queue {
        max_waiting: table.get("max_waiting").unwrap_or(defaults.max_waiting),
        max_wait: table.get("max_wait").map_or(defaults.max_wait, |Positive(duration)| duration),
    };
    table.finish();
    queue
}

fn models(node: &Node<'_>) -> BTreeMap<String, ModelFacts> {
    let Some(table) = node.table() else { return BTreeMap::new() };
    table.entries().into_iter().filter_map(|(name, node)| Some((name.to_owned(), facts(&node)?))).collect()
}

fn facts(node: &Node<'_>) -> Option<ModelFacts> {
    let table = node.table()?;
    let facts = ModelFacts {
        context: table.get("context"),
        max_output: table.get("max_output"),
        prefill: table.get("prefill"),
        tools: table.get("tools"),
        reasoning: table.get("reasoning"),
        cost: table.node("cost").and_then(|node| cost(&node)),
    };
    table.finish();
    Some(facts)
}

fn cost(node: &Node<'_>) -> Option<Cost> {
    let table = node.table()?;
    let price = |key| {
        let node = table.node(key)?;
        let price = f64::read(&node)?;
        if price < 0.0 {
            node.bad_unshown("a price of 0 or more, in dollars per million tokens");
            return None;
        }
        Some(price)
    };
    let needed = |key| {
        if table.node(key).is_none() {
            node.refuse_key(ErrorKind::Missing { key }, Some("cost = { input = 1.25, output = 10 }".to_owned()));
        }
        price(key)
    };
    let (input, output, cache_read, cache_write) =
        (needed("input"), needed("output"), price("cache_read"), price("cache_write"));
    table.finish();
    Some(Cost { input: input?, output: output?, cache_read, cache_write })
}

fn headers(node: &Node<'_>) -> Vec<Header> {
    let Some(table) = node.table() else { return Vec::new() };
    let mut headers: Vec<Header> = Vec::new();
    for (name, node) in table.entries() {
        // The characters of a token, RFC 9110 section 5.6.2.
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let own = OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str());
        if name.is_empty() || !name.bytes().all(token) || own {
            let expected = if own { "a header that can be set" } else { "the name of a header" }.to_owned();
            node.refuse_key(ErrorKind::BadValue { value: Some(format!("{name:?}")), expected }, None);
        } else if headers.iter().any(|header| header.name.eq_ignore_ascii_case(name)) {
            node.refuse_key(ErrorKind::Duplicate { name: name.to_owned() }, None);
        } else if let Some(value) = SecretReference::read(&node) {
            headers.push(Header { name: name.to_owned(), value });
        }
    }
    headers
}

fn defaults(node: &Node<'_>) -> RequestDefaults {
    let Some(table) = node.table() else { return RequestDefaults::default() };
    let temperature = table.node("temperature").and_then(|node| {
        let temperature = f64::read(&node)?;
        if !(0.0..=2.0).contains(&temperature) {
            node.bad_unshown("a temperature from 0 to 2");
            return None;
        }
        Some(temperature)
    });
    let defaults = RequestDefaults { temperature, max_tokens: table.get::<NonZeroU32>("max_tokens") };
    table.finish();
    defaults
}
