//! `oauth` of a provider.

use url::Url;

use crate::check::is_loopback;
use crate::provider::Copilot;
use crate::read::scalars::{Name, Read as _, word};
use crate::read::{Node, Table};
use crate::{ErrorKind, OAuth, OAuthFlow, OAuthPreset, SecretReference};

/// `usual` is the preset of the provider's kind, where nothing else says whose logins these are; of `copilot` is taken what
/// is said of the provider and not here.
pub(crate) fn oauth(node: &Node<'_>, usual: Option<OAuthPreset>, copilot: &Copilot) -> Option<OAuth> {
    let table = node.table()?;
    let written = table.node("preset");
    let preset = match &written {
        Some(node) => word(node, &OAuthPreset::WORDS),
        None => usual.filter(|_| table.node("token_url").is_none()),
    };
    // What a preset that can't be read knows is unknown, so nothing is said to be missing.
    let is_known = written.is_none() || preset.is_some();
    let (authorize_url, token_url) = (address(&table, "authorize_url"), address(&table, "token_url"));
    let device_url = address(&table, "device_url");
    let client_id = table.get("client_id").map(|Name(id)| id);
    let client_secret = table.node("client_secret").and_then(|node| SecretReference::read(&node));
    let scopes = table.node("scopes").map(|node| scopes(&node)).unwrap_or_default();
    let audience = table.get("audience").map(|Name(audience)| audience);
    let redirect_url = table.node("redirect_url").and_then(|node| redirect(&node));
    let flow = flow(&table, preset);
    let domain = table.node("domain").and_then(|node| domain(&node));
    let exchange = table.get("exchange").unwrap_or(false);
    let exchange_url = address(&table, "exchange_url");
    if is_known {
        needed(&table, preset, flow);
        of_copilot(&table, preset, exchange);
    }
    table.finish();
    let is_copilot = preset == Some(OAuthPreset::Copilot);
    let domain = domain.or_else(|| copilot.domain.clone().filter(|_| is_copilot));
    let exchange = exchange || copilot.exchange && is_copilot;
    let exchange_url = exchange_url.or_else(|| copilot.exchange_url.clone().filter(|_| is_copilot));
    Some(OAuth {
        preset,
        authorize_url,
        token_url,
        device_url,
        client_id,
        client_secret,
        scopes,
        audience,
        redirect_url,
        flow,
        domain,
        exchange,
        exchange_url,
    })
}

/// An address that secrets go to.
pub(crate) fn address(table: &Table<'_>, key: &'static str) -> Option<Url> {
    let node = table.node(key)?;
    let text = node.text()?.trim();
    // Not shown: an address may hold a password.
    let Some(url) = Url::parse(text).ok().filter(|url| {
        let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        matches!(url.scheme(), "http" | "https") && url.has_host() && bare
    }) else {
        node.bad_unshown("an https address, such as \"https://login.example/oauth/token\"");
        return None;
    };
    if url.scheme() != "https" && !is_loopback(&url) {
        let host = url.host_str().unwrap_or_default().to_owned();
        node.refuse(ErrorKind::InsecureTransport { host }, Some("use https".to_owned()));
        return None;
    }
    Some(url)
}

/// An address of this machine, since nothing else of greenroom's answers a browser.
fn redirect(node: &Node<'_>) -> Option<Url> {
    let url = Url::parse(node.text()?.trim()).ok();
    let fit =
        |url: &Url| url.scheme() == "http" && is_loopback(url) && url.query().is_none() && url.fragment().is_none();
    let url = url.filter(fit);
    if url.is_none() {
        node.bad_unshown("an http address of this machine, such as \"http://localhost:1455/auth/callback\"");
    }
    url
}

fn scopes(node: &Node<'_>) -> Vec<String> {
    let mut scopes = Vec::new();
    for (node, text) in node.texts().unwrap_or_default() {
        // RFC 6749, section 3.3: scopes are separated by spaces on the way.
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')) {
            node.bad(text, "a scope: one word, without quotes");
        } else {
            scopes.push(text.to_owned());
        }
    }
    scopes
}

/// The flow that was written, else the one that the preset or the addresses are for.
fn flow(table: &Table<'_>, preset: Option<OAuthPreset>) -> OAuthFlow {
    let has = |key| table.node(key).is_some();
    let usual = match preset {
        Some(OAuthPreset::Copilot) => OAuthFlow::Device,
        Some(_) => OAuthFlow::Pkce,
        None if has("device_url") && !has("authorize_url") => OAuthFlow::Device,
        None => OAuthFlow::Pkce,
    };
    let Some(node) = table.node("flow") else { return usual };
    let Some(flow) = word(&node, &OAuthFlow::WORDS) else { return usual };
    let other = match (preset, flow) {
        (Some(OAuthPreset::OpenRouter), OAuthFlow::Device) => "pkce",
        (Some(OAuthPreset::Copilot), OAuthFlow::Pkce) if !has("authorize_url") => "device",
        _ => return flow,
    };
    let value = Some(node.text().map(|text| format!("{text:?}")).unwrap_or_default());
    let expected = format!("how this preset lets anybody in: \"{other}\"");
    node.refuse(ErrorKind::BadValue { value, expected }, Some("take it out".to_owned()));
    usual
}

/// Notes what has to be said and is not.
fn needed(table: &Table<'_>, preset: Option<OAuthPreset>, flow: OAuthFlow) {
    let need = |key: &'static str, hint: &str| {
        if table.node(key).is_none() {
            table.node.refuse_key(ErrorKind::Missing { key }, Some(hint.to_owned()));
        }
    };
    if preset == Some(OAuthPreset::OpenRouter) {
        return;
    }
    need("client_id", "register a client of your own with the provider, and write its id: client_id = \"…\"");
    if preset.is_some() {
        return;
    }
    need("token_url", "such as token_url = \"https://login.example/oauth/token\", or choose a preset");
    match flow {
        OAuthFlow::Device => need("device_url", "such as device_url = \"https://login.example/oauth/device\""),
        OAuthFlow::Pkce => {
            need(
                "authorize_url",
                "such as authorize_url = \"https://login.example/authorize\", or write \"device_url\"",
            );
        }
    }
}

/// Notes what means nothing but for Copilot.
fn of_copilot(table: &Table<'_>, preset: Option<OAuthPreset>, exchange: bool) {
    let of_it = ["domain", "exchange"].map(|key| (key, preset == Some(OAuthPreset::Copilot), "preset = \"copilot\""));
    for (key, has, without) in of_it.into_iter().chain([("exchange_url", exchange, "exchange = true")]) {
        if let (Some(node), false) = (table.node(key), has) {
            let hint = Some("take it out: it would have no effect".to_owned());
            node.refuse_key(ErrorKind::MeansNothing { key, without }, hint);
        }
    }
}

/// The bare name of a host.
pub(crate) fn domain(node: &Node<'_>) -> Option<String> {
    let Name(text) = Name::read(node)?;
    let url = Url::parse(&format!("https://{text}/")).ok();
    let is_host = url.is_some_and(|url| url.domain() == Some(text.to_ascii_lowercase().as_str()));
    if !is_host {
        node.bad(&text, "the name of a host, such as \"github.example\"");
    }
    is_host.then(|| text.to_ascii_lowercase())
}
