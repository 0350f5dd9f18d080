//! `greenroom models`.

use std::time::Duration;

use clap::Args;
use greenroom::{Listing, Model, Runtime, config::Settings};
use serde_json::{Value, json};

use super::{
    Exit, Failure,
    context::{Context, block_on},
    failure::hint_of,
    notes,
    output::Output,
    table::table,
};

/// The lists come one a provider, and most programs have few.
const WORKERS: usize = 2;

/// Arguments of `greenroom models`.
#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    /// Only those of this provider
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Print a line of JSON for each
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: &ModelsArgs) -> Result<Exit, Failure> {
    let settings = context.load(Vec::new())?.settings;
    block_on(WORKERS, async {
        let (runtime, listing) = match &args.provider {
            None => {
                let runtime = context.start(settings).await?;
                let listing = runtime.fresh_models().await;
                (runtime, listing)
            }
            Some(wanted) => of_one(context, settings, wanted).await?,
        };
        print(&listing, args.json)?;
        for (provider, error) in &listing.failed {
            notes::error(&format!("{provider} does not list its models: {error}"));
            notes::hint(error.details.hint.as_deref().unwrap_or_else(|| hint_of(error.kind)));
            if listing.old.contains(provider) {
                notes::note(&format!("the models of {provider} are those that it listed before"));
            }
        }
        runtime.shutdown(Duration::ZERO).await;
        let all_failed = listing.models.is_empty() && !listing.failed.is_empty();
        Ok(if all_failed { Exit::Failed } else { Exit::Done })
    })
}

/// The models of one provider; the others aren't asked, and what they lack is not said.
async fn of_one(context: &Context, settings: Settings, wanted: &str) -> Result<(Runtime, Listing), Failure> {
    let runtime = context.start_untold(settings).await?;
    let settings = runtime.settings();
    if settings.provider(wanted).is_none() {
        runtime.shutdown(Duration::ZERO).await;
        let names: Vec<&str> = settings.providers.iter().map(|provider| provider.name.as_str()).collect();
        return Err(Failure::usage(format!("there is no provider \"{wanted}\""), suggestion(wanted, &names)));
    }
    let listing = runtime.fresh_models_of(wanted).await;
    let lacking = runtime.warnings().iter().find(|warned| *warned.provider == *wanted);
    if let Some(warned) = lacking.filter(|_| listing.models.is_empty() && listing.failed.is_empty()) {
        runtime.shutdown(Duration::ZERO).await;
        return Err(Failure::usage(&warned.message, &warned.hint));
    }
    Ok((runtime, listing))
}

/// What may have been meant.
pub(crate) fn suggestion(wanted: &str, known: &[&str]) -> String {
    /// From 0 to 1; below this it is a guess.
    const LIKE: f64 = 0.75;
    let nearest = known
        .iter()
        .map(|name| (strsim::jaro_winkler(&wanted.to_lowercase(), &name.to_lowercase()), name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((likeness, name)) if likeness >= LIKE => format!("did you mean \"{name}\"?"),
        _ => format!("there are {}", known.join(", ")),
    }
}

fn print(listing: &Listing, json: bool) -> Result<(), Failure> {
    let mut output = Output::new();
    if json {
        return listing.models.iter().try_for_each(|model| output.json(&to_json(model)));
    }
    let mut rows: Vec<Vec<String>> = listing.models.iter().map(row).collect();
    let alias = |name: &String| vec![name.clone(), "(alias)".to_owned()];
    rows.extend(listing.aliases.iter().map(alias));
    if rows.is_empty() {
        return Ok(());
    }
    let head = ["MODEL", "NAME", "CONTEXT", "MAX OUTPUT", "$/M INPUT", "$/M OUTPUT"];
    output.text(&table(&head, &rows))
}

fn row(Model { provider, info }: &Model) -> Vec<String> {
    let tokens = |tokens: Option<u64>| tokens.map_or_else(|| "-".to_owned(), |tokens| tokens.to_string());
    let price = |price: Option<f64>| price.map_or_else(|| "-".to_owned(), |price| price.to_string());
    vec![
        format!("{provider}/{}", info.id),
        info.name.clone().unwrap_or_else(|| "-".to_owned()),
        tokens(info.context),
        tokens(info.max_output),
        price(info.price.map(|price| price.input)),
        price(info.price.map(|price| price.output)),
    ]
}

fn to_json(Model { provider, info }: &Model) -> Value {
    json!({
        "id": info.id,
        "provider": **provider,
        "name": info.name,
        "context": info.context,
        "max_output": info.max_output,
        // What it takes beside text.
        "modalities": info.takes.known(),
        "tools": info.tools,
        "reasoning": info.reasoning,
        "prefill": info.prefill,
        "cost": {
            "input": info.price.map(|price| price.input),
            "output": info.price.map(|price| price.output),
            "cache_read": info.price.map(|price| price.cache_read),
            "cache_write": info.price.map(|price| price.cache_write),
        },
    })
}
