//! A session is forked, taken out and put back in.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;
mod session_support;

use greenroom_tests::openai::Answer;
use greenroom_tests::{ScriptedProvider, When};
use http_support::{Greenroom, LIMIT, chats_asked, message, provider, scripted};
use serde_json::{Value, json};
use session_support::{SESSIONS, at, bad, conflict, error, logged, merged, text};

async fn counting() -> ScriptedProvider {
    let two = Answer::text(["two"]).stream().when(When::body_contains("second")).always();
    scripted([two, Answer::text(["one"]).stream().always()]).await
}

/// A session of two turns; where the first ends.
async fn talked(greenroom: &Greenroom) -> String {
    let new = json!({"id": "s", "model": "lab/m2", "system": "count"});
    greenroom.api.posted(SESSIONS, &new).await;
    let first = greenroom.api.turn("s", "first").await;
    assert_eq!(text(&first), "one");
    greenroom.api.turn("s", "second").await;
    first.last().unwrap().id.clone().unwrap()
}

#[tokio::test]
async fn a_fork_has_what_was_said_up_to_its_place_and_goes_its_own_way() {
    let lab = counting().await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    let cursor = talked(&greenroom).await;
    let before = api.info("s").await;
    let forked = api.post(&at("s", "/fork"), &json!({"at": cursor, "id": "branch"})).await;
    assert_eq!(forked.status, 201, "{}", forked.text());
    assert_eq!((&forked.json()["id"], &forked.json()["model"]), (&json!("branch"), &json!("lab/m2")));
    assert_eq!(text(&api.there("branch", "").await), "one");
    assert_eq!(text(&api.turn("branch", "third").await), "one");
    let said = chats_asked(&lab).pop().unwrap().json()["messages"].clone();
    let texts: Vec<&Value> = said.as_array().unwrap().iter().map(|message| &message["content"]).collect();
    assert_eq!(texts, ["count", "first", "one", "third"]);
    assert_eq!(api.info("s").await, before, "the first one is as it was");

    let random = api.posted(&at("s", "/fork"), &json!({"at": before["cursor"]})).await;
    assert_ne!(random["id"], "s");
    assert_eq!(text(&api.there(random["id"].as_str().unwrap(), "").await), "onetwo");
    assert_eq!(error(&api.post(&at("s", "/fork"), &json!({"at": cursor, "id": "branch"})).await), conflict());
    for place in [json!("1-99999"), json!("77-1"), json!("x"), json!(99_999), json!(null), json!(-1)] {
        let refused = api.post(&at("s", "/fork"), &json!({"at": place, "id": "other"})).await;
        assert_eq!(error(&refused), bad(), "{place}");
    }
    assert_eq!(api.get(&at("other", "")).await.status, 404);
}

#[tokio::test]
async fn an_export_makes_the_same_session_somewhere_else() {
    let lab = counting().await;
    let greenroom = Greenroom::before(&lab).await;
    talked(&greenroom).await;
    let exported = greenroom.api.get(&at("s", "/export")).await;
    assert_eq!((exported.status, exported.header("content-type")), (200, Some("application/x-ndjson")));
    let lines = exported.text();
    let head: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!((&head["type"], &head["version"], &head["id"]), (&json!("session"), &json!(1), &json!("s")));
    let want = merged(logged(&greenroom.api.there("s", "").await));

    let taken = greenroom.api.ask("POST", "/api/sessions/import", &[], &exported.body).await;
    assert_eq!(error(&taken), conflict(), "it is there");
    let copy = greenroom.api.ask("POST", "/api/sessions/import?id=copy", &[], &exported.body).await;
    assert_eq!((copy.status, &copy.json()["id"]), (201, &json!("copy")), "{}", copy.text());
    let other = Greenroom::start(&provider("lab", &lab)).await;
    let moved = other.api.ask("POST", "/api/sessions/import", &[], &exported.body).await;
    assert_eq!((moved.status, &moved.json()["id"]), (201, &json!("s")), "{}", moved.text());
    for (api, id) in [(&greenroom.api, "copy"), (&other.api, "s")] {
        assert_eq!(merged(logged(&api.there(id, "").await)), want, "{id}");
        assert_eq!(text(&api.turn(id, "third").await), "two", "what was said before is known");
    }
}

#[tokio::test]
async fn what_is_no_export_makes_nothing() {
    let lab = counting().await;
    let greenroom = Greenroom::before(&lab).await;
    talked(&greenroom).await;
    let whole = greenroom.api.get(&at("s", "/export")).await.text();
    let lines: Vec<&str> = whole.lines().collect();
    let without_head = lines[1..].join("\n");
    let cut = &whole[..whole.len() - 10];
    let mixed = format!("{}\nhello\n", lines[0]);
    let later = whole.replacen("\"version\":1", "\"version\":99", 1);
    let cases: [&[u8]; 8] = [
        b"",
        b"hello",
        b"{}",
        b"\xff\xfe",
        without_head.as_bytes(),
        cut.as_bytes(),
        mixed.as_bytes(),
        later.as_bytes(),
    ];
    for body in cases {
        let refused = greenroom.api.ask("POST", "/api/sessions/import?id=new", &[], body).await;
        assert_eq!(error(&refused), bad(), "{}", String::from_utf8_lossy(body));
        if !body.is_empty() {
            assert!(message(&refused).contains("line"), "{}", refused.text());
        }
        assert_eq!(greenroom.api.get(&at("new", "")).await.status, 404);
    }
    let bad_id = greenroom.api.ask("POST", "/api/sessions/import?id=a%20b", &[], whole.as_bytes()).await;
    assert_eq!(error(&bad_id), bad());
    // A session may be called as the route is.
    greenroom.api.create("import").await;
    assert_eq!(greenroom.api.info("import").await["id"], "import");
}

#[tokio::test]
async fn a_session_is_there_after_a_kill() {
    use greenroom_tests::harness::Signal;

    let lab = counting().await;
    let mut greenroom = Greenroom::before(&lab).await;
    talked(&greenroom).await;
    let want = merged(logged(&greenroom.api.there("s", "").await));
    let info = greenroom.api.info("s").await;
    greenroom.daemon.signal(Signal::KILL);
    greenroom.daemon.wait(LIMIT).await;
    let greenroom = Greenroom::start_in(greenroom.home, &provider("lab", &lab)).await;
    assert_eq!(greenroom.api.info("s").await, info);
    assert_eq!(merged(logged(&greenroom.api.there("s", "").await)), want);
    let end = info["cursor"].as_str().unwrap();
    let mut tail = greenroom.api.tail("s", &format!("?from={end}")).await;
    assert_eq!(tail.next().await.unwrap().event.as_deref(), Some("synced"), "the cursor still holds");
    let sent = greenroom.api.say("s", "third").await;
    assert_eq!(sent["turn"], 3);
    assert_eq!(text(&tail.until_turn_ends(&sent["turn"]).await), "two");
}
