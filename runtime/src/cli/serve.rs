//! `greenroom serve`.

use std::{
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use clap::Args;
use greenroom::{
    Runtime, StoreKind,
    config::{self, Loaded, Override, Server as ServerSettings, WarningKind},
    frontends::http::{AdminToken, Door, HolderKind, HttpArgs, Server, Tls},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    Exit, Failure, attach,
    context::{Context, block_on, with_local},
    lock::{Lock, scheme},
    notes,
    output::Output,
    sandbox,
    signals::{stop_on_signals, survive_file_limit},
    tls,
    token::{renew, token},
};

/// Arguments of `greenroom serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The address and port to listen on; port 0 is any free one [default: server.listen, else 127.0.0.1:4747]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Print where it listens as a line of JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: &ServeArgs) -> Result<Exit, Failure> {
    let listen = args.listen.as_ref().map(|address| Override::new("--listen", "server.listen", address));
    let source = context.source(listen.into_iter().collect());
    let written = config::load(&source)?;
    let dir = context.data_dir()?;
    // To look for servers on this machine may take a thread, which must not be outside.
    sandbox::enter(&written, source.file.as_deref(), dir.path(), &context.environment)?;
    let loaded = with_local(&source, written);
    let lock = Lock::take(&dir)?;
    let token = token(&dir)?;
    let tls = loaded.settings.server.tls.as_ref().map(|files| tls::load(files, &context.environment)).transpose()?;
    let is_tls = tls.is_some();
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    block_on(workers, async {
        let stop = CancellationToken::new();
        stop_on_signals(&stop)?;
        survive_file_limit();
        let server = loaded.settings.server.clone();
        let runtime = context.start_owning(loaded.settings.clone(), dir.path().to_owned()).await?;
        let listen = server.listen;
        let place = dir.path().to_owned();
        let token = AdminToken::renewed_by(token, move || renew(&place));
        let http = Server::bind(http_args(server, token, tls), runtime.clone())
            .await
            .map_err(|error| cannot_listen(listen, &error))?;
        let http = match owners_door(context, &runtime, dir.path()) {
            Ok(door) => http.door(door),
            Err(error) => {
                notes::warning(&format!(
                    "commands beside this daemon can't use its sessions: no socket in {}: {error}",
                    dir.path().display()
                ));
                notes::hint(
                    "a socket needs a path of fewer than some hundred bytes that can be written; see --data-dir",
                );
                http
            }
        };
        let address = http.address();
        if let Err(error) = lock.tell(address, is_tls) {
            tracing::warn!("the lock file does not say where the daemon listens: {error}");
        }
        context.tell_demo(&runtime.settings());
        warn(&loaded);
        announce(context, address, is_tls, args.json);
        let outcome = http.run(stop).await;
        // The server has let answers go on for as long as they may.
        runtime.shutdown(Duration::ZERO).await;
        outcome.map_err(|error| Failure::failed(format!("can't serve any longer: {error}"), "start it again"))?;
        Ok(Exit::Done)
    })
}

/// The way in for commands of this user.
fn owners_door(context: &Context, runtime: &Runtime, dir: &Path) -> io::Result<Door> {
    let mut door = attach::door(context, &runtime.settings(), HolderKind::Serve);
    // Who has no store there must not be taken for who has; that nothing is kept was told.
    if runtime.store().state == StoreKind::Ok {
        door.listen(&dir.join(attach::SOCKET))?;
    }
    Ok(door)
}

fn http_args(server: ServerSettings, token: AdminToken, tls: Option<Tls>) -> HttpArgs {
    let ServerSettings { listen, tls: _, allow_plain: _, grace, allowed_hosts, allowed_origins, max_body } = server;
    HttpArgs { listen, token, tls, allowed_hosts, allowed_origins, max_body, grace }
}

/// Says what deserves a second look before the daemon runs for months.
fn warn(loaded: &Loaded) {
    // Keys that can't be had are told of by the runtime, which leaves them out.
    let told_later = |kind: &WarningKind| matches!(kind, WarningKind::SecretUnavailable(_));
    for warning in loaded.warnings.iter().filter(|warning| !told_later(&warning.kind)) {
        notes::warning(&warning.to_string());
        warning.hint().into_iter().for_each(notes::hint);
    }
}

pub(super) fn cannot_listen(listen: SocketAddr, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => "another program listens there; stop it, or choose another: --listen 127.0.0.1:0",
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address; choose another with --listen",
        io::ErrorKind::PermissionDenied => "ports below 1024 need rights; choose a higher one with --listen",
        _ => "choose another address with --listen",
    };
    Failure::failed(format!("can't listen on {listen}: {error}"), hint)
}

/// Says where the daemon listens and how clients get there, at once: somebody may be waiting for the line.
fn announce(context: &Context, address: SocketAddr, is_tls: bool, json: bool) {
    let scheme = scheme(is_tls);
    let reached = SocketAddr::new(reachable(address.ip()), address.port());
    if json {
        let line = json!({"url": format!("{scheme}://{reached}"), "listens": address, "pid": std::process::id()});
        // A daemon goes on without anyone who reads this.
        let _nobody_reads = Output::new().json(&line);
        return;
    }
    let token = token_command(context);
    let text = format!(
        "greenroom listens on {scheme}://{address}\n\n\
         For programs that talk to OpenAI's API:\n  \
         export OPENAI_BASE_URL={scheme}://{reached}/v1\n  \
         export OPENAI_API_KEY=\"$({token})\"\n\n\
         And to Anthropic's:\n  \
         export ANTHROPIC_BASE_URL={scheme}://{reached}\n  \
         export ANTHROPIC_AUTH_TOKEN=\"$({token})\"\n"
    );
    let mut out = io::stdout().lock();
    // A daemon goes on without anyone who reads this.
    let _nobody_reads = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Where a client on this machine finds a server that listens on every address.
pub(super) fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

/// The command that prints the token of this data directory, wherever it is typed.
fn token_command(context: &Context) -> String {
    let named = context.globals.data_dir.clone().or_else(|| context.environment.path("GREENROOM_DATA_DIR"));
    match named.map(|dir| std::path::absolute(&dir).unwrap_or(dir)) {
        Some(dir) => format!("greenroom --data-dir {} auth token", shell_word(&dir.display().to_string())),
        None => "greenroom auth token".to_owned(),
    }
}

/// Text as one word of a POSIX shell.
fn shell_word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::shell_word;

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(shell_word("/var/lib/greenroom"), "/var/lib/greenroom");
        assert_eq!(shell_word("/my data/it's"), "'/my data/it'\\''s'");
    }
}
