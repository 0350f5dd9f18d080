//! To hold or to attach: the way from a command to whoever has the store of the data directory open.
//!
//! A daemon that starts has its lock before it has the store, and whoever finds that lock taken does not open the store:
//! so one that hands over to a daemon can't come before it.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use greenroom::{
    Builder, OpenError, Runtime, StartError, StoreKind,
    config::{self, Discovery, Settings},
    frontends::http::Holder,
    has_store,
};
use tokio::sync::{Mutex, MutexGuard, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    client::{Answer, Ask, Client, Lost, Way},
    holder::{attach, check},
    holding::Holding,
    refused::{accepted, failure},
    termination::Termination,
};
use crate::cli::{
    Failure,
    context::{Context, told},
    failure::with_causes,
    lock, notes,
};

/// The pause between two looks for a holder.
const PAUSE: Duration = Duration::from_millis(30);
/// How long a command looks before it says so.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a command looks for a way to a store that somebody has: a daemon that ends has the grace period for its last
/// answers.
const LONGEST: Duration = Duration::from_secs(45);
/// The same of a question that needs no store.
const SHORTEST: Duration = Duration::from_secs(1);

/// What a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Answers, which go on without a store where there is no way to one.
    Answers,
    /// The same for a program that may add keys as well: a store is made where there is none.
    Frontend,
    /// Answers of a runtime that keeps nothing, and has nothing to do with any other.
    Alone,
    /// The store; one is made where there is none.
    Store,
    /// What is in the store, if there is one. Looking makes nothing.
    Look,
    /// The same, and answers.
    Join,
}

/// The way of a command to whoever answers it, which may be another one after each failure.
pub(crate) struct Link<'a> {
    context: &'a Context,
    need: Need,
    termination: Termination,
    current: Mutex<Current>,
}

struct Current {
    /// Counts the holders that there have been for this command.
    generation: u64,
    client: Client,
    /// If this process holds.
    holding: Option<Holding>,
    /// Whether it is only the built-in demo that answers.
    demo: bool,
    default_model: Option<String>,
}

impl Need {
    /// Whether what is asked is answered where there is no way to a store, too.
    pub(super) fn goes_on_without(self) -> bool {
        matches!(self, Self::Answers | Self::Frontend)
    }
}

impl<'a> Link<'a> {
    /// Finds a holder, or becomes one. `settings` are those for the latter, if they are known already. SIGTERM ends the
    /// program in order from then on, save for a [frontend](Need::Frontend), which listens itself and says so to
    /// [`leave_at`](Self::leave_at).
    pub(crate) async fn open(context: &'a Context, need: Need, settings: Option<Settings>) -> Result<Self, Failure> {
        let termination = match need {
            Need::Frontend => Termination::left_to_others(),
            _ => Termination::default(),
        };
        let current = find(context, need, settings, &termination, false).await?;
        Ok(Self { context, need, termination, current: Mutex::new(current) })
    }

    /// Whether only the built-in demo answers.
    pub(crate) async fn is_demo(&self) -> bool {
        self.current.lock().await.demo
    }

    /// The model that answers where none is named, if it is known here.
    pub(crate) async fn default_model(&self) -> Option<String> {
        self.current.lock().await.default_model.clone()
    }

    /// Whether sessions are kept by whoever answers.
    pub(crate) async fn keeps(&self) -> bool {
        self.current.lock().await.holding.as_ref().is_none_or(Holding::keeps)
    }

    /// Asks until somebody answers. What is not to be done twice (`once`) is not asked again when it is not known what
    /// became of it.
    pub(crate) async fn ask(&self, ask: Ask, once: bool) -> Result<Answer, Failure> {
        accepted(self.ask_any(&ask, once).await?.0).await
    }

    /// The same, with whatever the answer is, and which holder's it is.
    pub(crate) async fn ask_any(&self, ask: &Ask, once: bool) -> Result<(Answer, u64), Failure> {
        let begun = Instant::now();
        loop {
            let (generation, client) = {
                let current = self.current.lock().await;
                (current.generation, current.client.clone())
            };
            match client.ask(ask).await {
                Ok(answer) => return Ok((answer, generation)),
                Err(lost @ (Lost::Silent | Lost::Unreadable(_))) => return Err(failure(&lost)),
                Err(lost @ Lost::BrokenOff(_)) if once => return Err(failure(&lost)),
                Err(lost) if begun.elapsed() > LONGEST => return Err(failure(&lost)),
                Err(_) => self.renew(generation).await?,
            }
        }
    }

    /// Looks for the next holder after one that was lost.
    pub(super) async fn renew(&self, lost: u64) -> Result<(), Failure> {
        let mut current: MutexGuard<'_, Current> = self.current.lock().await;
        if current.generation != lost {
            return Ok(());
        }
        // One of our own has been asked to end, by a daemon that waits for it.
        let handed_over = current.holding.is_some();
        if current.holding.as_ref().is_some_and(|holding| !holding.is_ending()) {
            return Err(Failure::failed(
                "greenroom lost the connection to itself",
                "this is a fault of greenroom's: run it again with -vv and report what it says",
            ));
        }
        if let Some(holding) = current.holding.take() {
            holding.ended().await;
        }
        let mut found = find(self.context, self.need, None, &self.termination, handed_over).await?;
        found.generation = lost + 1;
        *current = found;
        Ok(())
    }

    /// Leaves it to the caller to end the program when it is told to: what is under way here has words to say then.
    pub(crate) fn outlive_termination(&self) {
        // It is never given back, so the program is not ended for want of anything to wait for.
        std::mem::forget(self.termination.holdings().token());
    }

    /// From here on the program ends itself when it is told to, whether or not it holds.
    pub(crate) fn heed_termination(&self) {
        self.termination.listen();
    }

    /// Ends what of it is here. A holder stays until the turns that run are over.
    pub(crate) async fn leave(self) {
        self.leave_at(&CancellationToken::new()).await;
    }

    /// The same, but a holder stays no longer than until `stop`; turns that are left go on in the next holder.
    pub(crate) async fn leave_at(self, stop: &CancellationToken) {
        if let Some(holding) = self.current.into_inner().holding {
            holding.leave(stop).await;
        }
    }
}

impl Current {
    fn attached(client: Client, holder: &Holder) -> Self {
        Self { generation: 0, client, holding: None, demo: holder.demo, default_model: None }
    }

    fn held(context: &Context, termination: &Termination, runtime: Runtime, dir: Option<&Path>) -> Self {
        let (holding, inside) = Holding::begin(context, runtime, dir, termination);
        let demo = holding.settings().discovery == Discovery::Demo;
        let default_model = holding.settings().models.default.clone();
        let client = Client::new(Way::Inside(inside));
        Self { generation: 0, client, holding: Some(holding), demo, default_model }
    }
}

/// Finds a holder or becomes one. After this process was asked to hand over, it is not to be one again at once.
async fn find(
    context: &Context,
    need: Need,
    mut settings: Option<Settings>,
    termination: &Termination,
    handed_over: bool,
) -> Result<Current, Failure> {
    let dir = match need {
        Need::Alone => None,
        Need::Answers | Need::Frontend => context.data_path(),
        Need::Store => Some(context.data_dir()?.path().to_owned()),
        Need::Look | Need::Join => Some(context.data_place()?),
    };
    let Some(dir) = dir else {
        return Ok(Current::held(
            context,
            termination,
            alone(context, need, take(context, &mut settings).await?).await?,
            None,
        ));
    };
    let begun = Instant::now();
    let mut has_said = false;
    loop {
        if let Some((client, holder)) = attach(&dir, context, need).await? {
            check(context, need, &holder)?;
            return Ok(Current::attached(client, &holder));
        }
        let waits_for_daemon = handed_over && begun.elapsed() < PATIENCE * 10;
        if !waits_for_daemon && !lock::is_held(&dir) {
            let settings = take(context, &mut settings).await?;
            let keeps = match need {
                // The demo never fails, and a first question is to leave nothing behind; what was added is in a store.
                Need::Answers => {
                    has_store(&dir) || settings.providers.iter().any(|provider| provider.kind != config::Kind::Demo)
                }
                Need::Look | Need::Join => has_store(&dir),
                Need::Store | Need::Alone | Need::Frontend => true,
            };
            if !keeps {
                return Ok(Current::held(context, termination, alone(context, need, settings).await?, None));
            }
            let builder = Runtime::builder().settings(settings.clone()).environment(context.environment.clone());
            // Whoever adds keys may begin without one.
            let builder = if need == Need::Frontend { builder.wait_for_credentials() } else { builder };
            match start(builder.data_dir(&dir)).await {
                Ok(runtime) => return Ok(began(context, termination, runtime, need, &dir)),
                Err(StartError::Store(OpenError::Held { .. })) => {}
                Err(error @ StartError::Store(_)) if need.goes_on_without() => {
                    notes::warning(&format!("{}; going on without it", with_causes(&error)));
                    notes::hint(&error.hint());
                    return Ok(Current::held(context, termination, alone(context, need, settings).await?, None));
                }
                Err(error) => return Err(error.into()),
            }
        }
        if need.goes_on_without() && begun.elapsed() > SHORTEST {
            tracing::debug!("another greenroom has the store and can't be asked: nothing is learnt from this one");
            return Ok(Current::held(
                context,
                termination,
                alone(context, need, take(context, &mut settings).await?).await?,
                None,
            ));
        }
        if begun.elapsed() > LONGEST {
            return Err(Failure::failed(
                format!("another greenroom has {} open, and can't be asked", dir.display()),
                "wait for it to end or stop it; if the path is too long for a socket, give a shorter --data-dir",
            ));
        }
        if !has_said && !need.goes_on_without() && begun.elapsed() > PATIENCE {
            has_said = true;
            notes::note(&format!("waiting for the greenroom that has {} open", dir.display()));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// This process holds the data directory now.
fn began(context: &Context, termination: &Termination, runtime: Runtime, need: Need, dir: &Path) -> Current {
    let runtime = told(runtime);
    let store = runtime.store();
    let is_kept = store.state == StoreKind::Ok;
    if !is_kept && need != Need::Answers {
        let reason = store.reason.unwrap_or_default();
        notes::warning(&format!("nothing that is said outlives this command: {reason}"));
        store.hint.iter().for_each(|hint| notes::hint(hint));
    }
    // A store in memory is no other's to use.
    Current::held(context, termination, runtime, is_kept.then_some(dir))
}

/// A runtime that keeps nothing.
async fn alone(context: &Context, need: Need, settings: Settings) -> Result<Runtime, Failure> {
    if need == Need::Alone {
        let builder = Runtime::builder().settings(settings).environment(context.environment.clone());
        return Ok(told(builder.start().await?));
    }
    context.start_beside(settings).await
}

async fn take(context: &Context, settings: &mut Option<Settings>) -> Result<Settings, Failure> {
    match settings {
        Some(settings) => Ok(settings.clone()),
        None => {
            let loaded = context.load_here().await?.settings;
            *settings = Some(loaded.clone());
            Ok(loaded)
        }
    }
}

/// Starts a runtime on a store. Where that is dropped, the store is let go of: half a runtime would hold it against
/// whoever looks next, which may be this process.
async fn start(builder: Builder) -> Result<Runtime, StartError> {
    let (give, taken) = oneshot::channel();
    tokio::spawn(async move {
        // Nobody may be there any more; then it is shut down.
        let _given = give.send(builder.start().await.map(|runtime| Started(Some(runtime))));
    });
    let started: Result<Started, StartError> = taken.await.expect("the start of a runtime does not panic");
    started.map(|mut started| started.0.take().expect("nobody else takes it"))
}

/// A runtime that is shut down unless somebody takes it.
struct Started(Option<Runtime>);

impl Drop for Started {
    fn drop(&mut self) {
        if let (Some(runtime), Ok(threads)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            threads.spawn(async move { runtime.shutdown(Duration::ZERO).await });
        }
    }
}
