//! What every provider's embeddings have in common.

use std::time::Duration;

use greenroom_wire::{ChatError, Embeddings, ErrorKind};

/// What is asked, within this time.
///
/// # Errors
/// `Timeout`: it took longer.
pub(crate) async fn within<T>(
    limit: Duration,
    what: impl Future<Output = Result<T, ChatError>>,
) -> Result<T, ChatError> {
    match tokio::time::timeout(limit, what).await {
        Ok(outcome) => outcome,
        Err(_) => Err(ChatError::new(ErrorKind::Timeout, format!("nothing came for {limit:?}"))),
    }
}

/// The vectors of `want` texts, as which they can be told apart by their order alone.
///
/// # Errors
/// `Protocol`: there are more or fewer.
pub(crate) fn counted(made: Embeddings, want: usize) -> Result<Embeddings, ChatError> {
    let got = made.vectors.len();
    if got == want {
        return Ok(made);
    }
    Err(ChatError::new(ErrorKind::Protocol, format!("the provider answered with {got} embeddings of {want}")))
}

/// Joins the vectors of the next texts to those before.
pub(crate) fn join(all: &mut Embeddings, next: Embeddings) {
    all.vectors.extend(next.vectors);
    all.tokens = next.tokens.map(|tokens| tokens.saturating_add(all.tokens.unwrap_or(0))).or(all.tokens);
    if all.model.is_empty() {
        all.model = next.model;
    }
}
