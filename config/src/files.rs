//! The files that settings lead to.

use std::path::PathBuf;

use crate::{Environment, Settings};

impl Settings {
    /// Every file that the settings name, `~` expanded: those of secrets, the certificate and its key. Whoever adds a
    /// setting that names a file adds it here, since a daemon in a sandbox can read no other.
    #[must_use]
    pub fn files(&self, environment: &Environment) -> Vec<PathBuf> {
        let tls = self.server.tls.iter();
        let tls = tls.flat_map(|tls| [tls.certificate_file(environment), tls.key_file(environment)]);
        let keys = self.providers.iter().flat_map(|provider| &provider.profiles);
        let keys = keys.filter_map(|profile| profile.key.as_ref());
        let headers = self.providers.iter().flat_map(|provider| &provider.headers).map(|header| &header.value);
        tls.chain(keys.chain(headers).filter_map(|secret| secret.file(environment))).collect()
    }
}
