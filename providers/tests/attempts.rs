//! Attempts at an answer over real sockets: what each fate of a response amounts to.

#![allow(clippy::unwrap_used, reason = "a test that can not go on ends")]

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    ops::ControlFlow,
    sync::{Arc, mpsc},
    time::Duration,
};

use greenroom_providers::{
    ChatCall, Credential, Deadlines, ModelInfo, Provider, Sink, SinkState,
    openai::{OpenAi, OpenAiArgs},
    transport::Transport,
};
use greenroom_wire::{ChatError, ChatEvent, ChatRequest, ErrorKind, FinishReason, Message, RateLimits, chat::Tool};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::Instant,
};

const KEY: &str = "sk-sentinel-4711";
const DEADLINES: Deadlines = Deadlines {
    first_content: Duration::from_millis(400),
    idle: Duration::from_millis(300),
    silent: Duration::from_millis(900),
    finish: Duration::from_millis(100),
};

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n";
const FINISH: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

/// What the far side does after it has read the request.
enum Do {
    Say(String),
    Wait(Duration),
    /// Say this again and again, with so much time between.
    Repeat(&'static str, Duration),
}

fn chunk(text: &str) -> Do {
    Do::Say(format!("{:x}\r\n{text}\r\n", text.len()))
}

fn say(text: &str) -> Do {
    Do::Say(text.to_owned())
}

async fn play(mut socket: TcpStream, steps: Vec<Do>) {
    let _request = socket.read(&mut [0; 8192]).await;
    for step in steps {
        match step {
            Do::Say(text) => drop(socket.write_all(text.as_bytes()).await),
            Do::Wait(time) => tokio::time::sleep(time).await,
            Do::Repeat(text, pause) => {
                while socket.write_all(text.as_bytes()).await.is_ok() {
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}

#[derive(Default)]
struct Taken {
    events: Vec<ChatEvent>,
    /// Requests left, with how many events had come before that was told.
    left: Vec<(Option<u64>, usize)>,
    most: Option<usize>,
}

impl Sink for Taken {
    fn take(&mut self, events: &mut Vec<ChatEvent>) -> SinkState {
        self.events.append(events);
        if self.most.is_some_and(|most| self.text().len() >= most) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn handle_limits(&mut self, limits: &RateLimits) {
        self.left.push((limits.requests.map(|requests| requests.remaining), self.events.len()));
    }
}

impl Taken {
    fn text(&self) -> String {
        let texts = self.events.iter().filter_map(|event| match event {
            ChatEvent::Text { delta } => Some(delta.as_str()),
            _ => None,
        });
        texts.collect()
    }

    fn is_finished(&self) -> bool {
        self.events.last() == Some(&ChatEvent::Finished { reason: FinishReason::Stop })
    }
}

async fn ask(base: String, tools: Vec<Tool>, sink: &mut dyn Sink) -> Result<(), ChatError> {
    let args = OpenAiArgs {
        transport: Arc::new(Transport::new(Duration::from_secs(1))),
        base: base.parse().unwrap(),
        headers: BTreeMap::new(),
    };
    let provider = OpenAi::compatible(args).unwrap();
    let messages = vec![Message::user("a prompt that nobody else may read")];
    let request = ChatRequest { messages, tools, ..ChatRequest::default() };
    let credential = Credential::Key(KEY.into());
    let call = ChatCall {
        request: &request,
        model: "m",
        info: &ModelInfo::named("m"),
        provider: "lab",
        credential: &credential,
        deadlines: &DEADLINES,
    };
    provider.chat(call, sink).await
}

/// Asks a server that does this.
async fn attempt(steps: Vec<Do>) -> (Result<(), ChatError>, Taken) {
    attempt_with(Vec::new(), steps).await
}

/// Asks a server that does this, with tools.
async fn attempt_with(tools: Vec<Tool>, steps: Vec<Do>) -> (Result<(), ChatError>, Taken) {
    let mut taken = Taken::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        play(socket, steps).await;
    });
    let outcome = ask(base, tools, &mut taken).await;
    server.abort();
    (outcome, taken)
}

async fn failure(steps: Vec<Do>) -> (ChatError, String) {
    let (outcome, taken) = attempt(steps).await;
    let error = outcome.expect_err("the attempt fails");
    assert!(!taken.is_finished());
    (error, taken.text())
}

#[tokio::test]
async fn a_whole_stream_is_handed_over() {
    let (outcome, taken) = attempt(vec![say(STREAM), chunk(TEXT), chunk(FINISH), chunk(DONE), say("0\r\n\r\n")]).await;
    outcome.unwrap();
    assert_eq!(taken.text(), "Hel");
    assert!(taken.is_finished());
}

#[tokio::test]
async fn a_tool_is_called_by_the_name_that_it_has_here() {
    let tool = Tool::Function {
        name: "files/read".into(),
        description: None,
        parameters: None,
        strict: None,
        extra: Vec::new(),
    };
    let calls = r#"[{"index":0,"id":"c","type":"function","function":{"name":"files_read","arguments":"{}"}}]"#;
    let choices =
        |key: &str| format!(r#"{{"choices":[{{"{key}":{{"tool_calls":{calls}}},"finish_reason":"tool_calls"}}]}}"#);
    let streamed = vec![say(STREAM), chunk(&format!("data: {}\n\n", choices("delta"))), chunk(DONE), say("0\r\n\r\n")];
    let body = choices("message");
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length:";
    let whole = vec![say(&format!("{head} {}\r\n\r\n{body}", body.len()))];
    for steps in [streamed, whole] {
        let (outcome, taken) = attempt_with(vec![tool.clone()], steps).await;
        outcome.unwrap();
        let name = taken.events.iter().find_map(|event| match event {
            ChatEvent::ToolCallStarted { name, .. } => Some(name.as_str()),
            _ => None,
        });
        assert_eq!(name, Some("files/read"));
    }
}

#[tokio::test]
async fn a_cut_after_content_is_a_protocol_failure_however_it_is_cut() {
    let unclean = failure(vec![say(STREAM), chunk(TEXT)]).await;
    let clean = failure(vec![say(STREAM), chunk(TEXT), say("0\r\n\r\n")]).await;
    for (error, text) in [unclean, clean] {
        assert_eq!((error.kind, text.as_str()), (ErrorKind::Protocol, "Hel"), "{error}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_finish_reason_loses_nothing() {
    let (outcome, taken) = attempt(vec![say(STREAM), chunk(TEXT), chunk(FINISH)]).await;
    outcome.unwrap();
    assert!(taken.is_finished());
}

#[tokio::test]
async fn a_missing_end_marker_is_waited_for_only_a_moment() {
    let start = Instant::now();
    let (outcome, taken) =
        attempt(vec![say(STREAM), chunk(TEXT), chunk(FINISH), Do::Wait(Duration::from_secs(60))]).await;
    outcome.unwrap();
    assert!(taken.is_finished());
    assert!(start.elapsed() >= DEADLINES.finish);
}

#[tokio::test]
async fn silence_before_and_after_content_is_a_time_out() {
    let nothing = failure(vec![Do::Wait(Duration::from_secs(60))]).await;
    assert_eq!((nothing.0.kind, nothing.1.as_str()), (ErrorKind::Timeout, ""));
    let after_head = failure(vec![say(STREAM), Do::Wait(Duration::from_secs(60))]).await;
    assert_eq!(after_head.0.kind, ErrorKind::Timeout);
    let stalled = failure(vec![say(STREAM), chunk(TEXT), Do::Wait(Duration::from_secs(60))]).await;
    assert_eq!((stalled.0.kind, stalled.1.as_str()), (ErrorKind::Timeout, "Hel"));
}

/// Holds up the only thread there is when the first word comes, until the rest of the answer is there and its deadline has passed:
/// as a process is that others keep from running.
struct HeldUp {
    taken: Taken,
    far_side: Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>,
}

impl Sink for HeldUp {
    fn take(&mut self, events: &mut Vec<ChatEvent>) -> SinkState {
        let state = self.taken.take(events);
        if !self.taken.text().is_empty()
            && let Some((go_on, said)) = self.far_side.take()
        {
            go_on.send(()).unwrap();
            said.recv().unwrap();
            std::thread::sleep(DEADLINES.idle);
        }
        state
    }
}

#[tokio::test]
async fn what_came_while_nothing_here_could_run_goes_before_a_time_out() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let ((go_on, may_go_on), (has_said, said)) = (mpsc::channel(), mpsc::channel());
    let far_side = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let _request = socket.read(&mut [0; 8192]).unwrap();
        let mut tell = |said: Do| match said {
            Do::Say(text) => socket.write_all(text.as_bytes()).unwrap(),
            Do::Wait(_) | Do::Repeat(..) => {}
        };
        [say(STREAM), chunk(TEXT)].into_iter().for_each(&mut tell);
        may_go_on.recv().unwrap();
        [chunk(FINISH), chunk(DONE)].into_iter().for_each(&mut tell);
        has_said.send(()).unwrap();
    });
    let mut sink = HeldUp { taken: Taken::default(), far_side: Some((go_on, said)) };
    ask(base, Vec::new(), &mut sink).await.unwrap();
    assert!(sink.taken.is_finished(), "{:?}", sink.taken.events);
    far_side.join().unwrap();
}

#[tokio::test]
async fn heartbeats_do_not_stand_for_content() {
    const BEAT: &str = "4\r\n: x\n\r\n";
    let pause = Duration::from_millis(50);
    let before = failure(vec![say(STREAM), Do::Repeat(BEAT, pause)]).await;
    assert_eq!(before.0.kind, ErrorKind::Timeout);
    let start = Instant::now();
    let after = failure(vec![say(STREAM), chunk(TEXT), Do::Repeat(BEAT, pause)]).await;
    assert_eq!((after.0.kind, after.1.as_str()), (ErrorKind::Timeout, "Hel"));
    assert!(start.elapsed() >= DEADLINES.silent, "heartbeats count as bytes");
}

#[tokio::test]
async fn a_page_is_no_answer() {
    let page = "<html><body>Welcome</body></html>";
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n", page.len());
    let (error, _) = failure(vec![say(&head), say(page)]).await;
    assert_eq!(error.kind, ErrorKind::Protocol);
    assert!(!error.message.contains("Welcome"), "{error}");
}

#[tokio::test]
async fn an_answer_that_comes_whole_is_taken_as_well() {
    let body = r#"{"choices":[{"message":{"role":"assistant","content":"Hel"},"finish_reason":"stop"}]}"#;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    let (outcome, taken) = attempt(vec![say(&head), say(body)]).await;
    outcome.unwrap();
    assert_eq!(taken.text(), "Hel");
    assert!(taken.is_finished());
}

#[tokio::test]
async fn an_error_says_what_the_provider_said_without_key_or_prompt() {
    let body =
        format!(r#"{{"error":{{"message":"key {KEY} may not ask: a prompt that nobody else may read","code":"no"}}}}"#);
    let head = format!("HTTP/1.1 429 No\r\nretry-after: 7\r\ncontent-length: {}\r\n\r\n", body.len());
    let (error, _) = failure(vec![say(&head), say(&body)]).await;
    assert_eq!((error.kind, error.details.status), (ErrorKind::RateLimited, Some(429)));
    assert_eq!(error.details.retry_after, Some(Duration::from_secs(7)));
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(KEY) && !shown.contains("nobody else"), "{shown}");
}

#[tokio::test]
async fn what_never_answers_is_the_network() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let refused = ask(base, Vec::new(), &mut Taken::default()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Network);
    assert!(refused.message.contains("connection refused"), "{refused}");
    let (closed, _) = failure(vec![]).await;
    assert_eq!(closed.kind, ErrorKind::Network);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = elsewhere.local_addr().unwrap();
    let head = format!("HTTP/1.1 307 Moved\r\nlocation: http://{to}/v1/chat/completions\r\ncontent-length: 0\r\n\r\n");
    let (error, _) = failure(vec![say(&head)]).await;
    assert_ne!(error.kind, ErrorKind::InvalidRequest, "{error}");
    let asked = tokio::time::timeout(Duration::from_millis(100), elsewhere.accept()).await;
    assert!(asked.is_err(), "the key went to another address");
}

#[tokio::test]
async fn a_sink_that_has_enough_ends_the_attempt() {
    let mut taken = Taken { most: Some(3), ..Taken::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        play(socket, vec![say(STREAM), chunk(TEXT), Do::Wait(Duration::from_secs(60))]).await;
    });
    ask(base, Vec::new(), &mut taken).await.unwrap();
    assert_eq!(taken.text(), "Hel");
}

#[tokio::test]
async fn what_is_left_of_limits_is_told_before_anything_else_whatever_the_answer() {
    let limits =
        "x-ratelimit-limit-requests: 60\r\nx-ratelimit-remaining-requests: 7\r\nx-ratelimit-reset-requests: 1s\r\n";
    let with_limits = STREAM.replacen("\r\n", &format!("\r\n{limits}"), 1);
    let (outcome, taken) = attempt(vec![say(&with_limits), chunk(TEXT), chunk(FINISH), chunk(DONE)]).await;
    assert!(outcome.is_ok() && taken.is_finished());
    assert_eq!(taken.left, [(Some(7), 0)]);
    let refused = format!("HTTP/1.1 429 Too Many Requests\r\n{limits}content-length: 0\r\n\r\n");
    let (outcome, taken) = attempt(vec![say(&refused)]).await;
    assert_eq!(outcome.unwrap_err().kind, ErrorKind::RateLimited);
    assert_eq!(taken.left, [(Some(7), 0)]);
    let (_, taken) = attempt(vec![say(STREAM), chunk(TEXT), chunk(FINISH), chunk(DONE)]).await;
    assert_eq!(taken.left, [], "who says nothing is not heard");
}
