//! Tokens of clients: `gr_`, a public part by which a client is found, and a secret of 256 bits.

use aws_lc_rs::digest::{SHA256, digest};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use subtle::ConstantTimeEq as _;

/// By which people, and programs that look for leaked secrets, see what it is.
const PREFIX: &str = "gr_";
/// Bytes of the public part, which only has to differ from that of others.
const ID: usize = 6;
/// Bytes of the secret part.
const SECRET: usize = 32;
/// Bytes of a SHA-256.
const DIGEST: usize = 32;

/// The SHA-256 of a whole token. Against a secret of 256 random bits nothing slower is needed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Digest([u8; DIGEST]);

impl Digest {
    fn of(token: &[u8]) -> Self {
        let mut bytes = [0; DIGEST];
        bytes.copy_from_slice(digest(&SHA256, token).as_ref());
        Self(bytes)
    }

    /// Whether it is that of this token, in a time that says nothing of how far they agree.
    pub(super) fn is_of(&self, token: &[u8]) -> bool {
        self.0.ct_eq(&Self::of(token).0).into()
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest(hidden)")
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        unhex(&text).map(Self).ok_or_else(|| D::Error::custom("a digest is 64 hexadecimal digits"))
    }
}

/// A new token with its public part and its digest.
pub(super) fn make() -> (SecretString, String, Digest) {
    let id = hex(&rand::random::<[u8; ID]>());
    let token: SecretString = format!("{PREFIX}{id}_{}", hex(&rand::random::<[u8; SECRET]>())).into();
    let digest = Digest::of(token.expose_secret().as_bytes());
    (token, id, digest)
}

/// The public part of what was shown as a token, if it has one.
pub(super) fn id(shown: &[u8]) -> Option<&str> {
    let (id, secret) = shown.strip_prefix(PREFIX.as_bytes())?.split_at_checked(2 * ID)?;
    secret.starts_with(b"_").then(|| std::str::from_utf8(id).ok())?
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a String never fails");
    }
    text
}

fn unhex(text: &str) -> Option<[u8; DIGEST]> {
    let mut bytes = [0; DIGEST];
    let mut digits =
        text.bytes().map(|digit| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
    for byte in &mut bytes {
        *byte = (digits.next()?? << 4) | digits.next()??;
    }
    digits.next().is_none().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_digest_alone() {
        let (token, public, digest) = make();
        let text = token.expose_secret().as_bytes();
        assert_eq!(text.len(), 3 + 12 + 1 + 64);
        assert_eq!(id(text), Some(public.as_str()));
        assert!(digest.is_of(text));
        for at in [0, 5, 20, text.len() - 1] {
            let mut other = text.to_vec();
            other[at] ^= 1;
            assert!(!digest.is_of(&other));
        }
        assert!(!digest.is_of(&text[..text.len() - 1]) && !digest.is_of(b""));
        assert_ne!(make().1, public);
    }

    #[test]
    fn a_digest_is_read_back_and_shown_to_nobody() {
        let digest = Digest::of(b"abc");
        let json = serde_json::to_string(&digest).unwrap();
        // FIPS 180-2, appendix B.1.
        assert_eq!(json, "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"");
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
        assert!(!format!("{digest:?}").contains("ba78"));
        for bad in ["\"\"", "\"ba78\"", &json.replace('b', "g"), &json.replace("ad\"", "ad0\"")] {
            serde_json::from_str::<Digest>(bad).unwrap_err();
        }
    }

    #[test]
    fn what_is_no_token_has_no_public_part() {
        for bad in ["", "gr_", "gr_0123456789ab", "gr_0123456789abX0", "sk-0123456789ab_00"] {
            assert_eq!(id(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(id(b"gr_\xff123456789ab_0"), None);
    }
}
