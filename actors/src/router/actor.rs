//! The actor that knows what names mean: aliases, lists of models, and which of several has been quickest.
//!
//! A turn asks for a plan before its first attempt. What happens then is the turn's own state (see
//! [`dispatch`](super::dispatch)), so a router that fails touches no answer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use greenroom_providers::{Capabilities, Facts, ModelInfo};
use greenroom_wire::ChatError;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use rand::RngExt as _;

use super::plan::{Book, Candidate, Meaning, Needs, Preference, Shelf, Strategy, Target, Unusable};
use crate::provider::lists::{CachedList, ModelList};

/// How much of a mean each new first-token time makes up.
const LATENCY_SHARE: f64 = 0.2;

/// What the router is told.
pub(crate) enum RouterMsg {
    /// Asks who may answer.
    Plan { model: String, needs: Needs, reply: RpcReplyPort<Result<Plan, ChatError>> },
    /// A provider has listed its models, or can't.
    Listed { provider: Arc<str>, list: ModelList },
    /// A provider has come in, before the first of these that is there, else after all; answered once names may mean its
    /// models.
    Added { shelf: Box<ShelfArgs>, cached: Option<CachedList>, before: Vec<Arc<str>>, reply: RpcReplyPort<()> },
    /// A provider may list other models now, or list them at all.
    Outdated { provider: Arc<str> },
    /// The first token of a candidate came after this.
    Spoke { provider: Arc<str>, model: String, after: Duration },
    /// Fails, for tests of supervision.
    #[cfg(test)]
    Panic,
}

/// Who may answer.
#[derive(Debug)]
pub(crate) enum Plan {
    /// These, in order of preference. That rests on an old list of `refresh`, if there is one.
    Candidates { candidates: Vec<Candidate>, refresh: Option<Arc<str>> },
    /// It can't be told before these providers have listed their models: have them do it, and ask again.
    NeedsLists(Vec<Arc<str>>),
}

/// What the router is made of.
#[derive(Debug, Clone)]
pub struct RouterArgs {
    /// The providers in the order they were written.
    pub providers: Vec<ShelfArgs>,
    /// Aliases, exact or with `*`, in the order they were written.
    pub aliases: Vec<(String, Target)>,
    /// The name that stands for no name.
    pub default: Option<String>,
    /// Providers that were written but can't be used.
    pub unusable: Vec<Unusable>,
    /// What is known of models that neither the configuration nor their provider says.
    pub facts: Arc<Facts>,
}

/// What the router knows of a provider from the start.
#[derive(Debug, Clone)]
pub struct ShelfArgs {
    /// Its configured name.
    pub provider: Arc<str>,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Its models that were configured.
    pub models: Vec<ModelInfo>,
}

/// What it starts from, with the lists that an earlier process had.
type Known = (RouterArgs, Vec<(Arc<str>, CachedList)>);

/// The same, shared: what comes in later is added, so that the next incarnation has it as well.
type Start = Arc<Mutex<Known>>;

/// The actor.
pub(crate) struct Router;

pub(crate) struct State {
    start: Start,
    book: Book,
    speed: Speed,
}

/// Mean times to the first token, in seconds, lately.
#[derive(Default)]
struct Speed(HashMap<(Arc<str>, String), f64>);

impl Speed {
    fn record(&mut self, provider: Arc<str>, model: String, after: Duration) {
        let seconds = after.as_secs_f64();
        let mean = self.0.entry((provider, model)).or_insert(seconds);
        *mean += LATENCY_SHARE * (seconds - *mean);
    }

    /// One that was never asked counts as instant, so that it gets asked.
    fn of(&self, candidate: &Candidate) -> f64 {
        self.0.get(&(Arc::clone(&candidate.provider), candidate.model.id.clone())).copied().unwrap_or(0.0)
    }
}

impl Preference for Speed {
    fn sort(&mut self, strategy: Strategy, entries: &mut Vec<(Vec<Candidate>, u32)>) {
        match strategy {
            Strategy::Latency => entries.sort_by(|(a, _), (b, _)| self.of(&a[0]).total_cmp(&self.of(&b[0]))),
            Strategy::Cost => entries.sort_by(|(a, _), (b, _)| cost(&a[0]).total_cmp(&cost(&b[0]))),
            Strategy::Weighted => {
                // Drawn without putting back: an exponential of rate `weight` each, the soonest first.
                let mut drawn: Vec<_> = entries
                    .drain(..)
                    .map(|entry| {
                        (-rand::rng().random::<f64>().max(f64::MIN_POSITIVE).ln() / f64::from(entry.1.max(1)), entry)
                    })
                    .collect();
                drawn.sort_by(|(a, _), (b, _)| a.total_cmp(b));
                entries.extend(drawn.into_iter().map(|(_, entry)| entry));
            }
        }
    }
}

/// What a thousand tokens in and a thousand out cost, by the known price; an unknown one counts as the dearest.
fn cost(candidate: &Candidate) -> f64 {
    candidate.model.price.map_or(f64::INFINITY, |price| price.input + price.output)
}

impl State {
    fn handle_plan(&mut self, model: &str, needs: &Needs) -> Result<Plan, ChatError> {
        let now = Instant::now();
        match self.book.resolve(model, &mut self.speed, now)? {
            Meaning::NeedsLists(providers) => Ok(Plan::NeedsLists(providers)),
            Meaning::Candidates(candidates) => Ok(Plan::Candidates {
                candidates: self.book.fitting(candidates, needs)?,
                refresh: self.book.rests_on_old(model, now),
            }),
        }
    }

    fn handle_added(&mut self, args: ShelfArgs, cached: Option<CachedList>, before: &[Arc<str>]) {
        let mut start = lock(&self.start);
        let (kept, lists) = &mut *start;
        if kept.providers.iter().any(|known| known.provider == args.provider) {
            return;
        }
        // It is not one that can't be used any more.
        kept.unusable.retain(|unusable| unusable.provider != args.provider);
        self.book.unusable.retain(|unusable| unusable.provider != args.provider);
        let later = kept.providers.iter().position(|known| before.contains(&known.provider));
        let at = later.unwrap_or(kept.providers.len());
        kept.providers.insert(at, args.clone());
        self.book.shelves.insert(at, shelf(args.clone(), cached.as_ref(), &kept.facts));
        lists.extend(cached.map(|list| (args.provider, list)));
    }

    fn handle_outdated(&mut self, provider: &str) {
        if let Some(shelf) = self.book.shelves.iter_mut().find(|shelf| &*shelf.provider == provider) {
            shelf.asked = None;
        }
    }

    fn handle_listed(&mut self, provider: &str, list: ModelList) {
        if let Some(shelf) = self.book.shelves.iter_mut().find(|shelf| &*shelf.provider == provider) {
            // A list that was had once is better than none.
            let failure = list.map(|models| shelf.listed = Some(models)).err();
            shelf.asked = Some((Instant::now(), failure));
        }
    }
}

fn lock(start: &Start) -> MutexGuard<'_, Known> {
    start.lock().unwrap_or_else(PoisonError::into_inner)
}

fn shelf(args: ShelfArgs, cached: Option<&CachedList>, facts: &Arc<Facts>) -> Shelf {
    let listed = cached.filter(|list| list.is_usable()).map(|list| Arc::clone(&list.models));
    let ShelfArgs { provider, capabilities, models: configured } = args;
    Shelf { listed, asked: None, provider, capabilities, configured, facts: Arc::clone(facts) }
}

impl Actor for Router {
    type Msg = RouterMsg;
    type State = State;
    type Arguments = Start;

    async fn pre_start(&self, _: ActorRef<Self::Msg>, start: Self::Arguments) -> Result<State, ActorProcessingErr> {
        let (args, cached) = lock(&start).clone();
        let listed = |name: &Arc<str>| cached.iter().find(|(provider, _)| provider == name).map(|(_, list)| list);
        let shelves = args.providers.into_iter().map(|shelf_args| {
            let list = listed(&shelf_args.provider);
            shelf(shelf_args, list, &args.facts)
        });
        let book =
            Book { shelves: shelves.collect(), aliases: args.aliases, default: args.default, unusable: args.unusable };
        Ok(State { start, book, speed: Speed::default() })
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RouterMsg::Plan { model, needs, reply } => {
                let _left = reply.send(state.handle_plan(&model, &needs));
            }
            RouterMsg::Listed { provider, list } => state.handle_listed(&provider, list),
            RouterMsg::Added { shelf, cached, before, reply } => {
                state.handle_added(*shelf, cached, &before);
                let _left = reply.send(());
            }
            RouterMsg::Outdated { provider } => state.handle_outdated(&provider),
            RouterMsg::Spoke { provider, model, after } => state.speed.record(provider, model, after),
            #[cfg(test)]
            RouterMsg::Panic => panic!("the router was asked to fail"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(provider: &str, weight: u32) -> (Vec<Candidate>, u32) {
        (vec![Candidate { provider: provider.into(), model: ModelInfo::named("m") }], weight)
    }

    fn first(speed: &mut Speed, strategy: Strategy) -> String {
        let mut entries = vec![entry("a", 1), entry("b", 9)];
        speed.sort(strategy, &mut entries);
        entries[0].0[0].provider.to_string()
    }

    fn args(provider: &str) -> ShelfArgs {
        let capabilities = Capabilities {
            tools: true,
            images: true,
            documents: true,
            audio: true,
            json_schema: true,
            local: false,
            responses: None,
        };
        ShelfArgs { provider: provider.into(), capabilities, models: Vec::new() }
    }

    fn state() -> State {
        let facts = Arc::new(Facts::none());
        let known =
            RouterArgs { providers: Vec::new(), aliases: Vec::new(), default: None, unusable: Vec::new(), facts };
        let book = Book { shelves: Vec::new(), aliases: Vec::new(), default: None, unusable: Vec::new() };
        State { start: Arc::new(Mutex::new((known, Vec::new()))), book, speed: Speed::default() }
    }

    #[test]
    fn a_provider_that_comes_in_is_where_it_is_to_be_for_this_incarnation_and_the_next() {
        let mut state = state();
        for (provider, before) in [("c", &[][..]), ("a", &["b", "c"]), ("b", &["c"]), ("d", &["e"]), ("a", &["d"])] {
            let before: Vec<Arc<str>> = before.iter().map(|name| Arc::from(*name)).collect();
            state.handle_added(args(provider), None, &before);
        }
        let now: Vec<&str> = state.book.shelves.iter().map(|shelf| &*shelf.provider).collect();
        assert_eq!(now, ["a", "b", "c", "d"]);
        let next: Vec<Arc<str>> =
            lock(&state.start).0.providers.iter().map(|args| Arc::clone(&args.provider)).collect();
        assert_eq!(next, ["a", "b", "c", "d"].map(Arc::from));
    }

    #[test]
    fn why_there_is_no_list_is_asked_anew_once_another_may_be_had() {
        let mut state = state();
        state.handle_added(args("lab"), None, &[]);
        state.handle_listed("lab", Err(ChatError::new(greenroom_wire::ErrorKind::Auth, "no key")));
        let asked = |state: &mut State| state.handle_plan("", &Needs::default());
        assert!(asked(&mut state).is_err(), "it was just asked");
        state.handle_outdated("lab");
        assert!(matches!(asked(&mut state), Ok(Plan::NeedsLists(providers)) if *providers[0] == *"lab"));
    }

    #[test]
    fn the_quicker_one_comes_first_once_both_are_known() {
        let mut speed = Speed::default();
        speed.record("a".into(), "m".into(), Duration::from_secs(2));
        assert_eq!(first(&mut speed, Strategy::Latency), "b", "never asked, so it gets asked");
        speed.record("b".into(), "m".into(), Duration::from_secs(3));
        assert_eq!(first(&mut speed, Strategy::Latency), "a");
        for _ in 0..10 {
            speed.record("a".into(), "m".into(), Duration::from_secs(9));
        }
        assert_eq!(first(&mut speed, Strategy::Latency), "b");
    }

    #[test]
    fn weights_decide_how_often_each_comes_first() {
        let mut speed = Speed::default();
        let share = (0..2000).filter(|_| first(&mut speed, Strategy::Weighted) == "b").count();
        assert!((1700..1900).contains(&share), "{share} of 2000, 1800 expected");
    }
}
