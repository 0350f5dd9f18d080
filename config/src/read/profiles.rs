//! The ways into a provider, and their limits.

use std::num::NonZeroU32;

use crate::provider::{Limits, Profile, ProfileKey};
use crate::read::identity::{Way, way};
use crate::read::scalars::{Name, Read as _};
use crate::read::{Node, Table};
use crate::{ErrorKind, GoogleCredentials, Identity, Kind};

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
    vec![only(ProfileKey::None, limits)]
}

/// The profiles of a provider, from `profiles` or a shorthand such as `key`; `limits` are those that each has by itself. Without
/// either, one that wants a key, or has logins, has what is added to it and nothing else.
pub(crate) fn profiles(kind: Kind, has_logins: bool, limits: Limits, table: &Table<'_>) -> Vec<Profile> {
    let google = || ProfileKey::Identity(Identity::GoogleCredentials(GoogleCredentials::Default));
    match (way(kind, table), table.node("profiles")) {
        (Some(Way { node, name, .. }), Some(list)) => {
            let hint = Some(format!("put \"{name}\" into \"profiles\", with an id of its own"));
            node.refuse_key(ErrorKind::Conflict { one: name, other: "profiles" }, hint);
            read_all(kind, &list, limits);
            Vec::new()
        }
        (Some(Way { key, .. }), None) => key.map(|key| vec![only(key, limits)]).unwrap_or_default(),
        (None, Some(list)) => read_all(kind, &list, limits),
        (None, None) if has_logins || kind.wants_key() => Vec::new(),
        (None, None) if kind == Kind::Vertex => vec![only(google(), limits)],
        (None, None) => vec![only(ProfileKey::None, limits)],
    }
}

/// The limits of each profile that has none of its own.
pub(crate) fn of_each(table: &Table<'_>) -> Limits {
    table.node("limits").map(|node| limits(&node, None)).unwrap_or_default()
}

fn only(key: ProfileKey, limits: Limits) -> Profile {
    Profile { key, limits, ..Profile::new(None) }
}

fn read_all(kind: Kind, list: &Node<'_>, limits: Limits) -> Vec<Profile> {
    let Some(nodes) = list.list() else { return Vec::new() };
    if nodes.is_empty() {
        list.bad_unshown("a list with at least one profile in it");
    }
    let mut profiles: Vec<Profile> = Vec::new();
    for node in nodes {
        let Some(profile) = profile(kind, &node, limits) else { continue };
        if profiles.iter().any(|other| other.id == profile.id) {
            let hint = Some("give each profile an id of its own".to_owned());
            node.refuse(ErrorKind::Duplicate { name: profile.id }, hint);
        } else {
            profiles.push(profile);
        }
    }
    profiles
}

fn profile(kind: Kind, node: &Node<'_>, base: Limits) -> Option<Profile> {
    let table = node.table()?;
    let id = table.node("id");
    if id.is_none() {
        let hint = "such as { id = \"work\", key = \"env:WORK_KEY\" }".to_owned();
        node.refuse(ErrorKind::Missing { key: "id" }, Some(hint));
    }
    let id = id.and_then(|node| self::id(&node));
    let key = way(kind, &table).map_or(Some(ProfileKey::Added), |way| way.key);
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
