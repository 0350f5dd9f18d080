//! A key from standard input: hidden on a terminal, never an argument, which other users see.

use std::io::{self, IsTerminal as _, Read as _};

use secrecy::{SecretString, zeroize::Zeroize as _};

use crate::cli::Failure;

/// No key is longer, in bytes; a pipe that never ends must not fill the memory.
const LONGEST: u64 = 64 << 10;

/// Reads the key for this.
pub(super) fn read(provider: &str) -> Result<SecretString, Failure> {
    let failed = |error: io::Error| {
        Failure::failed(format!("can't read the key: {error}"), "pipe it in, or type it at a terminal")
    };
    if io::stdin().is_terminal() {
        let typed = rpassword::prompt_password(format!("Key for {provider} (is not shown): ")).map_err(failed)?;
        return Ok(SecretString::from(typed));
    }
    let mut text = String::new();
    let read = io::stdin().lock().take(LONGEST).read_to_string(&mut text);
    if let Err(error) = read {
        text.zeroize();
        return Err(failed(error));
    }
    Ok(SecretString::from(text))
}
