//! A key from standard input: hidden on a terminal, never an argument, which other users see.

use std::io::{self, IsTerminal as _, Read as _};

use greenroom::CredentialsError;
use secrecy::{SecretString, zeroize::Zeroizing};

use crate::cli::Failure;

/// No key is longer, in bytes; a pipe that never ends must not fill the memory.
const LONGEST: usize = 64 << 10;

/// Reads the key for this; `None` if Ctrl-C was pressed in place of it. Somebody has to listen for that: where it ended
/// the program at once, the terminal would stay as it is for what is not to be shown.
pub(super) fn read(provider: &str) -> Result<Option<SecretString>, Failure> {
    let failed = |error: io::Error| {
        Failure::failed(format!("can't read the key: {error}"), "pipe it in, or type it at a terminal")
    };
    if io::stdin().is_terminal() {
        return match rpassword::prompt_password(format!("Key for {provider} (is not shown): ")) {
            Ok(typed) => Ok(Some(SecretString::from(typed))),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(error) => Err(failed(error)),
        };
    }
    // With room for all from the start, no piece of it is left behind by growing.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    io::stdin().lock().take(LONGEST as u64).read_to_end(&mut bytes).map_err(failed)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| CredentialsError::BadKey)?;
    Ok(Some(SecretString::from(text)))
}
