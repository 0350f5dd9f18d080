//! Whether providers get in, as it is shown: at the command line and over HTTP in the same form.

use greenroom_actors::{ProfileTest, System};
use greenroom_config as config;
use greenroom_wire::{ChatError, ErrorKind};
use serde::{Deserialize, Serialize};

use crate::Warned;

/// How the test of a provider went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestedProvider {
    /// Its configured name.
    pub provider: String,
    /// Its kind.
    pub kind: String,
    /// Its auth profiles, in the order they were written.
    pub profiles: Vec<TestedProfile>,
    /// Why none of them was asked, where that is so of the provider itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<TestError>,
}

/// How the test of an auth profile went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestedProfile {
    /// Its name.
    pub id: String,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// How many models it may use, where the provider was asked that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<usize>,
    /// Why it does not get in, or can't be tested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<TestError>,
}

/// What came of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The provider answered, and let it in.
    Ok,
    /// It did not.
    Failed,
    /// Only an answer, which is paid for, could tell.
    Untested,
}

impl Outcome {
    /// The word that stands for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Untested => "untested",
        }
    }
}

/// What stands in the way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestError {
    /// The kind in snake_case.
    pub kind: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl From<&ChatError> for TestError {
    fn from(error: &ChatError) -> Self {
        let hint = error.details.hint.clone().or_else(|| advice(error.kind).map(str::to_owned));
        Self { kind: error.kind.as_str().to_owned(), message: error.message.clone(), hint }
    }
}

/// What to do about a failure of this kind that says nothing of it itself.
fn advice(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::Auth | ErrorKind::AuthPermanent => "check the key; `greenroom auth add` adds another",
        ErrorKind::Permission => "see whether this key may use the provider's API at all",
        ErrorKind::Network | ErrorKind::Timeout => "see whether base_url is right, and the network there",
        ErrorKind::Protocol => "see whether base_url leads to the provider's API",
        _ => return None,
    })
}

/// Tests a provider that was written.
///
/// # Errors
/// Its actor is down.
pub(crate) async fn test(
    system: &System,
    written: &config::Provider,
    left_out: &[Warned],
) -> Result<TestedProvider, crate::Error> {
    let tests = system.test(&written.name).await?.unwrap_or_default();
    let lacking = |profile: Option<&str>| {
        let of = |warned: &&Warned| *warned.provider == *written.name && warned.profile.as_deref() == profile;
        left_out.iter().find(of).map(|Warned { message, hint, .. }| TestError {
            kind: ErrorKind::Config.as_str().to_owned(),
            message: message.clone(),
            hint: Some(hint.clone()),
        })
    };
    let of_all = lacking(None);
    let profile = |id: &String| match tests.iter().find(|test| *test.profile == **id) {
        Some(test) => tested(test),
        None => {
            let error = lacking(Some(id)).or_else(|| of_all.clone());
            TestedProfile { id: id.clone(), outcome: Outcome::Failed, took_ms: 0, models: None, error }
        }
    };
    let profiles: Vec<TestedProfile> = written.profiles.iter().map(|written| profile(&written.id)).collect();
    let error = if profiles.is_empty() { of_all } else { None };
    Ok(TestedProvider { provider: written.name.clone(), kind: written.kind.name().to_owned(), profiles, error })
}

fn tested(test: &ProfileTest) -> TestedProfile {
    let (outcome, models) = match &test.outcome {
        Ok(health) => (Outcome::Ok, health.models),
        // What a provider has no way to be asked: see `Provider::health`.
        Err(error) if error.details.status.is_none() && matches!(error.kind, ErrorKind::NotFound) => {
            (Outcome::Untested, None)
        }
        Err(_) => (Outcome::Failed, None),
    };
    TestedProfile {
        id: test.profile.to_string(),
        outcome,
        took_ms: u64::try_from(test.took.as_millis()).unwrap_or(u64::MAX),
        models,
        error: test.outcome.as_ref().err().map(TestError::from),
    }
}
