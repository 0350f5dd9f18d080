//! Why there are no tokens, as a typed value.

use std::{error::Error, sync::Arc, time::Duration};

use greenroom_wire::{ChatError, ErrorKind};

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenErrorKind {
    /// The login is not valid any more (`invalid_grant`).
    Revoked,
    /// A refresh token that was replaced was used again, which ends the login.
    Reused,
    /// The person or the account's rules did not consent.
    Denied,
    /// A code of the login came too late.
    Expired,
    /// The client is not known, or may not do this: its configuration is wrong.
    Client,
    /// This machine's clock is wrong.
    Clock,
    /// The endpoint could not be reached, or did not answer in time.
    Network,
    /// The endpoint failed, or has too much to do.
    Server,
    /// What came was not what an endpoint for tokens answers.
    Protocol,
    /// What came back from the browser is not of this login.
    State,
    /// What was configured can't be used.
    Config,
}

impl TokenErrorKind {
    /// What a person can do about it, where nothing closer is known.
    fn hint(self) -> &'static str {
        match self {
            Self::Revoked | Self::Reused => "log in again",
            Self::Denied => "log in again and allow the access",
            Self::Expired => "log in again, and finish before the code expires",
            Self::Client => "check the client id, the client secret and the scopes in the configuration",
            Self::Clock => "set this machine's clock right",
            Self::Network => "check the network and the address of the token endpoint",
            Self::Server => "try again later",
            Self::Protocol => "check the address of the token endpoint, and whether a proxy answers in its place",
            Self::State => "use the page that this login opened, or begin a new login",
            Self::Config => "check the configuration of the login",
        }
    }
}

/// Why there are no tokens. No secret is in any of it: whoever makes one from an endpoint's words sees to that.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct TokenError {
    /// What kind of failure.
    pub kind: TokenErrorKind,
    /// What happened, fit for a person: lowercase, no full stop of ours.
    pub message: String,
    /// What else is known.
    pub details: Box<TokenErrorDetails>,
    #[source]
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// What else is known of a failure.
#[derive(Debug, Clone, Default)]
pub struct TokenErrorDetails {
    /// HTTP status.
    pub status: Option<u16>,
    /// The endpoint's own code (`invalid_grant`).
    pub code: Option<String>,
    /// How long the endpoint asks to wait.
    pub retry_after: Option<Duration>,
    /// For [`TokenErrorKind::Clock`]: by how many seconds this machine's clock is ahead; behind, if negative.
    pub clock_ahead: Option<i64>,
    hint: Option<String>,
}

impl TokenError {
    /// A failure of this kind; `message` is fit for a person and holds no secret.
    pub fn new(kind: TokenErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), details: Box::default(), source: None }
    }

    /// With what caused it, which holds no secret either.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// With one line of what to do about it, in place of what goes for its kind.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.details.hint = Some(hint.into());
        self
    }

    /// What a person can do about it, in one line.
    pub fn hint(&self) -> &str {
        self.details.hint.as_deref().unwrap_or(self.kind.hint())
    }

    /// Whether asking again may help, with nothing changed.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, TokenErrorKind::Network | TokenErrorKind::Server | TokenErrorKind::Protocol)
    }

    /// What it means for an attempt at an answer that needs the token.
    pub fn into_chat(self) -> ChatError {
        use TokenErrorKind as Token;
        let kind = match self.kind {
            Token::Revoked | Token::Reused | Token::Denied | Token::Expired => ErrorKind::AuthPermanent,
            Token::Client | Token::Config | Token::Clock | Token::State => ErrorKind::Config,
            Token::Network => ErrorKind::Network,
            Token::Server => ErrorKind::Server,
            Token::Protocol => ErrorKind::Protocol,
        };
        let mut error = ChatError::new(kind, self.message.clone()).with_hint(self.hint());
        error.details.status = self.details.status;
        error.details.code.clone_from(&self.details.code);
        error.details.retry_after = self.details.retry_after;
        error.details.source.clone_from(&self.source);
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_pass_by_itself_is_transient_and_keeps_its_name_for_an_attempt() {
        let of = |kind| TokenError::new(kind, "it failed");
        for (kind, as_chat) in [
            (TokenErrorKind::Network, ErrorKind::Network),
            (TokenErrorKind::Server, ErrorKind::Server),
            (TokenErrorKind::Protocol, ErrorKind::Protocol),
        ] {
            assert!(of(kind).is_transient());
            assert_eq!(of(kind).into_chat().kind, as_chat);
        }
        for (kind, as_chat) in [
            (TokenErrorKind::Revoked, ErrorKind::AuthPermanent),
            (TokenErrorKind::Reused, ErrorKind::AuthPermanent),
            (TokenErrorKind::Denied, ErrorKind::AuthPermanent),
            (TokenErrorKind::Expired, ErrorKind::AuthPermanent),
            (TokenErrorKind::Client, ErrorKind::Config),
            (TokenErrorKind::Config, ErrorKind::Config),
            (TokenErrorKind::Clock, ErrorKind::Config),
            (TokenErrorKind::State, ErrorKind::Config),
        ] {
            assert!(!of(kind).is_transient());
            assert_eq!(of(kind).into_chat().kind, as_chat);
        }
    }

    #[test]
    fn an_attempt_is_told_all_that_is_known() {
        let cause = std::io::Error::other("the cause");
        let mut error = TokenError::new(TokenErrorKind::Server, "busy").with_source(cause).with_hint("wait");
        error.details.status = Some(429);
        error.details.code = Some("slow".into());
        error.details.retry_after = Some(Duration::from_secs(7));
        assert_eq!(error.source().map(ToString::to_string), Some("the cause".into()));
        let chat = error.into_chat();
        assert_eq!((chat.message.as_str(), chat.details.hint.as_deref()), ("busy", Some("wait")));
        assert_eq!((chat.details.status, chat.details.code.as_deref()), (Some(429), Some("slow")));
        assert_eq!(chat.details.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(chat.source().map(ToString::to_string), Some("the cause".into()));
        assert_eq!(
            TokenError::new(TokenErrorKind::Revoked, "x").into_chat().details.hint.as_deref(),
            Some("log in again")
        );
    }
}
