//! The table of faults: what a provider does, what its client then sees, how often the provider was asked, and what is
//! left of it in the state of the providers.
//!
//! A row is played in eight ways, before one daemon: the failing provider speaks either wire, the client has
//! its answer streamed or whole, and there is a good provider behind (of the other wire) or none.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

pub mod cell;
pub mod marks;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use greenroom_tests::{Attempt, Script, ScriptedProvider};
use tokio::sync::Semaphore;

use self::cell::Cell;
pub use self::marks::Mark;
pub use self::wire::Wire;

#[path = "../http_support/mod.rs"]
pub mod http_support;

use http_support::Greenroom;

/// Less waiting than any window is long that a failure opens, so that none is waited for. (By default the first window of
/// a limit is as long as the waiting, and a few milliseconds decide.)
const BUDGET: &str = "[failover]\nmax_wait = \"4s\"\n";

/// How many rows are played at once: with more, those that are to be answered wait for each other's work longer than greenroom waits
/// for what comes after a finish reason.
const AT_ONCE: usize = 16;

/// Where a failing provider is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Loopback,
    /// The same machine by an address that greenroom does not know for its own: a provider far away, with the time-outs
    /// of one.
    Far,
    /// Its port, as if it spoke TLS.
    Https,
    /// Any address; nothing of the script is played.
    At(&'static str),
}

/// What the client sees.
#[derive(Debug, Clone, PartialEq)]
pub enum Sees {
    /// The whole text, of the failing provider itself.
    First,
    /// The answer of the provider behind.
    Second,
    /// The whole text: the failing provider began, and whoever is asked next went on. How many attempts in all.
    GoesOn { attempts: u32 },
    /// No answer: a status, the error's type and code, and the kind of each attempt.
    Fails(u16, &'static str, &'static str, &'static [&'static str]),
    /// What was begun and then this error, if streamed; the error alone, if whole.
    Breaks(u16, &'static str, &'static str, &'static [&'static str]),
    /// An answer that ends at its bound, which begins with this.
    Length(&'static str),
}

/// What comes of a fault, with or without another provider.
#[derive(Debug, Clone)]
pub struct Comes {
    pub sees: Sees,
    /// How often the failing provider is asked.
    pub asked: usize,
    pub mark: Mark,
}

type Plays = Arc<dyn Fn(Wire) -> Vec<Attempt> + Send + Sync>;

/// A row of the table.
#[derive(Clone)]
pub struct Fault {
    pub name: &'static str,
    pub plays: Plays,
    pub reach: Reach,
    /// More lines of the failing provider's section, and of the one behind.
    pub config: [String; 2],
    /// What the provider behind does, in place of answering.
    pub second: Option<Plays>,
    pub second_asked: Option<usize>,
    /// Attempts of which the failing provider sees no request.
    pub unseen: usize,
    pub alone: Comes,
    pub with_other: Comes,
    /// How long the failing provider must be left alone between being asked.
    pub gap: Duration,
    /// What an error says to a person.
    pub told: &'static str,
    /// The seconds that an error asks to wait, at most; it is no less than half of it.
    pub retry_after: Option<u64>,
}

impl Fault {
    /// A fault that its client does not notice; the methods say what does come of it.
    pub fn new(name: &'static str, plays: impl Fn(Wire) -> Vec<Attempt> + Send + Sync + 'static) -> Self {
        let unnoticed = Comes { sees: Sees::First, asked: 1, mark: Mark::None };
        Self {
            name,
            plays: Arc::new(plays),
            reach: Reach::Loopback,
            config: Default::default(),
            second: None,
            second_asked: None,
            unseen: 0,
            alone: unnoticed.clone(),
            with_other: unnoticed,
            gap: Duration::ZERO,
            told: "",
            retry_after: None,
        }
    }

    /// One that is the same whenever the provider is asked.
    pub fn always(name: &'static str, plays: impl Fn(Wire) -> Attempt + Send + Sync + 'static) -> Self {
        Self::new(name, move |wire| vec![plays(wire).always()])
    }

    /// What comes of it where there is no other provider: what is seen, how often it is asked, what is left.
    #[must_use]
    pub fn alone(mut self, sees: Sees, asked: usize, mark: Mark) -> Self {
        self.alone = Comes { sees, asked, mark };
        self
    }

    /// The same where there is.
    #[must_use]
    pub fn with_other(mut self, sees: Sees, asked: usize, mark: Mark) -> Self {
        self.with_other = Comes { sees, asked, mark };
        self
    }

    /// The same in both cases.
    #[must_use]
    pub fn either_way(self, sees: Sees, asked: usize, mark: Mark) -> Self {
        self.alone(sees.clone(), asked, mark).with_other(sees, asked, mark)
    }

    #[must_use]
    pub fn reached(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    /// A provider far away that is waited for only this long, whoever else could answer.
    #[must_use]
    pub fn waited_for(self, first_token: &str) -> Self {
        self.reached(Reach::Far)
            .timeouts(&format!("first_token = \"{first_token}\", first_token_alone = \"{first_token}\""))
    }

    #[must_use]
    pub fn timeouts(mut self, timeouts: &str) -> Self {
        self.config[0] += &format!("timeouts = {{ {timeouts} }}\n");
        self
    }

    /// The windows of the two models, in tokens.
    #[must_use]
    pub fn windows(mut self, windows: [Option<u32>; 2]) -> Self {
        for (config, window) in self.config.iter_mut().zip(windows) {
            if let Some(window) = window {
                *config += &format!("models = {{ \"m1\" = {{ context = {window} }} }}\n");
            }
        }
        self
    }

    /// The provider behind takes the beginning of an answer, and does this.
    #[must_use]
    pub fn prefilling(
        mut self,
        second: impl Fn(Wire) -> Vec<Attempt> + Send + Sync + 'static,
        second_asked: usize,
    ) -> Self {
        self.config[1] += "models = { \"m1\" = { prefill = true } }\n";
        self.second = Some(Arc::new(second));
        self.second_asked = Some(second_asked);
        self
    }

    /// Of so many attempts the failing provider sees no request.
    #[must_use]
    pub fn unseen(mut self, attempts: usize) -> Self {
        self.unseen = attempts;
        self
    }

    #[must_use]
    pub fn gap(mut self, gap: Duration) -> Self {
        self.gap = gap;
        self
    }

    #[must_use]
    pub fn told(mut self, words: &'static str) -> Self {
        self.told = words;
        self
    }

    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

/// Plays every row in all its ways before one daemon with these further sections, and tells all that went wrong.
pub async fn play(faults: Vec<Fault>, sections: &str) -> Greenroom {
    let mut cells = Vec::new();
    for fault in &faults {
        for wire in [Wire::OpenAi, Wire::Anthropic] {
            for has_other in [false, true] {
                for streamed in [false, true] {
                    cells.push(Cell::new(cells.len(), fault.clone(), wire, has_other, streamed).await);
                }
            }
        }
    }
    let providers: String = cells.iter().map(Cell::config).collect();
    let aliases: String = cells.iter().map(Cell::alias).collect();
    let sections = format!("{BUDGET}{sections}");
    let greenroom = Greenroom::start(&format!("{sections}{providers}[models.aliases]\n{aliases}")).await;
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let played = cells.into_iter().map(|cell| {
        let (label, api, places) = (cell.label(), greenroom.api.clone(), Arc::clone(&places));
        let played = tokio::spawn(async move {
            let _place = places.acquire().await;
            cell.play(api).await
        });
        (label, played)
    });
    let mut wrong = Vec::new();
    for (label, played) in played.collect::<Vec<_>>() {
        let said = played.await.unwrap_or_else(|panic| Err(panic.to_string()));
        wrong.extend(said.err().map(|said| format!("- {label}: {said}")));
    }
    assert!(wrong.is_empty(), "{} went wrong:\n{}", wrong.len(), wrong.join("\n"));
    greenroom
}

/// A server that plays these attempts of a wire's chats.
pub async fn server(wire: Wire, attempts: Vec<Attempt>) -> ScriptedProvider {
    ScriptedProvider::start(Script::new([wire.route(attempts), wire.models()])).await
}
