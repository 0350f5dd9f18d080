//! A body that lets go of what it is made of once its client reads nothing of it, so that whoever makes it waits no longer.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

/// The most that is given at once, in bytes: who reads slowly is known from who does not by asking for the next piece.
const PIECE: usize = 64 << 10;

/// A body that ends early if its client takes nothing of it.
pub(super) struct Unread<B> {
    given: Arc<Mutex<Given<B>>>,
    _watch: AbortOnDropHandle<()>,
}

/// What is given to a connection.
struct Given<B> {
    /// What makes it, until it is over.
    inner: Option<B>,
    /// What was made and is not given yet.
    rest: Bytes,
    owed: Owed,
}

/// Whether the connection has room. It asks at once after each piece while it has, and waits for the next with its waker
/// there; so only one that is full was given a piece and does not ask.
#[derive(Debug, Default, PartialEq, Eq)]
enum Owed {
    /// It waits for a piece, or has just begun.
    #[default]
    Piece,
    /// It was given one and has not asked for the next.
    Asking,
    /// The same, and it was already so when last looked at.
    StillAsking,
}

impl Owed {
    /// Looks at it again, after a time in which it may have changed; whether nothing was taken meanwhile.
    fn look(&mut self) -> bool {
        if *self == Self::Asking {
            *self = Self::StillAsking;
            return false;
        }
        *self == Self::StillAsking
    }
}

impl<B: Send + 'static> Unread<B> {
    /// Gives what `inner` does; if the client takes nothing for `patience`, or twice as long at most, that is dropped, and the
    /// body ends behind what was given.
    pub(super) fn new(inner: B, patience: Duration) -> Self {
        let given = Given { inner: Some(inner), rest: Bytes::new(), owed: Owed::default() };
        let given = Arc::new(Mutex::new(given));
        let watched = Arc::clone(&given);
        let watch = AbortOnDropHandle::new(tokio::spawn(async move {
            let mut looks = interval(patience);
            // A process that stood still must not look twice at once.
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                looks.tick().await;
                let mut given = watched.lock().unwrap_or_else(PoisonError::into_inner);
                if given.owed.look() {
                    tracing::warn!("a client of MCP reads nothing of a stream: it ends");
                    (given.inner, given.rest) = (None, Bytes::new());
                    return;
                }
            }
        }));
        Self { given, _watch: watch }
    }
}

impl<B> Body for Unread<B>
where
    B: Body<Data = Bytes, Error = Infallible> + Unpin,
{
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let given = &mut *self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.owed = Owed::Piece;
        if given.rest.is_empty() {
            let Some(inner) = &mut given.inner else { return Poll::Ready(None) };
            match ready!(Pin::new(inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => given.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                Some(Err(never)) => match never {},
                None => {
                    given.inner = None;
                    return Poll::Ready(None);
                }
            }
        }
        given.owed = Owed::Asking;
        let piece = given.rest.split_to(given.rest.len().min(PIECE));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_was_taken_only_if_two_looks_find_the_same_piece() {
        let mut owed = Owed::default();
        assert!(!owed.look() && !owed.look(), "it waits for a piece");
        owed = Owed::Asking;
        assert!(!owed.look());
        owed = Owed::Asking;
        assert!(!owed.look(), "another piece was taken");
        assert!(owed.look() && owed.look());
    }
}
