//! Why an attempt failed, as a typed value: one policy decides by [`ErrorKind`] what happens next.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

/// The kinds of failure. Every provider's error is one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The credential was not accepted.
    Auth,
    /// The credential was revoked or its account deactivated: waiting will not help.
    AuthPermanent,
    /// Out of credit or quota.
    Billing,
    /// The credential may not do this.
    Permission,
    /// Too many requests or tokens for now.
    RateLimited,
    /// The provider has too much to do.
    Overloaded,
    /// The provider failed.
    Server,
    /// Nothing came in time.
    Timeout,
    /// The provider could not be reached.
    Network,
    /// What came was not what the wire allows, or was cut.
    Protocol,
    /// No such model or address.
    NotFound,
    /// The request itself is wrong.
    InvalidRequest,
    /// The request is larger than the model's window.
    ContextOverflow,
    /// The provider's filter refused the request.
    ContentFilter,
    /// The caller left or cancelled.
    Cancelled,
    /// The configuration is wrong.
    Config,
    /// Everything that could answer has failed.
    Exhausted,
}

impl ErrorKind {
    /// The kind in snake_case, as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthPermanent => "auth_permanent",
            Self::Billing => "billing",
            Self::Permission => "permission",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::Server => "server",
            Self::Timeout => "timeout",
            Self::Network => "network",
            Self::Protocol => "protocol",
            Self::NotFound => "not_found",
            Self::InvalidRequest => "invalid_request",
            Self::ContextOverflow => "context_overflow",
            Self::ContentFilter => "content_filter",
            Self::Cancelled => "cancelled",
            Self::Config => "config",
            Self::Exhausted => "exhausted",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failed attempt, or a failed answer.
///
/// No key, token or prompt text is in it: whoever makes one from a provider's words sees to that.
#[derive(Debug, Clone)]
pub struct ChatError {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// What happened, fit for a person: lowercase, no full stop of ours.
    pub message: String,
    /// What else is known.
    pub details: Box<ErrorDetails>,
}

/// What else is known of a failure.
#[derive(Debug, Clone, Default)]
pub struct ErrorDetails {
    /// HTTP status.
    pub status: Option<u16>,
    /// The provider's own code or type.
    pub code: Option<String>,
    /// The parameter that the provider complains of.
    pub param: Option<String>,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
    /// Whether the provider says outright that a retry can (not) help.
    pub should_retry: Option<bool>,
    /// Where it happened.
    pub origin: Option<Origin>,
    /// What the person can do about it, in one line.
    pub hint: Option<String>,
    /// For [`ErrorKind::Exhausted`]: each attempt, oldest first.
    pub attempts: Vec<ChatError>,
    /// What caused it, a level below.
    pub source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// Who failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The configured provider.
    pub provider: String,
    /// The provider's id of the model.
    pub model: String,
    /// The auth profile, once one was picked.
    pub profile: Option<String>,
}

impl ChatError {
    /// A failure of this kind; `message` is fit for a person and holds no secret.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), details: Box::default() }
    }

    /// With what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.details.source = Some(Arc::new(source));
        self
    }

    /// With one line of what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.details.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for ChatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ChatError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.details.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}
