//! greenroom as a library: one session, one answer as it comes.
#![allow(clippy::print_stdout, reason = "printing is what the example does")]

use std::{error::Error, io::Write as _, time::Duration};

use futures::StreamExt as _;
use greenroom::{Runtime, event::EventBody};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let runtime = Runtime::builder().from_process()?.start().await?;
    let session = runtime.session("example").await?;
    let mut turn = session.send("hello").await?;
    while let Some(event) = turn.next().await {
        match event.body {
            EventBody::Text { delta } => print!("{delta}"),
            EventBody::TurnFailed { error } => return Err(error.message.into()),
            _ => {}
        }
        std::io::stdout().flush()?;
    }
    runtime.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
