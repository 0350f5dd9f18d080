//! The line that a person types, or lines: what keys do, and what is pasted.

use rustyline::{
    Cmd, CompletionType, ConditionalEventHandler, Config, Context, Editor, Event, EventContext, EventHandler, Helper,
    KeyCode, KeyEvent, Modifiers, Movement, RepeatCount,
    completion::{Completer, Pair},
    error::ReadlineError,
    highlight::Highlighter,
    hint::Hinter,
    history::FileHistory,
    validate::Validator,
};

use super::complete::Completions;
use crate::cli::Failure;

const PROMPT: &str = "> ";
const MORE: &str = ". ";

/// Reads what a person types.
pub(super) type Typing<'a> = Editor<Helping<'a>, FileHistory>;

/// What came of reading.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// This, which may be of several lines.
    Text(String),
    /// Ctrl-C, where nothing was typed.
    Interrupted,
    /// The end.
    Eof,
}

/// An editor whose Tab completes by these. What is pasted is one text, as far as the terminal tells it apart.
pub(super) fn editor(completions: Completions<'_>) -> Result<Typing<'_>, Failure> {
    let config = Config::builder().completion_type(CompletionType::List).bracketed_paste(true).build();
    let mut editor = Editor::with_config(config).map_err(|error| terminal(&error))?;
    editor.set_helper(Some(Helping(completions)));
    editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::ALT), Cmd::Newline);
    editor.bind_sequence(KeyEvent::ctrl('C'), EventHandler::Conditional(Box::new(ClearFirst)));
    Ok(editor)
}

/// Reads a message; a line that ends with a backslash goes on in the next. Ctrl-C there gives all of it up.
pub(super) fn read(editor: &mut Typing<'_>) -> Result<Typed, Failure> {
    let mut typed = match editor.readline(PROMPT) {
        Err(ReadlineError::Interrupted) => return Ok(Typed::Interrupted),
        Err(ReadlineError::Eof) => return Ok(Typed::Eof),
        Err(error) => return Err(terminal(&error)),
        Ok(typed) => typed,
    };
    while let Some(line) = typed.strip_suffix('\\') {
        typed = match editor.readline(MORE) {
            Err(ReadlineError::Interrupted) => String::new(),
            // What was typed so far is said; the end comes again by itself if it is one.
            Err(ReadlineError::Eof) => line.to_owned(),
            Err(error) => return Err(terminal(&error)),
            Ok(more) => format!("{line}\n{more}"),
        };
    }
    Ok(Typed::Text(typed))
}

fn terminal(error: &ReadlineError) -> Failure {
    Failure::failed(format!("can't read from the terminal: {error}"), "give the question as an argument, or pipe it in")
}

/// Ctrl-C: clears what is typed, and is told where nothing is.
struct ClearFirst;

impl ConditionalEventHandler for ClearFirst {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        Some(if context.line().is_empty() { Cmd::Interrupt } else { Cmd::Kill(Movement::WholeBuffer) })
    }
}

/// What the editor asks while something is typed: completions, and nothing else.
pub(super) struct Helping<'a>(Completions<'a>);

impl Completer for Helping<'_> {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, context: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        self.0.complete(line, at, context)
    }
}

impl Hinter for Helping<'_> {
    type Hint = String;
}

impl Highlighter for Helping<'_> {}

impl Validator for Helping<'_> {}

impl Helper for Helping<'_> {}
