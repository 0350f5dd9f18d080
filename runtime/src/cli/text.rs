//! A text that a command is about: an argument, or what is piped in.

use std::io::{self, IsTerminal as _};

use super::Failure;

/// The text; without one, what is piped in. `what` is not there otherwise, and `example` says how it is given.
pub(super) fn text(argument: Option<&String>, what: &str, example: &str) -> Result<String, Failure> {
    let missing = || Failure::usage(format!("there is no text {what}"), example);
    match argument {
        Some(text) if text.is_empty() => return Err(missing()),
        Some(text) => return Ok(text.clone()),
        None if io::stdin().is_terminal() => return Err(missing()),
        None => {}
    }
    let text = io::read_to_string(io::stdin())
        .map_err(|error| Failure::failed(format!("can't read standard input: {error}"), "pipe UTF-8 text in"))?;
    if text.is_empty() { Err(missing()) } else { Ok(text) }
}
