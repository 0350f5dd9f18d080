//! Every frontend before every wire: the same is asked in the words of each API, answered in the words of each provider,
//! and heard alike.
//!
//! What one of them can't say is written where it is left out: the Responses API has no word for texts to stop at, lines of
//! JSON have none for those and for schemas and pass them over, and MCP's tools refuse what they have no argument for.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;
mod ipc_support;
mod matrix_support;
#[path = "mcp_support/session.rs"]
mod mcp_session;
mod session_support;

use greenroom_tests::{ScriptedProvider, client::post_json};
use http_support::Greenroom;
use matrix_support::{
    Asked, BROKEN, CALLS, LENGTH, LIMITED, PICTURE, RESULT, SAID, Said, TEXT, THINKING, Wrong, frontends::Frontend,
    tools, wires::Wire,
};
use serde_json::json;

/// Each wire with a daemon before it.
async fn each() -> Vec<(Wire, ScriptedProvider, Greenroom)> {
    let mut all = Vec::new();
    for wire in Wire::ALL {
        let (provider, section) = wire.start().await;
        all.push((wire, provider, Greenroom::start(&section).await));
    }
    all
}

/// The body of the last request for an answer.
fn last_body(provider: &ScriptedProvider) -> String {
    let requests = provider.requests();
    let last = requests.iter().rev().find(|request| request.method == "POST").expect("something was asked");
    String::from_utf8_lossy(&last.body).into_owned()
}

/// Asks each frontend before each wire, whole and streamed.
async fn everywhere(asked: &Asked, check: impl Fn(&str, Wire, Frontend, Result<Said, Wrong>, &ScriptedProvider, bool)) {
    for (wire, provider, greenroom) in each().await {
        for (frontend, stream) in Frontend::all(wire) {
            let what = format!("{frontend:?} before {wire:?}, {}", if stream { "streamed" } else { "whole" });
            // What failed before is not to keep the next one from asking.
            let token = Some(greenroom.api.token.as_str());
            post_json(&greenroom.api.url, "/api/providers/lab/reset", token, &json!({})).await.unwrap();
            let before = provider.requests().len();
            let said = frontend.ask(&greenroom, wire, asked, stream).await;
            if let Some(name) = tools::unsayable(asked).filter(|_| frontend.is_tool()) {
                let refusal = format!("there is no argument '{name}'");
                assert_eq!(said, Err(Wrong::Unsayable(refusal)), "{what}");
                assert_eq!(provider.requests().len(), before, "{what}: nobody is asked");
                continue;
            }
            check(&what, wire, frontend, said, &provider, stream);
        }
    }
}

#[tokio::test]
async fn a_text_comes_through_with_its_usage() {
    everywhere(&Asked { words: TEXT, ..Asked::default() }, |what, wire, _, said, _, _| {
        let said = said.unwrap_or_else(|wrong| panic!("{what}: {wrong:?}"));
        assert_eq!((said.text, said.reason.as_str()), (SAID.concat(), "stop"), "{what}");
        // Bedrock counts four more from its cache, as an API without caches tells them.
        let prompt = if wire == Wire::Bedrock { 14 } else { 10 };
        assert_eq!(said.used, (prompt, 5), "{what}");
    })
    .await;
}

#[tokio::test]
async fn calls_at_once_come_through_and_their_results_go_back() {
    for (wire, provider, greenroom) in each().await {
        for (frontend, stream) in Frontend::all(wire) {
            let what = format!("{frontend:?} before {wire:?}, stream {stream}");
            // MCP's tools have no argument for tools, and pass calls through all the same.
            let asked = Asked { words: CALLS, tools: !frontend.is_tool(), ..Asked::default() };
            let said = frontend.ask(&greenroom, wire, &asked, stream).await.unwrap_or_else(|e| panic!("{what}: {e:?}"));
            assert_eq!(said.reason, "calls", "{what}");
            let cities: Vec<_> = said.calls.iter().map(|(_, name, arguments)| (name.as_str(), arguments)).collect();
            let (oslo, bergen) = (json!({"city": "Oslo"}), json!({"city": "Bergen"}));
            assert_eq!(cities, [("weather", &oslo), ("weather", &bergen)], "{what}");
            assert_ne!(said.calls[0].0, said.calls[1].0, "{what}");

            let asked = Asked { after: said.calls, ..asked };
            let said = frontend.ask(&greenroom, wire, &asked, stream).await.unwrap_or_else(|e| panic!("{what}: {e:?}"));
            assert_eq!((said.text.as_str(), said.reason.as_str()), ("It is warm.", "stop"), "{what}");
            let body = last_body(&provider);
            assert_eq!(body.matches(RESULT).count(), 2, "{what}: {body}");
            assert!(body.contains("Oslo") && body.contains("Bergen"), "{what}: {body}");
        }
    }
}

#[tokio::test]
async fn a_tool_that_is_no_argument_is_refused_by_its_name() {
    everywhere(&Asked { words: TEXT, tools: true, ..Asked::default() }, |what, _, _, said, _, _| {
        assert_eq!(said.unwrap_or_else(|wrong| panic!("{what}: {wrong:?}")).reason, "stop", "{what}");
    })
    .await;
}

#[tokio::test]
async fn thinking_is_shown_apart_from_what_is_said() {
    everywhere(&Asked { words: THINKING, thinks: true, ..Asked::default() }, |what, _, frontend, said, _, _| {
        let said = said.unwrap_or_else(|wrong| panic!("{what}: {wrong:?}"));
        assert_eq!(said.text, "So.", "{what}");
        // A tool's result is what was said alone.
        assert_eq!(said.thinking, if frontend.is_tool() { "" } else { "Hmm." }, "{what}");
    })
    .await;
}

#[tokio::test]
async fn a_picture_arrives() {
    everywhere(&Asked { words: TEXT, picture: true, ..Asked::default() }, |what, _, _, said, provider, _| {
        said.unwrap_or_else(|wrong| panic!("{what}: {wrong:?}"));
        let body = last_body(provider);
        assert!(body.contains(PICTURE), "{what}: {body}");
    })
    .await;
}

#[tokio::test]
async fn a_schema_arrives() {
    everywhere(&Asked { words: TEXT, schema: true, ..Asked::default() }, |what, _, frontend, said, provider, _| {
        said.unwrap_or_else(|wrong| panic!("{what}: {wrong:?}"));
        let body = last_body(provider);
        assert_eq!(body.contains("legs"), frontend != Frontend::Lines, "{what}: {body}");
    })
    .await;
}

#[tokio::test]
async fn a_text_to_stop_at_arrives() {
    let asked = Asked { words: TEXT, stop: Some("HALT"), ..Asked::default() };
    everywhere(&asked, |what, wire, frontend, said, provider, _| {
        said.unwrap_or_else(|wrong| panic!("{what}: {wrong:?}"));
        // The Responses API has no word for it, as a client or as a provider.
        let is_said = !matches!(frontend, Frontend::Responses | Frontend::Lines) && wire != Wire::Responses;
        assert_eq!(last_body(provider).contains("HALT"), is_said, "{what}");
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_is_too_long_says_so() {
    everywhere(&Asked { words: LENGTH, ..Asked::default() }, |what, _, _, said, _, _| {
        let said = said.unwrap_or_else(|wrong| panic!("{what}: {wrong:?}"));
        assert_eq!((said.text.as_str(), said.reason.as_str()), ("Too", "length"), "{what}");
    })
    .await;
}

#[tokio::test]
async fn a_refusal_has_the_status_and_the_time_to_wait() {
    everywhere(&Asked { words: LIMITED, ..Asked::default() }, |what, _, _, said, _, _| {
        let wait = match said {
            Err(Wrong::Refused(429, wait)) => wait.and_then(|wait| wait.parse().ok()),
            Err(Wrong::Failed(kind, wait)) if kind == "rate_limited" => wait,
            other => panic!("{what}: {other:?}"),
        };
        assert!(wait.is_some_and(|wait: u64| wait > 0), "{what}");
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_told_as_whole() {
    everywhere(&Asked { words: BROKEN, ..Asked::default() }, |what, _, _, said, _, stream| match said {
        Err(Wrong::Midway) => assert!(stream, "{what}"),
        Err(Wrong::Refused(status, _)) => assert!(!stream && status >= 500, "{what}: {status}"),
        Err(Wrong::Failed(kind, _)) => assert!(["network", "protocol"].contains(&kind.as_str()), "{what}: {kind}"),
        other => panic!("{what}: {other:?}"),
    })
    .await;
}
