//! Ollama over real sockets: what is particular to it.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::BoxFuture;
use greenroom_providers::{
    ChatCall, Credential, Deadlines, EmbedCall, ModelInfo, Provider, PullCall, PullSink, Sink, SinkState,
    ollama::{Ollama, OllamaArgs},
    transport::Transport,
};
use greenroom_wire::{
    ChatError, ChatEvent, ChatRequest, EmbedRequest, ErrorKind, FinishReason, Message, ollama::PullProgress,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::Instant,
};

const KEY: &str = "ollama-sentinel-4711";
const DEADLINES: Deadlines = Deadlines {
    first_content: Duration::from_millis(400),
    idle: Duration::from_millis(300),
    silent: Duration::from_millis(900),
    finish: Duration::from_millis(100),
};
const TEXT: &str = "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"Hel\"},\"done\":false}\n";
const DONE: &str = "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"lo\"},\"done\":true,\"done_reason\":\"stop\"}\n";

/// An answer: its head, and the pieces of its body with how long to wait before each. The connection then closes.
struct Answer {
    head: String,
    pieces: Vec<(Duration, Vec<u8>)>,
}

impl Answer {
    fn new(status: u16, content_type: &str) -> Self {
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n");
        Self { head, pieces: Vec::new() }
    }

    fn stream(pieces: &[&str]) -> Self {
        pieces.iter().fold(Self::new(200, "application/x-ndjson"), |answer, piece| answer.then(0, piece))
    }

    fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json; charset=utf-8").then(0, &body.to_string())
    }

    fn then(mut self, wait_ms: u64, piece: &str) -> Self {
        self.pieces.push((Duration::from_millis(wait_ms), piece.as_bytes().to_vec()));
        self
    }
}

/// What was asked: the head, and the body as JSON.
type Asked = Arc<Mutex<Vec<(String, Value)>>>;

async fn read_request(socket: &mut TcpStream) -> (String, Value) {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = socket.read(&mut piece).await.unwrap();
        bytes.extend_from_slice(&piece[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let body = &bytes[end + 4..];
        if count == 0 || body.len() >= length.unwrap_or(0) {
            return (head, serde_json::from_slice(body).unwrap_or_default());
        }
    }
}

/// A server that gives these answers, one a connection.
async fn server(answers: Vec<Answer>) -> (Ollama, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let asked = Asked::default();
    let record = Arc::clone(&asked);
    tokio::spawn(async move {
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let request = read_request(&mut socket).await;
            record.lock().unwrap().push(request);
            socket.write_all(answer.head.as_bytes()).await.unwrap();
            for (wait, piece) in answer.pieces {
                tokio::time::sleep(wait).await;
                if socket.write_all(&piece).await.is_err() {
                    break;
                }
            }
        }
    });
    (ollama(&base), asked)
}

fn ollama(base: &str) -> Ollama {
    let transport = Arc::new(Transport::new(Duration::from_secs(1)));
    Ollama::new(OllamaArgs { transport, base: base.parse().unwrap(), headers: BTreeMap::new() }).unwrap()
}

#[derive(Default)]
struct Taken(Vec<ChatEvent>);

impl Sink for Taken {
    fn take(&mut self, events: &mut Vec<ChatEvent>) -> SinkState {
        self.0.append(events);
        ControlFlow::Continue(())
    }
}

impl Taken {
    fn text(&self) -> String {
        self.0
            .iter()
            .filter_map(|event| if let ChatEvent::Text { delta } = event { Some(delta.as_str()) } else { None })
            .collect()
    }
}

async fn chat(provider: &Ollama) -> (Result<(), ChatError>, Taken) {
    let messages = vec![Message::user("a prompt that nobody else may read")];
    let request = ChatRequest { messages, ..ChatRequest::default() };
    let credential = Credential::Key(KEY.into());
    let info = ModelInfo::named("m");
    let call = ChatCall {
        request: &request,
        model: "m",
        info: &info,
        provider: "home",
        credential: &credential,
        deadlines: &DEADLINES,
    };
    let mut taken = Taken::default();
    (provider.chat(call, &mut taken).await, taken)
}

async fn attempt(answer: Answer) -> (Result<(), ChatError>, Taken) {
    let (provider, _) = server(vec![answer]).await;
    chat(&provider).await
}

#[tokio::test]
async fn a_stream_of_lines_is_handed_over() {
    let (provider, asked) = server(vec![Answer::stream(&[&TEXT[..20], &TEXT[20..], DONE])]).await;
    let (outcome, taken) = chat(&provider).await;
    outcome.unwrap();
    assert_eq!(taken.text(), "Hello");
    assert_eq!(taken.0.last(), Some(&ChatEvent::Finished { reason: FinishReason::Stop }));
    let (head, body) = asked.lock().unwrap()[0].clone();
    assert!(head.starts_with("POST /api/chat ") && head.contains(&format!("authorization: Bearer {KEY}")), "{head}");
    assert_eq!((&body["model"], &body["stream"]), (&json!("m"), &json!(true)));
}

#[tokio::test]
async fn an_answer_that_comes_whole_is_taken_as_well() {
    let whole: Value = serde_json::from_str(DONE).unwrap();
    let (outcome, taken) = attempt(Answer::json(200, &whole)).await;
    outcome.unwrap();
    assert_eq!(taken.text(), "lo");
}

#[tokio::test]
async fn an_answer_ends_at_its_last_line_and_not_with_the_connection() {
    let start = Instant::now();
    let answer = Answer::stream(&[TEXT, DONE]).then(5_000, "{}");
    let (outcome, taken) = attempt(answer).await;
    outcome.unwrap();
    assert_eq!(taken.text(), "Hello");
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn each_failure_has_its_kind_and_keeps_the_text_before_it() {
    let error = "{\"error\":\"an error was encountered while running the model\"}\n";
    for (answer, kind, text) in [
        (Answer::stream(&[TEXT]), ErrorKind::Protocol, "Hel"),
        (Answer::stream(&[TEXT, "{\"model\":"]), ErrorKind::Protocol, "Hel"),
        (Answer::stream(&[TEXT, error]), ErrorKind::Server, "Hel"),
        (Answer::json(200, &json!({"error": "it broke"})), ErrorKind::Server, ""),
        (Answer::json(400, &json!({"error": "m does not support tools"})), ErrorKind::InvalidRequest, ""),
        (Answer::json(404, &json!({"error": "model 'm' not found"})), ErrorKind::NotFound, ""),
        (Answer::json(500, &json!({"error": "model requires more system memory"})), ErrorKind::Server, ""),
        (Answer::new(200, "application/x-ndjson").then(3_000, TEXT), ErrorKind::Timeout, ""),
        (Answer::stream(&[TEXT]).then(3_000, DONE), ErrorKind::Timeout, "Hel"),
    ] {
        let (outcome, taken) = attempt(answer).await;
        let error = outcome.unwrap_err();
        assert_eq!((error.kind, taken.text().as_str()), (kind, text), "{error}");
    }
}

#[tokio::test]
async fn what_to_do_is_said() {
    let (outcome, _) = attempt(Answer::json(404, &json!({"error": "model 'm' not found"}))).await;
    assert_eq!(outcome.unwrap_err().details.hint.as_deref(), Some("fetch it: `greenroom pull home/m`"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let refused = chat(&ollama(&base)).await.0.unwrap_err();
    assert_eq!(
        (refused.kind, refused.details.hint.as_deref()),
        (ErrorKind::Network, Some("start the server: `ollama serve`"))
    );
}

#[tokio::test]
async fn neither_key_nor_prompt_is_in_an_error() {
    let body = json!({"error": format!("key {KEY} may not ask: a prompt that nobody else may read")});
    let error = attempt(Answer::json(401, &body)).await.0.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(error.kind == ErrorKind::Auth && !shown.contains(KEY) && !shown.contains("nobody else"), "{shown}");
}

#[tokio::test]
async fn models_that_chat_are_listed_first_and_one_is_described() {
    let list = json!({"models": [
        {"name": "all-minilm:latest", "details": {"family": "bert"}},
        {"name": "llama3.2:latest", "details": {"family": "llama", "parameter_size": "3.2B", "quantization_level": "Q4_K_M"}},
    ]});
    let shown = json!({"details": {"family": "llama"}, "capabilities": ["completion", "tools"],
        "model_info": {"general.architecture": "llama", "llama.context_length": 131072}});
    let (provider, asked) = server(vec![Answer::json(200, &list), Answer::json(200, &shown)]).await;
    let models = provider.models(&Credential::None).await.unwrap();
    let ids: Vec<_> = models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["llama3.2:latest", "all-minilm:latest"]);
    assert_eq!(models[0].name.as_deref(), Some("llama 3.2B Q4_K_M"));
    let described = provider.describe("llama3.2", &Credential::None).await.unwrap();
    assert_eq!((described.context, described.tools, described.reasoning), (Some(131_072), Some(true), Some(false)));
    let asked = asked.lock().unwrap();
    assert!(asked[0].0.starts_with("GET /api/tags ") && !asked[0].0.contains("authorization"), "{}", asked[0].0);
    assert!(asked[1].0.starts_with("POST /api/show "), "{}", asked[1].0);
    assert_eq!(asked[1].1, json!({"model": "llama3.2"}));
}

#[tokio::test]
async fn what_other_clients_want_at_the_end_of_the_address_is_left_out() {
    for end in ["/", "/api", "/v1/", ""] {
        let base = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = ollama(&format!("http://{}{end}", base.local_addr().unwrap()));
        let serve = async {
            let (mut socket, _) = base.accept().await.unwrap();
            let (head, _) = read_request(&mut socket).await;
            let answer = Answer::json(200, &json!({"models": []}));
            socket.write_all(answer.head.as_bytes()).await.unwrap();
            socket.write_all(&answer.pieces[0].1).await.unwrap();
            drop(socket);
            head
        };
        let (models, head) = tokio::join!(provider.models(&Credential::None), serve);
        assert!(models.unwrap().is_empty() && head.starts_with("GET /api/tags "), "{end}: {head}");
    }
}

async fn embed(answers: Vec<Answer>, input: &[&str]) -> (Result<Vec<Vec<f32>>, ChatError>, Asked) {
    let (provider, asked) = server(answers).await;
    let request = EmbedRequest { input: input.iter().map(|text| (*text).into()).collect(), ..EmbedRequest::default() };
    let call =
        EmbedCall { request: &request, model: "m", credential: &Credential::None, limit: Duration::from_secs(2) };
    (provider.embed(call).await.map(|embeddings| embeddings.vectors), asked)
}

#[tokio::test]
async fn texts_become_vectors() {
    let (vectors, asked) =
        embed(vec![Answer::json(200, &json!({"model": "m", "embeddings": [[1, 2], [3, 4]]}))], &["a", "b"]).await;
    assert_eq!(vectors.unwrap(), [[1.0, 2.0], [3.0, 4.0]]);
    assert_eq!(asked.lock().unwrap()[0].1, json!({"model": "m", "input": ["a", "b"]}));
    let short = embed(vec![Answer::json(200, &json!({"embeddings": [[1]]}))], &["a", "b"]).await.0.unwrap_err();
    assert_eq!(short.kind, ErrorKind::Protocol);
    let said = json!({"error": "can't embed: a text that nobody else may read"});
    let secret = embed(vec![Answer::json(400, &said)], &["a text that nobody else may read"]).await.0.unwrap_err();
    assert!(secret.kind == ErrorKind::InvalidRequest && !secret.message.contains("nobody"), "{secret}");
}

#[tokio::test]
async fn an_old_server_is_asked_for_one_vector_after_another() {
    let missing = || Answer::new(404, "text/plain").then(0, "404 page not found");
    let one = |number: u32| Answer::json(200, &json!({"embedding": [number]}));
    let (vectors, asked) = embed(vec![missing(), one(1), one(2)], &["a", "b"]).await;
    assert_eq!(vectors.unwrap(), [[1.0], [2.0]]);
    let asked = asked.lock().unwrap().clone();
    assert!(asked[1].0.starts_with("POST /api/embeddings "), "{}", asked[1].0);
    assert_eq!(asked[2].1, json!({"model": "m", "prompt": "b"}));
    let unknown = Answer::json(404, &json!({"error": "model \"m\" not found, try pulling it first"}));
    let (failed, asked) = embed(vec![unknown], &["a"]).await;
    assert_eq!((failed.unwrap_err().kind, asked.lock().unwrap().len()), (ErrorKind::NotFound, 1));
}

/// Takes steps slowly, and at most so many.
struct Slow {
    seen: Arc<Mutex<Vec<PullProgress>>>,
    pause: Duration,
    most: usize,
}

impl PullSink for Slow {
    fn take(&mut self, progress: PullProgress) -> BoxFuture<'_, ControlFlow<()>> {
        Box::pin(async move {
            tokio::time::sleep(self.pause).await;
            let mut seen = self.seen.lock().unwrap();
            seen.push(progress);
            if seen.len() >= self.most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }
}

async fn pull(answer: Answer, pause: u64, most: usize) -> (Result<(), ChatError>, Vec<PullProgress>) {
    let (provider, _) = server(vec![answer]).await;
    let seen = Arc::default();
    let mut sink = Slow { seen: Arc::clone(&seen), pause: Duration::from_millis(pause), most };
    let call = PullCall { model: "m", credential: &Credential::None, idle: Duration::from_millis(400) };
    let outcome = provider.pull(call, &mut sink).await;
    let seen = seen.lock().unwrap().clone();
    (outcome, seen)
}

const STEP: &str = "{\"status\":\"pulling manifest\"}\n";
const LAYER: &str = "{\"status\":\"pulling aa\",\"digest\":\"sha256:aa\",\"total\":10,\"completed\":4}\n";
const SUCCESS: &str = "{\"status\":\"success\"}\n";

#[tokio::test]
async fn a_pull_tells_each_step_at_the_pace_of_who_listens() {
    let start = Instant::now();
    let (outcome, seen) = pull(Answer::stream(&[STEP, LAYER, SUCCESS]), 60, 9).await;
    outcome.unwrap();
    let layer = PullProgress::Layer { digest: "sha256:aa".into(), total: Some(10), completed: 4 };
    assert_eq!(seen, [PullProgress::Step { status: "pulling manifest".into() }, layer]);
    assert!(start.elapsed() >= Duration::from_millis(120), "each step was waited for");
}

#[tokio::test]
async fn a_pull_fails_as_it_failed() {
    for (answer, kind) in [
        (Answer::stream(&[STEP, "{\"error\":\"pull model manifest: file does not exist\"}\n"]), ErrorKind::NotFound),
        (Answer::stream(&[STEP, LAYER]), ErrorKind::Protocol),
        (Answer::json(500, &json!({"error": "no space left on device"})), ErrorKind::Server),
        (Answer::stream(&[STEP]).then(2_000, SUCCESS), ErrorKind::Timeout),
    ] {
        let (outcome, _) = pull(answer, 0, 9).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
    }
    let (outcome, seen) = pull(Answer::stream(&[STEP, LAYER, LAYER]).then(2_000, SUCCESS), 0, 2).await;
    assert_eq!((outcome.unwrap_err().kind, seen.len()), (ErrorKind::Cancelled, 2));
}

#[tokio::test]
async fn what_a_provider_cannot_do_is_the_askers_mistake() {
    let demo = greenroom_providers::demo::Demo;
    let request = EmbedRequest::default();
    let call =
        EmbedCall { request: &request, model: "m", credential: &Credential::None, limit: Duration::from_secs(1) };
    assert_eq!(demo.embed(call).await.unwrap_err().kind, ErrorKind::InvalidRequest);
    let mut sink = Slow { seen: Arc::default(), pause: Duration::ZERO, most: 1 };
    let call = PullCall { model: "m", credential: &Credential::None, idle: Duration::from_secs(1) };
    assert_eq!(demo.pull(call, &mut sink).await.unwrap_err().kind, ErrorKind::InvalidRequest);
    let described = demo.describe("m", &Credential::None).await;
    assert_eq!(described.unwrap_err().kind, ErrorKind::InvalidRequest);
}
