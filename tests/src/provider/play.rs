//! From the steps of an attempt to the bytes on the socket.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::attempt::{flat, garbage};
use crate::payload::Headers;
use crate::script::{Attempt, Framing, Status, Step};

/// What is to become of the connection after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    KeepAlive,
    Close,
    Reset,
}

/// How the bytes of the body go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Chunked,
    /// As they are, within a length that the head has announced.
    Plain,
    /// As they are, up to the end of the connection.
    UntilClose,
}

pub(super) struct Player<'r, W> {
    socket: W,
    /// The request's body.
    request: &'r [u8],
    /// A head that waits to see whether a `body` follows it.
    pending: Option<Status>,
    /// None before a head.
    mode: Option<Mode>,
    raw: bool,
    close: bool,
    sent: u64,
}

impl<'r, W: AsyncWrite + Unpin> Player<'r, W> {
    pub(super) fn new(socket: W) -> Self {
        Self { socket, request: &[], pending: None, mode: None, raw: false, close: false, sent: 0 }
    }

    /// To answer this request.
    pub(super) fn to(mut self, request: &'r [u8]) -> Self {
        self.request = request;
        self
    }

    /// Bytes of the body that the socket took.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Plays `attempt` to its end.
    ///
    /// # Errors
    /// If the socket takes no more, that is, the client has gone.
    pub(super) async fn play(&mut self, attempt: &Attempt) -> io::Result<After> {
        for step in flat(&attempt.steps) {
            if let Step::Body(payload) = step {
                self.whole(payload.as_bytes()).await?;
                continue;
            }
            if *step == Step::Vectors {
                self.whole(crate::openai::vectors_of(self.request).as_bytes()).await?;
                continue;
            }
            self.flush_head().await?;
            match step {
                Step::Status(status) => self.pending = Some(status.clone()),
                Step::Send(payload) => self.piece(payload.as_bytes()).await?,
                Step::Raw(payload) => {
                    self.raw = true;
                    self.socket.write_all(payload.as_bytes()).await?;
                }
                Step::Garbage { bytes, seed } => self.piece(&garbage(*bytes, *seed)).await?,
                Step::Wait { ms } => tokio::time::sleep(Duration::from_millis(*ms)).await,
                Step::Stall => std::future::pending().await,
                Step::Cut => return Ok(After::Close),
                Step::Reset => return Ok(After::Reset),
                Step::End => return self.end().await,
                // `flat` unrolls the one and the loop has dealt with the others.
                Step::Repeat { .. } | Step::Body(_) | Step::Vectors => {}
            }
        }
        self.end().await
    }

    /// The body directly after its head tells its length; anywhere else it is a piece.
    async fn whole(&mut self, bytes: &[u8]) -> io::Result<()> {
        let fresh = self.mode.is_none() && !self.raw;
        let head = self.pending.take().or_else(|| fresh.then(ok));
        let Some(head) = head else {
            return self.piece(bytes).await;
        };
        if is_framed(&head.headers) || head.framing == Framing::Close || has_no_body(head.code) {
            self.write_head(&head).await?;
            return self.piece(bytes).await;
        }
        let mut text = head_text(&head);
        // Writing to a string cannot fail.
        let _ = write!(text, "content-length: {}\r\n\r\n", bytes.len());
        self.note(&head, Mode::Plain);
        let mut message = text.into_bytes();
        message.extend_from_slice(bytes);
        self.socket.write_all(&message).await?;
        self.sent += bytes.len() as u64;
        Ok(())
    }

    async fn piece(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.mode.is_none() && !self.raw {
            self.write_head(&ok()).await?;
        }
        // A chunk of no bytes would end the body.
        if bytes.is_empty() {
            return Ok(());
        }
        if self.mode == Some(Mode::Chunked) {
            let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
            chunk.extend_from_slice(bytes);
            chunk.extend_from_slice(b"\r\n");
            self.socket.write_all(&chunk).await?;
        } else {
            self.socket.write_all(bytes).await?;
        }
        self.sent += bytes.len() as u64;
        Ok(())
    }

    async fn flush_head(&mut self) -> io::Result<()> {
        match self.pending.take() {
            Some(head) => self.write_head(&head).await,
            None => Ok(()),
        }
    }

    async fn write_head(&mut self, head: &Status) -> io::Result<()> {
        let mut text = head_text(head);
        if (100..200).contains(&head.code) {
            text.push_str("\r\n");
            return self.socket.write_all(text.as_bytes()).await;
        }
        let mode = match head.framing {
            _ if head.headers.lists("transfer-encoding", "chunked") => Mode::Chunked,
            _ if is_framed(&head.headers) || has_no_body(head.code) => Mode::Plain,
            Framing::Chunked => {
                text.push_str("transfer-encoding: chunked\r\n");
                Mode::Chunked
            }
            Framing::Close => Mode::UntilClose,
        };
        text.push_str("\r\n");
        self.note(head, mode);
        self.socket.write_all(text.as_bytes()).await
    }

    fn note(&mut self, head: &Status, mode: Mode) {
        self.mode = Some(mode);
        self.close = mode == Mode::UntilClose || head.headers.lists("connection", "close");
    }

    async fn end(&mut self) -> io::Result<After> {
        if self.mode.is_none() && self.pending.is_none() && !self.raw {
            self.pending = Some(ok());
        }
        if self.pending.is_some() {
            self.whole(b"").await?;
        }
        if self.mode == Some(Mode::Chunked) {
            // Everything of the attempt was sent. A client that knew from the body itself that it was
            // over may have left before this, which is no cancellation.
            if self.socket.write_all(b"0\r\n\r\n").await.is_err() {
                return Ok(After::Close);
            }
        }
        Ok(if self.close || self.mode.is_none() { After::Close } else { After::KeepAlive })
    }
}

fn ok() -> Status {
    Status { code: 200, headers: Headers::default(), framing: Framing::Chunked }
}

fn is_framed(headers: &Headers) -> bool {
    headers.get("content-length").is_some() || headers.get("transfer-encoding").is_some()
}

fn has_no_body(code: u16) -> bool {
    matches!(code, 100..=199 | 204 | 304)
}

/// Without the empty line at its end, so that framing can be added.
fn head_text(head: &Status) -> String {
    let mut text = format!("HTTP/1.1 {} {}\r\n", head.code, reason(head.code));
    for (name, value) in &head.headers.0 {
        // Writing to a string cannot fail.
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text
}

/// Clients show it in their messages, so the usual ones are right; others say nothing.
fn reason(code: u16) -> &'static str {
    hyper::StatusCode::from_u16(code).ok().and_then(|code| code.canonical_reason()).unwrap_or_default()
}
