//! The line that a person types, or lines: what keys do, and what is pasted.

use greenroom::config::Environment;
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

use super::{
    complete::Completions,
    lines::{Lines, are_plain},
};
use crate::cli::Failure;

const PROMPT: &str = "> ";
const MORE: &str = ". ";

/// Reads what a person types.
pub(super) struct Typing<'a> {
    /// What was typed before is its to know, whoever reads.
    pub(super) editor: Editor<Helping<'a>, FileHistory>,
    /// Where the editor can do nothing.
    lines: Option<Lines>,
}

/// What came of reading.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// This, which may be of several lines.
    Text(String),
    /// Ctrl-C, where nothing was typed as far as that is known.
    Interrupted,
    /// The end.
    Eof,
}

impl<'a> Typing<'a> {
    /// An editor whose Tab completes by these. What is pasted is one text, as far as the terminal tells it apart.
    ///
    /// # Errors
    /// The terminal can't be used.
    pub(super) fn new(completions: Completions<'a>, environment: &Environment) -> Result<Self, Failure> {
        let config = Config::builder().completion_type(CompletionType::List).bracketed_paste(true).build();
        let mut editor = Editor::with_config(config).map_err(|error| unreadable(&error))?;
        editor.set_helper(Some(Helping(completions)));
        editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::ALT), Cmd::Newline);
        editor.bind_sequence(KeyEvent::ctrl('C'), EventHandler::Conditional(Box::new(ClearFirst)));
        Ok(Self { editor, lines: are_plain(environment).then(Lines::new) })
    }

    async fn line(&mut self, prompt: &str) -> Result<Typed, Failure> {
        if let Some(lines) = &mut self.lines {
            return lines.read(prompt).await;
        }
        match self.editor.readline(prompt) {
            Ok(typed) => Ok(Typed::Text(typed)),
            Err(ReadlineError::Interrupted) => Ok(Typed::Interrupted),
            Err(ReadlineError::Eof) => Ok(Typed::Eof),
            Err(error) => Err(unreadable(&error)),
        }
    }
}

/// Reads a message; a line that ends with a backslash goes on in the next. Ctrl-C there gives all of it up.
///
/// # Errors
/// The terminal can't be read.
pub(super) async fn read(typing: &mut Typing<'_>) -> Result<Typed, Failure> {
    let mut typed = match typing.line(PROMPT).await? {
        Typed::Text(typed) => typed,
        other => return Ok(other),
    };
    while let Some(line) = typed.strip_suffix('\\') {
        typed = match typing.line(MORE).await? {
            Typed::Interrupted => String::new(),
            // What was typed so far is said; the end comes again by itself if it is one.
            Typed::Eof => line.to_owned(),
            Typed::Text(more) => format!("{line}\n{more}"),
        };
    }
    Ok(Typed::Text(typed))
}

/// That the terminal can't be read.
pub(super) fn unreadable(error: &dyn std::error::Error) -> Failure {
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
