//! How an answer that was cut goes on: what was shown of it, what is asked then, where that joins, what it all used.
//! Pure: no actor, no clock.

mod alignment;
mod request;
mod shown;
mod tally;

use serde::{Deserialize, Serialize};

pub(super) use alignment::{Alignment, Diverged, How};
pub(super) use request::{continuing, how_to_go_on, is_json_asked, must_stay_whole};
pub(super) use shown::{Shown, WayOn};
pub(super) use tally::Tally;

/// What is done with an answer that is interrupted after its first token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnInterrupt {
    /// What was shown is kept, and the answer goes on.
    #[default]
    Continue,
    /// The answer is made anew, from its start.
    Restart,
    /// The turn fails.
    Fail,
}

/// About how many tokens a text of so many bytes has; no tokenizer is asked.
pub(super) fn tokens_of(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(4)).unwrap_or(u64::MAX)
}
