//! One actor for each configured provider, and the pure decisions beside it.

pub(crate) mod actor;
mod answers;
pub(crate) mod keep;
pub(crate) mod limiter;
pub(crate) mod lists;
mod marks;
pub(crate) mod meter;
mod pace;
pub(crate) mod permit;
mod profiles;
mod queue;
mod status;

pub use actor::{ProfileArgs, ProviderArgs};
pub use keep::reset_kept;
pub use limiter::Limits;
pub use lists::{CachedList, ListedHook};
pub use profiles::ProfileId;
pub use status::{MarkStatus, ModelStatus, ProfileStatus, ProviderStatus};
