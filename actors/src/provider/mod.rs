//! One actor for each configured provider, and the pure decisions beside it.

pub(crate) mod actor;
mod limiter;
pub(crate) mod lists;
mod marks;
pub(crate) mod permit;
mod profiles;
mod queue;
mod status;

pub use actor::{ProfileArgs, ProviderArgs};
pub use limiter::Limits;
pub use lists::{CachedList, ListedHook};
pub use profiles::ProfileId;
pub use status::{MarkStatus, ModelStatus, ProfileStatus, ProviderStatus};
