//! Small requests for vectors, gathered for a moment and sent as one: a program that makes vectors of many texts one by one
//! costs its provider one request, and its limits too.
//!
//! Only what one owner asks of one model in one form is sent together, so that nobody waits for another's limit or pays for
//! another's texts. Whoever leaves takes its texts along if they are not sent yet, and the request is cancelled once nobody
//! waits for it. An error that may be one request's own is found out by sending each by itself.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use greenroom_wire::{ChatError, EmbedInput, EmbedRequest, Embeddings, ErrorKind};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    direct::{self, tokens},
    router::Candidate,
    session::{Shared, event::Failure},
};

/// How long requests are gathered.
const WINDOW: Duration = Duration::from_millis(3);
/// A larger request goes by itself, in texts and in about tokens: it has nothing to gain.
const SMALL_TEXTS: usize = 64;
const SMALL_TOKENS: usize = 16_000;
/// What is sent together at most: what every provider takes of texts, and far below what any takes of tokens.
const MOST_TEXTS: usize = 96;
const MOST_TOKENS: usize = 64_000;

/// What has to be the same of requests that are sent together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    owner: Arc<str>,
    provider: Arc<str>,
    model: String,
    /// The form of the vectors, and whatever this language has no word for.
    form: String,
}

/// Where requests are gathered.
#[derive(Debug, Default)]
pub(crate) struct Gathering(Mutex<HashMap<Kind, Gathered>>);

#[derive(Debug)]
struct Gathered {
    waiting: Vec<Waiting>,
    texts: usize,
    tokens: usize,
    full: Arc<Notify>,
    /// Held by all who wait; without them nothing is sent.
    wanted: Weak<DropGuard>,
}

#[derive(Debug)]
struct Waiting {
    input: Vec<EmbedInput>,
    reply: oneshot::Sender<Result<Embeddings, ChatError>>,
}

/// Makes texts into vectors by this candidate, together with whoever else asks the same of it now.
pub(crate) async fn embed(
    shared: &Arc<Shared>,
    candidate: &Candidate,
    request: &EmbedRequest,
    owner: &Arc<str>,
) -> Result<Embeddings, ChatError> {
    let size = request.input.iter().map(tokens).fold(0, usize::saturating_add);
    if request.input.is_empty() || request.input.len() > SMALL_TEXTS || size > SMALL_TOKENS {
        return direct::embed_by(shared, candidate, request, owner, 1).await;
    }
    let (reply, answer) = oneshot::channel();
    let waiting = Waiting { input: request.input.clone(), reply };
    let _wanted = shared.gathering.add(shared, candidate, request, owner, (waiting, size));
    answer.await.unwrap_or_else(|_| Err(ChatError::new(ErrorKind::Server, "greenroom failed inside")))
}

impl Gathering {
    fn lock(&self) -> MutexGuard<'_, HashMap<Kind, Gathered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to what is gathered, or begins it. What this gives is held for as long as the answer is wanted.
    fn add(
        &self,
        shared: &Arc<Shared>,
        candidate: &Candidate,
        request: &EmbedRequest,
        owner: &Arc<str>,
        (waiting, size): (Waiting, usize),
    ) -> Arc<DropGuard> {
        let form = serde_json::to_string(&(request.dimensions, &request.extra)).expect("its keys are texts");
        let kind = Kind {
            owner: Arc::clone(owner),
            provider: Arc::clone(&candidate.provider),
            model: candidate.model.id.clone(),
            form,
        };
        let texts = waiting.input.len();
        let mut all = self.lock();
        if let Some(gathered) = all.get_mut(&kind)
            && let Some(wanted) = gathered.wanted.upgrade()
        {
            if gathered.texts + texts <= MOST_TEXTS && gathered.tokens + size <= MOST_TOKENS {
                gathered.waiting.push(waiting);
                (gathered.texts, gathered.tokens) = (gathered.texts + texts, gathered.tokens + size);
                return wanted;
            }
            // It goes as it is, and another is begun.
            gathered.full.notify_one();
        }
        let cancel = CancellationToken::new();
        let wanted = Arc::new(cancel.clone().drop_guard());
        let full = Arc::new(Notify::new());
        let weak = Arc::downgrade(&wanted);
        let batch = Batch {
            candidate: candidate.clone(),
            form: EmbedRequest { input: Vec::new(), ..request.clone() },
            owner: Arc::clone(owner),
        };
        let begun =
            Gathered { waiting: vec![waiting], texts, tokens: size, full: Arc::clone(&full), wanted: weak.clone() };
        let before = all.insert(kind.clone(), begun);
        drop(all);
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            // One that was full, or whose askers had all left, is nobody's place any more.
            if let Some(before) = before {
                tokio::spawn(send(Arc::clone(&shared), batch.clone(), before));
            }
            tokio::select! {
                () = tokio::time::sleep(WINDOW) => {}
                () = full.notified() => return,
                () = cancel.cancelled() => {}
            }
            let mine = {
                let mut all = shared.gathering.lock();
                let is_mine = all.get(&kind).is_some_and(|gathered| gathered.wanted.ptr_eq(&weak));
                if is_mine { all.remove(&kind) } else { None }
            };
            if let Some(gathered) = mine {
                send(shared, batch, gathered).await;
            }
        });
        wanted
    }
}

/// What is sent, but for its texts.
#[derive(Debug, Clone)]
struct Batch {
    candidate: Candidate,
    form: EmbedRequest,
    owner: Arc<str>,
}

impl Batch {
    async fn ask(&self, shared: &Shared, input: Vec<EmbedInput>, requests: u64) -> Result<Embeddings, ChatError> {
        let request = EmbedRequest { input, ..self.form.clone() };
        direct::embed_by(shared, &self.candidate, &request, &self.owner, requests).await
    }
}

/// Sends what was gathered, and gives each its own of the answer.
async fn send(shared: Arc<Shared>, batch: Batch, gathered: Gathered) {
    let mut waiting: Vec<Waiting> = gathered.waiting.into_iter().filter(|waiting| !waiting.reply.is_closed()).collect();
    if waiting.is_empty() {
        return;
    }
    let requests = u64::try_from(waiting.len()).unwrap_or(u64::MAX);
    let input = waiting.iter().flat_map(|waiting| waiting.input.iter().cloned()).collect();
    let outcome = tokio::select! {
        outcome = batch.ask(&shared, input, requests) => outcome,
        _ = futures::future::join_all(waiting.iter_mut().map(|waiting| waiting.reply.closed())) => return,
    };
    match outcome {
        Ok(made) => {
            let shares = shares(made, &waiting.iter().map(|waiting| &waiting.input[..]).collect::<Vec<_>>());
            for (waiting, share) in waiting.into_iter().zip(shares) {
                let _left = waiting.reply.send(Ok(share));
            }
        }
        Err(error) if waiting.len() > 1 && may_be_of_one(&error) => {
            let alone = waiting.into_iter().map(async |Waiting { input, mut reply }| {
                // The batch as a whole was booked as these requests.
                tokio::select! {
                    outcome = batch.ask(&shared, input, 0) => drop(reply.send(outcome)),
                    () = reply.closed() => {}
                }
            });
            futures::future::join_all(alone).await;
        }
        Err(error) => {
            let told = Failure::from(&error);
            for waiting in waiting {
                let _left = waiting.reply.send(Err(told.clone().into()));
            }
        }
    }
}

/// Whether an error of several texts may be that of one alone.
fn may_be_of_one(error: &ChatError) -> bool {
    matches!(error.kind, ErrorKind::InvalidRequest | ErrorKind::ContextOverflow | ErrorKind::ContentFilter)
}

/// What of an answer is whose. Tokens were told of all texts together, and are shared out by what each is taken to have:
/// nobody's share is exact, and their sum is.
fn shares(made: Embeddings, inputs: &[&[EmbedInput]]) -> Vec<Embeddings> {
    let sizes: Vec<u64> = inputs.iter().map(|input| input.iter().map(size).sum()).collect();
    let all: u64 = sizes.iter().sum();
    let mut vectors = made.vectors.into_iter();
    let (mut seen, mut given) = (0, 0);
    let share = |(input, size): (&&[EmbedInput], &u64)| {
        seen += size;
        let until = made.tokens.map(|tokens| {
            let share = u128::from(tokens) * u128::from(seen) / u128::from(all.max(1));
            u64::try_from(share).unwrap_or(u64::MAX)
        });
        let tokens = until.map(|until| until - std::mem::replace(&mut given, until));
        Embeddings { model: made.model.clone(), vectors: vectors.by_ref().take(input.len()).collect(), tokens }
    };
    inputs.iter().zip(&sizes).map(share).collect()
}

/// About how much a text weighs beside others; no text weighs nothing.
fn size(input: &EmbedInput) -> u64 {
    let size = match input {
        EmbedInput::Text(text) => text.len(),
        EmbedInput::Tokens(tokens) => tokens.len() * 4,
    };
    u64::try_from(size).unwrap_or(u64::MAX).clamp(1, 1 << 32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_gets_its_own_vectors_and_no_token_is_lost(
            counts in prop::collection::vec(prop::collection::vec(0usize..50, 1..5), 1..10),
            tokens in prop::option::of(any::<u32>().prop_map(u64::from)),
        ) {
            let inputs: Vec<Vec<EmbedInput>> =
                counts.iter().map(|texts| texts.iter().map(|size| "x".repeat(*size).into()).collect()).collect();
            let slices: Vec<&[EmbedInput]> = inputs.iter().map(Vec::as_slice).collect();
            let count: usize = inputs.iter().map(Vec::len).sum();
            #[allow(clippy::cast_precision_loss, reason = "they are few")]
            let vectors: Vec<Vec<f32>> = (0..count).map(|number| vec![number as f32]).collect();
            let shares = shares(Embeddings { model: "m".into(), vectors: vectors.clone(), tokens }, &slices);
            let lengths: Vec<usize> = shares.iter().map(|share| share.vectors.len()).collect();
            prop_assert_eq!(lengths, inputs.iter().map(Vec::len).collect::<Vec<_>>());
            prop_assert_eq!(shares.iter().flat_map(|share| share.vectors.clone()).collect::<Vec<_>>(), vectors);
            let told: Option<u64> = shares.iter().map(|share| share.tokens).sum();
            prop_assert_eq!(told, tokens);
        }
    }
}
