//! The providers: whether somebody answers at their addresses, and lets in, and what is left alone.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use greenroom::{
    ChatError, ErrorKind, Outcome, ProfileState, ProviderState, Runtime, ShownListing, State, TestedProvider,
    config::{Discovery, Environment, Kind, Loaded, Settings},
    credentials::has_sealing_key,
    look_up, providers_at_rest,
    reach::{Reached, address_of, is_local, reach},
};

use super::{
    configuration::PROXIES,
    data::Place,
    finding::{Finding, Report},
    programs,
};
use crate::cli::{
    Failure,
    context::{Context, DEMO_ANSWERS},
    daemon::Daemon,
    failure::hint_of,
};

const PROVIDER: &str = "provider";
/// How long an address may take to answer anything.
const PATIENCE: Duration = Duration::from_secs(10);
/// Signatures and tokens allow for some minutes; a clock that is kept right is never as wrong as this.
const SKEW: Duration = Duration::from_secs(60);

/// What is known of models after all were asked.
pub(super) struct Known {
    pub(super) settings: Arc<Settings>,
    /// `None` where nobody was asked.
    pub(super) listing: Option<ShownListing>,
}

/// Who is asked.
enum Asked {
    Daemon(Daemon),
    Here(Runtime),
}

pub(super) async fn check(
    context: &Context,
    loaded: Loaded,
    place: Place,
    offline: bool,
    report: &mut Report,
) -> Result<Known, Failure> {
    let settings = Arc::new(loaded.settings);
    let nothing = Known { settings: Arc::clone(&settings), listing: None };
    if settings.discovery == Discovery::Demo && place.daemon.is_none() && !place.has_store {
        report.tell(no_provider(context))?;
        return Ok(nothing);
    }
    let asked = match place.daemon {
        Some(daemon) => Asked::Daemon(daemon),
        None => {
            let mut here = Settings::clone(&settings);
            if offline {
                if let Some(program) = sealed_by(&here, place.dir.as_deref()) {
                    let what = format!(
                        "no key is looked at, since those that were added are sealed by a passphrase: {}",
                        programs::not_run(program)
                    );
                    report.tell(Finding::ok(PROVIDER, what))?;
                    return Ok(nothing);
                }
                let left_out = programs::leave_out(&mut here, PROVIDER);
                let is_all = !left_out.is_empty() && here.providers.is_empty();
                left_out.into_iter().try_for_each(|finding| report.tell(finding))?;
                if is_all {
                    return Ok(nothing);
                }
            }
            match start(context, &here, place.dir.filter(|_| place.has_store)).await {
                Ok(runtime) => Asked::Here(runtime),
                Err((states, failure)) => {
                    report.tell(Finding::failed(PROVIDER, failure))?;
                    for state in &states {
                        marks(state, &[], SystemTime::now())
                            .into_iter()
                            .try_for_each(|finding| report.tell(finding))?;
                    }
                    return Ok(nothing);
                }
            }
        }
    };
    let states = match &asked {
        Asked::Daemon(daemon) => match daemon.providers().await {
            Ok(answer) => answer.providers,
            Err(failure) => {
                report.tell(Finding::failed(PROVIDER, failure))?;
                return Ok(nothing);
            }
        },
        Asked::Here(runtime) => runtime.providers().await,
    };
    if states.iter().all(|state| state.kind == Kind::Demo.name()) && settings.discovery == Discovery::Demo {
        report.tell(no_provider(context))?;
    }
    let looks = states.iter().map(|state| look(context, &settings, state, &asked, offline));
    for findings in futures::future::join_all(looks).await {
        findings.into_iter().try_for_each(|finding| report.tell(finding))?;
    }
    let listing = match &asked {
        _ if offline => None,
        Asked::Daemon(daemon) => daemon.models(None).await.ok(),
        Asked::Here(runtime) => Some((&runtime.fresh_models().await).into()),
    };
    if let Asked::Here(runtime) = asked {
        // What was added beside the configuration has joined it.
        let settings = runtime.settings();
        runtime.shutdown(Duration::ZERO).await;
        return Ok(Known { settings, listing });
    }
    Ok(Known { settings, listing })
}

/// The program that prints what keys which were added are sealed by.
fn sealed_by<'a>(settings: &'a Settings, dir: Option<&Path>) -> Option<&'a str> {
    programs::of(settings.credentials.passphrase.as_ref()).filter(|_| dir.is_some_and(has_sealing_key))
}

fn no_provider(context: &Context) -> Finding {
    Finding::warning(PROVIDER, DEMO_ANSWERS, format!("to begin, {}", context.first_step()))
}

/// A runtime as a daemon's would be that started now; else how its providers are at rest, and why there is none.
async fn start(
    context: &Context,
    settings: &Settings,
    dir: Option<std::path::PathBuf>,
) -> Result<Runtime, (Vec<ProviderState>, Failure)> {
    let environment = look_up(settings.references(), context.environment.clone()).await;
    let builder = Runtime::builder().settings(settings.clone()).environment(environment.clone()).wait_for_credentials();
    let builder = match dir {
        Some(dir) => builder.data_dir(dir),
        None => builder,
    };
    builder.start().await.map_err(|error| (providers_at_rest(settings, &environment), error.into()))
}

/// All that there is to say of one.
async fn look(
    context: &Context,
    settings: &Settings,
    state: &ProviderState,
    asked: &Asked,
    offline: bool,
) -> Vec<Finding> {
    let lacking: Vec<(Option<String>, String, String)> = match asked {
        Asked::Daemon(_) => Vec::new(),
        Asked::Here(runtime) => {
            let of = runtime.warnings().iter().filter(|warned| *warned.provider == *state.provider);
            of.map(|warned| (warned.profile.clone(), warned.message.clone(), warned.hint.clone())).collect()
        }
    };
    let mut findings = Vec::new();
    let address = settings.provider(&state.provider).and_then(address_of);
    if let Some(address) = address.filter(|_| !offline) {
        let outcome = reach(&address, PATIENCE).await;
        let is_reached = outcome.is_ok();
        let proxy = proxy_of(&address, &context.environment);
        findings.extend(reached(state, &shown(&address), outcome, proxy));
        if !is_reached {
            // Whoever is not there refuses no key.
            findings.extend(marks(state, &lacking, SystemTime::now()));
            return findings;
        }
    }
    findings.extend(marks(state, &lacking, SystemTime::now()));
    if !offline {
        let tested = match asked {
            Asked::Daemon(daemon) => daemon.test(&state.provider).await.map(Some),
            Asked::Here(runtime) => runtime
                .test_provider(&state.provider)
                .await
                .map_err(|error| Failure::failed(error.to_string(), "ask again in a moment")),
        };
        match tested {
            Ok(Some(tested)) => findings.extend(keys(&tested, state)),
            Ok(None) => {}
            Err(failure) => findings.push(Finding::failed(PROVIDER, failure).of(&*state.provider)),
        }
    }
    findings
}

/// The variable that names the proxy which is asked for this address.
fn proxy_of(address: &url::Url, environment: &Environment) -> Option<&'static str> {
    let host = address.host_str()?;
    let is_named =
        |name: &str| name == "*" || host == name || host.ends_with(&format!(".{}", name.trim_start_matches('.')));
    let excepted = ["NO_PROXY", "no_proxy"].into_iter().find_map(|name| environment.text(name)).unwrap_or_default();
    if is_local(address) || excepted.split(',').any(|name| is_named(name.trim())) {
        return None;
    }
    let is_for_it = |name: &&str| {
        let name = name.to_ascii_uppercase();
        name == "ALL_PROXY" || name == format!("{}_PROXY", address.scheme().to_ascii_uppercase())
    };
    PROXIES.into_iter().filter(is_for_it).find(|name| environment.text(name).is_some())
}

/// The address without what may let in.
fn shown(address: &url::Url) -> String {
    let port = address.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{}{port}", address.scheme(), address.host_str().unwrap_or_default())
}

fn reached(
    state: &ProviderState,
    address: &str,
    outcome: Result<Reached, ChatError>,
    proxy: Option<&str>,
) -> Vec<Finding> {
    let name = &*state.provider;
    let by = proxy.map_or_else(String::new, |variable| format!(", by the proxy of {variable}"));
    let reached = match outcome {
        Ok(reached) => reached,
        Err(error) => {
            let hint = match (proxy, Kind::named(&state.kind)) {
                (Some(variable), _) => format!("see whether the proxy of {variable} works, and leads there"),
                (None, Some(Kind::Ollama)) => "start it: ollama serve; or see whether base_url is right".to_owned(),
                (None, Some(Kind::LlamaCpp)) => {
                    "start it: llama-server -m MODEL.gguf; or see whether base_url is right".to_owned()
                }
                (None, _) => error.details.hint.as_deref().unwrap_or_else(|| hint_of(error.kind)).to_owned(),
            };
            return vec![
                Finding::problem(PROVIDER, format!("{address} does not answer{by}: {}", error.message), hint).of(name),
            ];
        }
    };
    let mut findings =
        vec![Finding::ok(PROVIDER, format!("{address} answers in {} ms{by}", reached.took.as_millis())).of(name)];
    if let Some((skew, is_ahead)) = reached.skew.filter(|(skew, _)| *skew > SKEW) {
        let skew = humantime::format_duration(Duration::from_secs(skew.as_secs()));
        let which = if is_ahead { "behind" } else { "ahead of" };
        let what = format!("the clock of this machine is {skew} {which} that of {address}");
        let hint =
            "set the clock, and have it kept right (timedatectl set-ntp true): tokens and signatures depend on it";
        findings.push(Finding::warning(PROVIDER, what, hint).of(name));
    }
    findings
}

/// What can't be used, and what is left alone until when.
fn marks(state: &ProviderState, lacking: &[(Option<String>, String, String)], now: SystemTime) -> Vec<Finding> {
    let reset = format!("wait, or have it asked again: greenroom providers reset {}", state.provider);
    let left = |until: SystemTime| {
        let left = until.duration_since(now).unwrap_or_default().as_secs() + 1;
        humantime::format_duration(Duration::from_secs(left)).to_string()
    };
    let lacks = |profile: Option<&str>, reason: &str| {
        let told = lacking.iter().find(|(of, ..)| of.as_deref() == profile);
        let (what, hint) = told.map_or_else(
            || (reason.to_owned(), format!("`greenroom auth add {}` adds a key", state.provider)),
            |(_, what, hint)| (what.clone(), hint.clone()),
        );
        Finding::problem(PROVIDER, what, hint)
    };
    let mut findings = Vec::new();
    if let (Some(reason), []) = (&state.reason, &state.profiles[..]) {
        findings.push(lacks(None, reason).of(&*state.provider));
    }
    for profile in &state.profiles {
        let ProfileState { id, state: how, reason, until, paced_until, models, .. } = profile;
        let of = format!("{}/{id}", state.provider);
        let reason = reason.as_deref().unwrap_or("it can't be used");
        let found = match (how, until) {
            (State::Down, None) => Some(lacks(Some(id), reason)),
            (State::Down | State::Cooling, Some(until)) => {
                let what = format!("it is left alone for {} after {reason}", left(*until));
                Some(Finding::warning(PROVIDER, what, &*reset))
            }
            (State::Cooling, None) => Some(Finding::warning(PROVIDER, format!("it is left alone: {reason}"), &*reset)),
            (State::Ok, _) => None,
        };
        findings.extend(found.map(|found| found.of(&*of)));
        for model in models {
            let what = format!("{} is left alone for {} after {}", model.model, left(model.until), model.reason);
            findings.push(Finding::warning(PROVIDER, what, &*reset).of(&*of));
        }
        if let Some(until) = paced_until.filter(|until| *until > now) {
            let what = format!("nothing is left of its limit for {}", left(until));
            findings.push(Finding::warning(PROVIDER, what, "wait, or add another profile to share the load").of(&*of));
        }
    }
    findings
}

/// Whether each key gets in. What lacks one has been told of.
fn keys(tested: &TestedProvider, state: &ProviderState) -> Vec<Finding> {
    let is_down = |id: &str| {
        state.profiles.iter().any(|profile| profile.id == id && profile.state == State::Down && profile.until.is_none())
    };
    let profiles = tested.profiles.iter().filter(|profile| !is_down(&profile.id));
    let findings = profiles.map(|profile| {
        let finding = match (profile.outcome, &profile.error) {
            (Outcome::Ok, _) => {
                let models = profile.models.map_or_else(String::new, |models| format!(", to {models} models"));
                Finding::ok(PROVIDER, format!("it lets in{models}"))
            }
            (Outcome::Failed, Some(error)) => {
                let hint = error.hint.as_deref().unwrap_or("`greenroom providers test` asks again");
                Finding::problem(PROVIDER, format!("it does not let in: {}", error.message), hint)
            }
            (Outcome::Failed, None) => Finding::problem(PROVIDER, "it does not let in", hint_of(ErrorKind::Auth)),
            (Outcome::Untested, _) => {
                Finding::ok(PROVIDER, "whether it lets in only an answer could tell, which is paid for")
            }
        };
        finding.of(format!("{}/{}", tested.provider, profile.id))
    });
    findings.collect()
}

#[cfg(test)]
mod tests {
    use greenroom::ShownLimits;

    use super::{super::finding::Level, *};

    fn state() -> ProviderState {
        ProviderState {
            provider: "lab".to_owned(),
            kind: "openai-compatible".to_owned(),
            state: State::Ok,
            reason: None,
            profiles: Vec::new(),
            limits: ShownLimits::default(),
        }
    }

    #[test]
    fn a_clock_is_told_of_by_how_and_how_much_it_is_wrong() {
        let told = |skew| {
            let reached = Reached { took: Duration::ZERO, skew };
            reached_levels(&super::reached(&state(), "http://lab", Ok(reached), None))
        };
        fn reached_levels(findings: &[Finding]) -> Vec<(Level, String)> {
            findings.iter().map(|finding| (finding.level(), finding.message().to_owned())).collect()
        }
        assert_eq!(told(None).len(), 1);
        assert_eq!(told(Some((Duration::from_secs(2), true))).len(), 1);
        let behind = told(Some((Duration::from_secs(600), true)));
        assert_eq!(behind[1].0, Level::Warning);
        assert!(behind[1].1.contains("10m behind that of http://lab"), "{behind:?}");
        assert!(told(Some((Duration::from_secs(600), false)))[1].1.contains("10m ahead of"));
    }

    #[test]
    fn the_proxy_of_an_address_is_the_one_of_its_scheme() {
        let of = |address: &str, variables: &[(&str, &str)]| {
            proxy_of(&address.parse().expect("an address"), &variables.iter().copied().collect())
        };
        let both = [("HTTPS_PROXY", "http://p"), ("ALL_PROXY", "http://q")];
        assert_eq!(of("https://api.example/v1", &both), Some("HTTPS_PROXY"));
        assert_eq!(of("http://api.example/v1", &both), Some("ALL_PROXY"));
        assert_eq!(of("http://127.0.0.1:1", &both), None);
        let excepted = [both[0], ("NO_PROXY", "other, .example")];
        assert_eq!(of("https://api.example/v1", &excepted), None);
        assert_eq!(of("https://api.example.com/v1", &excepted), Some("HTTPS_PROXY"));
    }

    #[test]
    fn what_waits_for_a_limit_is_told() {
        let now = SystemTime::now();
        let profile = ProfileState {
            id: "one".to_owned(),
            state: State::Ok,
            reason: None,
            until: None,
            paced_until: Some(now + Duration::from_secs(9)),
            models: Vec::new(),
            limits: ShownLimits::default(),
        };
        let state = ProviderState { profiles: vec![profile], ..state() };
        let found = marks(&state, &[], now);
        assert_eq!((found.len(), found[0].level()), (1, Level::Warning));
        assert!(marks(&state, &[], now + Duration::from_secs(10)).is_empty());
    }
}
