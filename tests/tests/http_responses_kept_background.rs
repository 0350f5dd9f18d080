//! Responses that are made in the background: they run on whoever leaves, and their streams are gone on with.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;
mod kept_support;

use std::time::Duration;

use greenroom_tests::client::Event;
use greenroom_tests::harness::Signal;
use greenroom_tests::openai::Answer;
use greenroom_tests::responses::RESPONSES;
use greenroom_tests::{Attempt, Script, ScriptedProvider, When, openai};
use http_support::{Api, CHAT, Greenroom, LIMIT, events, message, refusal, scripted, until};
use kept_support::{
    ask, asked, at, begin_stream, create, deltas, id, last, next, number, numbers, post, retrieve, said, session_of,
    streamed_again, text_of, until_so, until_status,
};
use serde_json::{Value, json};

/// How much higher the numbers of the next epoch are.
const EPOCH: u64 = 1_000_000;
const WORDS: [&str; 6] = ["Some wor", "ds, and", " more\u{2028}", "of them: äöü-äöü-äöü-äöü-äöü", "!  ", "The end."];

fn whole() -> String {
    WORDS.concat()
}

fn in_background(input: &str, fields: Value) -> Value {
    ask(input, http_support::with(json!({"background": true}), fields))
}

/// Numbers that follow one another from this one on.
fn are_in_a_row(events: &[Event], from: u64) {
    assert_eq!(numbers(events), (from..from + events.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stream_is_gone_on_with_at_every_number_and_says_the_same_whenever_it_is_read() {
    let calls = Answer::new()
        .reasoning(["Let me", " think abo", "ut it."])
        .then_text(WORDS)
        .tool_call("call_a", "weather", ["{\"city\": \"Os", "lo\", \"days\"", ": 3}"])
        .tool_call("call_b", "weather", ["{}"])
        .usage(10, 20)
        .pace(Duration::from_millis(2));
    let lab = scripted([Attempt::from(calls).always()]).await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    let tool = json!({"type": "function", "name": "weather", "parameters": {"type": "object"}});
    let body = in_background("hi", json!({"tools": [tool], "stream": true}));
    let mut connection = begin_stream(api, "POST", RESPONSES, Some(&body)).await;
    let live = events(&mut connection).await;
    are_in_a_row(&live, 0);
    let response = last(&live);
    assert_eq!((text_of(&response), &response["status"]), (whole(), &json!("completed")));
    assert_eq!((deltas(&live), &response["background"]), (whole(), &json!(true)));
    assert!(live.iter().filter(|event| event.event.as_deref() == Some("response.output_text.delta")).count() > 8);
    let id = id(&response);
    assert_eq!(retrieve(api, &id).await, response);
    let again = streamed_again(api, &id, "").await;
    assert_eq!(said(&again), said(&live), "read later, it says the same");
    for seen in &live {
        let rest = streamed_again(api, &id, &format!("&starting_after={}", number(seen))).await;
        let want: Vec<_> =
            said(&live).into_iter().filter(|event| event["sequence_number"].as_u64() > Some(number(seen))).collect();
        assert_eq!(said(&rest), want, "{}", number(seen));
    }
    for bad in ["&starting_after=x", "&starting_after=-1", "&starting_after="] {
        let refused = api.get(&at(&id, &format!("?stream=true{bad}"))).await;
        assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!("starting_after")), "{bad}");
        message(&refused);
    }
    let alone = api.get(&at(&id, "?starting_after=1")).await;
    assert_eq!((alone.status, &alone.json()["error"]["param"]), (400, &json!("starting_after")));
}

#[tokio::test]
async fn readers_that_leave_and_come_back_while_it_is_made_miss_nothing() {
    let text: Vec<String> = (0..150).map(|n| format!("w{n}{}", if n % 3 == 0 { " " } else { "" })).collect();
    let answer = Answer::text(text.iter().map(String::as_str)).pace(Duration::from_millis(4));
    let lab = scripted([Attempt::from(answer)]).await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    let begun = create(api, &in_background("hi", json!({}))).await;
    assert_eq!(
        (&begun["status"], &begun["output"], &begun["usage"]),
        (&json!("in_progress"), &json!([]), &Value::Null)
    );
    let id = id(&begun);
    let mut seen: Vec<Event> = Vec::new();
    for visit in 0.. {
        let query = seen.last().map_or(String::new(), |last| format!("&starting_after={}", number(last)));
        let mut connection = begin_stream(api, "GET", &at(&id, &format!("?stream=true{query}")), None).await;
        for _ in 0..visit % 17 {
            let Some(event) = next(&mut connection).await else { break };
            seen.push(event);
        }
        if seen.last().is_some_and(|last| last.event.as_deref() == Some("response.completed")) {
            break;
        }
        assert!(visit < 2000, "it does not come to an end");
    }
    are_in_a_row(&seen, 0);
    assert_eq!(deltas(&seen), text.concat());
    assert_eq!(said(&seen), said(&streamed_again(api, &id, "").await));
    assert_eq!(text_of(&retrieve(api, &id).await), text.concat());
}

#[tokio::test]
async fn it_runs_on_whoever_leaves_and_is_cancelled_by_name() {
    let stalls = Answer::text(["Hel", "lo"]).stall_after(1).stream();
    let lab = scripted([stalls.clone(), stalls, Answer::text(["done"]).stream()]).await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    let body = in_background("hi", json!({"stream": true}));
    let mut connection = begin_stream(api, "POST", RESPONSES, Some(&body)).await;
    let id = id(&next(&mut connection).await.unwrap().json()["response"]);
    until(&lab, |stats| stats.route(CHAT).open == 1).await;
    drop(connection);
    let running = until_so(api, &id, |response| text_of(response) == "Hel").await;
    assert_eq!((&running["status"], &running["output"][0]["status"]), (&json!("in_progress"), &json!("in_progress")));
    let behind = post(api, &ask("more", json!({"previous_response_id": id}))).await;
    assert_eq!((behind.status, &behind.json()["error"]["param"]), (400, &json!("previous_response_id")));
    let mut reader = begin_stream(api, "GET", &at(&id, "?stream=true"), None).await;
    for _ in 0..2 {
        let cancelled = asked(api, "POST", &at(&id, "/cancel"), None).await;
        assert_eq!((cancelled.status, &cancelled.json()["status"]), (200, &json!("cancelled")), "{}", cancelled.text());
        assert_eq!(text_of(&cancelled.json()), "Hel");
    }
    let told = events(&mut reader).await;
    assert_eq!(
        (told.last().unwrap().event.as_deref(), &last(&told)["status"]),
        (Some("response.incomplete"), &json!("cancelled"))
    );
    until(&lab, |stats| stats.route(CHAT).cancelled == 1).await;

    // Deleting one that runs cancels it, and nothing is left.
    let second = create(api, &in_background("hi", json!({}))).await;
    let second = kept_support::id(&second);
    until(&lab, |stats| stats.route(CHAT).open == 1).await;
    let mut reader = begin_stream(api, "GET", &at(&second, "?stream=true"), None).await;
    assert_eq!(asked(api, "DELETE", &at(&second, ""), None).await.status, 200);
    until(&lab, |stats| stats.route(CHAT).cancelled == 2).await;
    assert_eq!(api.get(&at(&second, "")).await.status, 404);
    assert_eq!(api.get(&format!("/api/sessions/{}", session_of(&second))).await.status, 404);
    let told = events(&mut reader).await;
    let end = told.last().unwrap().event.clone().unwrap();
    assert!(end == "error" || end == "response.incomplete", "{end}");

    let third = create(api, &in_background("hi", json!({}))).await;
    let third = until_status(api, &kept_support::id(&third), "completed").await;
    assert_eq!(text_of(&third), "done");
    let late = asked(api, "POST", &at(&kept_support::id(&third), "/cancel"), None).await;
    assert_eq!((late.status, late.json()), (200, third));
}

#[tokio::test]
async fn one_that_fails_says_so_when_it_is_retrieved() {
    let lab = scripted([openai::error(400, "invalid_request_error", None, "no such thing").always()]).await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    let begun = create(api, &in_background("hi", json!({}))).await;
    let failed = until_status(api, &id(&begun), "failed").await;
    assert!(failed["error"]["message"].as_str().unwrap().contains("no such thing"), "{failed}");
    let told = streamed_again(api, &id(&begun), "").await;
    let kinds: Vec<_> = told.iter().map(|event| event.event.clone().unwrap()).collect();
    assert_eq!(kinds, ["response.created", "response.in_progress", "error", "response.failed"]);
    are_in_a_row(&told, 0);
    assert_eq!(last(&told)["error"], failed["error"]);
    let waited = post(api, &ask("hi", json!({}))).await;
    assert_eq!((waited.status, refusal(&waited).1.as_str()), (400, "invalid_request_error"));
    let alone = post(api, &in_background("hi", json!({"store": false}))).await;
    assert_eq!((alone.status, &alone.json()["error"]["param"]), (400, &json!("background")));
}

/// A provider whose first answer stalls after some words, and which goes on with them when it is asked to.
async fn stalling(words: &'static [&'static str], rest: &'static str) -> ScriptedProvider {
    let goes_on = Answer::text([rest]).stream().when(When::body_contains("cut off"));
    let pieces = words.iter().copied().chain(["never"]);
    let stalls: Attempt = Answer::text(pieces).stall_after(words.len()).into();
    let anew = Answer::text(words.iter().copied().chain([rest])).stream();
    ScriptedProvider::start(Script::new([openai::chat([goes_on, stalls, anew]), openai::models(["m1", "m2"])])).await
}

async fn killed(greenroom: Greenroom) -> Greenroom {
    let Greenroom { mut daemon, home, .. } = greenroom;
    daemon.signal(Signal::KILL);
    daemon.wait(LIMIT).await;
    let daemon = home.serve(&[]).await;
    let api = Api { url: daemon.url().to_owned(), token: daemon.token() };
    Greenroom { api, daemon, home }
}

#[tokio::test]
async fn what_was_shown_and_kept_before_a_kill_is_gone_on_with_in_numbers_of_a_new_epoch() {
    static SHOWN: [&str; 3] = ["one two ", "three four and ", "fi"];
    let lab = stalling(&SHOWN, "ve six").await;
    let greenroom = Greenroom::before(&lab).await;
    let body = in_background("count", json!({"stream": true}));
    let mut connection = begin_stream(&greenroom.api, "POST", RESPONSES, Some(&body)).await;
    let mut seen = Vec::new();
    while deltas(&seen) != "one two three four and" {
        seen.push(next(&mut connection).await.unwrap());
    }
    are_in_a_row(&seen, 0);
    let id = id(&seen[0].json()["response"]);
    // What is acknowledged is on disk with all that came before.
    let path = format!("/api/sessions/{}", session_of(&id));
    until_so(&greenroom.api, &id, |response| text_of(response) == SHOWN.concat()).await;
    assert_eq!(asked(&greenroom.api, "PATCH", &path, Some(&json!({"system": "x"}))).await.status, 200);
    let greenroom = killed(greenroom).await;
    let api = &greenroom.api;
    let done = until_status(api, &id, "completed").await;
    assert_eq!(text_of(&done), "one two three four and five six");
    let whole = streamed_again(api, &id, "").await;
    assert_eq!(said(&whole)[..seen.len()], said(&seen)[..], "what was seen stays as it was");
    are_in_a_row(&whole[..seen.len()], 0);
    are_in_a_row(&whole[seen.len()..], seen.len() as u64 + EPOCH);
    assert_eq!((deltas(&whole), last(&whole)), (text_of(&done), done));
    for last in &whole {
        let rest = streamed_again(api, &id, &format!("&starting_after={}", number(last))).await;
        assert_eq!(
            said(&rest),
            said(&whole)[whole.iter().position(|event| number(event) == number(last)).unwrap() + 1..]
        );
    }
    // What was never shown, or is lost, is told as such.
    for lost in [seen.len() as u64, EPOCH - 1] {
        let told = streamed_again(api, &id, &format!("&starting_after={lost}")).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].event.as_deref(), Some("error"));
        assert!(told[0].json()["message"].as_str().unwrap().contains("starting_after"), "{told:?}");
    }
}

#[tokio::test]
async fn after_a_kill_at_any_moment_nobody_is_shown_other_text_at_the_same_number() {
    static SHOWN: [&str; 4] = ["one two ", "three ", "four ", "five "];
    for round in 0..6 {
        let lab = stalling(&SHOWN, "six seven").await;
        let greenroom = Greenroom::before(&lab).await;
        let body = in_background("count", json!({"stream": true}));
        let mut connection = begin_stream(&greenroom.api, "POST", RESPONSES, Some(&body)).await;
        until(&lab, |stats| stats.route(CHAT).open == 1).await;
        let mut seen = vec![next(&mut connection).await.unwrap()];
        while round > 0 && deltas(&seen).split_whitespace().count() < round.min(4) {
            seen.push(next(&mut connection).await.unwrap());
        }
        let id = id(&seen[0].json()["response"]);
        let greenroom = killed(greenroom).await;
        let api = &greenroom.api;
        // Whoever comes back at once, and whoever comes when all is over, is told the same.
        let query = format!("&starting_after={}", number(seen.last().unwrap()));
        let rest = streamed_again(api, &id, &query).await;
        let done = until_status(api, &id, "completed").await;
        let whole = streamed_again(api, &id, "").await;
        assert_eq!((deltas(&whole), last(&whole)), (text_of(&done), done.clone()));
        assert!(["one two three four five six seven"].contains(&text_of(&done).as_str()), "{done}");
        let is_told = |event: &Event| whole.iter().any(|told| told.json() == event.json());
        let kept = seen.iter().filter(|event| is_told(event)).count();
        for event in &seen {
            let same = whole.iter().find(|told| number(told) == number(event));
            assert!(same.is_none_or(|told| told.json() == event.json()), "round {round}: {event:?} {same:?}");
        }
        if kept == seen.len() {
            assert_eq!(said(&rest), said(&whole)[seen.len()..], "round {round}");
        } else {
            assert_eq!(rest.last().unwrap().event.as_deref(), Some("error"), "round {round}: {rest:?}");
        }
    }
}

#[tokio::test]
async fn one_that_somebody_waited_for_is_cancelled_by_the_next_process() {
    static SHOWN: [&str; 1] = ["one two "];
    let lab = stalling(&SHOWN, "three").await;
    let greenroom = Greenroom::before(&lab).await;
    let mut connection =
        begin_stream(&greenroom.api, "POST", RESPONSES, Some(&ask("count", json!({"stream": true})))).await;
    let id = id(&next(&mut connection).await.unwrap().json()["response"]);
    let greenroom = killed(greenroom).await;
    let cancelled = until_status(&greenroom.api, &id, "cancelled").await;
    assert!("one two ".starts_with(&text_of(&cancelled)), "{cancelled}");
    assert_eq!(lab.requests().iter().filter(|request| request.path() == CHAT).count(), 1);
}

#[tokio::test]
async fn a_daemon_that_stops_lets_its_readers_go_and_the_next_one_goes_on() {
    static SHOWN: [&str; 2] = ["one ", "two "];
    let lab = stalling(&SHOWN, "three").await;
    let greenroom = Greenroom::before(&lab).await;
    let body = in_background("count", json!({"stream": true}));
    let mut connection = begin_stream(&greenroom.api, "POST", RESPONSES, Some(&body)).await;
    let mut seen = vec![next(&mut connection).await.unwrap()];
    while deltas(&seen) != "one" {
        seen.push(next(&mut connection).await.unwrap());
    }
    let id = id(&seen[0].json()["response"]);
    let Greenroom { mut daemon, home, .. } = greenroom;
    daemon.signal(Signal::TERM);
    while let Some(event) = next(&mut connection).await {
        assert_eq!(event.event.as_deref(), Some("response.output_text.delta"));
        seen.push(event);
    }
    daemon.wait(LIMIT).await;
    let daemon = home.serve(&[]).await;
    let api = &Api { url: daemon.url().to_owned(), token: daemon.token() };
    let rest = streamed_again(api, &id, &format!("&starting_after={}", number(seen.last().unwrap()))).await;
    seen.extend(rest);
    are_in_a_row(&seen, 0);
    assert_eq!(deltas(&seen), "one two three");
}
