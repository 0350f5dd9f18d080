//! Writing JSON without building it first.
//!
//! What is written never holds U+2028, U+2029 or U+0085 in the clear: they are legal in JSON, but clients that split a
//! stream at Unicode line ends would cut an event in two there.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

/// What a byte wants when it stands in a JSON string: 0 nothing, `M` a look at the bytes after it, else its escape.
const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        class[byte] = b'u';
        byte += 1;
    }
    class[b'"' as usize] = b'"';
    class[b'\\' as usize] = b'\\';
    class[b'\n' as usize] = b'n';
    class[b'\r' as usize] = b'r';
    class[b'\t' as usize] = b't';
    class[0x08] = b'b';
    class[0x0c] = b'f';
    class[0xc2] = b'M';
    class[0xe2] = b'M';
    class
};

/// Appends `text` escaped, without the quotes around it.
pub(crate) fn put_escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let (mut from, mut at) = (0, 0);
    while at < bytes.len() {
        let class = CLASS[bytes[at] as usize];
        if class == 0 {
            at += 1;
            continue;
        }
        let mut unicode = [0; 6];
        let (escape, width): (&[u8], usize) = match class {
            b'M' => match line_end(&bytes[at..]) {
                Some(found) => found,
                None => {
                    at += 1;
                    continue;
                }
            },
            b'u' => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let byte = bytes[at] as usize;
                unicode = [b'\\', b'u', b'0', b'0', HEX[byte >> 4], HEX[byte & 15]];
                (&unicode, 1)
            }
            short => {
                unicode[..2].copy_from_slice(&[b'\\', short]);
                (&unicode[..2], 1)
            }
        };
        out.extend_from_slice(&bytes[from..at]);
        out.extend_from_slice(escape);
        at += width;
        from = at;
    }
    out.extend_from_slice(&bytes[from..]);
}

/// The escape and the width of the Unicode line end that stands first, if one does.
fn line_end(bytes: &[u8]) -> Option<(&'static [u8], usize)> {
    match bytes {
        [0xc2, 0x85, ..] => Some((b"\\u0085", 2)),
        [0xe2, 0x80, 0xa8, ..] => Some((b"\\u2028", 3)),
        [0xe2, 0x80, 0xa9, ..] => Some((b"\\u2029", 3)),
        _ => None,
    }
}

/// Appends `text` as a JSON string.
pub(crate) fn put_str(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    put_escaped(out, text);
    out.push(b'"');
}

/// Appends any value as JSON, on one line for every reader of lines.
///
/// # Panics
/// It has keys that are no strings, or refuses to be written.
pub fn put_value<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    value
        .serialize(&mut Serializer::with_formatter(out, LineSafe))
        .expect("writing to memory does not fail, and what is written here has string keys and no failing Serialize");
}

/// Appends `,"key":` or `"key":`, the comma unless an object has just been opened.
pub(crate) fn put_key(out: &mut Vec<u8>, key: &str) {
    if !matches!(out.last(), Some(b'{')) {
        out.push(b',');
    }
    put_str(out, key);
    out.push(b':');
}

/// Appends the comma before an array's next element, unless the array has just been opened.
pub(crate) fn put_comma(out: &mut Vec<u8>) {
    if !matches!(out.last(), Some(b'[')) {
        out.push(b',');
    }
}

/// Compact JSON with the Unicode line ends escaped.
struct LineSafe;

impl Formatter for LineSafe {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let bytes = fragment.as_bytes();
        let (mut from, mut at) = (0, 0);
        while let Some(step) = memchr::memchr2(0xc2, 0xe2, &bytes[at..]) {
            at += step;
            let Some((escape, width)) = line_end(&bytes[at..]) else {
                at += 1;
                continue;
            };
            writer.write_all(&bytes[from..at])?;
            writer.write_all(escape)?;
            at += width;
            from = at;
        }
        CompactFormatter.write_string_fragment(writer, &fragment[from..])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn line_ends_are_escaped_everywhere() {
        let text = "a\u{2028}b\u{2029}c\u{85}d\n\r\t\u{1}\u{7f}\"\\é€";
        let mut by_hand = Vec::new();
        put_str(&mut by_hand, text);
        let mut by_serde = Vec::new();
        put_value(&mut by_serde, &text);
        let want = "\"a\\u2028b\\u2029c\\u0085d\\n\\r\\t\\u0001\u{7f}\\\"\\\\é€\"";
        assert_eq!(String::from_utf8(by_hand).unwrap(), want);
        assert_eq!(String::from_utf8(by_serde).unwrap(), want);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(text in any::<String>(), more in "[\u{80}-\u{90}\u{2020}-\u{2030}\\\\\"\n]{0,12}") {
            let text = text + &more;
            let mut out = Vec::new();
            put_str(&mut out, &text);
            let unsafe_lines = ['\u{85}', '\u{2028}', '\u{2029}', '\n', '\r'];
            let safe = !std::str::from_utf8(&out).unwrap().contains(unsafe_lines);
            prop_assert!(safe);
            prop_assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), Value::String(text));
        }
    }
}
