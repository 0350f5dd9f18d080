//! How far a batch is, in words that all providers share.

use serde::{Deserialize, Serialize};

/// How far a batch is, as its provider told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchStatus {
    /// The provider's own id.
    pub id: String,
    /// In a word.
    pub phase: BatchPhase,
    /// What became of its requests so far.
    pub counts: BatchCounts,
    /// When the provider made it, in seconds since 1970.
    pub created: Option<u64>,
    /// Until when it is worked on.
    pub expires: Option<u64>,
    /// When it ended.
    pub ended: Option<u64>,
    /// Where its results are, the provider's own ids; empty where they have none, or there are none yet.
    pub files: Vec<String>,
    /// Why it failed as a whole.
    pub problem: Option<String>,
    /// The mark that whoever made it gave it, where the API has a place for one.
    pub mark: Option<String>,
}

/// How far a batch is, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchPhase {
    /// The provider looks whether it can be what it says.
    Validating,
    /// It is being answered.
    InProgress,
    /// All is answered, and the results are being written.
    Finalizing,
    /// It is being cancelled; what is answered stays.
    Cancelling,
    /// It ended by itself.
    Completed,
    /// It could not be begun.
    Failed,
    /// Its time was over before all of it was answered.
    Expired,
    /// It was cancelled.
    Cancelled,
}

impl BatchPhase {
    /// The word, as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Validating => "validating",
            Self::InProgress => "in_progress",
            Self::Finalizing => "finalizing",
            Self::Cancelling => "cancelling",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing changes any more.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Expired | Self::Cancelled)
    }
}

/// How many requests of a batch ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchCounts {
    /// All there are, as far as the provider knows.
    pub total: u64,
    /// Answered.
    pub succeeded: u64,
    /// Failed.
    pub failed: u64,
    /// Cancelled before they were answered; the rest of what was cancelled where the provider does not count them.
    pub cancelled: u64,
    /// Not answered in time.
    pub expired: u64,
}
