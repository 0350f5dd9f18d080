//! Finding whoever holds the data directory.

use std::path::{Path, PathBuf};

use axum::http::Method;
use greenroom::{
    config,
    frontends::http::{Holder, HolderKind},
};

use super::{
    client::{Ask, Client, Way, path},
    holding::{VARIABLES, socket_of},
    link::Need,
};
use crate::cli::{Failure, context::Context, data_dir::DataDir, lock, notes, serve::reachable, token::token};

/// How long a holder may take to say who it is. One that is stopped, say by Ctrl-Z, takes connections and says nothing.
const INTRODUCTION: std::time::Duration = std::time::Duration::from_secs(5);

/// The holder of a data directory, if one answers what is needed.
pub(super) async fn attach(dir: &Path, context: &Context, need: Need) -> Result<Option<(Client, Holder)>, Failure> {
    let client = Client::new(Way::Socket(socket_of(dir)));
    if let Some(holder) = introduced(&client).await {
        return Ok(Some((client, holder)));
    }
    // What is not kept is the owner's alone to ask.
    if need.goes_on_without() || fits(&socket_of(dir)) {
        return Ok(None);
    }
    let Some(client) = at_address(dir)? else { return Ok(None) };
    // What a daemon tells nobody but its owner is not asked by this way.
    let variables = VARIABLES.iter().filter(|name| context.environment.text(name).is_some());
    let variables = variables.map(|name| (*name).to_owned()).collect();
    Ok(Some((client, Holder { kind: HolderKind::Serve, pid: 0, demo: false, variables })))
}

/// Who answers there, if somebody does who is not about to end.
async fn introduced(client: &Client) -> Option<Holder> {
    let asked = async {
        let answer = client.ask(&Ask::get(path(&["holder"], &[]))).await.ok()?;
        serde_json::from_slice(&answer.whole().await.ok()?).ok()
    };
    tokio::time::timeout(INTRODUCTION, asked).await.ok().flatten()
}

/// Whether a path is short enough for a socket, which the system says by itself.
fn fits(path: &Path) -> bool {
    #[cfg(unix)]
    return std::os::unix::net::SocketAddr::from_pathname(path).is_ok();
    #[cfg(not(unix))]
    return path.as_os_str().is_empty();
}

/// The daemon of a data directory, as any client reaches it.
fn at_address(dir: &Path) -> Result<Option<Client>, Failure> {
    let Some(address) = lock::holder(dir) else { return Ok(None) };
    let address = std::net::SocketAddr::new(reachable(address.ip()), address.port());
    let token = token(&DataDir::open(dir)?)?;
    Ok(Some(Client::new(Way::Address { address, token })))
}

/// What a command that attaches has to know of the holder.
pub(super) fn check(context: &Context, need: Need, holder: &Holder) -> Result<(), Failure> {
    if context.globals.config.is_some() {
        let of = match holder.kind {
            HolderKind::Serve => "a daemon",
            HolderKind::Command => "another greenroom",
        };
        return Err(Failure::usage(
            format!("--config can't be heeded: {of} (pid {}) answers, with its own configuration", holder.pid),
            "leave --config out, stop that one, or give this one a --data-dir of its own",
        ));
    }
    if need == Need::Look {
        return Ok(());
    }
    let lacking = lacking(context, holder);
    if !lacking.is_empty() {
        notes::note(&format!(
            "{} is set here, but not for the greenroom that answers (pid {}), which goes by what it was started with",
            lacking.join(", "),
            holder.pid
        ));
    }
    Ok(())
}

/// The variables that say a provider, and that are set here and not for the holder.
pub(crate) fn lacking(context: &Context, holder: &Holder) -> Vec<&'static str> {
    let is_set = |name: &&str| context.environment.text(name).is_some();
    let is_known = |name: &str| holder.variables.iter().any(|known| known == name);
    VARIABLES.iter().copied().filter(|name| is_set(name) && !is_known(name)).collect()
}

/// The holder of the data directory, for what can be had without one as well. Nothing is made on disk.
pub(crate) async fn beside(context: &Context) -> Result<Option<Client>, Failure> {
    let Ok(dir) = config::data_dir(context.globals.data_dir.as_deref(), &context.environment) else { return Ok(None) };
    let socket = socket_of(&dir);
    if !socket.exists() && !lock::is_held(&dir) {
        return Ok(None);
    }
    // Where others could write, whoever answers may be anybody.
    DataDir::open(&dir)?;
    let client = Client::new(Way::Socket(socket));
    if introduced(&client).await.is_some() {
        return Ok(Some(client));
    }
    at_address(&dir)
}

/// Who holds a data directory, if somebody answers there, and the way to ask. Nothing is made or changed on disk; where
/// others can write it may be anybody.
pub(crate) async fn who(dir: &Path) -> Option<(Client, Holder)> {
    let client = Client::new(Way::Socket(socket_of(dir)));
    introduced(&client).await.map(|holder| (client, holder))
}

/// Asks whoever holds a data directory to hand over. Who that is, if it does.
pub(crate) async fn ask_to_hand_over(dir: &Path) -> Option<Holder> {
    let client = Client::new(Way::Socket(socket_of(dir)));
    let holder = introduced(&client).await?;
    let answer = client.ask(&Ask::new(Method::POST, path(&["hand-over"], &[]))).await.ok()?;
    answer.status.is_success().then_some(holder)
}

/// Whether somebody holds the data directory and takes connections, so that it is its configuration that counts.
pub(crate) fn is_served(context: &Context) -> bool {
    let socket: Option<PathBuf> = context.data_path().map(|dir| socket_of(&dir));
    #[cfg(unix)]
    return socket.is_some_and(|socket| std::os::unix::net::UnixStream::connect(socket).is_ok());
    #[cfg(not(unix))]
    return socket.is_none();
}
