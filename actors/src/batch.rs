//! What is asked of a provider about batches. There is no handing on: a batch belongs to the profile that handed it over.

use std::sync::Arc;

use greenroom_providers::{Credential, batch::Batches, provider::unsupported};
use greenroom_wire::{ChatError, ChatRequest, ErrorKind};

pub use crate::usage::BookedLine;
use crate::{
    direct::{NO_MODEL, acquire_of, of, told, unknown},
    handle::Handle,
    provider::{ProfileId, actor::ProviderMsg},
    router::{Candidate, plan::Needs},
    session::{Shared, plan},
    store::{Batch, StoreError},
    system::System,
};

/// Whose requests wait together in a provider's queue.
const OWNER: &str = "admin";

/// Leave to ask a provider about batches.
pub struct BatchLeave {
    /// The profile by which it is asked.
    pub profile: ProfileId,
    /// Its credential.
    pub credential: Arc<Credential>,
    name: Arc<str>,
    provider: Arc<dyn greenroom_providers::Provider>,
    generation: Option<u64>,
    actor: Handle<ProviderMsg>,
}

impl std::fmt::Debug for BatchLeave {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchLeave")
            .field("provider", &self.name)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

impl BatchLeave {
    /// How the provider takes batches.
    ///
    /// # Errors
    /// It takes none.
    pub fn batches(&self) -> Result<&dyn Batches, ChatError> {
        self.provider.batches(&self.credential).ok_or_else(|| {
            unsupported(self.provider.kind(), "take batches").with_hint("name a model of Anthropic or OpenAI with -m")
        })
    }

    /// Hears how a question went, with who failed if it did. What says something of the key is marked; nothing else is,
    /// since a batch that is refused says nothing of how answers would be.
    ///
    /// # Errors
    /// The question's own.
    pub fn hear<T>(&self, outcome: Result<T, ChatError>) -> Result<T, ChatError> {
        outcome.map_err(|error| {
            if matches!(error.kind, ErrorKind::Auth | ErrorKind::AuthPermanent | ErrorKind::Billing) {
                self.actor.cast(ProviderMsg::Report {
                    profile: Arc::clone(&self.profile),
                    model: NO_MODEL.to_owned(),
                    outcome: Err(error.clone()),
                    spoke: false,
                    answered: None,
                    generation: self.generation,
                });
            }
            told(error, &self.name, NO_MODEL, &self.profile)
        })
    }
}

impl System {
    /// Who a model of a batch is asked of: the first that could answer, and what is known of the model there.
    ///
    /// # Errors
    /// There is no such model.
    pub async fn batch_candidate(&self, model: &str) -> Result<Candidate, ChatError> {
        candidate(&self.shared, model).await
    }

    /// A request of a batch with what it does not say filled in, as for an answer.
    pub fn batch_filled(&self, request: ChatRequest, candidate: &Candidate) -> ChatRequest {
        filled(&self.shared, request, candidate)
    }

    /// Leave to ask a provider about batches: by this profile alone if it is said, to which the batch belongs.
    ///
    /// # Errors
    /// There is no such provider or profile, or it is left alone for now.
    pub async fn batch_leave(&self, provider: &str, profile: Option<&str>) -> Result<BatchLeave, ChatError> {
        leave(&self.shared, provider, profile).await
    }

    /// Books answers of a batch, at once and together with another change of the store: all of it is kept, or nothing.
    ///
    /// # Errors
    /// Nothing is kept; there is no store.
    pub async fn book_batch(&self, lines: &[BookedLine], also: Batch) -> Result<(), StoreError> {
        self.shared.ledger.book_batch(lines, also).await
    }
}

/// Who a model is asked of first.
async fn candidate(shared: &Shared, model: &str) -> Result<Candidate, ChatError> {
    let candidates = plan(shared, model, Needs::default()).await?.candidates;
    candidates.into_iter().next().ok_or_else(|| unknown(model))
}

/// A request with what it does not say filled in.
fn filled(shared: &Shared, request: ChatRequest, candidate: &Candidate) -> ChatRequest {
    match shared.provider(&candidate.provider) {
        Some(provider) => Arc::unwrap_or_clone(provider.defaults.fill(Arc::new(request), &candidate.model)),
        None => request,
    }
}

/// Leave to ask, by one profile alone if it is said.
async fn leave(shared: &Shared, name: &str, profile: Option<&str>) -> Result<BatchLeave, ChatError> {
    let actor = of(shared, name)?;
    let permit = acquire_of(&actor, name, NO_MODEL, (&OWNER.into(), 0), profile).await?;
    let _counted = permit.begin();
    // What is handed over may take minutes, and no place of an answer.
    Ok(BatchLeave {
        profile: Arc::clone(&permit.profile),
        credential: Arc::clone(&permit.credential),
        name: name.into(),
        provider: Arc::clone(&permit.provider),
        generation: permit.generation,
        actor: actor.handle.clone(),
    })
}
