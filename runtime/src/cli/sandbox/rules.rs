//! What the daemon may do, from its settings and from where it was started. Nothing here looks at the machine.

use std::path::{Path, PathBuf};

use greenroom::config::{Environment, OAuthPreset, Settings};

/// What the libraries and the network's names take of a system, found by following the daemon's calls. Whoever renews
/// `/etc/resolv.conf` or the certificates puts a new file in the old one's place, which a rule for the file alone would
/// not know, so it is the directories that are named.
const SYSTEM: [&str; 14] = [
    "/etc",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/share/pki",
    "/var/lib/ca-certificates",
    "/opt/etc/ssl",
    "/run/systemd/resolve",
    "/run/NetworkManager",
    "/run/resolvconf",
    // How many processors and how much memory there are.
    "/proc/self",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
    "/dev/urandom",
    "/dev/random",
];
/// Where the modules lie that the C library loads when it first looks up a name, and the loader of programs.
const LIBRARIES: [&str; 7] = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/gnu/store"];
/// What stands in for the system's certificates.
const CERTIFICATES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// What may be done; whatever is not here may not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) paths: Vec<Rule>,
    /// The port that is served on; 0 is any that the system chooses.
    pub(crate) port: u16,
    /// Those that a browser comes back to from a login; 0 is any that the system chooses.
    pub(crate) logins: Vec<u16>,
    /// Whether abstract sockets of other programs may be connected to.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "nothing there can be kept from them"))]
    pub(crate) abstract_sockets: bool,
}

/// What may be done with a path and all that is below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) path: PathBuf,
    pub(crate) access: Access,
    pub(crate) wanted: Wanted,
}

/// What may be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// To be read.
    Read,
    /// To be read, and run as a program.
    Run,
    /// To be read and written, as a file that is there.
    Update,
    /// To be read and written, with files and directories that come and go.
    Write,
}

/// Whom a path is for, and so what it means if it isn't there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Systems differ in what they have.
    System,
    /// A file that the settings name for something else, which says itself that it isn't there.
    Named,
    /// This setting of the sandbox names it.
    Setting(&'static str),
    /// The daemon is nothing without it.
    Daemon,
}

/// Where the daemon was started.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    pub(crate) data_dir: &'a Path,
    /// The configuration file, as it is named and as its links lead.
    pub(crate) configuration: &'a [PathBuf],
    /// Where the links of `/etc/resolv.conf` lead.
    pub(crate) resolver: Option<&'a Path>,
}

/// What the daemon may do.
pub(crate) fn rules(settings: &Settings, places: &Places<'_>, environment: &Environment) -> Rules {
    let mut paths = vec![rule(places.data_dir, Access::Write, Wanted::Daemon)];
    // Editors and the system put a new file in the old one's place, which is known by its directory.
    let renewed = |file: &Path, wanted| {
        let folder = file.parent().filter(|folder| !is_wide(folder, environment));
        rule(folder.unwrap_or(file), Access::Read, wanted)
    };
    paths.extend(places.configuration.iter().map(|file| renewed(file, Wanted::Named)));
    paths.extend(places.resolver.map(|file| renewed(file, Wanted::System)));
    let certificates = CERTIFICATES.iter().filter_map(|variable| environment.path(variable));
    for file in settings.files(environment).into_iter().chain(certificates) {
        paths.push(rule(&file, Access::Read, Wanted::Named));
    }
    let sandbox = &settings.sandbox;
    let read = sandbox.read_paths(environment).into_iter().map(|path| (path, Access::Run, "sandbox.read"));
    let write = sandbox.write_paths(environment).into_iter().map(|path| (path, Access::Write, "sandbox.write"));
    for (path, access, setting) in read.chain(write) {
        paths.push(rule(&path, access, Wanted::Setting(setting)));
    }
    // A program is run by the loader, so that has to be allowed with it, and is not without.
    let libraries = if sandbox.read.is_empty() { Access::Read } else { Access::Run };
    paths.extend(LIBRARIES.map(|path| rule(path.as_ref(), libraries, Wanted::System)));
    paths.extend(SYSTEM.map(|path| rule(path.as_ref(), Access::Read, Wanted::System)));
    paths.push(rule("/dev/null".as_ref(), Access::Update, Wanted::System));
    let bus = environment.text("DBUS_SESSION_BUS_ADDRESS");
    Rules {
        paths,
        port: settings.server.listen.port(),
        logins: logins(settings),
        // Where the session's bus is one, the user's keyring is behind it.
        abstract_sockets: bus.is_some_and(|address| address.contains("unix:abstract=")),
    }
}

/// Where browsers come back to this machine, as the providers have it.
fn logins(settings: &Settings) -> Vec<u16> {
    /// ChatGPT's, which allows no other.
    const CHATGPT: u16 = 1455;
    let oauth = settings.providers.iter().filter_map(|provider| provider.oauth.as_ref());
    let mut ports: Vec<u16> = oauth
        .map(|oauth| match (&oauth.redirect_url, oauth.preset) {
            (Some(url), _) => url.port_or_known_default().unwrap_or_default(),
            (None, Some(OAuthPreset::ChatGpt)) => CHATGPT,
            (None, _) => 0,
        })
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn rule(path: &Path, access: Access, wanted: Wanted) -> Rule {
    Rule { path: path.to_owned(), access, wanted }
}

/// Whether a directory holds much that isn't greenroom's: one right below the root, the home directory, those of all
/// programs' configuration and data, or one that has any of these in it.
fn is_wide(folder: &Path, environment: &Environment) -> bool {
    let home = environment.path("HOME");
    let below = |name: &str| home.as_ref().map(|home| home.join(name));
    let shared = [
        home.clone(),
        below(".config"),
        below(".local/share"),
        environment.path("XDG_CONFIG_HOME"),
        environment.path("XDG_DATA_HOME"),
    ];
    // The root is a component as well.
    folder.components().count() <= 2 || shared.iter().flatten().any(|shared| shared.starts_with(folder))
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
