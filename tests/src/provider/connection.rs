//! One connection: requests in, attempts out, and an eye on the client while an attempt plays.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::control;
use super::play::{After, Player};
use super::shared::{Answer, Shared};
use crate::http1::{BodyReader, Piece, RequestHead, take_request};
use crate::script::Attempt;

/// Requests sent ahead of their turn are kept up to this many bytes; beyond it the client is no longer
/// watched until its turn comes.
const MOST_AHEAD: usize = 1024 * 1024;

/// Counts the connection as open for as long as it lives, however its task ends.
struct Counted(Arc<Shared>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.disconnected();
    }
}

/// Serves `stream` until one of the two sides ends it.
pub(super) async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let number = shared.connected();
    let _counted = Counted(Arc::clone(&shared));
    // Without this a small chunk waits for the acknowledgement of the one before it.
    let _ = stream.set_nodelay(true);
    let mut buffer = BytesMut::new();
    let mut first = true;
    loop {
        let (head, body) = match read_request(&mut stream, &mut buffer).await {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(error) => {
                let refusal = Attempt::json(400, &json!({"error": {"message": error.to_string()}}));
                let _ = Player::new(&mut stream).play(&refusal).await;
                return;
            }
        };
        let keep_alive = head.keep_alive;
        if control::is_control(&head) {
            if first {
                shared.is_control_connection();
            }
            let answer = control::answer(&shared, &head, &body);
            if Player::new(&mut stream).play(&answer).await.is_err() {
                return;
            }
        } else {
            match answer(&mut stream, &mut buffer, &shared, number, head, body).await {
                Some(After::KeepAlive) => {}
                Some(After::Reset) => {
                    // Dropping a socket that lingers for zero seconds sends RST in place of FIN.
                    let _ = stream.set_zero_linger();
                    return;
                }
                Some(After::Close) => {
                    let _ = stream.shutdown().await;
                    return;
                }
                None => return,
            }
        }
        first = false;
        if !keep_alive {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

/// Plays what the script has for this request; none if the client left meanwhile.
async fn answer(
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
    shared: &Arc<Shared>,
    connection: u64,
    head: RequestHead,
    body: Bytes,
) -> Option<After> {
    let named = format!("{} {}", head.method, head.target);
    let refusal = |status: u16, text: String| Attempt::json(status, &json!({"error": {"message": text}}));
    let asked = body.clone();
    let refused = match shared.admit(connection, head, body) {
        Answer::Play(playing) => {
            let (mut reading, writing) = stream.split();
            let mut player = Player::new(writing).to(&asked);
            let played = tokio::select! {
                // The player first: a client that leaves right after the last byte has not cancelled.
                biased;
                played = player.play(playing.attempt()) => played.ok(),
                () = left(&mut reading, buffer) => None,
            };
            match played {
                Some(_) => playing.completed(),
                None => playing.cancelled(player.sent()),
            }
            return played;
        }
        Answer::UsedUp(status) => refusal(status, format!("all attempts of {named} are used up")),
        Answer::NoAttempt => refusal(501, format!("the script has no attempt for this request to {named}")),
        Answer::NoRoute => refusal(404, format!("the script has no route for {named}")),
    };
    Player::new(stream).play(&refused).await.ok()
}

/// Returns once the client has closed or broken the connection. What it sends meanwhile goes to `buffer`.
async fn left(reading: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) {
    while buffer.len() < MOST_AHEAD {
        match reading.read_buf(buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
    std::future::pending().await
}

/// Reads one whole request; none if the client closed before one.
async fn read_request(stream: &mut TcpStream, buffer: &mut BytesMut) -> io::Result<Option<(RequestHead, Bytes)>> {
    let malformed = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let head = loop {
        if let Some(head) = take_request(buffer).map_err(malformed)? {
            break head;
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    if head.headers.lists("expect", "100-continue") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let mut reader = BodyReader::of_request(&head.headers).map_err(malformed)?;
    let mut body = Vec::new();
    loop {
        match reader.take(buffer).map_err(malformed)? {
            Piece::Data { bytes, .. } => body.extend_from_slice(&bytes),
            Piece::Done => return Ok(Some((head, body.into()))),
            Piece::NeedsMore => {
                if stream.read_buf(buffer).await? == 0 {
                    return Ok(None);
                }
            }
        }
    }
}
