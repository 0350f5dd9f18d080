//! A session's log through a WebSocket, and what its peer has to say.
//!
//! Out goes a frame of text an event, the JSON that server-sent events have with the `cursor` to resume from in it. In come
//! frames `{type: "message" | "cancel" | "tool_claim" | "tool_result", ref?, …}` with the fields of the routes; each is
//! answered by `{type: "reply", ref?, ok}` or `{type: "reply", ref?, error}`, and a bad one ends nothing.
//!
//! All of a socket is one task. It pulls from the log when the peer has taken what it was sent before, and takes the next
//! frame when the reply to the one before is on its way: so a peer that does not read costs what one pull gave, and nobody
//! else anything. How it ends:
//!
//! | code | reason | why |
//! |---|---|---|
//! | 1001 | greenroom is shutting down | the server stops; connect again with the last cursor |
//! | 1002 | not a WebSocket frame | the peer broke the protocol |
//! | 1003 | frames are text | the peer sent bytes |
//! | 1007 | text is UTF-8 | the peer sent text that isn't |
//! | 1009 | a frame is 16 MiB at most | the peer sent more |
//! | 1011 | the session can't be read | the disk does not give it; the last event was `error` |
//! | 4401 | the token is not valid any more | its client was revoked, or the owner has another |
//! | 4404 | session removed | there is no such session any more |
//! | 4408 | no answer to pings | nothing came for two heartbeats |
//!
//! A peer that closes gets its own code back.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::{SinkExt as _, StreamExt as _, stream::SplitSink, stream::SplitStream};
use greenroom_actors::session::event::EventBody;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Bytes, Error, Message,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{
    super::{site::App, who::Who},
    commands::{Peer, obey},
    wire::frame,
};
use crate::{Reader, Session};

/// The largest frame, and message of several, that is taken.
const MOST: usize = 16 << 20;
/// What is read from and gathered for the connection at once.
const BUFFER: usize = 16 * 1024;
/// How long the peer may take to hear why it ends.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How a socket ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The peer has left, with or without saying so.
    Left,
    Stopping,
    Broken,
    Bytes,
    NotText,
    TooLarge,
    Unreadable,
    ShutOut,
    Removed,
    Silent,
}

impl End {
    /// What the peer is told.
    fn told(self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Left => return None,
            Self::Stopping => (1001, "greenroom is shutting down"),
            Self::Broken => (1002, "not a WebSocket frame"),
            Self::Bytes => (1003, "frames are text"),
            Self::NotText => (1007, "text is UTF-8"),
            Self::TooLarge => (1009, "a frame is 16 MiB at most"),
            Self::Unreadable => (1011, "the session can't be read"),
            Self::ShutOut => (4401, "the token is not valid any more"),
            Self::Removed => (4404, "session removed"),
            Self::Silent => (4408, "no answer to pings"),
        };
        Some(CloseFrame { code: CloseCode::from(code), reason: reason.into() })
    }
}

/// Serves a socket to its end.
pub(super) async fn serve<I>(io: I, session: Session, reader: Reader, app: &App, who: &Who)
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(Some(MOST))
        .max_frame_size(Some(MOST));
    let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let (mut out, mut input) = socket.split();
    let heard = Heard::now();
    let (reply, replies) = mpsc::channel(1);
    let peer = Peer { app, who, session: &session };
    let end = tokio::select! {
        biased;
        () = app.draining.cancelled() => End::Stopping,
        () = who.ended().cancelled() => End::ShutOut,
        end = listen(&mut input, &peer, &heard, reply) => end,
        end = tell(&mut out, reader, replies, app.heartbeat) => end,
        () = heard.nothing_for(2 * app.heartbeat) => End::Silent,
    };
    tracing::debug!(session = session.id(), "a socket ends: {end:?}");
    let socket = out.reunite(input).expect("both are halves of one socket");
    // A peer that does not listen is not waited for.
    let _in_time = timeout(LAST_WORD, close(socket, end)).await;
}

/// Takes frames one by one, and does what they say.
async fn listen<I>(
    input: &mut SplitStream<WebSocketStream<I>>,
    peer: &Peer<'_>,
    heard: &Heard,
    replies: mpsc::Sender<String>,
) -> End
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(frame) = input.next().await {
        match frame {
            Ok(Message::Text(said)) => {
                heard.pause();
                let reply = obey(peer, &said).await;
                drop(said);
                heard.something();
                if replies.send(reply).await.is_err() {
                    return End::Left;
                }
            }
            Ok(Message::Binary(_)) => return End::Bytes,
            Ok(Message::Close(_)) => return End::Left,
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
            Err(Error::Capacity(_)) => return End::TooLarge,
            Err(Error::Utf8(_)) => return End::NotText,
            Err(Error::Protocol(_)) => return End::Broken,
            Err(_) => return End::Left,
        }
        heard.something();
    }
    End::Left
}

/// Sends replies, pings and events, whichever there are.
async fn tell<I>(
    out: &mut SplitSink<WebSocketStream<I>, Message>,
    mut reader: Reader,
    mut replies: mpsc::Receiver<String>,
    heartbeat: Duration,
) -> End
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let mut beat = interval_at(Instant::now() + heartbeat, heartbeat);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let sent = tokio::select! {
            biased;
            Some(reply) = replies.recv() => out.send(Message::text(reply)).await,
            _ = beat.tick() => out.send(Message::Ping(Bytes::new())).await,
            events = reader.pull() => {
                let Some(events) = events else { return End::Removed };
                let mut sent = Ok(());
                let mut is_last = false;
                for event in &events {
                    is_last = matches!(event.body, EventBody::Error { .. });
                    sent = out.feed(Message::text(frame(event, reader.epoch()))).await;
                    if sent.is_err() {
                        break;
                    }
                }
                match sent {
                    Ok(()) => match out.flush().await {
                        Ok(()) if is_last => return End::Unreadable,
                        flushed => flushed,
                    },
                    Err(error) => Err(error),
                }
            }
        };
        if sent.is_err() {
            return End::Left;
        }
    }
}

/// Says why it ends, and reads what comes until the peer has heard it: a connection that is closed on unread bytes is
/// reset, and with that the peer may lose what it was told.
async fn close<I>(mut socket: WebSocketStream<I>, end: End) -> Result<(), Error>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    match end.told() {
        Some(told) => socket.close(Some(told)).await?,
        None => return socket.flush().await,
    }
    while let Some(Ok(_)) = socket.next().await {}
    // What is left of a frame that can't be taken is no frame any more.
    let mut rest = [0; 4096];
    while socket.get_mut().read(&mut rest).await? > 0 {}
    Ok(())
}

/// When the peer was last heard of.
#[derive(Debug)]
struct Heard(Mutex<Option<Instant>>);

impl Heard {
    fn now() -> Self {
        Self(Mutex::new(Some(Instant::now())))
    }

    fn set(&self, when: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = when;
    }

    fn something(&self) {
        self.set(Some(Instant::now()));
    }

    /// Nothing is listened for, since what was heard takes time.
    fn pause(&self) {
        self.set(None);
    }

    /// Returns once nothing was heard for so long, while it was listened for.
    async fn nothing_for(&self, most: Duration) {
        loop {
            let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(Instant::now);
            let until = last + most;
            if Instant::now() >= until {
                return;
            }
            sleep_until(until).await;
        }
    }
}
