//! The one table that says, for each kind of failure, what is marked, tried again, rotated and handed on.
//!
//! No call site decides by itself: the provider's actor reads the *mark*, a dispatch reads the rest.

use std::time::Duration;

use greenroom_wire::{ChatError, ErrorKind};

/// A retry-after up to this is worth waiting for on the same profile.
pub(crate) const SHORT_HINT: Duration = Duration::from_secs(3);

/// What follows from one kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// Whether the same profile is asked once more.
    pub(crate) again: Again,
    /// What is marked.
    pub(crate) mark: Marks,
    /// Whether the provider's other good profiles are asked.
    pub(crate) other_profiles: bool,
    /// Whether the next candidate is asked.
    pub(crate) next: Next,
}

/// Whether the same profile is asked once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// No.
    Never,
    /// After a jittered wait.
    Backoff,
    /// After a short retry-after, after a jittered wait if there is none, not if it is long.
    AfterHint,
    /// After a short retry-after, if no other profile is good.
    AfterHintAlone,
    /// After the next candidates, or where there are none.
    AfterOthers,
    /// After a forced refresh, for a credential that can be refreshed.
    AfterRefresh,
}

/// What is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marks {
    /// Nothing.
    Nothing,
    /// The health of (provider, model).
    Health,
    /// (profile, model), for the retry-after or by the ladder of limits.
    ProfileModel,
    /// The profile, by the ladder of logins.
    Profile,
    /// The profile is disabled, for longer and longer.
    Disabled,
    /// (profile, model) is left out for an hour.
    Excluded,
}

/// Whether the next candidate is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Yes.
    Yes,
    /// Only one whose window is larger or not known.
    LargerWindow,
    /// No: it would fail there as well, or must not be routed around.
    No,
}

/// The row of a failure. `spoke` is whether the model had said something before it: an answer that stalls is then
/// worth asking again, a route that was silent from the start is not.
pub(crate) fn row(kind: ErrorKind, spoke: bool) -> Row {
    use ErrorKind as K;
    let row = |again, mark, other_profiles, next| Row { again, mark, other_profiles, next };
    match kind {
        // An error within an answer is like a cut: another goes on with it sooner than the one that fails.
        K::Network | K::Server | K::Overloaded if spoke => row(Again::AfterOthers, Marks::Health, false, Next::Yes),
        K::Network | K::Server => row(Again::Backoff, Marks::Health, false, Next::Yes),
        K::Overloaded => row(Again::AfterHint, Marks::Health, false, Next::Yes),
        K::Timeout if !spoke => row(Again::Never, Marks::Health, false, Next::Yes),
        K::Protocol | K::Timeout => row(Again::AfterOthers, Marks::Health, false, Next::Yes),
        K::RateLimited => row(Again::AfterHintAlone, Marks::ProfileModel, true, Next::Yes),
        K::Auth => row(Again::AfterRefresh, Marks::Profile, true, Next::Yes),
        K::AuthPermanent | K::Billing => row(Again::Never, Marks::Disabled, true, Next::Yes),
        K::Permission | K::NotFound => row(Again::Never, Marks::Excluded, true, Next::Yes),
        K::ContextOverflow => row(Again::Never, Marks::Nothing, false, Next::LargerWindow),
        K::InvalidRequest | K::ContentFilter | K::Config | K::Cancelled | K::Exhausted => {
            row(Again::Never, Marks::Nothing, false, Next::No)
        }
    }
}

/// How long to wait before the same profile is asked again for `error`; `None` if it isn't. `jittered` gives the wait
/// where the provider gave no hint.
pub(crate) fn wait_before_again(
    again: Again,
    error: &ChatError,
    jittered: impl FnOnce() -> Duration,
) -> Option<Duration> {
    if error.details.should_retry == Some(false) {
        return None;
    }
    let hint = error.details.retry_after;
    match again {
        Again::Never | Again::AfterRefresh => None,
        Again::Backoff | Again::AfterOthers => Some(hint.filter(|hint| *hint <= SHORT_HINT).unwrap_or_else(jittered)),
        Again::AfterHint => match hint {
            Some(hint) => (hint <= SHORT_HINT).then_some(hint),
            None => Some(jittered()),
        },
        Again::AfterHintAlone => hint.filter(|hint| *hint <= SHORT_HINT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(hint: Option<u64>) -> ChatError {
        let mut error = ChatError::new(ErrorKind::Overloaded, "busy");
        error.details.retry_after = hint.map(Duration::from_secs);
        error
    }

    #[test]
    fn a_short_hint_is_waited_for_and_a_long_one_is_not() {
        let jitter = || Duration::from_millis(1);
        assert_eq!(wait_before_again(Again::AfterHint, &error(Some(2)), jitter), Some(Duration::from_secs(2)));
        assert_eq!(wait_before_again(Again::AfterHint, &error(Some(4)), jitter), None);
        assert_eq!(wait_before_again(Again::AfterHint, &error(None), jitter), Some(Duration::from_millis(1)));
        assert_eq!(wait_before_again(Again::AfterHintAlone, &error(None), jitter), None);
    }

    #[test]
    fn a_provider_that_says_a_retry_can_not_help_is_believed() {
        let mut error = error(None);
        error.details.should_retry = Some(false);
        assert_eq!(wait_before_again(Again::Backoff, &error, || Duration::ZERO), None);
    }

    #[test]
    fn what_the_user_did_wrong_is_never_routed_around() {
        for kind in [ErrorKind::InvalidRequest, ErrorKind::ContentFilter, ErrorKind::Config, ErrorKind::Cancelled] {
            assert_eq!(row(kind, false).next, Next::No);
            assert_eq!(row(kind, false).mark, Marks::Nothing);
        }
    }
}
