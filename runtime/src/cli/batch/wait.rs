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
        let asked = tokio::select! {
            asked = ask(context, &mut ids) => asked,
            () = interrupt.came() => return Ok(Exit::Interrupted),
        };
        let batches = match asked {
            Ok(batches) => batches,
            Err(Failure::Told(told)) if wait && told.exit == Exit::Failed && failures < MOST_FAILURES => {
                failures += 1;
                notes::warning(&told.what);
                Vec::new()
            }
            Err(failure) => return Err(failure),
        };
        let has_answer = !batches.is_empty() || ids.as_ref().is_some_and(Vec::is_empty);
        if has_answer {
            failures = 0;
        }
        if !wait || has_answer && batches.iter().all(|batch| batch.ended) {
            match batches.as_slice() {
                [batch] if id.is_some() => show::one(batch, json)?,
                batches => show::many(batches, json)?,
            }
            let failed = wait && batches.iter().any(|batch| batch.state == "failed");
            return Ok(if failed { Exit::Failed } else { Exit::Done });
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = interrupt.came() => return Ok(Exit::Interrupted),
        }
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// Asks once. The store is let go of between two times: whoever waits for hours keeps nobody from it.
async fn ask(context: &Context, ids: &mut Option<Vec<String>>) -> Result<Vec<BatchInfo>, Failure> {
    let link = Link::open(context, Need::Look, None).await?;
    let outcome = async {
        let wanted = match ids {
            Some(ids) => ids.clone(),
            None => {
                let open = list(&link).await?.into_iter().filter(|batch| !batch.ended);
                ids.insert(open.map(|batch| batch.id).collect()).clone()
            }
        };
        let mut batches = Vec::new();
        for id in &wanted {
            let batch = one(&link, id).await?;
            // What was cut off is handed over behind the answer, and would be cut off again by the end of this.
            batches.push(handed_over(&link, batch).await?);
        }
        Ok(batches)
    };
    let outcome = outcome.await;
    link.leave().await;
    outcome
}

/// Waits until a batch is handed over, or is not.
pub(super) async fn handed_over(link: &Link<'_>, mut batch: BatchInfo) -> Result<BatchInfo, Failure> {
    while batch.state == "sending" {
        tokio::time::sleep(LOOK).await;
        batch = read(link.ask(Ask::get(path(&["batches", &batch.id], &[("ask", "false")])), false).await?).await?;
    }
    Ok(batch)
}
