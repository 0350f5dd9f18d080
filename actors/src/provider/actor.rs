//! The actor of one provider: it alone owns the provider's auth profiles, its limiter and its queue.
//!
//! A turn asks with [`ProviderMsg::Acquire`]; the actor picks a profile, passes the limiter or queues the request, and
//! answers with a [`Permit`]. The attempt itself runs in the turn's task, which then sends a report. No message here
//! waits for the network or the disk: lists of models are fetched, and the state is kept, in tasks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use greenroom_providers::ModelInfo;
use greenroom_wire::{ChatError, ErrorKind};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::{task::JoinSet, time::Instant};

use super::{
    answers::Answers,
    args::{ProfileArgs, ProviderArgs},
    keep::{Keeper, Loaded, Records, UNKEPT},
    limiter::{Full, Limiters, Seat},
    lists::{Lists, ModelList},
    login::Ready,
    meter::{Estimate, Meter},
    permit::{Permit, Refusal, Waiting, Want},
    profiles::{Change, NoProfile, ProfileId, Profiles, Wanted},
    queue::FairQueue,
    status::{MarkStatus, ModelStatus, ProfileStatus, ProviderStatus},
    testing::ProfileTest,
};
use crate::{handle::Handle, store::StoreError};

/// What a provider's actor is told.
pub(crate) enum ProviderMsg {
    /// Asks for leave to make an attempt.
    Acquire(Want, RpcReplyPort<Result<Permit, Refusal>>),
    /// An attempt went like this; a whole answer had so many tokens.
    Report {
        profile: ProfileId,
        model: String,
        outcome: Result<(), ChatError>,
        spoke: bool,
        answered: Option<u32>,
        /// Which of its login's tokens it was made with, if its profile has a login.
        generation: Option<u64>,
    },
    /// Something of a limit has come free, or may have.
    Freed,
    /// A waiting request may be able to go now, or has waited long enough.
    Wake,
    /// Asks for the models that the provider lists; unless `fresh`, an old list will do, which is then asked for anew.
    Models { fresh: bool, reply: RpcReplyPort<ModelList> },
    /// Asks for a list of any age without asking the provider.
    OldModels(RpcReplyPort<Option<Arc<[ModelInfo]>>>),
    /// An old list was used: it may be time for a new one.
    Refresh,
    /// The list has come.
    Listed(ModelList),
    /// Asks how it is.
    Status(RpcReplyPort<ProviderStatus>),
    /// Asks whether each profile gets in.
    Test(RpcReplyPort<Vec<ProfileTest>>),
    /// Forgets every mark; answered once that is kept, or can't be.
    Reset(RpcReplyPort<Result<(), StoreError>>),
    /// It may be time to write what isn't urgent.
    Keep,
    /// A write has ended.
    Kept { version: u64, outcome: Result<(), StoreError> },
    /// Asks to be told once everything so far is kept, or can't be.
    Settle(RpcReplyPort<()>),
    /// A refresh of a profile's login is over.
    Refreshed(ProfileId),
    /// It may be time to refresh a profile's login.
    Renew(ProfileId),
    /// Asks to be told once no refresh is under way.
    AwaitRefreshes(RpcReplyPort<()>),
    /// There is a profile, in the place of one of its name if there is one; answered once that is so.
    SetProfile(Box<ProfileArgs>, RpcReplyPort<()>),
    /// A profile is no more. Whether there was one.
    RemoveProfile(ProfileId, RpcReplyPort<bool>),
    /// Fails, for tests of supervision.
    #[cfg(test)]
    Panic,
}

/// The actor.
pub(crate) struct ProviderActor;

pub(crate) struct State {
    pub(super) args: ProviderArgs,
    pub(super) limiters: Arc<Limiters>,
    pub(super) myself: Handle<ProviderMsg>,
    /// What each of `profiles` has, in the same places.
    pub(super) seats: Vec<Seat>,
    pub(super) profiles: Profiles,
    answers: Answers,
    queue: FairQueue<Waiting>,
    /// When the next [`ProviderMsg::Wake`] comes.
    wake: Option<Instant>,
    /// When the first of those that wait can go, as it was last known.
    free_at: Option<Instant>,
    pub(super) lists: Lists,
    pub(super) list_waiters: Vec<RpcReplyPort<ModelList>>,
    pub(super) tasks: JoinSet<()>,
    pub(super) keeper: Keeper,
}

/// Whether a request can go out.
enum Admission {
    Go(Permit),
    Wait(Full),
    Never(Refusal),
}

impl State {
    fn handle_acquire(
        &mut self,
        myself: &ActorRef<ProviderMsg>,
        want: Want,
        reply: RpcReplyPort<Result<Permit, Refusal>>,
    ) {
        let (until, owner) = (want.until, Arc::clone(&want.owner));
        // Whoever waits goes first; a request for one profile alone may find that one free.
        let behind = self.queue.len() > 0 && want.only.is_none() && want.exclude.is_empty();
        let full = match if behind { Admission::Wait(Full::UntilFreed) } else { self.admit(&want) } {
            Admission::Go(permit) => return answer(reply, Ok(permit)),
            Admission::Never(refusal) => return self.refuse(reply, refusal),
            Admission::Wait(full) => full,
        };
        if self.queue.is_full() {
            self.sweep();
        }
        match self.queue.push(&owner, Waiting { want, reply }) {
            Ok(()) => self.wake_at(myself, full, until),
            Err(refused) => {
                let after = self.next_free(Instant::now());
                answer(refused.reply, Err(Refusal::QueueFull { after }));
            }
        }
    }

    fn admit(&mut self, want: &Want) -> Admission {
        let now = SystemTime::now();
        let wanted = Wanted {
            model: &want.model,
            exclude: &want.exclude,
            only: want.only.as_deref(),
            prefer: want.prefer.as_deref(),
        };
        let order = match self.profiles.order(&wanted, now) {
            Ok(order) => order,
            Err(NoProfile::Tried) => return Admission::Never(Refusal::Tried),
            Err(NoProfile::Cooling { until, kind }) => return Admission::Never(Refusal::Cooling { until, kind }),
            Err(NoProfile::Shut { kind }) => return Admission::Never(Refusal::LoggedOut { kind }),
            Err(NoProfile::Missing) => return Admission::Never(Refusal::NoProfile),
        };
        let answer = if want.answers { self.answers.expected(&want.model) } else { 0 };
        let estimate = Estimate { prompt: want.prompt_tokens, answer };
        let tokens = estimate.total();
        let shared = match self.limiters.shared.admit(tokens) {
            Ok(slot) => slot,
            Err(full) => return Admission::Wait(full),
        };
        let mut first = Full::UntilFreed;
        for at in order {
            let (credential, generation) = match self.seats[at].profile.way.ready(now) {
                Ready::Fixed(credential) => (credential, None),
                Ready::Good(credential, generation) => (credential, Some(generation)),
                Ready::Stale => {
                    self.refresh(at);
                    continue;
                }
                Ready::Not => continue,
            };
            let mut paces = self.limiters.paces();
            let paced = paces.wait(at, &want.model, estimate, Instant::now());
            match paced.map_or_else(|| self.seats[at].limiter.admit(tokens), |wait| Err(Full::For(wait))) {
                Ok(slot) => {
                    let ticket = paces.take(at, &want.model, estimate, Instant::now());
                    drop(paces);
                    let probes = self.profiles.probes(&want.model, now);
                    self.profiles.handle_use(at, &want.model, now);
                    self.keeper.handle(Change::Minor);
                    return Admission::Go(Permit {
                        provider: Arc::clone(&self.args.provider),
                        profile: Arc::clone(&self.seats[at].profile.id),
                        credential,
                        generation,
                        probes,
                        model: want.model.clone(),
                        slots: [shared, slot],
                        actor: self.myself.clone(),
                        meter: Arc::new(Meter::new(
                            Arc::clone(&self.limiters),
                            self.myself.clone(),
                            at,
                            want.model.clone(),
                            ticket,
                        )),
                        limiters: Arc::clone(&self.limiters),
                        at,
                        estimate,
                        settled: AtomicBool::new(false),
                    });
                }
                Err(full) => first = sooner(first, full),
            }
        }
        self.limiters.shared.give_back(tokens);
        Admission::Wait(first)
    }

    /// Says why not. Who is told of a mark is told once it is kept.
    fn refuse(&mut self, reply: RpcReplyPort<Result<Permit, Refusal>>, refusal: Refusal) {
        match refusal {
            Refusal::Cooling { .. } => self.keeper.after(move |_| answer(reply, Err(refusal))),
            _ => answer(reply, Err(refusal)),
        }
    }

    /// Lets go whoever can go now, and whoever has waited for as long as it may.
    fn pump(&mut self, myself: &ActorRef<ProviderMsg>) {
        let mut queue = std::mem::replace(&mut self.queue, FairQueue::new(0));
        let now = Instant::now();
        let mut next: Option<(Full, Instant)> = None;
        queue.offer(|waiting| {
            // Its caller has left.
            if waiting.reply.is_closed() {
                return None;
            }
            match self.admit(&waiting.want) {
                Admission::Go(permit) => answer(waiting.reply, Ok(permit)),
                Admission::Never(refusal) => self.refuse(waiting.reply, refusal),
                Admission::Wait(full) if waiting.want.until <= now => {
                    let after = if let Full::For(wait) = full { Some(wait) } else { None };
                    answer(waiting.reply, Err(Refusal::Waited { after }));
                }
                Admission::Wait(full) => {
                    let (soonest, until) = next.unwrap_or((full, waiting.want.until));
                    next = Some((sooner(soonest, full), until.min(waiting.want.until)));
                    return Some(waiting);
                }
            }
            None
        });
        self.queue = queue;
        if let Some((full, until)) = next {
            self.wake_at(myself, full, until);
        }
    }

    /// After how long the next that waits can go, as far as is known.
    fn next_free(&self, now: Instant) -> Option<Duration> {
        Some(self.free_at?.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
    }

    /// Takes out of the queue whose caller has left, and whoever has waited for as long as it may. When the next has.
    fn sweep(&mut self) -> Option<Instant> {
        let (now, mut next) = (Instant::now(), None::<Instant>);
        let after = self.next_free(now);
        self.queue.sweep(|waiting| {
            if waiting.reply.is_closed() {
                return None;
            }
            if waiting.want.until <= now {
                answer(waiting.reply, Err(Refusal::Waited { after }));
                return None;
            }
            next = Some(next.map_or(waiting.want.until, |next| next.min(waiting.want.until)));
            Some(waiting)
        });
        next
    }

    fn wake_at(&mut self, myself: &ActorRef<ProviderMsg>, full: Full, until: Instant) {
        let now = Instant::now();
        self.free_at = if let Full::For(wait) = full { Some(now + wait) } else { self.free_at };
        let at = match full {
            Full::For(wait) => until.min(now + wait),
            Full::UntilFreed => until,
        };
        if self.wake.is_some_and(|wake| wake <= at) {
            return;
        }
        self.wake = Some(at);
        // Rounded up to the timer's grain, or it would wake just before it can go.
        myself.send_after(at - now + Duration::from_millis(1), || ProviderMsg::Wake);
    }

    fn handle_report(
        &mut self,
        profile: &str,
        model: &str,
        outcome: &Result<(), ChatError>,
        spoke: bool,
        generation: Option<u64>,
    ) {
        let change = match outcome {
            Ok(()) => {
                if let (Some(login), Some(generation)) = (self.login(profile), generation) {
                    login.handle_taken(generation);
                }
                self.profiles.handle_success(profile, model)
            }
            Err(error) if error.kind == ErrorKind::Auth && self.handle_refused(profile, generation) => {
                tracing::info!(provider = %self.args.name, profile, "a token was refused, and is asked for anew: {error}");
                Change::Nothing
            }
            Err(error) => {
                tracing::warn!(
                    provider = %self.args.name, profile, model, kind = %error.kind, status = error.details.status, spoke,
                    "an attempt failed: {error}"
                );
                self.profiles.handle_failure(profile, model, error, spoke, SystemTime::now())
            }
        };
        self.keeper.handle(change);
    }

    /// Writes what has to be written now, and sees to it that the rest is written soon.
    fn keep(&mut self, myself: &ActorRef<ProviderMsg>) {
        if self.keeper.is_urgent() {
            self.write(myself);
        } else if let Some(wait) = self.keeper.tick() {
            myself.send_after(wait, || ProviderMsg::Keep);
        }
    }

    fn write(&mut self, myself: &ActorRef<ProviderMsg>) {
        let now = SystemTime::now();
        let marks = self.profiles.snapshot(now);
        let own = self.seats.iter().filter(|seat| !seat.gone);
        let limiters = own.map(|seat| (seat.profile.id.to_string(), seat.limiter.snapshot(now))).collect();
        let answers = self.answers.snapshot();
        let records = Records { marks, limiters, answers }.with_shared(self.limiters.shared.snapshot(now));
        let Some((store, version, batch)) = self.keeper.begin(records, now) else { return };
        while self.tasks.try_join_next().is_some() {}
        // This incarnation and no other: a write that outlives it is not its successor's.
        let myself = myself.clone();
        self.tasks.spawn(async move {
            let outcome = store.commit(batch).await;
            let _gone = myself.cast(ProviderMsg::Kept { version, outcome });
        });
    }

    /// Takes up what was kept of an earlier incarnation, of this process or of one before.
    fn restore(&mut self, loaded: Loaded, unkept: Duration) {
        let now = SystemTime::now();
        let configured = |id: &str| self.seats.iter().any(|seat| *seat.profile.id == *id && !seat.gone);
        self.keeper.handle_found(&loaded, configured, now);
        // In this process they are up to date, and held by requests that go on.
        let new_process = !self.limiters.restored.swap(true, Ordering::SeqCst);
        if new_process {
            self.limiters.shared.restore_kept(&loaded.limiter(None), now, unkept);
            for seat in self.seats.iter().filter(|seat| !seat.gone) {
                seat.limiter.restore_kept(&loaded.limiter(Some(&seat.profile.id)), now, unkept);
            }
        }
        for (id, kept, record) in &loaded.profiles {
            self.profiles.restore(id, record, *kept, now);
        }
        for ((profile, model), kept, mark) in loaded.models {
            self.profiles.restore_model(&profile, model, mark.restore(kept, now));
        }
        for (model, mean) in loaded.answers {
            self.answers.restore(model, mean);
        }
        for (model, kept, health) in loaded.health {
            let mut health = health.restore(kept, now);
            if new_process {
                health.handle_new_process(now);
            }
            self.profiles.restore_health(model, health);
        }
    }

    fn status(&self) -> ProviderStatus {
        let now = SystemTime::now();
        let unhealthy = self.profiles.unhealthy(now);
        let paced_until = |at| Some(now + self.limiters.paces().held(at, Instant::now())?);
        let both = self.profiles.list.iter().zip(&self.seats).enumerate().filter(|(_, (_, seat))| !seat.gone);
        let profiles = both.map(|(at, (profile, seat))| ProfileStatus {
            id: Arc::clone(&profile.id),
            login: seat.profile.way.login().map(|login| login.status(now)),
            mark: profile.mark.as_ref().filter(|mark| mark.is_open(now)).map(MarkStatus::from),
            models: profile
                .models
                .iter()
                .filter(|(_, mark)| mark.is_open(now))
                .map(|(model, mark)| ModelStatus { model: model.clone(), mark: mark.into() })
                .collect(),
            last_used: profile.last_used,
            limits: seat.limiter.limits,
            paced_until: paced_until(at),
            in_flight: seat.limiter.in_flight(),
        });
        ProviderStatus {
            provider: Arc::clone(&self.args.name),
            kind: self.args.provider.kind(),
            profiles: profiles.collect(),
            unhealthy: unhealthy
                .map(|(model, mark)| ModelStatus { model: model.to_owned(), mark: mark.into() })
                .collect(),
            shared_limits: self.args.shared_limits,
            waiting: self.queue.len(),
        }
    }
}

impl Actor for ProviderActor {
    type Msg = ProviderMsg;
    type State = State;
    type Arguments = (ProviderArgs, Arc<Limiters>, Handle<ProviderMsg>);

    async fn pre_start(
        &self,
        me: ActorRef<Self::Msg>,
        (args, limiters, myself): Self::Arguments,
    ) -> Result<State, ActorProcessingErr> {
        let seats = limiters.seats();
        let named = |seat: &Seat| (Arc::clone(&seat.profile.id), seat.profile.weight, seat.profile.way.tier());
        let mut keeper = Keeper::new(&args.name, args.store.clone());
        let loaded = keeper.load().await;
        let unkept = match &args.store {
            Some(store) if !store.was_clean() => UNKEPT,
            _ => Duration::ZERO,
        };
        let mut state = State {
            profiles: Profiles::new(seats.iter().map(named)),
            seats,
            answers: Answers::default(),
            queue: FairQueue::new(args.queue),
            limiters,
            myself,
            wake: None,
            free_at: None,
            lists: Lists::new(args.cached.clone()),
            list_waiters: Vec::new(),
            tasks: JoinSet::new(),
            keeper,
            args,
        };
        for seat in state.seats.iter().filter(|seat| seat.gone) {
            state.profiles.remove(&seat.profile.id);
        }
        state.restore(loaded, unkept);
        for seat in state.seats.clone().iter().filter(|seat| !seat.gone) {
            state.renew_later(&me, &seat.profile.id);
        }
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ProviderMsg::Acquire(want, reply) => state.handle_acquire(&myself, want, reply),
            ProviderMsg::Report { profile, model, outcome, spoke, answered, generation } => {
                state.handle_report(&profile, &model, &outcome, spoke, generation);
                if answered.is_some_and(|tokens| state.answers.handle_answer(&model, tokens)) {
                    state.keeper.handle(Change::Minor);
                }
                // A mark may refuse who waits, and a success may let them go.
                state.pump(&myself);
            }
            ProviderMsg::Freed => {
                // What was settled is to be kept.
                state.keeper.handle(Change::Minor);
                state.pump(&myself);
            }
            ProviderMsg::Wake => {
                state.wake = None;
                let next = state.sweep();
                state.pump(&myself);
                if let Some(until) = next {
                    state.wake_at(&myself, Full::UntilFreed, until);
                }
            }
            ProviderMsg::Models { fresh, reply } => state.handle_models(fresh, reply),
            ProviderMsg::OldModels(reply) => answer(reply, state.lists.any()),
            ProviderMsg::Refresh => state.handle_refresh(),
            ProviderMsg::Listed(list) => state.handle_listed(list),
            ProviderMsg::Status(reply) => {
                state.sweep();
                let status = state.status();
                state.keeper.handle_asked();
                state.keeper.after(move |_| answer(reply, status));
            }
            ProviderMsg::Test(reply) => state.handle_test(reply),
            ProviderMsg::Reset(reply) => {
                let change = state.profiles.reset();
                state.keeper.handle(change);
                state.keeper.after(move |kept| answer(reply, kept));
                state.pump(&myself);
            }
            ProviderMsg::Keep => {
                if state.keeper.handle_tick() {
                    state.write(&myself);
                }
            }
            ProviderMsg::Kept { version, outcome } => state.keeper.handle_written(version, outcome),
            ProviderMsg::Settle(reply) => {
                state.keeper.handle_settle();
                state.keeper.after(move |_| answer(reply, ()));
            }
            ProviderMsg::AwaitRefreshes(reply) => {
                let refreshes = state.refreshes();
                tokio::spawn(async move {
                    refreshes.await;
                    answer(reply, ());
                });
            }
            ProviderMsg::Refreshed(profile) => {
                state.renew_later(&myself, &profile);
                state.pump(&myself);
            }
            ProviderMsg::Renew(profile) => state.handle_renew(&myself, &profile),
            ProviderMsg::SetProfile(profile, reply) => {
                let id = Arc::clone(&profile.id);
                state.handle_set_profile(*profile);
                state.renew_later(&myself, &id);
                state.keeper.after(move |_| answer(reply, ()));
                state.pump(&myself);
            }
            ProviderMsg::RemoveProfile(id, reply) => {
                let was_there = state.handle_remove_profile(&id);
                state.keeper.after(move |_| answer(reply, was_there));
                state.pump(&myself);
            }
            #[cfg(test)]
            ProviderMsg::Panic => panic!("a provider's actor was asked to fail"),
        }
        state.keep(&myself);
        Ok(())
    }
}

/// The one that lets a request go earlier.
fn sooner(a: Full, b: Full) -> Full {
    match (a, b) {
        (Full::For(a), Full::For(b)) => Full::For(a.min(b)),
        (Full::For(wait), Full::UntilFreed) | (Full::UntilFreed, Full::For(wait)) => Full::For(wait),
        (Full::UntilFreed, Full::UntilFreed) => Full::UntilFreed,
    }
}

/// Answers; a caller that has left needs none.
pub(super) fn answer<T>(reply: RpcReplyPort<T>, value: T) {
    let _left = reply.send(value);
}
