//! `greenroom providers`.

use std::time::SystemTime;

use clap::{Args, Subcommand};
use greenroom::{
    MarkStatus, ModelStatus, ProfileStatus, ProviderStatus, StartError,
    config::{self, Environment, Limits, Settings},
};
use serde_json::{Map, Value, json};

use super::{
    Exit, Failure,
    context::{Context, block_on},
    failure::with_causes,
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
    let settings = context.load(Vec::new())?.settings;
    context.tell_demo(&settings);
    let statuses = block_on(WORKERS, async { statuses(context, settings.clone()).await })?;
    let now = SystemTime::now();
    let shown: Vec<Shown> = settings
        .providers
        .iter()
        .map(|written| {
            let status = statuses.iter().find(|status| *status.provider == *written.name);
            Shown::new(written, status, &context.environment, now)
        })
        .collect();
    let mut output = Output::new();
    if args.json {
        shown.iter().try_for_each(|provider| output.json(&provider.to_json()))?;
    } else {
        let rows: Vec<Vec<String>> = shown.iter().flat_map(|provider| provider.rows(now)).collect();
        output.text(&table(&["PROVIDER", "KIND", "STATE", "PROFILE", "STATE", "LIMITS"], &rows))?;
    }
    Ok(Exit::Done)
}

/// Of the providers that can be used at all. One that can't is in the settings alone.
async fn statuses(context: &Context, settings: Settings) -> Result<Vec<ProviderStatus>, Failure> {
    let builder = greenroom::Runtime::builder().settings(settings).environment(context.environment.clone());
    match builder.start().await {
        Ok(runtime) => Ok(runtime.providers().await.into_iter().filter_map(|(_, status)| status).collect()),
        Err(StartError::NoProvider(_)) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// A provider as it is shown.
struct Shown {
    provider: String,
    kind: &'static str,
    state: &'static str,
    profiles: Vec<ShownProfile>,
    limits: Limits,
}

struct ShownProfile {
    id: String,
    state: &'static str,
    /// The kind of failure for which it is left alone, or what its key lacks.
    reason: Option<String>,
    until: Option<SystemTime>,
    models: Vec<ModelStatus>,
    limits: Limits,
}

impl Shown {
    fn new(
        written: &config::Provider,
        status: Option<&ProviderStatus>,
        environment: &Environment,
        now: SystemTime,
    ) -> Self {
        let profiles: Vec<ShownProfile> = written
            .profiles
            .iter()
            .map(|profile| {
                let lacking = written.key(profile, environment).err().map(|error| with_causes(&error));
                let own = status.and_then(|status| status.profiles.iter().find(|other| *other.id == *profile.id));
                // A model that fails whatever the profile is left alone with each of them.
                let whatever = status.into_iter().flat_map(|status| &status.unhealthy);
                let models = own.into_iter().flat_map(|own| &own.models).chain(whatever).cloned();
                ShownProfile::new(profile, lacking, own, models.collect(), now)
            })
            .collect();
        let all = |state: &str| profiles.iter().all(|profile| profile.state == state);
        let any = |state: &str| profiles.iter().any(|profile| profile.state == state);
        let state = match status {
            None => "down",
            Some(_) if all("down") => "down",
            Some(_) if any("ok") => "ok",
            Some(_) => "cooling",
        };
        Self {
            provider: written.name.clone(),
            kind: written.kind.name(),
            state,
            profiles,
            limits: written.shared_limits,
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "provider": self.provider,
            "kind": self.kind,
            "state": self.state,
            "profiles": self.profiles.iter().map(ShownProfile::to_json).collect::<Vec<_>>(),
            "limits": self.limits,
        })
    }

    fn rows(&self, now: SystemTime) -> Vec<Vec<String>> {
        let rows = self.profiles.iter().enumerate().map(|(index, profile)| {
            let once = |text: &str| if index == 0 { text.to_owned() } else { String::new() };
            let limits = [limits_text(&profile.limits, ""), limits_text(&self.limits, " shared")].concat();
            let limits = if limits.is_empty() { "-".to_owned() } else { limits.join(", ") };
            vec![once(&self.provider), once(self.kind), once(self.state), profile.id.clone(), profile.text(now), limits]
        });
        rows.collect()
    }
}

impl ShownProfile {
    fn new(
        written: &config::Profile,
        lacking: Option<String>,
        status: Option<&ProfileStatus>,
        models: Vec<ModelStatus>,
        now: SystemTime,
    ) -> Self {
        let mark: Option<MarkStatus> = status.and_then(|status| status.mark).filter(|mark| mark.until > now);
        let state = match (&lacking, status, mark) {
            (Some(_), ..) | (None, None, _) => "down",
            (None, Some(_), Some(_)) => "cooling",
            (None, Some(_), None) => "ok",
        };
        Self {
            id: written.id.clone(),
            state,
            reason: lacking.or_else(|| mark.map(|mark| mark.reason.to_string())),
            until: mark.map(|mark| mark.until),
            models: models.into_iter().filter(|model| model.mark.until > now).collect(),
            limits: written.limits,
        }
    }

    fn to_json(&self) -> Value {
        let mut json = Map::new();
        json.insert("id".to_owned(), json!(self.id));
        json.insert("state".to_owned(), json!(self.state));
        if let Some(reason) = &self.reason {
            json.insert("reason".to_owned(), json!(reason));
        }
        if let Some(until) = self.until {
            json.insert("until".to_owned(), json!(time(until)));
        }
        let models = self.models.iter().map(|ModelStatus { model, mark }| {
            json!({"model": model, "reason": mark.reason.as_str(), "until": time(mark.until)})
        });
        json.insert("models".to_owned(), models.collect());
        json.insert("limits".to_owned(), json!(self.limits));
        Value::Object(json)
    }

    fn text(&self, now: SystemTime) -> String {
        let left_alone = |until: SystemTime| {
            let left = until.duration_since(now).unwrap_or_default().as_secs() + 1;
            format!(" for {}", humantime::format_duration(std::time::Duration::from_secs(left)))
        };
        let reason = self.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
        let until = self.until.map_or_else(String::new, left_alone);
        let models = self
            .models
            .iter()
            .map(|ModelStatus { model, mark }| format!("; {model} cooling: {}{}", mark.reason, left_alone(mark.until)));
        format!("{}{reason}{until}{}", self.state, models.collect::<String>())
    }
}

fn limits_text(limits: &Limits, which: &str) -> Vec<String> {
    let written = [
        (limits.requests_per_minute, "requests/min"),
        (limits.tokens_per_minute, "tokens/min"),
        (limits.concurrent, "at once"),
    ];
    written.into_iter().filter_map(|(limit, unit)| Some(format!("{} {unit}{which}", limit?))).collect()
}

/// As RFC 3339 has it, in UTC.
fn time(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()
}
