//! Batches: handed over in each provider's own way, told of, read, and booked once for half the price.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod batch_support;
mod cli_support;

use batch_support::{
    ANTHROPIC, FILE, OPENAI, anthropic_batch, asked, completion, config, openai, openai_batch, uploaded,
};
use cli_support::{LIMIT, assert_failed, lines};
use greenroom_tests::harness::{Home, Signal};
use greenroom_tests::{Attempt, Route, Script, ScriptedProvider};
use serde_json::{Value, json};

/// A home with one provider, `lab`, and a file in it.
fn home(kind: &str, provider: &ScriptedProvider, file: &str) -> (Home, String) {
    let home = Home::new();
    home.config(&config(kind, &provider.url()));
    let path = home.path().join("requests.jsonl");
    std::fs::write(&path, file).unwrap();
    (home, path.display().to_string())
}

async fn submitted(home: &Home, file: &str) -> String {
    home.run(&["batch", "submit", file, "-m", "lab/m1"]).await.succeeded().stdout.trim().to_owned()
}

/// What is booked of a model: requests, tokens and dollars.
async fn booked(home: &Home) -> Value {
    let sums = lines(&home.run(&["usage", "--json"]).await.succeeded().stdout);
    assert!(sums.len() < 2, "{sums:?}");
    let Some(sum) = sums.first() else { return Value::Null };
    json!([sum["by"], sum["requests"], sum["input"], sum["output"], sum["cost_usd"]])
}

#[tokio::test]
async fn a_batch_of_openai_is_uploaded_made_waited_for_and_read_for_half_the_price() {
    let output = [completion("one", "hello"), completion("2", "there")].map(|line| line.to_string()).join("\n");
    let error = json!({"id": "r", "custom_id": "three", "response": {"status_code": 400, "request_id": "q", "body":
        {"error": {"message": "no such thing", "type": "invalid_request_error"}}}, "error": null});
    let ended = openai_batch("completed", "", json!({"output_file_id": "file-out", "error_file_id": "file-err"}));
    let provider = ScriptedProvider::start(Script::new([
        Route::new("POST", "/v1/files", [uploaded("file-in")]),
        Route::new("POST", "/v1/batches", [Attempt::json(200, &openai_batch("validating", "", json!({})))]),
        Route::new(
            "GET",
            "/v1/batches/batch_remote",
            [Attempt::json(200, &openai_batch("in_progress", "", json!({}))), Attempt::json(200, &ended)],
        ),
        Route::new("GET", "/v1/files/file-out/content", [Attempt::new().status(200).body(output.as_str()).always()]),
        Route::new(
            "GET",
            "/v1/files/file-err/content",
            [Attempt::new().status(200).body(format!("{error}\n")).always()],
        ),
    ]))
    .await;
    let (home, file) = home(OPENAI, &provider, FILE);
    // What a process left that was killed before it knew what it had.
    let spool = home.data_dir().join("batches");
    std::fs::create_dir_all(&spool).unwrap();
    std::fs::write(spool.join("batch_left.jsonl"), "{}").unwrap();
    let id = submitted(&home, &file).await;
    assert!(id.starts_with("batch_"), "{id}");
    assert_eq!(std::fs::read_dir(&spool).unwrap().count(), 0, "requests stay on disk");

    // Each line in the one form of the provider, whichever form it had.
    let upload = asked(&provider, "POST", "/v1/files").remove(0);
    let text = String::from_utf8(upload.body.to_vec()).unwrap();
    let sent: Vec<Value> =
        text.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<&Value> = sent.iter().map(|line| &line["custom_id"]).collect();
    assert_eq!(ids, ["one", "2", "three"]);
    for line in &sent {
        assert_eq!((&line["url"], &line["body"]["model"]), (&json!("/v1/chat/completions"), &json!("m1")), "{line}");
        assert_eq!(line["body"]["messages"].as_array().unwrap().last().unwrap()["content"], "hi", "{line}");
        assert!(line["body"].get("stream").is_none(), "{line}");
    }
    assert!(text.contains("name=\"purpose\"\r\n\r\nbatch") && upload.bearer() == Some("lab-key"));
    let create = asked(&provider, "POST", "/v1/batches").remove(0).json();
    assert_eq!((&create["input_file_id"], &create["endpoint"]), (&json!("file-in"), &json!("/v1/chat/completions")));
    assert_eq!(create["metadata"]["greenroom"], id.as_str());

    let early = home.run(&["batch", "results", &id]).await;
    assert_failed(&early, 1, "has not ended: it is in_progress", "--wait");
    let told = lines(&home.run(&["batch", "status", &id, "--wait", "--json"]).await.succeeded().stdout).remove(0);
    assert_eq!((&told["state"], &told["provider_id"]), (&json!("completed"), &json!("batch_remote")));
    assert_eq!((&told["profile"], &told["models"]), (&json!("default"), &json!({"m1": 3})));
    let table = home.run(&["batch"]).await.succeeded().stdout;
    assert!(table.starts_with("ID") && table.contains(&id) && table.contains("completed"), "{table}");

    assert_eq!(booked(&home).await, Value::Null, "nothing is booked before it is read");
    let read = lines(&home.run(&["batch", "results", &id]).await.succeeded().stdout);
    let ids: Vec<&Value> = read.iter().map(|line| &line["custom_id"]).collect();
    assert_eq!(ids, ["one", "2", "three"]);
    assert_eq!(read[1]["ok"]["choices"][0]["message"]["content"], "there");
    assert_eq!((&read[2]["error"]["kind"], read[2].get("ok")), (&json!("invalid_request"), None));
    // At a dollar and two for a million tokens, a thousand and five hundred of them, twice, at half.
    let want = json!(["lab/m1", 3, 2000, 1000, 0.002]);
    assert_eq!(booked(&home).await, want);
    let raw = home.run(&["batch", "results", &id, "--raw"]).await.succeeded().stdout;
    assert_eq!(raw, format!("{output}\n{error}\n"));
    assert_eq!(booked(&home).await, want, "what is read again is not booked again");
    let by = lines(&home.run(&["usage", "--by", "client", "--json"]).await.succeeded().stdout);
    assert_eq!(by[0]["by"], "admin");
}

#[tokio::test]
async fn a_batch_of_anthropic_goes_whole_and_says_of_each_request_what_became_of_it() {
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m1", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "hello"}], "usage": {"input_tokens": 1000, "output_tokens": 500}});
    let results: String = [
        json!({"custom_id": "three", "result": {"type": "succeeded", "message": message}}),
        json!({"custom_id": "one", "result": {"type": "expired"}}),
        json!({"custom_id": "2", "result": {"type": "canceled"}}),
    ]
    .map(|line| format!("{line}\n"))
    .concat();
    let provider = ScriptedProvider::start(Script::new([
        Route::new("POST", "/v1/messages/batches", [Attempt::json(200, &anthropic_batch("in_progress", false))]),
        Route::new(
            "POST",
            "/v1/messages/batches/msgbatch_1/cancel",
            [Attempt::json(200, &anthropic_batch("canceling", true))],
        ),
        Route::new("GET", "/v1/messages/batches/msgbatch_1", [Attempt::json(200, &anthropic_batch("ended", true))]),
        Route::new(
            "GET",
            "/v1/messages/batches/msgbatch_1/results",
            // The first time it breaks off within the last line.
            [
                Attempt::new().status(200).header("content-length", "9999").body(&results[..results.len() - 20]).cut(),
                Attempt::new().status(200).body(results.as_str()),
            ],
        ),
    ]))
    .await;
    let (home, file) = home(ANTHROPIC, &provider, FILE);
    // A daemon has the store, and does it all.
    let mut daemon = home.serve(&[]).await;
    let id = submitted(&home, &file).await;
    let sent = asked(&provider, "POST", "/v1/messages/batches").remove(0);
    assert_eq!((sent.header("x-api-key"), sent.header("anthropic-version")), (Some("lab-key"), Some("2023-06-01")));
    let sent = sent.json();
    let requests = sent["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 3);
    for request in requests {
        let params = &request["params"];
        assert_eq!((&params["model"], params.get("stream")), (&json!("m1"), None));
        assert!(params["max_tokens"].is_u64() && params["messages"].to_string().contains("hi"), "{params}");
    }
    let told = home.run(&["batch", "cancel", &id]).await.succeeded().stdout;
    assert!(told.contains("state: cancelling"), "{told}");
    let told = home.run(&["batch", "status"]).await.succeeded().stdout;
    assert!(told.contains("cancelled") && told.contains("1/3"), "{told}");
    let again = home.run(&["batch", "cancel", &id]).await;
    assert_failed(&again, 1, "has ended: it is cancelled", "results");

    let cut = home.run(&["batch", "results", &id]).await;
    assert_eq!(cut.code(), Some(1), "{cut:?}");
    let read = lines(&home.run(&["batch", "results", &id]).await.succeeded().stdout);
    let kinds: Vec<&str> = read.iter().map(|line| line["error"]["kind"].as_str().unwrap_or("ok")).collect();
    assert_eq!(kinds, ["ok", "timeout", "cancelled"]);
    assert_eq!(booked(&home).await, json!(["lab/m1", 3, 1000, 500, 0.001]));
    daemon.signal(Signal::TERM);
    daemon.wait(LIMIT).await;
    assert_eq!(booked(&home).await, json!(["lab/m1", 3, 1000, 500, 0.001]));
    assert!(!daemon.output().contains("lab-key"));
}

#[tokio::test]
async fn vectors_are_made_in_a_batch_of_their_own() {
    let line = json!({"id": "r", "custom_id": "v", "error": null, "response": {"status_code": 200, "request_id": "q",
        "body": {"object": "list", "model": "m1", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
            "usage": {"prompt_tokens": 1000, "total_tokens": 1000}}}});
    let ended = openai_batch("completed", "", json!({"output_file_id": "file-out"}));
    let provider = ScriptedProvider::start(Script::new([
        Route::new("POST", "/v1/files", [uploaded("file-in")]),
        Route::new("POST", "/v1/batches", [Attempt::json(200, &ended)]),
        Route::new("GET", "/v1/files/file-out/content", [Attempt::new().status(200).body(format!("{line}\n"))]),
    ]))
    .await;
    let file =
        r#"{"custom_id": "v", "method": "POST", "url": "/v1/embeddings", "body": {"model": "lab/m1", "input": "hi"}}"#;
    let (home, _) = home(OPENAI, &provider, file);
    let output = home.run_with_input(&["batch", "submit", "-", "--json"], file).await.succeeded();
    let id = lines(&output.stdout)[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(asked(&provider, "POST", "/v1/batches")[0].json()["endpoint"], "/v1/embeddings");
    let read = lines(&home.run(&["batch", "results", &id]).await.succeeded().stdout);
    assert_eq!(read[0]["ok"]["data"][0]["embedding"], json!([0.5]));
    assert_eq!(booked(&home).await, json!(["lab/m1", 1, 1000, 0, 0.0005]));
}

#[tokio::test]
async fn many_results_come_whole_however_they_were_cut_on_the_way() {
    const MANY: usize = 1000;
    let output: String = (0..MANY).map(|index| format!("{}\n", completion(&index.to_string(), "hello"))).collect();
    let ended = openai_batch("expired", "", json!({"output_file_id": "file-out"}));
    let provider = ScriptedProvider::start(Script::new([
        Route::new("POST", "/v1/files", [uploaded("file-in")]),
        Route::new("POST", "/v1/batches", [Attempt::json(200, &ended)]),
        Route::new(
            "GET",
            "/v1/files/file-out/content",
            [Attempt::new().status(200).send(output.as_str()).in_pieces_of(997).always()],
        ),
    ]))
    .await;
    let (home, file) = home(OPENAI, &provider, FILE);
    let id = submitted(&home, &file).await;
    for _ in 0..2 {
        let read = lines(&home.run(&["batch", "results", &id]).await.succeeded().stdout);
        assert_eq!(read.len(), MANY);
        assert!(read.iter().enumerate().all(|(index, line)| line["custom_id"].as_str() == Some(&*index.to_string())));
        assert_eq!(booked(&home).await, json!(["lab/m1", 1000, 1_000_000, 500_000, 1.0]));
    }
}

#[tokio::test]
async fn a_file_that_is_wrong_is_told_with_its_line_and_nothing_is_sent() {
    let lab = ScriptedProvider::start(openai([])).await;
    let (home, file) = home(OPENAI, &lab, "");
    let more = format!(
        "{}{}[providers.local]\nkind = \"ollama\"\nbase_url = \"{}\"\n[providers.local.models.l1]\n",
        config(OPENAI, &lab.url()),
        config(ANTHROPIC, &lab.url()).replace(".lab", ".other"),
        lab.url()
    );
    home.config(&more);
    let good = r#"{"prompt": "hi", "model": "lab/m1"}"#;
    let vectors = r#"{"custom_id": "v", "url": "/v1/embeddings", "body": {"model": "lab/m1", "input": "hi"}}"#;
    for (text, model, why, hint) in [
        (String::new(), None, "no requests", "a line"),
        ("\n\n".into(), None, "no requests", "a line"),
        (format!("{good}\n{{\"prompt\": \"hi"), None, "line 2: the line ends within its JSON", "nothing was sent"),
        (format!("{good}\n{{\"prompt\": \"hi\"}}"), None, "line 2: no model is named", "-m"),
        (format!("{good}\n{good}"), Some("nobody/x"), "line 1: there is no", ""),
        (
            "{\"id\":\"a\",\"prompt\":\"x\"}\n{\"id\":\"a\",\"prompt\":\"y\"}".into(),
            Some("lab/m1"),
            "line 2: the id \"a\"",
            "its own",
        ),
        (format!("{good}\n{}", good.replace("lab", "other")), None, "line 2: other is asked", "for each provider"),
        (
            format!("{good}\n{}", good.replace("m1", "m2")),
            None,
            "line 2: there are more models than 1",
            "for each model",
        ),
        (format!("{good}\n{vectors}"), None, "line 2: answers and vectors", "for each"),
        (vectors.into(), Some("other/m1"), "line 1: Anthropic makes no embeddings", ""),
        ("{\"id\":\"a b\",\"prompt\":\"x\"}".into(), Some("other/m1"), "line 1: other does not take the id", "A-Z"),
        (good.into(), Some("local/l1"), "can't take batches", "Anthropic or OpenAI"),
    ] {
        std::fs::write(&file, &text).unwrap();
        let mut arguments = vec!["batch", "submit", &file];
        arguments.extend(model.iter().flat_map(|model| ["-m", model]));
        let output = home.run(&arguments).await;
        assert_failed(&output, 2, why, hint);
    }
    let missing = home.run(&["batch", "submit", "/nowhere/at/all"]).await;
    assert_failed(&missing, 2, "can't read", "name a file");
    assert_failed(&home.run(&["batch", "status", "batch_0"]).await, 1, "no batch of this id", "list");
    assert!(home.run(&["batch", "list"]).await.succeeded().stderr.contains("no batches"));
    let sent: Vec<String> =
        lab.requests().iter().filter(|sent| sent.method == "POST").map(|sent| sent.target.clone()).collect();
    assert!(sent.is_empty(), "{sent:?}");
    let left = std::fs::read_dir(home.data_dir().join("batches")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "requests of files that were wrong stay");
}

#[tokio::test]
async fn a_refused_key_fails_a_batch_and_leaves_nothing_of_it() {
    let refused = || {
        Attempt::json(401, &json!({"error": {"message": "bad key lab-key", "type": "x", "code": "invalid_api_key"}}))
    };
    let lab = ScriptedProvider::start(Script::new([Route::new("POST", "/v1/files", [refused()])])).await;
    let (home, file) = home(OPENAI, &lab, FILE);
    let output = home.run(&["batch", "submit", &file, "-m", "lab/m1"]).await;
    assert_failed(&output, 1, "the batch was not taken", "submit it again");
    assert!(!format!("{output:?}").contains("lab-key"), "{output:?}");
    let told = lines(&home.run(&["batch", "list", "--json"]).await.succeeded().stdout).remove(0);
    assert_eq!((&told["state"], &told["ended"]), (&json!("failed"), &json!(true)));
    let left = std::fs::read_dir(home.data_dir().join("batches")).unwrap().count();
    assert_eq!(left, 0);
    let none = home.run(&["batch", "results", told["id"].as_str().unwrap()]).await;
    assert_failed(&none, 1, "the batch failed", "submit it again");
}

#[tokio::test]
async fn a_batch_is_asked_for_by_the_profile_that_it_belongs_to_and_no_other() {
    let lab =
        ScriptedProvider::start(openai([Attempt::json(200, &openai_batch("in_progress", "", json!({}))).always()]))
            .await;
    let (home, file) = home(OPENAI, &lab, FILE);
    let profiles = |names: &[&str]| {
        let base = config(OPENAI, &lab.url()).replace("key = \"lab-key\"\n", "");
        let each =
            names.iter().map(|name| format!("[[providers.lab.profiles]]\nid = \"{name}\"\nkey = \"{name}-key\"\n"));
        base + &each.collect::<String>()
    };
    home.config(&profiles(&["one", "two"]));
    let id = submitted(&home, &file).await;
    let by = asked(&lab, "POST", "/v1/batches")[0].bearer().unwrap().to_owned();
    for _ in 0..3 {
        let _told = home.run(&["batch", "status", &id]).await.succeeded();
    }
    let askers = asked(&lab, "GET", "/v1/batches/batch_remote");
    assert!(askers.len() >= 3 && askers.iter().all(|sent| sent.bearer() == Some(&by)), "{by}");
    let (mine, other) = if by == "one-key" { ("one", "two") } else { ("two", "one") };
    home.config(&profiles(&[other]));
    let output = home.run(&["batch", "status", &id]).await;
    assert_failed(&output, 1, &format!("profile \"{mine}\""), "");
    // Beside others it keeps nobody from what they are told.
    home.config(&profiles(&["one", "two"]));
    let second = submitted(&home, &file).await;
    home.config(&profiles(&[other]));
    let output = home.run(&["batch", "status"]).await;
    assert!(output.code() == Some(1) && output.stdout.contains(&id) && output.stdout.contains(&second), "{output:?}");
}
