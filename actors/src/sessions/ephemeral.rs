//! Sessions that are gone with their last user.

use std::sync::Arc;

use super::{live::Live, sweep};

/// A session in memory alone, as long as somebody has it.
pub(super) struct Ephemeral {
    pub(super) live: Arc<Live>,
    pub(super) id: Arc<str>,
}

impl Drop for Ephemeral {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (live, id) = (Arc::clone(&self.live), Arc::clone(&self.id));
        runtime.spawn(async move {
            if let Ok(core) = live.get(&id).await
                && live.remove(&core).await.is_ok()
            {
                let log = core.with_record(|record| record.log.clone());
                // In memory it can't fail but with the process.
                let _kept = sweep::sweep_log(&live, &log).await;
            }
        });
    }
}
