//! Sessions: a log that frontends tail, and one turn at a time that writes it.

pub(crate) mod actor;
mod answering;
mod attempt;
mod continuation;
pub mod event;
mod history;
pub mod log;
pub mod mailbox;
mod race;
mod rules;
mod seek;
mod turn;

pub use actor::{Busy, SendError, Sent};
pub(crate) use answering::Answering;
pub use continuation::OnInterrupt;
pub use rules::{ContextPolicy, OnCrash, SessionRules};
pub(crate) use turn::{Job, ProviderRef, Shared, plan, router_down, run};
pub use turn::{RequestDefaults, Timeouts, TurnLimits};
