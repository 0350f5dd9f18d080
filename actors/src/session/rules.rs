//! The rules of durable sessions: how long they are kept, and what is done where something does not fit or breaks off.

use std::time::Duration;

/// What holds for every durable session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRules {
    /// A session that nobody reads and that has nothing to do leaves memory after this long.
    pub hibernate_after: Duration,
    /// A session to which nothing was added for this long is removed; `None` keeps it for ever.
    pub keep: Option<Duration>,
    /// The most bytes that the logs of all sessions may take; `None` bounds them by the disk alone.
    pub disk_quota: Option<u64>,
    /// What becomes of a turn that the end of the process cut.
    pub on_crash: OnCrash,
    /// What is done with a conversation that outgrows the model's window.
    pub context: ContextPolicy,
}

impl Default for SessionRules {
    fn default() -> Self {
        Self {
            hibernate_after: Duration::from_secs(60),
            keep: None,
            disk_quota: None,
            on_crash: OnCrash::default(),
            context: ContextPolicy::default(),
        }
    }
}

/// What becomes of a turn that the end of the process cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnCrash {
    /// It goes on from what was kept of it.
    #[default]
    Continue,
    /// It fails, and what was kept of it stays.
    Mark,
}

/// What is done with a conversation that outgrows the model's window. The log keeps all of it in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ContextPolicy {
    /// The model isn't shown the oldest finished turns any more.
    #[default]
    Trim,
    /// A summary stands for them.
    Summarise,
    /// The turn fails.
    Fail,
}
