//! Files with keys in them, as Google gives them out.

use secrecy::SecretString;
use url::Url;

use super::{TokenError, TokenErrorKind, fields::Fields};

/// Most bytes of one.
pub(crate) const MOST_BYTES: u64 = 64 * 1024;

/// The fields of such a file.
///
/// # Errors
/// `Config`: it is no JSON object.
pub(crate) fn parse(json: &[u8]) -> Result<Fields, TokenError> {
    // What is wrong with it is not told: that would quote it.
    let fields = serde_json::from_slice(json).map(Fields::new);
    fields.map_err(|_| bad("it is not a JSON object"))
}

/// A field that must be there.
///
/// # Errors
/// `Config`, naming it.
pub(crate) fn field<'a>(fields: &'a Fields, name: &str) -> Result<&'a str, TokenError> {
    fields.text(name).ok_or_else(|| bad(&format!("{name} is missing or not a text")))
}

/// A secret that must be there.
///
/// # Errors
/// `Config`, naming it.
pub(crate) fn secret(fields: &Fields, name: &str) -> Result<SecretString, TokenError> {
    field(fields, name).map(Into::into)
}

/// An address, or what stands for it if there is none.
///
/// # Errors
/// `Config`: what is there is no address.
pub(crate) fn address(fields: &Fields, name: &str, otherwise: &str) -> Result<Url, TokenError> {
    let text = fields.text(name).unwrap_or(otherwise);
    text.parse().map_err(|_| bad(&format!("{name} is not an address")))
}

/// A file that can't be used.
pub(crate) fn bad(why: &str) -> TokenError {
    TokenError::new(TokenErrorKind::Config, format!("the file with the credentials can't be used: {why}"))
        .with_hint("get the file anew from where it was made")
}
