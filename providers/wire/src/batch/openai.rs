//! What OpenAI says of files and batches, and how it is asked: `/v1/files`, `/v1/batches`.

use serde::Deserialize;
use serde_json::json;

use super::{
    anthropic::no_batch,
    form::BatchForm,
    status::{BatchCounts, BatchPhase, BatchStatus},
};
use crate::{error::ChatError, error_response::fit_to_show};

/// The key of a batch's metadata under which its maker's mark stands.
const MARK: &str = "greenroom";

#[derive(Deserialize)]
struct Batch {
    id: String,
    status: String,
    #[serde(default)]
    request_counts: Option<Counts>,
    created_at: Option<u64>,
    expires_at: Option<u64>,
    completed_at: Option<u64>,
    failed_at: Option<u64>,
    expired_at: Option<u64>,
    cancelled_at: Option<u64>,
    output_file_id: Option<String>,
    error_file_id: Option<String>,
    errors: Option<Errors>,
    #[serde(default)]
    metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Counts {
    total: u64,
    completed: u64,
    failed: u64,
}

#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    data: Vec<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    message: Option<String>,
    line: Option<u64>,
}

#[derive(Deserialize)]
struct List<T> {
    data: Vec<T>,
}

/// A file that the provider has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct UploadedFile {
    /// The provider's id of it.
    pub id: String,
    /// The name that it was given.
    #[serde(default)]
    pub filename: String,
    /// Its size.
    #[serde(default)]
    pub bytes: u64,
}

/// Reads a file that was uploaded.
///
/// # Errors
/// It is none (`Protocol`).
pub fn decode_file(body: &[u8]) -> Result<UploadedFile, ChatError> {
    serde_json::from_slice(body).map_err(|error| no_batch(&error))
}

/// Reads a list of files.
///
/// # Errors
/// It is none (`Protocol`).
pub fn decode_files(body: &[u8]) -> Result<Vec<UploadedFile>, ChatError> {
    serde_json::from_slice(body).map(|List { data }| data).map_err(|error| no_batch(&error))
}

/// Writes the request that makes a batch of an uploaded file, with its maker's mark.
pub fn encode_create(form: BatchForm, file: &str, mark: &str) -> Vec<u8> {
    let body = json!({
        "input_file_id": file,
        "endpoint": form.endpoint(),
        "completion_window": "24h",
        "metadata": {MARK: mark},
    });
    body.to_string().into_bytes()
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
    let list: List<Batch> = serde_json::from_slice(body).map_err(|error| no_batch(&error))?;
    Ok(list.data.into_iter().map(status).collect())
}

fn status(batch: Batch) -> BatchStatus {
    let phase = match batch.status.as_str() {
        "validating" => BatchPhase::Validating,
        "finalizing" => BatchPhase::Finalizing,
        "cancelling" => BatchPhase::Cancelling,
        "completed" => BatchPhase::Completed,
        "failed" => BatchPhase::Failed,
        "expired" => BatchPhase::Expired,
        "cancelled" => BatchPhase::Cancelled,
        _ => BatchPhase::InProgress,
    };
    let Counts { total, completed, failed } = batch.request_counts.unwrap_or_default();
    let left = total.saturating_sub(completed + failed);
    let of = |wanted| if phase == wanted { left } else { 0 };
    BatchStatus {
        id: batch.id,
        phase,
        counts: BatchCounts {
            total,
            succeeded: completed,
            failed,
            cancelled: of(BatchPhase::Cancelled),
            expired: of(BatchPhase::Expired),
        },
        created: batch.created_at,
        expires: batch.expires_at,
        ended: batch.completed_at.or(batch.failed_at).or(batch.expired_at).or(batch.cancelled_at),
        files: batch.output_file_id.into_iter().chain(batch.error_file_id).collect(),
        problem: batch.errors.and_then(|errors| problem(&errors.data)),
        mark: batch.metadata.and_then(|map| Some(map.get(MARK)?.as_str()?.to_owned())),
    }
}

fn problem(faults: &[Fault]) -> Option<String> {
    let first = faults.first()?;
    let message = fit_to_show(first.message.as_deref().unwrap_or("the provider does not say why"));
    let at = first.line.map_or_else(String::new, |line| format!("line {line}: "));
    let more = if faults.len() > 1 { format!(" (and {} more)", faults.len() - 1) } else { String::new() };
    Some(format!("{at}{message}{more}"))
}

/// What stands around a file in a form that uploads it (`multipart/form-data`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The value of the header `content-type`.
    pub content_type: String,
    /// What stands before the file.
    pub head: Vec<u8>,
    /// What stands behind it.
    pub tail: Vec<u8>,
}

impl Upload {
    /// A file for a batch under this name. `boundary` and `name` are of letters, digits and `_-.` alone; the boundary must
    /// not stand in the file.
    pub fn new(boundary: &str, name: &str) -> Self {
        let head = format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--{boundary}\r\n\
             content-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             content-type: application/jsonl\r\n\r\n"
        );
        Self {
            content_type: format!("multipart/form-data; boundary={boundary}"),
            head: head.into_bytes(),
            tail: format!("\r\n--{boundary}--\r\n").into_bytes(),
        }
    }
}
