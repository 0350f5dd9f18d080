//! What Anthropic says of its batches: `/v1/messages/batches`.

use serde::Deserialize;

use super::status::{BatchCounts, BatchPhase, BatchStatus};
use crate::error::{ChatError, ErrorKind};

#[derive(Deserialize)]
struct Batch {
    id: String,
    processing_status: String,
    #[serde(default)]
    request_counts: Counts,
    created_at: Option<String>,
    expires_at: Option<String>,
    ended_at: Option<String>,
    cancel_initiated_at: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Counts {
    processing: u64,
    succeeded: u64,
    errored: u64,
    canceled: u64,
    expired: u64,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Batch>,
}

/// Reads a batch.
///
/// # Errors
/// It is none (`Protocol`).
pub fn decode_batch(body: &[u8]) -> Result<BatchStatus, ChatError> {
    serde_json::from_slice::<Batch>(body).map(status).map_err(|error| no_batch(&error))
}

/// Reads a page of batches, the newest first.
///
/// # Errors
/// It is none (`Protocol`).
pub fn decode_batches(body: &[u8]) -> Result<Vec<BatchStatus>, ChatError> {
    let page: Page = serde_json::from_slice(body).map_err(|error| no_batch(&error))?;
    Ok(page.data.into_iter().map(status).collect())
}

fn status(batch: Batch) -> BatchStatus {
    let Counts { processing, succeeded, errored, canceled, expired } = batch.request_counts;
    let phase = match batch.processing_status.as_str() {
        "canceling" => BatchPhase::Cancelling,
        "ended" if batch.cancel_initiated_at.is_some() => BatchPhase::Cancelled,
        "ended" if expired > 0 => BatchPhase::Expired,
        "ended" => BatchPhase::Completed,
        _ => BatchPhase::InProgress,
    };
    let counts = BatchCounts {
        total: processing + succeeded + errored + canceled + expired,
        succeeded,
        failed: errored,
        cancelled: canceled,
        expired,
    };
    BatchStatus {
        id: batch.id,
        phase,
        counts,
        created: seconds(batch.created_at),
        expires: seconds(batch.expires_at),
        ended: seconds(batch.ended_at),
        files: Vec::new(),
        problem: None,
        mark: None,
    }
}

fn seconds(moment: Option<String>) -> Option<u64> {
    let moment = humantime::parse_rfc3339(&moment?).ok()?;
    Some(moment.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs())
}

pub(super) fn no_batch(error: &serde_json::Error) -> ChatError {
    ChatError::new(ErrorKind::Protocol, format!("what the provider says of a batch can't be read: {error}"))
}
