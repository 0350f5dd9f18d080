//! Handing a batch over, step by step, in a task of its own; again from where it was cut off.

use std::sync::Arc;

use greenroom_actors::BatchLeave;
use greenroom_providers::batch::BatchCall;
use greenroom_wire::{ChatError, ErrorKind, batch::BatchStatus};

use super::{
    BatchError, Batches,
    record::{BATCHES, Kept, Step},
    spool,
};

/// Marks a batch as being handed over until it is dropped.
pub(super) struct UnderWay(Batches, String);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way().remove(&self.1);
    }
}

impl Batches {
    /// Marks a batch as being handed over; `None` if somebody does so already.
    pub(super) fn mark(&self, id: &str) -> Option<UnderWay> {
        self.under_way().insert(id.to_owned()).then(|| UnderWay(self.clone(), id.to_owned()))
    }

    /// Hands a batch over. `again` is whether that was begun before and cut off.
    pub(super) fn begin(marked: UnderWay, leave: Arc<BatchLeave>, again: bool) {
        tokio::spawn(async move {
            let UnderWay(batches, id) = &marked;
            if let Err(error) = batches.hand_over(id, &leave, again).await {
                let message = error.message.clone();
                tracing::warn!(batch = id.as_str(), "a batch is not handed over: {message}");
                if let Err(fault) = batches.note(id, &error, again).await {
                    tracing::error!(batch = id.as_str(), "what became of a batch can't be kept: {fault}");
                }
            }
        });
    }

    async fn hand_over(&self, id: &str, leave: &BatchLeave, again: bool) -> Result<(), ChatError> {
        let kept = self.kept(id).await.map_err(inside)?;
        let file = match kept.step {
            Step::Uploading => {
                let file = self.uploaded(id, &kept, leave, again).await?;
                let next = |kept: &mut Kept| (kept.step, kept.file) = (Step::Creating, file.clone());
                self.change(id, next).await.map_err(inside)?;
                file
            }
            Step::Creating => {
                if self.adopt(id, leave).await? {
                    return Ok(());
                }
                kept.file.clone()
            }
            Step::Sent | Step::Failed => return Ok(()),
        };
        let (batches, body) = (leave.batches()?, self.body(id, &kept)?);
        let created = leave.hear(batches.create(call(id, &kept, leave, &body), file.as_deref()).await)?;
        self.handed_over(id, created).await
    }

    /// The provider's id of what is uploaded, if that comes first.
    async fn uploaded(
        &self,
        id: &str,
        kept: &Kept,
        leave: &BatchLeave,
        again: bool,
    ) -> Result<Option<String>, ChatError> {
        let (batches, body) = (leave.batches()?, self.body(id, kept)?);
        if again {
            let found = leave.hear(batches.find_upload(call(id, kept, leave, &body)).await)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        leave.hear(batches.upload(call(id, kept, leave, &body)).await)
    }

    /// Looks for a batch that may have been made, and takes it for ours if it is there. Whether it is.
    pub(super) async fn adopt(&self, id: &str, leave: &BatchLeave) -> Result<bool, ChatError> {
        let kept = self.kept(id).await.map_err(inside)?;
        let (data_dir, store) = self.place().map_err(inside)?;
        // Only its length matters here, whether it is there or not.
        let (batches, body) = (leave.batches()?, spool::body(spool::place(data_dir, id), kept.bytes));
        let mut found = leave.hear(batches.find(call(id, &kept, leave, &body)).await)?;
        let known = store.scan(&BATCHES).await.map_err(|fault| inside(BatchError::Unreadable(fault)))?;
        let known: Vec<String> = known.into_iter().filter_map(|(_, kept)| Some(kept.status?.id)).collect();
        found.retain(|status| !known.contains(&status.id));
        match <[BatchStatus; 1]>::try_from(found) {
            Ok([status]) => self.handed_over(id, status).await.map(|()| true),
            Err(found) if found.is_empty() => Ok(false),
            Err(found) => {
                let ids: Vec<&str> = found.iter().map(|status| status.id.as_str()).collect();
                let message = format!("the provider has several that may be this one: {}", ids.join(", "));
                let error = ChatError::new(ErrorKind::Protocol, message);
                Err(error.with_hint("look at them at the provider; `greenroom batch cancel` gives this one up"))
            }
        }
    }

    async fn handed_over(&self, id: &str, status: BatchStatus) -> Result<(), ChatError> {
        let sent = |kept: &mut Kept| (kept.step, kept.status, kept.problem) = (Step::Sent, Some(status), None);
        self.change(id, sent).await.map_err(inside)?;
        self.remove_spool(id);
        Ok(())
    }

    /// Writes down why it is not handed over. What is known not to be at the provider has failed; what may be there is left
    /// to be looked for, as is what was to be handed over again and could not be for now.
    async fn note(&self, id: &str, error: &ChatError, again: bool) -> Result<(), BatchError> {
        let problem = match &error.details.hint {
            Some(hint) => format!("{}; {hint}", error.message),
            None => error.message.clone(),
        };
        let kept = self.change(id, |kept| {
            if is_over(kept.step, error, again) {
                kept.step = Step::Failed;
            }
            kept.problem = Some(problem);
        });
        if kept.await?.step == Step::Failed {
            self.remove_spool(id);
        }
        Ok(())
    }

    fn body(&self, id: &str, kept: &Kept) -> Result<greenroom_providers::batch::BatchBody, ChatError> {
        let (data_dir, _) = self.place().map_err(inside)?;
        let path = spool::place(data_dir, id);
        if !path.exists() {
            let error = ChatError::new(ErrorKind::Config, "its requests are not in the data directory any more");
            return Err(error.with_hint("submit it again"));
        }
        Ok(spool::body(path, kept.bytes))
    }
}

/// Whether nothing of a batch is or will be at the provider.
fn is_over(step: Step, error: &ChatError, again: bool) -> bool {
    let is_refused = matches!(
        error.kind,
        ErrorKind::InvalidRequest
            | ErrorKind::NotFound
            | ErrorKind::Permission
            | ErrorKind::ContextOverflow
            | ErrorKind::ContentFilter
            | ErrorKind::Config
    );
    // A status below 500 is the word of who did not do it.
    let is_known = is_refused || error.details.status.is_some_and(|status| (300..500).contains(&status));
    match step {
        Step::Uploading => is_refused || !again,
        Step::Creating => is_refused || is_known && !again,
        Step::Sent => false,
        Step::Failed => true,
    }
}

fn call<'a>(
    id: &'a str,
    kept: &'a Kept,
    leave: &'a BatchLeave,
    body: &'a greenroom_providers::batch::BatchBody,
) -> BatchCall<'a> {
    BatchCall {
        form: kept.form,
        mark: id,
        requests: kept.requests,
        since: kept.created,
        features: &kept.features,
        body,
        credential: &leave.credential,
    }
}

/// What of our own went wrong; the batch may be anywhere.
fn inside(error: BatchError) -> ChatError {
    ChatError::new(ErrorKind::Server, error.to_string()).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_not_to_be_there_has_failed() {
        let error = |kind, status| {
            let mut error = ChatError::new(kind, "no");
            error.details.status = status;
            error
        };
        let (cut, refused) = (error(ErrorKind::Network, None), error(ErrorKind::InvalidRequest, Some(400)));
        let (locked, down) = (error(ErrorKind::Auth, Some(401)), error(ErrorKind::Server, Some(500)));
        // A file alone is no batch.
        for told in [&cut, &refused, &locked, &down] {
            assert!(is_over(Step::Uploading, told, false));
        }
        let of = |again| [&cut, &refused, &locked, &down].map(|told| is_over(Step::Creating, told, again));
        assert_eq!(of(false), [false, true, true, false], "who did not answer may have made it");
        assert_eq!(of(true), [false, true, false, false], "what was begun before goes on once the key is mended");
        assert!(!is_over(Step::Uploading, &cut, true));
    }
}
