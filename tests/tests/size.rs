//! Files stay small, every crate is held to the same lints, and nothing knows the machine it was made on.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of code, that is, neither blank nor comment alone, that a file may have.
const MOST_LINES: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a member lies in its workspace").to_owned()
}

/// Every file of the tree but what is built or hidden.
fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the workspace can be read") {
            let path = entry.expect("a folder of the workspace can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') || name == "target" || name == "node_modules" {
                continue;
            }
            // Not through links, which may lead out of the tree.
            if path.is_symlink() {
                continue;
            }
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    assert!(files.iter().any(|file| file.ends_with("tests/size.rs")), "the walk finds this file");
    files
}

fn lines_of_code(source: &str) -> usize {
    source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<String> = files()
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .map(|file| (file, lines_of_code(&fs::read_to_string(file).expect("a source is UTF-8"))))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(file, lines)| format!("{}: {lines}", file.display()))
        .collect();
    assert!(long.is_empty(), "over {MOST_LINES} lines of code: {long:#?}");
}

#[test]
fn lines_of_code_are_neither_blank_nor_comments() {
    assert_eq!(lines_of_code("//! a\n\nfn a() {\n    // b\n    b(); // c\n}\n"), 3);
}

fn manifest(folder: &Path) -> toml::Table {
    let path = folder.join("Cargo.toml");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_crate_inherits_the_lints_of_the_workspace() {
    let workspace = manifest(&root())["workspace"].clone();
    assert_eq!(workspace["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    let members = workspace["members"].as_array().expect("members is a list");
    assert!(!members.is_empty());
    for member in members {
        let member = member.as_str().expect("a member is a path");
        let lints = manifest(&root().join(member)).get("lints").and_then(|lints| lints.get("workspace")).cloned();
        assert_eq!(lints, Some(true.into()), "[lints] of {member}");
    }
}

#[test]
fn no_file_names_a_path_of_the_machine() {
    // Put together here, so that this file does not name them either.
    let forbidden: Vec<String> = ["work", "root"].iter().map(|folder| format!("/{folder}/")).collect();
    let mut named = Vec::new();
    for file in files() {
        let bytes = fs::read(&file).expect("a file of the workspace can be read");
        let text = String::from_utf8_lossy(&bytes);
        for (line, path) in text.lines().enumerate().flat_map(|(at, line)| {
            forbidden.iter().filter(|path| line.contains(path.as_str())).map(move |path| (at + 1, path))
        }) {
            named.push(format!("{}:{line} names {path}", file.display()));
        }
    }
    assert!(named.is_empty(), "{named:#?}");
}
