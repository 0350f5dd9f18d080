//! What a client with a session of the transport wants to be told of.
#![expect(deprecated, reason = "log messages are of the revisions that clients speak today")]

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rmcp::{ErrorData, RoleServer, model::LoggingLevel, service::Peer};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    changes::{Tell, Watched},
    wrong,
};

/// Most addresses that one client is subscribed to: each keeps a session in memory.
pub(super) const MOST: usize = 64;

/// The wishes of one session of the transport, and what fulfils them; all of it ends with the session.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    level: Mutex<Option<LoggingLevel>>,
    addresses: Mutex<HashMap<String, AbortOnDropHandle<()>>>,
    lists: Mutex<Vec<AbortOnDropHandle<()>>>,
}

impl Wishes {
    /// The least level of log messages, if any are wanted.
    pub(super) fn level(&self) -> Option<LoggingLevel> {
        *locked(&self.level)
    }

    pub(super) fn set_level(&self, least: LoggingLevel) {
        *locked(&self.level) = Some(least);
    }

    /// Has changes of lists told until `ends`.
    pub(super) fn lists(&self, lists: [Watched; 2], peer: &Peer<RoleServer>, ends: &CancellationToken) {
        *locked(&self.lists) = lists.map(|list| told(list, peer, ends)).into();
    }

    /// Has changes of what is at an address told until `ends`.
    ///
    /// # Errors
    /// There are too many already.
    pub(super) fn subscribe(
        &self,
        uri: String,
        resource: Watched,
        peer: &Peer<RoleServer>,
        ends: &CancellationToken,
    ) -> Result<(), ErrorData> {
        let mut addresses = locked(&self.addresses);
        addresses.retain(|_, told| !told.is_finished());
        if addresses.len() >= MOST && !addresses.contains_key(&uri) {
            return Err(wrong(format!("there are {MOST} subscriptions already"), "unsubscribe from one of them"));
        }
        addresses.insert(uri, told(resource, peer, ends));
        Ok(())
    }

    pub(super) fn unsubscribe(&self, uri: &str) {
        locked(&self.addresses).remove(uri);
    }
}

fn told(watched: Watched, to: &(impl Tell + Clone + Sync), ends: &CancellationToken) -> AbortOnDropHandle<()> {
    let (to, ends) = (to.clone(), ends.clone());
    AbortOnDropHandle::new(tokio::spawn(async move {
        ends.run_until_cancelled_owned(watched.tell(to)).await;
    }))
}

fn locked<T>(wish: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked there left a whole value behind.
    wish.lock().unwrap_or_else(PoisonError::into_inner)
}
