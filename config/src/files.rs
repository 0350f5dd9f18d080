//! The files that settings lead to.

use std::path::PathBuf;

use crate::{Environment, GoogleCredentials, Identity, Kind, ProfileKey, Settings, gcloud_credentials};

/// What AWS's own chain of credentials reads: its configuration, its tokens of single sign-on, and what the platform
/// puts there.
fn aws_files(environment: &Environment) -> impl Iterator<Item = PathBuf> + use<> {
    let own = |variable: &str, name: &str| {
        environment.path(variable).or_else(|| Some(environment.path("HOME")?.join(".aws").join(name)))
    };
    let files = [
        own("AWS_CONFIG_FILE", "config"),
        own("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        environment.path("HOME").map(|home| home.join(".aws/sso/cache")),
        environment.path("AWS_WEB_IDENTITY_TOKEN_FILE"),
        environment.path("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
    ];
    files.into_iter().flatten()
}

impl Settings {
    /// Every file that the settings name, `~` expanded: those of secrets, the certificate and its key, Google's credentials. Whoever adds a
    /// setting that names a file adds it here, since a daemon in a sandbox can read no other.
    #[must_use]
    pub fn files(&self, environment: &Environment) -> Vec<PathBuf> {
        let tls = self.server.tls.iter();
        let tls = tls.flat_map(|tls| [tls.certificate_file(environment), tls.key_file(environment)]);
        let clients = self.providers.iter().filter_map(|provider| provider.oauth.as_ref()?.client_secret.as_ref());
        let secrets = self.references().chain(clients).chain(self.credentials.passphrase.as_ref());
        let google = self.google_credentials().flat_map(|credentials| {
            let found = gcloud_credentials(environment).filter(|_| *credentials == GoogleCredentials::Default);
            credentials.named_file(environment).or(found)
        });
        let aws = self.providers.iter().any(|provider| provider.kind == Kind::Bedrock);
        let aws = aws.then(|| aws_files(environment)).into_iter().flatten();
        tls.chain(secrets.filter_map(|secret| secret.file(environment))).chain(google).chain(aws).collect()
    }

    fn google_credentials(&self) -> impl Iterator<Item = &GoogleCredentials> {
        let profiles = self.providers.iter().flat_map(|provider| &provider.profiles);
        profiles.filter_map(|profile| match &profile.key {
            ProfileKey::Identity(Identity::GoogleCredentials(credentials)) => Some(credentials),
            _ => None,
        })
    }
}
