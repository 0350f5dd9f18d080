//! What Tab completes: commands, and what they are about.

use std::{
    cell::RefCell,
    future::Future,
    time::{Duration, Instant},
};

use rustyline::{
    Context,
    completion::{Completer as _, FilenameCompleter, Pair},
};

use super::{command::NAMES, names};
use crate::cli::{Failure, attach::Link};

/// How long a person who pressed Tab waits for names at most.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long names are good for.
const FRESH: Duration = Duration::from_secs(30);
/// More than these nobody reads, and a terminal scrolls for long.
const MOST: usize = 500;

/// Completes what is typed, by whoever answers.
pub(super) struct Completions<'a> {
    link: &'a Link<'a>,
    files: FilenameCompleter,
    models: RefCell<Names>,
    sessions: RefCell<Names>,
}

/// Names as they were at a time.
#[derive(Debug, Default)]
struct Names {
    all: Vec<String>,
    since: Option<Instant>,
}

impl<'a> Completions<'a> {
    pub(super) fn new(link: &'a Link<'a>) -> Self {
        Self { link, files: FilenameCompleter::new(), models: RefCell::default(), sessions: RefCell::default() }
    }

    /// Where what can be completed begins, and by what. Nothing of what is said is completed.
    pub(super) fn complete(
        &self,
        line: &str,
        at: usize,
        context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = &line[..at];
        if !typed.starts_with('/') {
            return Ok((at, Vec::new()));
        }
        let Some((command, rest)) = typed.split_once(char::is_whitespace) else {
            return Ok((0, candidates(typed, NAMES.iter().copied())));
        };
        let word = rest.trim_start();
        let from = at - word.len();
        match command {
            "/image" => self.files.complete(line, at, context),
            "/model" => Ok((from, self.of(&self.models, word, names::models(self.link)))),
            "/session" => Ok((from, self.of(&self.sessions, word, names::sessions(self.link)))),
            _ => Ok((at, Vec::new())),
        }
    }

    fn of(
        &self,
        names: &RefCell<Names>,
        word: &str,
        asking: impl Future<Output = Result<Vec<String>, Failure>>,
    ) -> Vec<Pair> {
        let mut names = names.borrow_mut();
        if names.since.is_none_or(|since| since.elapsed() > FRESH) {
            let threads = tokio::runtime::Handle::current();
            let asked = tokio::task::block_in_place(|| {
                threads.block_on(async { tokio::time::timeout(PATIENCE, asking).await })
            });
            // Who has none to tell completes nothing; a command without a name says why.
            if let Ok(Ok(all)) = asked {
                *names = Names { all, since: Some(Instant::now()) };
            }
        }
        candidates(word, names.all.iter().map(String::as_str))
    }
}

/// Those that begin so. What a terminal would act upon is no name to be shown: they may be a provider's words.
fn candidates<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Vec<Pair> {
    let fits = names.filter(|name| name.starts_with(word) && !name.contains(char::is_control)).take(MOST);
    fits.map(|name| Pair { display: name.to_owned(), replacement: name.to_owned() }).collect()
}

#[cfg(test)]
mod tests {
    use super::candidates;

    #[test]
    fn only_names_that_a_terminal_can_show_are_candidates() {
        let names = ["lab/qwen3", "lab/\u{1b}[2J", "other/qwen3"];
        let found: Vec<String> = candidates("lab/", names.into_iter()).into_iter().map(|pair| pair.display).collect();
        assert_eq!(found, ["lab/qwen3"]);
    }
}
