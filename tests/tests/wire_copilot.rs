//! GitHub Copilot behind the built program: recorded answers played back, its tokens, and what is asked.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod chat_support;
mod http_support;

use std::env;
use std::io::Write as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use chat_support::{replay_all, replay_responses};
use greenroom_tests::harness::Home;
use greenroom_tests::replay::{Pieces, replay_in};
use greenroom_tests::{Attempt, Recorded, Route, Script, ScriptedProvider, When, openai, responses};
use http_support::{Greenroom, ask, with};
use serde_json::{Value, json};

const CHAT: &str = "/chat/completions";
const EXCHANGE: &str = "/copilot_internal/v2/token";

fn config(lab: &ScriptedProvider, more: &str) -> String {
    format!("[providers.copilot]\nbase_url = \"{}\"\nkey = \"gho_person\"\n{more}", lab.url())
}

fn chats(lab: &ScriptedProvider) -> Vec<Recorded> {
    lab.requests().into_iter().filter(|request| request.path() == CHAT).collect()
}

#[tokio::test]
async fn recorded_answers_come_through_the_program() {
    // Written past the harness, which shows nothing of a test that passes.
    let say = |line: String| writeln!(std::io::stdout(), "{line}").unwrap();
    let Some(folder) = env::var_os("GREENROOM_RECORDINGS") else {
        return say("wire_copilot: passed over, since GREENROOM_RECORDINGS is not set".into());
    };
    let lab = http_support::scripted([openai::Answer::new()]).await;
    let greenroom = Greenroom::start(&config(&lab, http_support::ENDS_WHERE_CUT)).await;
    let played = replay_all(&greenroom, &lab, ("copilot", CHAT), &["copilot-chat"]).await;
    assert!(played > 0, "no recording was found");
    for request in chats(&lab) {
        assert_eq!(request.bearer(), Some("gho_person"));
        let version = concat!("greenroom/", env!("CARGO_PKG_VERSION"));
        assert_eq!((request.header("editor-version"), request.header("x-initiator")), (Some(version), Some("user")));
        assert!(request.header("x-request-id").is_some() && request.header("copilot-integration-id").is_none());
    }
    drop(greenroom);
    let greenroom = Greenroom::start(&config(&lab, "wire = \"responses\"\n")).await;
    let spoken = replay_responses(&greenroom, &lab, ("copilot", "/responses"), &["copilot-responses"]).await;
    assert!(spoken > 0, "no recording was found");
    drop(greenroom);

    let models = replay_in(Path::new(&folder).join("copilot-models/unary__llmcopilot.json"), Pieces::Whole).unwrap();
    let vectors = replay_in(Path::new(&folder).join("copilot-embeddings/unary__rig.json"), Pieces::Whole).unwrap();
    let routes = [
        Route::new("GET", "/models", [models.attempt.always()]),
        Route::new("POST", "/embeddings", [vectors.attempt.always()]),
    ];
    let lab = ScriptedProvider::start(Script::new(routes)).await;
    let home = Home::new();
    home.config(&config(&lab, ""));
    let models = home.run(&["models", "--json"]).await.succeeded().stdout;
    let mut lines = models.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let claude = lines.find(|model| model["id"] == "claude-3.7-sonnet").unwrap();
    assert_eq!((&claude["context"], &claude["tools"]), (&json!(200_000), &json!(true)), "{claude}");
    assert!(models.lines().next().unwrap().contains("\"gpt-4o\""), "the first is one that is offered: {models}");
    let one = home.run(&["embed", "hi", "-m", "copilot/text-embedding-3-small"]).await;
    assert!(one.stderr.contains("3 embeddings of 1"), "the recording has those of three texts: {}", one.stderr);
    say(format!("wire_copilot: {played} answers played"));
}

#[tokio::test]
async fn a_follow_up_is_the_agents_and_reasoning_goes_back_with_what_signs_it() {
    let delta = |delta: Value, finish: Value| json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
    let called = json!({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}], "reasoning_opaque": "sealed"});
    let chunks =
        [delta(json!({"reasoning_text": "hm", "content": null}), Value::Null), delta(called, json!("tool_calls"))];
    let lines: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    let calling =
        Attempt::new().status(200).header("content-type", "text/event-stream").body(lines + "data: [DONE]\n\n");
    let route = Route::new("POST", CHAT, [calling, openai::Answer::text(["done"]).into()]);
    let lab = ScriptedProvider::start(Script::new([route])).await;
    let more = "headers = { Editor-Version = \"mine/1\", Copilot-Integration-Id = \"my-program\" }\n";
    let greenroom = Greenroom::start(&config(&lab, more)).await;
    let tool = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    let picture = json!([{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]);
    let first = json!({"role": "user", "content": picture});
    let asked = with(ask("copilot/gemini-x"), json!({"tools": tool, "messages": [first]}));
    let message = greenroom.api.chat(&asked).await.json()["choices"][0]["message"].clone();
    assert_eq!(message["reasoning_opaque"], "sealed", "{message}");
    let next = json!([first, message, {"role": "tool", "tool_call_id": "call_1", "content": "1"}]);
    let done = greenroom.api.chat(&with(asked, json!({"messages": next}))).await.json();
    assert_eq!(done["choices"][0]["message"]["content"], "done", "{done}");
    let [one, two] = chats(&lab).try_into().unwrap();
    assert_eq!((one.header("x-initiator"), two.header("x-initiator")), (Some("user"), Some("agent")));
    assert_eq!(one.header("copilot-vision-request"), Some("true"));
    assert_eq!(
        (one.header("openai-intent"), one.header("editor-version")),
        (Some("conversation-agent"), Some("mine/1"))
    );
    assert_eq!(one.header("copilot-integration-id"), Some("my-program"));
    let said = &two.json()["messages"][1];
    assert_eq!((&said["reasoning_text"], &said["reasoning_opaque"]), (&json!("hm"), &json!("sealed")));
}

fn unix(seconds: u64) -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + seconds
}

#[tokio::test]
async fn a_github_token_is_exchanged_and_a_token_that_is_refused_is_exchanged_anew() {
    let lab = ScriptedProvider::start(Script::default()).await;
    let token = |name: &str| {
        let api = json!({"api": lab.url()});
        Attempt::json(200, &json!({"token": name, "expires_at": unix(1500), "refresh_in": 1500, "endpoints": api}))
    };
    let by = |bearer: &str, attempt: Attempt| Attempt {
        when: Some(When { bearer: Some(bearer.to_owned()), ..When::default() }),
        ..attempt.always()
    };
    let expired = Attempt::new()
        .status(401)
        .header("content-type", "text/plain")
        .body("IDE token expired: unauthorized: token expired\n");
    let chat = Route::new("POST", CHAT, [by("tid=1", expired), by("tid=2", openai::Answer::text(["hi"]).into())]);
    let exchange = Route::new("GET", EXCHANGE, [token("tid=1"), token("tid=2").always()]);
    let models = Route::new("GET", "/models", [Attempt::json(200, &json!({"data": [{"id": "m"}]})).always()]);
    lab.set_script(Script::new([chat, exchange, models]));
    // The address of the answers is said by the exchange alone.
    let config = format!(
        "[providers.copilot]\nkey = \"env:COPILOT_GITHUB_TOKEN\"\nexchange = true\nexchange_url = \"{}{EXCHANGE}\"\n",
        lab.url()
    );
    let mut home = Home::new();
    home.env("COPILOT_GITHUB_TOKEN", "gho_person");
    let greenroom = Greenroom::start_in(home, &config).await;
    let answered = greenroom.api.chat(&ask("copilot/m")).await;
    assert_eq!(answered.json()["choices"][0]["message"]["content"], "hi", "{}", answered.text());
    let exchanges: Vec<Recorded> = lab.requests().into_iter().filter(|request| request.path() == EXCHANGE).collect();
    assert_eq!(exchanges.len(), 2, "once at first, and once since the token was refused");
    assert_eq!(exchanges[0].header("authorization"), Some("token gho_person"));
    assert!(exchanges[0].header("editor-version").unwrap().starts_with("greenroom/"));
    assert!(chats(&lab).iter().all(|request| request.bearer() != Some("gho_person")));
}

#[tokio::test]
async fn a_github_token_that_is_no_good_says_what_to_do() {
    let refusal = Attempt::json(401, &json!({"message": "Bad credentials"})).always();
    let lab = ScriptedProvider::start(Script::new([Route::new("GET", EXCHANGE, [refusal])])).await;
    let home = Home::new();
    home.config(&format!(
        "[providers.copilot]\nkey = \"gho_person\"\nexchange = true\nexchange_url = \"{}{EXCHANGE}\"\n",
        lab.url()
    ));
    let refused = home.run(&["chat", "-m", "copilot/m", "hi"]).await;
    assert_eq!(refused.code(), Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("GitHub") && !refused.stderr.contains("gho_person"), "{}", refused.stderr);
}

#[tokio::test]
async fn a_model_is_asked_in_the_language_that_it_is_listed_with() {
    let list = json!({"data": [
        {"id": "of-responses", "supported_endpoints": ["/responses"], "capabilities": {"type": "chat"}},
        {"id": "of-chat", "supported_endpoints": ["/chat/completions", "/responses"], "capabilities": {"type": "chat"}},
    ]});
    let response = responses::Answer::text(["by responses"]).stream();
    let routes = [
        Route::new("GET", "/models", [Attempt::json(200, &list).always()]),
        Route::new("POST", CHAT, [Attempt::from(openai::Answer::text(["by chat"])).always()]),
        Route::new("POST", "/responses", [response.always()]),
    ];
    let lab = ScriptedProvider::start(Script::new(routes)).await;
    let greenroom = Greenroom::start(&config(&lab, "")).await;
    let said =
        async |model: &str| greenroom.api.chat(&ask(model)).await.json()["choices"][0]["message"]["content"].clone();
    let _listed = greenroom.api.get("/v1/models").await;
    assert_eq!(said("copilot/of-responses").await, "by responses");
    assert_eq!(said("copilot/of-chat").await, "by chat");
}

#[tokio::test]
async fn a_model_whose_terms_nobody_accepted_says_so_and_is_enabled_only_where_that_is_configured() {
    let entry =
        |state: &str| json!({"data": [{"id": "m", "policy": {"state": state, "terms": "Enable access to M."}}]});
    let refusal = openai::error(
        400,
        "invalid_request_error",
        Some("model_not_supported"),
        "The requested model is not supported.",
    );
    let script = |enabled: Attempt| {
        Script::new([
            Route::new("GET", "/models", [Attempt::json(200, &entry("unconfigured")).always()]),
            Route::new("POST", "/models/m/policy", [Attempt::json(200, &json!({"state": "enabled"})).always()]),
            Route::new("POST", CHAT, [refusal.clone(), enabled]),
        ])
    };
    let lab = ScriptedProvider::start(script(refusal.clone().always())).await;
    let greenroom = Greenroom::start(&config(&lab, "")).await;
    let refused = greenroom.api.chat(&ask("copilot/m")).await;
    assert!(
        refused.text().contains("Enable access to M.") && refused.text().contains("enable_models"),
        "{}",
        refused.text()
    );
    assert!(!lab.requests().iter().any(|request| request.path().ends_with("/policy")), "nobody asked for that");
    drop(greenroom);

    let lab = ScriptedProvider::start(script(openai::Answer::text(["hi"]).into())).await;
    let greenroom = Greenroom::start(&config(&lab, "enable_models = true\n")).await;
    let answered = greenroom.api.chat(&ask("copilot/m")).await;
    assert_eq!(answered.json()["choices"][0]["message"]["content"], "hi", "{}", answered.text());
    let accepted = lab.requests().into_iter().find(|request| request.path().ends_with("/policy")).unwrap();
    assert_eq!((accepted.json(), accepted.bearer()), (json!({"state": "enabled"}), Some("gho_person")));
}
