//! How a command fails: an exit code, one line of what happened, one line of what to do.

use std::{error::Error, io, process::ExitCode};

use greenroom::{ClientError, ErrorKind, OpenError, SessionError, StartError, config::Problems, event};

use super::notes;

/// The exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    /// 128 and the number of SIGINT, as shells have it.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something to tell the person.
    Told(Box<Told>),
    /// What was written is wrong.
    Configuration(Problems),
    /// Nobody reads standard output any more, so there is nobody to tell and nothing wrong.
    ReaderGone,
}

/// What a person is told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) exit: Exit,
    pub(crate) what: String,
    /// What led there, a line each.
    pub(crate) attempts: Vec<String>,
    pub(crate) hint: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Told(Box::new(Told { exit, what: what.into(), attempts: Vec::new(), hint: hint.into() }))
    }

    /// The command could not do it.
    pub(crate) fn failed(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::Failed, what, hint)
    }

    /// The person asked for what can't be meant.
    pub(crate) fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what, hint)
    }

    /// The same with what else there is to say of it, a line each.
    pub(crate) fn with_attempts(mut self, attempts: Vec<String>) -> Self {
        if let Self::Told(told) = &mut self {
            told.attempts = attempts;
        }
        self
    }

    /// Standard output did not take what was written.
    pub(crate) fn stdout(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::ReaderGone;
        }
        Self::failed(format!("can't write to standard output: {error}"), "check where the output goes")
    }

    /// There is no whole answer; `incomplete` if a part of one was shown.
    pub(crate) fn answer(error: &event::Failure, incomplete: bool) -> Self {
        let told = if incomplete { "the answer is incomplete: " } else { "" };
        let attempts = match error.attempts.len() {
            0 | 1 => Vec::new(),
            _ => error.attempts.iter().map(describe).collect(),
        };
        Self::Told(Box::new(Told {
            exit: exit_of(error),
            what: format!("{told}{}", describe(error)),
            attempts,
            hint: error.hint.clone().unwrap_or_else(|| hint_of(error.kind).to_owned()),
        }))
    }

    /// Tells it on standard error, and gives the exit code.
    pub(crate) fn report(&self) -> Exit {
        match self {
            Self::Told(told) => {
                told.report(&told.what);
                told.exit
            }
            Self::Configuration(problems) => {
                for error in &problems.errors {
                    notes::error(&error.to_string());
                    notes::hint(error.hint().unwrap_or("`greenroom config sample` shows every setting"));
                }
                Exit::Usage
            }
            Self::ReaderGone => Exit::Done,
        }
    }
}

impl Told {
    /// Tells it of one of several that were asked.
    pub(crate) fn report_of(&self, asked: &str) {
        let named = self.what.contains(asked);
        self.report(&if named { self.what.clone() } else { format!("{asked}: {}", self.what) });
    }

    fn report(&self, what: &str) {
        notes::error(what);
        self.attempts.iter().for_each(|attempt| notes::below(attempt));
        notes::hint(&self.hint);
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Configuration(problems)
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let is_written =
            matches!(error, StartError::NoProvider(_) | StartError::Provider { .. } | StartError::NoSettings);
        let exit = if is_written { Exit::Usage } else { Exit::Failed };
        Self::new(exit, with_causes(&error), error.hint())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::failed(with_causes(&error), error.hint())
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        Self::failed(with_causes(&error), error.hint())
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = match error {
            ClientError::NotKept(_) | ClientError::NotRevoked(_) => Exit::Failed,
            _ => Exit::Usage,
        };
        Self::new(exit, with_causes(&error), error.hint())
    }
}

impl From<greenroom::Error> for Failure {
    fn from(error: greenroom::Error) -> Self {
        Self::failed(
            with_causes(&error),
            "this is a fault of greenroom's: run it again with -vv and report what it says",
        )
    }
}

/// An error and what caused it, in one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        // Some errors repeat the words of their cause.
        if !text.ends_with(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

/// Who failed, and how.
fn describe(error: &event::Failure) -> String {
    match (&error.provider, &error.model, &error.profile) {
        (Some(provider), Some(model), Some(profile)) if profile != "default" => {
            format!("{provider}/{model} (profile {profile}): {}", error.message)
        }
        (Some(provider), Some(model), _) => format!("{provider}/{model}: {}", error.message),
        _ => error.message.clone(),
    }
}

/// A name that means nothing here is a matter of usage; one that a provider does not know is the provider's word.
fn exit_of(error: &event::Failure) -> Exit {
    match error.kind {
        ErrorKind::Config => Exit::Usage,
        ErrorKind::NotFound if error.provider.is_none() && error.attempts.is_empty() => Exit::Usage,
        ErrorKind::Cancelled => Exit::Interrupted,
        _ => Exit::Failed,
    }
}

/// What to do about a failure that does not say so itself.
pub(crate) fn hint_of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Auth | ErrorKind::AuthPermanent => {
            "check the key: `greenroom config show` says where each one comes from"
        }
        ErrorKind::Billing => "add credit with the provider, or name another model with -m",
        ErrorKind::Permission => "use a key that may use this model, or name another model with -m",
        ErrorKind::RateLimited | ErrorKind::Overloaded => "wait a little, or name another model with -m",
        ErrorKind::Server => "try again, or name another model with -m",
        ErrorKind::Timeout => "try again, or allow more time under [timeouts] in the configuration",
        ErrorKind::Network => "check the network and the address: `greenroom config show` has each base_url",
        ErrorKind::Protocol => {
            "check that base_url is that of an OpenAI-compatible API (most end in /v1), or try again"
        }
        ErrorKind::NotFound => "`greenroom models` lists what there is",
        ErrorKind::InvalidRequest => "change what is asked, or name another model with -m",
        ErrorKind::ContextOverflow => "ask with less text, or name a model with a larger window with -m",
        ErrorKind::ContentFilter => "put it differently, or name another model with -m",
        ErrorKind::Cancelled => "ask again",
        ErrorKind::Config => "run `greenroom config check`",
        ErrorKind::Exhausted => "try again later, or name another model with -m",
    }
}

#[cfg(test)]
mod tests {
    use greenroom::ChatError;

    use super::*;

    fn told(error: &ChatError, incomplete: bool) -> Told {
        match Failure::answer(&event::Failure::from(error), incomplete) {
            Failure::Told(told) => *told,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn several_attempts_are_listed_and_one_is_not() {
        let mut error = ChatError::new(ErrorKind::Exhausted, "all failed");
        error.details.attempts = vec![ChatError::new(ErrorKind::Server, "first")];
        assert!(told(&error, false).attempts.is_empty());
        error.details.attempts.push(ChatError::new(ErrorKind::Network, "second"));
        assert_eq!(told(&error, false).attempts, ["first", "second"]);
    }

    #[test]
    fn an_answer_that_broke_off_says_so() {
        let told = told(&ChatError::new(ErrorKind::Protocol, "the stream was cut"), true);
        assert_eq!(told.what, "the answer is incomplete: the stream was cut");
        assert_eq!(told.exit, Exit::Failed);
        assert!(!told.hint.is_empty());
    }

    #[test]
    fn a_name_that_nobody_was_asked_about_is_usage() {
        let mut error = event::Failure::from(&ChatError::new(ErrorKind::NotFound, "there is no model \"x\""));
        assert_eq!(exit_of(&error), Exit::Usage);
        error.provider = Some("openai".to_owned());
        assert_eq!(exit_of(&error), Exit::Failed);
    }
}
