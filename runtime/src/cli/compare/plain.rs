//! The answers as text, one after the other in the order in which their models were named.

use super::answer::Answer;
use crate::cli::{Failure, output::Output};

/// What of the answers is written.
#[derive(Debug, Default)]
pub(super) struct Plain {
    /// The answer that is written now.
    current: usize,
    titled: bool,
    piece: usize,
    byte: usize,
    /// Whether the line is open.
    open: bool,
}

impl Plain {
    /// Writes what has come: of one answer as it comes, of the next ones once those before have ended.
    pub(super) fn write(&mut self, answers: &[Answer], output: &mut Output) -> Result<(), Failure> {
        while let Some(answer) = answers.get(self.current) {
            if !self.titled {
                self.titled = true;
                let apart = if self.current == 0 { "" } else { "\n" };
                output.text(&format!("{apart}## {}\n\n", answer.asked))?;
            }
            while let Some(piece) = answer.pieces.get(self.piece) {
                let rest = &piece.text[self.byte..];
                if !rest.is_empty() {
                    output.text(rest)?;
                    self.open = !rest.ends_with('\n');
                    self.byte = piece.text.len();
                }
                if self.piece + 1 == answer.pieces.len() && answer.exit().is_none() {
                    return Ok(());
                }
                if self.open || piece.text.is_empty() {
                    output.bytes(b"\n")?;
                }
                (self.piece, self.byte, self.open) = (self.piece + 1, 0, false);
            }
            if answer.exit().is_none() {
                return Ok(());
            }
            (self.current, self.titled, self.piece) = (self.current + 1, false, 0);
        }
        Ok(())
    }
}
