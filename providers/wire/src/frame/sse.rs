//! Server-sent events, incrementally: bytes in at any cut, frames out.
//!
//! As in the WHATWG's HTML standard, section 9.2.6, with two differences that real providers need: a last event without
//! its blank line is delivered, and invalid UTF-8 is an error of its frame instead of a replacement character.

use std::ops::Range;

/// The largest frame that is taken, in bytes. What is larger is no chat event, and would otherwise fill the memory.
pub const MAX_FRAME: usize = 16 << 20;

/// One event of the stream, borrowed from the framer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SseFrame<'a> {
    /// Its `event` field; empty where there is none.
    pub event: &'a str,
    /// Its `data` lines, joined with `\n`.
    pub data: &'a str,
}

/// What is wrong with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It is not UTF-8.
    #[error("an event of the stream is not utf-8")]
    Utf8,
    /// It is larger than [`MAX_FRAME`]; nothing more is taken after this.
    #[error("an event of the stream is larger than {MAX_FRAME} bytes")]
    TooLarge,
}

/// Cuts a byte stream into events.
///
/// Time is linear in the bytes pushed, however they are cut; nothing is allocated for a frame whose data is one line.
#[derive(Debug, Default)]
pub struct SseFramer {
    buffer: Vec<u8>,
    /// Where the frame being read starts; what is before was handed out.
    frame: usize,
    /// Where the line being read starts.
    line: usize,
    /// Up to where the line was searched for its end.
    searched: usize,
    event: Option<Range<usize>>,
    /// The last `id` field, which holds for all that follow as well.
    id: Vec<u8>,
    data: Data,
    /// The data of a frame with several data lines.
    joined: Vec<u8>,
    /// A CR was the last byte of the line before: a LF that comes first now belongs to it.
    after_cr: bool,
    begun: bool,
    ended: bool,
    broken: bool,
    comments: u64,
}

/// A frame by its places: its event, and its data.
type Parts = (Option<Range<usize>>, Data);

#[derive(Debug, Default)]
enum Data {
    #[default]
    None,
    Line(Range<usize>),
    Joined,
}

impl SseFramer {
    /// A framer at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes. Take the frames with [`next_frame`](Self::next_frame) after each push, since what was handed
    /// out is thrown away at the next one.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken || self.ended {
            return;
        }
        // What is moved here came with the last push, since a frame was handed out after it began: linear in all.
        if self.frame > 0 {
            let frame = self.frame;
            self.buffer.drain(..frame);
            self.line -= frame;
            self.searched -= frame;
            for range in [self.event.as_mut(), self.data.line_mut()].into_iter().flatten() {
                *range = range.start - frame..range.end - frame;
            }
            self.frame = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The stream has ended: what is left becomes its last frame, with or without a blank line.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// The id of the frame that was handed out last: its own, or the last one before it. Empty where there was none, or
    /// one that is no text.
    pub fn last_id(&self) -> &str {
        str::from_utf8(&self.id).unwrap_or_default()
    }

    /// How many comment lines there were.
    pub fn comments(&self) -> u64 {
        self.comments
    }

    /// The next frame.
    ///
    /// # Errors
    ///
    /// The frame is not UTF-8, or too large. After the former the next frame can be taken.
    pub fn next_frame(&mut self) -> Option<Result<SseFrame<'_>, FrameError>> {
        if self.broken {
            return None;
        }
        let (event, data) = match self.advance()? {
            Ok(parts) => parts,
            Err(error) => {
                self.broken = true;
                return Some(Err(error));
            }
        };
        let data = match &data {
            Data::None => &[][..],
            Data::Line(range) => &self.buffer[range.clone()],
            Data::Joined => &self.joined[..],
        };
        let event = event.map_or(&[][..], |range| &self.buffer[range]);
        Some(match (str::from_utf8(event), str::from_utf8(data)) {
            (Ok(event), Ok(data)) => Ok(SseFrame { event, data }),
            _ => Err(FrameError::Utf8),
        })
    }

    /// Reads lines until a frame is whole.
    fn advance(&mut self) -> Option<Result<Parts, FrameError>> {
        loop {
            if self.after_cr && self.line < self.buffer.len() {
                self.after_cr = false;
                if self.buffer[self.line] == b'\n' {
                    self.line += 1;
                    self.searched = self.searched.max(self.line);
                    if matches!(self.data, Data::None) && self.event.is_none() {
                        self.frame = self.line;
                    }
                }
            }
            match memchr::memchr2(b'\n', b'\r', &self.buffer[self.searched..]) {
                Some(step) => {
                    let end = self.searched + step;
                    self.after_cr = self.buffer[end] == b'\r';
                    let line = self.line..end;
                    (self.line, self.searched) = (end + 1, end + 1);
                    if let Some(frame) = self.take_line(line) {
                        return Some(Ok(frame));
                    }
                }
                None => {
                    self.searched = self.buffer.len();
                    if self.searched - self.frame > MAX_FRAME {
                        return Some(Err(FrameError::TooLarge));
                    }
                    if !self.ended {
                        return None;
                    }
                    let rest = self.line..self.buffer.len();
                    self.line = self.buffer.len();
                    if let Some(frame) = (!rest.is_empty()).then(|| self.take_line(rest)).flatten() {
                        return Some(Ok(frame));
                    }
                    return self.take_frame().map(Ok);
                }
            }
            if self.searched - self.frame > MAX_FRAME {
                return Some(Err(FrameError::TooLarge));
            }
        }
    }

    fn take_line(&mut self, mut line: Range<usize>) -> Option<Parts> {
        if !self.begun {
            self.begun = true;
            if self.buffer[line.clone()].starts_with(b"\xef\xbb\xbf") {
                line.start += 3;
            }
        }
        if line.is_empty() {
            return self.take_frame();
        }
        let bytes = &self.buffer[line.clone()];
        let colon = memchr::memchr(b':', bytes).unwrap_or(bytes.len());
        let mut value = line.start + (colon + 1).min(bytes.len())..line.end;
        if self.buffer[value.clone()].first() == Some(&b' ') {
            value.start += 1;
        }
        match &bytes[..colon] {
            b"data" => match std::mem::replace(&mut self.data, Data::Joined) {
                Data::None => self.data = Data::Line(value),
                Data::Line(first) => {
                    self.joined.clear();
                    self.joined.extend_from_slice(&self.buffer[first]);
                    self.join(value);
                }
                Data::Joined => self.join(value),
            },
            b"event" => self.event = Some(value),
            b"id" => {
                self.id.clear();
                self.id.extend_from_slice(&self.buffer[value]);
            }
            b"" => self.comments += 1,
            _ => {}
        }
        // Comments without a blank line after them must not pile up as one endless frame.
        if matches!(self.data, Data::None) && self.event.is_none() {
            self.frame = self.line;
        }
        None
    }

    fn join(&mut self, value: Range<usize>) {
        self.joined.push(b'\n');
        self.joined.extend_from_slice(&self.buffer[value]);
    }

    /// The frame whose lines were read; none if it had no data.
    fn take_frame(&mut self) -> Option<Parts> {
        self.frame = self.line;
        let event = self.event.take();
        match std::mem::take(&mut self.data) {
            Data::None => None,
            data => Some((event, data)),
        }
    }
}

impl Data {
    fn line_mut(&mut self) -> Option<&mut Range<usize>> {
        match self {
            Self::Line(range) => Some(range),
            Self::None | Self::Joined => None,
        }
    }
}

#[cfg(test)]
mod tests;
