//! The file, and what of the environment is heeded.

use std::collections::BTreeSet;

use greenroom::config::{self, Discovery, Loaded, Origin, WarningKind};

use super::finding::{Finding, Report};
use crate::cli::{
    Failure,
    context::{Context, ignored_text},
};

const FILE: &str = "configuration";
const ENVIRONMENT: &str = "environment";
/// Our own variables beside those of settings.
const OWN: [&str; 3] = ["GREENROOM_CONFIG", "GREENROOM_DATA_DIR", "GREENROOM_LOG"];
/// The variables that name a proxy. Their values may hold a password.
pub(super) const PROXIES: [&str; 6] =
    ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// The configuration, if it is one.
pub(super) async fn check(context: &Context, offline: bool, report: &mut Report) -> Result<Option<Loaded>, Failure> {
    let source = context.source(Vec::new());
    let loaded = match config::load(&source) {
        Ok(loaded) => loaded,
        Err(problems) => {
            for error in &problems.errors {
                let hint = error.hint().unwrap_or("`greenroom config sample` shows every setting");
                report.tell(Finding::problem(FILE, error.to_string(), hint))?;
            }
            return Ok(None);
        }
    };
    // Who is found on this machine is asked who he is.
    let loaded = if offline { loaded } else { context.load_here().await.unwrap_or(loaded) };
    let told = match (&loaded.path, &source.file) {
        (Some(path), _) => Finding::ok(FILE, format!("{} is right", path.display())),
        (None, Some(path)) => Finding::ok(FILE, format!("there is no file at {}, and none is needed", path.display())),
        (None, None) => Finding::ok(FILE, "there is no home directory to look for a file in, and none is needed"),
    };
    report.tell(told)?;
    // What keys lack is told of with their providers.
    let warnings = loaded.warnings.iter().filter(|one| !matches!(one.kind, WarningKind::SecretUnavailable(_)));
    for warning in warnings {
        report.tell(Finding::warning(FILE, warning.to_string(), warning.hint().unwrap_or_default()))?;
    }
    environment(context, &loaded, report)?;
    Ok(Some(loaded))
}

fn environment(context: &Context, loaded: &Loaded, report: &mut Report) -> Result<(), Failure> {
    let settings = loaded.origins.values().filter_map(|(_, origin)| match origin {
        Origin::Environment { variable } => Some(variable.as_str()),
        _ => None,
    });
    let is_set = |name: &&str| context.environment.text(name).is_some();
    let heeded: BTreeSet<&str> = settings.chain(OWN.into_iter().chain(PROXIES).filter(is_set)).collect();
    let told = match heeded.len() {
        0 => "no variable is set that is heeded".to_owned(),
        _ => format!("heeded are {}", heeded.into_iter().collect::<Vec<_>>().join(", ")),
    };
    report.tell(Finding::ok(ENVIRONMENT, told))?;
    // Where providers are written, variables for others are none's.
    if loaded.settings.discovery != Discovery::Configured {
        for ignored in &loaded.settings.ignored_variables {
            let hint = ignored.hint.unwrap_or("add a provider of that kind to the configuration, or unset it");
            report.tell(Finding::warning(ENVIRONMENT, ignored_text(ignored), hint))?;
        }
    }
    Ok(())
}
