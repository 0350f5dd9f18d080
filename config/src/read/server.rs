//! `[server]`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use url::Url;

use crate::read::Node;
use crate::read::scalars::{Bytes, Name, Read as _};
use crate::{ErrorKind, Server, Tls};

pub(crate) fn server(node: &Node<'_>) -> Server {
    let defaults = Server::default();
    let Some(table) = node.table() else { return defaults };
    let texts = |key, read: fn(&Node<'_>, &str) -> Option<String>| {
        let entries = table.node(key).and_then(|node| node.texts()).unwrap_or_default();
        entries.iter().filter_map(|(node, text)| read(node, text)).collect::<Vec<_>>()
    };
    let server = Server {
        listen: table.node("listen").and_then(|node| listen(&node)).unwrap_or(defaults.listen),
        tls: table.node("tls").and_then(|node| tls(&node)),
        allow_plain: table.get("allow_plain").unwrap_or(defaults.allow_plain),
        grace: table.get("grace").unwrap_or(defaults.grace),
        allowed_hosts: texts("allowed_hosts", host),
        allowed_origins: texts("allowed_origins", origin),
        max_body: table.get("max_body").map_or(defaults.max_body, |Bytes(bytes)| bytes),
    };
    table.finish();
    server
}

fn tls(node: &Node<'_>) -> Option<Tls> {
    let table = node.table()?;
    let file = |key| {
        let found = table.node(key);
        if found.is_none() {
            node.refuse_key(ErrorKind::Missing { key }, None);
        }
        found.and_then(|node| file(&node))
    };
    let (certificate, key) = (file("certificate"), file("key"));
    table.finish();
    Some(Tls { certificate: certificate?, key: key? })
}

fn file(node: &Node<'_>) -> Option<PathBuf> {
    let Name(text) = Name::read(node)?;
    Some(placed(node, &text))
}

/// A path; a relative one starts from the directory of the file that it is written in.
pub(crate) fn placed(node: &Node<'_>, text: &str) -> PathBuf {
    let is_home = text == "~" || text.starts_with("~/");
    node.origin().directory().filter(|_| !is_home).map_or_else(|| text.into(), |base| base.join(text))
}

/// `localhost` is taken for the loopback address; other names would have to be looked up, which may give anything.
fn listen(node: &Node<'_>) -> Option<SocketAddr> {
    let text = node.text()?.trim();
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    let address = local.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).or_else(|| text.parse().ok());
    if address.is_none() {
        node.bad(text, "an address with a port, such as \"127.0.0.1:4747\"");
    }
    address
}

fn host(node: &Node<'_>, text: &str) -> Option<String> {
    let foreign = |letter: char| letter.is_whitespace() || matches!(letter, '/' | '@' | '*' | '?' | '#' | '\\');
    let whole = Url::parse(&format!("http://{text}/")).ok();
    // Wildcards would undo what the list is for: no page on another name may reach this server.
    if text.contains(foreign) || whole.and_then(|url| url.host_str().map(str::len)).is_none() {
        node.bad(text, "a host name, such as \"greenroom.example\" or \"greenroom.example:8080\"");
        return None;
    }
    Some(text.to_ascii_lowercase())
}

fn origin(node: &Node<'_>, text: &str) -> Option<String> {
    let url = Url::parse(text).ok().filter(|url| {
        let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        bare && url.host_str().is_some_and(|host| !host.contains('*')) && url.username().is_empty()
    });
    let Some(url) = url else {
        node.bad(text, "an origin, such as \"https://app.example\"");
        return None;
    };
    let origin = url.origin();
    // Desktop apps send schemes of their own (`tauri://localhost`), which have no origin in the eyes of this crate.
    Some(if origin.is_tuple() { origin.ascii_serialization() } else { text.trim_end_matches('/').to_ascii_lowercase() })
}
