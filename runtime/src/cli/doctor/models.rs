//! Whether names of models lead to models, and how old what is known of them is.

use std::time::{Duration, SystemTime};

use greenroom::{
    KnownModels, ShownListing,
    config::{Kind, Settings, fits},
};

use super::{
    finding::{Finding, Report},
    providers::Known,
};
use crate::cli::{Failure, models::suggestion};

const ALIAS: &str = "model";
const CATALOGUE: &str = "catalogue";
/// Models and prices change within months.
const OLD: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub(super) fn check(known: &Known, report: &mut Report) -> Result<(), Failure> {
    let settings = &known.settings;
    if let Some(listing) = &known.listing {
        if let Some(default) = &settings.models.default {
            report.tell(judged("models.default", &[default], settings, listing))?;
        }
        for alias in &settings.models.aliases {
            let targets: Vec<&str> = alias.target.models().collect();
            report.tell(judged(&alias.name, &targets, settings, listing))?;
        }
    }
    report.tell(catalogue(KnownModels::built_in(), SystemTime::now()))
}

/// What a name comes to.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Yes,
    /// Its provider can't be asked, or does not list all that it has.
    Maybe(String),
    No(String),
}

fn judged(name: &str, targets: &[&str], settings: &Settings, listing: &ShownListing) -> Finding {
    let found: Vec<(&str, Found)> = targets.iter().map(|target| (*target, found(target, settings, listing))).collect();
    let missing = found.iter().filter_map(|(target, found)| match found {
        Found::No(whose) => Some((*target, whose.as_str())),
        _ => None,
    });
    let missing: Vec<(&str, &str)> = missing.collect();
    if let Some((first, _)) = missing.first() {
        let names: Vec<String> =
            listing.models.iter().map(|model| format!("{}/{}", model.provider, model.id)).collect();
        let names: Vec<&str> =
            names.iter().map(String::as_str).chain(listing.aliases.iter().map(String::as_str)).collect();
        let meant = suggestion(first, &names);
        let hint =
            if meant.starts_with("did you mean") { meant } else { "`greenroom models` lists what there is".to_owned() };
        let told: Vec<String> = missing.iter().map(|(target, whose)| format!("\"{target}\" {whose}")).collect();
        let told = told.join(", ");
        return if missing.len() == targets.len() {
            Finding::problem(ALIAS, format!("it leads to no model: {told}"), hint).of(name)
        } else {
            Finding::warning(ALIAS, told, hint).of(name)
        };
    }
    let unknown: Vec<&str> = found
        .iter()
        .filter_map(|(_, found)| match found {
            Found::Maybe(why) => Some(why.as_str()),
            _ => None,
        })
        .collect();
    let leads = format!("it leads to {}", targets.join(", "));
    Finding::ok(ALIAS, if unknown.is_empty() { leads } else { format!("{leads}; {}", unknown.join(", ")) }).of(name)
}

fn found(target: &str, settings: &Settings, listing: &ShownListing) -> Found {
    let provider = target.split_once('/').and_then(|(name, id)| Some((settings.provider(name)?, id)));
    if let Some((provider, id)) = provider {
        let is_listed = listing.models.iter().any(|model| model.provider == provider.name && model.id == id);
        let of_provider = |list: &greenroom::FailedList| list.provider == provider.name;
        let lists = listing.models.iter().any(|model| model.provider == provider.name);
        return match provider.kind {
            _ if is_listed => Found::Yes,
            _ if !lists || listing.failed.iter().any(of_provider) => {
                Found::Maybe(format!("{} does not list its models", provider.name))
            }
            // What is listed there are the models that could be deployed, or those of one publisher.
            Kind::Azure | Kind::Vertex | Kind::Bedrock => {
                Found::Maybe(format!("{} does not list all of its models", provider.name))
            }
            _ => Found::No(format!("is not listed by {}", provider.name)),
        };
    }
    let is_alias = settings.models.aliases.iter().any(|alias| alias.name == target || fits(&alias.name, target));
    match listing.models.iter().any(|model| model.id == target) {
        _ if is_alias => Found::Yes,
        true => Found::Yes,
        false if listing.failed.is_empty() => Found::No("is listed by no provider".to_owned()),
        false => Found::Maybe("not every provider lists its models".to_owned()),
    }
}

fn catalogue(known: KnownModels, now: SystemTime) -> Finding {
    let Some(date) = known.date else { return Finding::ok(CATALOGUE, format!("{} models are known", known.count)) };
    let what = format!("{} models are known, as of {date}", known.count);
    let gathered = humantime::parse_rfc3339(&format!("{date}T00:00:00Z")).unwrap_or(now);
    if now.duration_since(gathered).unwrap_or_default() > OLD {
        let hint = "update greenroom, or say what is known of new models: providers.NAME.models";
        return Finding::warning(CATALOGUE, format!("{what}, and prices have changed since"), hint);
    }
    Finding::ok(CATALOGUE, what)
}

#[cfg(test)]
mod tests {
    use super::{super::finding::Level, *};

    #[test]
    fn what_is_known_of_models_ages() {
        let known = KnownModels::built_in();
        assert!(known.count > 100, "{known:?}");
        let date = known.date.expect("it says when it was gathered");
        let gathered = humantime::parse_rfc3339(&format!("{date}T00:00:00Z")).expect("a day");
        assert_eq!(catalogue(known, gathered).level(), Level::Ok);
        assert_eq!(catalogue(known, gathered + OLD + Duration::from_secs(1)).level(), Level::Warning);
    }
}
