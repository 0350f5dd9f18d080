//! A login by a code that a person types in on another device. Pure: answers and the time are arguments.

use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{
    Issuer, TokenError, TokenErrorKind, Tokens,
    answer::{Answer, exposed, tokens},
    fields::Fields,
    refusal::Grant,
};

/// The grant's name.
pub(crate) const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// How long to wait between questions where nothing is said, and how much longer after `slow_down`.
const STEP: Duration = Duration::from_secs(5);
/// A server that asks for less is not asked more often than this.
const SHORTEST: Duration = Duration::from_secs(1);
/// Longest time between questions to a server that does not answer.
const LONGEST: Duration = Duration::from_secs(60);
/// How long a code is good where nothing is said.
const EXPIRES_IN: Duration = Duration::from_secs(15 * 60);
/// Answers in a row that are no answers, after which the address must be the wrong one.
const MOST_GARBAGE: u32 = 3;
/// Longest code that a person is asked to type in.
const LONGEST_CODE: usize = 64;

/// What a person has to do.
#[derive(Debug, Clone)]
pub struct DeviceCode {
    /// What to type in.
    pub user_code: String,
    /// Where.
    pub verification_uri: Url,
    /// Where it is typed in already, if the issuer has such an address.
    pub verification_uri_complete: Option<Url>,
    /// Until when.
    pub expires_at: SystemTime,
    /// How long to wait between questions, at first.
    pub interval: Duration,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum DeviceStep {
    /// To ask again at this time.
    Poll {
        at: SystemTime,
        /// Why there was no answer, where there was none.
        failure: Option<TokenError>,
    },
    /// The login is done.
    Done(Tokens),
}

/// A login by a device code that is under way. Its `Debug` shows no secret.
#[derive(Debug)]
pub(crate) struct DeviceFlow {
    device_code: SecretString,
    expires_at: SystemTime,
    interval: Duration,
    /// Questions in a row without an answer.
    failures: u32,
    garbage: u32,
}

impl DeviceFlow {
    /// What the device endpoint answered at `now`.
    ///
    /// # Errors
    /// `Protocol`: the answer has no code, or one that can't be shown. Else what the endpoint refuses with.
    pub(crate) fn begin(issuer: &Issuer, answer: &Answer, now: SystemTime) -> Result<(Self, DeviceCode), TokenError> {
        let fields = answer.fields(Grant::Device, &exposed([issuer.client_secret.as_ref()]))?;
        let code = read_code(&fields, now).map_err(|error| answer.with_details(error))?;
        let device_code = fields.secret("device_code").map_err(|error| answer.with_details(error))?;
        let (expires_at, interval) = (code.expires_at, code.interval);
        Ok((Self { device_code, expires_at, interval, failures: 0, garbage: 0 }, code))
    }

    /// What to ask with.
    pub(crate) fn form(&self) -> [(&str, &str); 2] {
        [("grant_type", DEVICE_GRANT), ("device_code", self.device_code.expose_secret())]
    }

    /// When to ask first.
    pub(crate) fn first_poll(&self, now: SystemTime) -> SystemTime {
        now + self.interval
    }

    /// What the token endpoint answered, or why it did not, at `now`.
    ///
    /// # Errors
    /// `Expired`: nobody typed the code in in time; if the endpoint did not answer at the end, its source says why. `Denied`: the person refused. Else what asking again can't change.
    pub(crate) fn handle_answer(
        &mut self,
        issuer: &Issuer,
        answer: Result<&Answer, TokenError>,
        now: SystemTime,
    ) -> Result<DeviceStep, TokenError> {
        let said = answer.as_ref().ok().copied();
        let error = match answer.and_then(|answer| self.read(issuer, answer, now)) {
            Ok(tokens) => return Ok(DeviceStep::Done(tokens)),
            Err(error) => error,
        };
        let code = error.details.code.as_deref();
        if code == Some("slow_down") {
            let told = said.and_then(Answer::object).and_then(|fields| fields.seconds("interval"));
            self.interval = (self.interval + STEP).max(told.unwrap_or_default());
        }
        if matches!(code, Some("authorization_pending" | "slow_down")) {
            (self.failures, self.garbage) = (0, 0);
            return self.again(now, self.interval, None);
        }
        if !error.is_transient() {
            return Err(error);
        }
        self.failures += 1;
        self.garbage = if error.kind == TokenErrorKind::Protocol { self.garbage + 1 } else { 0 };
        if self.garbage >= MOST_GARBAGE {
            return Err(error);
        }
        let longer = self.interval.saturating_mul(1 << self.failures.min(6)).min(LONGEST.max(self.interval));
        let wait = longer.max(error.details.retry_after.unwrap_or_default());
        // Once more before the end, if there is time for that: what the person did is not to be lost for a long wait.
        let last = self.expires_at.duration_since(now).unwrap_or_default().saturating_sub(SHORTEST);
        self.again(now, wait.min(last).max(self.interval), Some(error))
    }

    fn read(&self, issuer: &Issuer, answer: &Answer, now: SystemTime) -> Result<Tokens, TokenError> {
        let secrets = exposed([Some(&self.device_code), issuer.client_secret.as_ref()]);
        let fields = answer.fields(Grant::Device, &secrets)?;
        tokens(&fields, issuer, None, now).map_err(|error| answer.with_details(error))
    }

    fn again(&self, now: SystemTime, wait: Duration, failure: Option<TokenError>) -> Result<DeviceStep, TokenError> {
        let at = now + wait;
        if at < self.expires_at {
            return Ok(DeviceStep::Poll { at, failure });
        }
        let expired = TokenError::new(TokenErrorKind::Expired, "the code expired before it was typed in");
        Err(match failure {
            Some(failure) => expired.with_source(failure),
            None => expired,
        })
    }
}

fn read_code(fields: &Fields, now: SystemTime) -> Result<DeviceCode, TokenError> {
    let user_code = fields.require("user_code")?;
    let page = |name| fields.page(name);
    // Some write `url`.
    let verification_uri = page("verification_uri").or_else(|| page("verification_url"));
    let bad = |what| TokenError::new(TokenErrorKind::Protocol, format!("the answer can't be used: {what}"));
    if user_code.chars().count() > LONGEST_CODE || user_code.chars().any(char::is_control) {
        return Err(bad("nobody could type in its user_code"));
    }
    Ok(DeviceCode {
        user_code: user_code.to_owned(),
        verification_uri: verification_uri.ok_or_else(|| bad("verification_uri is missing or no address"))?,
        verification_uri_complete: page("verification_uri_complete").or_else(|| page("verification_url_complete")),
        expires_at: now + fields.seconds("expires_in").unwrap_or(EXPIRES_IN),
        interval: fields.seconds("interval").unwrap_or(STEP).max(SHORTEST),
    })
}

#[cfg(test)]
#[path = "device_tests.rs"]
mod tests;
