//! A session as a person reads it: what was said, line by line, or its events as JSON.

use greenroom::{
    Part,
    config::Environment,
    event::{EventBody, LogEvent},
    wire::event::FinishReason,
};

use crate::cli::{
    Failure,
    chat::{Next, Page, Retold},
    output::Output,
};

/// Shows events of a session, in the order of its log.
pub(super) struct Transcript {
    page: Page,
    json: bool,
    /// An answer is under way, and its text does not end its line.
    open_line: bool,
    /// The text of the turn that is shown.
    retold: Retold,
}

impl Transcript {
    pub(super) fn new(environment: &Environment, json: bool) -> Self {
        Self { page: Page::new(Output::new(), environment), json, open_line: false, retold: Retold::default() }
    }

    /// Whether it is of all events, for a program.
    pub(super) fn is_of_events(&self) -> bool {
        self.json
    }

    /// Shows an event.
    ///
    /// # Errors
    /// Nobody reads, or the log can't be read.
    pub(super) fn take(&mut self, event: &LogEvent) -> Result<(), Failure> {
        if let EventBody::Error { error } = &event.body {
            return Err(Failure::answer(error, self.open_line));
        }
        if self.json {
            return self.page.beside()?.json(event);
        }
        match &event.body {
            EventBody::MessageUser { parts, .. } => self.said(parts),
            EventBody::Text { delta } | EventBody::Refusal { delta } => match self.retold.text(event.position, delta) {
                Next::Show("") => Ok(()),
                Next::Show(text) => self.text(text),
                Next::Anew(text) => self.anew(&text),
            },
            EventBody::ToolCall { name, .. } => self.aside(&format!("calls {name}")),
            EventBody::ToolResult { parts, error, .. } => {
                let told = if *error { "failed" } else { "gave" };
                self.aside(&format!("which {told}: {}", text_of(parts)))
            }
            EventBody::Media { media_type, .. } => self.aside(media_type),
            EventBody::AnswerRestarted => {
                self.retold.clear();
                self.aside("the answer is made anew")
            }
            EventBody::SessionUpdated { model: Some(model), .. } if !model.is_empty() => {
                self.aside(&format!("{model} answers from now on"))
            }
            EventBody::Context { dropped, .. } => {
                self.aside(&format!("{dropped} older turns are no longer shown to the model"))
            }
            EventBody::TurnFinished { reason } => {
                if let Some(whole) = self.retold.end() {
                    self.anew(&whole)?;
                }
                self.over(match reason {
                    FinishReason::Length => Some("cut off at the most tokens that an answer may have".to_owned()),
                    FinishReason::ContentFilter => Some("ended by the provider's content filter".to_owned()),
                    _ => None,
                })
            }
            EventBody::TurnFailed { error } => self.over(Some(format!("failed: {}", error.message))),
            EventBody::TurnCancelled => self.over(Some("cancelled".to_owned())),
            EventBody::Reset { .. } if event.position == 0 => {
                self.retold.clear();
                self.aside("the session is another one from here on")
            }
            EventBody::Reset { .. } => {
                self.retold.reset(event.position);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Nothing more is shown.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        self.open_line = false;
        self.page.close_line()
    }

    /// What a person said.
    fn said(&mut self, parts: &[Part]) -> Result<(), Failure> {
        self.end()?;
        let text = text_of(parts);
        let lines: String = text.lines().map(|line| format!("> {line}\n")).collect();
        self.page.beside()?.text(&lines)
    }

    fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.open_line = !text.ends_with('\n');
        self.page.text(text)
    }

    /// The answer was shown otherwise than it is.
    fn anew(&mut self, whole: &str) -> Result<(), Failure> {
        self.aside("some of these words were lost; the answer is")?;
        self.text(whole)
    }

    /// Something that nobody said.
    fn aside(&mut self, text: &str) -> Result<(), Failure> {
        self.end()?;
        self.page.beside()?.text(&format!("[{}]\n", crate::cli::notes::one_line(text)))
    }

    fn over(&mut self, aside: Option<String>) -> Result<(), Failure> {
        self.retold.clear();
        self.end()?;
        aside.map_or(Ok(()), |aside| self.aside(&aside))
    }
}

fn text_of(parts: &[Part]) -> String {
    let texts = parts.iter().map(|part| match part {
        Part::Text { text, .. } => text.clone(),
        Part::Image { .. } => "[an image]".to_owned(),
        _ => "[something that is no text]".to_owned(),
    });
    texts.collect::<Vec<_>>().join("\n")
}
