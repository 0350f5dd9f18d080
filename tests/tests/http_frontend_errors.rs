//! How each frontend tells each failure of a provider: by status, headers and the words by which the libraries of its API
//! choose their exceptions, and whether they try again.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod frontend_support;
mod http_support;

use std::time::Duration;

use frontend_support::{ALL, ANSWERING, EMBEDDINGS, Frontend};
use greenroom_tests::client::Response;
use greenroom_tests::openai::{self, Answer};
use greenroom_tests::{Attempt, Route, Script, ScriptedProvider};
use http_support::{ENDS_WHERE_CUT, Greenroom, events, provider, provider_at};
use serde_json::{Value, json};

/// Providers fail at once: nothing is waited for.
const AT_ONCE: &str = "[failover]\nmax_wait = \"0s\"\n";

/// What a client of OpenAI's is told: status, type, code; and one of Anthropic's: status, type.
type Told = ((u16, &'static str, &'static str), (u16, &'static str));

/// A failure of a provider.
struct Row {
    what: &'static str,
    attempt: Attempt,
    told: Told,
    /// Seconds after which a client is to try again.
    retry_after: Option<&'static str>,
    /// Words that clients look for, OpenAI's and Anthropic's.
    words: [&'static str; 2],
}

fn row(what: &'static str, attempt: Attempt, told: Told) -> Row {
    Row { what, attempt, told, retry_after: None, words: [""; 2] }
}

fn table() -> Vec<Row> {
    let error = |status, kind: &str, code| openai::error(status, kind, code, "it went wrong");
    let malformed = Attempt::new().status(200).header("content-type", "application/json").body("{\"choices\": [");
    vec![
        Row {
            retry_after: Some("7"),
            ..row(
                "429",
                error(429, "rate_limit_error", Some("rate_limit_exceeded")).header("retry-after", "7"),
                ((429, "rate_limit_error", "rate_limit_exceeded"), (429, "rate_limit_error")),
            )
        },
        Row {
            retry_after: Some("9"),
            ..row(
                "503",
                error(503, "server_error", None).header("retry-after", "9"),
                ((503, "overloaded_error", "overloaded"), (529, "overloaded_error")),
            )
        },
        row(
            "529",
            error(529, "overloaded_error", None),
            ((503, "overloaded_error", "overloaded"), (529, "overloaded_error")),
        ),
        Row {
            words: ["", "prompt is too long"],
            ..row(
                "400, which the window does not hold",
                error(400, "invalid_request_error", Some("context_length_exceeded")),
                ((400, "invalid_request_error", "context_length_exceeded"), (400, "invalid_request_error")),
            )
        },
        Row {
            // Its only key is left alone for so long.
            retry_after: Some("30"),
            ..row(
                "401",
                error(401, "invalid_request_error", Some("invalid_api_key")),
                ((401, "authentication_error", "invalid_api_key"), (401, "authentication_error")),
            )
        },
        Row {
            // So long the model is not asked for there.
            retry_after: Some("3600"),
            ..row(
                "404",
                error(404, "invalid_request_error", Some("model_not_found")),
                ((404, "invalid_request_error", "model_not_found"), (404, "not_found_error")),
            )
        },
        row("silence", Attempt::silent(), ((504, "timeout_error", "timeout"), (504, "timeout_error"))),
        row("a body that is cut", malformed, ((502, "server_error", "provider_broke_off"), (502, "api_error"))),
        row(
            "a connection that is reset",
            Attempt::reset_at_once(),
            ((502, "server_error", "provider_unreachable"), (502, "api_error")),
        ),
    ]
}

/// A provider all of whose answers are this.
async fn failing(attempt: &Attempt) -> ScriptedProvider {
    let embeddings = Route::new("POST", EMBEDDINGS, [attempt.clone().always()]);
    let routes = [openai::chat([attempt.clone().always()]), openai::models(["m1"]), embeddings];
    ScriptedProvider::start(Script::new(routes)).await
}

/// Checks a refusal against the row.
fn check(frontend: Frontend, row: &Row, response: &Response) {
    let why = format!("{frontend:?}, {}: {}", row.what, response.text());
    let (openai, anthropic) = row.told;
    let json = response.json();
    let error = &json["error"];
    let (status, kind) = if frontend == Frontend::Messages {
        assert_eq!(
            (&json["type"], &json["request_id"]),
            (&json!("error"), &json!(response.header("request-id"))),
            "{why}"
        );
        anthropic
    } else {
        assert_eq!(error["code"], openai.2, "{why}");
        assert!(error.get("param").is_some_and(Value::is_null), "{why}");
        (openai.0, openai.1)
    };
    assert_eq!((response.status, error["type"].as_str()), (status, Some(kind)), "{why}");
    // Who is asked for vectors is asked again at any time: nothing is marked by that.
    let marks_nothing = frontend == Frontend::Embeddings && [401, 404].contains(&status);
    assert_eq!(response.header("retry-after"), row.retry_after.filter(|_| !marks_nothing), "{why}");
    assert_eq!(response.header("content-type"), Some("application/json"), "{why}");
    assert!(response.header("x-request-id").is_some_and(|id| id.starts_with("req_")), "{why}");
    let words = row.words[usize::from(frontend == Frontend::Messages)];
    assert!(error["message"].as_str().is_some_and(|message| message.contains(words)), "{why}");
}

#[tokio::test]
async fn each_frontend_tells_each_failure_as_its_clients_look_for_it() {
    let rows = table();
    let (mut labs, mut config) = (Vec::new(), AT_ONCE.to_owned());
    for (number, row) in rows.iter().enumerate() {
        for frontend in ALL {
            for way in ["whole", "streamed"] {
                let lab = failing(&row.attempt).await;
                config += &provider(&format!("{way}-{number}-{}", name(frontend)), &lab);
                config += "timeouts = { first_token = \"300ms\", first_token_alone = \"300ms\" }\n";
                labs.push(lab);
            }
        }
    }
    // One for each, as who has failed is left alone for a while.
    config.extend(ALL.map(|frontend| provider_at(&format!("gone-{}", name(frontend)), "http://127.0.0.1:1")));
    let greenroom = Greenroom::start(&config).await;
    for (number, row) in rows.iter().enumerate() {
        for frontend in ALL {
            for (way, streamed) in [("whole", false), ("streamed", true)] {
                let model = format!("{way}-{number}-{}/m1", name(frontend));
                let response = frontend.asked(&greenroom.api, &frontend.ask(&model, streamed)).await;
                check(frontend, row, &response);
                assert_eq!(response.header("x-greenroom-provider"), model.strip_suffix("/m1"), "{model}");
            }
        }
    }
    let refused = row(
        "a refused connection",
        Attempt::new(),
        ((502, "server_error", "provider_unreachable"), (502, "api_error")),
    );
    for frontend in ALL {
        let model = format!("gone-{}/m1", name(frontend));
        check(frontend, &refused, &frontend.asked(&greenroom.api, &frontend.ask(&model, false)).await);
    }
}

fn name(frontend: Frontend) -> String {
    format!("{frontend:?}").to_lowercase()
}

/// What the libraries do with a stream that fails midway. OpenAI's raise at an event whose data has `error`, and read
/// nothing after it: no marker follows, which others take for a good end. Those of the Responses API read `error` and then
/// `response.failed`. Anthropic's raise at the event `error`.
#[tokio::test]
async fn a_stream_that_fails_midway_ends_with_an_error_and_never_as_if_it_were_whole() {
    let failing = [
        (
            "an error event",
            Answer::text(["Hel", "lo", "!"]).error_after(2, "server_error", None, "oops"),
            "server_error",
        ),
        ("a cut", Answer::text(["Hel", "lo", "!"]).cut_after(2), "server_error"),
        ("a reset", Answer::text(["Hel", "lo", "!"]).reset_after(2), "server_error"),
    ];
    for (what, answer, kind) in failing {
        // The provider's bytes come one after another, so that they are there before a reset is.
        let answer = answer.pace(Duration::from_millis(30));
        for frontend in ANSWERING {
            let lab = http_support::scripted([answer.clone()]).await;
            let greenroom = Greenroom::start(&format!("{ENDS_WHERE_CUT}{}", provider("lab", &lab))).await;
            let mut connection = frontend.begin(&greenroom.api, &frontend.ask("lab/m1", true)).await;
            assert_eq!(connection.head().await.unwrap().status, 200);
            let events = events(&mut connection).await;
            let why = format!("{frontend:?}, {what}: {events:?}");
            let text: String = events.iter().map(|event| frontend.text(event)).collect();
            assert_eq!(text, "Hello", "{why}");
            assert!(!events.iter().any(|event| frontend.ends(event)), "{why}");
            let (last, before) = events.split_last().unwrap();
            let (name, json) = (last.event.as_deref(), last.json());
            match frontend {
                Frontend::Messages => {
                    let want = (Some("error"), &json!("error"), &json!("api_error"));
                    assert_eq!((name, &json["type"], &json["error"]["type"]), want, "{why}");
                }
                Frontend::Responses => {
                    let error = before.last().unwrap();
                    assert_eq!(
                        (error.event.as_deref(), &error.json()["error"]["code"]),
                        (Some("error"), &json!(kind)),
                        "{why}"
                    );
                    assert_eq!(
                        (name, &json["response"]["status"]),
                        (Some("response.failed"), &json!("failed")),
                        "{why}"
                    );
                    assert_eq!(json["response"]["error"]["code"], kind, "{why}");
                }
                _ => assert_eq!((name, &json["error"]["type"]), (None, &json!(kind)), "{why}"),
            }
            let whole = frontend.asked(&greenroom.api, &frontend.ask("lab/m1", false)).await;
            assert!(
                [500, 502].contains(&whole.status),
                "half an answer is none: {frontend:?}, {what}: {}",
                whole.text()
            );
        }
    }
}
