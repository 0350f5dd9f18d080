//! The tree of actors, and the ways in: what a runtime holds.
//!
//! ```text
//! root ─┬─ providers ─── one actor for each configured provider
//!       ├─ router
//!       └─ sessions ──── one actor for each live session
//! ```
//! A [stateless](crate::stateless) call has no actor of its own.

use std::{
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use greenroom_providers::{ModelInfo, PullSink, cost::Cost, tokens::TokenCount};
use greenroom_wire::{ChatError, ChatRequest, EmbedRequest, Embeddings, ErrorKind};
use ractor::{Actor, ActorCell, SpawnErr};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    cache::{Cache, CacheRules},
    counting, direct,
    gather::Gathering,
    handle::{Handle, Unavailable},
    provider::{
        ListedHook, ProfileArgs, ProfileTest, ProviderArgs, ProviderStatus,
        actor::{ProviderActor, ProviderMsg},
        keep::prune,
        limiter::Limiters,
    },
    router::{
        Budget, Candidate, RouterArgs, ShelfArgs,
        actor::{Router, RouterMsg},
        plan::Needs,
    },
    session::{
        OnInterrupt, ProviderRef, RequestDefaults, SessionRules, Shared, Timeouts, TurnLimits, plan, router_down,
    },
    sessions::Sessions,
    stateless::Caller,
    store::{Store, StoreError},
    supervisor::{Child, Launch, Roster, Supervisor, SupervisorMsg},
    usage::{AttemptEntry, AttemptPlace, Ledger, UsageRow, UsageRules},
};

/// How long the end waits for the disk.
const SETTLE_WAIT: Duration = Duration::from_secs(6);
/// How long it waits for logins that are being refreshed: what their provider answers is lost with the process.
const REFRESH_WAIT: Duration = Duration::from_secs(30);

/// What a system is made of.
#[derive(Clone)]
pub struct SystemArgs {
    /// The providers, in the order they were written.
    pub providers: Vec<ProviderSpec>,
    /// What names mean.
    pub router: RouterArgs,
    /// What a dispatch may spend.
    pub budget: Budget,
    /// What bounds a turn.
    pub limits: TurnLimits,
    /// What is done with an answer that is interrupted, where its request doesn't say.
    pub on_interrupt: OnInterrupt,
    /// After how long without a word the next candidate begins beside the first; never if it is not said.
    pub hedge: Option<Duration>,
    /// What holds for every durable session.
    pub rules: SessionRules,
    /// Providers that were written and can't be used now: what is kept of them stays.
    pub idle: Vec<String>,
    /// What holds for the books of what was used.
    pub usage: UsageRules,
    /// What holds for answers that are kept for who asks the same again.
    pub cache: CacheRules,
    /// Where what must outlive the process is kept; nowhere if there is none. Its owner closes it, once the system has
    /// stopped.
    pub store: Option<Store>,
}

/// A provider and how it is treated.
#[derive(Clone)]
pub struct ProviderSpec {
    /// What its actor is made of.
    pub args: ProviderArgs,
    /// How long attempts may take.
    pub timeouts: Timeouts,
    /// How long a request may wait in its queue.
    pub queue_wait: Duration,
    /// What requests ask that don't say.
    pub defaults: RequestDefaults,
}

/// A system that could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An actor of the tree did not start.
    #[error("an actor did not start")]
    Actor(#[source] SpawnErr),
    /// A branch of the tree is down.
    #[error("a branch of actors is down")]
    Branch(#[source] Unavailable),
}

/// A running tree of actors. Clones are the same system.
#[derive(Clone)]
pub struct System {
    root: ActorCell,
    pub(crate) shared: Arc<Shared>,
    sessions: Sessions,
    pub(crate) cache: Cache,
    /// The supervisor of the providers.
    providers: Handle<SupervisorMsg>,
    store: Option<Store>,
    /// The supervisors of both.
    #[cfg(test)]
    branches: Branches,
}

#[cfg(test)]
#[derive(Clone)]
struct Branches {
    providers: Handle<SupervisorMsg>,
    sessions: Handle<SupervisorMsg>,
}

impl System {
    /// Starts the tree.
    ///
    /// # Errors
    /// An actor does not start.
    pub async fn start(args: SystemArgs) -> Result<Self, StartError> {
        let (root, _) = Actor::spawn(None, Supervisor, Arc::default()).await.map_err(StartError::Actor)?;
        let top = Handle::new();
        top.set(crate::handle::Place::Alive(root.clone()));
        let providers = branch(&top, "providers").await?;
        let sessions = branch(&top, "sessions").await?;
        let router = Handle::new();
        let mut refs = Vec::new();
        let mut cached = Vec::new();
        for mut spec in args.providers {
            let name = Arc::clone(&spec.args.name);
            cached.extend(spec.args.cached.clone().map(|list| (Arc::clone(&name), list)));
            spec.args.listed = Some(telling(router.clone(), spec.args.listed.take()));
            spec.args.store = args.store.clone();
            refs.push((Arc::clone(&name), start_provider(&providers, spec).await?));
        }
        if let Some(store) = args.store.clone() {
            let names: Vec<String> = refs.iter().map(|(name, _)| name.to_string()).chain(args.idle.clone()).collect();
            tokio::spawn(async move {
                if let Err(error) = prune(&store, &names, SystemTime::now()).await {
                    tracing::debug!("what is kept of providers that are gone stays: {error}");
                }
            });
        }
        let router_args = Arc::new(Mutex::new((args.router, cached)));
        let make = move || (Router, Arc::clone(&router_args));
        start(&top, "router".into(), Child::<Router, _> { handle: router.clone(), make }).await?;
        let store = args.store.clone();
        let shared = Shared {
            router,
            providers: RwLock::new(refs),
            budget: args.budget,
            limits: args.limits,
            on_interrupt: args.on_interrupt,
            hedge: args.hedge,
            rules: args.rules,
            ledger: Ledger::start(args.store.clone(), args.usage),
            gathering: Gathering::default(),
            shutdown: CancellationToken::new(),
            turns: TaskTracker::new(),
        };
        let shared = Arc::new(shared);
        #[cfg(test)]
        let branches = Branches { providers: providers.clone(), sessions: sessions.clone() };
        let sessions = Sessions::start(store.clone(), Arc::clone(&shared), sessions).await;
        Ok(Self {
            root: root.get_cell(),
            shared,
            sessions,
            cache: Cache::new(args.cache),
            providers,
            store,
            #[cfg(test)]
            branches,
        })
    }

    /// Its sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// The configured providers, in the order they were written.
    pub fn providers(&self) -> Vec<Arc<str>> {
        self.shared.all_providers().into_iter().map(|(name, _)| name).collect()
    }

    /// A provider comes in, before the first of those that are to come behind it: of several that could be meant the first
    /// is. Nothing changes if there is one of its name.
    ///
    /// # Errors
    /// Its actor does not start.
    pub async fn add_provider(
        &self,
        mut spec: ProviderSpec,
        shelf: ShelfArgs,
        before: Vec<Arc<str>>,
    ) -> Result<(), StartError> {
        let name = Arc::clone(&spec.args.name);
        if self.shared.provider(&name).is_some() {
            return Ok(());
        }
        spec.args.listed = Some(telling(self.shared.router.clone(), spec.args.listed.take()));
        spec.args.store.clone_from(&self.store);
        let cached = spec.args.cached.clone();
        let started = start_provider(&self.providers, spec).await?;
        // Before the router names it to anybody.
        self.shared.providers.write().unwrap_or_else(PoisonError::into_inner).push((name, started));
        let added = |reply| {
            let (shelf, cached, before) = (Box::new(shelf.clone()), cached.clone(), before.clone());
            RouterMsg::Added { shelf, cached, before, reply }
        };
        self.shared.router.call(added).await.map_err(StartError::Branch)
    }

    /// A profile comes in, or takes the place of the one of its name: what that was marked with is forgotten, and what
    /// waits may go by it. Whether there is such a provider.
    ///
    /// # Errors
    /// The provider is down.
    pub async fn set_profile(&self, provider: &str, profile: ProfileArgs) -> Result<bool, Unavailable> {
        let Some(known) = self.shared.provider(provider) else { return Ok(false) };
        known.handle.call(|reply| ProviderMsg::SetProfile(Box::new(profile.clone()), reply)).await?;
        // Why its models could not be listed before may have been what was there, or not.
        self.shared.router.cast(RouterMsg::Outdated { provider: provider.into() });
        Ok(true)
    }

    /// A profile goes. What it answers now it may answer to the end. Whether there was one.
    ///
    /// # Errors
    /// The provider is down.
    pub async fn remove_profile(&self, provider: &str, profile: &str) -> Result<bool, Unavailable> {
        let Some(provider) = self.shared.provider(provider) else { return Ok(false) };
        provider.handle.call(|reply| ProviderMsg::RemoveProfile(profile.into(), reply)).await
    }

    /// The models that a provider lists. A `fresh` answer is some minutes old at most; another is given at once if there
    /// is one of old, which is then renewed behind it.
    ///
    /// # Errors
    /// Why they can't be listed.
    pub async fn models(&self, provider: &Arc<str>, fresh: bool) -> Result<Arc<[ModelInfo]>, ChatError> {
        self.shared.list(provider, fresh).await
    }

    /// What a provider listed at any time, without asking it.
    pub async fn old_models(&self, provider: &str) -> Option<Arc<[ModelInfo]>> {
        self.shared.provider(provider)?.handle.call(ProviderMsg::OldModels).await.ok().flatten()
    }

    /// Makes texts into vectors. With them, who did: the provider, and its model.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn embed(&self, request: &EmbedRequest, caller: Caller) -> Result<(Candidate, Embeddings), ChatError> {
        direct::embed(&self.shared, request, caller).await
    }

    /// How many tokens a prompt has, for the model that would be asked first. With it, who that is.
    ///
    /// # Errors
    /// Why it can't be said; never that the provider does not count, or isn't reached.
    pub async fn count_tokens(
        &self,
        request: &ChatRequest,
        caller: &Caller,
    ) -> Result<(Candidate, TokenCount), ChatError> {
        counting::count(&self.shared, request, caller).await
    }

    /// How many tokens texts have that are to be made vectors. With it, for whose model.
    ///
    /// # Errors
    /// There is no such model.
    pub async fn count_texts(&self, request: &EmbedRequest) -> Result<(Candidate, TokenCount), ChatError> {
        counting::count_texts(&self.shared, request).await
    }

    /// Who would be asked for an answer of this model, in that order. No model is asked; lists of models may be.
    ///
    /// # Errors
    /// There is no such model.
    pub async fn candidates(&self, model: &str) -> Result<Vec<Candidate>, ChatError> {
        plan(&self.shared, model, Needs::default()).await.map(|planned| planned.candidates)
    }

    /// What a provider tells of one of its models.
    ///
    /// # Errors
    /// Why it isn't told.
    pub async fn describe(&self, provider: &str, model: &str) -> Result<ModelInfo, ChatError> {
        direct::describe(&self.shared, provider, model).await
    }

    /// Has a provider fetch a model; dropping the future cancels.
    ///
    /// # Errors
    /// Why the model isn't there.
    pub async fn pull(&self, provider: &str, model: &str, sink: &mut dyn PullSink) -> Result<(), ChatError> {
        direct::pull(&self.shared, provider, model, sink).await
    }

    /// How a provider is. `None` if it is down.
    pub async fn status(&self, provider: &str) -> Option<ProviderStatus> {
        self.shared.provider(provider)?.handle.call(ProviderMsg::Status).await.ok()
    }

    /// Whether each profile of a provider gets in; `None` if there is no such provider.
    ///
    /// # Errors
    /// It is down.
    pub async fn test(&self, provider: &str) -> Result<Option<Vec<ProfileTest>>, Unavailable> {
        match self.shared.provider(provider) {
            Some(provider) => provider.handle.call(ProviderMsg::Test).await.map(Some),
            None => Ok(None),
        }
    }

    /// Forgets what a provider has learnt of its profiles' failures. Whether that is kept, once that is known; `None`
    /// if there is no such provider.
    ///
    /// # Errors
    /// It is down.
    pub async fn reset(&self, provider: &str) -> Result<Option<Result<(), StoreError>>, Unavailable> {
        match self.shared.provider(provider) {
            Some(provider) => provider.handle.call(ProviderMsg::Reset).await.map(Some),
            None => Ok(None),
        }
    }

    /// Waits until what the providers have learnt is kept, or can't be; not for those that are down.
    pub async fn settle(&self) {
        let providers = self.shared.all_providers();
        let asked = providers.iter().map(|(_, provider)| provider.handle.call(ProviderMsg::Settle));
        let settled = futures::future::join3(
            futures::future::join_all(asked),
            self.shared.ledger.settle(),
            self.sessions.settle(self.shared.shutdown.is_cancelled()),
        );
        let _down = tokio::time::timeout(SETTLE_WAIT, settled).await;
    }

    /// What was used so far, by this process and those before it; attempts that are under way are left out.
    ///
    /// # Errors
    /// It can't be read; there is no store.
    pub async fn usage(&self) -> Result<Vec<UsageRow>, StoreError> {
        self.shared.ledger.rows().await
    }

    /// Attempts that have ended, as [`attempts_of`](crate::attempts_of) gives them.
    ///
    /// # Errors
    /// They can't be read; there is no store.
    pub async fn attempts(
        &self,
        after: Option<AttemptPlace>,
        most: usize,
    ) -> Result<(Vec<AttemptEntry>, Option<AttemptPlace>), StoreError> {
        self.shared.ledger.attempts(after, most).await
    }

    /// What a client has spent in the time of its budget; `None` if it has none.
    ///
    /// # Errors
    /// It can't be read.
    pub async fn spent(&self, client: &str) -> Result<Option<Cost>, ChatError> {
        self.shared.ledger.spent(client).await
    }

    /// Whether everything that answers depends on is up: the router, and at least one provider.
    ///
    /// # Errors
    /// What is down.
    pub fn ready(&self) -> Result<(), ChatError> {
        if self.shared.router.is_down() {
            return Err(router_down(Unavailable::Down));
        }
        if self.shared.all_providers().iter().all(|(_, provider)| provider.handle.is_down()) {
            return Err(ChatError::new(ErrorKind::Overloaded, "every provider is down inside greenroom"));
        }
        Ok(())
    }

    /// Waits until no turn runs, for at most `grace`. Whether none does.
    pub async fn drain(&self, grace: Duration) -> bool {
        self.shared.turns.close();
        let drained = tokio::time::timeout(grace, self.shared.turns.wait()).await.is_ok();
        self.shared.turns.reopen();
        drained
    }

    /// Ends every turn that runs, and each that is begun later, with an error that says why.
    pub fn end_turns(&self) {
        self.shared.shutdown.cancel();
    }

    /// Stops every actor. Turns that run are ended first, or go on in the next process if they are of a session that is
    /// kept; what was learnt and said is kept.
    pub async fn stop(&self) {
        self.end_turns();
        let providers = self.shared.all_providers();
        let refreshes = providers.iter().map(|(_, provider)| provider.handle.call(ProviderMsg::AwaitRefreshes));
        let _late = tokio::time::timeout(REFRESH_WAIT, futures::future::join_all(refreshes)).await;
        self.settle().await;
        self.sessions.close();
        let stopped = self.root.stop_and_wait(None, Some(Duration::from_secs(5))).await;
        if let Err(error) = stopped {
            tracing::warn!("the actors did not stop in time: {error}");
        }
    }
}

async fn start_provider(supervisor: &Handle<SupervisorMsg>, spec: ProviderSpec) -> Result<ProviderRef, StartError> {
    let ProviderSpec { args, timeouts, queue_wait, defaults } = spec;
    let (name, local) = (Arc::clone(&args.name), args.provider.capabilities().local);
    let handle = Handle::new();
    let limiters = Limiters::new(&args);
    let myself = handle.clone();
    let make = move || (ProviderActor, (args.clone(), Arc::clone(&limiters), myself.clone()));
    start(supervisor, name, Child::<ProviderActor, _> { handle: handle.clone(), make }).await?;
    Ok(ProviderRef { handle, timeouts, local, queue_wait, defaults })
}

/// What a provider's actor tells of its lists: to the router, and to whoever else wants it.
fn telling(router: Handle<RouterMsg>, more: Option<ListedHook>) -> ListedHook {
    Arc::new(move |provider, models| {
        router.cast(RouterMsg::Listed { provider: Arc::clone(provider), list: Ok(Arc::clone(models)) });
        more.iter().for_each(|more| more(provider, models));
    })
}

/// Starts a supervisor under another.
async fn branch(top: &Handle<SupervisorMsg>, name: &str) -> Result<Handle<SupervisorMsg>, StartError> {
    let handle = Handle::new();
    let roster = Arc::<Roster>::default();
    let make = move || (Supervisor, Arc::clone(&roster));
    start(top, name.into(), Child::<Supervisor, _> { handle: handle.clone(), make }).await?;
    Ok(handle)
}

async fn start(supervisor: &Handle<SupervisorMsg>, id: Arc<str>, child: impl Launch) -> Result<(), StartError> {
    tell_start(supervisor, id, child).await.map_err(StartError::Branch)
}

async fn tell_start(supervisor: &Handle<SupervisorMsg>, id: Arc<str>, child: impl Launch) -> Result<(), Unavailable> {
    let launch: Arc<dyn Launch> = Arc::new(child);
    supervisor.call(|reply| SupervisorMsg::Start { id: Arc::clone(&id), launch: Arc::clone(&launch), reply }).await
}

#[cfg(test)]
#[path = "system_tests.rs"]
pub(crate) mod tests;

#[cfg(test)]
#[path = "supervision_tests.rs"]
mod supervision_tests;

#[cfg(test)]
#[path = "keep_tests.rs"]
pub(crate) mod keep_tests;

#[cfg(test)]
#[path = "limits_tests.rs"]
mod limits_tests;

#[cfg(test)]
#[path = "login_tests.rs"]
mod login_tests;
