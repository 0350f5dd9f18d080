//! What clients are told when there is no answer.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;

use std::time::Duration;

use greenroom_tests::client::{self, Connection, Response};
use greenroom_tests::harness::{Home, Signal};
use greenroom_tests::openai::{self, Answer};
use greenroom_tests::{Attempt, ScriptedProvider};
use http_support::{
    Api, CHAT, Greenroom, LIMIT, ask, ask_streamed, chats_asked, is_done, last_error, message, provider, provider_at,
    refusal, scripted, text, with,
};
use serde_json::{Value, json};

/// Providers fail at once: nothing is waited for.
const AT_ONCE: &str = "[failover]\nmax_wait = \"0s\"\n";

async fn post(api: &Api, content_type: Option<&str>, body: &[u8]) -> Response {
    let bearer = format!("Bearer {}", api.token);
    let mut headers = vec![("authorization", bearer.as_str())];
    headers.extend(content_type.map(|kind| ("content-type", kind)));
    client::request(&api.url, "POST", CHAT, &headers, body).await.unwrap()
}

#[tokio::test]
async fn a_wrong_body_is_told_where_it_is_wrong() {
    let lab = scripted([Answer::text(["a"])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let cases: &[(&str, &str, Value)] = &[
        ("", "has no body", Value::Null),
        ("{\"model\": \"m1\",\n  oops}", "line 2, column 3", Value::Null),
        ("{\"model\": \"m1\"", "line 1, column 14", Value::Null),
        ("[1]", "must be a JSON object", Value::Null),
        ("{\"messages\": []}", "'model'", "model".into()),
        ("{\"model\": 3, \"messages\": []}", "'model' must be a string", "model".into()),
        ("{\"model\": \"m1\"}", "'messages'", "messages".into()),
        ("{\"model\": \"m1\", \"messages\": []}", "must not be empty", "messages".into()),
        (
            r#"{"model":"m1","messages":[{"role":"user","content":"a"}],"temperature":"hot"}"#,
            "number",
            "temperature".into(),
        ),
        (r#"{"model":"m1","messages":[{"role":"user","content":"a"}],"n":0}"#, "between 1", "n".into()),
        (r#"{"model":"m1","messages":[{"role":"user","content":"a"}],"stream":"yes"}"#, "boolean", "stream".into()),
        (
            r#"{"model":"m1","messages":[{"role":"user","content":[{"type":"text"}]}]}"#,
            "text",
            "messages[0].content[0].text".into(),
        ),
    ];
    for (body, told, param) in cases {
        let response = post(&greenroom.api, Some("application/json"), body.as_bytes()).await;
        assert_eq!((response.status, &response.json()["error"]["param"]), (400, param), "{body}: {}", response.text());
        assert_eq!(response.json()["error"]["type"], "invalid_request_error");
        assert!(message(&response).contains(told), "{body}: {}", response.text());
    }
    assert_eq!(chats_asked(&lab).len(), 0);
    for kind in [None, Some("text/plain"), Some("application/json; charset=utf-8")] {
        let response = post(&greenroom.api, kind, ask("m1").to_string().as_bytes()).await;
        assert_eq!(response.status, 200, "{kind:?}: {}", response.text());
    }
}

#[tokio::test]
async fn an_unknown_model_is_told_with_what_may_have_been_meant() {
    let lab = scripted([Answer::text(["a"])]).await;
    let config = format!("{}[models.aliases]\nsmart = \"lab/m1\"\n", provider("lab", &lab));
    let greenroom = Greenroom::start(&config).await;
    for (model, told) in [("smrat", "did you mean \"smart\""), ("zzz", "smart, lab/m1, lab/m2"), ("lap/m1", "lab/m1")] {
        for body in [ask(model), ask_streamed(model)] {
            let response = greenroom.api.chat(&body).await;
            let want = (404, "invalid_request_error".to_owned(), "model_not_found".to_owned());
            assert_eq!(refusal(&response), want, "{}", response.text());
            let message = message(&response);
            assert!(message.contains(&format!("{model:?}; ")) && message.contains(told), "{message}");
        }
    }
}

/// A provider's attempt, and what the client is told: status, type, code, and a part of the message.
type Case = (Attempt, u16, &'static str, &'static str, &'static str);

fn cases() -> Vec<Case> {
    let error = openai::error;
    let html = || Attempt::new().status(200).header("content-type", "text/html").body("<html><h1>Sign in</h1></html>");
    vec![
        (
            error(401, "invalid_request_error", Some("invalid_api_key"), "bad key"),
            401,
            "authentication_error",
            "invalid_api_key",
            "",
        ),
        (error(403, "permission_error", None, "not you"), 403, "permission_error", "permission_denied", ""),
        (
            error(429, "rate_limit_error", Some("rate_limit_exceeded"), "slow down").header("retry-after", "7"),
            429,
            "rate_limit_error",
            "rate_limit_exceeded",
            "",
        ),
        (
            error(429, "insufficient_quota", Some("insufficient_quota"), "no money"),
            429,
            "insufficient_quota",
            "insufficient_quota",
            "",
        ),
        (
            error(404, "invalid_request_error", Some("model_not_found"), "no such model"),
            404,
            "invalid_request_error",
            "model_not_found",
            "",
        ),
        (
            error(400, "invalid_request_error", Some("bad_tool"), "the tool is bad"),
            400,
            "invalid_request_error",
            "bad_tool",
            "the tool is bad",
        ),
        (
            error(400, "invalid_request_error", Some("context_length_exceeded"), "too long"),
            400,
            "invalid_request_error",
            "context_length_exceeded",
            "",
        ),
        (error(500, "server_error", None, "oops"), 502, "server_error", "provider_failed", ""),
        (error(503, "server_error", None, "busy"), 503, "overloaded_error", "overloaded", ""),
        (Attempt::reset_at_once(), 502, "server_error", "provider_unreachable", ""),
        (html(), 502, "server_error", "provider_broke_off", ""),
        (Answer::text(["a"]).cut_after(0).stream(), 502, "server_error", "provider_broke_off", ""),
        (
            error(500, "server_error", None, "oops").header("x-should-retry", "false"),
            502,
            "server_error",
            "provider_failed",
            "",
        ),
    ]
}

#[tokio::test]
async fn each_failure_of_a_provider_has_its_status() {
    let mut labs = Vec::new();
    let mut config = AT_ONCE.to_owned();
    for (place, (attempt, ..)) in cases().into_iter().enumerate() {
        for way in ["whole", "streamed"] {
            let lab = scripted([attempt.clone().always()]).await;
            config += &provider(&format!("{way}{place}"), &lab);
            labs.push(lab);
        }
    }
    config += &provider_at("refusing", "http://127.0.0.1:1");
    let greenroom = Greenroom::start(&config).await;
    for (place, (_, status, kind, code, told)) in cases().into_iter().enumerate() {
        for body in [ask(&format!("whole{place}/m1")), ask_streamed(&format!("streamed{place}/m1"))] {
            let response = greenroom.api.chat(&body).await;
            let want = (status, kind.to_owned(), code.to_owned());
            assert_eq!(refusal(&response), want, "case {place}: {}", response.text());
            assert!(message(&response).contains(told), "case {place}: {}", response.text());
            let model = body["model"].as_str().unwrap();
            let way = (response.header("x-greenroom-provider"), response.header("x-greenroom-model"));
            assert_eq!(way, (model.strip_suffix("/m1"), Some("m1")));
            assert_eq!(response.header("x-greenroom-attempts"), Some("1"));
            let no_more = (code == "insufficient_quota").then_some("false");
            assert_eq!(response.header("x-should-retry"), no_more, "case {place}");
            if code == "rate_limit_exceeded" {
                assert_eq!(response.header("retry-after"), Some("7"));
            }
        }
    }
    let response = greenroom.api.chat(&ask("refusing/m1")).await;
    assert_eq!(refusal(&response), (502, "server_error".to_owned(), "provider_unreachable".to_owned()));
}

#[tokio::test]
async fn an_answer_that_breaks_off_keeps_its_text_and_ends_with_an_error() {
    let pace = Duration::from_millis(30);
    let broken = [
        Answer::text(["Hel", "lo", "!"]).pace(pace).cut_after(2),
        Answer::text(["Hel", "lo", "!"]).pace(pace).reset_after(2),
        Answer::text(["Hel", "lo", "!"]).pace(pace).error_after(2, "server_error", None, "oops"),
    ];
    for answer in broken {
        let lab = scripted([answer.clone()]).await;
        let greenroom = Greenroom::start(&format!("{AT_ONCE}{}", provider("lab", &lab))).await;
        let events = greenroom.api.events(&ask_streamed("lab/m1")).await;
        assert_eq!(text(&events), "Hello", "{answer:?}");
        assert!(!is_done(&events), "{events:?}");
        let error = last_error(&events);
        assert!(error["message"].is_string() && error["type"] == "server_error", "{answer:?}: {error}");
        let whole = greenroom.api.chat(&ask("lab/m1")).await;
        assert_eq!(whole.status, 502, "half an answer is none: {}", whole.text());
    }
}

/// What every place where the program speaks is searched for.
const SENTINEL: &str = "sk-sentinel-0f9e8d7c6b5a4321";

#[tokio::test]
async fn no_secret_comes_out() {
    let echo = |status| openai::error(status, "invalid_request_error", None, &format!("incorrect API key: {SENTINEL}"));
    let midway = Answer::text(["a", "b"]).error_after(1, "server_error", None, &format!("key {SENTINEL} expired"));
    let html = Attempt::new().status(502).header("content-type", "text/html").body(format!("<h1>{SENTINEL}</h1>"));
    let attempts = [echo(401), echo(400), echo(429), echo(500), html, midway.stream()];
    let mut config = AT_ONCE.to_owned();
    let mut labs: Vec<ScriptedProvider> = Vec::new();
    for (place, attempt) in attempts.iter().enumerate() {
        let lab = scripted([attempt.clone().always()]).await;
        let (name, url) = (format!("p{place}"), lab.url());
        config +=
            &format!("[providers.{name}]\nkind = \"openai-compatible\"\nbase_url = \"{url}/v1\"\nkey = \"env:KEY\"\n");
        labs.push(lab);
    }
    let mut home = Home::new();
    home.env("KEY", SENTINEL).env("GREENROOM_LOG", "trace");
    let mut greenroom = Greenroom::start_in(home, &config).await;
    let token = greenroom.api.token.clone();
    let mut said = String::new();
    for place in 0..attempts.len() {
        for body in [ask(&format!("p{place}/m1")), ask_streamed(&format!("p{place}/m1"))] {
            let response = greenroom.api.chat(&body).await;
            said += &format!("{:?}\n{}\n", response.headers, response.text());
        }
    }
    for lab in &labs {
        assert_eq!(chats_asked(lab)[0].bearer(), Some(SENTINEL), "the key was really used");
    }
    let wrong = client::post_json(&greenroom.api.url, CHAT, Some(&format!("{token}x")), &ask("p0/m1")).await.unwrap();
    said += &wrong.text();
    for path in ["/v1/models", "/readyz", "/nothing"] {
        said += &greenroom.api.get(path).await.text();
    }
    greenroom.daemon.signal(Signal::TERM);
    greenroom.daemon.wait(LIMIT).await;
    said += &greenroom.daemon.output();
    assert!(said.contains("incorrect API key"), "what is looked through has the provider's words in it");
    assert!(said.contains("an attempt failed") && said.contains("POST /v1/chat/completions"), "and the log: {said}");
    for secret in [SENTINEL, token.as_str()] {
        let at = said.find(secret).map(|at| &said[at.saturating_sub(300)..at]);
        assert_eq!(at, None, "a secret follows upon this");
    }
}

#[tokio::test]
async fn a_request_that_breaks_off_asks_nobody() {
    let lab = scripted([Answer::text(["a"])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let mut connection = Connection::open(&greenroom.api.url).await.unwrap();
    let bearer = format!("Bearer {}", greenroom.api.token);
    let headers = [("authorization", bearer.as_str()), ("content-length", "1000")];
    connection.send("POST", CHAT, &headers, b"{\"model\":").await.unwrap();
    connection.finish_sending().await.unwrap();
    let (bytes, _) = connection.rest().await;
    let said = String::from_utf8(bytes).unwrap();
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 400"), "{said}");
    let next = greenroom.api.chat(&with(ask("m1"), json!({"user": "next"}))).await;
    assert_eq!(next.status, 200);
    assert_eq!(chats_asked(&lab).len(), 1);
}
