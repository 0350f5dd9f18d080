//! Who is alive in greenroom: supervision, providers, routing, sessions.
//!
//! [`System`] is the tree of actors and the ways in. Control goes through actors' mailboxes; an answer's bytes never do:
//! they go from a turn's task into an open log ([`session::mailbox`]) that its readers pull from.

mod batch;
mod cache;
mod counting;
mod direct;
mod gather;
mod handle;
mod policy;
mod provider;
mod router;
pub mod session;
pub mod sessions;
mod stateless;
pub mod store;
mod supervisor;
mod system;
mod usage;
mod vault;

pub use batch::{BatchLeave, BookedLine};
pub use cache::{CacheRules, CacheWish};
pub use counting::estimate as estimate_tokens;
pub use greenroom_providers::tokens::TokenCount;
pub use handle::Unavailable;
pub use provider::{
    CachedList, Ended, Limits, ListedHook, Login, LoginArgs, LoginStatus, MarkStatus, ModelStatus, ProfileArgs,
    ProfileId, ProfileStatus, ProfileTest, ProviderArgs, ProviderStatus, Way, reset_kept,
};
pub use router::{Budget, Candidate, RouterArgs, ShelfArgs, Strategy, Target, Unusable, chats};
pub use session::{
    Busy, ContextPolicy, OnCrash, OnInterrupt, RequestDefaults, Sent, SessionRules, Timeouts, TurnLimits,
};
pub use stateless::{Answer, Caller};
pub use system::{ProviderSpec, StartError, System, SystemArgs};
pub use usage::{
    Asker, AttemptEntry, AttemptOutcome, AttemptPlace, BadBudget, Budgets, Period, SpendBudget, UsageKey, UsageRow,
    UsageRules, attempts_of, rows_of,
};
pub use vault::{SEALING_KEY_BYTES, Sealed, Vault, VaultError};
