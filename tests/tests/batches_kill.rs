//! A batch whose handing over was cut off by a kill is found at the provider, or handed over again: never twice.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod batch_support;
mod cli_support;

use batch_support::{ANTHROPIC, FILE, OPENAI, anthropic, anthropic_batch, asked, config, openai_batch, uploaded};
use cli_support::{LIMIT, lines, running::Running};
use greenroom_tests::harness::{Home, Signal};
use greenroom_tests::{Attempt, Route, Script, ScriptedProvider};
use serde_json::{Value, json};

/// A home whose daemon was killed while the provider was at this, and the id of the batch that was being handed over.
async fn killed_at(kind: &str, provider: &ScriptedProvider, path: &str) -> (Home, String) {
    let home = Home::new();
    home.config(&config(kind, &provider.url()));
    let file = home.path().join("requests.jsonl");
    std::fs::write(&file, FILE).unwrap();
    let mut daemon = home.serve(&[]).await;
    let submit = Running::start(&home, &["batch", "submit", &file.display().to_string(), "-m", "lab/m1"]);
    let _stats = provider.wait_for(|_| !asked(provider, "POST", path).is_empty(), LIMIT).await.unwrap();
    let told = lines(&home.run(&["batch", "list", "--json"]).await.succeeded().stdout).remove(0);
    assert_eq!(told["state"], "sending");
    daemon.signal(Signal::KILL);
    daemon.wait(LIMIT).await;
    // Whoever waited is told that it isn't known.
    let (code, stdout, stderr) = submit.end().await;
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    assert!(stderr.contains("it is not known whether batch_") && stderr.contains("batch status"), "{stderr}");
    (home, told["id"].as_str().unwrap().to_owned())
}

async fn status(home: &Home, id: &str) -> Value {
    lines(&home.run(&["batch", "status", id, "--json"]).await.succeeded().stdout).remove(0)
}

fn page(batches: &[Value]) -> Attempt {
    Attempt::json(200, &json!({"object": "list", "data": batches, "has_more": false})).always()
}

/// A provider that has these files and batches, and takes more.
fn having(files: &[Value], batches: &[Value]) -> Script {
    let running = || Attempt::json(200, &openai_batch("in_progress", "", json!({}))).always();
    Script::new([
        Route::new("GET", "/v1/files", [page(files)]),
        Route::new("POST", "/v1/files", [uploaded("file-again").always()]),
        Route::new("GET", "/v1/batches", [page(batches)]),
        Route::new("POST", "/v1/batches", [running()]),
        Route::new("GET", "/v1/batches/batch_remote", [running()]),
    ])
}

#[tokio::test]
async fn an_upload_that_was_cut_off_is_done_again_unless_the_file_is_there() {
    for is_there in [false, true] {
        let stalled = Script::new([Route::new("POST", "/v1/files", [Attempt::silent()])]);
        let provider = ScriptedProvider::start(stalled).await;
        let (home, id) = killed_at(OPENAI, &provider, "/v1/files").await;
        let kept = home.data_dir().join("batches").join(format!("{id}.jsonl"));
        let bytes = std::fs::metadata(&kept).unwrap().len();
        let file = |name: &str, bytes| json!({"id": "file-there", "object": "file", "filename": name, "bytes": bytes});
        let others = [file("other.jsonl", bytes), file(&format!("{id}.jsonl"), bytes - 1)];
        let mine = file(&format!("{id}.jsonl"), bytes);
        let files: Vec<Value> = others.into_iter().chain(is_there.then_some(mine)).collect();
        provider.set_script(having(&files, &[]));
        let told = status(&home, &id).await;
        assert_eq!((&told["state"], &told["provider_id"]), (&json!("in_progress"), &json!("batch_remote")));
        let uploads = asked(&provider, "POST", "/v1/files");
        assert_eq!(uploads.len(), if is_there { 1 } else { 2 }, "{is_there}");
        let created = asked(&provider, "POST", "/v1/batches");
        let of = if is_there { "file-there" } else { "file-again" };
        assert_eq!((created.len(), &created[0].json()["input_file_id"]), (1, &json!(of)));
        assert!(!kept.exists(), "the requests stay on disk");
        assert_eq!(status(&home, &id).await["state"], "in_progress");
        assert_eq!(asked(&provider, "POST", "/v1/batches").len(), 1);
    }
}

#[tokio::test]
async fn a_batch_that_may_have_been_made_is_looked_for_by_its_mark() {
    for is_there in [false, true] {
        let stalled = Script::new([
            Route::new("POST", "/v1/files", [uploaded("file-in")]),
            Route::new("POST", "/v1/batches", [Attempt::silent()]),
        ]);
        let provider = ScriptedProvider::start(stalled).await;
        let (home, id) = killed_at(OPENAI, &provider, "/v1/batches").await;
        let other = openai_batch("in_progress", "batch_of_somebody_else", json!({"id": "batch_other"}));
        let mine = openai_batch("finalizing", &id, json!({}));
        let batches: Vec<Value> = [other].into_iter().chain(is_there.then_some(mine)).collect();
        provider.set_script(having(&[], &batches));
        let told = status(&home, &id).await;
        assert_eq!(told["provider_id"], "batch_remote");
        assert_eq!(asked(&provider, "POST", "/v1/batches").len(), if is_there { 1 } else { 2 });
        assert_eq!(asked(&provider, "POST", "/v1/files").len(), 1, "the file is there");
        assert_eq!(told["state"], if is_there { "finalizing" } else { "in_progress" });
    }
}

#[tokio::test]
async fn where_a_batch_has_no_mark_the_only_one_of_its_time_and_size_is_it() {
    let batch = |id: &str, more: u64| {
        let mut batch = anthropic_batch("in_progress", false);
        batch["id"] = id.into();
        batch["request_counts"]["errored"] = more.into();
        batch
    };
    let old = {
        let mut old = batch("msgbatch_old", 0);
        old["created_at"] = "2001-01-01T00:00:00Z".into();
        old
    };
    let (mine, larger, twin) = (batch("msgbatch_1", 0), batch("msgbatch_larger", 1), batch("msgbatch_2", 0));
    for (listed, made, state) in [
        (vec![old.clone(), larger.clone()], 2, "in_progress"),
        (vec![old.clone(), larger.clone(), mine.clone()], 1, "in_progress"),
        (vec![mine, twin], 1, "interrupted"),
    ] {
        let provider = ScriptedProvider::start(anthropic(Attempt::silent(), &[])).await;
        let (home, id) = killed_at(ANTHROPIC, &provider, "/v1/messages/batches").await;
        let taken = Attempt::json(200, &anthropic_batch("in_progress", false));
        provider.set_script(anthropic(taken, &listed));
        let told = status(&home, &id).await;
        assert_eq!((&told["state"], asked(&provider, "POST", "/v1/messages/batches").len()), (&json!(state), made));
        if state == "interrupted" {
            assert!(told["problem"].as_str().unwrap().contains("msgbatch_1, msgbatch_2"), "{told}");
        } else {
            assert_eq!(told["provider_id"], "msgbatch_1");
        }
    }
}

#[tokio::test]
async fn what_was_cut_off_before_it_was_handed_over_can_be_given_up() {
    let stalled = Script::new([Route::new("POST", "/v1/files", [Attempt::silent()])]);
    let provider = ScriptedProvider::start(stalled).await;
    let (home, id) = killed_at(OPENAI, &provider, "/v1/files").await;
    provider.set_script(having(&[], &[]));
    let told = home.run(&["batch", "cancel", &id, "--json"]).await.succeeded().stdout;
    assert_eq!(lines(&told)[0]["state"], "failed");
    assert_eq!(status(&home, &id).await["state"], "failed");
    assert!(asked(&provider, "POST", "/v1/batches").is_empty());
    assert_eq!(std::fs::read_dir(home.data_dir().join("batches")).unwrap().count(), 0);
}

#[tokio::test]
async fn an_answer_that_is_lost_is_told_and_looked_for() {
    let lost = Script::new([
        Route::new("POST", "/v1/files", [uploaded("file-in")]),
        Route::new("POST", "/v1/batches", [Attempt::reset_at_once()]),
    ]);
    let provider = ScriptedProvider::start(lost).await;
    let home = Home::new();
    home.config(&config(OPENAI, &provider.url()));
    let output = home.run_with_input(&["batch", "submit", "-", "-m", "lab/m1"], FILE).await;
    cli_support::assert_failed(&output, 1, "it is not known whether batch_", "finds out");
    let id =
        lines(&home.run(&["batch", "list", "--json"]).await.succeeded().stdout)[0]["id"].as_str().unwrap().to_owned();
    provider.set_script(having(&[], &[openai_batch("in_progress", &id, json!({}))]));
    assert_eq!(status(&home, &id).await["state"], "in_progress");
    assert_eq!(asked(&provider, "POST", "/v1/batches").len(), 1);
}
