//! How answers are shown: as text, styled on a terminal, or as lines of JSON.

use std::io::{self, Write as _};

use greenroom::{
    ErrorKind,
    config::Environment,
    event::{EventBody, LogEvent},
    wire::event::FinishReason,
};

use super::{
    answer::Show,
    page::Page,
    retold::{Next, Retold},
};
use crate::cli::{
    Failure,
    notes::{self, harmless},
    output::Output,
    style::Style,
};

const DIM: &str = "\u{1b}[2m";
const PLAIN: &str = "\u{1b}[0m";

/// The answer's text on standard output; all else on standard error.
pub(super) struct Plain {
    page: Page,
    /// Whether thinking is shown, on standard error.
    thinking: bool,
    /// Thinking was shown last, and its line is open.
    thinking_open: bool,
    /// Whether some of the answer's text has come; the last word of it may be held back.
    has_text: bool,
    retold: Retold,
    refused: bool,
    calls: Vec<String>,
    /// Who answers, as PROVIDER/MODEL.
    answering: Option<String>,
    /// What is told once the answer is over, in place of breaking into it.
    later: Vec<String>,
}

impl Plain {
    pub(super) fn new(output: Output, environment: &Environment) -> Self {
        let thinking = Style::of_errors(environment) == Style::Colours;
        Self {
            page: Page::new(output, environment),
            thinking,
            thinking_open: false,
            has_text: false,
            retold: Retold::default(),
            refused: false,
            calls: Vec::new(),
            answering: None,
            later: Vec::new(),
        }
    }

    /// Who answered, as PROVIDER/MODEL, if anybody began to.
    pub(super) fn answered_by(&mut self) -> Option<String> {
        self.answering.take()
    }

    fn hear(&mut self, position: u64, delta: &str) -> Result<(), Failure> {
        match self.retold.text(position, delta) {
            Next::Show("") => Ok(()),
            Next::Show(text) => self.say(text),
            Next::Anew(text) => self.say_anew(&text),
        }
    }

    /// Shows all of an answer again that was shown otherwise.
    fn say_anew(&mut self, whole: &str) -> Result<(), Failure> {
        self.page.close_line()?;
        self.note(
            "the greenroom that answered was lost, and some of its last words with it; the answer is shown anew",
        )?;
        self.say(whole)
    }

    fn say(&mut self, delta: &str) -> Result<(), Failure> {
        self.close_thinking();
        self.has_text |= !delta.is_empty();
        self.page.text(delta)
    }

    fn think(&mut self, delta: &str) -> Result<(), Failure> {
        if !self.thinking {
            return Ok(());
        }
        if self.page.is_terminal() {
            self.page.close_line()?;
        }
        self.thinking_open = true;
        let mut terminal = io::stderr().lock();
        let _nobody_reads = write!(terminal, "{DIM}{}{PLAIN}", harmless(delta)).and_then(|()| terminal.flush());
        Ok(())
    }

    fn close_thinking(&mut self) {
        if std::mem::take(&mut self.thinking_open) {
            let _nobody_reads = writeln!(io::stderr().lock());
        }
    }

    /// Says something beside the answer. On a terminal both are one page, so it starts on a line of its own.
    fn note(&mut self, text: &str) -> Result<(), Failure> {
        self.close_thinking();
        if self.page.is_terminal() {
            self.page.close_line()?;
        }
        notes::note(text);
        Ok(())
    }

    fn hand_on(&mut self, from: &str, to: &str, kind: ErrorKind) -> Result<(), Failure> {
        if !self.has_text {
            return self.note(&format!("{from} failed ({kind}); asking {to}"));
        }
        let told = format!("{from} broke off ({kind}); {to} went on");
        if self.page.is_terminal() {
            self.later.push(told);
            return Ok(());
        }
        self.note(&told)
    }

    fn finish(&mut self, reason: &FinishReason) -> Result<(), Failure> {
        let told = match reason {
            FinishReason::Stop if self.refused => "the model refused".to_owned(),
            FinishReason::Stop if !self.has_text => "the answer is empty".to_owned(),
            FinishReason::Stop => return Ok(()),
            FinishReason::Length => {
                "the answer was cut off: it reached the most tokens that it may have (defaults.max_tokens of the provider)"
                    .to_owned()
            }
            FinishReason::ToolCalls if self.calls.is_empty() => return Ok(()),
            FinishReason::ToolCalls => {
                format!("the model calls {}, which this command can't do", self.calls.join(", "))
            }
            FinishReason::ContentFilter => "the answer was ended by the provider's content filter".to_owned(),
            FinishReason::Refusal => "the model refused".to_owned(),
            FinishReason::Pause => "the provider paused the answer before its end".to_owned(),
            FinishReason::Other(word) => format!("the answer ended for a reason of the provider's own: {word}"),
        };
        self.page.close_line()?;
        self.note(&told)
    }
}

impl Show for Plain {
    fn take(&mut self, event: &LogEvent) -> Result<(), Failure> {
        match &event.body {
            EventBody::Text { delta } => self.hear(event.position, delta),
            EventBody::Refusal { delta } => {
                self.refused = true;
                self.hear(event.position, delta)
            }
            EventBody::Thinking { delta } => self.think(delta),
            EventBody::Route { provider, model, .. } => {
                self.answering = Some(format!("{provider}/{model}"));
                Ok(())
            }
            EventBody::ToolCall { name, .. } => {
                self.calls.push(name.clone());
                Ok(())
            }
            EventBody::Media { media_type, .. } => {
                self.note(&format!("the answer holds {media_type}, which --json prints"))
            }
            EventBody::Failover { from, to, kind } => self.hand_on(from, to, *kind),
            EventBody::ToolCallDropped { .. } => {
                self.calls.pop();
                Ok(())
            }
            EventBody::MessageUser { queued: true, .. } => {
                self.note("another answer is under way in this session; this one comes after it")
            }
            EventBody::Reset { .. } => {
                self.retold.reset(event.position);
                Ok(())
            }
            EventBody::AnswerRestarted => {
                self.retold.clear();
                self.calls.clear();
                self.refused = false;
                self.page.close_line()?;
                self.note("the answer broke off; it is made anew")
            }
            EventBody::TurnFinished { reason } => {
                if let Some(whole) = self.retold.end() {
                    self.say_anew(&whole)?;
                }
                self.finish(reason)
            }
            _ => Ok(()),
        }
    }

    fn end(&mut self) -> Result<(), Failure> {
        self.close_thinking();
        self.page.close_line()?;
        self.later.drain(..).for_each(|told| notes::note(&told));
        Ok(())
    }

    fn has_shown(&self) -> bool {
        self.has_text
    }
}

/// A line of JSON for each event.
pub(super) struct Lines {
    output: Output,
    shown: bool,
}

impl Lines {
    pub(super) fn new(output: Output) -> Self {
        Self { output, shown: false }
    }
}

impl Show for Lines {
    fn take(&mut self, event: &LogEvent) -> Result<(), Failure> {
        self.shown |= matches!(event.body, EventBody::Text { .. } | EventBody::Refusal { .. });
        // What was asked is known to who asked, and may hold whole pictures.
        match event.body {
            EventBody::MessageUser { .. } => Ok(()),
            _ => self.output.json(event),
        }
    }

    fn end(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn has_shown(&self) -> bool {
        self.shown
    }
}
