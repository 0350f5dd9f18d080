//! What greenroom costs between a client and a provider, against no proxy and against a bare one, in one run.
//!
//! Load generator, mock provider and what is measured are processes of their own; what is measured has a core of its
//! own, where there are two. Rounds go round all targets. Absolute figures say much about the machine and little about
//! the program: the ratios are what to compare.

mod answer;
mod bare;
mod load;
mod mcp;
mod metric;
mod mock;
mod process;
mod report;
mod server;
mod sessions;
mod steps;
mod table;
mod target;

use std::error::Error;
use std::io::{Write as _, stderr, stdout};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use serde_json::json;

use crate::process::{Cores, bind, raise_open_files};
use crate::report::{Report, Round};
use crate::steps::Size;
use crate::target::{Kind, Target};

/// Measures greenroom between clients and a mock provider, beside a bare proxy and no proxy at all.
///
/// The program that is measured is $GREENROOM_BIN, or the one built next to this. It always asks for a stream, so an
/// answer that isn't streamed costs it what the provider's stream costs.
#[derive(Parser)]
struct Arguments {
    /// One short round, which shows that everything works and every answer is right; its figures are rough.
    #[arg(long)]
    quick: bool,
    /// How often all targets are gone round.
    #[arg(long, default_value_t = 3, conflicts_with = "quick")]
    rounds: usize,
    /// Length of each measurement, in seconds.
    #[arg(long, default_value_t = 3.0, conflicts_with = "quick")]
    seconds: f64,
    /// What to measure; may be given several times.
    #[arg(long, value_enum)]
    only: Vec<Kind>,
    /// Writes all figures, ratios and single runs to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What this program does instead, or is when it starts itself.
#[derive(Subcommand)]
enum Role {
    /// Measures what durable sessions cost, beside none.
    Sessions(sessions::Sessions),
    /// Measures what a call of a tool costs over MCP, beside the same request straight to the provider.
    Mcp(mcp::Mcp),
    #[command(hide = true)]
    Mock,
    #[command(hide = true)]
    BareProxy {
        #[arg(long)]
        upstream: String,
    },
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    match arguments.role {
        Some(Role::Mock) => Ok(single_thread()?.block_on(mock::serve())?),
        Some(Role::BareProxy { upstream }) => {
            // As many threads as greenroom gets: one for each core it may use.
            Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(bare::serve(upstream))?)
        }
        Some(Role::Sessions(asked)) => single_thread()?.block_on(sessions::bench(&asked)),
        Some(Role::Mcp(asked)) => single_thread()?.block_on(mcp::bench(&asked)),
        None => single_thread()?.block_on(bench(&arguments)),
    }
}

fn single_thread() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

async fn bench(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let cores = Cores::find()?;
    let files = raise_open_files()?;
    let (size, rounds) = match arguments.quick {
        true => (Size::quick(), 1),
        false => (Size::full(Duration::try_from_secs_f64(arguments.seconds)?), arguments.rounds),
    };
    // A proxy has two sockets a stream.
    if files < 2 * size.held as u64 + 100 {
        return Err(format!("{files} open files are too few for {} streams: raise `ulimit -n`", size.held).into());
    }
    if cfg!(debug_assertions) {
        writeln!(stderr(), "built without optimisation: the figures mean little; use `--profile dist`")?;
    }
    if cores.count < 2 {
        writeln!(stderr(), "one core for everything: only CPU times and their ratios mean anything")?;
    }
    bind(cores.load)?;
    let kinds = Kind::ALL.into_iter().filter(|kind| arguments.only.is_empty() || arguments.only.contains(kind));
    let mut report = Report::default();
    for round in 1..=rounds {
        let mut values = Round::new();
        for kind in kinds.clone() {
            writeln!(stderr(), "round {round} of {rounds}: {}", kind.name())?;
            let target = Target::start(kind, cores).await?;
            let measured = steps::measure(&target, &size).await.map_err(|wrong| format!("{}: {wrong}", kind.name()))?;
            target.stop().await;
            values.insert(kind, measured);
        }
        report.push(values);
    }
    writeln!(stdout(), "{} cores, {} clients, {} open streams\n", cores.count, size.clients, size.held)?;
    writeln!(stdout(), "{}", report.table())?;
    if let Some(path) = &arguments.json {
        let mut all = report.json();
        all["cores"] = json!(cores.count);
        all["clients"] = json!(size.clients);
        all["streams"] = json!(size.held);
        std::fs::write(path, format!("{all:#}\n"))?;
    }
    let missing = report.missing();
    if missing.is_empty() { Ok(()) } else { Err(format!("no sound figure for {}", missing.join(", ")).into()) }
}
