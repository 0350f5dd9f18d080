//! What every command starts from: the environment, read once, and the flags that all commands have.

use std::{
    future::Future,
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::{ArgAction, Args};
use greenroom::{
    OpenError, Runtime, StartError, StoreKind,
    config::{self, Discovery, Environment, IgnoredVariable, Loaded, Override, Settings, Source},
    discover, has_store,
};

use super::{
    attach,
    data_dir::{self, DataDir},
    failure::Failure,
    notes,
};

/// How long a daemon waits for a store of somebody who is about to end, and the pause between two looks.
const LAST_MOMENTS: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(100);
/// The same of somebody who hands over, beyond the grace period that its answers have.
const HAND_OVER: Duration = Duration::from_secs(20);

/// What is so where there is no provider.
pub(crate) const DEMO_ANSWERS: &str =
    "no provider is configured, so the built-in demo answers, which is no language model";

/// Flags of all commands.
#[derive(Debug, Clone, Args)]
pub(crate) struct GlobalArgs {
    /// The configuration file [default: $XDG_CONFIG_HOME/greenroom/config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where data is kept [default: $XDG_DATA_HOME/greenroom]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Say more on standard error; twice for more still (GREENROOM_LOG takes a filter)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// What every command starts from.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) globals: GlobalArgs,
    pub(crate) environment: Environment,
}

impl Context {
    /// The configuration's layers, with what flags of the command say on top.
    pub(crate) fn source(&self, overrides: Vec<Override>) -> Source {
        Source { overrides, ..Source::locate(self.globals.config.as_deref(), self.environment.clone()) }
    }

    /// The configuration; where nobody wrote or named a provider, with the servers that this machine has.
    pub(crate) fn load(&self, overrides: Vec<Override>) -> Result<Loaded, Failure> {
        let source = self.source(overrides);
        let loaded = config::load(&source)?;
        Ok(with_local(&source, loaded))
    }

    /// The same within a runtime.
    pub(crate) async fn load_here(&self) -> Result<Loaded, Failure> {
        let source = self.source(Vec::new());
        let loaded = config::load(&source)?;
        if loaded.settings.discovery != Discovery::Demo {
            return Ok(loaded);
        }
        Ok(discover::load_with_local(&source, &loaded.settings).await.unwrap_or(loaded))
    }

    /// The data directory, made if it isn't there.
    pub(crate) fn data_dir(&self) -> Result<DataDir, Failure> {
        let path = config::data_dir(self.globals.data_dir.as_deref(), &self.environment)
            .map_err(|error| Failure::usage(error.to_string(), error.hint()))?;
        DataDir::open(&path)
    }

    /// Where data is kept, closed to others if it is there. Nothing is made.
    pub(crate) fn data_place(&self) -> Result<PathBuf, Failure> {
        let path = config::data_dir(self.globals.data_dir.as_deref(), &self.environment)
            .map_err(|error| Failure::usage(error.to_string(), error.hint()))?;
        if path.exists() { DataDir::open(&path).map(|dir| dir.path().to_owned()) } else { Ok(path) }
    }

    /// Where data is kept, if something may be kept there.
    pub(crate) fn data_path(&self) -> Option<PathBuf> {
        let path = config::data_dir(self.globals.data_dir.as_deref(), &self.environment).ok()?;
        std::path::absolute(path).ok().filter(|path| data_dir::may_keep(path))
    }

    /// A runtime for a command that asks and ends. What was left out of it is said on standard error, and if the demo
    /// answers in it.
    pub(crate) async fn start(&self, settings: Settings) -> Result<Runtime, Failure> {
        let runtime = told(self.start_untold(settings).await?);
        self.tell_demo(&runtime.settings());
        Ok(runtime)
    }

    /// A runtime for a command that may take long, and keeps nobody from the store meanwhile: what was added there is not
    /// known to it. What was left out is said on standard error.
    pub(crate) async fn start_beside(&self, settings: Settings) -> Result<Runtime, Failure> {
        let mut builder = Runtime::builder().settings(settings).environment(self.environment.clone());
        // A command that can't keep anything answers all the same.
        if let Some(path) = self.data_path() {
            builder = builder.shared_data_dir(path);
        }
        Ok(told(builder.start().await?))
    }

    /// The same as [`start`](Self::start), about which nothing is said.
    pub(crate) async fn start_untold(&self, settings: Settings) -> Result<Runtime, Failure> {
        let builder = Runtime::builder().settings(settings).environment(self.environment.clone());
        // A command that can't keep anything answers all the same, and nothing is made on disk by asking.
        let Some(path) = self.data_path() else { return Ok(builder.start().await?) };
        if has_store(&path) {
            match builder.clone().data_dir(path.clone()).start().await {
                Err(StartError::Store(OpenError::Held { .. })) => {}
                // Whatever is wrong with the store keeps it from nothing but what was added there.
                Err(StartError::Store(error)) => {
                    notes::warning(&format!("what was added beside the configuration is left out: {error}"));
                    notes::hint(&error.hint());
                }
                started => return Ok(started?),
            }
        }
        Ok(builder.shared_data_dir(path).start().await?)
    }

    /// A runtime for a daemon, which has the store to itself. A command that holds it hands over.
    pub(crate) async fn start_owning(&self, settings: Settings, path: PathBuf) -> Result<Runtime, Failure> {
        let grace = settings.server.grace;
        let builder =
            Runtime::builder().settings(settings).environment(self.environment.clone()).data_dir(path.clone());
        // A daemon is there to be given one.
        let builder = builder.wait_for_credentials();
        let mut started = builder.clone().start().await;
        let mut until = Instant::now() + LAST_MOMENTS;
        let mut is_handing_over = false;
        while matches!(started, Err(StartError::Store(OpenError::Held { .. }))) && Instant::now() < until {
            if !is_handing_over && let Some(holder) = attach::ask_to_hand_over(&path).await {
                is_handing_over = true;
                until = Instant::now() + grace + HAND_OVER;
                notes::note(&format!("another greenroom command (pid {}) hands over", holder.pid));
            }
            tokio::time::sleep(PAUSE).await;
            started = builder.clone().start().await;
        }
        let runtime = told(started?);
        let store = runtime.store();
        if store.state != StoreKind::Ok {
            let reason = store.reason.unwrap_or_default();
            notes::warning(&format!("nothing that is learnt outlives this daemon: {reason}"));
            store.hint.iter().for_each(|hint| notes::hint(hint));
        }
        Ok(runtime)
    }

    /// Says that the demo answers, and which keys that are there can't be used.
    pub(crate) fn tell_demo(&self, settings: &Settings) {
        if settings.discovery != Discovery::Demo {
            return;
        }
        self.tell_demo_answers();
        self.tell_ignored(settings);
    }

    /// Says that the demo answers.
    pub(crate) fn tell_demo_answers(&self) {
        notes::note(&format!("{DEMO_ANSWERS}; to add a real one, {}", self.first_step()));
    }

    /// What to do where there is no provider.
    pub(crate) fn first_step(&self) -> String {
        let file = self.source(Vec::new()).file.map_or_else(String::new, |file| format!(" to {}", file.display()));
        format!(
            "set ANTHROPIC_API_KEY, GEMINI_API_KEY, or OPENAI_API_KEY (with OPENAI_BASE_URL for any compatible server), run \
             `greenroom auth add anthropic`, start Ollama, or add [providers.NAME]{file}"
        )
    }

    /// Names the keys that are there and can't be used.
    pub(crate) fn tell_ignored(&self, settings: &Settings) {
        for ignored in &settings.ignored_variables {
            notes::note(&ignored_text(ignored));
            if let Some(hint) = ignored.hint {
                notes::hint(hint);
            }
        }
    }
}

/// Why a variable that is there is not used.
pub(crate) fn ignored_text(ignored: &IgnoredVariable) -> String {
    let IgnoredVariable { variable, provider, .. } = ignored;
    match config::Kind::named(provider) {
        Some(_) => format!("{variable} is set, but not all that makes a provider \"{provider}\""),
        None => format!("{variable} is set, but this version has no \"{provider}\" provider of its own"),
    }
}

/// The configuration with the servers that this machine has, where nobody wrote or named a provider.
pub(crate) fn with_local(source: &Source, loaded: Loaded) -> Loaded {
    if loaded.settings.discovery != Discovery::Demo {
        return loaded;
    }
    // Without the threads that a command may want later: nothing is found on most machines, and that at once.
    let probing = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let found = probing.ok().and_then(|runtime| {
        let found = runtime.block_on(discover::load_with_local(source, &loaded.settings));
        runtime.shutdown_background();
        found
    });
    found.unwrap_or(loaded)
}

/// The same runtime, once what was left out of it is said on standard error.
pub(crate) fn told(runtime: Runtime) -> Runtime {
    for warned in runtime.warnings() {
        notes::warning(&warned.message);
        notes::hint(&warned.hint);
    }
    runtime
}

/// Runs `future` with `workers` threads beside this one.
pub(crate) fn block_on<T>(workers: usize, future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_name("greenroom")
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::failed(format!("can't start threads: {error}"), "check the limits of this user (ulimit -u)")
        })?;
    let outcome = runtime.block_on(future);
    // What is still under way has nobody to wait for it.
    runtime.shutdown_background();
    outcome
}
