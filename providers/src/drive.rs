//! The one streaming loop: a provider's response in, events out to a sink, watched by a [`Watchdog`].
//!
//! Reading is greedy and writing is merged: what the connection has ready (up to [`DRAIN`]) is decoded before the sink
//! is called once, so that the cost of a token falls as load rises.

use std::{
    pin::pin,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures::FutureExt as _;
use greenroom_wire::{ChatError, ChatEvent, ErrorKind, ErrorResponse, RateLimits, StreamDecoder, StreamState};
use reqwest::{RequestBuilder, Response, header};
use tokio::time::{Instant, sleep_until};

use crate::{
    Deadlines, Sink,
    transport::{root_cause, send_failure},
    watchdog::Watchdog,
};

/// Most bytes decoded before the sink is told.
const DRAIN: usize = 16 * 1024;
/// Most bytes of an error's body that are read; what matters stands at its start.
const ERROR_BODY: usize = 64 * 1024;
/// How long an error's body is waited for: its status is known, and another candidate may be waiting.
pub(crate) const ERROR_WAIT: Duration = Duration::from_secs(5);
/// How long is looked once more when a deadline has passed: a process that was kept from running for that long (by others, or
/// because it was stopped) finds the deadline gone before it is told of what has come meanwhile.
pub(crate) const LAST_LOOK: Duration = Duration::from_millis(50);
/// Most bytes of an answer that isn't streamed.
pub(crate) const WHOLE_BODY: usize = 32 * 1024 * 1024;

/// Decodes an answer that came whole.
pub type DecodeWhole<'a> = dyn Fn(&[u8]) -> Result<Vec<ChatEvent>, ChatError> + Sync + 'a;
/// Decodes a response whose status is an error.
pub type DecodeError<'a> = dyn Fn(&ErrorResponse<'_>) -> ChatError + Sync + 'a;

/// What a wire knows of its responses.
pub struct Language<'a> {
    /// The decoder of a streamed answer.
    pub decoder: &'a mut dyn StreamDecoder,
    /// Decodes an answer that came whole, though a stream was asked for.
    pub whole: &'a DecodeWhole<'a>,
    /// Decodes a response whose status is an error.
    pub error: &'a DecodeError<'a>,
}

/// Sends `request` and hands the answer to `sink` as it comes.
///
/// # Errors
/// Why the attempt failed: what the provider said, what the connection did, or a deadline that passed.
pub async fn chat(
    request: RequestBuilder,
    language: Language<'_>,
    deadlines: &Deadlines,
    sink: &mut dyn Sink,
) -> Result<(), ChatError> {
    let mut watchdog = Watchdog::new(*deadlines, Instant::now().into_std());
    let response = match watched(&mut watchdog, request.send()).await? {
        Ok(response) => response,
        Err(error) => return Err(send_failure(error)),
    };
    let limits = RateLimits::of(&header_of(&response), SystemTime::now());
    if !limits.is_empty() {
        sink.handle_limits(&limits);
    }
    // Branch on the status first: errors come under any content type, text/event-stream included.
    if !response.status().is_success() {
        let (deadline, _) = watchdog.deadline();
        let left = Instant::from_std(deadline).saturating_duration_since(Instant::now());
        return Err(read_error(response, language.error, left.min(ERROR_WAIT)).await);
    }
    let called = Form::called(&response);
    let mut body = Body::new(response);
    let form = match called {
        Form::Unsure => Form::Stream,
        called => watched(&mut watchdog, body.first_byte()).await?.map_or(called, |first| called.seen(first)),
    };
    match form {
        Form::Whole => {
            let body = watched(&mut watchdog, body.whole(WHOLE_BODY)).await??;
            let _bound = sink.take(&mut (language.whole)(&body)?);
            Ok(())
        }
        Form::Stream | Form::Unsure => stream(body, language.decoder, &mut watchdog, sink).await,
    }
}

/// Waits for something before the first content, no longer than the watchdog allows.
pub(crate) async fn watched<T>(watchdog: &mut Watchdog, what: impl Future<Output = T>) -> Result<T, ChatError> {
    let mut what = pin!(what);
    let (deadline, verdict) = watchdog.deadline();
    if let Ok(done) = tokio::time::timeout_at(Instant::from_std(deadline), what.as_mut()).await {
        return Ok(done);
    }
    match tokio::time::timeout(LAST_LOOK, what).await {
        Ok(done) => Ok(done),
        Err(_) => Err(watchdog.failure(verdict).expect("before a finish reason every verdict is a failure")),
    }
}

/// How an answer comes.
#[derive(Clone, Copy)]
enum Form {
    /// JSON, or what can be no answer at all, such as a page: read whole and judged as one.
    Whole,
    /// Server-sent events.
    Stream,
    /// As whatever the wire streams.
    Unsure,
}

impl Form {
    /// What the response says that it is.
    fn called(response: &Response) -> Self {
        let content_type = response.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or("");
        match content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase().as_str() {
            "application/json" | "text/html" | "application/xhtml+xml" => Self::Whole,
            "text/event-stream" => Self::Stream,
            _ => Self::Unsure,
        }
    }

    /// What its first byte says: servers and the proxies before them give streams out for JSON, and JSON for streams.
    fn seen(self, first: u8) -> Self {
        match (self, first) {
            // No field of an event begins like this, and no line of JSON like the others.
            (Self::Stream, b'{' | b'[') => Self::Whole,
            (Self::Whole, b':' | b'd' | b'e' | b'i' | b'r') => Self::Stream,
            (called, _) => called,
        }
    }
}

async fn stream(
    mut body: Body,
    decoder: &mut dyn StreamDecoder,
    watchdog: &mut Watchdog,
    sink: &mut dyn Sink,
) -> Result<(), ChatError> {
    let mut events = Vec::new();
    let mut timer = pin!(sleep_until(Instant::from_std(watchdog.deadline().0)));
    let mut looked = false;
    loop {
        let mut any = 0;
        let came = tokio::select! {
            biased;
            came = body.next() => Some(came),
            () = timer.as_mut() => {
                // The timer is set anew only when it fires, not for each read: most reads come long before it.
                let (deadline, _) = watchdog.deadline();
                if Instant::now().into_std() < deadline {
                    timer.as_mut().reset(Instant::from_std(deadline));
                    looked = false;
                    continue;
                }
                // Once for each deadline, or heartbeats would hold it off.
                match std::mem::replace(&mut looked, true) {
                    true => None,
                    false => tokio::time::timeout(LAST_LOOK, body.next()).await.ok(),
                }
            }
        };
        match came {
            Some(Some(bytes)) => {
                decoder.handle_bytes(&bytes);
                any = bytes.len();
            }
            Some(None) => end(&mut body, decoder)?,
            None => match watchdog.failure(watchdog.deadline().1) {
                Some(failure) => return Err(failure),
                None => decoder.handle_end(),
            },
        }
        if any > 0 {
            // The connection's own task hands over one piece at a time; letting it run gathers what has come.
            tokio::task::yield_now().await;
            while any < DRAIN
                && let Some(bytes) = body.ready()
            {
                decoder.handle_bytes(&bytes);
                any += bytes.len();
            }
            watchdog.handle_bytes(Instant::now().into_std());
        }
        let verdict_before = watchdog.deadline().1;
        if hand_over(decoder, &mut events, watchdog, sink) {
            return Ok(());
        }
        match decoder.state() {
            StreamState::Open => {}
            StreamState::Finishing => watchdog.handle_finishing(Instant::now().into_std()),
            StreamState::Done => return Ok(()),
            StreamState::Failed(error) => return Err(error.clone()),
        }
        let (deadline, verdict) = watchdog.deadline();
        if verdict != verdict_before && Instant::from_std(deadline) < timer.deadline() {
            timer.as_mut().reset(Instant::from_std(deadline));
            looked = false;
        }
    }
}

/// Gives what was decoded to the sink; true if it wants no more.
fn hand_over(
    decoder: &mut dyn StreamDecoder,
    events: &mut Vec<ChatEvent>,
    watchdog: &mut Watchdog,
    sink: &mut dyn Sink,
) -> bool {
    events.extend(std::iter::from_fn(|| decoder.poll_event()));
    if events.is_empty() {
        return false;
    }
    if events.iter().any(ChatEvent::is_content) {
        watchdog.handle_content(Instant::now().into_std());
    }
    let wants = sink.take(events);
    events.clear();
    wants.is_break()
}

/// The body's end, clean or not.
fn end(body: &mut Body, decoder: &mut dyn StreamDecoder) -> Result<(), ChatError> {
    match body.ended.take() {
        Some(Err(error)) if matches!(decoder.state(), StreamState::Open) => Err(cut(error)),
        // A finish reason was there already: a connection that breaks after it loses nothing.
        _ => {
            decoder.handle_end();
            Ok(())
        }
    }
}

/// A response's body that can be asked what it has without waiting.
struct Body {
    response: Response,
    /// What was read to see its first byte.
    seen: Bytes,
    /// How it ended, once it has.
    ended: Option<Result<(), reqwest::Error>>,
}

impl Body {
    fn new(response: Response) -> Self {
        Self { response, seen: Bytes::new(), ended: None }
    }

    /// The first byte that is no white space, which stays to be read; `None` if there is none.
    async fn first_byte(&mut self) -> Option<u8> {
        let mut seen = Bytes::new();
        loop {
            let text = seen.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&seen);
            if let Some(first) = text.iter().copied().find(|byte| !byte.is_ascii_whitespace()) {
                self.seen = seen;
                return Some(first);
            }
            match self.next().await {
                Some(more) if seen.is_empty() => seen = more,
                // White space for ever is nothing to keep.
                Some(more) if seen.len() > DRAIN => seen = more,
                Some(more) => seen = [seen, more].concat().into(),
                None => return None,
            }
        }
    }

    /// All of it, at most `limit` bytes.
    async fn whole(mut self, limit: usize) -> Result<Vec<u8>, ChatError> {
        let mut whole = Vec::new();
        while let Some(bytes) = self.next().await {
            if whole.len() + bytes.len() > limit {
                return Err(ChatError::new(ErrorKind::Protocol, format!("the answer is larger than {limit} bytes")));
            }
            whole.extend_from_slice(&bytes);
        }
        match self.ended {
            Some(Err(error)) => Err(cut(error)),
            _ => Ok(whole),
        }
    }

    /// The next bytes; `None` at the end, of which `ended` tells.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.seen.is_empty() {
            return Some(std::mem::take(&mut self.seen));
        }
        if self.ended.is_some() {
            return None;
        }
        let chunk = self.response.chunk().await;
        self.keep(chunk)
    }

    /// The next bytes if they are there.
    fn ready(&mut self) -> Option<Bytes> {
        if self.ended.is_some() {
            return None;
        }
        let chunk = self.response.chunk().now_or_never()?;
        self.keep(chunk)
    }

    fn keep(&mut self, chunk: reqwest::Result<Option<Bytes>>) -> Option<Bytes> {
        match chunk {
            Ok(Some(bytes)) => return Some(bytes),
            Ok(None) => self.ended = Some(Ok(())),
            Err(error) => self.ended = Some(Err(error)),
        }
        None
    }
}

/// Reads a response whose status is an error, for at most `wait`. What can't be read by then is left out: the status
/// alone says enough.
pub(crate) async fn read_error(mut response: Response, decode: &DecodeError<'_>, wait: Duration) -> ChatError {
    let mut body = Vec::new();
    let read = async {
        while body.len() < ERROR_BODY
            && let Ok(Some(bytes)) = response.chunk().await
        {
            body.extend_from_slice(&bytes);
        }
    };
    let _late = tokio::time::timeout(wait, read).await;
    let (status, header) = (response.status(), header_of(&response));
    let mut error =
        decode(&ErrorResponse { status: status.as_u16(), header: &header, body: &body, now: SystemTime::now() });
    if status.is_redirection() {
        // To where is not told: an address may hold a secret.
        error.message = format!("the provider redirects to another address (status {})", status.as_u16());
        error.details.hint = Some("a key does not follow; set base_url to the address that answers".into());
    }
    error
}

/// Looks up a response's headers.
pub(crate) fn header_of(response: &Response) -> impl Fn(&str) -> Option<String> + '_ {
    move |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read_bounded(response: Response, limit: usize) -> Result<Vec<u8>, ChatError> {
    Body::new(response).whole(limit).await
}

pub(crate) fn cut(error: reqwest::Error) -> ChatError {
    let error = error.without_url();
    let message = format!("the answer was cut: {}", root_cause(&error));
    ChatError::new(ErrorKind::Protocol, message).with_source(error)
}
