//! One client's connection: a request out, its answer in, both with as little work as can be.

use std::io;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use greenroom_tests::http1::{BodyReader, Malformed, Piece, take_response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::check::{Answer, Fault};
use crate::answer::Plan;

/// An answer that is not over by then has hung.
const LIMIT: Duration = Duration::from_secs(60);

/// Where the questions go.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// `host:port`.
    pub(crate) host: String,
    /// The bearer token, if one is wanted.
    pub(crate) token: Option<String>,
    /// What the mock provider's model is called there.
    pub(crate) model: &'static str,
}

/// A request made once and sent many times, and the answer it must have.
#[derive(Debug)]
pub(crate) struct Question {
    host: String,
    request: Bytes,
    stream: bool,
    text: String,
}

impl Question {
    /// Asks for an answer of this plan, streamed or whole.
    pub(crate) fn new(address: &Address, plan: Plan, stream: bool) -> Self {
        let mut body = serde_json::json!({
            "model": address.model,
            "messages": [{"role": "user", "content": plan.prompt()}],
        });
        if stream {
            body["stream"] = true.into();
            body["stream_options"] = serde_json::json!({"include_usage": true});
        }
        let body = body.to_string();
        let authorization =
            address.token.as_deref().map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\n{authorization}content-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            address.host,
            body.len()
        );
        Self { host: address.host.clone(), request: request.into(), stream, text: plan.text() }
    }
}

/// Why an answer is not what it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Wrong {
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("the connection was closed within an answer")]
    Closed,
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("status {0}: {1}")]
    Status(u16, String),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error("no whole answer within {LIMIT:?}")]
    Hung,
}

/// A connection that is kept from one question to the next.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Connection {
    /// Connects to where the question goes.
    pub(crate) async fn open(question: &Question) -> Result<Self, Wrong> {
        let stream = TcpStream::connect(&question.host).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: BytesMut::with_capacity(16 * 1024) })
    }

    /// Asks, reads the answer to its end and checks it. `seen` hears of each piece of text how many bytes it has.
    /// Gives how long the first of them took.
    pub(crate) async fn ask(&mut self, question: &Question, seen: impl FnMut(usize)) -> Result<Duration, Wrong> {
        // One timer for the whole answer: one for each read would cost more than the read.
        tokio::time::timeout(LIMIT, self.exchange(question, seen)).await.unwrap_or(Err(Wrong::Hung))
    }

    async fn exchange(&mut self, question: &Question, mut seen: impl FnMut(usize)) -> Result<Duration, Wrong> {
        let asked = Instant::now();
        self.stream.write_all(&question.request).await?;
        let head = loop {
            if let Some(head) = take_response(&mut self.buffer)? {
                break head;
            }
            self.fill().await?;
        };
        let mut body = BodyReader::of_response(&head)?;
        let mut answer = Answer::new(&question.text, question.stream);
        let mut first = None;
        loop {
            match body.take(&mut self.buffer)? {
                Piece::Data { bytes, .. } if head.status == 200 => {
                    let length = answer.take(&bytes)?;
                    if length > 0 {
                        first.get_or_insert_with(|| asked.elapsed());
                        seen(length);
                    }
                }
                Piece::Data { bytes, .. } => {
                    return Err(Wrong::Status(head.status, String::from_utf8_lossy(&bytes).into_owned()));
                }
                Piece::NeedsMore => self.fill().await?,
                Piece::Done if head.status != 200 => return Err(Wrong::Status(head.status, String::new())),
                Piece::Done => break,
            }
        }
        let length = answer.finish()?;
        if length > 0 {
            seen(length);
        }
        Ok(first.unwrap_or_else(|| asked.elapsed()))
    }

    async fn fill(&mut self) -> Result<(), Wrong> {
        self.buffer.reserve(8 * 1024);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(Wrong::Closed),
            _ => Ok(()),
        }
    }
}
