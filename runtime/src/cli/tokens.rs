//! `greenroom tokens`.

use std::time::Duration;

use clap::Args;
use greenroom::{
    Counted, event,
    wire::{ChatRequest, Message},
};
use serde_json::json;

use super::{
    Exit, Failure,
    context::{Context, block_on},
    daemon::Daemon,
    output::Output,
    text::text,
};

const WORKERS: usize = 1;

/// Arguments of `greenroom tokens`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  greenroom tokens \"How long is this?\" -m anthropic/claude-sonnet-4-5\n  \
                        greenroom tokens -m smart < letter.txt\n\nFor OpenAI's models it is counted here; where another \
                        provider can't count, or isn't reached, it is an estimate, which says by how much it may be wrong.")]
pub(crate) struct TokensArgs {
    /// The text of a prompt; without one, what is piped in
    text: Option<String>,
    /// For which model: PROVIDER/MODEL, an alias, or an id that one provider has
    #[arg(short, long, value_name = "MODEL")]
    model: String,
    /// Print an object: how many, for which model, whether exact, and else by what share it may be wrong
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: &TokensArgs) -> Result<Exit, Failure> {
    let text = text(args.text.as_ref(), "to count", "greenroom tokens \"some text\" -m MODEL")?;
    let counted = block_on(WORKERS, async {
        match Daemon::for_answers(context).await? {
            Some(daemon) => daemon.count_tokens(&args.model, &text).await,
            None => here(context, &args.model, text).await,
        }
    })?;
    let mut output = Output::new();
    if args.json {
        let model = format!("{}/{}", counted.provider, counted.model);
        let exact = counted.error.is_none();
        output.json(&json!({"model": model, "tokens": counted.tokens, "exact": exact, "error": counted.error}))?;
    } else {
        match counted.error {
            None => output.line(&counted.tokens.to_string())?,
            Some(error) => {
                let within = (error * 100.0).ceil();
                output.line(&format!("about {} (within {within:.0} %)", counted.tokens))?;
            }
        }
    }
    Ok(Exit::Done)
}

async fn here(context: &Context, model: &str, text: String) -> Result<Counted, Failure> {
    let settings = context.load_here().await?.settings;
    let runtime = context.start(settings).await?;
    let messages = vec![Message::user(text)];
    let request = ChatRequest { model: model.to_owned(), messages, ..ChatRequest::default() };
    let counted = runtime.count_tokens(&request, &"library".into()).await;
    runtime.shutdown(Duration::ZERO).await;
    counted.map_err(|error| Failure::answer(&event::Failure::from(&error), false))
}
