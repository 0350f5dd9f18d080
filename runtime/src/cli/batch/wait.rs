//! Asking how far batches are, once or until they end.

use std::time::Duration;

use greenroom::BatchInfo;

use super::{list, one, show};
use crate::cli::{
    Exit, Failure,
    attach::{Ask, Link, Need, path, read},
    context::Context,
    notes,
    signals::Interrupt,
};

/// The pauses between two questions to a provider: a batch takes minutes at the least, and hours often.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Between two looks at whether a batch is handed over, for which no provider is asked.
const LOOK: Duration = Duration::from_millis(50);
/// A provider that does not answer for so long is told of; before that a question is tried again.
const MOST_FAILURES: u32 = 5;

/// How far batches are; of all that have not ended, if none is named.
pub(super) async fn status(context: &Context, id: Option<&str>, wait: bool, json: bool) -> Result<Exit, Failure> {
    let interrupt = Interrupt::listen()?;
    let (mut pause, mut failures) = (FIRST_PAUSE, 0);
    // Which are waited for: those that have not ended when it begins.
    let mut ids: Option<Vec<String>> = id.map(|id| vec![id.to_owned()]);
    loop {
        let Asked { batches, failure } = tokio::select! {
            asked = ask(context, &mut ids) => asked?,
            () = interrupt.came() => return Ok(Exit::Interrupted),
        };
        let is_over = batches.iter().all(|batch| batch.ended);
        failures = if failure.is_some() { failures + 1 } else { 0 };
        if !wait || is_over || failures > MOST_FAILURES {
            match (batches.as_slice(), failure) {
                // What is known of it says less than why no more is.
                ([_], Some(failure)) => return Err(failure),
                (batches, failure) => {
                    match batches {
                        [batch] if id.is_some() => show::one(batch, json)?,
                        batches => show::many(batches, json)?,
                    }
                    failure.map_or(Ok(()), Err)?;
                }
            }
            let failed = wait && batches.iter().any(|batch| batch.state == "failed");
            return Ok(if failed { Exit::Failed } else { Exit::Done });
        }
        if let Some(Failure::Told(told)) = failure {
            notes::warning(&told.what);
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = interrupt.came() => return Ok(Exit::Interrupted),
        }
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// What a round of questions gave.
struct Asked {
    /// Each batch; one whose provider did not tell, as it was told of last.
    batches: Vec<BatchInfo>,
    /// The first reason why a provider did not tell.
    failure: Option<Failure>,
}

/// Asks once. The store is let go of between two times: whoever waits for hours keeps nobody from it.
async fn ask(context: &Context, ids: &mut Option<Vec<String>>) -> Result<Asked, Failure> {
    let link = Link::open(context, Need::Look, None).await?;
    let outcome = async {
        let wanted = match ids {
            Some(ids) => ids.clone(),
            None => {
                let open = list(&link).await?.into_iter().filter(|batch| !batch.ended);
                ids.insert(open.map(|batch| batch.id).collect()).clone()
            }
        };
        let mut asked = Asked { batches: Vec::new(), failure: None };
        for id in &wanted {
            let before = known(&link, id).await?;
            let told = match one(&link, id).await {
                // What was cut off is handed over behind the answer, and would be cut off again by the end of this.
                Ok(batch) => handed_over(&link, batch).await,
                Err(failure) => Err(failure),
            };
            asked.batches.push(told.unwrap_or_else(|failure| {
                asked.failure.get_or_insert(failure);
                before
            }));
        }
        Ok(asked)
    };
    let outcome = outcome.await;
    link.leave().await;
    outcome
}

/// A batch as it was told of last.
async fn known(link: &Link<'_>, id: &str) -> Result<BatchInfo, Failure> {
    read(link.ask(Ask::get(path(&["batches", id], &[("ask", "false")])), false).await?).await
}

/// Waits until a batch is handed over, or is not.
pub(super) async fn handed_over(link: &Link<'_>, mut batch: BatchInfo) -> Result<BatchInfo, Failure> {
    while batch.state == "sending" {
        tokio::time::sleep(LOOK).await;
        batch = known(link, &batch.id).await?;
    }
    Ok(batch)
}
