//! The script that makes the embedded catalogue, and that what is embedded is what it makes.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

const EMBEDDED: &str = include_str!("../src/catalog/models.tsv");

/// Runs the script over a source given on stdin. `None` where there is no Python.
fn make(source: &str) -> Option<Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/make_catalog.py");
    let mut child = Command::new("python3")
        .arg(script)
        .args(["/dev/stdin", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take().expect("it is piped").write_all(source.as_bytes()).expect("the script reads all of its source");
    Some(child.wait_with_output().expect("a child that was started can be waited for"))
}

fn made(output: &Output) -> &str {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::str::from_utf8(&output.stdout).expect("a catalogue is a text")
}

#[test]
fn what_is_embedded_is_made_from_its_source() {
    let Ok(path) = std::env::var("GREENROOM_CATALOG") else {
        return eprintln!("passed over: GREENROOM_CATALOG does not name the source");
    };
    let source = std::fs::read_to_string(path).expect("the source can be read");
    let Some(output) = make(&source) else { return eprintln!("passed over: there is no python3") };
    let differ = made(&output).lines().zip(EMBEDDED.lines()).find(|(made, embedded)| made != embedded);
    assert_eq!(differ, None);
    assert_eq!(made(&output).len(), EMBEDDED.len());
}

/// A source of entries.
fn source(entries: &[&str]) -> String {
    format!("{{\"meta\": {{\"generated\": \"2026-11-20\"}}, \"models\": [{}]}}", entries.join(","))
}

#[test]
fn what_is_in_doubt_is_left_out() {
    let price = r#""pricing_per_mtok": {"input": 1.0, "output": 2.0}"#;
    let disagree = r#""price_disagreement_litellm_vs_genai": {"input": [1.0, 1.1]}"#;
    let entries = [
        format!(r#"{{"provider": "azure", "id": "z", "mode": "chat", {price}, {disagree}}}"#),
        format!(
            r#"{{"provider": "azure", "id": "own", "mode": "chat", {price}, {disagree},
                "source_url": "https://prices.azure.com/api"}}"#
        ),
        format!(
            r#"{{"provider": "azure", "id": "feigned", "mode": "chat", {price}, {disagree},
                "source_url": "https://notazure.com/"}}"#
        ),
        r#"{"provider": "openai", "id": "half", "mode": "chat", "pricing_per_mtok": {"input": 1.0},
            "context_window": 128000, "max_input_tokens": 131072, "max_output_tokens": 500000}"#
            .to_owned(),
        r#"{"provider": "openai", "id": "torn", "mode": "chat", "context_window": 128000, "max_input_tokens": 400000,
            "max_output_tokens": 100}"#
            .to_owned(),
        r#"{"provider": "bedrock", "id": "b", "mode": "chat", "pricing_per_mtok": {"input": 1.0, "output": 2.0, "cache_read": 0.1},
            "variants": {"us": {"input": 1.1, "output": 2.2}, "eu": {"input": 1.1, "output": 2.0},
            "region:us-east-1": {"input": 1, "output": 2}}, "capabilities": {"tools": true, "vision": false}}"#
            .to_owned(),
    ];
    let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
    let Some(output) = make(&source(&entries)) else { return eprintln!("passed over: there is no python3") };
    let expected = "greenroom-catalog\t1\t2026-11-20\n\
        azure\tfeigned\tchat\n\
        azure\town\tchat\t\t\t\t1/2\n\
        azure\tz\tchat\n\
        bedrock\tb\tchat\t\t\t\t1/2/.1\t\t\tus:1.1\tTi\n\
        openai\thalf\tchat\t131072\n\
        openai\ttorn\tchat\t\t\t100\n";
    assert_eq!(made(&output), expected);
    assert!(String::from_utf8_lossy(&output.stderr).contains("left out: prices that sources disagree on: 2"));
}

#[test]
fn what_can_not_be_is_an_error_that_names_the_entry() {
    let good = r#"{"provider": "openai", "id": "good", "mode": "chat"}"#;
    for (wrong, why) in [
        (r#""id": "m""#, "mode is not a plain text"),
        (r#""id": "m", "mode": "dance""#, "the mode is not known"),
        (r#""id": "a b", "mode": "chat""#, "id is not a plain text"),
        (r#""id": "m", "mode": "chat", "context_window": -1"#, "context_window is absurd"),
        (r#""id": "m", "mode": "chat", "context_window": 1.5"#, "context_window is not a whole number"),
        (r#""id": "m", "mode": "chat", "context_window": "many""#, "context_window is not a whole number"),
        (r#""id": "m", "mode": "chat", "context_window": true"#, "context_window is not a whole number"),
        (r#""id": "m", "mode": "chat", "max_output_tokens": 1000000000"#, "max_output_tokens is absurd"),
        (r#""id": "m", "mode": "chat", "pricing_per_mtok": {"input": -1}"#, "the price input is absurd"),
        (r#""id": "m", "mode": "chat", "pricing_per_mtok": {"input": NaN}"#, "the price input is not a number"),
        (r#""id": "m", "mode": "chat", "pricing_per_mtok": {"output": 1e9}"#, "the price output is absurd"),
        (r#""id": "m", "mode": "chat", "pricing_per_mtok": {"tiers": [{}]}"#, "a tier does not say where it begins"),
        (r#""id": "m", "mode": "chat", "capabilities": {"tools": 1}"#, "tools is neither true nor false"),
        (r#""id": "m", "mode": "chat", "deprecation_date": "2026-13-01""#, "the date of deprecation is not one"),
        (r#""id": "m", "mode": "chat", "capabilities": null"#, "capabilities is not an object"),
        (r#""id": "m", "mode": "chat", "modalities_in": "text""#, "modalities_in is not a list"),
        (r#""id": "good", "mode": "chat""#, "it is there twice"),
    ] {
        let wrong = format!(r#"{{"provider": "openai", {wrong}}}"#);
        let Some(output) = make(&source(&[good, &wrong])) else { return eprintln!("passed over: there is no python3") };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{wrong}");
        assert!(said.contains(why) && said.contains("(entry 1)"), "{wrong}: {said}");
    }
}
