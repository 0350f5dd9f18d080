//! Programs that print secrets (`command:`). Nobody knows whom they ask, so with `--offline` none is run.

use greenroom::config::{SecretReference, Settings};

use super::finding::Finding;

/// The program that a reference has run, if it is one that does.
pub(super) fn of(reference: Option<&SecretReference>) -> Option<&str> {
    match reference {
        Some(SecretReference::Command { words }) => words.first().map(String::as_str),
        _ => None,
    }
}

/// Why there is nothing to say of what a program prints.
pub(super) fn not_run(program: &str) -> String {
    format!("the command {program} prints it, and is not run offline, since it may ask the network")
}

/// Takes out of the settings whatever only programs can let in to, and tells of it.
pub(super) fn leave_out(settings: &mut Settings, check: &'static str) -> Vec<Finding> {
    let mut told = Vec::new();
    settings.providers.retain_mut(|provider| {
        let name = provider.name.clone();
        if let Some((header, program)) =
            provider.headers.iter().find_map(|header| Some((&header.name, of(Some(&header.value))?)))
        {
            let what = format!("its header {header} is not looked at: {}", not_run(program));
            told.push(Finding::ok(check, what).of(name));
            return false;
        }
        let had_profiles = !provider.profiles.is_empty();
        provider.profiles.retain(|profile| {
            let Some(program) = of(profile.key.secret()) else { return true };
            let what = format!("its key is not looked at: {}", not_run(program));
            told.push(Finding::ok(check, what).of(format!("{name}/{}", profile.id)));
            false
        });
        !(had_profiles && provider.profiles.is_empty())
    });
    told
}
