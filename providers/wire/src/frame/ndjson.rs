//! JSON a line, incrementally: bytes in at any cut, lines out.
//!
//! A line ends at LF or CR LF and nowhere else: U+2028 and its like are plain characters of a JSON string, and a CR alone
//! is white space between JSON's tokens.

use super::sse::{FrameError, MAX_FRAME};

/// Cuts a byte stream into lines; blank ones are left out.
///
/// Time is linear in the bytes pushed, however they are cut.
#[derive(Debug, Default)]
pub struct NdjsonFramer {
    buffer: Vec<u8>,
    /// Where the line being read starts; what is before was handed out.
    line: usize,
    /// Up to where it was searched for its end.
    searched: usize,
    begun: bool,
    ended: bool,
    broken: bool,
}

impl NdjsonFramer {
    /// A framer at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes. Take the lines with [`next_line`](Self::next_line) after each push, since what was handed
    /// out is thrown away at the next one.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken || self.ended {
            return;
        }
        // What is moved here came with the last push, since a line was handed out after it began: linear in all.
        if self.line > 0 {
            self.buffer.drain(..self.line);
            self.searched -= self.line;
            self.line = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The stream has ended: what is left becomes its last line, with or without an end.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// The next line, without its end.
    ///
    /// # Errors
    ///
    /// The line is not UTF-8, or larger than [`MAX_FRAME`]. After the former the next line can be taken.
    pub fn next_line(&mut self) -> Option<Result<&str, FrameError>> {
        loop {
            if self.broken {
                return None;
            }
            let end = match memchr::memchr(b'\n', &self.buffer[self.searched..]) {
                Some(step) => self.searched + step,
                None if self.ended && self.line < self.buffer.len() => self.buffer.len(),
                None => {
                    self.searched = self.buffer.len();
                    return self.too_large(self.searched);
                }
            };
            if let Some(error) = self.too_large(end) {
                return Some(error);
            }
            let mut start = self.line;
            self.line = (end + 1).min(self.buffer.len());
            self.searched = self.line;
            if !std::mem::replace(&mut self.begun, true) && self.buffer[start..end].starts_with(b"\xef\xbb\xbf") {
                start += 3;
            }
            if !self.buffer[start..end].trim_ascii().is_empty() {
                let line = self.buffer[start..end].strip_suffix(b"\r").unwrap_or(&self.buffer[start..end]);
                return Some(str::from_utf8(line).map_err(|_| FrameError::Utf8));
            }
        }
    }

    /// The failure, if the line that ends here is too large.
    fn too_large<T>(&mut self, end: usize) -> Option<Result<T, FrameError>> {
        self.broken = end - self.line > MAX_FRAME;
        self.broken.then_some(Err(FrameError::TooLarge))
    }
}

#[cfg(test)]
mod tests;
