//! One actor for each configured provider, and the pure decisions beside it.

pub(crate) mod actor;
mod limiter;
mod marks;
pub(crate) mod permit;
mod profiles;
mod queue;
mod status;

pub use actor::{ProfileArgs, ProviderArgs};
pub use limiter::Limits;
pub use profiles::ProfileId;
pub use status::{MarkStatus, ModelStatus, ProfileStatus, ProviderStatus};
