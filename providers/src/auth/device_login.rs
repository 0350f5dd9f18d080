//! The device flow over a socket and a clock.

use std::time::SystemTime;

use tokio::time::Instant;

use super::{
    Issuer, TokenClient, TokenError, TokenErrorKind, Tokens,
    device::{DeviceCode, DeviceFlow, DeviceStep},
};

/// What happens while a person types in the code.
#[derive(Debug)]
pub enum DeviceProgress<'a> {
    /// What the person has to do; the first of all.
    Code(&'a DeviceCode),
    /// The person has not done it yet.
    Waiting,
    /// The endpoint gave no answer; it is asked again, as long as the code is good.
    Retrying(&'a TokenError),
}

/// Logs in by a code that a person types in on another device. Dropping the future cancels.
///
/// # Errors
/// `Config`: the issuer has no such login. `Expired`: the code was not typed in in time. `Denied`: the person refused. Else
/// why the endpoint gives no code, or what it says that asking again can't change.
pub async fn log_in_by_device(
    issuer: &Issuer,
    client: &TokenClient,
    progress: &mut (dyn FnMut(DeviceProgress<'_>) + Send),
) -> Result<Tokens, TokenError> {
    let device_url = issuer.device_url.as_ref().ok_or_else(|| {
        TokenError::new(TokenErrorKind::Config, "this login has no address to get a code from")
            .with_hint("set oauth.device_url, or oauth.flow = \"pkce\"")
    })?;
    let clock = Clock::start();
    let scopes = issuer.scopes.join(" ");
    let mut form = Vec::new();
    if !scopes.is_empty() {
        form.push(("scope", scopes.as_str()));
    }
    form.extend(issuer.audience.as_deref().map(|audience| ("audience", audience)));
    let answer = client.post_as(issuer, device_url, &form).await?;
    let (mut flow, code) = DeviceFlow::begin(issuer, &answer, clock.now())?;
    progress(DeviceProgress::Code(&code));
    let mut at = flow.first_poll(clock.now());
    loop {
        clock.sleep_until(at).await;
        let asked_at = clock.now();
        let answer = client.post_as(issuer, &issuer.token_url, &flow.form()).await;
        // What came is good from when it was asked for; what is to come is waited for from now.
        let now = if answer.is_ok() { asked_at } else { clock.now() };
        at = match flow.handle_answer(issuer, answer.as_ref().map_err(Clone::clone), now)? {
            DeviceStep::Done(tokens) => return Ok(tokens),
            DeviceStep::Poll { at, failure } => {
                progress(failure.as_ref().map_or(DeviceProgress::Waiting, DeviceProgress::Retrying));
                at.max(clock.now())
            }
        };
    }
}

/// The time of day at the start and what has passed since, so that a clock that is set meanwhile changes nothing.
struct Clock(SystemTime, Instant);

impl Clock {
    fn start() -> Self {
        Self(SystemTime::now(), Instant::now())
    }

    fn now(&self) -> SystemTime {
        self.0 + self.1.elapsed()
    }

    async fn sleep_until(&self, at: SystemTime) {
        tokio::time::sleep(at.duration_since(self.now()).unwrap_or_default()).await;
    }
}
