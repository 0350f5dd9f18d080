//! `greenroom sessions attach`: following a session that goes on elsewhere.

use std::{
    collections::HashSet,
    io::{self, BufRead as _, IsTerminal as _},
    thread,
};

use greenroom::{
    Part,
    event::{EventBody, LogEvent},
};
use tokio::sync::mpsc;

use super::{known, transcript::Transcript};
use crate::cli::{
    Exit, Failure,
    attach::{Link, Talk},
    notes,
    signals::Interrupt,
};

/// Shows what there is, and then what comes, until somebody leaves.
pub(super) async fn attach(
    link: &Link<'_>,
    id: &str,
    from: Option<String>,
    mut transcript: Transcript,
) -> Result<Exit, Failure> {
    known(link, id).await?;
    let outcome = follow(link, id, from, &mut transcript).await;
    // Whatever came of it, nothing is held back.
    transcript.end()?;
    outcome
}

async fn follow(link: &Link<'_>, id: &str, from: Option<String>, transcript: &mut Transcript) -> Result<Exit, Failure> {
    let interrupt = Interrupt::listen()?;
    let mut recent = from.is_none().then(Vec::new);
    let mut talk = Talk::of(link, id, from);
    let mut typed = io::stdin().is_terminal().then(typed);
    if typed.is_some() {
        notes::note("what is typed is said in the session; Ctrl-D leaves it as it is");
    }
    // What was typed here is on the screen already.
    let mut own = HashSet::new();
    loop {
        tokio::select! {
            event = talk.next() => {
                let Some(event) = event? else {
                    transcript.end()?;
                    notes::note("the session was removed");
                    return Ok(Exit::Done);
                };
                match &mut recent {
                    Some(kept) if event.body != EventBody::Synced => keep(kept, event),
                    _ => {
                        for event in recent.take().into_iter().flatten().chain([event]) {
                            let is_shown = event.body != EventBody::Synced && !own.remove(&event.position);
                            if is_shown || transcript.is_of_events() {
                                transcript.take(&event)?;
                            }
                        }
                    }
                }
            }
            line = next(&mut typed) => {
                let Some(line) = line else { return Ok(Exit::Done) };
                if line.trim().is_empty() {
                    continue;
                }
                match talk.send(&[Part::text(line)]).await {
                    Ok(sent) => _ = own.insert(sent.position),
                    Err(failure) => _ = failure.report(),
                }
            }
            () = interrupt.came() => return Ok(Exit::Interrupted),
        }
    }
}

/// Keeps what belongs to the last thing that was said while nothing else was under way.
fn keep(recent: &mut Vec<LogEvent>, event: LogEvent) {
    if matches!(event.body, EventBody::MessageUser { queued: false, .. }) {
        recent.clear();
    }
    recent.push(event);
}

async fn next(typed: &mut Option<mpsc::Receiver<String>>) -> Option<String> {
    match typed {
        Some(typed) => typed.recv().await,
        None => std::future::pending().await,
    }
}

/// The lines that are typed, until there is an end of them. What waits for one is left behind when the program ends.
fn typed() -> mpsc::Receiver<String> {
    let (tell, typed) = mpsc::channel(1);
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if tell.blocking_send(line).is_err() {
                return;
            }
        }
    });
    typed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(position: u64, body: EventBody) -> LogEvent {
        LogEvent { body, turn: None, position, next: position + 1 }
    }

    #[test]
    fn what_was_said_last_begins_where_nothing_was_under_way() {
        let said = |queued| EventBody::MessageUser { parts: Vec::new(), queued, asked: None };
        let mut recent = Vec::new();
        for (position, body) in [
            said(false),
            EventBody::TurnStarted,
            said(false),
            EventBody::TurnStarted,
            said(true),
            EventBody::TurnCancelled,
        ]
        .into_iter()
        .enumerate()
        {
            keep(&mut recent, event(position as u64, body));
        }
        assert_eq!(recent.iter().map(|event| event.position).collect::<Vec<_>>(), [2, 3, 4, 5]);
    }
}
