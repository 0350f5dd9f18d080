//! What is kept of a batch, and what is shown of it.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use greenroom_actors::store::Table;
use greenroom_wire::{
    batch::{BatchCounts, BatchForm, BatchStatus},
    openai_chat::ToolNames,
};
use serde::{Deserialize, Serialize};

/// Batches by our id.
pub(super) static BATCHES: Table<String, Kept> = Table::new("batches");

/// A batch as the store has it. It is written before each step and after it, so that whoever finds it knows which step may
/// have been done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) provider: String,
    /// To which the batch belongs.
    pub(super) profile: String,
    pub(super) form: BatchForm,
    /// How many requests ask which of the provider's models.
    pub(super) models: BTreeMap<String, u64>,
    pub(super) requests: u64,
    /// Of what is handed over.
    pub(super) bytes: u64,
    /// In seconds since 1970.
    pub(super) created: u64,
    pub(super) step: Step,
    /// The provider's id of what was uploaded.
    #[serde(default)]
    pub(super) file: Option<String>,
    /// What the provider told last.
    #[serde(default)]
    pub(super) status: Option<BatchStatus>,
    /// Why it is not handed over.
    #[serde(default)]
    pub(super) problem: Option<String>,
    /// How many lines of its results are booked.
    #[serde(default)]
    pub(super) booked: u64,
    /// Tools that are sent under other names.
    #[serde(default, skip_serializing_if = "ToolNames::is_empty")]
    pub(super) names: ToolNames,
    /// Features that are asked for by header.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) features: Vec<String>,
}

/// How far a batch has been handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    /// Its file is being uploaded, or may be there.
    Uploading,
    /// It is being made, or may be there.
    Creating,
    /// The provider has it.
    Sent,
    /// The provider does not have it, and won't.
    Failed,
}

/// A batch, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchInfo {
    /// Our id.
    pub id: String,
    /// How far it is: `sending`, `interrupted` (it may or may not be at the provider, which is found out when it is asked
    /// for), `validating`, `in_progress`, `finalizing`, `cancelling`, `completed`, `failed`, `expired` or `cancelled`.
    pub state: String,
    /// Whether nothing changes any more.
    pub ended: bool,
    /// The configured provider.
    pub provider: String,
    /// The auth profile that handed it over.
    pub profile: String,
    /// How many requests ask which of the provider's models.
    pub models: BTreeMap<String, u64>,
    /// How many requests it has.
    pub requests: u64,
    /// What became of them, as the provider told.
    pub counts: BatchCounts,
    /// The provider's id, once it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// When it was submitted.
    #[serde(with = "crate::state::moment")]
    pub created: SystemTime,
    /// Until when it is worked on.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::state::moment::optional")]
    pub expires: Option<SystemTime>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::state::moment::optional")]
    pub ended_at: Option<SystemTime>,
    /// Why it failed, or is not handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Kept {
    /// In a word; `under_way` is whether it is being handed over now.
    pub(super) fn state(&self, under_way: bool) -> &'static str {
        match (self.step, &self.status) {
            (Step::Failed, _) => "failed",
            (Step::Sent, Some(status)) => status.phase.as_str(),
            _ if under_way => "sending",
            _ => "interrupted",
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.step == Step::Failed || self.status.as_ref().is_some_and(|status| status.phase.has_ended())
    }

    pub(super) fn shown(&self, id: &str, under_way: bool) -> BatchInfo {
        let status = self.status.as_ref();
        BatchInfo {
            id: id.to_owned(),
            state: self.state(under_way).to_owned(),
            ended: self.has_ended(),
            provider: self.provider.clone(),
            profile: self.profile.clone(),
            models: self.models.clone(),
            requests: self.requests,
            counts: status.map(|status| status.counts).unwrap_or_default(),
            provider_id: status.map(|status| status.id.clone()),
            created: moment(self.created),
            expires: status.and_then(|status| status.expires).map(moment),
            ended_at: status.and_then(|status| status.ended).map(moment),
            problem: self.problem.clone().or_else(|| status.and_then(|status| status.problem.clone())),
        }
    }

    /// The model of an answer, by the provider's words for it, which may be more exact than what was asked for.
    pub(super) fn model_of(&self, told: &str) -> String {
        let asked = self.models.keys();
        match self.models.len() {
            1 => asked.map(String::as_str).collect(),
            _ => asked
                .filter(|id| told.starts_with(id.as_str()))
                .max_by_key(|id| id.len())
                .map_or(told, |id| id)
                .to_owned(),
        }
    }
}

/// A moment in seconds since 1970.
pub(super) fn moment(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Now, in seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use greenroom_wire::batch::BatchPhase;

    use super::*;

    fn kept() -> Kept {
        Kept {
            provider: "lab".into(),
            profile: "default".into(),
            form: BatchForm::OpenaiChat,
            models: BTreeMap::from([("m".into(), 2)]),
            requests: 2,
            bytes: 10,
            created: 60,
            step: Step::Uploading,
            file: None,
            status: None,
            problem: None,
            booked: 0,
            names: ToolNames::default(),
            features: Vec::new(),
        }
    }

    #[test]
    fn a_batch_is_told_by_what_the_provider_says_once_it_has_it() {
        let mut batch = kept();
        assert_eq!((batch.state(true), batch.state(false), batch.has_ended()), ("sending", "interrupted", false));
        let status = |phase| BatchStatus {
            id: "b".into(),
            phase,
            counts: BatchCounts::default(),
            created: None,
            expires: Some(90),
            ended: None,
            files: Vec::new(),
            problem: Some("no".into()),
            mark: None,
        };
        (batch.step, batch.status) = (Step::Sent, Some(status(BatchPhase::InProgress)));
        assert_eq!((batch.state(false), batch.has_ended()), ("in_progress", false));
        batch.status = Some(status(BatchPhase::Expired));
        let shown = batch.shown("batch_1", false);
        assert_eq!((shown.state.as_str(), shown.ended, shown.expires), ("expired", true, Some(moment(90))));
        let json = serde_json::to_string(&shown).unwrap();
        assert_eq!(serde_json::from_str::<BatchInfo>(&json).unwrap(), shown);
        batch.step = Step::Failed;
        assert!(batch.has_ended() && batch.state(false) == "failed");
    }

    #[test]
    fn an_answer_is_of_the_model_that_was_asked() {
        let mut batch = kept();
        assert_eq!(batch.model_of("m-2026-01-01"), "m");
        batch.models = BTreeMap::from([("claude-a".into(), 1), ("claude-a-5".into(), 1)]);
        assert_eq!(batch.model_of("claude-a-5-20260101"), "claude-a-5");
        assert_eq!(batch.model_of("claude-a"), "claude-a");
        assert_eq!(batch.model_of("other"), "other");
    }
}
