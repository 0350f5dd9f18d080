//! How many tokens a prompt has: by the model's own vocabulary where that is published, else as its provider counts them, else
//! an estimate that says so.

use std::{sync::Arc, time::Duration};

use greenroom_providers::{
    ChatCall, Deadlines,
    tokens::{self, TokenCount},
};
use greenroom_wire::{ChatError, ChatRequest, EmbedRequest, ErrorKind};
use tokio::sync::Semaphore;

use crate::{
    direct::{acquire, of, told, unknown},
    router::{Candidate, plan::Needs},
    session::{Shared, plan},
    stateless::Caller,
};

/// A provider that takes longer to count is not waited for: an estimate now is worth more.
const COUNT_WAIT: Duration = Duration::from_secs(10);
/// Counting takes a processor for as long as a prompt is long; who talks meanwhile needs the others.
static COUNTING: Semaphore = Semaphore::const_new(1);

/// Counts by a published vocabulary, without a network, where that is exact; else has the model's provider count, where it can
/// and is reached. Whose model it is would be asked first for an answer, too.
pub(crate) async fn count(
    shared: &Shared,
    request: &ChatRequest,
    caller: &Caller,
) -> Result<(Candidate, TokenCount), ChatError> {
    let candidate = first(shared, &request.model).await?;
    let is_exact = tokens::counts_exactly(&candidate.model.id, request);
    let asked = if is_exact { None } else { Some(ask(shared, &candidate, request, &caller.owner).await) };
    let count = match asked {
        Some(Ok(tokens)) => TokenCount::exact(tokens),
        Some(Err(error)) if !can_estimate(&error) => return Err(error),
        Some(Err(_)) | None => {
            let (model, request) = (candidate.model.id.clone(), request.clone());
            apart(move || tokens::count(&model, &request)).await?
        }
    };
    Ok((candidate, count))
}

/// The same for texts that are to be made vectors, for which no provider has a way to ask.
pub(crate) async fn count_texts(shared: &Shared, request: &EmbedRequest) -> Result<(Candidate, TokenCount), ChatError> {
    let candidate = first(shared, &request.model).await?;
    let (model, request) = (candidate.model.id.clone(), request.clone());
    let count = apart(move || tokens::count_texts(&model, &request)).await?;
    Ok((candidate, count))
}

async fn first(shared: &Shared, model: &str) -> Result<Candidate, ChatError> {
    let candidates = plan(shared, model, Needs::default()).await?.candidates;
    candidates.into_iter().next().ok_or_else(|| unknown(model))
}

/// Counts off the threads that everything else runs on.
async fn apart(count: impl FnOnce() -> TokenCount + Send + 'static) -> Result<TokenCount, ChatError> {
    let _turn = COUNTING.acquire().await.expect("nobody closes it");
    tokio::task::spawn_blocking(count)
        .await
        .map_err(|_| ChatError::new(ErrorKind::Server, "the tokens could not be counted, since the runtime ends"))
}

async fn ask(
    shared: &Shared,
    candidate: &Candidate,
    request: &ChatRequest,
    owner: &Arc<str>,
) -> Result<u64, ChatError> {
    let (actor, name) = (of(shared, &candidate.provider)?, &candidate.provider);
    // What is counted is not answered: it takes nothing of what answers may.
    let permit = acquire(&actor, name, &candidate.model.id, (owner, 0)).await?;
    let (provider, profile) = (permit.provider.clone(), permit.profile.clone());
    let credential = permit.credential.clone();
    drop(permit);
    let deadlines = Deadlines { first_content: COUNT_WAIT, idle: COUNT_WAIT, silent: COUNT_WAIT, finish: COUNT_WAIT };
    let call = ChatCall {
        request,
        model: &candidate.model.id,
        info: &candidate.model,
        provider: name,
        credential: &credential,
        deadlines: &deadlines,
    };
    match tokio::time::timeout(COUNT_WAIT, provider.count_tokens(call)).await {
        Ok(counted) => counted.map_err(|error| told(error, name, &candidate.model.id, &profile)),
        Err(_) => Err(ChatError::new(ErrorKind::Timeout, "the provider did not count the tokens in time")),
    }
}

/// Whether an estimate is of use in place of a count: the provider has no way to count, or can't be reached now. What is
/// wrong with the request, the model or the key is told.
fn can_estimate(error: &ChatError) -> bool {
    match error.kind {
        ErrorKind::InvalidRequest => error.details.status.is_none(),
        ErrorKind::Network
        | ErrorKind::Timeout
        | ErrorKind::Overloaded
        | ErrorKind::RateLimited
        | ErrorKind::Server
        | ErrorKind::Protocol
        | ErrorKind::Exhausted => true,
        _ => false,
    }
}

/// About how many tokens a prompt has, tools and pictures included, by its length alone: nothing is counted, nobody is asked.
pub fn estimate(request: &ChatRequest) -> u64 {
    Needs::of(request).prompt_tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_will_pass_or_can_t_be_is_estimated() {
        let with_status = |kind, status| {
            let mut error = ChatError::new(kind, "no");
            error.details.status = status;
            can_estimate(&error)
        };
        assert!(with_status(ErrorKind::InvalidRequest, None), "the provider has no way to count");
        assert!(!with_status(ErrorKind::InvalidRequest, Some(400)), "it says what is wrong");
        assert!(with_status(ErrorKind::Overloaded, Some(529)) && with_status(ErrorKind::Network, None));
        assert!(!with_status(ErrorKind::Auth, Some(401)) && !with_status(ErrorKind::NotFound, Some(404)));
    }
}
