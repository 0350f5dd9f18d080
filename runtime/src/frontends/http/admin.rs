//! The owner's token, which can be replaced while a server runs.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use tokio_util::sync::CancellationToken;

use super::{body, errors::Refusal, site::App};

/// Makes another token, keeps it where the owner finds it, and gives it.
type Renew = dyn Fn() -> io::Result<SecretString> + Send + Sync;

/// The owner's token. Clones are the same.
#[derive(Clone)]
pub struct AdminToken(Arc<Inner>);

struct Inner {
    current: RwLock<Current>,
    renew: Option<Box<Renew>>,
    /// Held by who replaces it, so that the last one that was kept is the one that counts.
    renewing: Mutex<()>,
}

struct Current {
    token: SecretString,
    /// Cancelled once it is refused.
    ended: CancellationToken,
}

impl AdminToken {
    /// This token, for as long as the server runs.
    pub fn new(token: impl Into<SecretString>) -> Self {
        Self::of(token.into(), None)
    }

    /// This token, until somebody has it replaced by what `renew` makes, keeps, and gives. It may block.
    pub fn renewed_by(
        token: impl Into<SecretString>,
        renew: impl Fn() -> io::Result<SecretString> + Send + Sync + 'static,
    ) -> Self {
        Self::of(token.into(), Some(Box::new(renew)))
    }

    fn of(token: SecretString, renew: Option<Box<Renew>>) -> Self {
        let current = RwLock::new(Current { token, ended: CancellationToken::new() });
        Self(Arc::new(Inner { current, renew, renewing: Mutex::new(()) }))
    }

    /// What is cancelled once this token is refused, if it is not now.
    pub(super) fn admits(&self, shown: &[u8]) -> Option<CancellationToken> {
        let current = self.0.current.read().unwrap_or_else(PoisonError::into_inner);
        bool::from(shown.ct_eq(current.token.expose_secret().as_bytes())).then(|| current.ended.clone())
    }

    /// Replaces it. Where nobody said how, it stays, and `Ok(false)` says so.
    fn renew(&self) -> io::Result<bool> {
        let Some(renew) = &self.0.renew else { return Ok(false) };
        let _one_at_a_time = self.0.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Current { token: renew()?, ended: CancellationToken::new() };
        let old = std::mem::replace(&mut *self.0.current.write().unwrap_or_else(PoisonError::into_inner), fresh);
        old.ended.cancel();
        Ok(true)
    }
}

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminToken(hidden)")
    }
}

/// `POST /api/token/rotate`: a new token takes the place of the owner's. It is found where the old one lay.
pub(super) async fn rotate(State(app): State<Arc<App>>, request: Request) -> Response {
    // Nothing in it matters.
    body::discard(request).await;
    let Some(admin) = app.admin.clone() else { return not_kept() };
    match tokio::task::spawn_blocking(move || admin.renew()).await {
        Ok(Ok(true)) => {
            tracing::info!("the owner's token was replaced");
            StatusCode::NO_CONTENT.into_response()
        }
        Ok(Ok(false)) => not_kept(),
        Ok(Err(error)) => {
            tracing::error!("the owner's token can't be replaced: {error}");
            let message = format!("the new token can't be kept, so the old one stays: {error}; see the data directory");
            Refusal::new(StatusCode::INSUFFICIENT_STORAGE, "server_error", "not_kept", message).told_by_api()
        }
        Err(_) => {
            let message = "the token could not be replaced; greenroom's log says why, please report it";
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "internal_error", message).told_by_api()
        }
    }
}

fn not_kept() -> Response {
    let message = "this greenroom's token is not its own to replace; give whoever started it another";
    Refusal::new(StatusCode::CONFLICT, "invalid_request_error", "conflict", message).told_by_api()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_refused_once_there_is_another() {
        let admin = AdminToken::renewed_by("old", || Ok("new".into()));
        let ended = admin.admits(b"old").unwrap();
        assert!(admin.admits(b"new").is_none() && admin.admits(b"ol").is_none() && admin.admits(b"").is_none());
        assert!(admin.renew().unwrap());
        assert!(ended.is_cancelled());
        assert!(admin.admits(b"old").is_none());
        assert!(!admin.admits(b"new").unwrap().is_cancelled());
    }

    #[test]
    fn a_token_stays_where_another_can_not_be_kept() {
        let stuck = AdminToken::renewed_by("old", || Err(io::ErrorKind::StorageFull.into()));
        stuck.renew().unwrap_err();
        assert!(!stuck.admits(b"old").unwrap().is_cancelled());
        assert!(!AdminToken::new("old").renew().unwrap());
    }
}
