//! Landlock: rules that bind this thread, and every thread and program that it begins from then on.

use std::io;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus, NetPort,
    PathBeneath, PathFd, PathFdError, Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError,
    Scope,
};

use super::{
    Applied, Kernel,
    rules::{Access, Rule, Rules},
};

/// What is ruled of files. Later versions rule connections to sockets by their paths, which have to stay free: those of
/// the resolver and of the keyring are anywhere.
const FILES: ABI = ABI::V5;

/// Binds this thread, as far as the kernel can.
///
/// # Errors
/// The kernel has it and does not take these rules.
pub(super) fn apply(rules: &Rules) -> Result<Applied, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(FILES))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::Signal)?;
    if !rules.abstract_sockets {
        ruleset = ruleset.scope(Scope::AbstractUnixSocket)?;
    }
    let mut created = ruleset.create()?;
    for port in rules.logins.iter().chain([&rules.port]) {
        created = created.add_rule(NetPort::new(*port, AccessNet::BindTcp))?;
    }
    let mut missing = Vec::new();
    for rule in &rules.paths {
        match PathFd::new(&rule.path) {
            Ok(place) => created = allow(created, rule, place)?,
            Err(PathFdError::OpenCall { source, .. }) => missing.push((rule.clone(), source)),
            Err(other) => missing.push((rule.clone(), io::Error::other(other))),
        }
    }
    let status = created.restrict_self()?;
    let kernel = match status.landlock {
        LandlockStatus::NotEnabled => Kernel::NotEnabled,
        LandlockStatus::NotImplemented => Kernel::NotBuilt,
        LandlockStatus::Available { effective_abi, .. } => Kernel::Landlock(effective_abi as u32),
    };
    Ok(Applied { kernel, missing })
}

fn allow(created: RulesetCreated, rule: &Rule, place: PathFd) -> Result<RulesetCreated, RulesetError> {
    // What is no directory is given what a file can have of it.
    created.add_rule(PathBeneath::new(place, rights(rule.access)))
}

fn rights(access: Access) -> BitFlags<AccessFs> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    match access {
        Access::Read => read,
        Access::Run => read | AccessFs::Execute,
        Access::Update => AccessFs::ReadFile | AccessFs::WriteFile,
        Access::Write => {
            let never = AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev;
            AccessFs::from_all(FILES) & !never
        }
    }
}

#[cfg(test)]
#[path = "kernel_tests.rs"]
mod tests;
