//! `greenroom providers test`.

use std::time::Duration;

use greenroom::{Outcome, Runtime, TestError, TestedProvider, config::Settings, look_up};
use serde_json::json;

use super::{
    Exit, Failure,
    context::{Context, block_on},
    models::suggestion,
    output::Output,
    providers::{daemon, start_here},
    table::table,
};

const WORKERS: usize = 1;

/// Tests this provider, or all.
pub(super) fn run(context: &Context, wanted: Option<&str>, json: bool) -> Result<Exit, Failure> {
    let tested = block_on(WORKERS, async {
        match daemon(context).await? {
            Some(daemon) => {
                let names = match wanted {
                    Some(name) => vec![name.to_owned()],
                    None => daemon.providers().await?.providers.into_iter().map(|known| known.provider).collect(),
                };
                let tests: Vec<_> = names.iter().map(|name| daemon.test(name)).collect();
                futures::future::try_join_all(tests).await
            }
            None => test_here(context, wanted).await,
        }
    })?;
    let mut output = Output::new();
    if json {
        for provider in &tested {
            output.json(&json!(provider))?;
        }
    } else {
        let rows: Vec<Vec<String>> = tested.iter().flat_map(rows).collect();
        output.text(&table(&["PROVIDER", "KIND", "PROFILE", "RESULT"], &rows))?;
    }
    Ok(if tested.iter().all(gets_in) { Exit::Done } else { Exit::Failed })
}

/// As a daemon would that started now.
async fn test_here(context: &Context, wanted: Option<&str>) -> Result<Vec<TestedProvider>, Failure> {
    let settings = context.load_here().await?.settings;
    let names = names(&settings, wanted)?;
    let environment = look_up(settings.references(), context.environment.clone()).await;
    let builder = Runtime::builder().settings(settings).environment(environment).wait_for_credentials();
    let runtime = start_here(context, builder).await?;
    context.tell_demo(&runtime.settings());
    let tests: Vec<_> = names.iter().map(|name| runtime.test_provider(name)).collect();
    let tested = futures::future::join_all(tests).await;
    runtime.shutdown(Duration::ZERO).await;
    let told = |error: greenroom::Error| Failure::failed(error.to_string(), "ask again in a moment");
    let tested: Result<Vec<_>, _> = tested.into_iter().collect();
    Ok(tested.map_err(told)?.into_iter().flatten().collect())
}

fn names(settings: &Settings, wanted: Option<&str>) -> Result<Vec<String>, Failure> {
    let known: Vec<&str> = settings.providers.iter().map(|provider| provider.name.as_str()).collect();
    match wanted {
        Some(name) if !known.contains(&name) => {
            Err(Failure::usage(format!("there is no provider \"{name}\""), suggestion(name, &known)))
        }
        Some(name) => Ok(vec![name.to_owned()]),
        None => Ok(known.into_iter().map(str::to_owned).collect()),
    }
}

/// Whether nothing stands in the way of a provider, as far as could be found out.
fn gets_in(provider: &TestedProvider) -> bool {
    provider.error.is_none() && provider.profiles.iter().all(|profile| profile.outcome != Outcome::Failed)
}

fn rows(provider: &TestedProvider) -> Vec<Vec<String>> {
    let first = |index: usize, text: &str| if index == 0 { text.to_owned() } else { String::new() };
    let row = |index: usize, profile: &str, result: String| {
        vec![first(index, &provider.provider), first(index, &provider.kind), profile.to_owned(), result]
    };
    if provider.profiles.is_empty() {
        let why = provider.error.as_ref().map_or_else(|| "there is no key".to_owned(), told);
        return vec![row(0, "-", format!("failed: {why}"))];
    }
    let profiles = provider.profiles.iter().enumerate().map(|(index, profile)| {
        let models = profile.models.map_or_else(String::new, |models| format!(", {models} models"));
        let result = match (profile.outcome, &profile.error) {
            (Outcome::Ok, _) => format!("ok in {} ms{models}", profile.took_ms),
            (outcome, Some(error)) => format!("{}: {}", outcome.as_str(), told(error)),
            (outcome, None) => outcome.as_str().to_owned(),
        };
        row(index, &profile.id, result)
    });
    profiles.collect()
}

fn told(error: &TestError) -> String {
    let hint = error.hint.as_ref().map_or_else(String::new, |hint| format!("; {hint}"));
    format!("{}{hint}", error.message)
}
