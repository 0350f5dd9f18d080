//! What is asked: the prompt, standard input, or both.

use std::{
    io::{self, IsTerminal as _, Read as _},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use crate::cli::{Failure, notes};

/// The most that is read from standard input, in bytes: more than any model's window holds.
const MOST: u64 = 32 << 20;
/// After this long without the end of standard input, the person is told what is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// This, once.
    Text(String),
    /// Whatever the person will type.
    Conversation,
}

/// What is asked by a command that asks once; `example` says how.
pub(crate) fn question(prompt: Option<&str>, example: &str) -> Result<String, Failure> {
    let nothing = || Failure::usage("nothing was asked", format!("say what: {example}, or pipe it in"));
    let typed = io::stdin().is_terminal();
    let input = match prompt {
        None if typed => return Err(nothing()),
        Some(_) if typed || !brings_text() => String::new(),
        _ => read()?,
    };
    join(prompt.unwrap_or_default(), &input).ok_or_else(nothing)
}

/// Finds out what is asked, or whether there is to be a conversation.
pub(super) fn question_or_conversation(prompt: Option<&str>, json: bool) -> Result<Question, Failure> {
    let typed = io::stdin().is_terminal();
    let input = match prompt {
        None if typed && !json && io::stdout().is_terminal() => return Ok(Question::Conversation),
        None => read()?,
        Some(_) if typed || !brings_text() => String::new(),
        Some(_) => read()?,
    };
    match join(prompt.unwrap_or_default(), &input) {
        Some(text) => Ok(Question::Text(text)),
        None => Err(Failure::usage("nothing was asked", "say what: greenroom chat \"hello\", or pipe it in")),
    }
}

/// Prompt, blank line, input; none if there is nothing in them.
fn join(prompt: &str, input: &str) -> Option<String> {
    let input = input.trim_end();
    match (prompt.trim().is_empty(), input.is_empty()) {
        (true, true) => None,
        (true, false) => Some(input.to_owned()),
        (false, true) => Some(prompt.to_owned()),
        (false, false) => Some(format!("{prompt}\n\n{input}")),
    }
}

/// Whether somebody may have put text there: a pipe, a file, or a socket (which some programs use as a pipe). A device
/// may never end.
#[cfg(unix)]
fn brings_text() -> bool {
    use std::{
        fs::File,
        os::{fd::AsFd as _, unix::fs::FileTypeExt as _},
    };

    let metadata = io::stdin().as_fd().try_clone_to_owned().and_then(|stdin| File::from(stdin).metadata());
    metadata.is_ok_and(|metadata| {
        let kind = metadata.file_type();
        kind.is_file() || kind.is_fifo() || kind.is_socket()
    })
}

#[cfg(not(unix))]
fn brings_text() -> bool {
    true
}

fn read() -> Result<String, Failure> {
    let (done, ended) = mpsc::channel::<()>();
    thread::spawn(move || {
        if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            notes::note("reading standard input to its end (Ctrl-D on a terminal; `</dev/null` if none is meant)");
        }
    });
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(MOST + 1).read_to_end(&mut bytes);
    drop(done);
    read.map_err(|error| Failure::failed(format!("can't read standard input: {error}"), "check what is piped in"))?;
    if bytes.len() as u64 > MOST {
        let what = format!("standard input is longer than {} MiB", MOST >> 20);
        return Err(Failure::usage(what, "pipe in less: no model reads that much at once"));
    }
    String::from_utf8(bytes).map_err(|_| {
        Failure::usage("standard input is no text in UTF-8", "pipe in text; a picture is shown with --image FILE")
    })
}

#[cfg(test)]
mod tests {
    use super::join;

    #[test]
    fn prompt_and_input_are_joined_by_a_blank_line() {
        assert_eq!(join("Sum up:", "a\nb\n").as_deref(), Some("Sum up:\n\na\nb"));
        assert_eq!(join("hello", "\n").as_deref(), Some("hello"));
        assert_eq!(join("", "  indented\n").as_deref(), Some("  indented"));
        assert_eq!(join(" ", "\n"), None);
    }
}
