//! Vertex behind the built program: each publisher's models in their own wire, scripted and recorded.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cloud_support;
mod http_support;

use cloud_support::{Case, calls, cases, field, finish, tell};
use greenroom_tests::harness::Home;
use greenroom_tests::replay::replay;
use greenroom_tests::{Attempt, Recorded, Route, Script, ScriptedProvider, anthropic, gemini, openai};
use http_support::{Greenroom, ask, ask_streamed, is_done, text, with};
use serde_json::{Value, json};

const BELOW: &str = "/projects/my-project/locations/us-east5";

/// A project at the scripted server, let in by a token that was given outright.
fn vertex(scripted: &ScriptedProvider, more: &str) -> String {
    let url = scripted.url();
    format!(
        "[providers.vertex]\nbase_url = \"{url}\"\nproject = \"my-project\"\nregion = \"us-east5\"\nkey = \"ya29.token\"\n{more}\n"
    )
}

/// A server that plays these attempts at whatever is posted.
async fn scripted<A: Into<Attempt>>(attempts: impl IntoIterator<Item = A>) -> ScriptedProvider {
    let published = |publisher: &str, ids: &[&str]| {
        let names = ids.iter().map(|id| json!({"name": format!("publishers/{publisher}/models/{id}")}));
        let body = json!({"publisherModels": names.collect::<Value>()});
        Route::new("GET", &format!("/v1beta1/publishers/{publisher}/models"), [Attempt::json(200, &body).always()])
    };
    let google = published("google", &["text-embedding-005", "imagen-4", "gemini-3-pro", "gemini-2.5-flash"]);
    let claude = published("anthropic", &["claude-opus-5"]);
    ScriptedProvider::start(Script::new([google, claude, Route::new("POST", "*", attempts)])).await
}

fn posted(scripted: &ScriptedProvider) -> Vec<Recorded> {
    scripted.requests().into_iter().filter(|request| request.method == "POST").collect()
}

/// A question with everything that a client may ask with.
fn question() -> Value {
    let tool = json!({"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}});
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}});
    let user = json!({"role": "user", "content": [{"type": "text", "text": "how is it?"}, image]});
    json!({"messages": [{"role": "system", "content": "be brief"}, user], "tools": [tool], "max_tokens": 50})
}

#[tokio::test]
async fn gemini_is_asked_below_its_publisher() {
    let call = json!({"functionCall": {"name": "weather", "args": {"city": "Rome"}}, "thoughtSignature": "sig"});
    let answer = gemini::Answer::new().thinking("hm").then_text(["Let me see."]).part(call);
    let lab = scripted([answer.stream(), gemini::Answer::text(["Sunny."]).stream()]).await;
    let greenroom = Greenroom::start(&vertex(&lab, "")).await;
    let events = greenroom.api.events(&with(ask_streamed("vertex/gemini-2.5-flash"), question())).await;
    assert!(is_done(&events));
    assert_eq!((text(&events), field(&events, "reasoning_content")), ("Let me see.".into(), "hm".into()));
    assert_eq!(
        (calls(&events), finish(&events)),
        (vec![["weather".into(), "{\"city\":\"Rome\"}".into()]], Some("tool_calls".into()))
    );
    let whole = greenroom.api.chat(&with(ask("vertex/google/gemini-2.5-flash"), question())).await.json();
    assert_eq!(whole["choices"][0]["message"]["content"], "Sunny.");
    for asked in posted(&lab) {
        assert_eq!(
            asked.target,
            format!("/v1beta1{BELOW}/publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse")
        );
        let heads = ["authorization", "x-goog-api-key", "content-type"].map(|name| asked.header(name));
        assert_eq!(heads, [Some("Bearer ya29.token"), None, Some("application/json")]);
        let sent = asked.json();
        assert_eq!(sent["systemInstruction"], json!({"parts": [{"text": "be brief"}]}));
        assert_eq!(sent["contents"][0]["parts"][1]["inlineData"]["mimeType"], "image/png");
        assert_eq!(sent["generationConfig"]["maxOutputTokens"], 50);
    }
}

#[tokio::test]
async fn claude_is_asked_in_its_own_wire_with_the_version_in_the_body() {
    let answer = anthropic::Answer::new().thinking(["hm"], "sig").then_text(["Let me see."]).tool_use(
        "toolu_1",
        "weather",
        ["{\"city\":\"Rome\"}"],
    );
    let lab = scripted([answer.stream(), anthropic::Answer::text(["Sunny."]).whole()]).await;
    let greenroom = Greenroom::start(&vertex(&lab, "")).await;
    let events = greenroom.api.events(&with(ask_streamed("vertex/claude-haiku-4-5@20251001"), question())).await;
    assert!(is_done(&events));
    assert_eq!((text(&events), field(&events, "reasoning_content")), ("Let me see.".into(), "hm".into()));
    assert_eq!(calls(&events), [["weather", "{\"city\":\"Rome\"}"]]);
    let whole = greenroom.api.chat(&with(ask("vertex/anthropic/claude-haiku-4-5@20251001"), question())).await.json();
    assert_eq!(whole["choices"][0]["message"]["content"], "Sunny.");
    for asked in posted(&lab) {
        assert_eq!(
            asked.target,
            format!("/v1{BELOW}/publishers/anthropic/models/claude-haiku-4-5@20251001:streamRawPredict")
        );
        let heads = ["authorization", "x-api-key", "anthropic-version"].map(|name| asked.header(name));
        assert_eq!(heads, [Some("Bearer ya29.token"), None, None]);
        let sent = asked.json();
        let told = ["anthropic_version", "model", "stream", "max_tokens"].map(|key| sent[key].clone());
        assert_eq!(told, [json!("vertex-2023-10-16"), Value::Null, json!(true), json!(50)]);
    }
}

#[tokio::test]
async fn models_of_other_publishers_are_asked_in_openais_wire() {
    let lab = scripted([openai::Answer::text(["hello"])]).await;
    let greenroom = Greenroom::start(&vertex(&lab, "")).await;
    let events = greenroom.api.events(&ask_streamed("vertex/meta/llama-4-scout-17b-16e-instruct-maas")).await;
    assert_eq!(text(&events), "hello");
    let asked = &posted(&lab)[0];
    assert_eq!(asked.target, format!("/v1{BELOW}/endpoints/openapi/chat/completions"));
    assert_eq!(asked.bearer(), Some("ya29.token"));
    assert_eq!(asked.json()["model"], "meta/llama-4-scout-17b-16e-instruct-maas");
}

#[tokio::test]
async fn what_was_signed_goes_back_to_the_model_that_said_it() {
    let answer = anthropic::Answer::new().thinking(["hm"], "sig-1").then_text(["one"]);
    let lab = scripted([answer.stream(), anthropic::Answer::text(["two"]).stream()]).await;
    let home = Home::new();
    home.config(&vertex(&lab, ""));
    let source = greenroom::config::Source::locate(Some(&home.config_path()), greenroom::config::Environment::empty());
    let settings = greenroom::config::load(&source).unwrap_or_else(|problems| panic!("{problems}")).settings;
    let runtime = greenroom::Runtime::builder().settings(settings).start().await.unwrap();
    let new = greenroom::NewSession { model: Some("vertex/claude-opus-4-5".into()), ..Default::default() };
    let session = runtime.ephemeral(new).await.unwrap();
    assert_eq!(session.send("a").await.unwrap().text().await.unwrap(), "one");
    assert_eq!(session.send("b").await.unwrap().text().await.unwrap(), "two");
    let said = json!([{"type": "thinking", "thinking": "hm", "signature": "sig-1"}, {"type": "text", "text": "one"}]);
    assert_eq!(posted(&lab)[1].json()["messages"][1]["content"], said);
}

#[tokio::test]
async fn a_key_without_a_project_is_one_of_the_express_mode() {
    let lab = scripted([gemini::Answer::text(["hello"])]).await;
    let config = format!("[providers.vertex]\nbase_url = \"{}\"\nkey = \"express-key\"\n", lab.url());
    let greenroom = Greenroom::start(&config).await;
    assert_eq!(text(&greenroom.api.events(&ask_streamed("vertex/gemini-2.5-flash")).await), "hello");
    let asked = &posted(&lab)[0];
    assert_eq!(asked.target, "/v1beta1/publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse");
    assert_eq!((asked.header("x-goog-api-key"), asked.header("authorization")), (Some("express-key"), None));
    let refused = greenroom.api.chat(&ask("vertex/claude-opus-5")).await;
    assert!(refused.status >= 400 && refused.text().contains("express mode"), "{}", refused.text());
    assert_eq!(posted(&lab).len(), 1, "nothing else was asked");
}

#[tokio::test]
async fn what_can_be_asked_for_is_listed_and_what_chats_comes_first() {
    let lab = scripted([gemini::Answer::text(["hello"])]).await;
    let greenroom = Greenroom::start(&vertex(&lab, "")).await;
    let list = greenroom.api.get("/v1/models").await.json();
    let ids: Vec<&str> = list["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(
        ids,
        ["vertex/gemini-3-pro", "vertex/gemini-2.5-flash", "vertex/text-embedding-005", "vertex/claude-opus-5"]
    );
    let asked = lab.requests().into_iter().find(|request| request.method == "GET").unwrap();
    assert_eq!((asked.path(), asked.bearer()), ("/v1beta1/publishers/google/models", Some("ya29.token")));
    assert_eq!(asked.header("x-goog-user-project"), Some("my-project"));
    // The catalogue knows Vertex's own models.
    let home = &greenroom.home;
    let shown = home.run(&["models", "--json"]).await.succeeded().stdout;
    let claude = shown.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let claude = claude.into_iter().find(|model| model.to_string().contains("claude-opus-5")).unwrap();
    assert!(claude["context"].as_u64().is_some_and(|tokens| tokens >= 200_000), "{claude}");
}

#[tokio::test]
async fn failures_of_either_publisher_are_what_they_are() {
    let google = |code: u16, status: &str, details: Value| json!({"error": {"code": code, "message": "no", "status": status, "details": details}});
    let claude = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let delay = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "90s"}]);
    let lab = scripted([Attempt::json(500, &json!({}))]).await;
    for (model, status, body, kind) in [
        ("gemini-2.5-flash", 429, google(429, "RESOURCE_EXHAUSTED", delay.clone()), "rate_limited"),
        ("claude-opus-5", 429, google(429, "RESOURCE_EXHAUSTED", delay), "rate_limited"),
        ("claude-opus-5", 403, google(403, "PERMISSION_DENIED", json!([])), "permission"),
        ("claude-opus-5", 404, google(404, "NOT_FOUND", json!([])), "not_found"),
        ("claude-opus-5", 529, claude, "overloaded"),
        ("meta/llama", 400, json!([google(400, "INVALID_ARGUMENT", json!([]))]), "invalid_request"),
        ("gemini-2.5-flash", 401, google(401, "UNAUTHENTICATED", json!([])), "auth"),
    ] {
        lab.set_script(Script::new([Route::new("POST", "*", [Attempt::json(status, &body).always()])]));
        let home = Home::new();
        home.config(&vertex(&lab, ""));
        let failed = home.run(&["chat", "-m", &format!("vertex/{model}"), "--json", "hi"]).await;
        let told = failed.stdout.clone() + &failed.stderr;
        assert!(failed.code() != Some(0) && told.contains(&format!("\"{kind}\"")), "{model} {status}: {told}");
        assert!(!told.contains("ya29.token"), "{told}");
    }
}

#[tokio::test]
async fn texts_are_made_vectors_as_each_model_wants_it() {
    let predicted = json!({"predictions": [{"embeddings": {"values": [0.5, -1.0], "statistics": {"token_count": 2}}}]});
    let made = json!({"embedding": {"values": [0.5, -1.0]}, "usageMetadata": {"promptTokenCount": 2}});
    let lab = scripted([Attempt::json(500, &json!({}))]).await;
    for (model, method, answer, body) in [
        ("text-embedding-005", "predict", predicted, json!({"instances": [{"content": "hello"}]})),
        ("gemini-embedding-2", "embedContent", made, json!({"content": {"parts": [{"text": "hello"}]}})),
    ] {
        lab.reset();
        lab.set_script(Script::new([Route::new("POST", "*", [Attempt::json(200, &answer).always()])]));
        let home = Home::new();
        home.config(&vertex(&lab, ""));
        let told = home.run(&["embed", "hello", "-m", &format!("vertex/{model}"), "--json"]).await.succeeded().stdout;
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!((&told["embedding"], &told["tokens"]), (&json!([0.5, -1.0]), &json!(2)), "{model}");
        let asked = &posted(&lab)[0];
        assert_eq!(asked.target, format!("/v1beta1{BELOW}/publishers/google/models/{model}:{method}"));
        assert_eq!((asked.json(), asked.bearer()), (body, Some("ya29.token")));
    }
}

/// What a recorded answer of either wire says, read in the simplest way: text, thinking, and the name of each call.
fn said(case: &Case) -> (String, String, Vec<String>) {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (mut text, mut thinking, mut calls) = (String::new(), String::new(), Vec::new());
    let json = case.json();
    let chunks = match &json {
        Value::Array(list) => list.clone(),
        Value::Null => case.data(),
        whole => vec![whole.clone()],
    };
    for chunk in chunks {
        for part in chunk["candidates"][0]["content"]["parts"].as_array().into_iter().flatten() {
            let place = if part["thought"] == true { &mut thinking } else { &mut text };
            *place += &word(&part["text"]);
            calls.extend(part["functionCall"]["name"].as_str().map(str::to_owned));
        }
        for block in chunk["content"].as_array().into_iter().flatten().chain([&chunk["content_block"], &chunk["delta"]])
        {
            text += &word(&block["text"]);
            thinking += &word(&block["thinking"]);
            if block["type"] == "tool_use" {
                calls.push(word(&block["name"]));
            }
        }
    }
    (text, thinking, calls)
}

/// Project, region and model of a recorded path.
fn place(case: &Case) -> Option<[String; 3]> {
    let segments: Vec<&str> = case.target_path().split('/').collect();
    let after = |name: &str| segments.iter().position(|one| *one == name).and_then(|at| segments.get(at + 1));
    let model = segments.last()?.split(':').next()?;
    // Where they were hidden, any will do.
    let shown = |text: &str| if text.starts_with('<') { "hidden".to_owned() } else { text.to_owned() };
    Some([shown(after("projects")?), shown(after("locations")?), model.to_owned()])
}

#[tokio::test]
async fn recorded_exchanges_come_through_the_program() {
    for api in ["vertex-gemini", "vertex-anthropic"] {
        let cases = cases(api);
        for case in &cases {
            let name = &case.name;
            let attempt = replay(&case.path).unwrap().attempt.always();
            let lab = ScriptedProvider::start(Script::new([Route::new("POST", "*", [attempt])])).await;
            let [project, region, model] =
                place(case).unwrap_or_else(|| ["p".into(), "global".into(), "gemini-2.5-flash".into()]);
            let version = if case.target.starts_with("/v1/") { "v1" } else { "v1beta1" };
            let greenroom = Greenroom::start(&format!(
                "[providers.vertex]\nbase_url = \"{}/{version}\"\nproject = \"{project}\"\nregion = \"{region}\"\nkey = \"ya29.token\"\n{}",
                lab.url(),
                http_support::ENDS_WHERE_CUT
            ))
            .await;
            let body = ask_streamed(&format!("vertex/{model}"));
            let want = said(case);
            if case.status >= 400 {
                let response = greenroom.api.chat(&body).await;
                assert_eq!(response.status, case.status, "{name}: {}", response.text());
            } else {
                let events = greenroom.api.events(&body).await;
                assert!(is_done(&events), "{name}: {events:?}");
                let names = calls(&events).into_iter().map(|[name, _]| name).collect();
                assert_eq!((text(&events), field(&events, "reasoning_content"), names), want, "{name}");
            }
            let asked = &posted(&lab)[0];
            assert_eq!(asked.bearer(), Some("ya29.token"), "{name}");
            if place(case).is_some() {
                // It is asked for as a stream, however it was recorded.
                let as_stream = case
                    .target_path()
                    .replace(":generateContent", ":streamGenerateContent")
                    .replace(":rawPredict", ":streamRawPredict");
                let shown =
                    as_stream.replace("<GOOGLE_CLOUD_PROJECT>", "hidden").replace("<GOOGLE_CLOUD_LOCATION>", "hidden");
                assert_eq!(asked.path(), shown, "{name}");
            }
            let sent = asked.json();
            assert_eq!(sent["anthropic_version"].is_string(), api == "vertex-anthropic", "{name}");
            assert_eq!(asked.target.ends_with("?alt=sse"), api == "vertex-gemini", "{name}");
        }
        tell(api, &cases);
    }
}

#[tokio::test]
async fn recorded_counts_come_through_the_program() {
    let cases = cases("vertex-count-tokens");
    for case in &cases {
        let name = &case.name;
        let attempt = replay(&case.path).unwrap().attempt.always();
        let lab = ScriptedProvider::start(Script::new([Route::new("POST", "*", [attempt])])).await;
        let home = Home::new();
        home.config(&vertex(&lab, ""));
        let json = case.json();
        // Of Claude's tokens it is told in Anthropic's words.
        let model = if json["input_tokens"].is_u64() { "claude-opus-4-5" } else { "gemini-2.5-flash" };
        let told =
            home.run(&["tokens", "What is the capital of France?", "-m", &format!("vertex/{model}"), "--json"]).await;
        let told: Value = serde_json::from_str(&told.succeeded().stdout).unwrap();
        if case.status == 200 {
            let want = [&json["totalTokens"], &json["input_tokens"]].into_iter().find(|count| count.is_u64());
            assert_eq!((Some(&told["tokens"]), &told["exact"]), (want, &json!(true)), "{name}");
        } else {
            assert_eq!(told["exact"], false, "{name}");
        }
        let asked = &posted(&lab)[0];
        let method = |target: &str| target.rsplit(':').next().unwrap().to_owned();
        assert_eq!(method(asked.path()), method(case.target_path()), "{name}");
    }
    tell("vertex-count-tokens", &cases);
}

#[tokio::test]
async fn recorded_embeddings_come_through_the_program() {
    let cases = cases("vertex-embeddings");
    for case in &cases {
        let name = &case.name;
        let attempt = replay(&case.path).unwrap().attempt.always();
        let lab = ScriptedProvider::start(Script::new([Route::new("POST", "*", [attempt])])).await;
        let (config, model) = match place(case) {
            Some([project, region, model]) => {
                (format!("project = \"{project}\"\nregion = \"{region}\"\nkey = \"ya29.token\"\n"), model)
            }
            // A key alone, in the express mode.
            None => ("key = \"express-key\"\n".to_owned(), "gemini-embedding-001".to_owned()),
        };
        let home = Home::new();
        home.config(&format!("[providers.vertex]\nbase_url = \"{}\"\n{config}", lab.url()));
        let told = home.run(&["embed", "hello", "-m", &format!("vertex/{model}"), "--json"]).await;
        if case.status >= 400 {
            assert_ne!(told.code(), Some(0), "{name}");
        } else {
            let told: Value = serde_json::from_str(&told.succeeded().stdout).unwrap();
            let want = case.json()["embedding"]["values"].as_array().map(Vec::len);
            assert_eq!(told["embedding"].as_array().map(Vec::len), want, "{name}");
        }
        assert_eq!(posted(&lab)[0].path(), case.target_path(), "{name}");
    }
    tell("vertex-embeddings", &cases);
}
