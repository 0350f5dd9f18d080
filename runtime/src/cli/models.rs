//! `greenroom models`.

use std::time::Duration;

use clap::Args;
use greenroom::{FailedList, ShownListing, ShownModel, config::Settings};

use super::{
    Exit, Failure,
    context::{Context, block_on},
    daemon::Daemon,
    failure::hint_of,
    notes,
    output::Output,
    table::table,
};

/// The lists come one a provider, and most programs have few.
const WORKERS: usize = 2;

/// Arguments of `greenroom models`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  greenroom models
  greenroom models --provider anthropic
  greenroom models --json | jq -r 'select(.tools) | .provider + \"/\" + .id'

Any of them can be named with -m, as PROVIDER/MODEL or, where one provider alone has it, by its id.")]
pub(crate) struct ModelsArgs {
    /// Only those of this provider
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Print a line of JSON for each
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: &ModelsArgs) -> Result<Exit, Failure> {
    let wanted = args.provider.as_deref();
    let listing = block_on(WORKERS, async {
        // Which has what was added, and has asked already.
        if let Some(daemon) = Daemon::for_answers(context).await? {
            return daemon.models(wanted).await;
        }
        let settings = context.load_here().await?.settings;
        here(context, settings, wanted).await
    })?;
    print(&listing, args.json)?;
    for FailedList { provider, message, hint, kind, old } in &listing.failed {
        notes::error(&format!("{provider} does not list its models: {message}"));
        notes::hint(hint.as_deref().unwrap_or_else(|| hint_of(*kind)));
        if *old {
            notes::note(&format!("the models of {provider} are those that it listed before"));
        }
    }
    let all_failed = listing.models.is_empty() && !listing.failed.is_empty();
    Ok(if all_failed { Exit::Failed } else { Exit::Done })
}

/// Asked by this process. Where one provider is wanted the others aren't asked, and what they lack is not said.
async fn here(context: &Context, settings: Settings, wanted: Option<&str>) -> Result<ShownListing, Failure> {
    let Some(wanted) = wanted else {
        let runtime = context.start(settings).await?;
        let listing = runtime.fresh_models().await;
        runtime.shutdown(Duration::ZERO).await;
        return Ok((&listing).into());
    };
    let runtime = context.start_untold(settings).await?;
    let settings = runtime.settings();
    if settings.provider(wanted).is_none() {
        runtime.shutdown(Duration::ZERO).await;
        let names: Vec<&str> = settings.providers.iter().map(|provider| provider.name.as_str()).collect();
        return Err(Failure::usage(format!("there is no provider \"{wanted}\""), suggestion(wanted, &names)));
    }
    let listing = runtime.fresh_models_of(wanted).await;
    runtime.shutdown(Duration::ZERO).await;
    let lacking = runtime.warnings().iter().find(|warned| *warned.provider == *wanted);
    if let Some(warned) = lacking.filter(|_| listing.models.is_empty() && listing.failed.is_empty()) {
        return Err(Failure::usage(&warned.message, &warned.hint));
    }
    Ok((&listing).into())
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

fn print(listing: &ShownListing, json: bool) -> Result<(), Failure> {
    let mut output = Output::new();
    if json {
        return listing.models.iter().try_for_each(|model| output.json(model));
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

fn row(model: &ShownModel) -> Vec<String> {
    let tokens = |tokens: Option<u64>| tokens.map_or_else(|| "-".to_owned(), |tokens| tokens.to_string());
    let price = |price: Option<f64>| price.map_or_else(|| "-".to_owned(), |price| price.to_string());
    vec![
        format!("{}/{}", model.provider, model.id),
        model.name.clone().unwrap_or_else(|| "-".to_owned()),
        tokens(model.context),
        tokens(model.max_output),
        price(model.cost.input),
        price(model.cost.output),
    ]
}
