//! The ways into a provider, and their limits.

use std::num::NonZeroU32;

use crate::provider::{Limits, Profile, ProfileKey};
use crate::read::scalars::{Name, Read};
use crate::read::{Node, Table};
use crate::{ErrorKind, Kind, SecretReference};

/// `limits` of a table; what isn't written there is taken from `base`.
pub(crate) fn limits(node: &Node<'_>, base: Option<Limits>) -> Limits {
    let base = base.unwrap_or_default();
    let Some(table) = node.table() else { return base };
    let limits = Limits {
        requests_per_minute: table.get("requests_per_minute").or(base.requests_per_minute),
        tokens_per_minute: table.get("tokens_per_minute").or(base.tokens_per_minute),
        concurrent: table.get("concurrent").or(base.concurrent),
    };
    table.finish();
    limits
}

/// The one profile of a provider that wants no key.
pub(crate) fn keyless(limits: Limits) -> Vec<Profile> {
    vec![only(None, limits)]
}

/// The profiles of a provider, from `profiles` or the shorthand `key`; `limits` are those that each has by itself. Without
/// either, one that wants a key, or has logins, has what is added to it and nothing else.
pub(crate) fn profiles(kind: Kind, has_logins: bool, limits: Limits, table: &Table<'_>) -> Vec<Profile> {
    let (key, list) = (table.node("key"), table.node("profiles"));
    match (key, list) {
        (Some(key), Some(list)) => {
            let hint = Some("put the key into \"profiles\", with an id of its own".to_owned());
            key.refuse_key(ErrorKind::Conflict { one: "key", other: "profiles" }, hint);
            read_all(&list, limits);
            Vec::new()
        }
        (Some(key), None) => SecretReference::read(&key).map(|key| vec![only(Some(key), limits)]).unwrap_or_default(),
        (None, Some(list)) => read_all(&list, limits),
        (None, None) if has_logins || kind.wants_key() => Vec::new(),
        (None, None) => vec![only(None, limits)],
    }
}

/// The limits of each profile that has none of its own.
pub(crate) fn of_each(table: &Table<'_>) -> Limits {
    table.node("limits").map(|node| limits(&node, None)).unwrap_or_default()
}

fn only(key: Option<SecretReference>, limits: Limits) -> Profile {
    Profile { limits, ..Profile::new(key) }
}

fn read_all(list: &Node<'_>, limits: Limits) -> Vec<Profile> {
    let Some(nodes) = list.list() else { return Vec::new() };
    if nodes.is_empty() {
        list.bad_unshown("a list with at least one profile in it");
    }
    let mut profiles: Vec<Profile> = Vec::new();
    for node in nodes {
        let Some(profile) = profile(&node, limits) else { continue };
        if profiles.iter().any(|other| other.id == profile.id) {
            let hint = Some("give each profile an id of its own".to_owned());
            node.refuse(ErrorKind::Duplicate { name: profile.id }, hint);
        } else {
            profiles.push(profile);
        }
    }
    profiles
}

fn profile(node: &Node<'_>, base: Limits) -> Option<Profile> {
    let table = node.table()?;
    let id = table.node("id");
    if id.is_none() {
        let hint = "such as { id = \"work\", key = \"env:WORK_KEY\" }".to_owned();
        node.refuse(ErrorKind::Missing { key: "id" }, Some(hint));
    }
    let id = id.and_then(|node| self::id(&node));
    let key = match table.node("key") {
        Some(node) => SecretReference::read(&node).map(ProfileKey::Reference),
        None => Some(ProfileKey::Added),
    };
    let weight = table.get::<NonZeroU32>("weight").map_or(1, NonZeroU32::get);
    let limits = table.node("limits").map_or(base, |node| limits(&node, Some(base)));
    table.finish();
    Some(Profile { id: id?, key: key?, weight, limits })
}

fn id(node: &Node<'_>) -> Option<String> {
    let Name(id) = Name::read(node)?;
    if id.contains(['/', ' ']) {
        node.bad(&id, "a profile's id: without spaces and slashes");
        return None;
    }
    Some(id)
}
