//! What names mean, and what is asked next.

pub(crate) mod actor;
pub(crate) mod dispatch;
pub(crate) mod plan;

pub use actor::{RouterArgs, ShelfArgs};
pub use dispatch::Budget;
pub use plan::{Candidate, Strategy, Target, Unusable, chats};
