//! Bodies of requests, bounded in size and time.

use std::time::Duration;

use axum::{
    body::{Body, BodyDataStream, HttpBody as _},
    extract::Request,
    http::{StatusCode, header::EXPECT},
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use tokio::time::{Instant, timeout, timeout_at};

use super::errors::Refusal;

/// How long a client may pause within a body.
const PAUSE: Duration = Duration::from_secs(30);
/// How long, and up to how many bytes, what nobody wants of a body is read all the same.
const DISCARD_TIME: Duration = Duration::from_secs(1);
const DISCARD_BYTES: usize = 32 << 20;

/// Reads a body of at most `max` bytes.
///
/// # Errors
/// It is larger (413), does not come (408) or breaks off (400).
pub(super) async fn read(request: Request, max: u64) -> Result<Bytes, Refusal> {
    if request.body().size_hint().lower() > max {
        discard(request).await;
        return Err(too_large(max));
    }
    let mut data = request.into_body().into_data_stream();
    let mut whole = Gathered::default();
    loop {
        match timeout(PAUSE, data.next()).await {
            Ok(Some(Ok(piece))) => whole.push(piece),
            Ok(Some(Err(_))) => return Err(broken_off()),
            Ok(None) => return Ok(whole.finish()),
            Err(_) => return Err(too_slow()),
        }
        if u64::try_from(whole.len()).unwrap_or(u64::MAX) > max {
            drain(data).await;
            return Err(too_large(max));
        }
    }
}

/// The pieces of a body; a single one, which is the rule, is not copied.
#[derive(Default)]
struct Gathered {
    first: Bytes,
    more: BytesMut,
}

impl Gathered {
    fn push(&mut self, piece: Bytes) {
        if self.len() == 0 {
            self.first = piece;
            return;
        }
        if self.more.is_empty() {
            self.more.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.more.extend_from_slice(&piece);
    }

    fn len(&self) -> usize {
        self.first.len() + self.more.len()
    }

    fn finish(self) -> Bytes {
        if self.more.is_empty() { self.first } else { self.more.freeze() }
    }
}

/// Reads what comes of a body that is not wanted, for a moment: a connection that is closed on unread bytes is reset,
/// and with that the client may lose the response that tells it why.
pub(super) async fn discard<B>(request: Request<B>)
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    // A client that asks first has not sent it, and would be told to by reading.
    if !request.body().is_end_stream() && !request.headers().contains_key(EXPECT) {
        drain(Body::new(request.into_body()).into_data_stream()).await;
    }
}

async fn drain(mut data: BodyDataStream) {
    let until = Instant::now() + DISCARD_TIME;
    let mut room = DISCARD_BYTES;
    while let Ok(Some(Ok(piece))) = timeout_at(until, data.next()).await {
        match room.checked_sub(piece.len()) {
            Some(left) => room = left,
            None => return,
        }
    }
}

fn too_large(max: u64) -> Refusal {
    let message = format!("the body is larger than {max} bytes; send less, or raise server.max_body");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request_error", "request_too_large", message)
}

fn broken_off() -> Refusal {
    let message = "the body breaks off; send all of what its length says, or end its last chunk";
    Refusal::new(StatusCode::BAD_REQUEST, "invalid_request_error", "invalid_body", message)
}

fn too_slow() -> Refusal {
    let message = format!("nothing of the body came for {} s; send it without a pause", PAUSE.as_secs());
    Refusal::new(StatusCode::REQUEST_TIMEOUT, "invalid_request_error", "request_timeout", message)
}
