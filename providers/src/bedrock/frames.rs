//! The lengths of frames: the SDK keeps what has come of one until it is whole, and has no bound of its own.

use greenroom_wire::{ChatError, ErrorKind};

/// The largest frame that is read: AWS's own bounds of a payload and of headers.
const LARGEST: u32 = 16 * 1024 * 1024 + 128 * 1024;
/// Lengths, two checksums, and nothing else.
const SMALLEST: u32 = 16;
/// The two lengths that a frame begins with: its own, and that of its headers.
const LENGTHS: usize = 8;

/// Watches a stream of frames go by, cut anyhow.
#[derive(Debug, Default)]
pub(super) struct Frames {
    lengths: Vec<u8>,
    /// What is to come of the frame, once its lengths were read.
    left: usize,
}

impl Frames {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// A frame that can't be one (`Protocol`), and how many of the bytes are of those before it.
    pub(super) fn take(&mut self, all: &[u8]) -> Result<(), (usize, ChatError)> {
        let mut bytes = all;
        while !bytes.is_empty() {
            if self.left > 0 {
                let passed = self.left.min(bytes.len());
                self.left -= passed;
                bytes = &bytes[passed..];
                continue;
            }
            let before = all.len() - bytes.len();
            let (more, rest) = bytes.split_at(bytes.len().min(LENGTHS - self.lengths.len()));
            self.lengths.extend_from_slice(more);
            bytes = rest;
            if self.lengths.len() == LENGTHS {
                self.begin().map_err(|error| (before, error))?;
            }
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), ChatError> {
        let number = |at: usize| self.lengths[at..at + 4].iter().fold(0, |all: u32, byte| all << 8 | u32::from(*byte));
        let (whole, headers) = (number(0), number(4));
        if !(SMALLEST..=LARGEST).contains(&whole) || headers > whole - SMALLEST {
            return Err(ChatError::new(ErrorKind::Protocol, "the provider sent a frame of an impossible length"));
        }
        self.left = whole as usize - LENGTHS;
        self.lengths.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(whole: u32, headers: u32) -> Vec<u8> {
        let mut bytes = [whole.to_be_bytes(), headers.to_be_bytes()].concat();
        bytes.resize((whole as usize).clamp(LENGTHS, 100), 7);
        bytes
    }

    #[test]
    fn frames_are_told_apart_however_they_are_cut() {
        let stream = [frame(16, 0), frame(40, 24), frame(17, 1)].concat();
        for length in 1..=stream.len() {
            let mut frames = Frames::default();
            for piece in stream.chunks(length) {
                frames.take(piece).unwrap();
            }
            assert_eq!((frames.left, frames.lengths.len()), (0, 0));
        }
    }

    #[test]
    fn a_length_that_can_not_be_is_known_before_anything_is_kept() {
        for (whole, headers) in [(1 << 30, 0), (LARGEST + 1, 0), (15, 0), (0, 0), (40, 25), (40, u32::MAX)] {
            let mut frames = Frames::default();
            let (before, error) = frames.take(&[frame(16, 0), frame(whole, headers)].concat()).unwrap_err();
            assert_eq!((before, error.kind), (16, ErrorKind::Protocol), "{whole} {headers}");
        }
        assert!(Frames::default().take(&frame(LARGEST, 0)).is_ok());
    }
}
