//! Sessions: a durable log that frontends tail, and one turn at a time that writes it.
//!
//! An op (`op`) reaches a session by its `actor` and waits in the row of its `core`, which makes the changes (`change`) to
//! the record (`record`) and the log (`log`, `mailbox`), has them written as one (`entry`), and then shows and tells
//! them. A turn runs in a task (`running`, `turn`, `seek`, `answering`), and readers (`reader`) pull.

pub(crate) mod actor;
mod answering;
mod asked;
mod attempt;
mod change;
mod context;
mod continuation;
pub(crate) mod core;
pub(crate) mod entry;
pub mod error;
pub mod event;
mod history;
pub mod info;
pub mod log;
pub mod mailbox;
pub(crate) mod op;
mod pages;
mod pairing;
mod race;
pub mod reader;
pub(crate) mod record;
pub(crate) mod rfc3339;
mod rules;
mod running;
mod seek;
mod turn;
pub(crate) mod turn_set;

pub use actor::{Busy, Sent};
pub(crate) use answering::Answering;
pub use continuation::OnInterrupt;
pub use rules::{ContextPolicy, OnCrash, SessionRules};
pub(crate) use turn::{Ends, Job, ProviderRef, Shared, plan, router_down, run};
pub use turn::{RequestDefaults, Timeouts, TurnLimits};
