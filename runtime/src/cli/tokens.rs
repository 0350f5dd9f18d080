//! `greenroom tokens`.

use std::time::Duration;

use clap::Args;
use greenroom::{
    Counted, event,
    wire::{ChatRequest, ErrorKind, Message},
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
                        provider can't count, or isn't reached, it is an estimate, which says by how much it may be wrong. No \
                        provider needs to be set up: a model that is known is counted for.")]
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
    let request =
        ChatRequest { model: args.model.clone(), messages: vec![Message::user(&text)], ..ChatRequest::default() };
    let counted = block_on(WORKERS, async {
        match Daemon::for_answers(context).await? {
            Some(daemon) => daemon.count_tokens(&args.model, &text).await,
            None => here(context, &request).await,
        }
    })?;
    let counted = match counted {
        Ok(counted) => counted,
        // Counting needs nobody's model: it is enough that it is known.
        Err(error) => Some(&request)
            .filter(|_| error.kind == ErrorKind::NotFound)
            .and_then(Counted::by_name)
            .ok_or_else(|| Failure::answer(&error, false))?,
    };
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

async fn here(context: &Context, request: &ChatRequest) -> Result<Result<Counted, event::Failure>, Failure> {
    let settings = context.load_here().await?.settings;
    let runtime = context.start(settings).await?;
    let counted = runtime.count_tokens(request, &"library".into()).await;
    runtime.shutdown(Duration::ZERO).await;
    Ok(counted.map_err(|error| event::Failure::from(&error)))
}
