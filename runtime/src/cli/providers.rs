//! `greenroom providers`.

use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use greenroom::{
    ModelState, ProfileState, ProviderState, Runtime, ShownLimits, StartError, StoreKind, StoreState, config::Settings,
    has_store, look_up, providers_at_rest,
};
use serde_json::json;

use super::{
    Exit, Failure,
    context::{Context, block_on},
    daemon::{Daemon, Providers},
    models::suggestion,
    notes,
    output::Output,
    provider_tests,
    table::table,
};

const WORKERS: usize = 1;

/// Arguments of `greenroom providers`.
#[derive(Debug, Args)]
pub(crate) struct ProvidersArgs {
    #[command(subcommand)]
    command: Option<ProvidersCommand>,
    /// Print a line of JSON for each
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum ProvidersCommand {
    /// Each provider with its keys, and what is left alone until when (the default)
    #[command(after_help = "Examples:\n  greenroom providers status\n  greenroom providers status --json")]
    Status,
    /// Ask each provider, by each of its keys, whether it lets in; nothing is paid for
    ///
    /// Exits with 1 if one does not.
    #[command(after_help = "Examples:\n  greenroom providers test\n  greenroom providers test openai")]
    Test {
        /// Only this one
        provider: Option<String>,
    },
    /// Forget the failures of a provider, or of all: what was left alone is asked again
    #[command(after_help = "Examples:\n  greenroom providers reset\n  greenroom providers reset openai")]
    Reset {
        /// Only this one
        provider: Option<String>,
    },
}

pub(crate) fn run(context: &Context, args: &ProvidersArgs) -> Result<Exit, Failure> {
    match &args.command {
        None | Some(ProvidersCommand::Status) => status(context, args.json),
        Some(ProvidersCommand::Test { provider }) => provider_tests::run(context, provider.as_deref(), args.json),
        Some(ProvidersCommand::Reset { provider }) => reset(context, provider.as_deref(), args.json),
    }
}

fn status(context: &Context, json: bool) -> Result<Exit, Failure> {
    let Providers { providers, store } = block_on(WORKERS, providers(context))?;
    let mut output = Output::new();
    if json {
        for provider in &providers {
            let mut line = json!(provider);
            line["store"] = json!(store);
            output.json(&line)?;
        }
    } else {
        let now = SystemTime::now();
        let rows: Vec<Vec<String>> = providers.iter().flat_map(|provider| rows(provider, now)).collect();
        output.text(&table(&["PROVIDER", "KIND", "STATE", "PROFILE", "STATE", "LIMITS"], &rows))?;
    }
    if let Some(reason) = &store.reason {
        notes::warning(&format!(
            "the store is {}, so nothing more that is learnt is kept: {reason}",
            store.state.as_str()
        ));
        store.hint.iter().for_each(|hint| notes::hint(hint));
    }
    Ok(Exit::Done)
}

/// From the daemon of the data directory, which knows what has failed; else as they would be if one started now.
pub(super) async fn providers(context: &Context) -> Result<Providers, Failure> {
    if let Some(daemon) = daemon(context).await? {
        return daemon.providers().await;
    }
    let settings = context.load_here().await?.settings;
    at_start(context, settings).await
}

pub(super) async fn daemon(context: &Context) -> Result<Option<Daemon>, Failure> {
    if context.globals.config.is_some() { Ok(None) } else { Daemon::find(context).await }
}

/// A runtime as a daemon's would be that started now, with what was learnt and added before where there is a store that
/// can be opened. Nothing is made on disk by looking.
pub(super) async fn start_here(context: &Context, builder: greenroom::Builder) -> Result<Runtime, StartError> {
    let kept = context.data_path().filter(|path| has_store(path));
    let mut started = match kept {
        Some(path) => builder.clone().data_dir(path).start().await,
        None => builder.clone().start().await,
    };
    if let Err(StartError::Store(error)) = &started {
        notes::warning(&format!("what was learnt before is not shown: {error}"));
        notes::hint(&error.hint());
        started = builder.start().await;
    }
    started
}

async fn at_start(context: &Context, settings: Settings) -> Result<Providers, Failure> {
    let environment = look_up(settings.references(), context.environment.clone()).await;
    let builder = Runtime::builder().settings(settings.clone()).environment(environment.clone());
    match start_here(context, builder).await {
        Ok(runtime) => {
            context.tell_demo(&runtime.settings());
            let providers = Providers { providers: runtime.providers().await, store: runtime.store() };
            runtime.shutdown(Duration::ZERO).await;
            Ok(providers)
        }
        Err(StartError::NoProvider(_)) => {
            let store = StoreState { state: StoreKind::None, reason: None, hint: None };
            Ok(Providers { providers: providers_at_rest(&settings, &environment), store })
        }
        Err(error) => Err(error.into()),
    }
}

fn reset(context: &Context, wanted: Option<&str>, json: bool) -> Result<Exit, Failure> {
    let cleared = block_on(WORKERS, async {
        match daemon(context).await? {
            Some(daemon) => reset_there(&daemon, wanted).await,
            None => reset_here(context, wanted).await,
        }
    })?;
    let mut output = Output::new();
    for provider in &cleared {
        if json {
            output.json(&json!({"provider": provider, "reset": true}))?;
        } else {
            output.line(&format!("{provider} is asked again"))?;
        }
    }
    Ok(Exit::Done)
}

/// Has the daemon do it, which knows more than the store.
async fn reset_there(daemon: &Daemon, wanted: Option<&str>) -> Result<Vec<String>, Failure> {
    let names = match wanted {
        Some(name) => vec![name.to_owned()],
        None => daemon.providers().await?.providers.into_iter().map(|provider| provider.provider).collect(),
    };
    for name in &names {
        let answer = daemon.reset(name).await?;
        if !answer.kept {
            let reason = answer.reason.unwrap_or_default();
            let what = format!("{name} is asked again, but not by the next daemon: {reason}");
            return Err(Failure::failed(what, answer.hint.unwrap_or_default()));
        }
    }
    Ok(names)
}

async fn reset_here(context: &Context, wanted: Option<&str>) -> Result<Vec<String>, Failure> {
    let settings = context.load_here().await?.settings;
    let known: Vec<&str> = settings.providers.iter().map(|provider| provider.name.as_str()).collect();
    let names: Vec<String> = match wanted {
        Some(name) if !known.contains(&name) => {
            return Err(Failure::usage(format!("there is no provider \"{name}\""), suggestion(name, &known)));
        }
        Some(name) => vec![name.to_owned()],
        None => known.into_iter().map(str::to_owned).collect(),
    };
    if let Some(path) = context.data_path() {
        greenroom::reset_at_rest(&path, settings.store.durability, &names).await?;
    }
    Ok(names)
}

fn rows(provider: &ProviderState, now: SystemTime) -> Vec<Vec<String>> {
    if let (Some(reason), []) = (&provider.reason, &provider.profiles[..]) {
        let state = provider.state.as_str();
        let cells = [&provider.provider, &provider.kind, state, "-", &format!("{state}: {reason}"), "-"];
        return vec![cells.map(str::to_owned).to_vec()];
    }
    let rows = provider.profiles.iter().enumerate().map(|(index, profile)| {
        let once = |text: &str| if index == 0 { text.to_owned() } else { String::new() };
        let limits = [limits_text(&profile.limits, ""), limits_text(&provider.limits, " shared")].concat();
        let limits = if limits.is_empty() { "-".to_owned() } else { limits.join(", ") };
        let state = once(provider.state.as_str());
        vec![
            once(&provider.provider),
            once(&provider.kind),
            state,
            profile.id.clone(),
            profile_text(profile, now),
            limits,
        ]
    });
    rows.collect()
}

fn profile_text(profile: &ProfileState, now: SystemTime) -> String {
    let left_alone = |until: SystemTime| {
        let left = until.duration_since(now).unwrap_or_default().as_secs() + 1;
        format!(" for {}", humantime::format_duration(Duration::from_secs(left)))
    };
    let reason = profile.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
    let until = profile.until.map_or_else(String::new, left_alone);
    let models = profile
        .models
        .iter()
        .map(|ModelState { model, reason, until }| format!("; {model} cooling: {reason}{}", left_alone(*until)));
    format!("{}{reason}{until}{}", profile.state.as_str(), models.collect::<String>())
}

fn limits_text(limits: &ShownLimits, which: &str) -> Vec<String> {
    let written = [
        (limits.requests_per_minute, "requests/min"),
        (limits.tokens_per_minute, "tokens/min"),
        (limits.concurrent, "at once"),
    ];
    written.into_iter().filter_map(|(limit, unit)| Some(format!("{} {unit}{which}", limit?))).collect()
}
