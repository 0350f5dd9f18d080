//! One connection and what arrives on it.

use std::future::Future;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::response::Response;
use super::sse::{Event, Events};
use super::{ClientError, LIMIT};
use crate::http1::{BodyReader, Piece, ResponseHead, take_response};

/// A connection to an HTTP server. Dropping it closes it, whatever is still to come.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    host: String,
    prefix: String,
    limit: Duration,
    buffer: BytesMut,
    body: Option<BodyReader>,
    events: Events,
}

impl Connection {
    /// Connects to the server of `url` (`http://host:port`, perhaps with a path, which then goes before
    /// the path of every request).
    ///
    /// # Errors
    /// If the address is none or nobody listens there.
    pub async fn open(url: &str) -> Result<Self, ClientError> {
        Self::open_with(url, None).await
    }

    /// The same, with a socket that takes only about so many bytes that nobody has read.
    ///
    /// # Errors
    /// As for [`open`](Self::open); if `url` names no number as its host.
    pub async fn open_narrow(url: &str, receive_buffer: u32) -> Result<Self, ClientError> {
        Self::open_with(url, Some(receive_buffer)).await
    }

    async fn open_with(url: &str, receive_buffer: Option<u32>) -> Result<Self, ClientError> {
        let rest = url.strip_prefix("http://").ok_or_else(|| ClientError::Address(url.to_owned()))?;
        let (host, prefix) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let connecting = async {
            let Some(bytes) = receive_buffer else { return Ok(TcpStream::connect(host).await?) };
            let address = host.parse().map_err(|_| ClientError::Address(url.to_owned()))?;
            let socket = TcpSocket::new_v4()?;
            socket.set_recv_buffer_size(bytes)?;
            Ok(socket.connect(address).await?)
        };
        let stream = within(LIMIT, connecting).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            host: host.to_owned(),
            prefix: prefix.trim_end_matches('/').to_owned(),
            limit: LIMIT,
            buffer: BytesMut::new(),
            body: None,
            events: Events::default(),
        })
    }

    /// Waits at most this long for each thing that is to arrive, in place of [`LIMIT`].
    pub fn set_limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// Sends a request with `host` and, unless `headers` has one or `transfer-encoding`, `content-length`.
    ///
    /// # Errors
    /// If the connection is closed or broken.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<(), ClientError> {
        let mut message = format!("{method} {}{path} HTTP/1.1\r\nhost: {}\r\n", self.prefix, self.host);
        let framed = |(name, _): &(&str, &str)| {
            name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding")
        };
        if !headers.iter().any(framed) && (!body.is_empty() || method != "GET") {
            message.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        for (name, value) in headers {
            message.push_str(&format!("{name}: {value}\r\n"));
        }
        message.push_str("\r\n");
        let mut message = message.into_bytes();
        message.extend_from_slice(body);
        self.send_raw(&message).await
    }

    /// Posts JSON with a bearer token, if one is given.
    ///
    /// # Errors
    /// If the connection is closed or broken.
    pub async fn post_json(&mut self, path: &str, token: Option<&str>, body: &Value) -> Result<(), ClientError> {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        self.send("POST", path, &headers, body.to_string().as_bytes()).await
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// If the connection is closed or broken.
    pub async fn send_raw(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        within(self.limit, async { Ok(self.stream.write_all(bytes).await?) }).await
    }

    /// Reads the head of the next answer, past interim ones (1xx).
    ///
    /// # Errors
    /// [`ClientError::Incomplete`] if the connection closes first, and as for every read.
    pub async fn head(&mut self) -> Result<ResponseHead, ClientError> {
        loop {
            let head = loop {
                if let Some(head) = take_response(&mut self.buffer)? {
                    break head;
                }
                if self.fill().await? == 0 {
                    return Err(ClientError::Incomplete);
                }
            };
            if !(100..200).contains(&head.status) {
                self.body = Some(BodyReader::of_response(&head)?);
                self.events = Events::default();
                return Ok(head);
            }
        }
    }

    /// Reads the next bytes of the body as soon as there are any; none at its end.
    ///
    /// # Errors
    /// [`ClientError::Incomplete`] if the connection closes first, and as for every read.
    pub async fn data(&mut self) -> Result<Option<Bytes>, ClientError> {
        Ok(self.piece().await?.map(|(bytes, _)| bytes))
    }

    /// Reads the next HTTP chunk of the body, whole; none at the end of the body.
    ///
    /// # Errors
    /// As [`data`](Self::data).
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        let mut chunk = Vec::new();
        while let Some((bytes, ends)) = self.piece().await? {
            chunk.extend_from_slice(&bytes);
            if ends {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }

    /// Reads the body to its end.
    ///
    /// # Errors
    /// As [`data`](Self::data).
    pub async fn body(&mut self) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        while let Some((bytes, _)) = self.piece().await? {
            body.extend_from_slice(&bytes);
        }
        Ok(body)
    }

    /// Reads the next server-sent event as soon as it is complete; none at the end of the body. A block
    /// of comments alone (a heartbeat) comes as an event without data.
    ///
    /// # Errors
    /// As [`data`](Self::data).
    pub async fn event(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            if let Some(event) = self.events.next() {
                return Ok(Some(event));
            }
            match self.data().await? {
                Some(bytes) => self.events.feed(&bytes),
                None => return Ok(self.events.finish()),
            }
        }
    }

    /// Reads a whole answer.
    ///
    /// # Errors
    /// As [`data`](Self::data).
    pub async fn response(&mut self) -> Result<Response, ClientError> {
        let head = self.head().await?;
        Ok(Response { status: head.status, headers: head.headers, body: self.body().await? })
    }

    /// Reads raw bytes up to the end of the connection: all of them, and how it ended.
    pub async fn rest(&mut self) -> (Vec<u8>, Result<(), ClientError>) {
        let end = loop {
            match self.fill().await {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        (self.buffer.split().to_vec(), end)
    }

    /// Breaks the connection (RST) in place of closing it.
    ///
    /// # Errors
    /// If the socket does not allow it.
    pub fn reset(self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }

    /// Says that no more will be sent (FIN), and still reads.
    ///
    /// # Errors
    /// If the connection is closed or broken.
    pub async fn finish_sending(&mut self) -> Result<(), ClientError> {
        Ok(self.stream.shutdown().await?)
    }

    async fn piece(&mut self) -> Result<Option<(Bytes, bool)>, ClientError> {
        loop {
            let Some(body) = &mut self.body else {
                return Ok(None);
            };
            match body.take(&mut self.buffer)? {
                Piece::Data { bytes, ends_chunk } => return Ok(Some((bytes, ends_chunk))),
                Piece::Done => {
                    self.body = None;
                    return Ok(None);
                }
                Piece::NeedsMore => {
                    let ends = body.ends_with_connection();
                    if self.fill().await? == 0 {
                        return if ends { Ok(None) } else { Err(ClientError::Incomplete) };
                    }
                }
            }
        }
    }

    async fn fill(&mut self) -> Result<usize, ClientError> {
        within(self.limit, async { Ok(self.stream.read_buf(&mut self.buffer).await?) }).await
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(ClientError::TimedOut(limit)))
}
