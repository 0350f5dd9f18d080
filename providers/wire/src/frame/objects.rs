//! The objects of a JSON array that comes in pieces, incrementally: bytes in at any cut, objects out.
//!
//! What stands between objects (brackets, commas, white space) is passed over; anything else there is a frame of its own,
//! which is no JSON object, for the reader to refuse. A single object without an array around it is read as well.

use super::sse::{FrameError, MAX_FRAME};

/// Cuts a byte stream into the objects at its top.
///
/// Time is linear in the bytes pushed, however they are cut.
#[derive(Debug, Default)]
pub struct ObjectFramer {
    buffer: Vec<u8>,
    /// Where the object being read starts; what is before was handed out.
    start: usize,
    /// Up to where it was looked at.
    searched: usize,
    /// How many braces and brackets of it are open.
    depth: usize,
    /// The last byte looked at stands in a string.
    in_string: bool,
    /// That byte is a backslash which escapes the next.
    escaped: bool,
    ended: bool,
    broken: bool,
}

impl ObjectFramer {
    /// A framer at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes. Take the objects with [`next_object`](Self::next_object) after each push, since what was
    /// handed out is thrown away at the next one.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken || self.ended {
            return;
        }
        // What is moved here came with the last push, since an object was handed out after it began: linear in all.
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The stream has ended: what is left of an object becomes its last frame.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// The next object.
    ///
    /// # Errors
    ///
    /// The object is not UTF-8, or larger than [`MAX_FRAME`]. After the former the next one can be taken.
    pub fn next_object(&mut self) -> Option<Result<&str, FrameError>> {
        if self.broken {
            return None;
        }
        let end = self.search().or_else(|| (self.ended && self.start < self.buffer.len()).then_some(self.buffer.len()));
        if end.unwrap_or(self.searched) - self.start > MAX_FRAME {
            self.broken = true;
            return Some(Err(FrameError::TooLarge));
        }
        let start = std::mem::replace(&mut self.start, end?);
        self.searched = self.start;
        (self.depth, self.in_string, self.escaped) = (0, false, false);
        Some(str::from_utf8(&self.buffer[start..self.start]).map_err(|_| FrameError::Utf8))
    }

    /// Where the object being read ends, if all of it is there.
    fn search(&mut self) -> Option<usize> {
        if self.depth == 0 {
            let is_between = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'[' | b']' | b',');
            let between = self.buffer[self.start..].iter().take_while(|byte| is_between(byte)).count();
            self.start += between;
            self.searched = self.searched.max(self.start);
            match self.buffer.get(self.start)? {
                b'{' => {}
                // Nothing that can be read: all that there is, so that no cut changes what comes of it.
                _ => {
                    self.searched = self.buffer.len();
                    return None;
                }
            }
        }
        while let Some(byte) = self.buffer.get(self.searched) {
            self.searched += 1;
            match byte {
                _ if std::mem::take(&mut self.escaped) => {}
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(self.searched);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(pieces: &[&[u8]]) -> Vec<Result<String, FrameError>> {
        let (mut framer, mut out) = (ObjectFramer::new(), Vec::new());
        let mut take = |framer: &mut ObjectFramer| {
            while let Some(object) = framer.next_object() {
                out.push(object.map(str::to_owned));
            }
        };
        for piece in pieces {
            framer.push(piece);
            take(&mut framer);
        }
        framer.end();
        take(&mut framer);
        out
    }

    #[test]
    fn objects_are_found_at_every_cut() {
        let body = "[{\"a\": \"}]\\\"{\\\\\"}\n,\r\n{\"b\": [{}, [1]], \"é\": \"\\\\\"}\n]\n";
        let want = ["{\"a\": \"}]\\\"{\\\\\"}", "{\"b\": [{}, [1]], \"é\": \"\\\\\"}"].map(|text| Ok(text.to_owned()));
        assert_eq!(objects(&[body.as_bytes()]), want);
        for at in 0..body.len() {
            let (one, two) = body.as_bytes().split_at(at);
            assert_eq!(objects(&[one, two]), want, "cut at {at}");
        }
        assert_eq!(objects(&body.as_bytes().chunks(1).collect::<Vec<_>>()), want);
    }

    #[test]
    fn what_is_left_comes_at_the_end() {
        assert_eq!(objects(&[b"[{\"a\":1},{\"b\""]), [Ok("{\"a\":1}".to_owned()), Ok("{\"b\"".to_owned())]);
        assert_eq!(objects(&[b"[7]"]), [Ok("7]".to_owned())]);
        assert_eq!(objects(&[b"[7", b"]"]), [Ok("7]".to_owned())]);
        assert_eq!(objects(&[b" []\n"]), []);
        assert_eq!(objects(&[b"[{\"a\":\"\xff\"},{}]"]), [Err(FrameError::Utf8), Ok("{}".to_owned())]);
    }

    #[test]
    fn memory_is_bounded() {
        for lead in [&b"[{\"a\":\""[..], b"[x"] {
            let mut framer = ObjectFramer::new();
            framer.push(lead);
            let piece = vec![b'x'; 1 << 20];
            let error = (0..20).find_map(|_| {
                framer.push(&piece);
                framer.next_object().map(|object| object.map(str::len))
            });
            assert_eq!(error, Some(Err(FrameError::TooLarge)));
        }
    }
}
