//! `greenroom batch`: requests that can wait, for half the price.

mod input;
mod show;
mod wait;

use std::path::PathBuf;

use axum::{body::Bytes, http::Method};
use clap::{Args, Subcommand};
use greenroom::BatchInfo;
use serde::Deserialize;

use super::{
    Exit, Failure,
    attach::{Ask, Link, Need, path, read},
    context::{Context, block_on},
    output::Output,
};

/// One for the actors and one for the connection; the main thread writes.
const WORKERS: usize = 2;

/// Arguments of `greenroom batch`.
#[derive(Debug, Args)]
#[command(after_help = "\
A file has a request a line, in any of these forms, whoever is asked:
  {\"id\": \"a\", \"prompt\": \"Name a colour.\", \"system\": \"Be brief.\", \"max_tokens\": 100}
  {\"custom_id\": \"a\", \"method\": \"POST\", \"url\": \"/v1/chat/completions\", \"body\": {…}}
  {\"custom_id\": \"a\", \"params\": {…}}
The second is OpenAI's (also with /v1/responses and /v1/embeddings), the third Anthropic's.

Examples:
  greenroom batch submit questions.jsonl -m claude-haiku-4-5
  greenroom batch status --wait
  greenroom batch results batch_0123… > answers.jsonl")]
pub(crate) struct BatchArgs {
    #[command(subcommand)]
    command: Option<BatchCommand>,
    /// Print JSON, a line for each
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum BatchCommand {
    /// Hand over the requests of a file, and print the batch's id
    ///
    /// Every line is looked at first: if one is wrong, nothing is sent.
    #[command(after_help = "\
Examples:
  greenroom batch submit questions.jsonl -m openai/gpt-5-mini
  jq -c '{id: .key, prompt: .text}' *.json | greenroom batch submit - -m claude-haiku-4-5")]
    Submit {
        /// A request a line; \"-\" is standard input
        file: PathBuf,
        /// The model of all requests, whatever the lines say
        #[arg(short, long, value_name = "MODEL")]
        model: Option<String>,
    },
    /// Ask the provider how far a batch is [default: each that has not ended]
    #[command(after_help = "\
Examples:
  greenroom batch status
  greenroom batch status batch_0123… --wait && greenroom batch results batch_0123… > answers.jsonl")]
    Status {
        /// Which one
        id: Option<String>,
        /// Ask until it has ended
        #[arg(long)]
        wait: bool,
    },
    /// Print what became of each request, a line of JSON each, in the provider's order
    ///
    /// A line is {"custom_id", "ok": a chat completion} or {"custom_id", "error": {"kind", "message"}}, whoever answered.
    #[command(after_help = "\
Examples:
  greenroom batch results batch_0123… > answers.jsonl
  greenroom batch results batch_0123… | jq -r 'select(.error) | .custom_id'")]
    Results {
        /// Of which batch
        id: String,
        /// The provider's own lines, as they are
        #[arg(long)]
        raw: bool,
    },
    /// Have a batch cancelled; what is answered stays, and is paid for
    #[command(after_help = "Examples:\n  greenroom batch cancel batch_0123…")]
    Cancel {
        /// Which one
        id: String,
    },
    /// Each batch, as it was told of last (the default)
    #[command(after_help = "Examples:\n  greenroom batch list\n  greenroom batch list --json | jq -r .id")]
    List,
}

pub(crate) fn run(context: &Context, args: &BatchArgs) -> Result<Exit, Failure> {
    let json = args.json;
    match args.command.as_ref().unwrap_or(&BatchCommand::List) {
        BatchCommand::Submit { file, model } => {
            // Read first, since it may take a person's time, for which nobody is to be kept from the store.
            let lines = input::read(file)?;
            block_on(WORKERS, async {
                let link = Link::open(context, Need::Store, None).await?;
                let outcome = submit(&link, lines, model.as_deref(), json).await;
                link.leave().await;
                outcome
            })
        }
        BatchCommand::Status { id, wait } => block_on(WORKERS, wait::status(context, id.as_deref(), *wait, json)),
        BatchCommand::Results { id, raw } => look(context, async |link| results(link, id, *raw).await),
        BatchCommand::Cancel { id } => look(context, async |link| {
            let ask = Ask::new(Method::POST, path(&["batches", id, "cancel"], &[]));
            let batch: BatchInfo = read(link.ask(ask, true).await?).await?;
            show::one(&batch, json)?;
            Ok(Exit::Done)
        }),
        BatchCommand::List => look(context, async |link| {
            show::many(&list(link).await?, json)?;
            Ok(Exit::Done)
        }),
    }
}

/// Asks something of batches that are kept, if there are any.
fn look(context: &Context, ask: impl AsyncFnOnce(&Link<'_>) -> Result<Exit, Failure>) -> Result<Exit, Failure> {
    block_on(WORKERS, async {
        let link = Link::open(context, Need::Look, None).await?;
        let outcome = ask(&link).await;
        link.leave().await;
        outcome
    })
}

async fn submit(link: &Link<'_>, lines: Vec<u8>, model: Option<&str>, json: bool) -> Result<Exit, Failure> {
    let query: Vec<(&str, &str)> = model.iter().map(|model| ("model", *model)).collect();
    let mut ask = Ask::new(Method::POST, path(&["batches"], &query));
    ask.body = Bytes::from(lines);
    let batch: BatchInfo = read(link.ask(ask, true).await?).await?;
    let batch = wait::handed_over(link, batch).await?;
    match batch.state.as_str() {
        "failed" => Err(Failure::failed(
            format!("the batch was not taken: {}", batch.problem.unwrap_or_default()),
            "mend what it says, and submit it again",
        )),
        "interrupted" => Err(Failure::failed(
            format!("it is not known whether {} was taken: {}", batch.id, batch.problem.unwrap_or_default()),
            format!("`greenroom batch status {}` finds out, and hands it over if it is not there", batch.id),
        )),
        _ if json => Output::new().json(&batch).map(|()| Exit::Done),
        _ => Output::new().line(&batch.id).map(|()| Exit::Done),
    }
}

async fn list(link: &Link<'_>) -> Result<Vec<BatchInfo>, Failure> {
    #[derive(Deserialize)]
    struct Answer {
        batches: Vec<BatchInfo>,
    }
    let Answer { batches } = read(link.ask(Ask::get(path(&["batches"], &[])), false).await?).await?;
    Ok(batches)
}

async fn one(link: &Link<'_>, id: &str) -> Result<BatchInfo, Failure> {
    read(link.ask(Ask::get(path(&["batches", id], &[])), false).await?).await
}

/// Prints results as they come.
async fn results(link: &Link<'_>, id: &str, raw: bool) -> Result<Exit, Failure> {
    let query: &[(&str, &str)] = if raw { &[("raw", "true")] } else { &[] };
    let mut answer = link.ask(Ask::get(path(&["batches", id, "results"], query)), false).await?;
    let mut output = Output::new();
    while let Some(piece) = answer.body.next().await {
        let piece = piece.map_err(|lost| {
            Failure::failed(format!("what was printed is not all of the results: {lost}"), "ask for them again")
        })?;
        output.bytes(&piece)?;
    }
    Ok(Exit::Done)
}
