//! `greenroom embed`.

use std::time::Duration;

use clap::Args;
use greenroom::{Embedded, event, wire::EmbedRequest};
use serde_json::json;

use super::{
    Exit, Failure,
    context::{Context, block_on},
    daemon::Daemon,
    output::Output,
    text::text,
};

const WORKERS: usize = 1;

/// Arguments of `greenroom embed`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  greenroom embed \"some text\" -m openai/text-embedding-3-small
  greenroom embed -m ollama/nomic-embed-text < letter.txt
  greenroom embed \"some text\" -m openai/text-embedding-3-small --json | jq .tokens")]
pub(crate) struct EmbedArgs {
    /// The text; without one, what is piped in
    text: Option<String>,
    /// The model that makes the vector: PROVIDER/MODEL, an alias, or an id that one provider has
    #[arg(short, long, value_name = "MODEL")]
    model: String,
    /// Print an object with who made it and what it took
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: &EmbedArgs) -> Result<Exit, Failure> {
    let text = text(args.text.as_ref(), "to make a vector of", "greenroom embed \"some text\" -m MODEL")?;
    let made = block_on(WORKERS, async {
        match Daemon::for_answers(context).await? {
            Some(daemon) => daemon.embed(&args.model, &text).await,
            None => here(context, &args.model, text).await,
        }
    })?;
    let vector = made.embeddings.vectors.first();
    let mut output = Output::new();
    if args.json {
        let who = format!("{}/{}", made.provider, made.model);
        output.json(&json!({"model": who, "embedding": vector, "tokens": made.embeddings.tokens}))?;
    } else {
        output.json(&vector)?;
    }
    Ok(Exit::Done)
}

async fn here(context: &Context, model: &str, text: String) -> Result<Embedded, Failure> {
    let settings = context.load_here().await?.settings;
    let runtime = context.start(settings).await?;
    let request = EmbedRequest { model: model.to_owned(), input: vec![text.into()], ..EmbedRequest::default() };
    let made = runtime.embed_for(&request, "library".into()).await;
    runtime.shutdown(Duration::ZERO).await;
    made.map_err(|error| Failure::answer(&event::Failure::from(&error), false))
}
