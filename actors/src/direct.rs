//! What is asked of one provider and is no answer of a conversation: embeddings, a description of a model, a pull.
//!
//! There is no handing on: vectors of different models have nothing in common, and a model is fetched where it was asked
//! for. The work runs in the asker's task; the provider's actor gives leave and hears how it went.

use std::{sync::Arc, time::Duration};

use greenroom_providers::{EmbedCall, ModelInfo, PullCall, PullSink, cost::Cost};
use greenroom_wire::{ChatError, ChatEvent, EmbedInput, EmbedRequest, Embeddings, ErrorKind, Usage, error::Origin};
use tokio::time::Instant;

use crate::{
    gather,
    handle::Unavailable,
    provider::{
        actor::ProviderMsg,
        listing::no_profile,
        permit::{Permit, Refusal, Want},
    },
    router::{Candidate, plan::Needs},
    session::{ProviderRef, Shared, plan},
    stateless::Caller,
    usage::{Asker, Booking},
};

/// How long a server may be silent while it fetches: checking the digest of a large model takes minutes.
const PULL_IDLE: Duration = Duration::from_secs(600);
/// Stands for no model, so that what is known of one keeps nobody from asking about it.
pub(crate) const NO_MODEL: &str = "";
/// Who asks where no client is known.
const LIBRARY: &str = "library";
/// About how many bytes of text are a token.
const BYTES_PER_TOKEN: usize = 4;

/// Makes texts into vectors. With them, who did.
pub(crate) async fn embed(
    shared: &Arc<Shared>,
    request: &EmbedRequest,
    caller: Caller,
) -> Result<(Candidate, Embeddings), ChatError> {
    let candidates = plan(shared, &request.model, Needs::default()).await?.candidates;
    let candidate = candidates.into_iter().next().ok_or_else(|| unknown(&request.model))?;
    let expected = Usage { input: prompt(request), ..Usage::default() };
    let expected = candidate.model.price.map_or_else(Cost::default, |price| price.cost(&expected));
    let _reserved = shared.ledger.admit(&Asker::Client(caller.owner.to_string()), expected).await?;
    let made = gather::embed(shared, &candidate, request, &caller.owner).await?;
    Ok((candidate, made))
}

/// Makes texts into vectors by this candidate; `requests` is how many asked for them, as they are booked.
pub(crate) async fn embed_by(
    shared: &Shared,
    candidate: &Candidate,
    request: &EmbedRequest,
    owner: &Arc<str>,
    requests: u64,
) -> Result<Embeddings, ChatError> {
    let (provider, name) = (of(shared, &candidate.provider)?, &candidate.provider);
    let prompt = prompt(request);
    let tokens = usize::try_from(prompt).unwrap_or(usize::MAX);
    let permit = acquire(&provider, name, &candidate.model.id, (owner, tokens)).await?;
    let _counted = permit.begin();
    let call = EmbedCall {
        request,
        model: &candidate.model.id,
        credential: &permit.credential,
        limit: provider.timeouts.first_token_alone,
    };
    let mut booked = shared.ledger.open(Booking {
        provider: name.to_string(),
        model: candidate.model.id.clone(),
        profile: permit.profile.to_string(),
        asker: Asker::Client(owner.to_string()),
        requests,
        prompt,
        answer: 0,
        price: candidate.model.price,
    });
    booked.handle_sent();
    let outcome =
        permit.provider.embed(call).await.map_err(|error| told(error, name, &candidate.model.id, &permit.profile));
    permit.report(outcome.as_ref().map(|_| ()), false);
    if let Ok(Embeddings { tokens: Some(input), .. }) = &outcome {
        booked.handle_events(&[ChatEvent::Usage(Usage { input: *input, ..Usage::default() })]);
    }
    booked.handle_end(outcome.as_ref().map(|_| ()), false);
    outcome
}

/// How many tokens all texts have, about.
fn prompt(request: &EmbedRequest) -> u64 {
    let tokens = request.input.iter().map(tokens).fold(0, usize::saturating_add);
    u64::try_from(tokens).unwrap_or(u64::MAX)
}

/// How many tokens a text has, about.
pub(crate) fn tokens(input: &EmbedInput) -> usize {
    match input {
        EmbedInput::Text(text) => text.len() / BYTES_PER_TOKEN,
        EmbedInput::Tokens(tokens) => tokens.len(),
    }
}

/// What there is to know of a model.
pub(crate) async fn describe(shared: &Shared, name: &str, model: &str) -> Result<ModelInfo, ChatError> {
    let permit = acquire(&of(shared, name)?, name, NO_MODEL, (&LIBRARY.into(), 0)).await?;
    let _counted = permit.begin();
    let described = permit.provider.describe(model, &permit.credential).await;
    described.map_err(|error| told(error, name, model, &permit.profile))
}

/// Has a provider fetch a model.
pub(crate) async fn pull(shared: &Shared, name: &str, model: &str, sink: &mut dyn PullSink) -> Result<(), ChatError> {
    let actor = of(shared, name)?;
    let permit = acquire(&actor, name, NO_MODEL, (&LIBRARY.into(), 0)).await?;
    let _counted = permit.begin();
    let (provider, credential) = (Arc::clone(&permit.provider), Arc::clone(&permit.credential));
    let profile = Arc::clone(&permit.profile);
    // A pull takes minutes, and no place of an answer.
    drop(permit);
    let call = PullCall { model, credential: &credential, idle: PULL_IDLE };
    provider.pull(call, sink).await.map_err(|error| told(error, name, model, &profile))?;
    // It may have been left alone because it was not there.
    actor.handle.cast(ProviderMsg::Report {
        profile,
        model: model.to_owned(),
        outcome: Ok(()),
        spoke: false,
        answered: None,
        generation: None,
    });
    Ok(())
}

pub(crate) fn of(shared: &Shared, name: &str) -> Result<ProviderRef, ChatError> {
    shared.provider(name).ok_or_else(|| {
        let known: Vec<String> = shared.all_providers().iter().map(|(name, _)| name.to_string()).collect();
        ChatError::new(ErrorKind::NotFound, format!("there is no provider \"{name}\""))
            .with_hint(format!("there are {}", known.join(", ")))
    })
}

/// Leave to ask. Nothing is taken of a limit before the permit [begins](Permit::begin).
pub(crate) async fn acquire(
    provider: &ProviderRef,
    name: &str,
    model: &str,
    (owner, tokens): (&Arc<str>, usize),
) -> Result<Permit, ChatError> {
    acquire_of(provider, name, model, (owner, tokens), None).await
}

/// The same of one profile alone, if it is said.
pub(crate) async fn acquire_of(
    provider: &ProviderRef,
    name: &str,
    model: &str,
    (owner, tokens): (&Arc<str>, usize),
    only: Option<&str>,
) -> Result<Permit, ChatError> {
    let want = Want {
        model: model.to_owned(),
        owner: Arc::clone(owner),
        exclude: Vec::new(),
        only: only.map(Into::into),
        prefer: None,
        prompt_tokens: u32::try_from(tokens).unwrap_or(u32::MAX),
        answers: false,
        until: Instant::now() + provider.queue_wait,
    };
    match provider.handle.call(|reply| ProviderMsg::Acquire(want.clone(), reply)).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(refusal)) => Err(refused(refusal, name)),
        Err(unavailable) => Err(down(name, unavailable)),
    }
}

fn refused(refusal: Refusal, name: &str) -> ChatError {
    match refusal {
        Refusal::Cooling { until, kind } => {
            let message = format!("{name} is left alone for now, since it failed before ({kind})");
            let mut error = ChatError::new(ErrorKind::Exhausted, message);
            error.details.retry_after = until.duration_since(std::time::SystemTime::now()).ok();
            error.with_hint("`greenroom providers status` says for how long")
        }
        Refusal::LoggedOut { kind } => ChatError::new(kind, format!("every login of {name} is over"))
            .with_hint(format!("`greenroom auth list` says why; `greenroom auth login {name}` logs in anew")),
        Refusal::NoProfile => no_profile(name),
        Refusal::Tried => ChatError::new(ErrorKind::Exhausted, format!("no profile of {name} will do")),
        Refusal::QueueFull { after } => limited(format!("too many requests wait for {name}"), after),
        Refusal::Waited { after } => limited(format!("no place came free in time within the limits of {name}"), after),
    }
}

fn limited(message: String, after: Option<Duration>) -> ChatError {
    let mut error = ChatError::new(ErrorKind::Overloaded, message);
    error.details.retry_after = after;
    error.with_hint("ask less at once, or raise `limits` or `queue` of the provider")
}

fn down(name: &str, unavailable: Unavailable) -> ChatError {
    ChatError::new(ErrorKind::Overloaded, format!("the provider \"{name}\" is down inside greenroom"))
        .with_source(unavailable)
}

pub(crate) fn unknown(model: &str) -> ChatError {
    ChatError::new(ErrorKind::NotFound, format!("there is no model \"{model}\""))
}

/// The error with who failed.
pub(crate) fn told(mut error: ChatError, provider: &str, model: &str, profile: &str) -> ChatError {
    let (provider, model) = (provider.to_owned(), model.to_owned());
    error.details.origin = Some(Origin { provider, model, profile: Some(profile.to_owned()) });
    error
}
