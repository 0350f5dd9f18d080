//! What durable sessions cost: on disk, in memory, to wake, to start with, and for each token that is kept.
//!
//! Whatever is told of many sessions is told of none beside it, in the same run, so that the ratios are what to compare.

mod disk;
mod make;
mod start;
mod stream;
mod wake;

use std::error::Error;
use std::io::{Write as _, stderr, stdout};
use std::path::PathBuf;

use clap::Args;
use greenroom_tests::harness::Home;
use serde_json::json;

use crate::table::Table;

/// Makes sessions, and measures what it costs to have them.
#[derive(Args)]
pub(crate) struct Sessions {
    /// Few sessions and short streams, which shows that everything works; the figures are rough.
    #[arg(long)]
    quick: bool,
    /// How many sessions are made.
    #[arg(long, conflicts_with = "quick")]
    count: Option<u64>,
    /// Writes all figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Sessions of a whole run, and of a quick one.
const MANY: u64 = 1_000_000;
const FEW: u64 = 20_000;

/// Measures everything, and prints it.
pub(crate) async fn bench(asked: &Sessions) -> Outcome<()> {
    let count = asked.count.unwrap_or(if asked.quick { FEW } else { MANY });
    let (none, many) = (Home::new(), Home::new());
    writeln!(stderr(), "making {count} sessions")?;
    // One that is to have none is used as well, so that both have what every store has.
    let (_, made) = (make::make(&none, 0).await?, make::make(&many, count).await?);
    let per = |bytes: f64| bytes / count as f64;
    let mut table = Table::default();
    let (empty, full) = (disk::size(&none.data_dir())?, disk::size(&many.data_dir())?);
    table.line("made a second", count as f64 / made.seconds);
    table.line("memory when they were made, MiB", mib(made.memory));
    table.line("log of a session, bytes", made.log_bytes);
    table.line("disk a session, bytes", per(full as f64 - empty as f64));

    writeln!(stderr(), "starting")?;
    let starts = if asked.quick { 3 } else { 7 };
    let (empty, full) = (start::measure(&none, starts).await?, start::measure(&many, starts).await?);
    table.against("start of the daemon, ms", "none", full.seconds * 1e3, empty.seconds * 1e3);
    table.against("CPU of a start, ms", "none", full.cpu * 1e3, empty.cpu * 1e3);
    table.against("memory of the daemon at rest, MiB", "none", mib(full.memory), mib(empty.memory));
    table.line("  a session, bytes", per(full.memory - empty.memory));

    writeln!(stderr(), "waking")?;
    let woken = wake::measure(&many, count, if asked.quick { 300 } else { 3000 }).await?;
    for share in [50, 99] {
        let (asleep, awake, row) = (woken.asleep.at(share), woken.awake.at(share), woken.row.at(share));
        table.against(&format!("first event of one asleep, p{share}, µs"), "awake", asleep, awake);
        table.against(&format!("  the same, p{share}, µs"), "a row", asleep, row);
        table.against(&format!("page of 100, p{share}, µs"), "a row", woken.page.at(share), row);
    }
    table.line("memory of one awake, KiB", woken.each / 1024.0);
    table.against("memory after they left, MiB", "before", mib(woken.after), mib(woken.before));

    writeln!(stderr(), "streaming")?;
    for (what, streams) in stream::measure(asked.quick).await? {
        let (kept, passed) = (streams.kept * 1e6, streams.passed * 1e6);
        table.against(&format!("CPU a token of a session, {what}, µs"), "stateless", kept, passed);
    }
    writeln!(stdout(), "{count} sessions\n\n{}", table.text)?;
    if let Some(path) = &asked.json {
        let all = json!({"sessions": count, "figures": table.values});
        std::fs::write(path, format!("{all:#}\n"))?;
    }
    Ok(())
}

fn mib(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}
