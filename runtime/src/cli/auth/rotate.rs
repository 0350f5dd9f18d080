//! `greenroom auth token --rotate`.

use std::time::{Duration, Instant};

use secrecy::SecretString;

use crate::cli::{
    Failure,
    context::{Context, block_on},
    daemon::Daemon,
    data_dir::unusable,
    lock::{self, Lock},
    token::{renew, token},
};

/// How long a daemon may take until it can be asked, and the pause between two looks.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

/// Puts a new token in the place of the owner's. A daemon does it itself, so that it goes by the new one at once.
pub(super) fn rotate(context: &Context) -> Result<SecretString, Failure> {
    let dir = context.data_dir()?;
    let asked = block_on(1, async {
        let begun = Instant::now();
        while lock::is_held(dir.path()) {
            if let Some(daemon) = Daemon::find(context).await?
                && daemon.rotate_token().await?
            {
                return Ok(true);
            }
            if begun.elapsed() > PATIENCE {
                let what = format!("a daemon has {} and can't be asked for a new token", dir.path().display());
                return Err(Failure::failed(what, "wait until it has started, or stop it, and try again"));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(false)
    })?;
    if asked {
        return token(&dir);
    }
    // A daemon that started meanwhile would go on with the old one.
    let _none_starts = Lock::take(&dir)?;
    renew(dir.path()).map_err(|error| unusable(dir.path(), &error))
}
