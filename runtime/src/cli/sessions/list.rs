//! `greenroom sessions list`.

use std::time::{Duration, SystemTime};

use greenroom::{SessionState, SessionSummary};
use serde::Deserialize;

use crate::cli::{
    Exit, Failure,
    attach::{Ask, Link, path, read},
    notes,
    output::Output,
    table::table,
};

#[derive(Deserialize)]
struct Page {
    sessions: Vec<SessionSummary>,
    #[serde(default)]
    after: Option<String>,
}

/// Prints every session.
pub(super) async fn list(link: &Link<'_>, json: bool) -> Result<Exit, Failure> {
    let mut all = Vec::new();
    let mut after = None::<String>;
    loop {
        let query: Vec<(&str, &str)> = after.iter().map(|after| ("after", after.as_str())).collect();
        let page: Page = read(link.ask(Ask::get(path(&["sessions"], &query)), false).await?).await?;
        all.extend(page.sessions);
        after = page.after;
        if after.is_none() {
            break;
        }
    }
    let mut output = Output::new();
    if json {
        all.iter().try_for_each(|session| output.json(session))?;
        return Ok(Exit::Done);
    }
    if all.is_empty() {
        notes::note("there are no sessions; `greenroom chat --session ID` begins one");
        return Ok(Exit::Done);
    }
    let now = SystemTime::now();
    let rows: Vec<Vec<String>> = all.iter().map(|session| row(session, now)).collect();
    output.text(&table(&["SESSION", "STATE", "MODEL", "LAST SAID", "BYTES"], &rows))?;
    Ok(Exit::Done)
}

fn row(session: &SessionSummary, now: SystemTime) -> Vec<String> {
    let state = match session.state {
        SessionState::Idle => "idle",
        SessionState::Running => "answering",
        SessionState::Waiting => "waiting",
    };
    let model = session.model.clone().unwrap_or_else(|| "-".to_owned());
    vec![session.id.clone(), state.to_owned(), model, ago(session.touched, now), session.bytes.to_string()]
}

/// How long ago something was, in its two largest units.
fn ago(then: SystemTime, now: SystemTime) -> String {
    let seconds = now.duration_since(then).unwrap_or_default().as_secs();
    if seconds == 0 {
        return "now".to_owned();
    }
    let text = humantime::format_duration(Duration::from_secs(seconds)).to_string();
    format!("{} ago", text.split(' ').take(2).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_told_in_two_units() {
        let then = SystemTime::UNIX_EPOCH;
        let after = |seconds| ago(then, then + Duration::from_secs(seconds));
        assert_eq!(after(0), "now");
        assert_eq!(after(59), "59s ago");
        assert_eq!(after(90_061), "1day 1h ago");
        assert_eq!(ago(then + Duration::from_secs(9), then), "now", "a clock that was set back");
    }
}
