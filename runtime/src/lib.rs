//! greenroom keeps AI agents and assistants talking while providers, keys and frontends fail.
//!
//! ```no_run
//! use futures::StreamExt as _;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let runtime = greenroom::Runtime::builder().from_process()?.start().await?;
//! let session = runtime.session("telegram:42").await?;
//! let mut turn = session.send("hello").await?;
//! while let Some(event) = turn.next().await {
//!     println!("{}", serde_json::to_string(&event)?);
//! }
//! runtime.shutdown(std::time::Duration::from_secs(10)).await;
//! # Ok(())
//! # }
//! ```
//! The library installs no subscriber and no signal handler, holds no globals and never ends the process; any number of
//! runtimes live side by side.

mod assemble;
mod batches;
mod clients;
pub mod credentials;
pub mod discover;
mod error;
pub mod frontends;
mod heeded;
mod lists;
mod models;
pub mod reach;
mod session;
mod sessions;
mod state;
mod store;
mod tested;
mod usage;

use std::{path::PathBuf, sync::Arc, time::Duration};

pub use assemble::Warned;
pub use batches::{BatchError, BatchInfo, BatchResults, Batches};
pub use clients::{Client, ClientError, Clients, NewClient, ShownClient};
pub use credentials::{
    Added, CredentialInfo, CredentialKind, CredentialState, Credentials, CredentialsError, LoginStep, NewLogin, look_up,
};
pub use error::{Error, StartError};
pub use greenroom_actors::{
    Answer, BadBudget, Busy, CacheWish, Caller, OnInterrupt, Period, Sent, SpendBudget, Unavailable,
    session::{
        error::SessionError,
        event,
        info::{
            Access, CallResult, Cancelled, Claim, NewSession, Outgoing, SessionInfo, SessionState, SessionSummary,
            Update,
        },
        log::{Cursor, NotACursor},
    },
    sessions::{Export, From as ReadFrom, Reader},
    store::{OpenError, Repaired, StoreError, THREAD as STORE_THREAD},
};
pub use greenroom_config as config;
pub use greenroom_providers::{Modalities, ModelInfo, Price, PullSink, catalog::Date, cost::Cost};
pub use greenroom_wire::{
    self as wire, ChatError, ChatEvent, ChatRequest, ErrorKind, Message, Part, Role, chat::Tool, ollama::PullProgress,
};
pub use heeded::heeded;
pub use models::{FailedList, KnownModels, Listing, MOST_COMPARED, Model, ShownCost, ShownListing, ShownModel};
pub use session::{Events, Session, Turn};
pub use sessions::Sessions;
pub use state::{ModelState, ProfileState, ProviderState, ShownLimits, State, providers_at_rest};
pub use store::{StoreKind, StoreState, has_store, repair_store, reset_at_rest};
pub use tested::{Outcome, TestError, TestedProfile, TestedProvider};
pub use usage::{
    AttemptPages, AttemptsAtRest, BadDay, Day, DayRange, ExportFormat, Exported, UsageAttempt, UsageBy, UsageSum,
    export, usage_at_rest,
};

use greenroom_actors::{Candidate, System, TokenCount, chats, store::Store};
use greenroom_config::{Discovery, Environment, Problems, Settings, Source};
use greenroom_providers::{Catalog, Facts};
use greenroom_wire::{
    EmbedRequest, Embeddings,
    fold::{Fold, Folded},
};
use serde::{Deserialize, Serialize};

/// Everything that runs: providers, router, sessions. Clones are the same runtime.
#[derive(Clone)]
pub struct Runtime {
    system: System,
    facts: Arc<Facts>,
    warnings: Arc<[Warned]>,
    lists: Option<lists::ListStore>,
    store: Option<Store>,
    clients: Clients,
    credentials: Credentials,
    batches: Batches,
    /// Which requests are answered from the cache that don't say.
    cached: Arc<greenroom_config::Cache>,
}

/// Texts that became vectors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Embedded {
    /// Who made them: the configured name of the provider.
    pub provider: String,
    /// The provider's id of the model.
    pub model: String,
    /// A vector for each text.
    pub embeddings: Embeddings,
}

/// How many tokens a prompt has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    /// For whose model: the configured name of the provider.
    pub provider: String,
    /// The provider's id of the model.
    pub model: String,
    /// How many.
    pub tokens: u64,
    /// By what share of itself that may be wrong; `None` if it is exact: by the model's own vocabulary, or as its provider counts.
    pub error: Option<f64>,
}

impl Counted {
    /// Counts for a model that no provider here has and that is known all the same, named `kind/model` or by its id alone; its
    /// kind is given as the provider. By its own vocabulary where that is published, else an estimate; nobody is asked. `None`
    /// if nothing is known of it. Not cheap: not for async threads.
    #[must_use]
    pub fn by_name(request: &ChatRequest) -> Option<Self> {
        let (kind, id) = Catalog::embedded().find(&request.model)?;
        let count = greenroom_providers::tokens::count(id, request);
        Some(Self { provider: kind.to_owned(), model: id.to_owned(), tokens: count.tokens, error: count.error })
    }

    fn of(who: Candidate, count: TokenCount) -> Self {
        Self { provider: who.provider.to_string(), model: who.model.id, tokens: count.tokens, error: count.error }
    }
}

/// What became of a reset of a provider's marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reset {
    /// There is no such provider.
    Unknown,
    /// They are cleared, and stay so.
    Done,
    /// They are cleared for now; the store could not keep that.
    NotKept(StoreError),
}

/// What a runtime is built from.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    settings: Settings,
    environment: Option<Environment>,
    data_dir: Option<PathBuf>,
    shared_data_dir: Option<PathBuf>,
    /// Where the settings came from, if nobody wrote or named a provider there: one may be found.
    seeking: Option<Source>,
    /// Whether it starts where no provider has a credential.
    waiting: bool,
}

impl Builder {
    /// Runs with these settings.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self.seeking = None;
        self
    }

    /// Where `env:` references and home directories are looked up, and what programs of `command:` references see; nothing
    /// if it is not said. `keyring:` references are looked up in the keyring of the process's user at the start, if there
    /// are any that the environment does not [have](Environment::looked_up).
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = Some(environment);
        self
    }

    /// Keeps here what is to outlive the process: what was learnt of the providers (marks, limits) and their lists of
    /// models; nothing is kept if it is not said. The directory is made if it isn't there; it has to be its user's
    /// alone, and this runtime's: one that another has open is an error. One that can't be written is none: then
    /// everything is kept in memory, as [`Runtime::store`] says.
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(path.into());
        self
    }

    /// Shares the lists of models in a data directory that another runtime may have open, and nothing else of it.
    #[must_use]
    pub fn shared_data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.shared_data_dir = Some(path.into());
        self
    }

    /// Starts even where no provider has a credential, for what is [added](Credentials::add) later. Until then, whoever asks
    /// is told how that is done.
    #[must_use]
    pub fn wait_for_credentials(mut self) -> Self {
        self.waiting = true;
        self
    }

    /// Takes settings and environment from the process, as the program does: the configuration file if there is one,
    /// variables, and what is found without either: a server on this machine is looked for at the start. The data
    /// directory of the program is not taken, since a daemon may have it open; name one with
    /// [`data_dir`](Self::data_dir).
    ///
    /// # Errors
    /// Every problem of the configuration.
    pub fn from_process(self) -> Result<Self, Problems> {
        let environment: Environment = std::env::vars_os().collect();
        let source = Source::locate(None, environment.clone());
        let loaded = greenroom_config::load(&source)?;
        let seeking = (loaded.settings.discovery == Discovery::Demo).then_some(source);
        Ok(Self { seeking, ..self.settings(loaded.settings).environment(environment) })
    }

    /// Starts it.
    ///
    /// # Errors
    /// No provider can be used, the data directory is held by another runtime, newer or damaged, or an actor does not
    /// start.
    pub async fn start(mut self) -> Result<Runtime, StartError> {
        if let Some(source) = self.seeking.take()
            && let Some(found) = discover::load_with_local(&source, &self.settings).await
        {
            self.settings = found.settings;
        }
        let environment = self.environment.unwrap_or_else(Environment::empty);
        let lists = self.data_dir.as_deref().or(self.shared_data_dir.as_deref()).map(lists::ListStore::new);
        // First of all: whoever waits for another to let go of it asks no keyring and runs no program meanwhile.
        let store = match &self.data_dir {
            Some(data_dir) => Some(store::open(data_dir, self.settings.store.durability).await?),
            None => None,
        };
        let place = self.data_dir.as_deref().zip(store.clone());
        let started = async {
            let credentials = Credentials::load(self.settings, environment, place, lists.clone());
            let credentials = credentials.await.map_err(StartError::Credentials)?;
            let settings = credentials.settings();
            let environment = look_up(settings.references(), credentials.environment().clone()).await;
            let added = credentials.ways().await;
            let mut assembled = assemble::assemble(&settings, &environment, &added, lists.as_ref(), self.waiting)?;
            assembled.args.store.clone_from(&store);
            let facts = Arc::clone(&assembled.args.router.facts);
            let cached = Arc::new(settings.cache.clone());
            let clients = Clients::load(store.clone()).await.map_err(StartError::Clients)?;
            assembled.args.usage.budgets = clients.budgets().clone();
            let system = System::start(assembled.args).await.map_err(StartError::Actors)?;
            credentials.attach(system.clone());
            Ok((clients, credentials, system, facts, cached, assembled.warnings))
        };
        let started: Result<_, StartError> = started.await;
        if let (Err(_), Some(store)) = (&started, &store) {
            // Its own error would hide the one that is told.
            let _closed = store.close().await;
        }
        let (clients, credentials, system, facts, cached, warnings) = started?;
        let warnings = warnings.into();
        let batches = Batches::new(system.clone(), self.data_dir.zip(store.clone()));
        Ok(Runtime { system, facts, warnings, lists, store, clients, credentials, batches, cached })
    }
}

impl Runtime {
    /// A builder without settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// What it runs with: what it was built with, and the credentials that were added since.
    pub fn settings(&self) -> Arc<Settings> {
        self.credentials.settings()
    }

    /// What lets in to providers.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// What was left out at the start, and why: profiles without their key.
    pub fn warnings(&self) -> &[Warned] {
        &self.warnings
    }

    /// The sessions, as their owner sees them: every one there is.
    ///
    /// ```no_run
    /// # async fn run(runtime: greenroom::Runtime) -> Result<(), greenroom::SessionError> {
    /// for session in runtime.sessions().list(None, 100).await? {
    ///     println!("{} ends at {}", session.id, session.cursor);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn sessions(&self) -> Sessions {
        Sessions::new(self.system.sessions().clone(), Access::Admin)
    }

    /// What tells that the settings are others.
    pub(crate) fn settings_changes(&self) -> tokio::sync::watch::Receiver<()> {
        self.credentials.changes()
    }

    /// Who may come in beside the owner, where a frontend lets anybody in.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Requests that can wait, handed to a provider together for half the price. They need a
    /// [data directory](Builder::data_dir).
    ///
    /// ```no_run
    /// # async fn run(runtime: greenroom::Runtime) -> Result<(), Box<dyn std::error::Error>> {
    /// let lines = std::fs::read("questions.jsonl")?.into();
    /// let batch = runtime.batches().submit(lines, Some("claude-haiku-4-5")).await?;
    /// println!("{} is {}", batch.id, batch.state);
    /// # Ok(())
    /// # }
    /// ```
    pub fn batches(&self) -> &Batches {
        &self.batches
    }

    /// The session of this id, made if there is none. With a [data directory](Builder::data_dir) it outlives the process.
    ///
    /// # Errors
    /// The id can't be one, or the session can't be read or kept.
    pub async fn session(&self, id: &str) -> Result<Session, SessionError> {
        let sessions = self.sessions();
        match sessions.open(id).await {
            Err(SessionError::NotFound) => {
                let new = NewSession { id: Some(id.to_owned()), ..NewSession::default() };
                sessions.create(new).await.map(|(session, _)| session)
            }
            opened => opened,
        }
    }

    /// A session in memory alone, gone with the last of what this gives. Its id is made up.
    ///
    /// # Errors
    /// The sessions are down.
    pub async fn ephemeral(&self, new: NewSession) -> Result<Session, SessionError> {
        Ok(Session::new(self.system.sessions().ephemeral(new).await?, Access::Admin))
    }

    /// The same of what [an export](Session::export) gave. Turns that were not over are cancelled.
    ///
    /// # Errors
    /// It is no export, or the sessions are down.
    pub async fn ephemeral_of(&self, lines: &[u8]) -> Result<Session, SessionError> {
        Ok(Session::new(self.system.sessions().ephemeral_of(lines).await?, Access::Admin))
    }

    /// Asks for one answer and waits for all of it. Dropping the future cancels, up to the provider's socket.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn chat(&self, request: ChatRequest) -> Result<Folded, ChatError> {
        let mut fold = Fold::new("", "");
        for event in heeded(self.chat_events(request, "library".into()).await) {
            match event.body {
                event::EventBody::TurnFailed { error } => return Err(error.into()),
                event::EventBody::Route { ref provider, ref model, .. } => {
                    fold.said_by(provider, model);
                    event.body.into_chat().into_iter().for_each(|event| fold.push(event));
                }
                body => body.into_chat().into_iter().for_each(|event| fold.push(event)),
            }
        }
        Ok(fold.finish())
    }

    /// Asks for one answer, as it comes. Dropping what this gives cancels, up to the provider's socket.
    pub fn stream(&self, request: ChatRequest, caller: Caller) -> Answer {
        let caller = self.cached(&request, caller);
        self.system.chat(request, caller)
    }

    /// Asks for one answer and waits for all of its events; the last tells how it ended.
    pub async fn chat_events(&self, request: ChatRequest, caller: Caller) -> Vec<event::LogEvent> {
        let caller = self.cached(&request, caller);
        self.system.chat_whole(request, caller).await
    }

    /// Decides whether a request that does not say is answered from the cache.
    fn cached(&self, request: &ChatRequest, mut caller: Caller) -> Caller {
        let greenroom_config::Cache { enabled, models, .. } = &*self.cached;
        let fits = || models.iter().any(|pattern| greenroom_config::fits(pattern, &request.model));
        caller.cache.on = Some(caller.cache.on.unwrap_or_else(|| *enabled || fits()));
        caller
    }

    /// Every model that is known: aliases, what was configured, and what the providers list. What they don't say of a
    /// model is filled in from the catalogue. A list that is known of old is given at once and renewed behind it.
    pub async fn models(&self) -> Listing {
        models::list(&self.system, &self.settings(), &self.facts, false, None).await
    }

    /// The same with lists that are some minutes old at most. Of a provider that can't be reached, what it listed before
    /// is there as well as why it can't be.
    pub async fn fresh_models(&self) -> Listing {
        models::list(&self.system, &self.settings(), &self.facts, true, None).await
    }

    /// The same of one provider alone; no other is asked.
    pub async fn fresh_models_of(&self, provider: &str) -> Listing {
        models::list(&self.system, &self.settings(), &self.facts, true, Some(provider)).await
    }

    /// What a model costs, as far as that is known without asking anybody.
    pub(crate) async fn price_of(&self, provider: &str, model: &str) -> Option<Price> {
        models::price(&self.system, &self.settings(), &self.facts, provider, model).await
    }

    /// How what is kept in the data directory is kept.
    pub fn store(&self) -> StoreState {
        StoreState::of(self.store.as_ref())
    }

    /// Waits until what is kept in the data directory is there. A process that ends sooner may have to ask again for it
    /// the next time; a runtime that is [shut down](Self::shutdown) has waited.
    pub async fn settle(&self) {
        self.system.settle().await;
        if let Some(lists) = &self.lists {
            lists.settle().await;
        }
    }

    /// Makes texts into vectors, one for each. With them, who did, as `provider/model`.
    ///
    /// # Errors
    /// Why there are none; `InvalidRequest` where the model's provider makes no embeddings.
    pub async fn embed(&self, request: &EmbedRequest) -> Result<(String, Embeddings), ChatError> {
        let made = self.embed_for(request, "library".into()).await?;
        Ok((format!("{}/{}", made.provider, made.model), made.embeddings))
    }

    /// The same for whoever asks, under whose name it is booked.
    ///
    /// # Errors
    /// As [`embed`](Self::embed).
    pub async fn embed_for(&self, request: &EmbedRequest, caller: Caller) -> Result<Embedded, ChatError> {
        let (who, embeddings) = self.system.embed(request, caller).await?;
        Ok(Embedded { provider: who.provider.to_string(), model: who.model.id, embeddings })
    }

    /// How many tokens a prompt has, for the model that would be asked first: by its own vocabulary where that is published and
    /// the prompt is plain text, which needs no network; else as its provider counts them, else an estimate that says by how
    /// much it may be wrong. Nothing is answered, and nothing paid for.
    ///
    /// # Errors
    /// Why it can't be said: there is no such model, or the provider refuses the request or the key.
    pub async fn count_tokens(&self, request: &ChatRequest, caller: &Caller) -> Result<Counted, ChatError> {
        let (who, count) = self.system.count_tokens(request, caller).await?;
        Ok(Counted::of(who, count))
    }

    /// The same for texts that are to be made vectors. What is given as tokens is that many.
    ///
    /// # Errors
    /// There is no such model.
    pub async fn count_texts(&self, request: &EmbedRequest) -> Result<Counted, ChatError> {
        let (who, count) = self.system.count_texts(request).await?;
        Ok(Counted::of(who, count))
    }

    /// Which models a name stands for, as `provider/model`, in the order in which they would be asked. None is asked;
    /// providers may be for their lists.
    ///
    /// # Errors
    /// There is no such model; the hint says which may be meant.
    pub async fn candidates(&self, model: &str) -> Result<Vec<String>, ChatError> {
        let candidates = self.system.candidates(model).await?;
        Ok(candidates.iter().map(|candidate| format!("{}/{}", candidate.provider, candidate.model.id)).collect())
    }

    /// Has a provider fetch a model and tells `sink` how far that has come. `model` is `provider/model`, or an id for the
    /// first provider that fetches any. Dropping the future cancels.
    ///
    /// # Errors
    /// Why the model isn't there; `InvalidRequest` where the provider fetches none.
    pub async fn pull(&self, model: &str, sink: &mut dyn PullSink) -> Result<(), ChatError> {
        let (provider, model) = &self.fetching(model);
        self.system.pull(provider, model, sink).await
    }

    /// What a provider tells of one of its models, where it takes a question of its own. `model` is as for
    /// [`pull`](Self::pull).
    ///
    /// # Errors
    /// Why it isn't told; `InvalidRequest` where the provider has no such question.
    pub async fn describe(&self, model: &str) -> Result<ModelInfo, ChatError> {
        let (provider, model) = &self.fetching(model);
        self.system.describe(provider, model).await
    }

    /// The provider that a model is fetched by, and its id there. Ids of Ollama may hold slashes.
    fn fetching<'a>(&self, model: &'a str) -> (String, &'a str) {
        let settings = self.settings();
        let providers = &settings.providers;
        if let Some((provider, id)) = model.split_once('/')
            && settings.provider(provider).is_some()
        {
            return (provider.to_owned(), id);
        }
        let fetches = providers.iter().find(|provider| provider.kind == greenroom_config::Kind::Ollama);
        (fetches.or(providers.first()).map_or_else(String::new, |provider| provider.name.clone()), model)
    }

    /// How each provider is, in the order they were written; those that can't be used are there as well.
    pub async fn providers(&self) -> Vec<ProviderState> {
        state::states(&self.system, &self.settings(), &self.warnings).await
    }

    /// Whether each profile of a provider gets in, without an answer being paid for; `None` if there is no such provider.
    /// It takes nothing of a limit and changes no mark.
    ///
    /// # Errors
    /// It is down.
    pub async fn test_provider(&self, provider: &str) -> Result<Option<TestedProvider>, Error> {
        match self.settings().provider(provider) {
            Some(written) => tested::test(&self.system, written, &self.warnings).await.map(Some),
            None => Ok(None),
        }
    }

    /// Forgets what a provider has learnt of its profiles' failures. When this returns, that lasts, or it says why not.
    ///
    /// # Errors
    /// It is down.
    pub async fn reset_provider(&self, provider: &str) -> Result<Reset, Error> {
        let kept = match (self.system.reset(provider).await?, &self.store) {
            (Some(kept), _) => kept,
            // It was written and can't be used now, but may have been.
            (None, Some(store)) if self.settings().provider(provider).is_some() => {
                greenroom_actors::reset_kept(store, provider).await
            }
            (None, None) if self.settings().provider(provider).is_some() => Ok(()),
            (None, _) => return Ok(Reset::Unknown),
        };
        Ok(kept.map_or_else(Reset::NotKept, |()| Reset::Done))
    }

    /// Whether it can answer.
    ///
    /// # Errors
    /// What is down.
    pub fn ready(&self) -> Result<(), ChatError> {
        self.system.ready()
    }

    /// Waits until no answer is under way, for at most `grace`; whether none is.
    pub async fn drain(&self, grace: Duration) -> bool {
        self.system.drain(grace).await
    }

    /// Ends every answer that is under way, each with an error that says why.
    pub fn end_turns(&self) {
        self.system.end_turns();
    }

    /// Stops. Answers under way may go on for `grace`; those that are left then end with an error that says why. The data
    /// directory is another's to open afterwards.
    pub async fn shutdown(&self, grace: Duration) {
        self.drain(grace).await;
        self.end_turns();
        self.drain(LAST_WORDS).await;
        self.system.stop().await;
        if let Some(lists) = &self.lists {
            lists.settle().await;
        }
        if let Some(store) = &self.store
            && let Err(error) = store.close().await
        {
            tracing::warn!("the store was closed, and not all of it is kept: {error}");
        }
    }
}

/// How long ended turns may take to log their last event.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("settings", &self.settings()).finish_non_exhaustive()
    }
}
