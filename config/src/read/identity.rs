//! `google_credentials` and `entra`, of a provider or of one of its profiles.

use crate::provider::ProfileKey;
use crate::read::oauth::address;
use crate::read::scalars::{Name, Read as _};
use crate::read::server::placed;
use crate::read::{Node, Table};
use crate::{Entra, ErrorKind, GoogleCredentials, Identity, Kind, SecretReference};

/// The settings that say what lets in, of which one is enough.
const WAYS: [&str; 3] = ["key", "google_credentials", "entra"];

/// What a table says lets in.
pub(crate) struct Way<'a> {
    /// The setting that says it.
    pub(crate) node: Node<'a>,
    /// Its name.
    pub(crate) name: &'static str,
    /// What it says; `None` if that is wrong, which was noted.
    pub(crate) key: Option<ProfileKey>,
}

/// What a provider's table, or a profile's, says lets in; `None` if it says nothing.
pub(crate) fn way<'a>(kind: Kind, table: &Table<'a>) -> Option<Way<'a>> {
    for (name, applies) in [("google_credentials", kind == Kind::Vertex), ("entra", kind.has_entra())] {
        if !applies {
            table.not_applicable(kind.name(), &[name]);
        }
    }
    let applies = |name: &&str| match *name {
        "google_credentials" => kind == Kind::Vertex,
        "entra" => kind.has_entra(),
        _ => true,
    };
    let written: Vec<_> = WAYS.into_iter().filter(applies).filter_map(|name| Some((name, table.node(name)?))).collect();
    if let [(one, _), (other, node), ..] = &written[..] {
        node.refuse_key(ErrorKind::Conflict { one: other, other: one }, Some("leave one of them".to_owned()));
    }
    let (name, node) = written.into_iter().next()?;
    let key = match name {
        "google_credentials" => google(&node).map(|google| ProfileKey::Identity(Identity::GoogleCredentials(google))),
        "entra" => entra(&node).map(|entra| ProfileKey::Identity(Identity::Entra(entra))),
        _ => SecretReference::read(&node).map(ProfileKey::Reference),
    };
    Some(Way { node, name, key })
}

fn google(node: &Node<'_>) -> Option<GoogleCredentials> {
    let Name(text) = Name::read(node)?;
    if text == "default" {
        return Some(GoogleCredentials::Default);
    }
    match text.strip_prefix("file:").map(str::trim).filter(|path| !path.is_empty()) {
        Some(path) => Some(GoogleCredentials::File(placed(node, path))),
        None => {
            // Not shown: a key may have been pasted there.
            node.bad_unshown("\"default\" or a file, such as \"file:~/keys/vertex.json\"");
            None
        }
    }
}

fn entra(node: &Node<'_>) -> Option<Entra> {
    let table = node.table()?;
    for key in ["tenant", "client_id", "client_secret"] {
        if table.node(key).is_none() {
            let hint = "entra = { tenant = \"…\", client_id = \"…\", client_secret = \"env:AZURE_CLIENT_SECRET\" }";
            node.refuse_key(ErrorKind::Missing { key }, Some(hint.to_owned()));
        }
    }
    let name = |key| table.get(key).map(|Name(name)| name);
    let (tenant, client_id, scope) = (tenant(&table), name("client_id"), name("scope"));
    let client_secret = table.node("client_secret").and_then(|node| SecretReference::read(&node));
    let authority = address(&table, "authority");
    table.finish();
    Some(Entra { tenant: tenant?, client_id: client_id?, client_secret: client_secret?, scope, authority })
}

/// A tenant stands in the path of an address.
fn tenant(table: &Table<'_>) -> Option<String> {
    let node = table.node("tenant")?;
    let Name(text) = Name::read(&node)?;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.');
    if !text.chars().any(|letter| letter.is_ascii_alphanumeric()) || !text.chars().all(plain) {
        node.bad(&text, "a tenant: its id or its domain");
        return None;
    }
    Some(text)
}
