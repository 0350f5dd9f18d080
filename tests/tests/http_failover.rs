//! An alias of two providers answers when the first can't, and clients see nothing but who did.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;

use greenroom_tests::openai::{self, Answer};
use greenroom_tests::{Attempt, ScriptedProvider};
use http_support::{
    Greenroom, ask, ask_streamed, chats_asked, is_done, provider, provider_at, refusal, scripted, text,
};

/// Two providers behind one alias; the second answers "second".
async fn pair(first: &str) -> (Greenroom, ScriptedProvider) {
    let second = scripted([Answer::text(["sec", "ond"]).model("m2")]).await;
    let alias = "[models.aliases]\nsmart = [\"first/m1\", \"second/m2\"]\n";
    (Greenroom::start(&format!("{first}{}{alias}", provider("second", &second))).await, second)
}

/// Asks twice, streamed and whole, and gives the attempts that the first answer took.
async fn second_answers(greenroom: &Greenroom) -> u32 {
    let mut connection = greenroom.api.begin(&ask_streamed("smart")).await;
    let head = connection.head().await.unwrap();
    let header = |name| head.headers.get(name);
    assert_eq!(
        (head.status, header("x-greenroom-provider"), header("x-greenroom-model")),
        (200, Some("second"), Some("m2"))
    );
    let attempts = header("x-greenroom-attempts").unwrap().parse().unwrap();
    let events = http_support::events(&mut connection).await;
    assert_eq!(text(&events), "second");
    assert!(is_done(&events) && events[0].json()["model"] == "m2", "{events:?}");

    let whole = greenroom.api.chat(&ask("smart")).await;
    assert_eq!((whole.status, whole.header("x-greenroom-provider")), (200, Some("second")), "{}", whole.text());
    assert_eq!(whole.json()["choices"][0]["message"]["content"], "second");
    attempts
}

#[tokio::test]
async fn the_next_one_answers_whatever_the_first_does() {
    let html = Attempt::new().status(200).header("content-type", "text/html").body("<html>sign in</html>");
    // What the first does, and how many attempts there are in all where that is certain.
    let cases = [
        ("a wrong key", openai::error(401, "invalid_request_error", Some("invalid_api_key"), "bad key"), 2),
        ("no credit", openai::error(402, "billing_error", None, "pay"), 2),
        ("too many requests", openai::error(429, "rate_limit_error", None, "slow down").header("retry-after", "60"), 2),
        ("no such model", openai::error(404, "invalid_request_error", Some("model_not_found"), "none"), 2),
        ("a failure, twice", openai::error(500, "server_error", None, "oops"), 3),
        ("too much to do, for long", openai::error(503, "server_error", None, "busy").header("retry-after", "60"), 2),
        ("a page in place of an answer", html, 2),
        ("a cut before a word", Answer::text(["a"]).cut_after(0).stream(), 2),
        ("an error before a word", Answer::text(["a"]).error_after(0, "server_error", None, "oops").stream(), 3),
        ("a broken connection, twice", Attempt::reset_at_once(), 3),
    ];
    for (what, attempt, want) in cases {
        let first = scripted([attempt.always()]).await;
        let (greenroom, second) = pair(&provider("first", &first)).await;
        assert_eq!(second_answers(&greenroom).await, want, "{what}");
        assert!(!chats_asked(&first).is_empty(), "{what}: the first is asked first");
        assert_eq!(chats_asked(&second).len(), 2, "{what}");
    }
}

#[tokio::test]
async fn nobody_listening_is_a_failure_like_another() {
    let (greenroom, _second) = pair(&provider_at("first", "http://127.0.0.1:1")).await;
    assert_eq!(second_answers(&greenroom).await, 3);
}

#[tokio::test]
async fn what_the_client_did_wrong_is_not_handed_on() {
    let first = scripted([openai::error(400, "invalid_request_error", None, "no").always()]).await;
    let (greenroom, second) = pair(&provider("first", &first)).await;
    for body in [ask("smart"), ask_streamed("smart")] {
        let response = greenroom.api.chat(&body).await;
        assert_eq!((response.status, response.header("x-greenroom-provider")), (400, Some("first")));
    }
    assert_eq!(chats_asked(&second).len(), 0);
}

#[tokio::test]
async fn when_all_fail_the_client_is_told_and_when_to_ask_again() {
    let limited = |wait| openai::error(429, "rate_limit_error", None, "slow down").header("retry-after", wait).always();
    let first = scripted([limited("90")]).await;
    let second = scripted([limited("40")]).await;
    let config = format!(
        "{}{}[models.aliases]\nsmart = [\"first/m1\", \"second/m1\"]\n",
        provider("first", &first),
        provider("second", &second)
    );
    let greenroom = Greenroom::start(&config).await;
    for body in [ask("smart"), ask_streamed("smart")] {
        let response = greenroom.api.chat(&body).await;
        let want = (503, "server_error".to_owned(), "all_providers_failed".to_owned());
        assert_eq!(refusal(&response), want, "{}", response.text());
        let wait: u64 = response.header("retry-after").unwrap().parse().unwrap();
        assert!((20..=40).contains(&wait), "{wait} s");
        let message = http_support::message(&response);
        assert!(message.contains("first/m1") && message.contains("second/m1") && message.contains("; "), "{message}");
    }
    assert_eq!((chats_asked(&first).len(), chats_asked(&second).len()), (1, 1), "who said when is not asked before");
}
