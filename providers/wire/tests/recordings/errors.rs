//! Errors, against a table of their own.

use std::time::{Duration, SystemTime};

use greenroom_wire::{
    ErrorKind,
    openai_chat::{ErrorResponse, decode_error},
};
use serde_json::Value;

use crate::load::Recording;

pub(crate) fn check(recording: &Recording) -> Result<(), String> {
    let header = |name: &str| recording.header(name);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    let error = decode_error(&ErrorResponse { status: recording.status, header: &header, body: &recording.body, now });
    let json: Value = serde_json::from_slice(&recording.body).unwrap_or(Value::Null);
    let copilot = recording.api.starts_with("copilot");
    let openrouter = recording.api.starts_with("openrouter");
    let text = recording.text().to_lowercase();
    let want = kind(recording.status, &codes(&json), &text, copilot, openrouter);
    if error.kind != want {
        return Err(format!("error kind: got {}, want {want}", error.kind));
    }
    if error.details.status != Some(recording.status) {
        return Err("the status is lost".into());
    }
    let want = wait(recording, &text);
    if error.details.retry_after != want {
        return Err(format!("retry after: got {:?}, want {want:?}", error.details.retry_after));
    }
    let want = recording.header("x-should-retry").map(|value| value == "true");
    if want.is_some() && error.details.should_retry != want {
        return Err("x-should-retry is lost".into());
    }
    if error.message.trim().is_empty() || error.message.chars().count() > 501 || error.message.contains("<html") {
        return Err(format!("the message is not fit to show: {:?}", error.message));
    }
    let said = json["error"]["message"].as_str().or_else(|| json["message"].as_str()).unwrap_or_default();
    let first = said.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
    if !error.message.contains(&first) {
        return Err(format!("the provider's words are lost: {:?}", error.message));
    }
    Ok(())
}

/// An error inside a stream: its code may be a status.
pub(crate) fn kind_in_stream(error: &Value) -> ErrorKind {
    let status = error["code"].as_u64().or_else(|| error["code"].as_str()?.parse().ok()).unwrap_or(0) as u16;
    let text = error.to_string().to_lowercase();
    match (status, error["type"].as_str()) {
        (0, Some("server_error" | "api_error")) => ErrorKind::Server,
        (0, Some("invalid_request_error")) => ErrorKind::InvalidRequest,
        (0, _) if codes(&serde_json::json!({"error": error})).is_empty() => ErrorKind::Protocol,
        _ => kind(status, &codes(&serde_json::json!({"error": error})), &text, false, error["type"].is_null()),
    }
}

/// All codes and types anywhere in the body, also in what a gateway quotes.
fn codes(json: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![json.clone()];
    while let Some(value) = todo.pop() {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    match (key.as_str(), &value) {
                        ("code" | "type", Value::String(code)) => {
                            found.push(code.split(':').next().unwrap_or_default().to_owned())
                        }
                        ("raw", Value::String(raw)) => todo.extend(serde_json::from_str::<Value>(raw).ok()),
                        _ => {}
                    }
                    todo.push(value);
                }
            }
            Value::Array(list) => todo.extend(list),
            _ => {}
        }
    }
    found
}

const TABLE: &[(&str, ErrorKind)] = &[
    ("context_length_exceeded", ErrorKind::ContextOverflow),
    ("string_above_max_length", ErrorKind::ContextOverflow),
    ("exceed_context_size_error", ErrorKind::ContextOverflow),
    ("too_many_prompt_tokens", ErrorKind::ContextOverflow),
    ("content_policy_violation", ErrorKind::ContentFilter),
    ("content_filter", ErrorKind::ContentFilter),
    ("insufficient_quota", ErrorKind::Billing),
    ("billing_hard_limit_reached", ErrorKind::Billing),
    ("credit_balance_exhausted", ErrorKind::Billing),
    ("quota_exceeded", ErrorKind::Billing),
    ("free_quota_exceeded", ErrorKind::Billing),
    ("overage_limit_reached", ErrorKind::Billing),
    ("billing_not_configured", ErrorKind::Billing),
    ("invalid_api_key", ErrorKind::Auth),
    ("unsupported_country_region_territory", ErrorKind::Permission),
    ("model_not_found", ErrorKind::NotFound),
    ("model_not_supported", ErrorKind::NotFound),
    ("invalid_model", ErrorKind::NotFound),
    ("DeploymentNotFound", ErrorKind::NotFound),
    ("rate_limit_exceeded", ErrorKind::RateLimited),
    ("slow_down", ErrorKind::Overloaded),
];

fn kind(status: u16, codes: &[String], text: &str, copilot: bool, openrouter: bool) -> ErrorKind {
    let too_large = text.contains("request too large");
    if status == 429 && too_large {
        return ErrorKind::ContextOverflow;
    }
    if let Some((_, kind)) = TABLE.iter().find(|(code, _)| codes.iter().any(|own| own == code)) {
        return *kind;
    }
    let long = [
        "maximum context length",
        "context window",
        "prompt is too long",
        "available context size",
        "prompt too long",
        "maximum number of tokens allowed",
        "increase the physical batch size",
    ];
    if matches!(status, 400 | 413 | 422 | 500) && long.iter().any(|words| text.contains(words)) {
        return ErrorKind::ContextOverflow;
    }
    match status {
        400 if text.contains("is not a valid model id") => ErrorKind::NotFound,
        401 => ErrorKind::Auth,
        402 => ErrorKind::Billing,
        403 if openrouter && (text.contains("safety") || text.contains("\"reasons\"")) => ErrorKind::ContentFilter,
        403 => ErrorKind::Permission,
        404 => ErrorKind::NotFound,
        408 | 504 => ErrorKind::Timeout,
        413 => ErrorKind::ContextOverflow,
        422 if copilot => ErrorKind::ContentFilter,
        424 if copilot => ErrorKind::Server,
        424 | 503 | 529 => ErrorKind::Overloaded,
        429 if text.trim() == "quota exceeded" => ErrorKind::Billing,
        429 => ErrorKind::RateLimited,
        499 => ErrorKind::Cancelled,
        // llama.cpp's own word for what its caller did.
        500 if ["mmproj", "cannot make get request", "--jinja", "tools with stream"]
            .iter()
            .any(|w| text.contains(w)) =>
        {
            ErrorKind::InvalidRequest
        }
        501 => ErrorKind::InvalidRequest,
        502 if openrouter => ErrorKind::Overloaded,
        500.. => ErrorKind::Server,
        _ => ErrorKind::InvalidRequest,
    }
}

fn wait(recording: &Recording, text: &str) -> Option<Duration> {
    let number = |name: &str| recording.header(name)?.trim().parse::<f64>().ok();
    if let Some(ms) = number("retry-after-ms") {
        return Some(Duration::from_secs_f64(ms / 1000.0));
    }
    if let Some(seconds) = number("retry-after") {
        return Some(Duration::from_secs_f64(seconds));
    }
    let (_, after) = text.split_once("try again in ").or_else(|| text.split_once("retry after "))?;
    let word = after.split([' ', '"', ',']).next()?.trim_end_matches('.');
    let mut total = 0.0;
    let mut digits = String::new();
    let mut letters = word.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '0'..='9' | '.' => digits.push(letter),
            'm' if letters.next_if_eq(&'s').is_some() => {
                total += std::mem::take(&mut digits).parse::<f64>().ok()? / 1000.0
            }
            'h' => total += std::mem::take(&mut digits).parse::<f64>().ok()? * 3600.0,
            'm' => total += std::mem::take(&mut digits).parse::<f64>().ok()? * 60.0,
            's' => total += std::mem::take(&mut digits).parse::<f64>().ok()?,
            _ => return None,
        }
    }
    // "retry after 26 seconds": the unit is a word of its own.
    total += digits.parse::<f64>().unwrap_or(0.0);
    Some(Duration::from_secs_f64(total))
}
