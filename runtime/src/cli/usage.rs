//! `greenroom usage`.

use clap::Args;
use greenroom::{
    AttemptsAtRest, Day, DayRange, ExportFormat, UsageAttempt, UsageBy, UsageSum, config::Durability, export,
    usage_at_rest,
};

use super::{
    Exit, Failure,
    attach::failure,
    context::{Context, block_on},
    daemon::Daemon,
    notes,
    output::Output,
    table::table,
};

const WORKERS: usize = 1;
const HEAD: [&str; 8] = ["", "REQUESTS", "ATTEMPTS", "INPUT", "OUTPUT", "CACHE READ", "CACHE WRITE", "COST"];

/// Arguments of `greenroom usage`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  greenroom usage --by client --since 2026-01-01 --until 2026-01-31
  greenroom usage --attempts --csv > attempts.csv")]
pub(crate) struct UsageArgs {
    /// What is summed up
    #[arg(long, value_name = "WHAT", default_value = "model", conflicts_with = "attempts")]
    #[arg(value_parser = UsageBy::WORDS.map(|(word, _)| word))]
    by: String,
    /// Show each attempt by itself, as CSV or as lines of JSON
    #[arg(long)]
    attempts: bool,
    /// The first day, in UTC, such as 2026-01-31
    #[arg(long, value_name = "DAY")]
    since: Option<Day>,
    /// The last day, in UTC
    #[arg(long, value_name = "DAY")]
    until: Option<Day>,
    /// Print comma-separated values, for a spreadsheet
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print a line of JSON for each
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: &UsageArgs) -> Result<Exit, Failure> {
    let range = DayRange { since: args.since.clone(), until: args.until.clone() };
    if args.attempts {
        let format = if args.json { ExportFormat::Json } else { ExportFormat::Csv };
        return block_on(WORKERS, attempts(context, range, format));
    }
    let sums = block_on(WORKERS, sums(context, &args.by, &range))?;
    let mut output = Output::new();
    if args.json {
        sums.iter().try_for_each(|sum| output.json(sum))?;
        return Ok(Exit::Done);
    }
    if args.csv {
        output.bytes(&export(&sums, ExportFormat::Csv, true))?;
        return Ok(Exit::Done);
    }
    if sums.is_empty() {
        notes::note("nothing was used yet");
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = sums.iter().map(row).collect();
    let head: Vec<String> = HEAD.iter().map(|cell| (*cell).to_owned()).collect();
    let named = args.by.to_uppercase();
    let head: Vec<&str> = std::iter::once(named.as_str()).chain(head[1..].iter().map(String::as_str)).collect();
    output.text(&table(&head, &rows))?;
    let (estimated, unpriced) = sums.iter().fold((0, 0), |(a, b), sum| (a + sum.estimated, b + sum.unpriced));
    if estimated > 0 {
        notes::note(&format!("of {estimated} attempts the tokens are estimated, since no provider told them"));
    }
    if unpriced > 0 {
        notes::note(&format!("of {unpriced} attempts the price is not known; they are not in the cost"));
    }
    Ok(Exit::Done)
}

/// From the daemon of the data directory; else from the store.
async fn sums(context: &Context, by: &str, range: &DayRange) -> Result<Vec<UsageSum>, Failure> {
    if let Some(daemon) = Daemon::find(context).await? {
        return daemon.usage(by, range).await;
    }
    let Some(path) = context.data_path() else { return Ok(Vec::new()) };
    let by = UsageBy::from_word(by).expect("clap takes no other words");
    Ok(usage_at_rest(&path, Durability::default(), by, range).await?)
}

/// The same of each attempt, written as it comes.
async fn attempts(context: &Context, range: DayRange, format: ExportFormat) -> Result<Exit, Failure> {
    let mut output = Output::new();
    if let Some(daemon) = Daemon::find(context).await? {
        let word = if format == ExportFormat::Csv { "csv" } else { "json" };
        let mut pieces = daemon.attempts(&range, word).await?;
        while let Some(piece) = pieces.next().await {
            output.bytes(&piece.map_err(|lost| failure(&lost))?)?;
        }
        return Ok(Exit::Done);
    }
    let Some(path) = context.data_path() else {
        notes::note("nothing was used yet");
        return Ok(Exit::Done);
    };
    let mut pages = AttemptsAtRest::open(&path, Durability::default(), range).await?;
    let mut is_first = true;
    while let Some(page) = pages.next().await? {
        output.bytes(&export(&page, format, std::mem::take(&mut is_first)))?;
    }
    pages.close().await?;
    if is_first {
        output.bytes(&export::<UsageAttempt>(&[], format, true))?;
    }
    Ok(Exit::Done)
}

fn row(sum: &UsageSum) -> Vec<String> {
    let by = if sum.by.is_empty() { "-" } else { &sum.by };
    let numbers = [sum.requests, sum.attempts, sum.input, sum.output, sum.cache_read, sum.cache_write];
    let mut row = vec![by.to_owned()];
    row.extend(numbers.map(|number| number.to_string()));
    row.push(format!("${:.6}", sum.cost.dollars()));
    row
}
