//! Where the daemon listens, its certificate, and what it would be kept from.

use std::{fs, net::TcpListener, time::SystemTime};

use greenroom::config::{Loaded, SandboxMode};

use super::{
    certificate,
    data::Place,
    finding::{Finding, Report},
};
use crate::cli::{Failure, context::Context, lock, sandbox, serve::cannot_listen, tls};

const LISTEN: &str = "listen";
const TLS: &str = "tls";
const SANDBOX: &str = "sandbox";

pub(super) fn check(
    context: &Context,
    loaded: Option<&Loaded>,
    place: &Place,
    report: &mut Report,
) -> Result<(), Failure> {
    let Some(loaded) = loaded else { return Ok(()) };
    report.tell(listen(loaded, place))?;
    if let Some(files) = &loaded.settings.server.tls {
        let told = match tls::load(files, &context.environment) {
            Err(failure) => Finding::failed(TLS, failure),
            Ok(_) => match fs::read(files.certificate_file(&context.environment)) {
                Ok(pem) => certificate::judged(TLS, &pem, SystemTime::now()),
                Err(error) => Finding::problem(TLS, format!("the certificate can't be read: {error}"), "try again"),
            },
        };
        report.tell(told)?;
    }
    report.tell(sandbox(loaded.settings.sandbox.mode))
}

fn listen(loaded: &Loaded, place: &Place) -> Finding {
    let wanted = loaded.settings.server.listen;
    let running = place.dir.as_deref().and_then(lock::listens_at);
    match running {
        Some(address) if address == wanted || (wanted.port() == 0 && address.ip() == wanted.ip()) => {
            return Finding::ok(LISTEN, format!("the daemon that runs listens on {address}"));
        }
        Some(address) => {
            let what = format!("the daemon that runs listens on {address}, and the configuration says {wanted}");
            return Finding::warning(LISTEN, what, "restart it to have it listen there, or change server.listen");
        }
        None => {}
    }
    match TcpListener::bind(wanted) {
        Ok(_) => Finding::ok(LISTEN, format!("{wanted} is free")),
        Err(error) => Finding::failed(LISTEN, cannot_listen(wanted, &error)),
    }
}

fn sandbox(mode: SandboxMode) -> Finding {
    match (mode, sandbox::support()) {
        (SandboxMode::Off, Ok(_)) => {
            Finding::ok(SANDBOX, "it is off, and would work: sandbox.mode = \"required\" turns it on")
        }
        (SandboxMode::Off, Err((why, _))) => Finding::ok(SANDBOX, format!("it is off, and would not work: {why}")),
        (_, Ok(None)) => Finding::ok(SANDBOX, "this kernel has all of it"),
        (_, Ok(Some(lacking))) => Finding::warning(SANDBOX, lacking, "run a later Linux for the rest of it"),
        (SandboxMode::Required, Err((why, hint))) => {
            let hint = format!("{hint}; or have as much of it as there is: sandbox.mode = \"best-effort\"");
            Finding::problem(SANDBOX, format!("it is required and can't be had: {why}"), hint)
        }
        (_, Err((why, hint))) => Finding::warning(SANDBOX, format!("none would be in force: {why}"), hint),
    }
}
