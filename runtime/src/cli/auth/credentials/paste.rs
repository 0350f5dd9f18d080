//! Lines that a person pastes while something else goes on.

use std::io::{self, BufRead as _};

use secrecy::SecretString;
use tokio::sync::mpsc;

/// Lines that are typed, as they come; none at all unless they are `wanted`. The thread that reads them ends with the
/// program: nothing else can end a read of a terminal.
pub(super) fn lines(wanted: bool) -> mpsc::Receiver<SecretString> {
    let (tell, lines) = mpsc::channel(1);
    if wanted {
        std::thread::spawn(move || {
            for line in io::stdin().lock().lines() {
                let Ok(line) = line else { return };
                if !line.trim().is_empty() && tell.blocking_send(line.into()).is_err() {
                    return;
                }
            }
        });
    }
    lines
}
