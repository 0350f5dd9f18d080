//! Which kind of failure it is: by the provider's code, then by status, then by its words.

use super::shape::Shape;
use crate::error::ErrorKind;

/// `status` is the response's; a failure in the middle of a stream has none.
pub(super) fn classify(shape: &Shape, status: Option<u16>) -> ErrorKind {
    // Under status 200 the body's own status is the only one.
    let status = status.filter(|status| *status >= 300).or(shape.status);
    let lower = shape.message.to_ascii_lowercase();
    if let Some(kind) =
        [&shape.inner, &shape.code, &shape.kind].into_iter().flatten().find_map(|code| by_code(code, &lower))
    {
        return kind;
    }
    if let Some(kind) = shape.upstream.as_deref().and_then(by_upstream) {
        return kind;
    }
    if let Some(kind) = by_words(&lower, status) {
        return kind;
    }
    if status == Some(403) && (shape.reasons || speaks_of_safety(shape)) {
        return ErrorKind::ContentFilter;
    }
    if let Some(status) = status {
        return by_status(status, shape);
    }
    // Types that say less than a status, but more than nothing.
    match shape.kind.as_deref() {
        Some("server_error" | "api_error" | "internal_server_error") => ErrorKind::Server,
        Some("invalid_request_error") => ErrorKind::InvalidRequest,
        _ => ErrorKind::Protocol,
    }
}

/// Codes and telling types, of OpenAI, Azure, Copilot, Mistral, Groq, Perplexity, DeepSeek and llama.cpp. What is not
/// here (`invalid_request_error`, `server_error`, `api_error`) is used for too many things.
fn by_code(code: &str, message: &str) -> Option<ErrorKind> {
    // Copilot appends more after a colon.
    let code = code.split(':').next().unwrap_or_default();
    Some(match code {
        "context_length_exceeded"
        | "string_above_max_length"
        | "exceed_context_size_error"
        | "too_many_prompt_tokens"
        | "request_too_large" => ErrorKind::ContextOverflow,
        "content_policy_violation" | "content_filter" | "ResponsibleAIPolicyViolation" => ErrorKind::ContentFilter,
        "invalid_api_key" | "authentication_error" => ErrorKind::Auth,
        "account_deactivated" | "api_key_revoked" | "token_revoked" => ErrorKind::AuthPermanent,
        "insufficient_quota"
        | "billing_hard_limit_reached"
        | "credit_balance_exhausted"
        | "quota_exceeded"
        | "free_quota_exceeded"
        | "overage_limit_reached"
        | "billing_not_configured"
        | "billing_error" => ErrorKind::Billing,
        "unsupported_country_region_territory" | "permission_error" => ErrorKind::Permission,
        // What asks for more than a minute allows never fits.
        "rate_limit_exceeded" | "tokens" | "requests" if message.starts_with("request too large") => {
            ErrorKind::ContextOverflow
        }
        "rate_limit_exceeded"
        | "rate_limit_error"
        | "RateLimitReached"
        | "rate_limited"
        | "user_model_rate_limited"
        | "user_global_rate_limited"
        | "integration_rate_limited"
        | "agent_mode_limit_exceeded"
        | "extension_blocked" => ErrorKind::RateLimited,
        "overloaded" | "overloaded_error" | "slow_down" | "unavailable_error" => ErrorKind::Overloaded,
        "model_not_found" | "DeploymentNotFound" | "model_not_supported" | "invalid_model" | "not_found_error" => {
            ErrorKind::NotFound
        }
        "timeout_error" => ErrorKind::Timeout,
        "unsupported_parameter"
        | "unsupported_value"
        | "invalid_value"
        | "missing_required_parameter"
        | "invalid_function_parameters"
        | "empty_array"
        | "invalid_image_url"
        | "tool_use_failed"
        | "not_supported_error" => ErrorKind::InvalidRequest,
        bounded if is_bound(bounded) => ErrorKind::InvalidRequest,
        _ => return None,
    })
}

/// `integer_below_min_value`, `array_above_max_length` and their like.
fn is_bound(code: &str) -> bool {
    (code.contains("_above_max_") || code.contains("_below_min_"))
        && (code.ends_with("_value") || code.ends_with("_length"))
}

/// What a gateway's own provider said, where that says more than the gateway's status.
fn by_upstream(shape: &Shape) -> Option<ErrorKind> {
    let lower = shape.message.to_ascii_lowercase();
    [&shape.inner, &shape.code, &shape.kind]
        .into_iter()
        .flatten()
        .find_map(|code| by_code(code, &lower))
        .or_else(|| by_words(&lower, Some(400)))
        .or_else(|| shape.upstream.as_deref().and_then(by_upstream))
}

fn by_words(message: &str, status: Option<u16>) -> Option<ErrorKind> {
    const TOO_LONG: [&str; 10] = [
        "maximum context length",
        "exceeds the context window",
        "prompt is too long",
        "prompt too long",
        "exceed context limit",
        "exceeds the available context size",
        "exceeded max context length",
        "exceeds the maximum number of tokens allowed",
        "input is too long for requested model",
        "is too large to process. increase the physical batch size",
    ];
    const CALLERS_OWN: [&str; 5] = [
        "image input is not supported",
        "cannot make get request",
        "tools param requires --jinja flag",
        "cannot use tools with stream",
        "mmproj",
    ];
    // A limit of requests may mention lengths; only a request that never fits is too long.
    let status = status.unwrap_or(400);
    if status == 429 {
        let quota = message.trim_end_matches('.') == "quota exceeded";
        return match message.starts_with("request too large") {
            true => Some(ErrorKind::ContextOverflow),
            false => quota.then_some(ErrorKind::Billing),
        };
    }
    if matches!(status, 400 | 413 | 422 | 500) && TOO_LONG.iter().any(|words| message.contains(words)) {
        return Some(ErrorKind::ContextOverflow);
    }
    // llama.cpp answers 500 to what only its caller can mend.
    if status == 500 && CALLERS_OWN.iter().any(|words| message.contains(words)) {
        return Some(ErrorKind::InvalidRequest);
    }
    (status == 400 && message.contains("is not a valid model id")).then_some(ErrorKind::NotFound)
}

fn speaks_of_safety(shape: &Shape) -> bool {
    shape.raw.as_deref().is_some_and(|raw| raw.to_ascii_lowercase().contains("safety"))
}

fn by_status(status: u16, shape: &Shape) -> ErrorKind {
    match status {
        401 | 421 => ErrorKind::Auth,
        402 => ErrorKind::Billing,
        403 => ErrorKind::Permission,
        404 => ErrorKind::NotFound,
        408 | 504 | 524 => ErrorKind::Timeout,
        413 => ErrorKind::ContextOverflow,
        422 if shape.copilot => ErrorKind::ContentFilter,
        424 if shape.copilot => ErrorKind::Server,
        424 | 503 | 529 => ErrorKind::Overloaded,
        429 => ErrorKind::RateLimited,
        499 => ErrorKind::Cancelled,
        501 => ErrorKind::InvalidRequest,
        // OpenRouter's 502 is a provider of its own that is down.
        502 if shape.bare_status => ErrorKind::Overloaded,
        500.. => ErrorKind::Server,
        400..=499 => ErrorKind::InvalidRequest,
        _ => ErrorKind::Protocol,
    }
}
