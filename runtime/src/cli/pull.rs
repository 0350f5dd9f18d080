//! `greenroom pull`.

use std::{io::IsTerminal as _, ops::ControlFlow};

use clap::Args;
use futures::{FutureExt as _, future::BoxFuture};
use greenroom::{PullProgress, PullSink, event};
use serde_json::json;
use tokio::sync::mpsc;

use super::{
    Exit, Failure,
    context::{Context, block_on},
    notes::one_line,
    output::Output,
    signals::Interrupt,
};

const WORKERS: usize = 1;

/// Arguments of `greenroom pull`.
#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// The model: PROVIDER/MODEL, or an id for the first Ollama there is
    model: String,
    /// Print a line of JSON for each step
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: &PullArgs) -> Result<Exit, Failure> {
    let settings = context.load(Vec::new())?.settings;
    block_on(WORKERS, async {
        let interrupt = Interrupt::listen()?;
        let runtime = context.start_beside(settings).await?;
        // A place for one step: the server is read no faster than it is shown.
        let (sender, mut steps) = mpsc::channel(1);
        let mut sink = Sender(sender);
        let pull = async {
            let outcome = runtime.pull(&args.model, &mut sink).await;
            drop(sink);
            outcome
        };
        let mut screen = Screen::new(args.json);
        let show = async {
            while let Some(step) = steps.recv().await {
                screen.show(&step)?;
            }
            Ok::<(), Failure>(())
        };
        let outcome = tokio::select! {
            both = async { tokio::join!(pull, show) } => both,
            () = interrupt.came() => return Ok(Exit::Interrupted),
        };
        screen.end_line()?;
        outcome.1?;
        outcome.0.map_err(|error| Failure::answer(&event::Failure::from(&error), false))?;
        screen.done(&args.model)?;
        Ok(Exit::Done)
    })
}

struct Sender(mpsc::Sender<PullProgress>);

impl PullSink for Sender {
    fn take(&mut self, progress: PullProgress) -> BoxFuture<'_, ControlFlow<()>> {
        // Nobody shows the steps any more: standard output is gone.
        let taken = |sent: Result<(), _>| if sent.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
        self.0.send(progress).map(taken).boxed()
    }
}

/// Shows steps: on a terminal a line that changes, else a line for each that is new, or JSON.
struct Screen {
    output: Output,
    json: bool,
    terminal: bool,
    /// What stands on the line now.
    shown: String,
}

impl Screen {
    fn new(json: bool) -> Self {
        Self { output: Output::new(), json, terminal: std::io::stdout().is_terminal(), shown: String::new() }
    }

    fn show(&mut self, step: &PullProgress) -> Result<(), Failure> {
        if self.json {
            return self.output.json(step);
        }
        let (what, progress) = match step {
            PullProgress::Step { status } => (one_line(status), String::new()),
            PullProgress::Layer { digest, total, completed } => {
                let short: String = one_line(digest).chars().take(19).collect();
                (format!("fetching {short}"), progress(*completed, *total))
            }
        };
        if self.terminal {
            let line = format!("{what}{progress}");
            if line != self.shown {
                // To the start of the line, and what is left of it cleared.
                self.output.bytes(format!("\r{line}\x1b[K").as_bytes())?;
                self.shown = line;
            }
        } else if what != self.shown {
            self.output.line(&what)?;
            self.shown = what;
        }
        Ok(())
    }

    /// Leaves the line that changes.
    fn end_line(&mut self) -> Result<(), Failure> {
        if self.terminal && !self.json && !self.shown.is_empty() {
            self.output.bytes(b"\n")?;
        }
        Ok(())
    }

    fn done(&mut self, model: &str) -> Result<(), Failure> {
        if self.json {
            return self.output.json(&json!({"type": "done", "model": model}));
        }
        self.output.line(&format!("{} is there", one_line(model)))
    }
}

/// " 42% of 1.9 GB".
fn progress(completed: u64, total: Option<u64>) -> String {
    match total.filter(|total| *total > 0) {
        Some(total) => {
            let percent = u128::from(completed.min(total)) * 100 / u128::from(total);
            format!(" {percent}% of {}", size(total))
        }
        None => format!(" {}", size(completed)),
    }
}

/// In decimal units, as downloads are told.
fn size(bytes: u64) -> String {
    let scaled = |unit: u64| bytes as f64 / unit as f64;
    match bytes {
        1_000_000_000.. => format!("{:.1} GB", scaled(1_000_000_000)),
        1_000_000.. => format!("{:.1} MB", scaled(1_000_000)),
        1_000.. => format!("{:.1} kB", scaled(1_000)),
        _ => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_in_parts_of_the_whole() {
        assert_eq!(progress(0, Some(2_019_377_376)), " 0% of 2.0 GB");
        assert_eq!(progress(999, Some(1000)), " 99% of 1.0 kB");
        assert_eq!(progress(2000, Some(1000)), " 100% of 1.0 kB");
        assert_eq!((progress(1_500_000, None), progress(7, Some(0))), (" 1.5 MB".into(), " 7 B".into()));
    }
}
