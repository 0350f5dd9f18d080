//! Reading HTTP/1.1 messages from bytes: heads, and where bodies end. No sockets here; the server and
//! the client of this crate share it.

use bytes::{Buf as _, Bytes, BytesMut};

use crate::payload::Headers;

/// More header fields than any provider or client sends.
const MOST_FIELDS: usize = 128;
/// A head that is not complete by this many bytes is none.
const LONGEST_HEAD: usize = 256 * 1024;

/// Bytes that are not HTTP/1.1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed http message: {0}")]
pub struct Malformed(pub String);

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead {
    /// As written.
    pub method: String,
    /// Path and query, as written.
    pub target: String,
    /// In their order.
    pub headers: Headers,
    /// Whether the client keeps the connection for more requests.
    pub keep_alive: bool,
}

/// The head of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status code.
    pub status: u16,
    /// In their order.
    pub headers: Headers,
}

/// Takes a request's head off the front of `buffer`, or nothing while it is not complete.
///
/// # Errors
/// If the bytes cannot become a head.
pub fn take_request(buffer: &mut BytesMut) -> Result<Option<RequestHead>, Malformed> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let Some(length) = complete(request.parse(buffer), buffer.len())? else {
        return Ok(None);
    };
    let headers = headers_of(request.headers);
    let keep_alive = request.version == Some(1) && !headers.lists("connection", "close");
    let head = RequestHead {
        method: request.method.unwrap_or_default().to_owned(),
        target: request.path.unwrap_or_default().to_owned(),
        headers,
        keep_alive,
    };
    buffer.advance(length);
    Ok(Some(head))
}

/// Takes an answer's head off the front of `buffer`, or nothing while it is not complete.
///
/// # Errors
/// If the bytes cannot become a head.
pub fn take_response(buffer: &mut BytesMut) -> Result<Option<ResponseHead>, Malformed> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let Some(length) = complete(response.parse(buffer), buffer.len())? else {
        return Ok(None);
    };
    let head = ResponseHead { status: response.code.unwrap_or_default(), headers: headers_of(response.headers) };
    buffer.advance(length);
    Ok(Some(head))
}

fn complete(parsed: httparse::Result<usize>, held: usize) -> Result<Option<usize>, Malformed> {
    match parsed.map_err(|error| Malformed(error.to_string()))? {
        httparse::Status::Complete(length) => Ok(Some(length)),
        httparse::Status::Partial if held > LONGEST_HEAD => Err(Malformed("the head has no end".to_owned())),
        httparse::Status::Partial => Ok(None),
    }
}

fn headers_of(fields: &[httparse::Header<'_>]) -> Headers {
    let field =
        |field: &httparse::Header<'_>| (field.name.to_owned(), String::from_utf8_lossy(field.value).into_owned());
    Headers(fields.iter().map(field).collect())
}

/// Reads one body out of the bytes of a connection.
#[derive(Debug)]
pub struct BodyReader {
    state: State,
}

#[derive(Debug)]
enum State {
    Left(u64),
    UntilClose,
    ChunkSize,
    Chunk(u64),
    AfterChunk,
    Trailer,
    Done,
}

/// What a [`BodyReader`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes of the body.
    Data {
        /// The bytes.
        bytes: Bytes,
        /// Whether they complete an HTTP chunk. Always so without chunked framing.
        ends_chunk: bool,
    },
    /// Nothing until more bytes arrive.
    NeedsMore,
    /// The body is over.
    Done,
}

impl BodyReader {
    /// For the body of a request with these headers.
    ///
    /// # Errors
    /// If the length is no number.
    pub fn of_request(headers: &Headers) -> Result<Self, Malformed> {
        Self::of(headers, State::Done)
    }

    /// For the body of an answer with this head.
    ///
    /// # Errors
    /// If the length is no number.
    pub fn of_response(head: &ResponseHead) -> Result<Self, Malformed> {
        match head.status {
            100..=199 | 204 | 304 => Ok(Self { state: State::Done }),
            _ => Self::of(&head.headers, State::UntilClose),
        }
    }

    fn of(headers: &Headers, without: State) -> Result<Self, Malformed> {
        if headers.lists("transfer-encoding", "chunked") {
            return Ok(Self { state: State::ChunkSize });
        }
        let state = match headers.get("content-length") {
            Some(length) => State::Left(length.trim().parse().map_err(|_| Malformed("content-length".to_owned()))?),
            None => without,
        };
        Ok(Self { state })
    }

    /// Whether the end of the connection is the end of this body, too.
    pub fn ends_with_connection(&self) -> bool {
        matches!(self.state, State::UntilClose | State::Done)
    }

    /// Takes what it can off the front of `buffer`.
    ///
    /// # Errors
    /// If the framing is broken.
    pub fn take(&mut self, buffer: &mut BytesMut) -> Result<Piece, Malformed> {
        loop {
            match self.state {
                State::Done | State::Left(0) => return Ok(Piece::Done),
                _ if buffer.is_empty() => return Ok(Piece::NeedsMore),
                State::UntilClose => return Ok(Piece::Data { bytes: buffer.split().freeze(), ends_chunk: true }),
                State::Left(left) => {
                    let bytes = take_at_most(buffer, left);
                    self.state = State::Left(left - bytes.len() as u64);
                    return Ok(Piece::Data { bytes, ends_chunk: true });
                }
                State::ChunkSize => {
                    match httparse::parse_chunk_size(buffer).map_err(|_| Malformed("chunk size".to_owned()))? {
                        httparse::Status::Partial => return Ok(Piece::NeedsMore),
                        httparse::Status::Complete((length, size)) => {
                            buffer.advance(length);
                            self.state = if size == 0 { State::Trailer } else { State::Chunk(size) };
                        }
                    }
                }
                State::Chunk(left) => {
                    let bytes = take_at_most(buffer, left);
                    let left = left - bytes.len() as u64;
                    self.state = if left == 0 { State::AfterChunk } else { State::Chunk(left) };
                    return Ok(Piece::Data { bytes, ends_chunk: left == 0 });
                }
                State::AfterChunk => match take_line(buffer) {
                    None => return Ok(Piece::NeedsMore),
                    Some(line) if line.is_empty() => self.state = State::ChunkSize,
                    Some(_) => return Err(Malformed("a chunk is longer than its size".to_owned())),
                },
                State::Trailer => match take_line(buffer) {
                    None => return Ok(Piece::NeedsMore),
                    Some(line) if line.is_empty() => self.state = State::Done,
                    Some(_) => {}
                },
            }
        }
    }
}

fn take_at_most(buffer: &mut BytesMut, most: u64) -> Bytes {
    let length = usize::try_from(most).unwrap_or(usize::MAX).min(buffer.len());
    buffer.split_to(length).freeze()
}

fn take_line(buffer: &mut BytesMut) -> Option<Bytes> {
    let end = buffer.windows(2).position(|pair| pair == b"\r\n")?;
    let line = buffer.split_to(end).freeze();
    buffer.advance(2);
    Some(line)
}
