//! A disk that is full and a daemon that is killed: nothing is lost that was acknowledged, and nobody is left unsure.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;
mod session_support;

use std::time::Duration;

use greenroom_tests::client::Event;
use greenroom_tests::harness::Signal;
use greenroom_tests::openai::Answer;
use http_support::{Greenroom, LIMIT, provider, scripted};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;
use session_support::{SESSIONS, at, error, logged, merged, text, types};

/// Lets the daemon's files grow no further, or again: as a disk that is full, and needs no rights to bring about.
fn fill(greenroom: &Greenroom, full: bool) {
    let pid = Pid::from_raw(greenroom.daemon.pid().cast_signed());
    let current = if full { Some(0) } else { None };
    prlimit(pid, Resource::Fsize, Rlimit { current, maximum: None }).unwrap();
}

#[tokio::test]
async fn on_a_full_disk_what_can_not_be_kept_is_refused_and_what_is_there_is_given() {
    let lab = scripted([Answer::text(["yes"]).stream().always()]).await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    api.create("s").await;
    api.turn("s", "first").await;
    let before = api.info("s").await;
    let mut socket = api.socket("s", "").await;
    socket.until("synced").await;
    fill(&greenroom, true);
    let not_kept = (507, "server".to_owned());
    let message = json!({"text": "second"});
    for _ in 0..2 {
        assert_eq!(error(&api.post(&at("s", "/messages"), &message).await), not_kept);
    }
    assert_eq!(error(&api.post(SESSIONS, &json!({"id": "t"})).await), not_kept);
    let reply = socket.replied(&json!({"type": "message", "text": "third"})).await;
    assert_eq!(reply["error"]["kind"], "server", "{reply}");
    assert_eq!(text(&api.there("s", "").await), "yes");
    assert_eq!(api.info("s").await, before, "nothing of what was refused is there");

    fill(&greenroom, false);
    let waited = async {
        while api.post(&at("s", "/messages"), &message).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, waited).await.unwrap();
    let frames = socket.until_so(|frame| frame["type"] == "turn.finished").await;
    assert!(frames.iter().any(|frame| frame["type"] == "message.user"), "{frames:#?}");
    let events = api.there("s", "").await;
    assert_eq!(types(&events).iter().filter(|kind| *kind == "message.user").count(), 2);
}

#[tokio::test]
async fn a_reader_of_a_daemon_that_is_killed_in_the_midst_of_an_answer_comes_to_the_same_text() {
    let words = ["one ", "two ", "three ", "four ", "five ", "six "];
    for reads in [1, 4, 6] {
        let lab = scripted([Answer::text(words).pace(Duration::from_millis(100)).stream().always()]).await;
        let mut greenroom = Greenroom::before(&lab).await;
        greenroom.api.create("s").await;
        let sent = greenroom.api.say("s", "count").await;
        let mut tail = greenroom.api.tail("s", "").await;
        let mut seen: Vec<Event> = Vec::new();
        while types(&seen).iter().filter(|kind| *kind == "text").count() < reads {
            seen.push(tail.next().await.unwrap());
        }
        greenroom.daemon.signal(Signal::KILL);
        greenroom.daemon.wait(LIMIT).await;
        let greenroom = Greenroom::start_in(greenroom.home, &provider("lab", &lab)).await;
        let want = greenroom.api.tail("s", "").await.until_turn_ends(&sent["turn"]).await;
        let cursor = seen.last().unwrap().id.clone().unwrap();
        let mut tail = greenroom.api.tail_with("s", "", &[("last-event-id", &cursor)]).await;
        let mut rest = tail.until_turn_ends(&sent["turn"]).await;
        if types(&rest)[0] == "reset" {
            // What was shown may not be what the log has, and everything comes anew.
            seen.clear();
            rest.remove(0);
        }
        let both = logged(&seen).into_iter().chain(logged(&rest));
        assert_eq!(merged(both), merged(logged(&want)), "after {cursor}");
    }
}
