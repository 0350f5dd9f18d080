//! One answer, from the question to its end on the screen.

use std::time::Duration;

use greenroom::event::{EventBody, LogEvent};

use crate::cli::{Exit, Failure, attach::Talk, signals::Interrupt};

/// How long a cancelled answer may take to say so.
const LAST_WORD: Duration = Duration::from_secs(2);

/// A question that was asked.
pub(crate) struct Asked<'a, 'l> {
    pub(crate) talk: &'a mut Talk<'l>,
    pub(crate) turn: u64,
    pub(crate) interrupt: &'a Interrupt,
}

/// Where an answer is shown.
pub(crate) trait Show {
    /// Takes the next event of the answer.
    fn take(&mut self, event: &LogEvent) -> Result<(), Failure>;

    /// The answer is over, however it ended; nothing follows.
    fn end(&mut self) -> Result<(), Failure>;

    /// Whether something of the answer was shown.
    fn has_shown(&self) -> bool;
}

/// Shows an answer as it comes; Ctrl-C cancels it.
pub(crate) async fn ask(asked: Asked<'_, '_>, show: &mut impl Show) -> Result<Exit, Failure> {
    let Asked { talk, turn, interrupt } = asked;
    let interrupted = tokio::select! {
        outcome = follow(talk, turn, show) => Some(outcome?),
        () = interrupt.came() => None,
    };
    let outcome = match interrupted {
        Some(outcome) => outcome,
        None => {
            talk.cancel(turn).await?;
            match tokio::time::timeout(LAST_WORD, follow(talk, turn, show)).await {
                Ok(outcome) => outcome?,
                Err(_) => Ok(Exit::Interrupted),
            }
        }
    };
    show.end()?;
    talk.pause();
    outcome
}

/// Shows what comes up to the last event. The outer error is of the screen, the inner one of the answer.
async fn follow(talk: &mut Talk<'_>, turn: u64, show: &mut impl Show) -> Result<Result<Exit, Failure>, Failure> {
    loop {
        let event = match talk.next().await {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(Err(ended(talk.is_durable()))),
            Err(failure) => return Ok(Err(failure)),
        };
        // Others are another turn's, or of no turn.
        if event.turn != Some(turn) && !matches!(event.body, EventBody::Reset { .. } | EventBody::Error { .. }) {
            continue;
        }
        show.take(&event)?;
        match &event.body {
            EventBody::TurnFinished { .. } => return Ok(Ok(Exit::Done)),
            EventBody::TurnCancelled => return Ok(Ok(Exit::Interrupted)),
            EventBody::TurnFailed { error } | EventBody::Error { error } => {
                return Ok(Err(Failure::answer(error, show.has_shown())));
            }
            _ => {}
        }
    }
}

fn ended(is_durable: bool) -> Failure {
    if is_durable {
        return Failure::failed("the session was removed before the answer had ended", "begin another one");
    }
    Failure::failed(
        "the greenroom that answered ended before its answer did",
        "ask again; with --session an answer outlives whoever gives it",
    )
}
