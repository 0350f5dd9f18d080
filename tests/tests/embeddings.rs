//! Texts that become vectors over HTTP, and tokens that are counted.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use greenroom_tests::{
    Attempt, Route, Script, ScriptedProvider,
    client::{Response, post_json},
    gemini,
    harness::{Daemon, Home},
    ollama, openai,
};
use serde_json::{Value, json};

const EMBEDDINGS: &str = "/v1/embeddings";

struct Site {
    openai: ScriptedProvider,
    _ollama: ScriptedProvider,
    home: Home,
    daemon: Daemon,
}

impl Site {
    async fn new() -> Self {
        let made = |text: &str| {
            json!({"object": "list", "model": "e-1", "usage": {"prompt_tokens": 5, "total_tokens": 5},
            "data": [{"object": "embedding", "index": 1, "embedding": [0.5, -1.25]},
                     {"object": "embedding", "index": 0, "embedding": [text.len(), 3.0]}]})
        };
        let embeddings = Route::new("POST", EMBEDDINGS, [Attempt::json(200, &made("four")).always()]);
        let openai = ScriptedProvider::start(Script::new([embeddings, openai::models(["e"])])).await;
        let vectors = ollama::embed([ollama::vectors(&[&[0.5, 1.25]], 3).always()]);
        let ollama = ScriptedProvider::start(Script::new([vectors, ollama::tags(["n"])])).await;
        let home = Home::new();
        home.config(&format!(
            "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\n\
             [providers.home]\nkind = \"ollama\"\nbase_url = \"{}\"\n[models.aliases]\nvectors = \"lab/e\"\n",
            openai.url(),
            ollama.url()
        ));
        let daemon = home.serve(&[]).await;
        Self { openai, _ollama: ollama, home, daemon }
    }

    async fn post(&self, body: &Value) -> Response {
        post_json(self.daemon.url(), EMBEDDINGS, Some(&self.daemon.token()), body).await.expect("an answer")
    }
}

#[tokio::test]
async fn texts_become_vectors_in_their_order_and_are_booked() {
    let site = Site::new().await;
    let asked = json!({"model": "vectors", "input": ["a", "b"], "dimensions": 2, "user": "u"});
    let answer = site.post(&asked).await;
    assert_eq!(answer.status, 200);
    assert_eq!((answer.header("x-greenroom-provider"), answer.header("x-greenroom-model")), (Some("lab"), Some("e")));
    let want = json!({"object": "list", "model": "e-1", "usage": {"prompt_tokens": 5, "total_tokens": 5}, "data": [
        {"object": "embedding", "index": 0, "embedding": [4.0, 3.0]},
        {"object": "embedding", "index": 1, "embedding": [0.5, -1.25]}]});
    assert_eq!(answer.json(), want);
    let sent = site.openai.requests().into_iter().find(|request| request.path() == EMBEDDINGS).expect("it was asked");
    assert_eq!(sent.json(), json!({"model": "e", "input": ["a", "b"], "dimensions": 2, "user": "u"}));

    let bytes = site.post(&json!({"model": "vectors", "input": ["a", "b"], "encoding_format": "base64"})).await.json();
    let bytes = STANDARD.decode(bytes["data"][1]["embedding"].as_str().expect("base64")).expect("base64");
    assert_eq!(bytes, [0.5f32.to_le_bytes(), (-1.25f32).to_le_bytes()].concat());

    let of_tokens = site.post(&json!({"model": "lab/e", "input": [[1, 2], [3]]})).await;
    assert_eq!(of_tokens.status, 200);
    let usage = site.home.run(&["usage", "--by", "model", "--json"]).await.succeeded();
    let usage: Value = serde_json::from_str(usage.stdout.lines().next().expect("a line")).expect("JSON");
    assert_eq!((&usage["by"], &usage["requests"], &usage["input"]), (&json!("lab/e"), &json!(3), &json!(15)));
}

#[tokio::test]
async fn another_wire_answers_in_the_same_shape_and_what_can_t_be_is_told() {
    let site = Site::new().await;
    let answer = site.post(&json!({"model": "home/n", "input": "a"})).await.json();
    assert_eq!(answer["data"], json!([{"object": "embedding", "index": 0, "embedding": [0.5, 1.25]}]));
    assert_eq!(answer["usage"]["prompt_tokens"], 3);
    for (asked, status, param) in [
        (json!({"model": "home/n", "input": [[1, 2]]}), 400, Value::Null),
        (json!({"model": "home/n"}), 400, json!("input")),
        (json!({"model": "home/n", "input": []}), 400, json!("input")),
        (json!({"model": "home/n", "input": "a", "encoding_format": "int8"}), 400, json!("encoding_format")),
        (json!({"model": "nobody/knows", "input": "a"}), 404, Value::Null),
        (json!({"input": "a"}), 400, json!("model")),
        // One vector came, two were asked for.
        (json!({"model": "home/n", "input": ["a", "b"]}), 502, Value::Null),
    ] {
        let answer = site.post(&asked).await;
        assert_eq!((answer.status, &answer.json()["error"]["param"]), (status, &param), "{asked}: {}", answer.text());
    }
    let unknown = post_json(site.daemon.url(), EMBEDDINGS, None, &json!({"model": "home/n", "input": "a"})).await;
    assert_eq!(unknown.expect("an answer").status, 401);
}

#[tokio::test]
async fn tokens_are_counted_here_or_by_the_provider_or_estimated() {
    let count =
        Route::new("POST", "/v1beta/models/g:countTokens", [Attempt::json(200, &json!({"totalTokens": 43})).always()]);
    let counts = ScriptedProvider::start(Script::new([count, gemini::models(["g"])])).await;
    let other = ScriptedProvider::start(Script::new([openai::models(["m", "gpt-4o", "text-embedding-3-small"])])).await;
    let mut home = Home::new();
    home.env("KEY", "key-1");
    home.config(&format!(
        "[providers.counts]\nkind = \"gemini\"\nbase_url = \"{}\"\nkey = \"env:KEY\"\n\
         [providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\n",
        counts.url(),
        other.url()
    ));
    let exact = home.run(&["tokens", "how many?", "-m", "counts/g", "--json"]).await.succeeded();
    let exact: Value = serde_json::from_str(exact.stdout.trim()).expect("JSON");
    assert_eq!(exact, json!({"model": "counts/g", "tokens": 43, "exact": true, "error": null}));
    assert_eq!(home.run(&["tokens", "x", "-m", "counts/g"]).await.succeeded().stdout.trim(), "43");

    let text = "word ".repeat(400);
    let about = home.run_with_input(&["tokens", "-m", "lab/m", "--json"], &text).await.succeeded();
    let about: Value = serde_json::from_str(about.stdout.trim()).expect("JSON");
    assert_eq!((&about["exact"], &about["tokens"]), (&json!(false), &json!(430)));
    assert!(about["error"].as_f64().is_some_and(|error| (0.3..0.5).contains(&error)), "{about}");
    let plain = home.run(&["tokens", "word", "-m", "lab/m"]).await.succeeded().stdout;
    assert!(plain.starts_with("about 10 (within 1"), "{plain}");

    // A published vocabulary needs nobody: 7 tokens stand around one message of a chat, none around a text for a vector.
    let own = home.run_with_input(&["tokens", "-m", "lab/gpt-4o", "--json"], &text).await.succeeded();
    let own: Value = serde_json::from_str(own.stdout.trim()).expect("JSON");
    assert_eq!(own, json!({"model": "lab/gpt-4o", "tokens": 408, "exact": true, "error": null}));
    let own = home.run(&["tokens", "hello world", "-m", "lab/text-embedding-3-small"]).await.succeeded();
    assert_eq!(own.stdout.trim(), "2");

    // A provider that isn't there can't count, either; a model that nobody has can't be counted for.
    counts.stop().await;
    let about = home.run(&["tokens", "word", "-m", "counts/g"]).await.succeeded().stdout;
    assert!(about.starts_with("about 10 "), "{about}");
    assert_eq!(home.run(&["tokens", "word", "-m", "nobody/m"]).await.code(), Some(2));

    // One that is known is counted for, though nobody here has it: beside a running greenroom as well.
    let known = async |home: &Home| {
        for (model, is) in [("gpt-4.1", "openai/gpt-4.1"), ("openai/gpt-4.1", "openai/gpt-4.1")] {
            let own = home.run_with_input(&["tokens", "-m", model, "--json"], &text).await.succeeded();
            let own: Value = serde_json::from_str(own.stdout.trim()).expect("JSON");
            assert_eq!(own, json!({"model": is, "tokens": 408, "exact": true, "error": null}));
        }
        let about = home.run(&["tokens", "word", "-m", "claude-sonnet-4-5", "--json"]).await.succeeded();
        let about: Value = serde_json::from_str(about.stdout.trim()).expect("JSON");
        assert_eq!((&about["model"], &about["exact"]), (&json!("anthropic/claude-sonnet-4-5"), &json!(false)));
        assert_eq!(home.run(&["tokens", "word", "-m", "nobody/m"]).await.code(), Some(2));
    };
    known(&home).await;
    known(&Home::new()).await;
    let _daemon = home.serve(&[]).await;
    known(&home).await;
    assert_eq!(home.run(&["tokens", "-m", "lab/m"]).await.code(), Some(2));
}

#[tokio::test]
async fn beside_a_daemon_its_keys_are_used_and_its_errors_told_as_here() {
    let scripted =
        Script::new([Route::new("POST", EMBEDDINGS, [openai::vectors().always()]), openai::models(["m", "gpt-4o"])]);
    let provider = ScriptedProvider::start(scripted).await;
    let home = Home::new();
    home.config(&format!("[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\n", provider.url()));
    let daemon = home.serve(&["--listen", "127.0.0.1:0"]).await;
    let _added = home.run_with_input(&["auth", "add", "lab"], "lab-added-key\n").await.succeeded();
    let made = home.run(&["embed", "two words", "-m", "lab/m", "--json"]).await.succeeded();
    let made: Value = serde_json::from_str(made.stdout.trim()).expect("JSON");
    assert_eq!(made["model"], "lab/m");
    let asked: Vec<_> = provider.requests().into_iter().filter(|request| request.path() == EMBEDDINGS).collect();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("authorization"), Some("Bearer lab-added-key"));
    assert_eq!(asked[0].json()["input"], json!(["two words"]));

    let counted = home.run(&["tokens", "hello world", "-m", "lab/gpt-4o", "--json"]).await.succeeded();
    let counted: Value = serde_json::from_str(counted.stdout.trim()).expect("JSON");
    assert_eq!(counted, json!({"model": "lab/gpt-4o", "tokens": 9, "exact": true, "error": null}));
    for command in ["embed", "tokens"] {
        let refused = home.run(&[command, "x", "-m", "nobody/m"]).await;
        assert_eq!((refused.code(), refused.stdout.as_str()), (Some(2), ""), "{command}: {}", refused.stderr);
        assert!(refused.stderr.contains("nobody/m"), "{command}: {}", refused.stderr);
    }
    let token = daemon.token();
    let wrongly = json!({"model": "lab/m", "text": 7});
    let wrong = post_json(daemon.url(), "/api/tokens", Some(&token), &wrongly).await.expect("an answer");
    assert_eq!((wrong.status, &wrong.json()["error"]["kind"]), (400, &json!("invalid_request")));
    let unknown = json!({"model": "nobody/m", "input": ["x"]});
    let unknown = post_json(daemon.url(), "/api/embeddings", Some(&token), &unknown).await.expect("an answer");
    assert_eq!((unknown.status, &unknown.json()["error"]["kind"]), (404, &json!("not_found")));
}
