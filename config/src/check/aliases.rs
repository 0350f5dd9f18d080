//! Whether the names of models lead anywhere.

use crate::check::Findings;
use crate::origin::{entry, join};
use crate::suggest::nearest;
use crate::{Alias, AliasTarget, Discovery, ErrorKind, Kind, Settings, Strategy, WarningKind};

pub(crate) fn check(settings: &Settings, findings: &mut Findings<'_>) {
    if let Some(model) = &settings.models.default {
        target(settings, model, "models.default", findings);
    }
    for alias in &settings.models.aliases {
        let path = join("models.aliases", &alias.name);
        if let Some(provider) = provider_of(settings, &alias.name, findings) {
            let kind = WarningKind::ShadowedAlias { alias: alias.name.clone(), provider: provider.to_owned() };
            findings.warn(&path, kind, Some("give the alias another name".to_owned()));
        }
        for (model, model_path) in entries(alias, &path) {
            target(settings, model, &model_path, findings);
        }
        weights(alias, &path, findings);
    }
    cycles(settings, findings);
}

/// Each model that an alias names, with the path of where it stands.
fn entries<'a>(alias: &'a Alias, path: &str) -> Vec<(&'a str, String)> {
    let list = match &alias.target {
        AliasTarget::Chain(models) if models.len() == 1 => return vec![(&models[0], path.to_owned())],
        AliasTarget::Chain(_) => path.to_owned(),
        AliasTarget::Any { .. } => join(path, "any"),
    };
    alias.target.models().enumerate().map(|(index, model)| (model, entry(&list, index))).collect()
}

/// The provider that `model` is prefixed with. A provider that is written and broken counts: its own error is enough.
fn provider_of<'a>(settings: &Settings, model: &'a str, findings: &Findings<'_>) -> Option<&'a str> {
    let (provider, _) = model.split_once('/')?;
    let written = || findings.merged.section("providers").is_some_and(|providers| providers.contains_key(provider));
    (settings.provider(provider).is_some() || written()).then_some(provider)
}

fn target(settings: &Settings, model: &str, path: &str, findings: &mut Findings<'_>) {
    let listed = settings.providers.iter().any(|provider| provider.models.contains_key(model));
    if provider_of(settings, model, findings).is_some() || settings.models.alias(model).is_some() || listed {
        return;
    }
    let Some((prefix, id)) = model.split_once('/') else {
        let aliases = settings.models.aliases.iter().map(|alias| alias.name.as_str());
        // Models differ by a digit from one another, so a name with digits near to another one is no slip.
        if let Some(meant) = nearest(model, aliases).filter(|_| !model.contains(|letter: char| letter.is_ascii_digit()))
        {
            let hint = Some(format!("did you mean \"{meant}\"?"));
            findings.warn(path, WarningKind::UnknownModel { model: model.to_owned() }, hint);
        }
        return;
    };
    let names: Vec<&str> = settings.providers.iter().map(|provider| provider.name.as_str()).collect();
    let hint = Some(match nearest(prefix, names.iter().copied()) {
        Some(meant) => format!("did you mean \"{meant}/{id}\"?"),
        None => format!("add [providers.{prefix}], or take the model out"),
    });
    // Ids with a slash are known to compatible servers alone, and what was found may be another thing tomorrow.
    let written = findings.merged.section("providers").map_or(0, |providers| providers.len());
    let could_be_an_id = settings.providers.iter().any(|provider| provider.kind == Kind::OpenAiCompatible)
        || settings.providers.len() < written;
    if could_be_an_id || settings.discovery != Discovery::Configured {
        findings.warn(path, WarningKind::UnknownProvider { model: model.to_owned() }, hint);
    } else {
        findings.error(path, ErrorKind::UnknownProvider { model: model.to_owned() }, hint);
    }
}

fn weights(alias: &Alias, path: &str, findings: &mut Findings<'_>) {
    let AliasTarget::Any { models, strategy } = &alias.target else { return };
    if *strategy != Strategy::Weighted && models.iter().any(|model| model.weight != 1) {
        let because = "weights count only with strategy = \"weighted\"".to_owned();
        findings.warn(&join(path, "any"), WarningKind::NoEffect { because }, None);
    }
}

/// Finds each circle once, and names it from the alias in it that was written first.
fn cycles(settings: &Settings, findings: &mut Findings<'_>) {
    let aliases = &settings.models.aliases;
    let next: Vec<Vec<usize>> = aliases
        .iter()
        .map(|alias| {
            let models = alias.target.models().filter(|model| provider_of(settings, model, findings).is_none());
            let named = models.filter_map(|model| settings.models.alias(model));
            named.filter_map(|named| aliases.iter().position(|alias| alias.name == named.name)).collect()
        })
        .collect();
    let mut done = vec![false; aliases.len()];
    for start in 0..aliases.len() {
        if let Some(circle) = way_back(&next, start, &done) {
            let names: Vec<String> = circle.iter().map(|index| aliases[*index].name.clone()).collect();
            let hint = Some(match circle.as_slice() {
                [_, _] => "name the provider as well: \"provider/model\"".to_owned(),
                _ => "let one of them name a model: \"provider/model\"".to_owned(),
            });
            let path = join("models.aliases", &aliases[start].name);
            findings.error(&path, ErrorKind::AliasCycle { names }, hint);
        }
        done[start] = true;
    }
}

/// A shortest way from `start` back to it, without the aliases whose circles were found already.
fn way_back(next: &[Vec<usize>], start: usize, done: &[bool]) -> Option<Vec<usize>> {
    let mut ways = std::collections::VecDeque::from([vec![start]]);
    let mut seen = vec![false; next.len()];
    while let Some(way) = ways.pop_front() {
        let last = *way.last()?;
        for step in next[last].iter().copied().filter(|step| !done[*step]) {
            let longer = [way.as_slice(), &[step]].concat();
            if step == start {
                return Some(longer);
            }
            if !std::mem::replace(&mut seen[step], true) {
                ways.push_back(longer);
            }
        }
    }
    None
}
