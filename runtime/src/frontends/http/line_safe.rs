//! JSON that others wrote, made safe for every reader of lines as it goes by: U+2028, U+2029 and U+0085 end a line to
//! some, and stand escaped in what goes out.

use bytes::{Bytes, BytesMut};

/// Escapes the Unicode line ends of a stream of JSON. They can stand in its texts alone, where an escape is the same.
#[derive(Debug, Default)]
pub(super) struct LineSafe {
    /// The beginning of what may be one, at the end of what was given last.
    begun: Vec<u8>,
}

/// What may stand at a place.
enum Found {
    Escape(&'static [u8], usize),
    /// More has to come before it is known.
    Begun,
    Nothing,
}

impl LineSafe {
    /// The next piece, as it goes out. What is held back of it, up to two bytes, comes with the one after.
    pub(super) fn push(&mut self, piece: Bytes) -> Bytes {
        if self.begun.is_empty() && memchr::memchr2(0xc2, 0xe2, &piece).is_none() {
            return piece;
        }
        let mut whole = std::mem::take(&mut self.begun);
        whole.extend_from_slice(&piece);
        let mut out = BytesMut::with_capacity(whole.len() + 16);
        let mut from = 0;
        let mut at = 0;
        while let Some(step) = memchr::memchr2(0xc2, 0xe2, &whole[at..]) {
            at += step;
            match found(&whole[at..]) {
                Found::Escape(escape, length) => {
                    out.extend_from_slice(&whole[from..at]);
                    out.extend_from_slice(escape);
                    at += length;
                    from = at;
                }
                Found::Begun => {
                    self.begun = whole.split_off(at);
                    break;
                }
                Found::Nothing => at += 1,
            }
        }
        out.extend_from_slice(&whole[from..]);
        out.freeze()
    }

    /// What is left at the end, which is no line end.
    pub(super) fn finish(&mut self) -> Bytes {
        std::mem::take(&mut self.begun).into()
    }
}

fn found(bytes: &[u8]) -> Found {
    match bytes {
        [0xc2, 0x85, ..] => Found::Escape(b"\\u0085", 2),
        [0xe2, 0x80, 0xa8, ..] => Found::Escape(b"\\u2028", 3),
        [0xe2, 0x80, 0xa9, ..] => Found::Escape(b"\\u2029", 3),
        [0xc2 | 0xe2] | [0xe2, 0x80] => Found::Begun,
        _ => Found::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_escaped_wherever_the_stream_is_cut() {
        let json = "{\"a\":\"x\u{2028}y\u{2029}\u{85}z é € \u{2027} \u{a0}\u{2028}\"}";
        let expected = "{\"a\":\"x\\u2028y\\u2029\\u0085z é € \u{2027} \u{a0}\\u2028\"}";
        for first in 0..=json.len() {
            for second in first..=json.len() {
                let mut safe = LineSafe::default();
                let cut = [&json.as_bytes()[..first], &json.as_bytes()[first..second], &json.as_bytes()[second..]];
                let mut out: Vec<u8> = cut.iter().flat_map(|piece| safe.push(Bytes::copy_from_slice(piece))).collect();
                out.extend_from_slice(&safe.finish());
                assert_eq!(String::from_utf8(out).unwrap(), expected, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn what_ends_within_a_character_is_given_as_it_is() {
        let mut safe = LineSafe::default();
        assert_eq!(safe.push(Bytes::from_static(b"a\xe2\x80")), "a");
        assert_eq!(safe.finish(), &b"\xe2\x80"[..]);
    }
}
