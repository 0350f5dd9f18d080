//! `greenroom pull`.

mod progress;
mod screen;

use std::{ops::ControlFlow, time::Duration};

use clap::Args;
use futures::{FutureExt as _, future::BoxFuture};
use greenroom::{PullProgress, PullSink, event};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};

use self::screen::Screen;
use super::{
    Exit, Failure,
    context::{Context, block_on},
    daemon::Daemon,
    notes,
    signals::Interrupt,
    style::Style,
};

const WORKERS: usize = 1;
/// The time between two pictures on a terminal.
const FRAME: Duration = Duration::from_millis(100);

/// Arguments of `greenroom pull`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  greenroom pull qwen3:8b
  greenroom pull ollama/llama3.2
  greenroom pull qwen3:8b --json | jq -c 'select(.type == \"layer\")'

Ctrl-C cancels. What was fetched stays at the server, and the same command goes on with it.")]
pub(crate) struct PullArgs {
    /// The model: PROVIDER/MODEL, or an id for the first Ollama there is
    model: String,
    /// Print a line of JSON for each step
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: &PullArgs) -> Result<Exit, Failure> {
    block_on(WORKERS, async {
        let interrupt = Interrupt::listen()?;
        // A place for one step: the server is read no faster than it is shown.
        let (sender, mut steps) = mpsc::channel(1);
        let mut sink = Sender(sender);
        let pull = async {
            let outcome = match Daemon::serving(context).await {
                Some(daemon) => daemon.pull(&args.model, &mut sink).await,
                None => here(context, &args.model, &mut sink).await,
            };
            drop(sink);
            outcome
        };
        let mut screen = Screen::new(args.json, Style::of_output(&context.environment));
        let begun = Instant::now();
        let show = async {
            let mut frames = interval(FRAME);
            frames.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                tokio::select! {
                    step = steps.recv() => match step {
                        Some(step) => screen.take(&step, begun.elapsed())?,
                        None => return Ok(()),
                    },
                    _ = frames.tick() => screen.draw(begun.elapsed())?,
                }
            }
        };
        let outcome = tokio::select! {
            // Whoever can't be shown anything ends it; that there is no model is told once all that came before was.
            both = async { tokio::try_join!(pull.map(Ok::<_, Failure>), show) } => Some(both?.0),
            () = interrupt.came() => None,
        };
        screen.end(begun.elapsed())?;
        let Some(outcome) = outcome else {
            screen.cancelled(&args.model)?;
            notes::note(&format!(
                "cancelled; what was fetched stays at the server, and `greenroom pull {}` goes on with it",
                args.model
            ));
            return Ok(Exit::Interrupted);
        };
        outcome?;
        screen.done(&args.model)?;
        Ok(Exit::Done)
    })
}

async fn here(context: &Context, model: &str, sink: &mut Sender) -> Result<(), Failure> {
    let runtime = context.start_beside(context.load(Vec::new())?.settings).await?;
    let outcome = runtime.pull(model, sink).await;
    outcome.map_err(|error| Failure::answer(&event::Failure::from(&error), false))
}

struct Sender(mpsc::Sender<PullProgress>);

impl PullSink for Sender {
    fn take(&mut self, progress: PullProgress) -> BoxFuture<'_, ControlFlow<()>> {
        // Nobody shows the steps any more: standard output is gone.
        let taken = |sent: Result<(), _>| if sent.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
        self.0.send(progress).map(taken).boxed()
    }
}
