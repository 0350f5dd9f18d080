//! What checks find, and how it is told.

use serde::Serialize;

use crate::cli::{Failure, notes::one_line, output::Output};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Ok,
    /// It works, and deserves a second look.
    Warning,
    /// Something does not work.
    Problem,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at.
    check: &'static str,
    /// Which one of several, such as a provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    status: Level,
    message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, subject: None, status: Level::Ok, message: message.into(), hint: None }
    }

    pub(super) fn warning(check: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { status: Level::Warning, hint: Some(hint.into()), ..Self::ok(check, message) }
    }

    pub(super) fn problem(check: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { status: Level::Problem, ..Self::warning(check, message, hint) }
    }

    /// What kept something else from being done.
    pub(super) fn failed(check: &'static str, failure: Failure) -> Self {
        match failure {
            Failure::Told(told) => Self::problem(check, told.what, told.hint),
            Failure::Configuration(problems) => {
                Self::problem(check, problems.to_string(), "run `greenroom config check`")
            }
            Failure::ReaderGone => Self::ok(check, "nobody reads this"),
        }
    }

    /// The same of one of several.
    pub(super) fn of(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    #[cfg(test)]
    pub(super) fn level(&self) -> Level {
        self.status
    }

    #[cfg(test)]
    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

/// What was found so far, each told at once.
pub(super) struct Report {
    is_json: bool,
    problems: usize,
    warnings: usize,
}

impl Report {
    pub(super) fn new(is_json: bool) -> Self {
        Self { is_json, problems: 0, warnings: 0 }
    }

    pub(super) fn tell(&mut self, finding: Finding) -> Result<(), Failure> {
        match finding.status {
            Level::Ok => {}
            Level::Warning => self.warnings += 1,
            Level::Problem => self.problems += 1,
        }
        let mut output = Output::new();
        if self.is_json {
            return output.json(&finding);
        }
        let Finding { check, subject, status, message, hint } = finding;
        let word = match status {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Problem => "problem",
        };
        let subject = subject.map_or_else(String::new, |subject| format!(" {subject}"));
        output.text(&format!("{word:<8} {}\n", one_line(&format!("{check}{subject}: {message}"))))?;
        hint.map_or(Ok(()), |hint| output.text(&format!("{:<8} hint: {}\n", "", one_line(&hint))))
    }

    /// Tells how it is in all.
    pub(super) fn end(&self) -> Result<(), Failure> {
        if self.is_json {
            return Ok(());
        }
        let many = |count: usize, what: &str| match count {
            0 => format!("no {what}s"),
            1 => format!("1 {what}"),
            count => format!("{count} {what}s"),
        };
        Output::new().line(&format!("\n{}, {}", many(self.problems, "problem"), many(self.warnings, "warning")))
    }

    pub(super) fn worst(&self) -> Level {
        match (self.problems, self.warnings) {
            (0, 0) => Level::Ok,
            (0, _) => Level::Warning,
            _ => Level::Problem,
        }
    }
}
