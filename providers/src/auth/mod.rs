//! How a profile gets its tokens, and new ones when they are over.
//!
//! What changes (the tokens of a login, who refreshes them) belongs to the actor that owns the profile; here is only how
//! they are asked for. Nothing here retries: a failure says by its kind whether that can help, and the caller decides.
//! Nothing reads the environment or knows where this machine keeps what: paths and addresses are arguments.

mod error;
mod source;
mod tokens;

pub use error::{TokenError, TokenErrorKind};
pub use source::TokenSource;
pub use tokens::Tokens;
