//! Any number of frontends read a session, from any place, and see the same.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;
#[path = "http_support/local.rs"]
mod local;
mod session_support;

use std::time::Duration;

use greenroom_tests::client::Event;
use greenroom_tests::openai::Answer;
use http_support::{Greenroom, provider, scripted};
use local::Local;
use serde_json::{Value, json};
use session_support::{SESSIONS, at, bad, error, logged, merged, text, types};

const PIECES: [&str; 4] = ["Hel", "lo wörld ", "😀é\u{2028}", "!"];
const WHOLE: &str = "Hello wörld 😀é\u{2028}!";

/// A session with two turns, and all events of it as they came.
async fn talked(greenroom: &Greenroom) -> Vec<Event> {
    let api = &greenroom.api;
    api.create("s").await;
    let mut live = api.tail("s", "").await;
    live.until("synced").await;
    let mut events = Vec::new();
    for question in ["one", "two"] {
        let sent = api.say("s", question).await;
        events.extend(live.until_turn_ends(&sent["turn"]).await);
    }
    let mut all = api.there("s", "").await;
    all.truncate(1);
    all.extend(events);
    all
}

async fn paced() -> greenroom_tests::ScriptedProvider {
    scripted([Answer::text(PIECES).pace(Duration::from_millis(30)).stream().always()]).await
}

#[tokio::test]
async fn two_frontends_see_the_same_whenever_they_come() {
    let lab = paced().await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    api.create("s").await;
    let (mut first, mut second) = (api.tail("s", "").await, api.tail("s", "?from=0").await);
    let sent = api.say("s", "one").await;
    let in_the_midst = {
        let mut third = api.tail("s", "").await;
        third.until("text").await;
        api.tail("s", "").await.until_turn_ends(&sent["turn"]).await
    };
    let first = first.until_turn_ends(&sent["turn"]).await;
    let second = second.until_turn_ends(&sent["turn"]).await;
    let late = api.there("s", "").await;
    let want = merged(logged(&first));
    for events in [&second, &in_the_midst, &late] {
        assert_eq!(merged(logged(events)), want);
        assert_eq!(text(events), WHOLE);
    }
    assert_eq!(types(&late).last().map(String::as_str), Some("synced"));
    let end = api.info("s").await["cursor"].as_str().unwrap().to_owned();
    assert_eq!(late.last().unwrap().id.as_deref(), Some(end.as_str()), "the id of synced is the place that is reached");
    let wanted = ["session.created", "message.user", "turn.started", "route", "text", "usage", "turn.finished"];
    let seen: Vec<&str> = want.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(seen, wanted);
    let mut next = Value::from(0);
    for event in &want {
        assert_eq!(event["position"], next, "positions have no gaps");
        next = event["next"].clone();
    }
}

#[tokio::test]
async fn a_frontend_that_comes_back_goes_on_after_the_last_event_that_it_saw() {
    let lab = paced().await;
    let greenroom = Greenroom::before(&lab).await;
    let all = talked(&greenroom).await;
    let want = merged(logged(&all));
    for (seen, event) in all.iter().enumerate() {
        let id = event.id.as_deref().unwrap();
        // The address that a browser was first given comes along.
        let mut tail = greenroom.api.tail_with("s", "?from=0", &[("last-event-id", id)]).await;
        let rest = tail.until("synced").await;
        let both = logged(&all[..=seen]).into_iter().chain(logged(&rest));
        assert_eq!(merged(both), want, "after {id}");
    }
    // A browser that has seen nothing yet.
    let mut tail = greenroom.api.tail_with("s", "", &[("last-event-id", "")]).await;
    assert_eq!(merged(logged(&tail.until("synced").await)), want);
}

#[tokio::test]
async fn any_place_within_an_answer_goes_on_at_the_start_of_its_character() {
    let lab = paced().await;
    let greenroom = Greenroom::before(&lab).await;
    let all = merged(logged(&talked(&greenroom).await));
    let answer = all.iter().find(|event| event["type"] == "text").unwrap();
    let (start, end) = (answer["position"].as_u64().unwrap(), answer["next"].as_u64().unwrap());
    assert_eq!(usize::try_from(end - start).unwrap(), WHOLE.len());
    let second = format!("{WHOLE}{WHOLE}");
    for at in 0..=WHOLE.len() {
        let position = start + u64::try_from(at).unwrap();
        for from in [format!("?from={position}"), format!("?from=1-{position}")] {
            let events = greenroom.api.there("s", &from).await;
            let from_character = &second[WHOLE.floor_char_boundary(at)..];
            assert_eq!(text(&events), from_character, "from {position}");
            assert!(types(&events).iter().all(|kind| kind != "reset"));
        }
    }
}

#[tokio::test]
async fn a_place_that_is_none_is_told_and_everything_is_given() {
    let lab = paced().await;
    let greenroom = Greenroom::before(&lab).await;
    let want = merged(logged(&talked(&greenroom).await));
    let end: u64 = want.last().unwrap()["next"].as_u64().unwrap();
    assert_eq!(types(&greenroom.api.there("s", &format!("?from={end}")).await), ["synced"]);
    for from in
        [format!("{}", end + 1), format!("1-{}", end + 1), "99-0".into(), "99-7".into(), format!("1-{}", u64::MAX)]
    {
        let events = greenroom.api.there("s", &format!("?from={from}")).await;
        assert_eq!(types(&events)[0], "reset", "from {from}");
        assert_eq!(events[0].id, events[0].json()["cursor"].as_str().map(str::to_owned));
        assert_eq!(merged(logged(&events)), want, "from {from}");
    }
    let no_cursors = ["x", "1-", "-1", "1-2-3", "1.5", "99999999999999999999", "%ff", "1-2%00", "0x1", "+1"];
    for query in
        no_cursors.map(|text| format!("from={text}")).iter().map(String::as_str).chain(["form=1", "truncate=maybe"])
    {
        for rest in ["events", "socket"] {
            // An opening that is otherwise a good one.
            let opening = [
                ("connection", "upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-version", "13"),
                ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ];
            let refused = greenroom.api.ask("GET", &at("s", &format!("/{rest}?{query}")), &opening, b"").await;
            assert_eq!(error(&refused), bad(), "{rest} {query}");
        }
    }
    for id in ["x", "1-2-3", "\u{e9}"] {
        let refused = greenroom.api.ask("GET", &at("s", "/events"), &[("last-event-id", id)], b"").await;
        assert_eq!(error(&refused), bad(), "{id}");
    }
}

#[tokio::test]
async fn a_session_in_which_nothing_is_said_says_that_it_is_there() {
    let beat = Duration::from_millis(400);
    let lab = scripted([Answer::text(["a", "b"]).pace(3 * beat)]).await;
    let local = Local::start(&provider("lab", &lab), beat, Duration::from_secs(5)).await;
    local.api.create("s").await;
    let mut tail = local.api.tail("s", "").await;
    tail.until("synced").await;
    for _ in 0..2 {
        let event = tail.0.event().await.unwrap().unwrap();
        assert!(event.is_comment() && event.comments == ["keep-alive"], "{event:?}");
    }
    let sent = local.api.say("s", "hi").await;
    let mut beats = 0;
    loop {
        let event = tail.0.event().await.unwrap().unwrap();
        beats += usize::from(event.is_comment());
        if event.json()["type"] == "turn.finished" {
            assert_eq!(event.json()["turn"], sent["turn"]);
            break;
        }
    }
    assert!(beats >= 1, "no heartbeat in three of their intervals");
}

#[tokio::test]
async fn what_an_answer_used_says_what_it_cost_where_that_is_known() {
    let lab = scripted([Answer::text(["hello"]).usage(1000, 500).stream().always()]).await;
    let priced = "[providers.lab.models.m1]\ncost = { input = 1.0, output = 2.0 }\n";
    let greenroom = Greenroom::start(&(provider("lab", &lab) + priced)).await;
    for (id, model, cost) in [("priced", "lab/m1", json!(2_000_000_000)), ("unpriced", "lab/m2", Value::Null)] {
        greenroom.api.posted(SESSIONS, &json!({"id": id, "model": model})).await;
        let events = greenroom.api.turn(id, "hi").await;
        let used = logged(&events).into_iter().find(|event| event["type"] == "usage").expect("it says what it used");
        assert_eq!((&used["input"], &used["cost"]), (&json!(1000), &cost), "in parts of a dollar");
        let again = logged(&greenroom.api.there(id, "").await);
        assert!(again.contains(&used), "and so it is kept");
    }
}
