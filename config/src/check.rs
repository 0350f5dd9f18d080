//! What single values can't show to be wrong.

mod aliases;
mod providers;

pub(crate) use providers::is_loopback;

use crate::layers::Merged;
use crate::origin::join;
use crate::{
    ConfigError, Environment, ErrorKind, Problems, Sandbox, SandboxMode, Server, Settings, Timeouts, Warning,
    WarningKind,
};

impl Settings {
    /// Holds settings that were made or changed in code to the rules that [`crate::load`] holds written ones to: unique
    /// names, keys only over encrypted connections, aliases that lead somewhere. What the types allow and a file does
    /// not (a temperature of 7) is left to who made them.
    ///
    /// # Errors
    ///
    /// [`Problems`] with everything that is wrong.
    pub fn validate(&self, environment: &Environment) -> Result<Vec<Warning>, Problems> {
        let merged = Merged::of(&[]);
        let mut errors = Vec::new();
        let mut findings = Findings { merged: &merged, errors: &mut errors, warnings: Vec::new() };
        for (index, provider) in self.providers.iter().enumerate() {
            providers::shape(provider, &self.providers[..index], &mut findings);
        }
        let warnings = check(self, &merged, environment, &mut errors);
        if errors.is_empty() { Ok(warnings) } else { Err(Problems::new(errors, warnings)) }
    }
}

/// Notes errors in `errors`, and gives the warnings.
pub(crate) fn check(
    settings: &Settings,
    merged: &Merged,
    environment: &Environment,
    errors: &mut Vec<ConfigError>,
) -> Vec<Warning> {
    let mut findings = Findings { merged, errors, warnings: Vec::new() };
    server(settings, environment, &mut findings);
    sandbox(settings, &mut findings);
    timeouts(&settings.timeouts, "timeouts", &mut findings);
    for provider in &settings.providers {
        let path = join("providers", &provider.name);
        providers::check(provider, &path, environment, &mut findings);
        if provider.timeouts != settings.timeouts {
            timeouts(&provider.timeouts, &join(&path, "timeouts"), &mut findings);
        }
    }
    aliases::check(settings, &mut findings);
    if let Some(passphrase) = &settings.credentials.passphrase {
        let resolve = || settings.passphrase(environment).err();
        providers::secret(passphrase, "credentials.passphrase", resolve, environment, &mut findings);
    }
    let mut warnings = findings.warnings;
    warnings.sort_by_key(|warning| warning.origin.order());
    warnings
}

/// What was found so far.
pub(crate) struct Findings<'a> {
    merged: &'a Merged,
    errors: &'a mut Vec<ConfigError>,
    warnings: Vec<Warning>,
}

impl Findings<'_> {
    fn error(&mut self, path: &str, kind: ErrorKind, hint: Option<String>) {
        let origin = self.merged.origins.get(path).clone();
        self.errors.push(ConfigError { kind, origin, path: path.to_owned(), hint });
    }

    fn warn(&mut self, path: &str, kind: WarningKind, hint: Option<String>) {
        let origin = self.merged.origins.get(path).clone();
        self.warnings.push(Warning { kind, origin, path: path.to_owned(), hint });
    }
}

fn server(settings: &Settings, environment: &Environment, findings: &mut Findings<'_>) {
    let Server { listen, tls, allow_plain, .. } = &settings.server;
    let listen = *listen;
    match tls {
        Some(tls) => providers::readable_by_others(&tls.key_file(environment), "server.tls.key", findings),
        None if listen.ip().is_loopback() => {}
        None if *allow_plain => {
            let hint = "add [server.tls], or put a server with TLS in front of it; names it is called by go into \
                        server.allowed_hosts";
            findings.warn("server.listen", WarningKind::ListenBeyondLoopback { listen }, Some(hint.to_owned()));
        }
        None => {
            let hint = "add [server.tls] with a certificate and its key, or listen on 127.0.0.1 behind a server with TLS; \
                        if the network is yours alone, set server.allow_plain = true";
            findings.error("server.listen", ErrorKind::InsecureListen { listen }, Some(hint.to_owned()));
        }
    }
}

fn sandbox(settings: &Settings, findings: &mut Findings<'_>) {
    let Sandbox { mode, read, write } = &settings.sandbox;
    let without = [("sandbox.read", read), ("sandbox.write", write)];
    for (path, _) in without.iter().filter(|(_, paths)| *mode == SandboxMode::Off && !paths.is_empty()) {
        let because = "there is no sandbox".to_owned();
        findings.warn(path, WarningKind::NoEffect { because }, Some("set sandbox.mode = \"required\"".to_owned()));
    }
}

fn timeouts(timeouts: &Timeouts, path: &str, findings: &mut Findings<'_>) {
    if timeouts.connect > timeouts.first_token.max(timeouts.first_token_alone) {
        let because = "the first token is waited for from the start of connecting, and not as long".to_owned();
        let hint = Some("make it shorter than \"first_token\"".to_owned());
        findings.warn(&join(path, "connect"), WarningKind::NoEffect { because }, hint);
    }
}
