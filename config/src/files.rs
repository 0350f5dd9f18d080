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
        let clients = self.providers.iter().filter_map(|provider| provider.oauth.as_ref()?.client_secret.as_ref());
        let secrets = self.references().chain(clients).chain(self.credentials.passphrase.as_ref());
        tls.chain(secrets.filter_map(|secret| secret.file(environment))).collect()
    }
}
