//! Responses on a disk that takes nothing.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;
mod kept_support;

use greenroom_tests::openai::Answer;
use greenroom_tests::{Attempt, harness::Daemon};
use http_support::{Greenroom, chats_asked, message, refusal, scripted};
use kept_support::{ask, at, create, id, post, retrieve, session_of, stream, text_of, until_so};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

/// Lets the daemon's files grow no further, or again: as a disk that is full, and needs no rights to bring about.
fn fill(daemon: &Daemon, full: bool) {
    let pid = Pid::from_raw(daemon.pid().cast_signed());
    let current = if full { Some(0) } else { None };
    prlimit(pid, Resource::Fsize, Rlimit { current, maximum: None }).unwrap();
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_begun_that_is_to_be_kept_and_the_rest_is_answered() {
    let lab = scripted([Attempt::from(Answer::text(["fine"])).always()]).await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    let kept = create(api, &ask("hi", json!({}))).await;
    let before = api.get("/api/sessions").await.json()["sessions"].as_array().unwrap().len();
    fill(&greenroom.daemon, true);
    let behind = json!({"previous_response_id": id(&kept)});
    let named = json!({"conversation": session_of(&id(&kept))});
    for more in [json!({}), json!({"stream": true}), json!({"background": true}), behind, named] {
        let refused = post(api, &ask("hi", more.clone())).await;
        assert_eq!(
            refusal(&refused),
            (507, "server_error".into(), "storage_unavailable".into()),
            "{more}: {}",
            refused.text()
        );
        assert!(message(&refused).contains("'store': false"), "{}", refused.text());
    }
    assert_eq!(chats_asked(&lab).len(), 1, "nobody is asked for what can't be kept");
    let stateless = create(api, &ask("hi", json!({"store": false}))).await;
    assert_eq!((text_of(&stateless), &stateless["store"]), ("fine".to_owned(), &json!(false)));
    assert_eq!(retrieve(api, &id(&kept)).await, kept, "what is there can be had");
    assert_eq!(kept_support::asked(api, "DELETE", &at(&id(&kept), ""), None).await.status, 507);
    assert_eq!(retrieve(api, &id(&kept)).await, kept);
    fill(&greenroom.daemon, false);
    let after = api.get("/api/sessions").await.json();
    // A write that fails may land all the same, once there is room: of a session in which nothing was said, and which goes.
    let said = after["sessions"].as_array().unwrap().iter().filter(|session| session["cursor"] != "1-1").count();
    assert_eq!(said, before, "{after}");
    let events = stream(api, &ask("hi", json!({"previous_response_id": id(&kept)}))).await;
    let next = kept_support::last(&events);
    assert_eq!(text_of(&next), "fine");
    until_so(api, &id(&next), |response| response["status"] == "completed").await;
    let asked = chats_asked(&lab);
    assert_eq!(
        asked.last().unwrap().json()["messages"].as_array().unwrap().len(),
        3,
        "of what was refused nothing is said"
    );
}
