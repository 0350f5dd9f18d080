//! The lines of a terminal that can't have them edited by a program: the system edits them.

use std::{
    io::{self, Write as _},
    thread,
};

use greenroom::config::Environment;
use tokio::sync::mpsc;

use super::editing::{Typed, unreadable};
use crate::cli::{Failure, signals::Interrupt};

/// Names of such terminals: those that the editor reads plain lines from.
const PLAIN: [&str; 3] = ["dumb", "cons25", "emacs"];

/// Whether the terminal is such a one.
pub(super) fn are_plain(environment: &Environment) -> bool {
    let terminal = environment.text("TERM");
    terminal.is_some_and(|terminal| PLAIN.iter().any(|plain| plain.eq_ignore_ascii_case(terminal)))
}

/// What is typed, line by line. A read of the terminal goes on whatever becomes of Ctrl-C, so it is made elsewhere.
pub(super) struct Lines(mpsc::Receiver<io::Result<Typed>>);

impl Lines {
    pub(super) fn new() -> Self {
        let (tell, typed) = mpsc::channel(1);
        // What waits for a line is left behind when the program ends.
        thread::spawn(move || {
            loop {
                let mut line = String::new();
                let read = io::stdin().read_line(&mut line).map(|length| match length {
                    0 => Typed::Eof,
                    _ => Typed::Text(line.trim_end_matches(['\r', '\n']).to_owned()),
                });
                let has_failed = read.is_err();
                if tell.blocking_send(read).is_err() || has_failed {
                    return;
                }
            }
        });
        Self(typed)
    }

    /// Asks for a line. Ctrl-C clears what was typed of it, which the terminal has done by then; how much that was it does
    /// not say.
    ///
    /// # Errors
    /// The terminal can't be read, or signals can't be listened for.
    pub(super) async fn read(&mut self, prompt: &str) -> Result<Typed, Failure> {
        // Before the prompt is seen: from then on it is a key for this.
        let interrupt = Interrupt::listen()?;
        show(prompt);
        tokio::select! {
            typed = self.0.recv() => match typed {
                Some(Ok(typed)) => Ok(typed),
                Some(Err(error)) => Err(unreadable(&error)),
                None => Ok(Typed::Eof),
            },
            () = interrupt.came() => {
                show("\n");
                Ok(Typed::Interrupted)
            }
        }
    }
}

fn show(text: &str) {
    let mut terminal = io::stdout().lock();
    let _nobody_reads = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
}
