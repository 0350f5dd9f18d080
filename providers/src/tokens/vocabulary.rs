//! The vocabularies of OpenAI's models: exactly how many tokens a text is.
//!
//! A text is first cut into pieces by a pattern, and each piece is then merged, pair by pair, in the order of the vocabulary.
//! `tiktoken-rs` merges. It does not cut: the pattern looks ahead, for which it backtracks, and on long runs of white space it
//! gives up or panics. What that look-ahead says is a rule of one line here (see [`Pieces`]), and the rest is a regular
//! expression of linear time.
//!
//! `*_base.zlib` are OpenAI's published vocabularies `o200k_base` and `cl100k_base` (MIT, © OpenAI), as `tiktoken-rs` has them:
//! the length of each token in a byte, then all tokens, in the order of their ranks, compressed. A test makes them anew.

use std::{io::Read as _, sync::LazyLock};

use flate2::read::ZlibDecoder;
use regex::Regex;
use rustc_hash::FxHashMap;
use tiktoken_rs::{CoreBPE, Rank};

/// A longer piece without any end of a word is counted in slices of this many bytes: merging takes some forty times its length
/// of memory. What that changes is a token or two at each cut.
const LONGEST_PIECE: usize = 1 << 20;
/// What merges is handed whole pieces.
const WHOLE: &str = "(?s:.+)";
const O200K_TOKENS: usize = 199_998;
const CL100K_TOKENS: usize = 100_256;
const O200K_PIECES: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+",
);
const CL100K_PIECES: &str = concat!(
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*",
    r"|\s+$|\s*[\r\n]|\s+",
);

/// A vocabulary of OpenAI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Vocabulary {
    /// Of GPT-4o and all that came after, the reasoning models and `gpt-oss` included.
    O200k,
    /// Of GPT-4 and GPT-3.5, and of the embeddings.
    Cl100k,
}

/// What a text is in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// How many.
    pub tokens: u64,
    /// Whether that is so to the token; false only where a single word is longer than a mebibyte.
    pub exact: bool,
}

impl Vocabulary {
    /// How many tokens a text is. What looks like a special token (`<|endoftext|>`) is text like any other, as the API has it.
    ///
    /// The first call for a vocabulary unpacks it, which takes some 0.2 s; a megabyte of prose takes about 0.1 s, one of a single
    /// letter 1 s. So it is not for an async thread.
    pub fn count(self, text: &str) -> Length {
        let encoder = self.encoder();
        let mut length = Length { tokens: 0, exact: true };
        for piece in (Pieces { pattern: &encoder.pattern, text, at: 0 }) {
            length.exact &= piece.len() <= LONGEST_PIECE;
            for slice in slices(piece) {
                length.tokens += encoder.merger.encode_ordinary(slice).len() as u64;
            }
        }
        length
    }

    fn encoder(self) -> &'static Encoder {
        static O200K: LazyLock<Encoder> =
            LazyLock::new(|| Encoder::new(include_bytes!("o200k_base.zlib"), O200K_TOKENS, O200K_PIECES));
        static CL100K: LazyLock<Encoder> =
            LazyLock::new(|| Encoder::new(include_bytes!("cl100k_base.zlib"), CL100K_TOKENS, CL100K_PIECES));
        match self {
            Self::O200k => &O200K,
            Self::Cl100k => &CL100K,
        }
    }
}

/// Cuts what is too long, between characters.
fn slices(mut piece: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (slice, rest) = piece.split_at(piece.floor_char_boundary(LONGEST_PIECE));
        piece = rest;
        (!slice.is_empty()).then_some(slice)
    })
}

struct Encoder {
    pattern: Regex,
    merger: CoreBPE,
}

impl Encoder {
    fn new(packed: &[u8], count: usize, pattern: &str) -> Self {
        let tokens = unpack(packed, count).into_iter().zip(0..).collect::<FxHashMap<Vec<u8>, Rank>>();
        assert_eq!(tokens.len(), count, "no token is there twice");
        Self {
            pattern: Regex::new(pattern).expect("a constant pattern that the tests use"),
            merger: CoreBPE::new(tokens, FxHashMap::default(), WHOLE).expect("a constant pattern that the tests use"),
        }
    }
}

/// The tokens by their ranks.
fn unpack(packed: &[u8], count: usize) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    ZlibDecoder::new(packed).read_to_end(&mut bytes).expect("what is embedded is whole");
    let (lengths, mut rest) = bytes.split_at(count);
    let token = |length: &u8| {
        let (token, after) = rest.split_at(usize::from(*length));
        rest = after;
        token.to_vec()
    };
    let tokens = lengths.iter().map(token).collect();
    assert!(rest.is_empty(), "the lengths are those of all tokens");
    tokens
}

/// A text in the pieces that are merged each for itself.
struct Pieces<'a> {
    pattern: &'a Regex,
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        // Each character begins a piece of some kind, so that there is one right here.
        let found = self.pattern.find_at(self.text, self.at)?;
        let mut piece = found.as_str();
        // A run of white space leaves its last character to the word that follows. One with an end of line in it does not,
        // and ends there; only such a run ends with one.
        if found.end() < self.text.len() && !piece.ends_with(['\r', '\n']) && piece.trim().is_empty() {
            let last = piece.chars().next_back().map_or(0, char::len_utf8);
            if last < piece.len() {
                piece = &piece[..piece.len() - last];
            }
        }
        self.at += piece.len();
        Some(piece)
    }
}

#[cfg(test)]
#[path = "vocabulary_tests.rs"]
mod tests;
