//! What lets in to providers and lies outside of the configuration: the system's keyring, and the key that seals what lies
//! in the data directory.

mod key_file;
mod keyring;
mod lookup;
mod sealing_key;

pub use key_file::FileError;
pub use keyring::{Keyring, KeyringError, KeyringErrorKind};
pub use lookup::look_up;
pub use sealing_key::{KeyArgs, KeyPlace, SealingKey, SealingKeyError, sealing_key};
