//! One answer, from the question to its end on the screen.

use std::time::Duration;

use futures::StreamExt as _;
use greenroom::{
    Session, Turn,
    event::{EventBody, LogEvent},
};

use crate::cli::{Exit, Failure, signals::Interrupt};

/// How long a cancelled answer may take to say so.
const LAST_WORD: Duration = Duration::from_secs(2);

/// A question that was asked.
pub(super) struct Asked<'a> {
    pub(super) session: &'a Session,
    pub(super) turn: Turn,
    pub(super) interrupt: &'a Interrupt,
}

/// Where an answer is shown.
pub(super) trait Show {
    /// Takes the next event of the answer.
    fn take(&mut self, event: &LogEvent) -> Result<(), Failure>;

    /// The answer is over, however it ended; nothing follows.
    fn end(&mut self) -> Result<(), Failure>;

    /// Whether something of the answer was shown.
    fn has_shown(&self) -> bool;
}

/// Shows an answer as it comes; Ctrl-C cancels it.
pub(super) async fn ask(asked: Asked<'_>, show: &mut impl Show) -> Result<Exit, Failure> {
    let Asked { session, mut turn, interrupt } = asked;
    let number = turn.sent().turn;
    let outcome = tokio::select! {
        outcome = follow(&mut turn, show) => outcome?,
        () = interrupt.came() => {
            session.cancel(number).await?;
            match tokio::time::timeout(LAST_WORD, follow(&mut turn, show)).await {
                Ok(outcome) => outcome?,
                Err(_) => Ok(Exit::Interrupted),
            }
        }
    };
    show.end()?;
    outcome
}

/// Shows what comes up to the last event. The outer error is of the screen, the inner one of the answer.
async fn follow(turn: &mut Turn, show: &mut impl Show) -> Result<Result<Exit, Failure>, Failure> {
    while let Some(event) = turn.next().await {
        show.take(&event)?;
        match &event.body {
            EventBody::TurnFinished { .. } => return Ok(Ok(Exit::Done)),
            EventBody::TurnCancelled => return Ok(Ok(Exit::Interrupted)),
            EventBody::TurnFailed { error } => return Ok(Err(Failure::answer(error, show.has_shown()))),
            _ => {}
        }
    }
    let what = "the answer ended without an end";
    Ok(Err(Failure::failed(what, "this is a fault of greenroom's: run it again with -vv and report what it says")))
}
