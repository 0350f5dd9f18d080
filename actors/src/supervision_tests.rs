//! Supervision under fire: every actor fails, before it has started as well, before, during and after a stream.

use std::num::NonZeroU32;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{
    tests::{provider, read, read_text, reads_to_its_end, request, says, spec, system, system_of},
    *,
};
use crate::{
    Limits,
    session::{Sent, actor::SessionMsg, event::EventBody, record::FIRST_EPOCH},
    sessions::SessionRef,
};

const SECOND: Duration = Duration::from_secs(1);

/// Who is to fail.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Provider,
    Router,
    Session,
    Providers,
    Sessions,
}

impl Victim {
    const ALL: [Self; 5] = [Self::Provider, Self::Router, Self::Session, Self::Providers, Self::Sessions];

    /// Has it fail, and then so often before its next incarnation has started.
    async fn fails(self, system: &System, session: &SessionRef, starts: u32) {
        match self {
            Self::Provider => strike(&system.shared.provider("lab").unwrap().handle, starts, ProviderMsg::Panic).await,
            Self::Router => strike(&system.shared.router, starts, RouterMsg::Panic).await,
            Self::Session => strike(&session.core().await.unwrap().handle, starts, SessionMsg::Panic).await,
            Self::Providers => strike(&system.branches.providers, starts, SupervisorMsg::Panic).await,
            Self::Sessions => strike(&system.branches.sessions, starts, SupervisorMsg::Panic).await,
        }
    }
}

/// Has the living incarnation fail, and the next ones before they have started; returns once it is dead.
async fn strike<M: ractor::Message>(handle: &Handle<M>, starts: u32, panic: M) {
    let alive = loop {
        match handle.living() {
            Some(alive) => break alive,
            // It has just failed as somebody's child.
            None => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    };
    handle.fail_starts(starts);
    handle.cast(panic);
    while alive.get_status() != ractor::ActorStatus::Stopped {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn say(session: &SessionRef) -> Sent {
    session.send(says("hi")).await.unwrap()
}

#[tokio::test]
async fn whoever_fails_whenever_a_stream_loses_nothing_and_the_next_is_answered() {
    for victim in Victim::ALL {
        for starts in [0, 2] {
            let (address, go_on) = provider().await;
            let system = system(&address).await;
            let session = tests::session(&system, "s").await;
            // Few enough failures in all that nobody is left down for them.
            victim.fails(&system, &session, 0).await;
            // Before a stream.
            let mut tail = read(&session).await;
            assert_eq!(say(&session).await.turn, 1, "{victim:?}");
            read_text(&mut tail, "Hel").await;
            // During one: of a session, and of a call without one, which waits for the provider.
            let mut answer = system.chat(request(), "test".into());
            victim.fails(&system, &session, starts).await;
            go_on.send(()).await.unwrap();
            reads_to_its_end(&mut tail).await;
            go_on.send(()).await.unwrap();
            read_text(&mut answer.tail, "Hello").await;
            // After them.
            victim.fails(&system, &session, 0).await;
            assert_eq!(say(&session).await.turn, 2, "{victim:?}");
            go_on.send(()).await.unwrap();
            reads_to_its_end(&mut tail).await;
            let mut all = read(&session).await;
            let mut position = 0;
            let mut text = String::new();
            while text != "HelloHello" {
                for event in all.pull().await.unwrap().into_iter().filter(|event| !event.body.is_told()) {
                    assert_eq!(event.position, position, "{victim:?}: nothing is lost or doubled");
                    position = event.next;
                    text += event.body.delta().map_or("", String::as_str);
                }
            }
            assert!(session.end().await.unwrap().epoch == FIRST_EPOCH && system.ready().is_ok(), "{victim:?}");
            assert!(system.status("lab").await.is_some(), "{victim:?}");
            system.stop().await;
        }
    }
}

#[tokio::test]
async fn a_request_that_waits_for_its_provider_asks_again_when_that_fails() {
    let (address, go_on) = provider().await;
    let limits = Limits { concurrent: NonZeroU32::new(1), ..Limits::default() };
    let system = system_of(vec![spec("lab", &address, limits)], None).await;
    let mut first = system.chat(request(), "test".into());
    read_text(&mut first.tail, "Hel").await;
    let mut waiting = system.chat(request(), "test".into());
    let handle = system.shared.provider("lab").unwrap().handle.clone();
    while system.status("lab").await.unwrap().waiting == 0 {
        tokio::task::yield_now().await;
    }
    strike(&handle, 1, ProviderMsg::Panic).await;
    let status = system.status("lab").await.unwrap();
    assert_eq!(status.profiles[0].in_flight, Some(1), "the place of the stream that runs is still taken");
    go_on.send(()).await.unwrap();
    reads_to_its_end(&mut first.tail).await;
    go_on.send(()).await.unwrap();
    read_text(&mut waiting.tail, "Hello").await;
    system.stop().await;
}

#[tokio::test]
async fn one_that_never_starts_is_down_visibly_and_the_rest_lives() {
    let (address, go_on) = provider().await;
    let specs = vec![spec("lab", &address, Limits::default()), spec("other", "http://127.0.0.1:1", Limits::default())];
    let system = system_of(specs, None).await;
    let other = system.shared.provider("other").unwrap().handle.clone();
    strike(&other, 100, ProviderMsg::Panic).await;
    tokio::time::timeout(20 * SECOND, async {
        while system.status("other").await.is_some() || !other.is_down() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("restarts end");
    let elsewhere = ChatRequest { model: "other/m".into(), ..request() };
    let events = system.chat_whole(elsewhere, "test".into()).await;
    let EventBody::TurnFailed { error } = &events.last().unwrap().body else { panic!("{events:?}") };
    assert_eq!(error.kind, ErrorKind::Overloaded);
    assert!(system.ready().is_ok() && system.status("lab").await.is_some());
    go_on.send(()).await.unwrap();
    let events = system.chat_whole(request(), "test".into()).await;
    assert!(matches!(events.last().unwrap().body, EventBody::TurnFinished { .. }), "{events:?}");
    system.stop().await;
}

#[tokio::test]
async fn several_runtimes_in_one_process_do_not_see_each_other() {
    let (address, go_on) = provider().await;
    let (one, two) = (system(&address).await, system(&address).await);
    let (doomed, session) = (tests::session(&one, "s").await, tests::session(&two, "s").await);
    let before = session.end().await;
    for victim in Victim::ALL {
        victim.fails(&one, &doomed, 100).await;
    }
    one.stop().await;
    assert!(two.ready().is_ok());
    assert_eq!(session.end().await, before);
    let mut tail = read(&session).await;
    assert_eq!(say(&session).await.turn, 1);
    go_on.send(()).await.unwrap();
    read_text(&mut tail, "Hello").await;
    two.stop().await;
}

/// Says `Hel` to the first question and breaks off once it may, and goes on with `lo` to the second.
async fn breaks_off() -> (String, tokio::sync::mpsc::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    let (go_on, mut wait) = tokio::sync::mpsc::channel::<()>(8);
    tokio::spawn(async move {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        let text = |text: &str| format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n");
        let end = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
        for answer in [text("Hel"), text("lo") + end] {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _request = socket.read(&mut [0; 8192]).await.unwrap();
            socket.write_all((head.to_owned() + &answer).as_bytes()).await.unwrap();
            wait.recv().await;
        }
    });
    (address, go_on)
}

#[tokio::test]
async fn an_answer_goes_on_after_a_cut_while_everybody_fails() {
    let (address, go_on) = breaks_off().await;
    let system = system(&address).await;
    let session = tests::session(&system, "s").await;
    let mut tail = read(&session).await;
    say(&session).await;
    read_text(&mut tail, "Hel").await;
    for victim in Victim::ALL {
        victim.fails(&system, &session, 1).await;
    }
    go_on.send(()).await.unwrap();
    go_on.send(()).await.unwrap();
    reads_to_its_end(&mut tail).await;
    read_text(&mut read(&session).await, "Hello").await;
    assert_eq!(session.end().await.unwrap().epoch, FIRST_EPOCH);
    system.stop().await;
}
