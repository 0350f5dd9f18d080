//! What is told of a session, and what one is made of.

use std::{sync::Arc, time::SystemTime};

use greenroom_wire::{Part, chat::Tool};
use serde::{Deserialize, Serialize};

use crate::usage::SpendBudget;

use super::{actor::Busy, event::Asked, log::Cursor};

/// Whose sessions those are that the owner makes. No client has this name.
pub const ADMIN: &str = "admin";

/// Who asks for sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// The owner of the runtime, who sees every session.
    Admin,
    /// A client, who sees its own.
    Client(Arc<str>),
}

impl Access {
    /// The client that a session made by this is of.
    pub fn client(&self) -> &str {
        match self {
            Self::Admin => ADMIN,
            Self::Client(name) => name,
        }
    }

    /// Whether a session of this client may be seen.
    pub fn sees(&self, client: &str) -> bool {
        match self {
            Self::Admin => true,
            Self::Client(name) => **name == *client,
        }
    }
}

/// What a new session is made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewSession {
    /// Its id; a random one if it is not said.
    pub id: Option<String>,
    /// What turns ask of, unless they say otherwise.
    pub model: Option<String>,
    /// Its instructions.
    pub system: Option<String>,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// What its turns may cost, for ever; whatever they like if it is not said.
    pub budget: Option<SpendBudget>,
    /// Whether it goes a day after something was last said in it, until somebody says something who keeps it.
    pub brief: bool,
}

/// What later turns ask; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Update {
    /// The model; empty for whatever is the default.
    pub model: Option<String>,
    /// The instructions; empty for none.
    pub system: Option<String>,
    /// What the model may call.
    pub tools: Option<Vec<Tool>>,
    /// What its turns may cost, for ever; inside, nothing for whatever they like.
    pub budget: Option<Option<SpendBudget>>,
}

/// A message to send.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outgoing {
    /// What is said. Where the whole request is said as well, what is shown of that by those who show the session.
    pub parts: Vec<Part>,
    /// The whole request, where it says more than the session does.
    pub asked: Option<Box<Asked>>,
    /// What becomes of it while another turn runs.
    pub busy: Busy,
    /// Where the log has to end for it to be taken.
    pub at: Option<Cursor>,
    /// An idempotency key: the same one with the same message is the same message.
    pub key: Option<String>,
}

/// What a call of a tool gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallResult {
    /// The call's id.
    pub id: String,
    /// What it gave: text, images, documents.
    pub parts: Vec<Part>,
    /// Whether the call failed.
    pub error: bool,
    /// The claim on the call that its bearer has, if it claimed it.
    pub claim: Option<String>,
}

/// A claim on a call: its bearer runs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The call's id.
    pub id: String,
    /// Shows that one has it; to renew it, and with the result.
    pub claim: String,
    /// Until when.
    #[serde(with = "crate::session::rfc3339")]
    pub until: SystemTime,
}

/// What a session does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionState {
    /// Nothing.
    Idle,
    /// A turn runs.
    Running,
    /// A turn waits for results of calls.
    Waiting,
}

/// What is told of a session in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSummary {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub client: String,
    /// What turns ask of; the default if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What it does.
    pub state: SessionState,
    /// Where its log ends.
    pub cursor: String,
    /// When it was made.
    #[serde(with = "crate::session::rfc3339")]
    pub created: SystemTime,
    /// When something was last said in it.
    #[serde(with = "crate::session::rfc3339")]
    pub touched: SystemTime,
    /// About how many bytes its log has.
    pub bytes: u64,
}

/// All that is told of a session but its log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// What lists tell, too.
    #[serde(flatten)]
    pub summary: SessionSummary,
    /// Its instructions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// What the model may call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// What its turns may cost in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<SpendBudget>,
    /// What they have cost, in US dollars; said if there is a budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent_usd: Option<f64>,
    /// The turn that runs or waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u64>,
    /// The calls whose results it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<String>,
    /// The turns that wait for their start, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queued: Vec<u64>,
}

/// How far the turns of a session are, all as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where the log ends, as far as it is shown.
    pub end: Cursor,
    /// The last turn there is.
    pub last: u64,
    /// The turn that runs or waits for results. Those behind it wait for their start.
    pub open: Option<u64>,
    /// Where epochs of the log began after the first: whoever was shown more before may have been shown something else.
    pub epochs: Vec<u64>,
}

/// What became of a cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cancelled {
    /// The turn ran or waited, and is cancelled.
    Cancelled,
    /// It had ended before.
    Ended,
}
