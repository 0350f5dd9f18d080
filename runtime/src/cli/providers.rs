//! `greenroom providers`.

use std::time::SystemTime;

use clap::{Args, Subcommand};
use greenroom::{
    ModelState, ProfileState, ProviderState, ShownLimits, StartError, config::Settings, providers_at_rest,
};

use super::{
    Exit, Failure,
    context::{Context, block_on},
    daemon::Daemon,
    output::Output,
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
    Status,
}

pub(crate) fn run(context: &Context, args: &ProvidersArgs) -> Result<Exit, Failure> {
    let ProvidersCommand::Status = args.command.as_ref().unwrap_or(&ProvidersCommand::Status);
    let providers = block_on(WORKERS, providers(context))?;
    let mut output = Output::new();
    if args.json {
        providers.iter().try_for_each(|provider| output.json(provider))?;
    } else {
        let now = SystemTime::now();
        let rows: Vec<Vec<String>> = providers.iter().flat_map(|provider| rows(provider, now)).collect();
        output.text(&table(&["PROVIDER", "KIND", "STATE", "PROFILE", "STATE", "LIMITS"], &rows))?;
    }
    Ok(Exit::Done)
}

/// From the daemon of the data directory, which knows what has failed; else as they would be if one started now.
async fn providers(context: &Context) -> Result<Vec<ProviderState>, Failure> {
    if context.globals.config.is_none()
        && let Some(daemon) = Daemon::find(context)?
    {
        return daemon.providers().await;
    }
    let settings = context.load(Vec::new())?.settings;
    context.tell_demo(&settings);
    at_start(context, settings).await
}

async fn at_start(context: &Context, settings: Settings) -> Result<Vec<ProviderState>, Failure> {
    let builder = greenroom::Runtime::builder().settings(settings.clone()).environment(context.environment.clone());
    match builder.start().await {
        Ok(runtime) => Ok(runtime.providers().await),
        Err(StartError::NoProvider(_)) => Ok(providers_at_rest(&settings, &context.environment)),
        Err(error) => Err(error.into()),
    }
}

fn rows(provider: &ProviderState, now: SystemTime) -> Vec<Vec<String>> {
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
        format!(" for {}", humantime::format_duration(std::time::Duration::from_secs(left)))
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
