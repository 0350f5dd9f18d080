//! A server that speaks Bedrock byte by byte, and frames made and read without the SDK.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "a helper that fails fails its test; each test uses some"
)]

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc, time::Duration};

use greenroom_providers::{
    ChatCall, Credential, Deadlines, ModelInfo, Provider, Sink, SinkState,
    bedrock::{Bedrock, BedrockArgs},
    transport::Transport,
};
use greenroom_wire::{ChatError, ChatEvent, ChatRequest, Message};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

pub const KEY: &str = "bedrock-api-key-sentinel-4711";
pub const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
pub const DEADLINES: Deadlines = Deadlines {
    first_content: Duration::from_millis(1500),
    idle: Duration::from_millis(500),
    silent: Duration::from_millis(900),
    finish: Duration::from_millis(200),
};

/// A request as the server saw it.
#[derive(Debug)]
pub struct Seen {
    pub head: String,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub async fn read_request(socket: &mut TcpStream) -> Seen {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        let mut piece = [0; 4096];
        let count = socket.read(&mut piece).await.unwrap();
        assert!(count > 0, "a request is whole");
        bytes.extend_from_slice(&piece[..count]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            break (head, length.unwrap_or(0));
        }
    };
    let start = head.len() + 4;
    while bytes.len() < start + length {
        let mut piece = [0; 4096];
        let count = socket.read(&mut piece).await.unwrap();
        bytes.extend_from_slice(&piece[..count]);
    }
    Seen { head, body: bytes[start..].to_vec() }
}

/// One response, written in these pieces; then the connection ends.
pub struct Scripted {
    pub pieces: Vec<Vec<u8>>,
}

impl Scripted {
    /// A stream with this body, in pieces of this many bytes.
    pub fn stream(body: &[u8], length: usize) -> Self {
        Self::typed("application/vnd.amazon.eventstream", body, length)
    }

    pub fn typed(content_type: &str, body: &[u8], length: usize) -> Self {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nx-amzn-requestid: req-1\r\nconnection: close\r\n\r\n"
        );
        let pieces = body.chunks(length.max(1)).map(<[u8]>::to_vec);
        Self { pieces: [head.into_bytes()].into_iter().chain(pieces).collect() }
    }

    /// A response that comes whole.
    pub fn whole(status: u16, headers: &str, body: &[u8]) -> Self {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n"
        );
        Self { pieces: vec![head.into_bytes(), body.to_vec()] }
    }
}

/// A server that gives these responses, one to a connection.
pub async fn server(responses: Vec<Scripted>) -> (String, JoinHandle<Vec<Seen>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let seen = tokio::spawn(async move {
        let mut seen = Vec::new();
        for response in responses {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            seen.push(read_request(&mut socket).await);
            for piece in response.pieces {
                // Whoever asked may have read enough.
                if socket.write_all(&piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            let _closed = socket.shutdown().await;
        }
        seen
    });
    (base, seen)
}

pub fn bedrock(base: &str) -> Bedrock {
    let args = BedrockArgs {
        transport: Arc::new(Transport::new(Duration::from_secs(1))),
        base: Some(base.parse().unwrap()),
        region: Some("us-east-1".into()),
        profile: None,
        headers: BTreeMap::new(),
    };
    Bedrock::new(args).unwrap()
}

/// Keeps what it is given.
#[derive(Default)]
pub struct Kept(pub Vec<ChatEvent>);

impl Sink for Kept {
    fn take(&mut self, events: &mut Vec<ChatEvent>) -> SinkState {
        self.0.append(events);
        ControlFlow::Continue(())
    }
}

pub fn asking(text: &str) -> ChatRequest {
    ChatRequest { messages: vec![Message::user(text)], ..ChatRequest::default() }
}

/// Asks once; what came, and how it ended.
pub async fn ask(provider: &Bedrock, model: &str, request: &ChatRequest) -> (Vec<ChatEvent>, Result<(), ChatError>) {
    let (mut kept, info, key) = (Kept::default(), ModelInfo::named(model), Credential::Key(KEY.into()));
    let call = ChatCall { request, model, info: &info, provider: "bedrock", credential: &key, deadlines: &DEADLINES };
    let outcome = provider.chat(call, &mut kept).await;
    (kept.0, outcome)
}

/// Asks a server that gives one stream.
pub async fn answer(body: &[u8], length: usize) -> (Vec<ChatEvent>, Result<(), ChatError>) {
    let (base, _seen) = server(vec![Scripted::stream(body, length)]).await;
    ask(&bedrock(&base), CLAUDE, &asking("hi")).await
}

pub fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    };
    !bytes.iter().fold(u32::MAX, step)
}

/// A frame with these headers, all of them text.
pub fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(name.len() as u8);
        head.extend_from_slice(name.as_bytes());
        head.push(7);
        head.extend_from_slice(&(value.len() as u16).to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    let mut frame = Vec::new();
    frame.extend_from_slice(&((16 + head.len() + payload.len()) as u32).to_be_bytes());
    frame.extend_from_slice(&(head.len() as u32).to_be_bytes());
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame.extend_from_slice(&head);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame
}

pub fn event(kind: &str, payload: Value) -> Vec<u8> {
    raw_event(kind, payload.to_string().as_bytes())
}

pub fn raw_event(kind: &str, payload: &[u8]) -> Vec<u8> {
    let headers = [(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")];
    frame(&headers, payload)
}

pub fn exception(kind: &str, payload: &[u8]) -> Vec<u8> {
    let headers = [(":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception")];
    frame(&headers, payload)
}

/// The frames of a stream: headers and payloads.
pub fn frames(mut bytes: &[u8]) -> Vec<(BTreeMap<String, String>, Vec<u8>)> {
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (whole, head) = (number(bytes), number(&bytes[4..]));
        assert_eq!(number(&bytes[8..]) as u32, crc32(&bytes[..8]), "the checksum of the lengths");
        assert_eq!(number(&bytes[whole - 4..]) as u32, crc32(&bytes[..whole - 4]), "the checksum of the frame");
        let (mut headers, mut rest) = (BTreeMap::new(), &bytes[12..12 + head]);
        while !rest.is_empty() {
            let name = usize::from(rest[0]);
            let value = usize::from(u16::from_be_bytes(rest[name + 2..name + 4].try_into().unwrap()));
            assert_eq!(rest[name + 1], 7, "headers are text");
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            headers.insert(text(&rest[1..=name]), text(&rest[name + 4..name + 4 + value]));
            rest = &rest[name + 4 + value..];
        }
        all.push((headers, bytes[12 + head..whole - 4].to_vec()));
        bytes = &bytes[whole..];
    }
    all
}
