//! How secrets are kept, and where they are sent.

use std::path::Path;

use url::{Host, Url};

use crate::check::Findings;
use crate::origin::{entry, join};
use crate::{
    CredentialError, Environment, ErrorKind, Kind, Origin, ProfileKey, Provider, SecretReference, WarningKind,
};

pub(crate) fn check(provider: &Provider, path: &str, environment: &Environment, findings: &mut Findings<'_>) {
    transport(provider, path, findings);
    for (index, profile) in provider.profiles.iter().enumerate() {
        let Some(key) = profile.key.secret() else { continue };
        let setting = |table: &str| match &profile.key {
            ProfileKey::Identity(_) => join(&join(table, "entra"), "client_secret"),
            _ => join(table, "key"),
        };
        let profiles = join(path, "profiles");
        // The shorthand makes a profile that was not written as one.
        let shorthand = !matches!(findings.merged.origins.get(&setting(path)), Origin::BuiltIn);
        let key_path = if shorthand { setting(path) } else { setting(&entry(&profiles, index)) };
        secret(key, &key_path, || provider.key(profile, environment).err(), environment, findings);
    }
    for header in &provider.headers {
        let header_path = join(&join(path, "headers"), &header.name);
        if !header.is_sensitive() && matches!(header.value, SecretReference::Literal(_)) {
            continue;
        }
        secret(&header.value, &header_path, || provider.header(header, environment).err(), environment, findings);
    }
    if let Some(client) = provider.oauth.as_ref().and_then(|oauth| oauth.client_secret.as_ref()) {
        let client_path = join(&join(path, "oauth"), "client_secret");
        secret(client, &client_path, || provider.client_secret(environment).err(), environment, findings);
    }
}

/// What reading a file makes sure of, for providers that were made in code.
pub(crate) fn shape(provider: &Provider, before: &[Provider], findings: &mut Findings<'_>) {
    let path = join("providers", &provider.name);
    let name = &provider.name;
    if before.iter().any(|other| other.name == *name) {
        findings.error(&path, ErrorKind::Duplicate { name: name.clone() }, None);
    }
    if name.is_empty() || name.contains('/') {
        let expected = "a provider's name".to_owned();
        findings.error(&path, ErrorKind::BadValue { value: Some(format!("{name:?}")), expected }, None);
    }
    if provider.profiles.is_empty() && !provider.waits_for_added() {
        findings.error(&path, ErrorKind::Missing { key: "profiles" }, None);
    }
    for (index, profile) in provider.profiles.iter().enumerate() {
        if provider.profiles[..index].iter().any(|other| other.id == profile.id) {
            let profile_path = entry(&join(&path, "profiles"), index);
            findings.error(&profile_path, ErrorKind::Duplicate { name: profile.id.clone() }, None);
        }
    }
    if provider.wire.is_some() && !provider.kind.has_wires() {
        let kind = ErrorKind::NotApplicable { kind: provider.kind.name(), key: "wire" };
        findings.error(&join(&path, "wire"), kind, None);
    }
    let foreign = [
        ("routing", !provider.routing.is_empty() && provider.kind != Kind::OpenRouter),
        ("exchange", provider.copilot.exchange && provider.kind != Kind::Copilot),
    ];
    for (key, _) in foreign.into_iter().filter(|(_, is_foreign)| *is_foreign) {
        findings.error(&join(&path, key), ErrorKind::NotApplicable { kind: provider.kind.name(), key }, None);
    }
    if matches!(provider.kind, Kind::OpenAiCompatible | Kind::Azure) && provider.base_url.is_none() {
        findings.error(&path, ErrorKind::Missing { key: "base_url" }, None);
    }
}

/// A key over plain HTTP is everyone's who is on the way; only loopback has no way.
fn transport(provider: &Provider, path: &str, findings: &mut Findings<'_>) {
    let Some(url) = &provider.base_url else { return };
    // Without a profile it is to have what is added. What AWS's credentials sign may hold a token of theirs.
    let keyed = provider.profiles.is_empty()
        || provider.kind == Kind::Bedrock
        || provider.profiles.iter().any(|profile| profile.key != ProfileKey::None)
        || provider.headers.iter().any(crate::Header::is_sensitive);
    if url.scheme() == "https" || !keyed || is_loopback(url) {
        return;
    }
    let host = url.host_str().unwrap_or_default().to_owned();
    let path = join(path, "base_url");
    if provider.allow_http {
        let hint = Some("use https where the server has it".to_owned());
        findings.warn(&path, WarningKind::InsecureTransport { host }, hint);
    } else {
        let hint = Some("use https, or set \"allow_http = true\" for this provider if the network is yours".to_owned());
        findings.error(&path, ErrorKind::InsecureTransport { host }, hint);
    }
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        // RFC 6761, section 6.3: the name and all below it are loopback.
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// What there is to say of a secret. No keyring is asked and no program run for it: a check is to be harmless and quick.
pub(crate) fn secret(
    reference: &SecretReference,
    path: &str,
    unavailable: impl FnOnce() -> Option<CredentialError>,
    environment: &Environment,
    findings: &mut Findings<'_>,
) {
    let origin = findings.merged.origins.get(path).clone();
    // In a variable a secret is where many people keep it; in a file and on a command line it can be read by others.
    if matches!(reference, SecretReference::Literal(_)) && !matches!(origin, Origin::Environment { .. }) {
        let hint =
            Some("keep it in a variable and write \"env:NAME\", or in a file and write \"file:PATH\"".to_owned());
        findings.warn(path, WarningKind::LiteralSecret, hint);
        if let Origin::File { path: file, .. } = &origin {
            readable_by_others(file, path, findings);
        }
    }
    if reference.is_slow() && environment.known(reference).is_none() {
        return;
    }
    if let Some(error) = unavailable() {
        let hint = Some(error.hint());
        findings.warn(path, WarningKind::SecretUnavailable(error), hint);
    } else if let Some(file) = reference.file(environment) {
        readable_by_others(&file, path, findings);
    }
}

#[cfg(unix)]
pub(crate) fn readable_by_others(file: &Path, path: &str, findings: &mut Findings<'_>) {
    use std::os::unix::fs::PermissionsExt;

    let Ok(metadata) = std::fs::metadata(file) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o044 != 0 {
        let hint = Some(format!("chmod 600 {}", file.display()));
        findings.warn(path, WarningKind::ReadableByOthers { path: file.to_path_buf(), mode }, hint);
    }
}

/// Who may read a file is said by lists there that only the platform's own tools show well.
#[cfg(not(unix))]
pub(crate) fn readable_by_others(_: &Path, _: &str, _: &mut Findings<'_>) {}
