//! `greenroom mcp`: the Model Context Protocol on standard input and output.
//!
//! What is asked is carried to whoever holds the data directory, this process or another, and what is answered is carried
//! back: so it is the same server as that of the daemon, and a client outlives a holder; what the
//! client wants to be told of is remembered here, and asked of each holder anew. Standard output has messages of the
//! protocol and nothing else.

mod envelope;
mod lines;
mod relay;
mod watch;
mod writer;

use std::{pin::pin, time::Duration};

use clap::Args;

use super::{
    Exit, Failure,
    attach::{Link, Need},
    context::{Context, block_on},
    signals::terminated,
};
use lines::Lines;
use relay::Relay;
use writer::Writer;

/// One for the actors and one for the connections.
const WORKERS: usize = 2;
/// How long what is in flight may take once the program is told to end, and its last lines to be taken.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Arguments of `greenroom mcp`.
#[derive(Debug, Args)]
pub(crate) struct McpArgs {}

pub(crate) fn run(context: &Context, _: &McpArgs) -> Result<Exit, Failure> {
    block_on(WORKERS, serve(context))
}

async fn serve(context: &Context) -> Result<Exit, Failure> {
    let mut told = pin!(terminated());
    let link = tokio::select! {
        link = Link::open(context, Need::Store, None) => link?,
        _number = told.as_mut() => return Ok(Exit::Done),
    };
    if link.is_demo().await {
        context.tell_demo_answers();
    }
    link.outlive_termination();
    let writer = Writer::start();
    let relay = Relay::new(&link, writer.lines());
    let told_to_end = tokio::select! {
        ended = relay.run(Lines::new(tokio::io::stdin()), told, LAST_WORDS) => ended,
        // Nobody reads any more, so there is nobody to answer.
        () = writer.gone() => return Ok(Exit::Done),
    };
    let written = writer.finish();
    if told_to_end {
        // Whoever has it end may have stopped reading.
        let _unread = tokio::time::timeout(LAST_WORDS, written).await;
    } else {
        written.await;
    }
    link.leave().await;
    Ok(Exit::Done)
}
