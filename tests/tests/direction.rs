//! The crates depend on each other in one direction only, and the pure ones stay pure.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// What each crate may depend on, of this workspace.
const ALLOWED: [(&str, &[&str]); 7] = [
    ("greenroom-wire", &[]),
    ("greenroom-providers", &["greenroom-wire"]),
    ("greenroom-actors", &["greenroom-wire", "greenroom-providers"]),
    ("greenroom-config", &[]),
    ("greenroom", &["greenroom-wire", "greenroom-providers", "greenroom-actors", "greenroom-config"]),
    ("greenroom-examples", &["greenroom"]),
    ("greenroom-tests", &["greenroom"]),
];

/// What must not be found below a crate in its normal dependencies, however deep.
const KEPT_OUT: [(&str, &[&str]); 2] =
    [("greenroom-wire", &["tokio", "reqwest", "ractor", "hyper", "axum"]), ("greenroom-providers", &["ractor"])];

/// The scripted provider serves the tests of any crate, so it may be a dev-dependency of each.
const TEST_SUPPORT: &str = "greenroom-tests";

fn metadata() -> Metadata {
    // Only for this host: the crates of other systems need not have been downloaded.
    let version = Command::new("rustc").arg("-vV").output().expect("rustc runs");
    let version = String::from_utf8(version.stdout).expect("rustc speaks UTF-8");
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .other_options(["--filter-platform".to_owned(), host.to_owned()])
        .exec()
        .expect("cargo metadata runs")
}

#[test]
fn crates_depend_on_each_other_in_one_direction() {
    let allowed = BTreeMap::from(ALLOWED);
    let metadata = metadata();
    let members = metadata.workspace_packages();
    let names: BTreeSet<&str> = members.iter().map(|member| member.name.as_str()).collect();
    assert_eq!(names, allowed.keys().copied().collect(), "each member has its place in the order");

    let mut wrong = Vec::new();
    for member in &members {
        let may = allowed[member.name.as_str()];
        for dependency in member.dependencies.iter().filter(|dependency| names.contains(dependency.name.as_str())) {
            let name = dependency.name.as_str();
            let for_tests = dependency.kind == DependencyKind::Development && name == TEST_SUPPORT;
            if !may.contains(&name) && !for_tests {
                wrong.push(format!("{} -> {name} ({})", member.name, dependency.kind));
            }
        }
    }
    assert!(wrong.is_empty(), "against the direction: {wrong:?}");
}

/// The names of everything that a crate links, itself included.
fn linked(metadata: &Metadata, name: &str) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().expect("metadata with dependencies");
    let mut left: Vec<&PackageId> = metadata
        .workspace_packages()
        .iter()
        .filter(|member| member.name.as_str() == name)
        .map(|member| &member.id)
        .collect();
    assert_eq!(left.len(), 1, "{name} is a member");
    let mut seen: BTreeSet<&PackageId> = left.iter().copied().collect();
    while let Some(id) = left.pop() {
        for dependency in &resolve[id].deps {
            let normal = dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
            if normal && seen.insert(&dependency.pkg) {
                left.push(&dependency.pkg);
            }
        }
    }
    seen.iter().map(|id| metadata[id].name.to_string()).collect()
}

#[test]
fn pure_crates_link_nothing_that_is_not() {
    let metadata = metadata();
    for (name, kept_out) in KEPT_OUT {
        let linked = linked(&metadata, name);
        assert!(linked.contains("serde_json"), "the walk below {name} finds what is certainly there");
        let found: Vec<_> = kept_out.iter().filter(|out| linked.contains(**out)).collect();
        assert!(found.is_empty(), "{name} links {found:?}");
    }
}
