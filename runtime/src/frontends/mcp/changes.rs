//! What a client is told without having asked just then: that a list is another, and that what it subscribed to has changed.
//!
//! Everything is pulled: of each thing that is watched there is one notice under way at most, and what changes meanwhile is
//! one more, however much it is.

use std::{future::Future, time::Duration};

use futures::FutureExt as _;
use rmcp::{
    ErrorData, RoleServer,
    model::ResourceUpdatedNotificationParam,
    service::{Peer, SubscriptionSink},
};
use tokio::sync::watch;

use super::{
    added::Added,
    resources::{self, Place},
    tools,
};
use crate::{ReadFrom, Reader, Runtime, event::EventBody, frontends::http::Who, sessions::ListChanges};

/// The least time between two notices of the same, so that an answer that is being made is none per token.
const PAUSE: Duration = Duration::from_millis(250);

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Tools,
    Resources,
    /// What is at this address.
    Resource(String),
}

/// Something that changes.
pub(super) struct Watched {
    change: Change,
    by: By,
}

/// What tells that it does.
enum By {
    /// Other settings, and only if other tools follow from them.
    Tools {
        changes: watch::Receiver<()>,
        runtime: Box<Runtime>,
        names: Vec<&'static str>,
    },
    Sessions(ListChanges),
    Session(Box<Reader>),
    Told(watch::Receiver<()>),
    Nothing,
}

#[derive(Debug, PartialEq, Eq)]
enum Next {
    Changed,
    /// It is gone, which is its last change.
    Gone,
    /// It changes no more.
    Over,
}

/// Whoever is told of changes.
pub(super) trait Tell: Send + 'static {
    /// Whether it is there and takes the notice.
    fn tell(&self, change: &Change) -> impl Future<Output = bool> + Send;
}

impl Watched {
    pub(super) fn tools(runtime: &Runtime) -> Self {
        let changes = runtime.settings_changes();
        let by = By::Tools { changes, names: names(runtime), runtime: Box::new(runtime.clone()) };
        Self { change: Change::Tools, by }
    }

    /// The list of resources, as this client sees it.
    pub(super) fn list(runtime: &Runtime, who: &Who) -> Self {
        let changes = runtime.sessions().of(who.access()).changes();
        // Where there can't be any sessions, none comes.
        Self { change: Change::Resources, by: changes.map_or(By::Nothing, By::Sessions) }
    }

    /// What is at an address, from now on.
    ///
    /// # Errors
    /// There is nothing there that this client may see.
    pub(super) async fn resource(runtime: &Runtime, added: &Added, who: &Who, uri: &str) -> Result<Self, ErrorData> {
        let by = match resources::place(uri) {
            Some(Place::Models) => By::Told(runtime.settings_changes()),
            Some(Place::Session { id, .. }) => {
                let gone = |error| resources::of_session(&id, error);
                let session = runtime.sessions().of(who.access()).open(&id).await.map_err(gone)?;
                let cursor = Some(session.end().await.map_err(gone)?);
                By::Session(Box::new(session.reader(ReadFrom { cursor, truncate: true }).await.map_err(gone)?))
            }
            None => By::Told(added.changes(uri).ok_or_else(|| resources::nothing(uri))?),
        };
        Ok(Self { change: Change::Resource(uri.to_owned()), by })
    }

    /// Waits until it has changed, since the last time or since it was made.
    async fn next(&mut self) -> Next {
        let told = |changed: Result<(), _>| if changed.is_ok() { Next::Changed } else { Next::Over };
        match &mut self.by {
            By::Tools { changes, runtime, names: before } => loop {
                if changes.changed().await.is_err() {
                    return Next::Over;
                }
                let now = names(runtime);
                if std::mem::replace(before, now.clone()) != now {
                    return Next::Changed;
                }
            },
            By::Sessions(changes) => match changes.next().await {
                true => Next::Changed,
                false => Next::Over,
            },
            By::Session(reader) => next_event(reader).await,
            By::Told(changes) => told(changes.changed().await),
            By::Nothing => Next::Over,
        }
    }

    /// Tells of its changes, until there are no more or nobody is there to be told.
    pub(super) async fn tell(mut self, to: impl Tell) {
        loop {
            let next = self.next().await;
            if next == Next::Over || !to.tell(&self.change).await || next == Next::Gone {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn names(runtime: &Runtime) -> Vec<&'static str> {
    tools::offered(&runtime.settings()).iter().map(|tool| tool.name).collect()
}

/// Waits for an event of a session, and takes those that are there with it.
async fn next_event(reader: &mut Reader) -> Next {
    let mut pulled = reader.pull().await;
    let mut has_changed = false;
    loop {
        let Some(events) = pulled else { return Next::Gone };
        has_changed |= events.iter().any(|event| event.body != EventBody::Synced);
        pulled = match (reader.pull().now_or_never(), has_changed) {
            (Some(more), _) => more,
            (None, true) => return Next::Changed,
            (None, false) => reader.pull().await,
        };
    }
}

impl Tell for Peer<RoleServer> {
    async fn tell(&self, change: &Change) -> bool {
        let told = match change {
            Change::Tools => self.notify_tool_list_changed().await,
            Change::Resources => self.notify_resource_list_changed().await,
            Change::Resource(uri) => {
                self.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri.as_str())).await
            }
        };
        told.is_ok()
    }
}

impl Tell for SubscriptionSink {
    async fn tell(&self, change: &Change) -> bool {
        let told = match change {
            Change::Tools => self.notify_tool_list_changed().await,
            Change::Resources => self.notify_resource_list_changed().await,
            Change::Resource(uri) => self.notify_resource_updated(uri.as_str()).await,
        };
        told.is_ok()
    }
}
