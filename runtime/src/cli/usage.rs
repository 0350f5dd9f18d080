//! `greenroom usage`.

use clap::Args;
use greenroom::{UsageBy, UsageSum, usage_at_rest};

use super::{
    Exit, Failure,
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
pub(crate) struct UsageArgs {
    /// What is summed up
    #[arg(long, value_name = "WHAT", default_value = "model")]
    #[arg(value_parser = UsageBy::WORDS.map(|(word, _)| word))]
    by: String,
    /// Print a line of JSON for each
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: &UsageArgs) -> Result<Exit, Failure> {
    let sums = block_on(WORKERS, sums(context, &args.by))?;
    let mut output = Output::new();
    if args.json {
        sums.iter().try_for_each(|sum| output.json(sum))?;
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
async fn sums(context: &Context, by: &str) -> Result<Vec<UsageSum>, Failure> {
    if let Some(daemon) = Daemon::find(context).await? {
        return daemon.usage(by).await;
    }
    let Some(path) = context.data_path() else { return Ok(Vec::new()) };
    let durability = greenroom::config::Durability::default();
    let by = UsageBy::from_word(by).expect("clap takes no other words");
    Ok(usage_at_rest(&path, durability, by).await?)
}

fn row(sum: &UsageSum) -> Vec<String> {
    let by = if sum.by.is_empty() { "-" } else { &sum.by };
    let numbers = [sum.requests, sum.attempts, sum.input, sum.output, sum.cache_read, sum.cache_write];
    let mut row = vec![by.to_owned()];
    row.extend(numbers.map(|number| number.to_string()));
    row.push(format!("${:.6}", sum.cost_usd));
    row
}
