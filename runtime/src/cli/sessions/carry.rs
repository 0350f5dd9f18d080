//! `greenroom sessions export` and `import`: a session from one machine to another.

use std::{
    fs,
    io::{self, IsTerminal as _, Read as _},
    path::Path,
};

use axum::{body::Bytes, http::Method};
use greenroom::SessionInfo;

use super::{change::made_known, known};
use crate::cli::{
    Exit, Failure,
    attach::{Ask, Link, path, read},
    output::Output,
};

/// Prints all of a session, byte for byte, as it comes.
pub(super) async fn export(link: &Link<'_>, id: &str) -> Result<Exit, Failure> {
    known(link, id).await?;
    let ask = Ask::get(path(&["sessions", id, "export"], &[]));
    let mut answer = link.ask(ask, false).await?;
    let mut output = Output::new();
    while let Some(piece) = answer.body.next().await {
        let piece = piece.map_err(|lost| {
            Failure::failed(format!("what was printed is not all of the session: {lost}"), "export it again")
        })?;
        output.bytes(&piece)?;
    }
    Ok(Exit::Done)
}

/// What is to be imported.
pub(super) fn input(file: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let Some(file) = file else {
        if io::stdin().is_terminal() {
            let hint = "name a file, or pipe in what `greenroom sessions export` prints";
            return Err(Failure::usage("there is nothing to import", hint));
        }
        let mut bytes = Vec::new();
        return match io::stdin().lock().read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err(Failure::failed(format!("can't read standard input: {error}"), "check what is piped in")),
        };
    };
    fs::read(file).map_err(|error| {
        Failure::usage(format!("can't read {}: {error}", file.display()), "name a file that this user may read")
    })
}

/// Makes a session of it.
pub(super) async fn import(link: &Link<'_>, lines: Vec<u8>, new: Option<&str>, json: bool) -> Result<Exit, Failure> {
    let query: Vec<(&str, &str)> = new.iter().map(|id| ("id", *id)).collect();
    let mut ask = Ask::new(Method::POST, path(&["sessions", "import"], &query));
    ask.body = Bytes::from(lines);
    let made: SessionInfo = read(link.ask(ask, true).await?).await?;
    made_known(&made, json)
}
