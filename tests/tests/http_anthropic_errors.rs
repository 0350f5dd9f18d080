//! What clients of `POST /v1/messages` are told when there is no answer, or when it takes its time.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod anthropic_support;
mod http_support;
#[path = "http_support/local.rs"]
mod local;

use std::time::{Duration, Instant};

use anthropic_support::{ask, ask_streamed, asked, claude, claude_called, is_done, refusal, text};
use greenroom_tests::anthropic::{self, Answer, MESSAGES};
use greenroom_tests::client::{self, Response};
use greenroom_tests::{Attempt, openai};
use http_support::{ENDS_WHERE_CUT, Greenroom, provider, until};
use local::Local;
use serde_json::{Value, json};

/// Providers fail at once: nothing is waited for.
const AT_ONCE: &str = "[failover]\nmax_wait = \"0s\"\n";
const PROMPT: Duration = Duration::from_millis(100);
/// Machines that run tests are busy: the time is met if it is met once in so many measurements.
const MEASUREMENTS: u32 = 3;

async fn post(greenroom: &Greenroom, path: &str, body: &[u8]) -> Response {
    let headers = [("x-api-key", greenroom.api.token.as_str())];
    client::request(&greenroom.api.url, "POST", path, &headers, body).await.unwrap()
}

#[tokio::test]
async fn a_wrong_body_is_told_where_it_is_wrong() {
    let lab = anthropic_support::scripted([Answer::text(["a"])]).await;
    let greenroom = Greenroom::start(&claude(&lab)).await;
    let cases = [
        ("", "has no body"),
        ("{\"model\": \"m\",\n  oops}", "line 2, column 3"),
        ("[1]", "must be a JSON object"),
        (r#"{"max_tokens":1,"messages":[]}"#, "'model'"),
        (r#"{"model":"m","max_tokens":1}"#, "'messages'"),
        (r#"{"model":"m","max_tokens":1,"messages":[]}"#, "must not be empty"),
        (r#"{"model":"m","messages":[{"role":"user","content":"a"}]}"#, "'max_tokens'"),
        (r#"{"model":"m","max_tokens":"many","messages":[{"role":"user","content":"a"}]}"#, "max_tokens"),
        (r#"{"model":"m","max_tokens":1,"messages":[{"role":"tool","content":"a"}]}"#, "'messages.0.role'"),
        (
            r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text"}]}]}"#,
            "messages.0.content.0.text",
        ),
    ];
    for (body, told) in cases {
        let (status, kind, message) = refusal(&post(&greenroom, MESSAGES, body.as_bytes()).await);
        assert_eq!((status, kind.as_str()), (400, "invalid_request_error"), "{body}");
        assert!(message.contains(told), "{body}: {message}");
    }
    assert_eq!(asked(&lab).len(), 0);
    // The version of the API is no condition.
    let body = ask("claude/m").to_string();
    assert_eq!(post(&greenroom, MESSAGES, body.as_bytes()).await.status, 200);
}

#[tokio::test]
async fn who_is_not_let_in_is_told_so_in_the_words_of_this_api() {
    let lab = anthropic_support::scripted([Answer::text(["a"])]).await;
    let greenroom = Greenroom::start(&format!("[server]\nmax_body = \"1KiB\"\n{}", claude(&lab))).await;
    let url = &greenroom.api.url;
    let body = ask("claude/m").to_string();
    let with = |headers: Vec<(&'static str, String)>, path: &'static str, body: String| async move {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        refusal(&client::request(url, "POST", path, &headers, body.as_bytes()).await.unwrap())
    };
    let token = || ("authorization", format!("Bearer {}", greenroom.api.token));
    let wrong = || ("x-api-key", "wrong".to_owned());
    let (status, kind, message) = with(vec![wrong()], MESSAGES, body.clone()).await;
    assert_eq!((status, kind.as_str()), (401, "authentication_error"));
    assert!(message.contains("greenroom auth token"), "{message}");
    let (status, kind, _) = with(vec![], MESSAGES, body.clone()).await;
    assert_eq!((status, kind.as_str()), (401, "authentication_error"));
    let foreign = ("origin", "https://evil.example".to_owned());
    let (status, kind, _) = with(vec![token(), foreign], MESSAGES, body.clone()).await;
    assert_eq!((status, kind.as_str()), (403, "permission_error"));
    let (status, kind, _) = with(vec![token()], MESSAGES, format!("{body}{}", " ".repeat(2000))).await;
    assert_eq!((status, kind.as_str()), (413, "request_too_large"));
    let (status, kind, _) = with(vec![token()], "/v1/messages/batches", body.clone()).await;
    assert_eq!((status, kind.as_str()), (404, "not_found_error"));
    let headers = [("x-api-key", greenroom.api.token.as_str())];
    let (status, kind, _) = refusal(&client::request(url, "GET", MESSAGES, &headers, b"").await.unwrap());
    assert_eq!((status, kind.as_str()), (405, "invalid_request_error"));
}

#[tokio::test]
async fn a_client_with_bounds_is_told_of_them_in_the_words_of_this_api() {
    let lab = anthropic_support::scripted([Answer::text(["a"])]).await;
    let greenroom = Greenroom::start(&claude(&lab)).await;
    let bounds = json!({"name": "narrow", "models": ["claude/n"], "requests_per_minute": 1});
    let made =
        client::post_json(&greenroom.api.url, "/api/clients", Some(&greenroom.api.token), &bounds).await.unwrap();
    let token = made.json()["token"].as_str().unwrap().to_owned();
    let narrow = http_support::Api { token, ..greenroom.api.clone() };
    let (status, kind, message) = refusal(&narrow.message(&ask("claude/m")).await);
    assert_eq!((status, kind.as_str()), (403, "permission_error"));
    assert!(message.contains("claude/n"), "{message}");
    let response = narrow.message(&ask("claude/n")).await;
    let (status, kind, _) = refusal(&response);
    assert_eq!((status, kind.as_str()), (429, "rate_limit_error"));
    assert!(response.header("retry-after").is_some_and(|wait| wait.parse::<u64>().is_ok_and(|wait| wait > 0)));
}

#[tokio::test]
async fn each_failure_of_a_provider_has_the_status_by_which_clients_choose_what_to_do() {
    let theirs = |status, kind: &str, message: &str| anthropic::error(status, kind, message).always();
    let others = |status, kind: &str, code, message: &str| openai::error(status, kind, code, message).always();
    // Of this wire, whether it is another, and what the client is told: status, type, and words.
    let cases: Vec<(Attempt, bool, u16, &str, &str)> = vec![
        (theirs(401, "authentication_error", "invalid x-api-key"), true, 401, "authentication_error", ""),
        (theirs(402, "billing_error", "no credit"), true, 402, "billing_error", ""),
        (theirs(403, "permission_error", "not you"), true, 403, "permission_error", ""),
        (theirs(404, "not_found_error", "model: m"), true, 404, "not_found_error", ""),
        (theirs(429, "rate_limit_error", "slow down").header("retry-after", "7"), true, 429, "rate_limit_error", ""),
        (theirs(500, "api_error", "oops"), true, 500, "api_error", ""),
        (theirs(529, "overloaded_error", "too busy"), true, 529, "overloaded_error", ""),
        (
            theirs(400, "invalid_request_error", "the tool is bad"),
            true,
            400,
            "invalid_request_error",
            "the tool is bad",
        ),
        (
            theirs(400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"),
            true,
            400,
            "invalid_request_error",
            "prompt is too long: 9 tokens > 8 maximum",
        ),
        (
            others(400, "invalid_request_error", Some("context_length_exceeded"), "the context is full"),
            false,
            400,
            "invalid_request_error",
            "prompt is too long: ",
        ),
        (others(401, "x", Some("invalid_api_key"), "bad key"), false, 401, "authentication_error", ""),
        (others(503, "server_error", None, "busy"), false, 529, "overloaded_error", ""),
        (others(429, "x", Some("insufficient_quota"), "no money"), false, 402, "billing_error", ""),
        (Attempt::reset_at_once().always(), false, 502, "api_error", ""),
    ];
    let mut config = AT_ONCE.to_owned();
    let mut labs = Vec::new();
    for (place, (attempt, is_theirs, ..)) in cases.iter().enumerate() {
        for way in ["whole", "streamed"] {
            let name = format!("{way}{place}");
            let lab = match is_theirs {
                true => anthropic_support::scripted([attempt.clone()]).await,
                false => http_support::scripted([attempt.clone()]).await,
            };
            config += &if *is_theirs { claude_called(&name, &lab) } else { provider(&name, &lab) };
            labs.push(lab);
        }
    }
    let greenroom = Greenroom::start(&config).await;
    for (place, (_, _, status, kind, told)) in cases.iter().enumerate() {
        for body in [ask(&format!("whole{place}/m")), ask_streamed(&format!("streamed{place}/m"))] {
            let response = greenroom.api.message(&body).await;
            let (got, word, message) = refusal(&response);
            assert_eq!((got, word.as_str()), (*status, *kind), "case {place}: {message}");
            assert!(message.contains(told), "case {place}: {message}");
            if *status == 429 {
                assert_eq!(response.header("retry-after"), Some("7"));
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_ends_with_an_error_and_never_as_if_it_were_whole() {
    let theirs = Answer::text(["Hel", "lo", "!"]).error_after(2, "overloaded_error", "too busy").stream().always();
    let others = openai::Answer::text(["Hel", "lo", "!"]).cut_after(2).stream().always();
    let (theirs, others) = (anthropic_support::scripted([theirs]).await, http_support::scripted([others]).await);
    let greenroom = Greenroom::start(&[ENDS_WHERE_CUT, &claude(&theirs), &provider("lab", &others)].concat()).await;
    for (model, kind) in [("claude/m", "overloaded_error"), ("lab/m1", "api_error")] {
        let events = greenroom.api.message_events(&ask_streamed(model)).await;
        assert_eq!(text(&events), "Hello");
        let last = events.last().unwrap();
        assert_eq!((last.event.as_deref(), &last.json()["error"]["type"]), (Some("error"), &json!(kind)), "{events:?}");
        assert!(last.json()["request_id"].as_str().is_some_and(|id| id.starts_with("req_")));
        assert!(!events.iter().any(|event| event.event.as_deref() == Some("message_stop")));
        let (status, ..) = refusal(&greenroom.api.message(&ask(model)).await);
        assert!(status >= 500, "half an answer is none");
    }
}

#[tokio::test]
async fn a_client_that_leaves_cancels_what_it_asked_for() {
    let lab = anthropic_support::scripted([Answer::text(["Hel", "lo", "!"]).stall_after(2).stream().always()]).await;
    let greenroom = Greenroom::start(&claude(&lab)).await;
    for body in [ask_streamed("claude/m"), ask("claude/m")] {
        let mut took = Duration::MAX;
        for _ in 0..MEASUREMENTS {
            let before = lab.stats().route(MESSAGES);
            let mut connection = greenroom.api.begin_message(MESSAGES, &body, &[]).await;
            until(&lab, |stats| stats.route(MESSAGES).open == 1).await;
            let mut events = Vec::new();
            if body["stream"] == true {
                assert_eq!(connection.head().await.unwrap().status, 200);
            }
            while body["stream"] == true && text(&events) != "Hello" {
                events.push(connection.event().await.unwrap().unwrap());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            let left = Instant::now();
            drop(connection);
            let stats = until(&lab, |stats| stats.route(MESSAGES).cancelled > before.cancelled).await;
            let route = stats.route(MESSAGES);
            assert_eq!((route.open, route.requests), (0, before.requests + 1), "nothing is asked for anew");
            took = took.min(route.cancels.last().unwrap().at.saturating_duration_since(left));
            if took <= PROMPT {
                break;
            }
        }
        assert!(took <= PROMPT, "it took {took:?}");
    }
}

#[tokio::test]
async fn a_client_that_only_reads_slowly_gets_everything() {
    let piece = "x".repeat(50_000);
    let lab = anthropic_support::scripted([Answer::text(vec![piece.as_str(); 100])]).await;
    let greenroom = Greenroom::start(&claude(&lab)).await;
    let mut connection = greenroom.api.begin_message(MESSAGES, &ask_streamed("claude/m"), &[]).await;
    connection.head().await.unwrap();
    // Until then nothing more is read, far longer than the sockets between have room for.
    until(&lab, |stats| stats.route(MESSAGES).completed == 1).await;
    let events = http_support::events(&mut connection).await;
    assert_eq!(text(&events).len(), 100 * piece.len());
    assert!(is_done(&events));
}

#[tokio::test]
async fn a_silent_model_is_answered_for_by_pings() {
    const BEAT: Duration = Duration::from_millis(400);
    let lab = http_support::scripted([openai::Answer::text(["late"]).first_token_after(4 * BEAT)]).await;
    let local = Local::start(&provider("lab", &lab), BEAT, Duration::from_secs(5)).await;
    let events = local.api.message_events(&ask_streamed("m1")).await;
    let names: Vec<_> = events.iter().map(|event| event.event.as_deref().unwrap()).collect();
    let start = names.iter().position(|name| *name == "message_start").unwrap();
    assert!(start >= 1 && names[..start].iter().all(|name| *name == "ping"), "{names:?}");
    assert_eq!(events[0].json(), json!({"type": "ping"}));
    assert_eq!(text(&events), "late");
    assert!(is_done(&events));

    let refused = openai::error(400, "invalid_request_error", None, "no such thing").delayed(2 * BEAT);
    let lab = http_support::scripted([refused]).await;
    let local = Local::start(&provider("lab", &lab), BEAT, Duration::from_secs(5)).await;
    let events = local.api.message_events(&ask_streamed("m1")).await;
    let last: Value = events.last().unwrap().json();
    assert_eq!((&last["type"], &last["error"]["type"]), (&json!("error"), &json!("invalid_request_error")));
}
