//! Supervision, over real actors and a provider that is asked over real HTTP.

use std::{collections::BTreeMap, time::Duration};

use greenroom_providers::{
    Credential,
    openai::{OpenAi, OpenAiArgs},
    transport::Transport,
};
use greenroom_wire::{Message, Part};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
};

use super::*;
use crate::session::{event::LogEvent, mailbox::Tail};
use crate::{
    provider::{Limits, ProfileArgs, Way},
    router::actor::RouterMsg,
    session::{
        Busy,
        actor::SessionMsg,
        error::SessionError,
        event::EventBody,
        info::{Access, Cancelled, NewSession, Outgoing},
        reader::Reader,
    },
    sessions::SessionRef,
};

const SECOND: Duration = Duration::from_secs(1);

/// Answers each connection with a stream that says `Hel`, and `lo` once the test lets it.
pub(super) async fn provider() -> (String, mpsc::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    let (go_on, mut wait) = mpsc::channel::<()>(8);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _request = socket.read(&mut [0; 4096]).await.unwrap();
            let chunk = |json: &str| format!("data: {json}\n\n");
            let text = |text: &str| chunk(&format!("{{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}"));
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
            socket.write_all((head.to_owned() + &text("Hel")).as_bytes()).await.unwrap();
            wait.recv().await;
            let end = chunk("{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}") + "data: [DONE]\n\n";
            socket.write_all((text("lo") + &end).as_bytes()).await.unwrap();
        }
    });
    (address, go_on)
}

pub(super) async fn system(address: &str) -> System {
    system_with(address, None).await
}

pub(super) async fn system_with(address: &str, store: Option<Store>) -> System {
    let (spec, capabilities) = spec("lab", address, Limits::default());
    system_of(vec![(spec, capabilities)], store).await
}

/// A provider that speaks OpenAI's language at this address.
pub(crate) fn spec(name: &str, address: &str, limits: Limits) -> (ProviderSpec, greenroom_providers::Capabilities) {
    let args = OpenAiArgs {
        transport: Arc::new(Transport::new(SECOND)),
        base: address.parse().unwrap(),
        headers: BTreeMap::new(),
    };
    let provider = OpenAi::compatible(args).unwrap();
    let capabilities = greenroom_providers::Provider::capabilities(&provider);
    let profile = ProfileArgs { id: "default".into(), way: Way::Fixed(Arc::new(Credential::None)), weight: 1, limits };
    let spec = ProviderSpec {
        args: ProviderArgs {
            name: name.into(),
            provider: Arc::new(provider),
            profiles: vec![profile],
            shared_limits: Limits::default(),
            queue: 8,
            cached: None,
            listed: None,
            store: None,
        },
        timeouts: Timeouts {
            first_token: 5 * SECOND,
            first_token_per_10k: SECOND,
            first_token_alone: 5 * SECOND,
            idle: 5 * SECOND,
            idle_reasoning: 5 * SECOND,
            silent: 5 * SECOND,
        },
        queue_wait: 5 * SECOND,
        defaults: crate::RequestDefaults::default(),
    };
    (spec, capabilities)
}

pub(super) async fn system_of(
    providers: Vec<(ProviderSpec, greenroom_providers::Capabilities)>,
    store: Option<Store>,
) -> System {
    system_under(providers, store, SessionRules::default()).await
}

pub(crate) async fn system_under(
    providers: Vec<(ProviderSpec, greenroom_providers::Capabilities)>,
    store: Option<Store>,
    rules: SessionRules,
) -> System {
    system_knowing(providers, store, rules, Vec::new()).await
}

/// The same where this is known of each provider's models.
pub(crate) async fn system_knowing(
    providers: Vec<(ProviderSpec, greenroom_providers::Capabilities)>,
    store: Option<Store>,
    rules: SessionRules,
    models: Vec<ModelInfo>,
) -> System {
    let named = providers.iter().map(|(spec, can)| ShelfArgs {
        provider: Arc::clone(&spec.args.name),
        capabilities: *can,
        models: models.clone(),
    });
    let router = RouterArgs {
        providers: named.collect(),
        aliases: Vec::new(),
        default: None,
        unusable: Vec::new(),
        facts: Arc::new(greenroom_providers::Facts::none()),
    };
    let budget = Budget { attempts: 8, continuations: 3, max_wait: 5 * SECOND };
    let limits = TurnLimits { bytes: 1 << 20, time: 60 * SECOND };
    System::start(SystemArgs {
        providers: providers.into_iter().map(|(spec, _)| spec).collect(),
        router,
        budget,
        limits,
        on_interrupt: Default::default(),
        hedge: None,
        rules,
        idle: Vec::new(),
        usage: crate::UsageRules::default(),
        cache: crate::CacheRules::default(),
        store,
    })
    .await
    .unwrap()
}

pub(super) fn request() -> ChatRequest {
    ChatRequest { model: "lab/m".into(), messages: vec![Message::user("hi")], ..ChatRequest::default() }
}

/// Whoever reads a log.
pub(super) trait Pull {
    async fn pull(&mut self) -> Option<Vec<LogEvent>>;
}

impl Pull for Tail {
    async fn pull(&mut self) -> Option<Vec<LogEvent>> {
        Tail::pull(self).await
    }
}

impl Pull for Reader {
    async fn pull(&mut self) -> Option<Vec<LogEvent>> {
        Reader::pull(self).await
    }
}

/// A session that asks the provider's model, made if there is none.
pub(super) async fn session(system: &System, id: &str) -> SessionRef {
    let new = NewSession { id: Some(id.into()), model: Some("lab/m".into()), ..NewSession::default() };
    system.sessions().create(&Access::Admin, new).await.unwrap().0
}

/// A reader from the start.
pub(super) async fn read(session: &SessionRef) -> Reader {
    session.read(Default::default()).await.unwrap()
}

pub(super) fn says(text: &str) -> Outgoing {
    Outgoing { parts: vec![Part::text(text)], ..Outgoing::default() }
}

/// Reads until the text so far is `text`.
pub(super) async fn read_text(tail: &mut impl Pull, text: &str) {
    let mut seen = String::new();
    while seen != text {
        let events = tail.pull().await.expect("the log goes on");
        for event in &events {
            if let EventBody::TurnFailed { error } = &event.body {
                panic!("the turn failed: {}", error.message);
            }
            if let EventBody::Text { delta } = &event.body {
                seen += delta;
            }
        }
    }
}

pub(super) async fn reads_to_its_end(tail: &mut impl Pull) {
    loop {
        let events = tail.pull().await.expect("a turn ends with an event");
        if events.iter().any(|event| matches!(event.body, EventBody::TurnFinished { .. })) {
            return;
        }
    }
}

#[tokio::test]
async fn a_stream_goes_on_when_its_provider_and_the_router_fail() {
    let (address, go_on) = provider().await;
    let system = system(&address).await;
    let mut answer = system.chat(request(), "test".into());
    read_text(&mut answer.tail, "Hel").await;
    system.shared.provider("lab").unwrap().handle.cast(ProviderMsg::Panic);
    system.shared.router.cast(RouterMsg::Panic);
    go_on.send(()).await.unwrap();
    reads_to_its_end(&mut answer.tail).await;
    let mut next = system.chat(request(), "test".into());
    go_on.send(()).await.unwrap();
    read_text(&mut next.tail, "Hello").await;
    assert!(system.ready().is_ok());
    system.stop().await;
}

#[tokio::test]
async fn a_session_that_fails_takes_its_turn_over_and_what_waited() {
    let (address, go_on) = provider().await;
    let system = system(&address).await;
    let session = session(&system, "s").await;
    let mut tail = read(&session).await;
    let send = async || session.send(says("hi")).await.unwrap();
    assert_eq!(send().await.turn, 1);
    read_text(&mut tail, "Hel").await;
    session.core().await.unwrap().handle.cast(SessionMsg::Panic);
    assert_eq!(send().await.turn, 2, "the next incarnation knows of the turn that runs");
    let at_once = Outgoing { busy: Busy::Refuse, ..says("hi") };
    assert_eq!(session.send(at_once).await, Err(SessionError::Busy));
    session.core().await.unwrap().handle.cast(SessionMsg::Panic);
    go_on.send(()).await.unwrap();
    reads_to_its_end(&mut tail).await;
    go_on.send(()).await.unwrap();
    reads_to_its_end(&mut tail).await;
    let mut all = read(&session).await;
    read_text(&mut all, "HelloHello").await;
    system.stop().await;
}

#[tokio::test]
async fn a_provider_that_fails_again_and_again_is_down_and_the_rest_lives() {
    let (address, _go_on) = provider().await;
    let system = system(&address).await;
    let handle = system.shared.provider("lab").unwrap().handle.clone();
    for _ in 0..6 {
        let _alive = handle.call(ProviderMsg::Status).await;
        handle.cast(ProviderMsg::Panic);
    }
    assert!(system.status("lab").await.is_none());
    assert!(system.ready().is_err());
    let events = system.chat_whole(request(), "test".into()).await;
    let EventBody::TurnFailed { error } = &events.last().unwrap().body else { panic!("{events:?}") };
    assert_eq!(error.kind, ErrorKind::Overloaded);
    session(&system, "s").await;
    system.stop().await;
}

#[tokio::test]
async fn cancelling_is_told_once_and_keeps_what_was_said() {
    let (address, _go_on) = provider().await;
    let system = system(&address).await;
    let session = session(&system, "s").await;
    let mut tail = read(&session).await;
    session.send(says("hi")).await.unwrap();
    session.send(says("and")).await.unwrap();
    read_text(&mut tail, "Hel").await;
    assert_eq!(session.cancel(2).await, Ok(Cancelled::Cancelled), "one that waits");
    assert_eq!(session.cancel(1).await, Ok(Cancelled::Cancelled));
    let mut cancelled = 0;
    while cancelled < 2 {
        let events = tail.pull().await.unwrap();
        cancelled += events.iter().filter(|event| event.body == EventBody::TurnCancelled).count();
    }
    tokio::time::timeout(SECOND, async {
        while session.cancel(1).await == Ok(Cancelled::Cancelled) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("a turn that has ended is not cancelled again");
    assert_eq!(session.cancel(2).await, Ok(Cancelled::Ended));
    assert_eq!(session.cancel(3).await, Err(SessionError::NoTurn));
    system.stop().await;
}
