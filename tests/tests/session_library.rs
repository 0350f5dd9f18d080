//! Sessions as a program that embeds greenroom has them.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;

use std::{path::Path, sync::Arc, time::Duration};

use futures::StreamExt as _;
use greenroom::config::{Environment, Source, load};
use greenroom::event::EventBody;
use greenroom::{Access, CallResult, Cancelled, NewSession, Outgoing, Part, Runtime, SessionError, SessionState, Tool};
use greenroom_tests::harness::Home;
use greenroom_tests::openai::Answer;
use greenroom_tests::{ScriptedProvider, When};
use http_support::{CHAT, provider, scripted, until};

/// A runtime before a scripted provider; what it keeps is in `data_dir`, if there is one.
async fn runtime(lab: &ScriptedProvider, data_dir: Option<&Path>) -> Runtime {
    let home = Home::new();
    home.config(&provider("lab", lab));
    let settings = load(&Source::locate(Some(&home.config_path()), Environment::empty())).unwrap().settings;
    let mut builder = Runtime::builder().settings(settings);
    if let Some(data_dir) = data_dir {
        builder = builder.data_dir(data_dir);
    }
    builder.start().await.unwrap()
}

#[tokio::test]
async fn a_session_goes_on_in_another_process_and_so_does_a_reader() {
    let lab = scripted([Answer::text(["Hel", "lo"]).stream().always()]).await;
    let home = Home::new();
    let directory = home.path().join("kept");
    let first = runtime(&lab, Some(&directory)).await;
    let session = first.session("telegram:42").await.unwrap();
    let mut turn = session.send("hi").await.unwrap();
    let mut cursor = turn.cursor();
    while let Some(event) = turn.next().await {
        if matches!(event.body, EventBody::Text { .. }) {
            cursor = turn.cursor();
            break;
        }
    }
    // Dropping it does not cancel.
    drop(turn);
    first.shutdown(Duration::from_secs(10)).await;
    drop((session, first));

    let second = runtime(&lab, Some(&directory)).await;
    let session = second.session("telegram:42").await.unwrap();
    let mut events = session.events_from(Some(cursor)).await.unwrap();
    let mut ends = Vec::new();
    while let Some(event) = events.next().await
        && event.body != EventBody::Synced
    {
        ends.push(event.body);
    }
    assert!(matches!(ends.last(), Some(EventBody::TurnFinished { .. })), "{ends:?}");
    assert_eq!(events.cursor(), session.end().await.unwrap());
    assert_eq!(session.send("again").await.unwrap().text().await.unwrap(), "Hello");
    second.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn clients_see_their_own_and_the_owner_sees_all() {
    let lab = scripted([Answer::text(["yes"]).stream().always()]).await;
    let runtime = runtime(&lab, None).await;
    let client = |name: &str| runtime.sessions().of(Access::Client(Arc::from(name)));
    let (ann, bob) = (client("ann"), client("bob"));
    let new = |id: &str| NewSession { id: Some(id.to_owned()), ..NewSession::default() };
    let (session, is_new) = ann.create(new("a")).await.unwrap();
    assert!(is_new && !ann.create(new("a")).await.unwrap().1);
    assert_eq!(bob.open("a").await.unwrap_err(), SessionError::NotFound);
    assert_eq!(bob.create(new("a")).await.unwrap_err(), SessionError::Taken);
    assert_eq!(bob.remove("a").await.unwrap_err(), SessionError::NotFound);
    session.send("hi").await.unwrap().text().await.unwrap();
    let fork = session.fork(session.end().await.unwrap(), Some("fork".to_owned())).await.unwrap();
    assert_eq!(fork.info().await.unwrap().summary.client, "ann");
    bob.create(new("b")).await.unwrap();
    let hidden = runtime.ephemeral(NewSession::default()).await.unwrap();
    assert_eq!(hidden.send("hi").await.unwrap().text().await.unwrap(), "yes");
    for (sessions, want) in
        [(&ann, vec!["a", "fork"]), (&bob, vec!["b"]), (&runtime.sessions(), vec!["a", "b", "fork"])]
    {
        let listed = sessions.list(None, 10).await.unwrap();
        assert_eq!(listed.iter().map(|session| session.id.as_str()).collect::<Vec<_>>(), want);
    }
    assert_eq!(runtime.session("a").await.unwrap().info().await.unwrap().summary.client, "ann");
    let mut reader = session.events_from(None).await.unwrap();
    runtime.sessions().remove("a").await.unwrap();
    while reader.next().await.is_some() {}
    assert_eq!(session.send("gone").await.unwrap_err(), SessionError::NotFound);
    assert_eq!(runtime.session("a b").await.unwrap_err(), SessionError::BadId);
    runtime.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn a_turn_waits_for_tools_and_ends_with_the_answer() {
    let done = Answer::text(["It is sunny."]).stream().when(When::body_contains("sun-42")).always();
    let call = Answer::text(["Let me see. "]).tool_call("call-1", "look", ["{}"]).stream().always();
    let lab = scripted([done, call]).await;
    let runtime = runtime(&lab, None).await;
    let tools: Vec<Tool> = serde_json::from_str(r#"[{"type": "function", "name": "look"}]"#).unwrap();
    let session = runtime.ephemeral(NewSession { tools, ..NewSession::default() }).await.unwrap();
    let parts = vec![Part::text("how is the weather?")];
    let mut turn = session.send_message(Outgoing { parts, ..Outgoing::default() }).await.unwrap();
    let ids = loop {
        if let EventBody::TurnWaiting { ids } = turn.next().await.unwrap().body {
            break ids;
        }
    };
    assert_eq!(session.info().await.unwrap().summary.state, SessionState::Waiting);
    let claim = session.claim(&ids[0], None).await.unwrap();
    assert!(matches!(session.claim(&ids[0], None).await, Err(SessionError::Held { .. })));
    let result = CallResult { id: ids[0].clone(), parts: vec![Part::text("sun-42")], ..CallResult::default() };
    assert!(matches!(session.result(result.clone()).await, Err(SessionError::Held { .. })));
    session.result(CallResult { claim: Some(claim.claim), ..result }).await.unwrap();
    assert_eq!(turn.text().await.unwrap(), "It is sunny.");
    runtime.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn what_ends_without_an_answer_says_so() {
    let lab = scripted([Answer::text(["no end", "never"]).stall_after(1).stream().always()]).await;
    let runtime = runtime(&lab, None).await;
    let begun = async |id: &str| {
        let before = lab.stats().route(CHAT).requests;
        let session = runtime.session(id).await.unwrap();
        let mut turn = session.send("hi").await.unwrap();
        until(&lab, |stats| stats.route(CHAT).requests > before).await;
        while !matches!(turn.next().await.unwrap().body, EventBody::Route { .. }) {}
        (session, turn)
    };
    let (session, turn) = begun("cancelled").await;
    let number = turn.sent().turn;
    assert_eq!(session.cancel(number).await.unwrap(), Cancelled::Cancelled);
    let text = turn.text().await.unwrap();
    assert!("no end".starts_with(&text), "what there was: {text:?}");
    assert_eq!(session.cancel(number).await.unwrap(), Cancelled::Ended);
    assert_eq!(session.cancel(number + 1).await.unwrap_err(), SessionError::NoTurn);

    let (_removed, turn) = begun("removed").await;
    runtime.sessions().remove("removed").await.unwrap();
    // Whether its cancel is still seen is a matter of moments; a text that looks like an answer's is none.
    match turn.text().await {
        Ok(text) => assert!("no end".starts_with(&text), "{text:?}"),
        Err(error) => assert_eq!(error.kind, greenroom::ErrorKind::Cancelled),
    }
    assert_eq!(session.send("").await.unwrap_err(), SessionError::Empty);
    runtime.shutdown(Duration::ZERO).await;
}
