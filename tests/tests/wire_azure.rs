//! Azure behind the built program: its three interfaces, scripted and recorded, asked for over OpenAI's chat completions.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cloud_support;
mod http_support;

use cloud_support::{Case, calls, cases, field, finish, tell};
use greenroom_tests::openai::{self, Answer};
use greenroom_tests::replay::replay;
use greenroom_tests::{Attempt, Recorded, Route, Script, ScriptedProvider, responses};
use http_support::{Greenroom, ask, ask_streamed, is_done, refusal, text, with};
use serde_json::{Value, json};

const V1: &str = "/openai/v1/chat/completions";

/// A resource at the scripted server, below this path, with more settings.
fn azure(scripted: &ScriptedProvider, path: &str, more: &str) -> String {
    let url = scripted.url();
    format!(
        "[providers.azure]\nbase_url = \"{url}{path}\"\nkey = \"azure-key\"\nmodels = {{ \"mine\" = {{}} }}\n{more}\n"
    )
}

/// A server that plays these attempts at whatever is posted, and lists base models.
async fn scripted<A: Into<Attempt>>(attempts: impl IntoIterator<Item = A>) -> ScriptedProvider {
    let base =
        |id: &str, chats: bool| json!({"id": id, "capabilities": {"chat_completion": chats, "embeddings": !chats}});
    let nothing = json!({"id": "whisper", "capabilities": {"chat_completion": false, "embeddings": false}});
    let list = json!({"data": [base("text-embedding-3-small", false), nothing, base("gpt-4.1", true)]});
    let models = Route::new("GET", "/openai/*", [Attempt::json(200, &list).always()]);
    ScriptedProvider::start(Script::new([models, Route::new("POST", "*", attempts)])).await
}

fn posted(scripted: &ScriptedProvider) -> Vec<Recorded> {
    scripted.requests().into_iter().filter(|request| request.method == "POST").collect()
}

#[tokio::test]
async fn a_deployment_is_asked_in_the_interface_without_dates() {
    let call = Answer::text(["Let me see."]).tool_call("call_1", "weather", ["{\"city\":", "\"Rome\"}"]);
    let lab = scripted([call.stream(), Answer::text(["Sunny."]).whole()]).await;
    let greenroom = Greenroom::start(&azure(&lab, "", "")).await;
    let tool = json!({"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}});
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}});
    let question = json!({"role": "user", "content": [{"type": "text", "text": "how is it?"}, image]});
    let system = json!({"role": "system", "content": "be brief"});
    let schema = json!({"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}});
    let body = json!({"messages": [system, question], "tools": [tool], "max_tokens": 50, "response_format": schema});
    let events = greenroom.api.events(&with(ask_streamed("azure/mine"), body.clone())).await;
    assert!(is_done(&events));
    assert_eq!((text(&events), finish(&events)), ("Let me see.".into(), Some("tool_calls".into())));
    assert_eq!(calls(&events), [["weather", "{\"city\":\"Rome\"}"]]);
    let whole = greenroom.api.chat(&with(ask("azure/mine"), body)).await.json();
    assert_eq!(whole["choices"][0]["message"]["content"], "Sunny.");

    let asked = posted(&lab);
    for request in &asked {
        assert_eq!(request.target, V1);
        let heads = ["api-key", "authorization", "content-type"].map(|name| request.header(name));
        assert_eq!(heads, [Some("azure-key"), None, Some("application/json")]);
    }
    let sent = asked[0].json();
    let told = ["model", "stream", "max_completion_tokens", "max_tokens"].map(|key| sent[key].clone());
    assert_eq!(told, [json!("mine"), json!(true), json!(50), Value::Null]);
    assert_eq!(
        (&sent["response_format"]["type"], &sent["tools"][0]["function"]["name"]),
        (&json!("json_schema"), &json!("weather"))
    );
    assert_eq!(sent["messages"][1]["content"][1]["image_url"]["url"], "data:image/png;base64,iVBORw0KGgo=");
    assert_eq!(sent["stream_options"], json!({"include_usage": true}));
}

#[tokio::test]
async fn a_date_puts_the_deployment_into_the_path_and_holds_back_what_came_after_it() {
    let lab = scripted([Answer::text(["hello"])]).await;
    let greenroom = Greenroom::start(&azure(&lab, "/openai/v1/", "api_version = \"2024-06-01\"")).await;
    let events = greenroom.api.events(&with(ask_streamed("azure/mine"), json!({"max_tokens": 50}))).await;
    assert_eq!(text(&events), "hello");
    let asked = &posted(&lab)[0];
    assert_eq!(asked.target, "/openai/deployments/mine/chat/completions?api-version=2024-06-01");
    let sent = asked.json();
    let told = ["max_tokens", "max_completion_tokens", "stream_options"].map(|key| sent[key].clone());
    assert_eq!(told, [json!(50), Value::Null, Value::Null]);
}

#[tokio::test]
async fn a_deployment_is_spoken_to_in_the_responses_api_where_that_is_said() {
    let lab = scripted([responses::Answer::text(["hello"])]).await;
    for (more, target) in [
        ("wire = \"responses\"", "/openai/v1/responses"),
        (
            "wire = \"responses\"\napi_version = \"2025-04-01-preview\"",
            "/openai/responses?api-version=2025-04-01-preview",
        ),
    ] {
        lab.reset();
        let greenroom = Greenroom::start(&azure(&lab, "", more)).await;
        assert_eq!(text(&greenroom.api.events(&ask_streamed("azure/mine")).await), "hello");
        let asked = &posted(&lab)[0];
        assert_eq!((asked.target.as_str(), asked.header("api-key")), (target, Some("azure-key")));
        let sent = asked.json();
        assert_eq!((&sent["model"], &sent["store"]), (&json!("mine"), &json!(false)));
    }
}

#[tokio::test]
async fn what_a_filter_says_reaches_a_client_of_the_same_wire() {
    let results = json!({"hate": {"filtered": false, "severity": "safe"}});
    let prompt = json!({"choices": [], "created": 0, "id": "", "model": "", "object": "",
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": results}]});
    let chunk =
        |choice: Value| json!({"id": "c-1", "object": "chat.completion.chunk", "model": "gpt", "choices": [choice]});
    // The asynchronous filter speaks after the text, in choices without a finish reason, and without a delta.
    let chunks = [
        prompt,
        chunk(json!({"index": 0, "delta": {"role": "assistant", "content": "he"}})),
        chunk(json!({"index": 0, "delta": {"content": "llo"}, "finish_reason": null})),
        chunk(json!({"index": 0, "content_filter_results": results, "content_filter_offsets": {"check_offset": 3}})),
        chunk(json!({"index": 0, "delta": {}, "finish_reason": "content_filter"})),
    ];
    let body: String = chunks.iter().map(|chunk| openai::data(&chunk.to_string())).collect();
    let stream =
        Attempt::new().status(200).header("content-type", "text/event-stream").body(body + &openai::data("[DONE]"));
    let lab = scripted([stream]).await;
    let greenroom = Greenroom::start(&azure(&lab, "", "")).await;
    let events = greenroom.api.events(&ask_streamed("azure/mine")).await;
    assert_eq!((text(&events), finish(&events).as_deref()), ("hello".into(), Some("content_filter")));
    let told: String = events.iter().map(|event| event.text().to_owned()).collect();
    assert!(told.contains("prompt_filter_results") && told.contains("content_filter_results"), "{told}");
}

#[tokio::test]
async fn each_failure_is_what_it_is_and_says_what_to_do() {
    let filtered = json!({"error": {"code": "content_filter", "message": "The response was filtered", "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"jailbreak": {"detected": true}}}}});
    let missing = json!({"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}});
    let key = json!({"error": {"code": "401", "message": "Access denied due to invalid subscription key."}});
    let limited = json!({"error": {"code": "429", "message": "exceeded call rate limit"}});
    let network = json!({"error": {"code": "403", "message": "Traffic is not from an approved private endpoint."}});
    let lab = scripted([Attempt::json(500, &json!({}))]).await;
    for (status, body, kind, hint) in [
        (400, filtered, "content_filter", "content filter"),
        (404, missing, "not_found", "name of its deployment"),
        (401, key, "auth", ""),
        (429, limited, "rate_limited", ""),
        (403, network, "permission", "network rules"),
    ] {
        lab.set_script(Script::new([Route::new(
            "POST",
            "*",
            [Attempt::json(status, &body).header("retry-after-ms", "90000").always()],
        )]));
        let home = greenroom_tests::harness::Home::new();
        home.config(&azure(&lab, "", ""));
        let failed = home.run(&["chat", "-m", "azure/mine", "--json", "hi"]).await;
        assert_ne!(failed.code(), Some(0), "{kind}");
        let told = failed.stdout.clone() + &failed.stderr;
        assert!(told.contains(kind) && told.contains(hint), "{kind}: {told}");
        assert!(!told.contains("azure-key"), "{told}");
    }
    let greenroom = Greenroom::start(&azure(&lab, "", "")).await;
    let (status, _, _) = refusal(&greenroom.api.chat(&ask("azure/mine")).await);
    assert_eq!(status, 403);
}

#[tokio::test]
async fn deployments_that_are_written_come_before_base_models() {
    let lab = scripted([Answer::text(["hello"])]).await;
    let greenroom = Greenroom::start(&azure(&lab, "", "")).await;
    let list = greenroom.api.get("/v1/models").await.json();
    let ids: Vec<&str> = list["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    let place = |id: &str| ids.iter().position(|one| *one == id).unwrap_or_else(|| panic!("{id}: {ids:?}"));
    assert!(place("azure/mine") < place("azure/gpt-4.1"), "{ids:?}");
    assert!(place("azure/gpt-4.1") < place("azure/text-embedding-3-small"), "{ids:?}");
    assert!(!ids.contains(&"azure/whisper"), "{ids:?}");
    let asked = lab.requests().into_iter().find(|request| request.method == "GET").unwrap();
    assert_eq!((asked.target.as_str(), asked.header("api-key")), ("/openai/v1/models", Some("azure-key")));
    // Nobody named a model.
    let events = greenroom.api.events(&ask_streamed("default")).await;
    assert_eq!(text(&events), "hello");
    assert_eq!(posted(&lab)[0].json()["model"], "mine");
}

#[tokio::test]
async fn texts_are_made_vectors_in_each_interface() {
    let made =
        json!({"object": "list", "data": [{"index": 0, "embedding": [0.5, -1.0]}], "usage": {"prompt_tokens": 2}});
    let lab = scripted([Attempt::json(200, &made).always()]).await;
    for (path, more, target) in [
        ("", "", "/openai/v1/embeddings"),
        ("", "api_version = \"2024-10-21\"", "/openai/deployments/mine/embeddings?api-version=2024-10-21"),
        ("/models", "", "/models/embeddings?api-version=2024-05-01-preview"),
    ] {
        lab.reset();
        let home = greenroom_tests::harness::Home::new();
        home.config(&azure(&lab, path, more));
        let told = home.run(&["embed", "hello", "-m", "azure/mine", "--json"]).await.succeeded().stdout;
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!((&told["embedding"], &told["tokens"]), (&json!([0.5, -1.0]), &json!(2)));
        let asked = &posted(&lab)[0];
        assert_eq!((asked.target.as_str(), asked.header("api-key")), (target, Some("azure-key")));
    }
}

#[tokio::test]
async fn what_is_no_answer_is_an_error_and_the_next_request_is_answered() {
    let huge = format!("data: {}\n\n", "x".repeat(40 << 20));
    let stream = |body: Vec<u8>| Attempt::new().status(200).header("content-type", "text/event-stream").body(body);
    let lab = scripted([Attempt::json(500, &json!({}))]).await;
    for (what, attempt) in [
        ("a page", Attempt::new().status(200).header("content-type", "text/html").body("<html>sign in</html>")),
        ("no JSON", stream(b"data: {\"choices\":[\n\n".to_vec())),
        ("no UTF-8", stream(b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\xff\xfe\"}}]}\n\n".to_vec())),
        ("numbers for words", stream(b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":7}}]}\n\n".to_vec())),
        ("a frame without end", stream(huge.into_bytes())),
        ("a cut", Answer::text(["a", "b"]).without_done().cut_after(1).stream()),
    ] {
        lab.set_script(Script::new([Route::new("POST", "*", [attempt.always()])]));
        let greenroom = Greenroom::start(&(azure(&lab, "", "") + http_support::ENDS_WHERE_CUT)).await;
        let response = greenroom.api.chat(&ask_streamed("azure/mine")).await;
        let told = response.text();
        assert!(told.contains("\"error\"") && !told.contains("[DONE]"), "{what}: {told}");
        lab.set_script(Script::new([Route::new("POST", "*", [Answer::text(["hello"])])]));
        assert_eq!(text(&greenroom.api.events(&ask_streamed("azure/other")).await), "hello", "{what}");
    }
}

/// The settings by which a recorded request is made again, and the model.
fn settings(case: &Case, lab: &ScriptedProvider) -> (String, String) {
    let path = case.target_path();
    let query = case.target.split_once("api-version=").map(|(_, version)| version.to_owned());
    // Where the version was not recorded, it was one of those that name the deployment in the path.
    let version = query.unwrap_or_else(|| "2025-01-01-preview".to_owned());
    let model = case.asked["model"].as_str().unwrap_or_default().to_owned();
    match path.strip_prefix("/openai/deployments/").and_then(|rest| rest.split_once('/')) {
        Some((deployment, _)) => (azure(lab, "", &format!("api_version = \"{version}\"")), deployment.to_owned()),
        None if path.starts_with("/models/") => (azure(lab, "/models", &format!("api_version = \"{version}\"")), model),
        None if path == "/openai/responses" => {
            (azure(lab, "", &format!("wire = \"responses\"\napi_version = \"{version}\"")), model)
        }
        None if path.ends_with("/responses") || path.is_empty() => {
            (azure(lab, "", "wire = \"responses\""), "m".to_owned())
        }
        None => (azure(lab, "/openai/v1", ""), model),
    }
}

/// What a recorded answer says, read in the simplest way: text, thinking, and the name of each call.
fn said(case: &Case) -> (String, String, Vec<String>) {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (mut text, mut thinking, mut calls) = (String::new(), String::new(), Vec::new());
    let chunks = if case.is_stream() { case.data() } else { vec![case.json()] };
    for chunk in chunks {
        match chunk["type"].as_str() {
            // Several answers to one conversation may stand behind one another.
            Some("response.completed" | "response.incomplete") => break,
            Some("response.output_text.delta") => text += &word(&chunk["delta"]),
            Some("response.reasoning_summary_text.delta") => thinking += &word(&chunk["delta"]),
            Some("response.output_item.done") if chunk["item"]["type"] == "function_call" => {
                calls.push(word(&chunk["item"]["name"]));
            }
            _ => {}
        }
        for choice in chunk["choices"].as_array().into_iter().flatten() {
            let message = if choice["message"].is_object() { &choice["message"] } else { &choice["delta"] };
            text += &word(&message["content"]);
            thinking += &word(&message["reasoning_content"]);
            let named =
                message["tool_calls"].as_array().into_iter().flatten().map(|call| word(&call["function"]["name"]));
            calls.extend(named.filter(|name| !name.is_empty()));
        }
    }
    (text, thinking, calls)
}

#[tokio::test]
async fn recorded_exchanges_come_through_the_program() {
    for api in ["azure-chat", "azure-responses"] {
        let cases = cases(api);
        for case in &cases {
            let name = &case.name;
            let lab = ScriptedProvider::start(Script::new([Route::new(
                "POST",
                "*",
                [replay(&case.path).unwrap().attempt.always()],
            )]))
            .await;
            let (config, model) = settings(case, &lab);
            let greenroom = Greenroom::start(&(config + http_support::ENDS_WHERE_CUT)).await;
            // What the client asked is asked again, where it was asked in the wire that it comes in by.
            let own =
                case.asked.as_object().filter(|asked| asked.contains_key("messages")).cloned().unwrap_or_default();
            let mut body = with(ask_streamed(&format!("azure/{model}")), Value::Object(own));
            (body["model"], body["stream"]) = (format!("azure/{model}").into(), true.into());
            let want = said(case);
            if case.status >= 400 {
                let response = greenroom.api.chat(&body).await;
                assert_eq!(response.status, case.status, "{name}");
                assert!(
                    response.status >= 400 && response.json()["error"]["message"].is_string(),
                    "{name}: {}",
                    response.text()
                );
            } else {
                let events = greenroom.api.events(&body).await;
                assert!(is_done(&events), "{name}");
                let names = calls(&events).into_iter().map(|[name, _]| name).collect();
                assert_eq!((text(&events), field(&events, "reasoning_content"), names), want, "{name}");
            }
            let asked = &posted(&lab)[0];
            assert_eq!(asked.header("api-key"), Some("azure-key"), "{name}");
            if !case.target.is_empty() {
                assert_eq!(asked.path(), case.target_path(), "{name}");
            }
            let sent = asked.json();
            let count = |body: &Value, key: &str| body[key].as_array().map_or(0, Vec::len);
            for key in ["messages", "tools"] {
                if case.asked["messages"].is_array() {
                    assert_eq!(count(&sent, key), count(&case.asked, key), "{name}: {key}");
                }
            }
        }
        tell(api, &cases);
    }
}

#[tokio::test]
async fn recorded_embeddings_come_through_the_program() {
    let cases = cases("azure-embeddings");
    for case in &cases {
        let name = &case.name;
        let lab = ScriptedProvider::start(Script::new([Route::new(
            "POST",
            "*",
            [replay(&case.path).unwrap().attempt.always()],
        )]))
        .await;
        let (config, model) = settings(case, &lab);
        let home = greenroom_tests::harness::Home::new();
        home.config(&config);
        let out = home.run(&["embed", "hello", "-m", &format!("azure/{model}"), "--json"]).await;
        if case.status >= 400 {
            assert_ne!(out.code(), Some(0), "{name}");
        } else {
            let told: Value = serde_json::from_str(&out.succeeded().stdout).unwrap();
            let want = case.json()["data"][0]["embedding"].as_array().map(Vec::len);
            assert_eq!(told["embedding"].as_array().map(Vec::len), want, "{name}");
        }
        assert_eq!(posted(&lab)[0].path(), case.target_path(), "{name}");
    }
    tell("azure-embeddings", &cases);
}

#[tokio::test]
async fn recorded_claude_at_azure_comes_through_the_kind_of_its_wire() {
    let cases = cases("azure-anthropic");
    for case in &cases {
        let name = &case.name;
        let lab = ScriptedProvider::start(Script::new([Route::new(
            "POST",
            "*",
            [replay(&case.path).unwrap().attempt.always()],
        )]))
        .await;
        let config = format!(
            "[providers.claude]\nkind = \"anthropic\"\nbase_url = \"{}/anthropic\"\nkey = \"azure-key\"\n",
            lab.url()
        );
        let greenroom = Greenroom::start(&config).await;
        let events = greenroom.api.events(&ask_streamed("claude/m")).await;
        let chunks = if case.is_stream() { case.data() } else { Vec::new() };
        let streamed: String = chunks.iter().filter_map(|chunk| chunk["delta"]["text"].as_str()).collect();
        let json = case.json();
        let blocks = json["content"].as_array().into_iter().flatten().filter_map(|block| block["text"].as_str());
        assert_eq!(text(&events), streamed + &blocks.collect::<String>(), "{name}");
        assert!(is_done(&events), "{name}");
        let asked = &posted(&lab)[0];
        assert_eq!((asked.target.as_str(), asked.header("x-api-key")), ("/anthropic/v1/messages", Some("azure-key")));
        assert_eq!(asked.header("anthropic-version"), Some("2023-06-01"));
    }
    tell("azure-anthropic", &cases);
}
