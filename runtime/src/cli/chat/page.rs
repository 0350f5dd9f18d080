//! The text of answers on standard output: styled on a terminal that may be given colours, else as it comes.

use greenroom::config::Environment;

use super::markdown::{Markdown, Piece, painted};
use crate::cli::{Failure, output::Output, style::Style};

/// Standard output, with answers on it.
pub(crate) struct Page {
    output: Output,
    /// Styles the text, where standard output is a terminal that may be given colours.
    markdown: Option<Markdown>,
    has_open_line: bool,
}

impl Page {
    pub(crate) fn new(output: Output, environment: &Environment) -> Self {
        let markdown = (Style::of_output(environment) == Style::Colours).then(Markdown::new);
        Self { output, markdown, has_open_line: false }
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.output.is_terminal()
    }

    /// Shows the next part of an answer's text; the last word of it may be held back.
    ///
    /// # Errors
    /// Nobody reads.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        let Some(markdown) = &mut self.markdown else {
            self.output.text(text)?;
            self.has_open_line = !text.ends_with('\n');
            return Ok(());
        };
        // The terminal may be made wider or narrower at any time.
        markdown.set_columns(self.output.columns());
        let pieces = markdown.handle(text);
        self.paint(&pieces)
    }

    /// Shows what is held back, and ends its line. What comes next is another text.
    ///
    /// # Errors
    /// Nobody reads.
    pub(crate) fn close_line(&mut self) -> Result<(), Failure> {
        let held = self.markdown.as_mut().map(Markdown::finish).unwrap_or_default();
        self.paint(&held)?;
        if std::mem::take(&mut self.has_open_line) {
            self.output.bytes(b"\n")?;
        }
        Ok(())
    }

    /// For what stands on lines of its own, beside the text of answers.
    ///
    /// # Errors
    /// Nobody reads.
    pub(crate) fn beside(&mut self) -> Result<&mut Output, Failure> {
        self.close_line()?;
        Ok(&mut self.output)
    }

    fn paint(&mut self, pieces: &[Piece]) -> Result<(), Failure> {
        if let Some(last) = pieces.last() {
            self.output.bytes(painted(pieces).as_bytes())?;
            self.has_open_line = !last.text.ends_with('\n');
        }
        Ok(())
    }
}
