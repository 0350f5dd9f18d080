//! Keys: parts of text and numbers as bytes that sort as the parts do, and that no byte within a text can confuse.
//!
//! A text ends with `00 01`, and a zero byte within it is written `00 ff`: since `01 < ff`, a text comes before every
//! longer one that begins with it, and no text's end can be found inside another. Numbers are big-endian.

/// What can be a key of a [`Table`](super::Table). The parts of a tuple follow one another, so the key made of the first
/// ones is a prefix of those made of all.
pub trait Key: Sized {
    /// Writes its parts.
    fn write(&self, to: &mut Vec<u8>);
    /// Reads its parts back; `None` if the bytes are not such a key's.
    fn read(from: &mut &[u8]) -> Option<Self>;
}

/// The bytes of a key.
#[cfg(test)]
fn bytes(key: &impl Key) -> Vec<u8> {
    let mut bytes = Vec::new();
    key.write(&mut bytes);
    bytes
}

/// The key of these bytes, all of them.
pub(super) fn parse<K: Key>(mut bytes: &[u8]) -> Option<K> {
    K::read(&mut bytes).filter(|_| bytes.is_empty())
}

/// The end of the range of keys that begin with `prefix`.
pub(super) fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

impl Key for String {
    fn write(&self, to: &mut Vec<u8>) {
        for &byte in self.as_bytes() {
            to.push(byte);
            if byte == 0 {
                to.push(0xff);
            }
        }
        to.extend([0, 1]);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let mut text = Vec::new();
        loop {
            let (&byte, rest) = from.split_first()?;
            *from = rest;
            if byte == 0 {
                let (&next, rest) = from.split_first()?;
                *from = rest;
                match next {
                    1 => return Self::from_utf8(text).ok(),
                    0xff => {}
                    _ => return None,
                }
            }
            text.push(byte);
        }
    }
}

impl Key for u64 {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend(self.to_be_bytes());
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (number, rest) = from.split_first_chunk()?;
        *from = rest;
        Some(Self::from_be_bytes(*number))
    }
}

impl Key for u32 {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend(self.to_be_bytes());
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (number, rest) = from.split_first_chunk()?;
        *from = rest;
        Some(Self::from_be_bytes(*number))
    }
}

impl<A: Key, B: Key> Key for (A, B) {
    fn write(&self, to: &mut Vec<u8>) {
        self.0.write(to);
        self.1.write(to);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some((A::read(from)?, B::read(from)?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// Texts with many of the letters that matter: the first, the second, the last.
    fn text() -> impl Strategy<Value = String> {
        vec(prop_oneof![Just('\0'), Just('\u{1}'), Just('a'), Just('\u{ff}'), any::<char>()], 0..6)
            .prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn keys_sort_as_what_they_are_made_of(one in ((text(), any::<u64>()), text()), other in ((text(), any::<u64>()), text())) {
            prop_assert_eq!(bytes(&one).cmp(&bytes(&other)), one.cmp(&other));
        }

        #[test]
        fn a_key_is_read_back_and_nothing_else_is(one in (text(), (text(), any::<u32>())), cut in 0usize..40) {
            let written = bytes(&one);
            prop_assert_eq!(parse::<(String, (String, u32))>(&written), Some(one));
            let cut = &written[..cut.min(written.len() - 1)];
            prop_assert_eq!(parse::<(String, (String, u32))>(cut), None);
        }

        #[test]
        fn a_first_part_is_the_prefix_of_its_own_keys_alone(name in text(), other in text(), rest in text()) {
            let (prefix, key) = (bytes(&name), bytes(&(other.clone(), rest)));
            let within = prefix <= key && key < end_of(&prefix);
            prop_assert_eq!(within, name == other);
        }
    }

    #[test]
    fn the_end_of_a_range_is_past_every_key_in_it() {
        assert_eq!(end_of(b"ab"), b"ac");
        assert_eq!(end_of(&[1, 0xff, 0xff]), [2]);
    }
}
