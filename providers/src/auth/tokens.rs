//! The tokens of a profile.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::AccessToken;

/// What an endpoint gave. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// What requests are sent with.
    pub access: SecretString,
    /// What new tokens are asked for with.
    pub refresh: Option<SecretString>,
    /// When `access` is over; not known if `None`.
    pub expires_at: Option<SystemTime>,
    /// When to ask for new ones, where the provider says so itself.
    pub refresh_at: Option<SystemTime>,
    /// What was granted, as far as the endpoint says.
    pub scopes: Vec<String>,
    /// The account, where the provider wants it named with each request.
    pub account: Option<String>,
    /// The address that they are good for, in place of the configured one.
    pub base: Option<Url>,
}

/// The form in which they are kept, sealed by whoever keeps them. Times are milliseconds since 1970.
#[derive(Serialize)]
struct Written<'a> {
    access: &'a str,
    refresh: Option<&'a str>,
    expires_at: Option<u64>,
    refresh_at: Option<u64>,
    scopes: &'a [String],
    account: Option<&'a str>,
    base: Option<&'a str>,
}

/// The same, read. What a later version may leave out is optional.
#[derive(Deserialize)]
struct Read {
    access: String,
    refresh: Option<String>,
    expires_at: Option<u64>,
    refresh_at: Option<u64>,
    #[serde(default)]
    scopes: Vec<String>,
    account: Option<String>,
    base: Option<Url>,
}

impl Tokens {
    /// Tokens of which only the access token is known.
    pub fn of(access: SecretString) -> Self {
        Self {
            access,
            refresh: None,
            expires_at: None,
            refresh_at: None,
            scopes: Vec::new(),
            account: None,
            base: None,
        }
    }

    /// All of it, for sealing and for nothing else: the secrets are in the clear.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let written = Written {
            access: self.access.expose_secret(),
            refresh: self.refresh.as_ref().map(|refresh| refresh.expose_secret()),
            expires_at: self.expires_at.map(millis),
            refresh_at: self.refresh_at.map(millis),
            scopes: &self.scopes,
            account: self.account.as_deref(),
            base: self.base.as_ref().map(Url::as_str),
        };
        // With room for the secrets from the start: a buffer that grows leaves copies of them behind.
        let length = written.access.len() + written.refresh.map_or(0, str::len);
        let mut bytes = Zeroizing::new(Vec::with_capacity(2 * length + 4096));
        serde_json::to_writer(&mut *bytes, &written).expect("text, numbers and a vector can be written to memory");
        bytes
    }

    /// What [`to_bytes`](Self::to_bytes) gave; `None` if these bytes are not that.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let read: Read = serde_json::from_slice(bytes).ok()?;
        Some(Self {
            access: read.access.into(),
            refresh: read.refresh.map(Into::into),
            expires_at: read.expires_at.and_then(time),
            refresh_at: read.refresh_at.and_then(time),
            scopes: read.scopes,
            account: read.account,
            base: read.base,
        })
    }

    /// What requests are sent with.
    pub fn access_token(&self) -> AccessToken {
        AccessToken { token: self.access.clone(), account: self.account.clone(), base: self.base.clone() }
    }
}

/// A time before 1970 is as much in the past as 1970 is.
fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn time(millis: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_debug_shows_a_secret() {
        let tokens = Tokens { refresh: Some("sentinel-refresh".into()), ..Tokens::of("sentinel-access".into()) };
        let shown = format!("{tokens:?} {:?}", tokens.access_token());
        assert!(!shown.contains("sentinel"), "{shown}");
    }

    #[test]
    fn what_is_not_tokens_is_not_read_as_such() {
        for bytes in ["", "{}", "null", "[]", r#"{"access": 5}"#, r#"{"access": "a", "base": "nowhere"}"#] {
            assert!(Tokens::from_bytes(bytes.as_bytes()).is_none(), "{bytes}");
        }
        let later = r#"{"access": "a", "new": {"of": "a later version"}}"#;
        assert!(Tokens::from_bytes(later.as_bytes()).is_some());
    }

    fn a_time() -> impl Strategy<Value = Option<SystemTime>> {
        proptest::option::of((0..u64::from(u32::MAX) * 1000).prop_map(|at| UNIX_EPOCH + Duration::from_millis(at)))
    }

    proptest! {
        #[test]
        fn tokens_are_the_same_after_they_were_kept(
            access in ".*", refresh in proptest::option::of(".*"), account in proptest::option::of(".*"),
            scopes in proptest::collection::vec(".*", 0..4), expires_at in a_time(), refresh_at in a_time(),
            base in proptest::option::of("[a-z]{1,9}"),
        ) {
            let base = base.map(|name| format!("https://{name}.example/v1").parse::<Url>().unwrap());
            let refresh = refresh.map(SecretString::from);
            let before = Tokens { access: access.into(), refresh, expires_at, refresh_at, scopes, account, base };
            let after = Tokens::from_bytes(&before.to_bytes()).unwrap();
            let secret = |secret: &SecretString| secret.expose_secret().to_owned();
            prop_assert_eq!(secret(&after.access), secret(&before.access));
            prop_assert_eq!(after.refresh.as_ref().map(secret), before.refresh.as_ref().map(secret));
            prop_assert_eq!((after.expires_at, after.refresh_at), (before.expires_at, before.refresh_at));
            prop_assert_eq!((after.scopes, after.account, after.base), (before.scopes, before.account, before.base));
        }
    }
}
