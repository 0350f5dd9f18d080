//! One turn: from a request to the last event of its answer.
//!
//! All of its state is its own, so no actor's failure touches an answer that runs. How an answer is sought is in `seek`.

use std::{
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use greenroom_providers::ModelInfo;
use greenroom_wire::{ChatError, ChatRequest, ErrorKind};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    answering::{Answering, lock},
    continuation::OnInterrupt,
    event::{EventBody, Failure},
    rules::SessionRules,
    seek::seek,
};
use crate::{
    gather::Gathering,
    handle::{Handle, Unavailable},
    provider::{ProfileId, actor::ProviderMsg},
    router::{
        Budget, Candidate,
        actor::{Plan, RouterMsg},
        plan::Needs,
    },
    usage::{Asker, Ledger},
};

/// How long attempts at a provider may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To the first content, where another candidate could answer.
    pub first_token: Duration,
    /// What `first_token` grows by for each 10,000 tokens of the prompt.
    pub first_token_per_10k: Duration,
    /// To the first content, where none could, of a model that reasons, or of one that runs on the user's hardware.
    pub first_token_alone: Duration,
    /// Between bytes.
    pub idle: Duration,
    /// Between bytes of a model that reasons.
    pub idle_reasoning: Duration,
    /// Between pieces of content.
    pub silent: Duration,
}

/// What bounds a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnLimits {
    /// Bytes of its answer.
    pub bytes: usize,
    /// How long it may take.
    pub time: Duration,
}

/// A provider as a turn sees it.
#[derive(Debug, Clone)]
pub(crate) struct ProviderRef {
    pub(crate) handle: Handle<ProviderMsg>,
    pub(crate) timeouts: Timeouts,
    pub(crate) local: bool,
    /// How long a request may wait in its queue.
    pub(crate) queue_wait: Duration,
    pub(crate) defaults: RequestDefaults,
}

/// What requests ask that don't say.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RequestDefaults {
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Most tokens of an answer.
    pub max_tokens: Option<u64>,
}

impl RequestDefaults {
    /// The request with what it does not say filled in, and with no larger bound on its answer than this model has: who
    /// asks for at most so much is served by less, and providers refuse more. The same one where there is nothing to
    /// change.
    pub(crate) fn fill(&self, request: Arc<ChatRequest>, model: &ModelInfo) -> Arc<ChatRequest> {
        let temperature = request.temperature.or(self.temperature);
        let asked = request.max_tokens.or(self.max_tokens);
        let max_tokens =
            asked.map(|most| model.max_output.filter(|known| *known > 0).map_or(most, |known| most.min(known)));
        if (temperature, max_tokens) == (request.temperature, request.max_tokens) {
            return request;
        }
        if max_tokens < asked {
            tracing::debug!(
                model = model.id,
                ?asked,
                ?max_tokens,
                "the bound of an answer was lowered to the model's own"
            );
        }
        let mut filled = ChatRequest::clone(&request);
        (filled.temperature, filled.max_tokens) = (temperature, max_tokens);
        Arc::new(filled)
    }
}

/// What every turn of a runtime shares.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) router: Handle<RouterMsg>,
    /// In the order they were written, those that came in later last.
    pub(crate) providers: RwLock<Vec<(Arc<str>, ProviderRef)>>,
    pub(crate) budget: Budget,
    pub(crate) limits: TurnLimits,
    /// What is done with an answer that is interrupted, where its request doesn't say.
    pub(crate) on_interrupt: OnInterrupt,
    /// After how long without a word the next candidate begins beside the first; never if it is not said.
    pub(crate) hedge: Option<Duration>,
    /// What holds for every durable session.
    pub(crate) rules: SessionRules,
    /// What attempts use is booked here.
    pub(crate) ledger: Ledger,
    /// Requests for vectors that are about to be sent together.
    pub(crate) gathering: Gathering,
    /// Ends every turn, with an error.
    pub(crate) shutdown: CancellationToken,
    /// Counts the turns that run.
    pub(crate) turns: TaskTracker,
}

/// What a turn is to do.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) request: Arc<ChatRequest>,
    /// Whose it is; owners take turns in a provider's queue.
    pub(crate) owner: Arc<str>,
    /// Under whom its attempts are booked.
    pub(crate) asker: Asker,
    /// Who answered this owner last, to stay with them.
    pub(crate) prefer: Option<(Arc<str>, ProfileId)>,
    /// What is done with an answer that is interrupted, if this turn says.
    pub(crate) on_interrupt: Option<OnInterrupt>,
    pub(crate) ends: Ends,
}

/// What becomes of a turn's last event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// It is logged with the last of the answer.
    Logged,
    /// It is given to whoever runs the turn.
    Given {
        /// Whether there is none, and the turn goes on in the next process, where this one ends.
        suspends: bool,
    },
}

/// How a turn ended.
pub(crate) struct Outcome {
    /// Its last event, unless that is logged; none if the turn is to go on in the next process.
    pub(crate) last: Option<EventBody>,
    /// Who answered.
    pub(crate) route: Option<(Arc<str>, ProfileId)>,
}

/// Runs a turn to its end.
pub(crate) async fn run(shared: &Shared, job: &Job, answering: Answering, cancel: &CancellationToken) -> Outcome {
    let _counted = shared.turns.token();
    let answering = Arc::new(Mutex::new(answering));
    let outcome = tokio::select! {
        biased;
        () = cancel.cancelled() => Err(None),
        () = shared.shutdown.cancelled() => {
            if job.ends == (Ends::Given { suspends: true }) {
                return Outcome { last: None, route: lock(&answering).route() };
            }
            let error = ChatError::new(ErrorKind::Overloaded, "greenroom is shutting down");
            Err(Some(error.with_hint("ask again once it is back")))
        }
        outcome = tokio::time::timeout(shared.limits.time, seek(shared, job, &answering)) => match outcome {
            Ok(outcome) => outcome.map_err(Some),
            // At its bound in time an answer ends as at its bound in length, if there is one.
            Err(_) if lock(&answering).has_shown() => Ok(()),
            Err(_) => Err(Some(ChatError::new(ErrorKind::Timeout, "the turn took longer than it may"))),
        },
    };
    let mut answering = lock(&answering);
    let route = answering.route();
    let last = match outcome {
        Ok(()) => EventBody::TurnFinished { reason: answering.reason() },
        Err(None) => EventBody::TurnCancelled,
        Err(Some(error)) => EventBody::TurnFailed { error: Failure::from(&error) },
    };
    let finished = matches!(last, EventBody::TurnFinished { .. });
    match job.ends {
        Ends::Logged => {
            answering.end(finished, Some(last));
            Outcome { last: None, route }
        }
        Ends::Given { .. } => {
            answering.end(finished, None);
            Outcome { last: Some(last), route }
        }
    }
}

/// Who may answer after all, where nobody did: what an old list named may be gone, and a new list says what there is.
/// The error is given back if that is not why.
pub(super) async fn replan(
    shared: &Shared,
    job: &Job,
    needs: Needs,
    old: Option<Arc<str>>,
    error: ChatError,
    tried: &[Candidate],
) -> Result<Vec<Candidate>, ChatError> {
    let Some(provider) = old.filter(|_| error.kind == ErrorKind::NotFound) else { return Err(error) };
    if shared.list(&provider, true).await.is_err() {
        return Err(error);
    }
    let Planned { candidates, .. } = plan(shared, &job.request.model, needs).await?;
    let is_new = candidates
        .iter()
        .any(|new| !tried.iter().any(|tried| tried.provider == new.provider && tried.model.id == new.model.id));
    if is_new { Ok(candidates) } else { Err(error) }
}

/// Who may answer, in order of preference.
pub(crate) struct Planned {
    pub(crate) candidates: Vec<Candidate>,
    /// The provider whose old list named them, if it was one; a new one is on its way.
    pub(super) old: Option<Arc<str>>,
}

/// Finds out who may answer.
pub(crate) async fn plan(shared: &Shared, model: &str, needs: Needs) -> Result<Planned, ChatError> {
    // Lists are asked for once at most: what they don't decide they won't decide the second time.
    for _ in 0..2 {
        let question = |reply| RouterMsg::Plan { model: model.to_owned(), needs, reply };
        match shared.router.call(question).await.map_err(router_down)?? {
            Plan::Candidates { candidates, refresh } => {
                // The old list will do for this turn, and the next has a new one.
                if let Some(provider) = refresh.as_ref().and_then(|name| shared.provider(name)) {
                    provider.handle.cast(ProviderMsg::Refresh);
                }
                return Ok(Planned { candidates, old: refresh });
            }
            Plan::NeedsLists(providers) => {
                futures::future::join_all(providers.iter().map(|provider| shared.list(provider, true))).await;
            }
        }
    }
    Err(ChatError::new(ErrorKind::NotFound, format!("there is no model \"{model}\"")))
}

pub(crate) fn router_down(unavailable: Unavailable) -> ChatError {
    ChatError::new(ErrorKind::Overloaded, "the router is down inside greenroom").with_source(unavailable)
}

impl Shared {
    pub(crate) fn provider(&self, name: &str) -> Option<ProviderRef> {
        self.read_providers().iter().find(|(provider, _)| &**provider == name).map(|(_, provider)| provider.clone())
    }

    /// All of them, as they are now.
    pub(crate) fn all_providers(&self) -> Vec<(Arc<str>, ProviderRef)> {
        self.read_providers().clone()
    }

    fn read_providers(&self) -> RwLockReadGuard<'_, Vec<(Arc<str>, ProviderRef)>> {
        self.providers.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a provider list its models. Only if the list has to be `fresh` is the router told: it would take an old one
    /// for a new one.
    pub(crate) async fn list(&self, name: &Arc<str>, fresh: bool) -> Result<Arc<[ModelInfo]>, ChatError> {
        let Some(provider) = self.provider(name) else {
            return Err(ChatError::new(ErrorKind::NotFound, format!("there is no provider \"{name}\"")));
        };
        let list = match provider.handle.call(|reply| ProviderMsg::Models { fresh, reply }).await {
            Ok(list) => list,
            Err(unavailable) => {
                let message = format!("the provider \"{name}\" is down inside greenroom");
                Err(ChatError::new(ErrorKind::Overloaded, message).with_source(unavailable))
            }
        };
        if fresh {
            self.router.cast(RouterMsg::Listed { provider: Arc::clone(name), list: list.clone() });
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_does_not_say_is_filled_in_and_no_answer_is_asked_to_be_longer_than_it_can_be() {
        let defaults = RequestDefaults { temperature: Some(0.5), max_tokens: Some(100) };
        let filled = |asked: Option<u64>, most: Option<u64>| {
            let request = Arc::new(ChatRequest { max_tokens: asked, ..ChatRequest::default() });
            let filled = defaults.fill(request, &ModelInfo { max_output: most, ..ModelInfo::named("m") });
            (filled.temperature, filled.max_tokens)
        };
        assert_eq!(filled(None, None), (Some(0.5), Some(100)));
        assert_eq!(filled(None, Some(50)), (Some(0.5), Some(50)));
        assert_eq!(filled(Some(32_000), Some(16_384)), (Some(0.5), Some(16_384)));
        assert_eq!(filled(Some(7), Some(16_384)), (Some(0.5), Some(7)));
        assert_eq!(filled(Some(7), Some(0)), (Some(0.5), Some(7)), "that much nobody can say");
        let request = Arc::new(ChatRequest { temperature: Some(1.0), max_tokens: Some(7), ..ChatRequest::default() });
        let same = defaults.fill(Arc::clone(&request), &ModelInfo::named("m"));
        assert!(Arc::ptr_eq(&same, &request), "nothing is copied that need not change");
    }
}
