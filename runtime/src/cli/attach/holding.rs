//! Being the holder: a runtime on the data directory, and the door by which others come in.

use std::{
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use greenroom::{
    Runtime, SessionState, StoreKind,
    config::{Discovery, Settings},
    frontends::http::{Door, Holder, HolderKind, Inside, OwnerArgs, serve_owner},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::termination::Termination;
use crate::cli::{context::Context, notes, signals::Interrupt};

/// The name of the socket in a data directory.
pub(crate) const SOCKET: &str = "socket";
/// The variables that say a provider.
pub(super) const VARIABLES: [&str; 18] = [
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "AZURE_OPENAI_API_KEY",
    "AZURE_OPENAI_ENDPOINT",
    "AZURE_CLIENT_SECRET",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_GEMINI_BASE_URL",
    "GOOGLE_GENAI_USE_VERTEXAI",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "COPILOT_GITHUB_TOKEN",
    "OPENROUTER_API_KEY",
];
/// How long a holder waits before it says for what.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a holder stays for the turns of others at most. Those that are left go on in the next holder.
const LONGEST_STAY: Duration = Duration::from_secs(15 * 60);

/// A runtime that this process has, with its door.
pub(super) struct Holding {
    runtime: Runtime,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl Holding {
    /// Serves a runtime: to this process, and to others on the socket of `dir` if it is said.
    pub(super) fn begin(
        context: &Context,
        runtime: Runtime,
        dir: Option<&Path>,
        termination: &Termination,
    ) -> (Self, Inside) {
        let settings = runtime.settings();
        let stop = CancellationToken::new();
        let mut door = door(context, &settings, HolderKind::Command).hand_over(stop.clone());
        if let Some(dir) = dir
            && let Err(error) = door.listen(&dir.join(SOCKET))
        {
            tracing::warn!("other commands can't join this one: no socket in {}: {error}", dir.display());
        }
        let inside = door.inside();
        let args = OwnerArgs { max_body: settings.server.max_body, grace: settings.server.grace };
        let (of, told) = (runtime.clone(), stop.clone());
        termination.listen();
        let terminated = termination.told();
        let ended = termination.holdings().spawn(async move {
            let mut serving = pin!(serve_owner(door, args, of.clone(), told.clone()));
            tokio::select! {
                () = serving.as_mut() => {}
                () = terminated.cancelled() => {
                    told.cancel();
                    serving.await;
                }
            }
            of.shutdown(Duration::ZERO).await;
        });
        (Self { runtime, stop, ended }, inside)
    }

    /// Waits for the end that somebody asked for, if this holder is to end.
    pub(super) async fn ended(self) {
        // It can only have panicked, which was told.
        let _over = self.ended.await;
    }

    pub(super) fn settings(&self) -> Arc<Settings> {
        self.runtime.settings()
    }

    /// Whether what is said in a session outlives this process.
    pub(super) fn keeps(&self) -> bool {
        self.runtime.store().state == StoreKind::Ok
    }

    /// Whether this holder was asked to end.
    pub(super) fn is_ending(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Stays until no turn runs, and ends. Ctrl-C and `stop` end it sooner; what is left goes on in the next holder.
    pub(super) async fn leave(self, stop: &CancellationToken) {
        let is_idle = tokio::select! {
            is_idle = self.runtime.drain(PATIENCE) => is_idle,
            () = stop.cancelled() => true,
        };
        if !is_idle && !self.is_ending() {
            tokio::select! {
                () = self.stay() => {}
                () = stop.cancelled() => {}
            }
        }
        self.stop.cancel();
        self.ended().await;
    }

    async fn stay(&self) {
        let Ok(interrupt) = Interrupt::listen() else { return };
        let running = self.running().await;
        notes::note(&format!(
            "staying until what others asked is answered{running}; Ctrl-C leaves, and it goes on with the next greenroom"
        ));
        tokio::select! {
            _over = self.runtime.drain(LONGEST_STAY) => {}
            () = interrupt.came() => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// The sessions in which a turn runs, to be told.
    async fn running(&self) -> String {
        const SHOWN: usize = 3;
        let Ok(all) = self.runtime.sessions().list(None, 1000).await else { return String::new() };
        let running = all.into_iter().filter(|session| session.state == SessionState::Running);
        let ids: Vec<String> = running.map(|session| session.id).collect();
        match ids.len() {
            0 => String::new(),
            count if count > SHOWN => format!(" in {} and {} more", ids[..SHOWN].join(", "), count - SHOWN),
            _ => format!(" in {}", ids.join(", ")),
        }
    }
}

/// A door of this process, open from within.
pub(crate) fn door(context: &Context, settings: &Settings, kind: HolderKind) -> Door {
    let has = |name: &&str| context.environment.text(name).is_some();
    let variables = VARIABLES.iter().filter(|name| has(name)).map(|name| (*name).to_owned()).collect();
    let demo = settings.discovery == Discovery::Demo;
    Door::new(Holder { kind, pid: std::process::id(), demo, variables })
}

/// The socket of a data directory.
pub(super) fn socket_of(dir: &Path) -> PathBuf {
    dir.join(SOCKET)
}
