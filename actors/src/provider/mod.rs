//! One actor for each configured provider, and the pure decisions beside it.

pub(crate) mod actor;
mod answers;
mod args;
mod changes;
pub(crate) mod keep;
pub(crate) mod limiter;
pub(crate) mod listing;
pub(crate) mod lists;
pub(crate) mod login;
mod marks;
pub(crate) mod meter;
mod pace;
pub(crate) mod permit;
mod profiles;
mod queue;
mod status;
mod testing;

pub use args::{ProfileArgs, ProviderArgs, Way};
pub use keep::reset_kept;
pub use limiter::Limits;
pub use lists::{CachedList, ListedHook};
pub use login::{Ended, Login, LoginArgs, LoginStatus};
pub use profiles::ProfileId;
pub use status::{MarkStatus, ModelStatus, ProfileStatus, ProviderStatus};
pub use testing::ProfileTest;
