//! Two attempts at one answer: the first that says something gives it.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use futures::FutureExt as _;

use super::{
    answering::{SharedAnswering, lock},
    attempt::{Ended, Running},
};

/// How a race was decided.
pub(super) enum Decided {
    /// The first has spoken.
    First,
    /// The one beside it has.
    Beside,
    /// The first has ended without a word.
    FirstEnded(Ended),
    /// The one beside it has.
    BesideEnded(Ended),
}

/// Runs both until one has spoken or ended. Neither is lost if this is dropped.
pub(super) async fn race(answering: &SharedAnswering, first: &mut Running, beside: &mut Running) -> Decided {
    poll_fn(|cx| {
        for is_first in [true, false] {
            let running = if is_first { &mut *first } else { &mut *beside };
            let ended = poll_ended(running, cx);
            // What it said before it ended decides as well.
            let speaker = lock(answering).decided();
            if speaker == Some(first.lane) && ended.is_none() {
                return Poll::Ready(Decided::First);
            }
            if speaker == Some(beside.lane) && ended.is_none() {
                return Poll::Ready(Decided::Beside);
            }
            match ended {
                Some(ended) if is_first => return Poll::Ready(Decided::FirstEnded(ended)),
                Some(ended) => return Poll::Ready(Decided::BesideEnded(ended)),
                None => {}
            }
        }
        Poll::Pending
    })
    .await
}

fn poll_ended(running: &mut Running, cx: &mut Context<'_>) -> Option<Ended> {
    match running.ended.poll_unpin(cx) {
        Poll::Ready(ended) => Some(ended),
        Poll::Pending => None,
    }
}
