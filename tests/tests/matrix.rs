//! Every frontend before every wire: the same is asked in the words of each API, answered in the words of each provider,
//! and heard alike.
//!
//! What one of them can't say is written where it is left out: the Responses API has no word for texts to stop at.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;
mod matrix_support;

use greenroom_tests::{ScriptedProvider, client::post_json};
use http_support::Greenroom;
use matrix_support::{
    Asked, BROKEN, CALLS, LENGTH, LIMITED, PICTURE, RESULT, SAID, Said, TEXT, THINKING, Wrong, frontends::Frontend,
    wires::Wire,
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
        for frontend in Frontend::ALL {
            for stream in [false, true] {
                let what = format!("{frontend:?} before {wire:?}, {}", if stream { "streamed" } else { "whole" });
                // What failed before is not to keep the next one from asking.
                let token = Some(greenroom.api.token.as_str());
                post_json(&greenroom.api.url, "/api/providers/lab/reset", token, &json!({})).await.unwrap();
                let said = frontend.ask(&greenroom.api, asked, stream).await;
                check(&what, wire, frontend, said, &provider, stream);
            }
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
        for frontend in Frontend::ALL {
            for stream in [false, true] {
                let what = format!("{frontend:?} before {wire:?}, stream {stream}");
                let asked = Asked { words: CALLS, tools: true, ..Asked::default() };
                let said = frontend.ask(&greenroom.api, &asked, stream).await.unwrap();
                assert_eq!(said.reason, "calls", "{what}");
                let cities: Vec<_> = said.calls.iter().map(|(_, name, arguments)| (name.as_str(), arguments)).collect();
                let (oslo, bergen) = (json!({"city": "Oslo"}), json!({"city": "Bergen"}));
                assert_eq!(cities, [("weather", &oslo), ("weather", &bergen)], "{what}");
                assert_ne!(said.calls[0].0, said.calls[1].0, "{what}");

                let asked = Asked { after: said.calls, ..asked };
                let said = frontend.ask(&greenroom.api, &asked, stream).await.unwrap();
                assert_eq!((said.text.as_str(), said.reason.as_str()), ("It is warm.", "stop"), "{what}");
                let body = last_body(&provider);
                assert_eq!(body.matches(RESULT).count(), 2, "{what}: {body}");
                assert!(body.contains("Oslo") && body.contains("Bergen"), "{what}: {body}");
            }
        }
    }
}

#[tokio::test]
async fn thinking_is_shown_apart_from_what_is_said() {
    everywhere(&Asked { words: THINKING, thinks: true, ..Asked::default() }, |what, _, _, said, _, _| {
        let said = said.unwrap_or_else(|wrong| panic!("{what}: {wrong:?}"));
        assert_eq!(said.text, "So.", "{what}");
        assert_eq!(said.thinking, "Hmm.", "{what}");
    })
    .await;
}

#[tokio::test]
async fn a_picture_and_a_schema_arrive() {
    let asked = Asked { words: TEXT, picture: true, schema: true, ..Asked::default() };
    everywhere(&asked, |what, _, _, said, provider, _| {
        said.unwrap_or_else(|wrong| panic!("{what}: {wrong:?}"));
        let body = last_body(provider);
        assert!(body.contains(PICTURE), "{what}: {body}");
        assert!(body.contains("legs"), "{what}: {body}");
    })
    .await;
}

#[tokio::test]
async fn a_text_to_stop_at_arrives() {
    let asked = Asked { words: TEXT, stop: Some("HALT"), ..Asked::default() };
    everywhere(&asked, |what, wire, frontend, said, provider, _| {
        said.unwrap_or_else(|wrong| panic!("{what}: {wrong:?}"));
        // The Responses API has no word for it, as a client or as a provider.
        let is_said = frontend != Frontend::Responses && wire != Wire::Responses;
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
        let Err(Wrong::Refused(status, wait)) = said else { panic!("{what}: {said:?}") };
        assert_eq!(status, 429, "{what}");
        assert!(wait.is_some_and(|wait| wait.parse::<u64>().is_ok_and(|wait| wait > 0)), "{what}");
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_told_as_whole() {
    everywhere(&Asked { words: BROKEN, ..Asked::default() }, |what, _, _, said, _, stream| match said {
        Err(Wrong::Midway) => assert!(stream, "{what}"),
        Err(Wrong::Refused(status, _)) => assert!(!stream && status >= 500, "{what}: {status}"),
        Ok(said) => panic!("{what}: {said:?}"),
    })
    .await;
}
