//! `greenroom sessions cancel`, `remove` and `fork`.

use axum::http::Method;
use greenroom::{Cancelled, SessionInfo};
use serde::Deserialize;
use serde_json::json;

use super::known;
use crate::cli::{
    Exit, Failure,
    attach::{Ask, Link, path, read},
    notes,
    output::Output,
};

/// Cancels a turn: this one, or the one that runs.
pub(super) async fn cancel(link: &Link<'_>, id: &str, turn: Option<u64>, json: bool) -> Result<Exit, Failure> {
    #[derive(Deserialize)]
    struct Answer {
        state: Cancelled,
    }
    let running = known(link, id).await?.turn;
    let Some(turn) = turn.or(running) else {
        notes::note(&format!("no answer is under way in {id}"));
        if json {
            Output::new().json(&json!({"session": id, "turn": null, "state": "idle"}))?;
        }
        return Ok(Exit::Done);
    };
    let ask = Ask::new(Method::POST, path(&["sessions", id, "cancel"], &[])).json(&json!({"turn": turn}));
    let Answer { state } = read(link.ask(ask, false).await?).await?;
    let mut output = Output::new();
    match state {
        _ if json => output.json(&json!({"session": id, "turn": turn, "state": state}))?,
        Cancelled::Cancelled => output.line(&format!("turn {turn} of {id} is cancelled"))?,
        Cancelled::Ended => output.line(&format!("turn {turn} of {id} had ended before"))?,
    }
    Ok(Exit::Done)
}

/// Sets what a session's turns may cost.
pub(super) async fn budget(link: &Link<'_>, id: &str, amount: &str, json: bool) -> Result<Exit, Failure> {
    known(link, id).await?;
    let budget = Some(amount).filter(|amount| *amount != "none");
    let ask = Ask::new(Method::PATCH, path(&["sessions", id], &[])).json(&json!({"budget": budget}));
    let info: SessionInfo = read(link.ask(ask, true).await?).await?;
    let mut output = Output::new();
    match info.budget {
        _ if json => output.json(&json!({"session": id, "budget": info.budget, "spent_usd": info.spent_usd}))?,
        Some(budget) => {
            let spent = info.spent_usd.unwrap_or_default();
            output.line(&format!("{id} may cost ${budget}, and has cost ${spent:.6}"))?;
        }
        None => output.line(&format!("{id} may cost whatever it does"))?,
    }
    Ok(Exit::Done)
}

/// Removes a session.
pub(super) async fn remove(link: &Link<'_>, id: &str, json: bool) -> Result<Exit, Failure> {
    known(link, id).await?;
    link.ask(Ask::new(Method::DELETE, path(&["sessions", id], &[])), true).await?;
    let mut output = Output::new();
    match json {
        true => output.json(&json!({"session": id, "removed": true}))?,
        false => output.line(&format!("{id} is removed"))?,
    }
    Ok(Exit::Done)
}

/// Makes a session of what another has.
pub(super) async fn fork(
    link: &Link<'_>,
    id: &str,
    at: Option<String>,
    new: Option<String>,
    json: bool,
) -> Result<Exit, Failure> {
    let end = known(link, id).await?.summary.cursor;
    let mut asked = json!({"at": at.unwrap_or(end)});
    if let Some(new) = new {
        asked["id"] = new.into();
    }
    let ask = Ask::new(Method::POST, path(&["sessions", id, "fork"], &[])).json(&asked);
    let made: SessionInfo = read(link.ask(ask, true).await?).await?;
    made_known(&made, json)
}

/// Prints a session that was made.
pub(super) fn made_known(made: &SessionInfo, json: bool) -> Result<Exit, Failure> {
    let mut output = Output::new();
    if json {
        output.json(made)?
    } else {
        output.line(&made.summary.id)?
    }
    Ok(Exit::Done)
}
