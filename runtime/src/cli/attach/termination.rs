//! Being told to end while one holds.

use std::sync::OnceLock;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::cli::signals::{exit, terminated};

/// SIGTERM, for as long as the program runs once it has held: what it holds ends in order before it does.
#[derive(Debug, Default)]
pub(super) struct Termination {
    listening: OnceLock<()>,
    told: CancellationToken,
    holdings: TaskTracker,
}

impl Termination {
    /// Where somebody else listens, and ends what is held.
    pub(super) fn left_to_others() -> Self {
        Self { listening: OnceLock::from(()), ..Self::default() }
    }

    /// Listens from here on. A signal that is listened for ends nothing by itself any more, so this never stops.
    pub(super) fn listen(&self) {
        self.listening.get_or_init(|| {
            let (told, holdings) = (self.told.clone(), self.holdings.clone());
            tokio::spawn(async move {
                let number = terminated().await;
                told.cancel();
                holdings.close();
                holdings.wait().await;
                exit(128 + number);
            });
        });
    }

    /// Cancelled once the program is to end.
    pub(super) fn told(&self) -> CancellationToken {
        self.told.clone()
    }

    /// Counts what has to end before the program does.
    pub(super) fn holdings(&self) -> &TaskTracker {
        &self.holdings
    }
}
