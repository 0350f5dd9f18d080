//! The response that an answer is.

use serde_json::{Value, json};

use super::echo::Echo;
use crate::{
    error::{ChatError, ErrorKind},
    event::FinishReason,
    json::{put_comma, put_key, put_str, put_value},
};

/// What a response says from its start to its end.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) id: String,
    /// Seconds since 1970.
    pub(super) created: u64,
    pub(super) model: String,
    pub(super) echo: Echo,
    /// Whether it can be had again, and what it says of that then.
    pub(super) kept: Option<Kept>,
}

/// What a response that is kept says of that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Whether it is made though nobody waits for it.
    pub background: bool,
    /// The conversation that it is of, if it is told that.
    pub conversation: Option<String>,
}

/// How far a response is.
#[derive(Debug)]
pub(super) enum Standing<'a> {
    Queued,
    InProgress,
    Completed,
    /// It ended early, for this reason.
    Incomplete(&'a str),
    Failed(&'a ChatError),
    Cancelled,
}

impl<'a> Standing<'a> {
    /// How an answer ended; `refused` is whether the model said so.
    pub(super) fn of(reason: &'a FinishReason, refused: bool) -> Self {
        match reason {
            FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Pause => Self::Completed,
            // A refusal in words ends like any other answer; without them, the client must see why there is nothing.
            FinishReason::Refusal if refused => Self::Completed,
            FinishReason::Refusal | FinishReason::ContentFilter => Self::Incomplete("content_filter"),
            FinishReason::Length => Self::Incomplete("max_output_tokens"),
            FinishReason::Other(word) => Self::Incomplete(word),
        }
    }

    /// The word for it, which is that of the event that says so, too.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete(_) => "incomplete",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The word for items that are open then.
    pub(super) fn word_of_items(&self) -> &'static str {
        match self {
            Self::Queued | Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete(_) | Self::Failed(_) | Self::Cancelled => "incomplete",
        }
    }
}

/// What a response has once it has ended.
#[derive(Debug, Default)]
pub(super) struct Ending<'a> {
    pub(super) usage: Option<Value>,
    /// Fields that the provider said besides.
    pub(super) beside: &'a [(String, Value)],
}

/// Appends the response with these items, each as JSON.
pub(super) fn put_response<'i>(
    frame: &Frame,
    standing: &Standing<'_>,
    items: impl Iterator<Item = &'i [u8]>,
    ending: Ending<'_>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"id\":");
    put_str(out, &frame.id);
    out.extend_from_slice(b",\"object\":\"response\",\"created_at\":");
    put_value(out, &frame.created);
    put_key(out, "status");
    put_str(out, standing.word());
    put_key(out, "background");
    put_value(out, &frame.kept.as_ref().is_some_and(|kept| kept.background));
    put_key(out, "error");
    match standing {
        Standing::Failed(error) => put_value(out, &json!({"code": code(error), "message": message(error)})),
        _ => out.extend_from_slice(b"null"),
    }
    put_key(out, "incomplete_details");
    match standing {
        Standing::Incomplete(reason) => put_value(out, &json!({"reason": reason})),
        _ => out.extend_from_slice(b"null"),
    }
    put_key(out, "model");
    put_str(out, &frame.model);
    put_key(out, "output");
    out.push(b'[');
    for item in items {
        put_comma(out);
        out.extend_from_slice(item);
    }
    out.push(b']');
    if let Some(id) = frame.kept.as_ref().and_then(|kept| kept.conversation.as_ref()) {
        put_key(out, "conversation");
        put_value(out, &json!({"id": id}));
    }
    put_key(out, "store");
    put_value(out, &frame.kept.is_some());
    frame.echo.put(out);
    put_key(out, "usage");
    put_value(out, &ending.usage);
    for (key, json) in ending.beside {
        put_key(out, key);
        put_value(out, json);
    }
    out.push(b'}');
}

/// Whether every response has this field, so that a provider's word for it is not wanted.
pub(super) fn has(key: &str) -> bool {
    const OWN: [&str; 12] = [
        "id",
        "object",
        "created_at",
        "status",
        "background",
        "conversation",
        "error",
        "incomplete_details",
        "model",
        "output",
        "store",
        "usage",
    ];
    OWN.contains(&key) || Echo::says(key)
}

/// This wire's word for an error of a response that failed.
pub(super) fn code(error: &ChatError) -> &str {
    match error.kind {
        ErrorKind::RateLimited => "rate_limit_exceeded",
        ErrorKind::Billing => "insufficient_quota",
        ErrorKind::ContextOverflow => "context_length_exceeded",
        ErrorKind::ContentFilter => "content_filter",
        ErrorKind::InvalidRequest => error.details.code.as_deref().unwrap_or("invalid_prompt"),
        ErrorKind::NotFound => "model_not_found",
        ErrorKind::Auth | ErrorKind::AuthPermanent => "invalid_api_key",
        ErrorKind::Permission => "permission_denied",
        ErrorKind::Cancelled => "cancelled",
        _ => "server_error",
    }
}

pub(super) fn message(error: &ChatError) -> String {
    match &error.details.hint {
        Some(hint) => format!("{}; {hint}", error.message),
        None => error.message.clone(),
    }
}
