//! What gives tokens.

use std::{fmt::Debug, time::SystemTime};

use futures::future::BoxFuture;

use super::{TokenError, Tokens};

/// Where a profile's tokens come from once there is a login, or without one. It holds no state: what changes is the
/// actor's that owns the profile, and of a refresh token there is one user at a time.
pub trait TokenSource: Send + Sync + Debug + 'static {
    /// Whether a login must come first (an OAuth login does; a service account doesn't).
    fn needs_login(&self) -> bool;

    /// New tokens; `current` are those to be refreshed, and `now` is the time of this machine's clock. Where the answer
    /// has no new refresh token, the old one is in the result.
    ///
    /// Dropping the future gives up waiting, and then nobody knows whether a refresh token was used: let it end.
    ///
    /// # Errors
    /// Why there are none. Whether asking again can help says [`TokenError::is_transient`].
    fn refresh<'a>(&'a self, current: Option<&'a Tokens>, now: SystemTime)
    -> BoxFuture<'a, Result<Tokens, TokenError>>;
}
