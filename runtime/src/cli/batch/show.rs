//! Batches, shown to a person.

use std::time::SystemTime;

use greenroom::BatchInfo;

use crate::cli::{Failure, notes, notes::one_line, output::Output, table::table};

/// Several, a line each.
pub(super) fn many(batches: &[BatchInfo], json: bool) -> Result<(), Failure> {
    let mut output = Output::new();
    if json {
        return batches.iter().try_for_each(|batch| output.json(batch));
    }
    if batches.is_empty() {
        notes::note("there are no batches");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = batches.iter().map(row).collect();
    output.text(&table(&["ID", "STATE", "DONE", "FAILED", "MODEL", "PROFILE", "SUBMITTED"], &rows))?;
    problems(batches);
    Ok(())
}

/// One, line by line.
pub(super) fn one(batch: &BatchInfo, json: bool) -> Result<(), Failure> {
    let mut output = Output::new();
    if json {
        return output.json(batch);
    }
    let mut lines = vec![
        ("id", batch.id.clone()),
        ("state", batch.state.clone()),
        ("done", done(batch)),
        ("models", models(batch)),
        ("profile", format!("{}/{}", batch.provider, batch.profile)),
        ("submitted", time(batch.created)),
    ];
    for (name, count) in
        [("failed", batch.counts.failed), ("cancelled", batch.counts.cancelled), ("expired", batch.counts.expired)]
    {
        if count > 0 {
            lines.push((name, count.to_string()));
        }
    }
    match (batch.ended_at, batch.expires) {
        (Some(at), _) => lines.push(("ended", time(at))),
        (None, Some(until)) => lines.push(("expires", time(until))),
        (None, None) => {}
    }
    if let Some(id) = &batch.provider_id {
        lines.push(("at the provider", one_line(id)));
    }
    for (name, value) in lines {
        output.text(&format!("{name}: {value}\n"))?;
    }
    problems(std::slice::from_ref(batch));
    Ok(())
}

fn problems(batches: &[BatchInfo]) {
    for batch in batches {
        if let Some(problem) = &batch.problem {
            notes::warning(&format!("{}: {problem}", batch.id));
        }
    }
}

fn row(batch: &BatchInfo) -> Vec<String> {
    let profile = format!("{}/{}", batch.provider, batch.profile);
    let failed = batch.counts.failed.to_string();
    vec![batch.id.clone(), batch.state.clone(), done(batch), failed, models(batch), profile, time(batch.created)]
}

fn done(batch: &BatchInfo) -> String {
    format!("{}/{}", batch.counts.succeeded, batch.requests)
}

fn models(batch: &BatchInfo) -> String {
    batch.models.keys().map(String::as_str).collect::<Vec<_>>().join(",")
}

fn time(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()
}
