//! Lines of a stream, none of them longer than it may be.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest line, in bytes.
pub(super) const LONGEST: usize = 16 << 20;
/// What is read at once.
const PIECE: usize = 64 << 10;

/// A line as it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(Vec<u8>),
    /// It had more bytes than a line may have, and they are gone.
    TooLong,
}

/// Splits a stream at LF, and at the CR before one.
pub(super) struct Lines<R> {
    from: R,
    read: BytesMut,
    /// So much of it holds no line end.
    looked_at: usize,
    longest: usize,
    /// The rest of the line that is being read is thrown away.
    skipping: bool,
    over: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, read: BytesMut::new(), looked_at: 0, longest: LONGEST, skipping: false, over: false }
    }

    /// The next line; `None` at the end. What stands there without a line end is a line as well. Safe to drop while it
    /// waits.
    pub(super) async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.read[self.looked_at..]) {
                let line = self.read.split_to(self.looked_at + at + 1);
                self.looked_at = 0;
                return Ok(Some(self.end_of(&line[..line.len() - 1])));
            }
            self.looked_at = self.read.len();
            if self.over {
                let rest = std::mem::take(&mut self.read);
                self.looked_at = 0;
                let is_nothing = rest.is_empty() && !self.skipping;
                return Ok((!is_nothing).then(|| self.end_of(&rest)));
            }
            if self.read.len() > self.longest {
                self.skipping = true;
            }
            if self.skipping {
                self.read = BytesMut::new();
                self.looked_at = 0;
            }
            self.read.reserve(PIECE);
            if self.from.read_buf(&mut self.read).await? == 0 {
                self.over = true;
            }
        }
    }

    fn end_of(&mut self, line: &[u8]) -> Line {
        if std::mem::take(&mut self.skipping) || line.len() > self.longest {
            return Line::TooLong;
        }
        Line::Whole(line.strip_suffix(b"\r").unwrap_or(line).to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(text: &str, longest: usize, pieces: usize) -> Vec<Line> {
        let (mut to, from) = tokio::io::duplex(pieces);
        let text = text.to_owned();
        let writing = tokio::spawn(async move {
            use tokio::io::AsyncWriteExt as _;
            to.write_all(text.as_bytes()).await.unwrap();
        });
        let mut lines = Lines { longest, ..Lines::new(from) };
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push(line);
        }
        writing.await.unwrap();
        all
    }

    #[tokio::test]
    async fn lines_end_at_line_feeds_alone_and_too_long_ones_are_skipped() {
        let whole = |text: &str| Line::Whole(text.as_bytes().to_vec());
        let text = "one\r\n\ntwo\u{2028}\u{85}\n123456789\r\n1234567890123\nthree";
        for pieces in [1, 3, 64] {
            let found = lines(text, 10, pieces).await;
            let expected = [
                whole("one"),
                whole(""),
                whole("two\u{2028}\u{85}"),
                whole("123456789"),
                Line::TooLong,
                whole("three"),
            ];
            assert_eq!(found, expected, "in pieces of {pieces}");
        }
        assert_eq!(lines("12345678901", 10, 4).await, [Line::TooLong]);
        assert_eq!(lines("", 10, 4).await, []);
    }
}
