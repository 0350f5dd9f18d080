//! A model provider that costs as little as can be: its answers are made once and sent as they lie.
//!
//! It speaks OpenAI's chat completions, streamed (a token is an HTTP chunk and an event of its own) and whole.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::time::{Instant, Sleep, sleep_until};

use super::answer::{Plan, TOKEN};
use super::server;

/// Bytes that are written in one go: some thirty tokens, so that a reader that is quicker sees parts of an answer.
const WRITE: usize = 8 * 1024;
/// What the prompt is said to have.
const PROMPT_TOKENS: u32 = 100;

/// Serves until the process is ended.
pub(crate) async fn serve() -> io::Result<()> {
    let listener = server::listen().await?;
    let answers = Arc::<Answers>::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answers = Arc::clone(&answers);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(Arc::clone(&answers), request));
            let connection =
                http1::Builder::new().writev(false).max_buf_size(WRITE).serve_connection(TokioIo::new(stream), service);
            // A client that leaves is no concern of a mock.
            let _ = connection.await;
        });
    }
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    stream_options: StreamOptions,
}

#[derive(Deserialize, Default)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

async fn answer(answers: Arc<Answers>, request: Request<Incoming>) -> Result<Response<Answer>, Infallible> {
    let (head, body) = request.into_parts();
    let Some(body) = read(body).await else { return Ok(refuse("the body broke off")) };
    if head.uri.path() == "/v1/models" {
        let list =
            Bytes::from_static(br#"{"object":"list","data":[{"id":"mock","object":"model","owned_by":"mock"}]}"#);
        return Ok(respond("application/json", Answer::Whole(Some(list))));
    }
    if head.uri.path() != "/v1/chat/completions" {
        return Ok(refuse("no such path"));
    }
    let Ok(asked) = serde_json::from_slice::<Asked>(&body) else { return Ok(refuse("no chat request")) };
    let Some(plan) = Plan::find(&body) else { return Ok(refuse("no plan in the prompt")) };
    let made = answers.get(plan.tokens);
    if !asked.stream {
        return Ok(respond("application/json", Answer::Whole(Some(made.whole.clone()))));
    }
    let last = if asked.stream_options.include_usage { &made.end_with_usage } else { &made.end };
    let start = Instant::now();
    let timer = (!plan.gap.is_zero()).then(|| Box::pin(sleep_until(start)));
    let stream = Stream { last: Some(last.clone()), made, plan, next: 0, start, timer };
    Ok(respond("text/event-stream; charset=utf-8", Answer::Stream(stream)))
}

async fn read(mut body: Incoming) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame.ok()?.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    Some(bytes)
}

fn respond(content_type: &'static str, body: Answer) -> Response<Answer> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn refuse(why: &str) -> Response<Answer> {
    let error = serde_json::json!({"error": {"message": why, "type": "invalid_request_error"}}).to_string();
    let mut response = respond("application/json", Answer::Whole(Some(error.into())));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

/// The answers of each length that was asked for.
#[derive(Default)]
struct Answers(Mutex<HashMap<u32, Arc<Made>>>);

impl Answers {
    fn get(&self, tokens: u32) -> Arc<Made> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(made.entry(tokens).or_insert_with(|| Arc::new(Made::new(tokens))))
    }
}

/// An answer's bytes.
struct Made {
    whole: Bytes,
    /// The role, then a frame a token.
    frames: Vec<Bytes>,
    end: Bytes,
    end_with_usage: Bytes,
}

impl Made {
    fn new(tokens: u32) -> Self {
        const HEAD: &str = r#""created":1700000000,"model":"mock","system_fingerprint":"fp_mock","#;
        let text = Plan::fast(tokens).text();
        let total = PROMPT_TOKENS + tokens;
        let usage = format!(
            r#""usage":{{"prompt_tokens":{PROMPT_TOKENS},"completion_tokens":{tokens},"total_tokens":{total}}}"#
        );
        let whole = format!(
            r#"{{"id":"chatcmpl-mock","object":"chat.completion",{HEAD}"choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],{usage}}}"#
        );
        let event = |rest: &str| {
            format!("data: {{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",{HEAD}{rest}}}\n\n")
        };
        let delta = |delta: &str, reason: &str| {
            event(&format!(r#""choices":[{{"index":0,"delta":{{{delta}}},"logprobs":null,"finish_reason":{reason}}}]"#))
        };
        let mut frames = vec![Bytes::from(delta(r#""role":"assistant","content":"""#, "null"))];
        let tokens = (0..text.len()).step_by(TOKEN).map(|at| &text[at..at + TOKEN]);
        frames.extend(tokens.map(|token| Bytes::from(delta(&format!(r#""content":"{token}""#), "null"))));
        let finish = delta("", r#""stop""#);
        const DONE: &str = "data: [DONE]\n\n";
        let usage = event(&format!(r#""choices":[],{usage}"#));
        Self {
            whole: whole.into(),
            frames,
            end: format!("{finish}{DONE}").into(),
            end_with_usage: format!("{finish}{usage}{DONE}").into(),
        }
    }
}

enum Answer {
    Whole(Option<Bytes>),
    Stream(Stream),
}

/// A stream on a timetable: a token that is late does not delay those after it.
struct Stream {
    made: Arc<Made>,
    plan: Plan,
    next: usize,
    last: Option<Bytes>,
    start: Instant,
    /// Only where there is a gap: timers count in whole milliseconds and round up.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        // The role and the first token wait for no timer, since even one that is due is up to a millisecond late.
        if let Some(timer) = &mut self.timer
            && self.next > 1
        {
            ready!(timer.as_mut().poll(cx));
        }
        let Some(frame) = self.made.frames.get(self.next) else { return Poll::Ready(self.last.take()) };
        self.next += 1;
        if let Some(timer) = &mut self.timer
            && self.next < self.made.frames.len()
        {
            let gaps = u32::try_from(self.next - 1).unwrap_or(u32::MAX);
            timer.as_mut().reset(self.start + self.plan.gap * gaps);
        }
        Poll::Ready(Some(frame.clone()))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match &mut *self {
            Self::Whole(body) => body.take(),
            Self::Stream(stream) => ready!(stream.poll_next(cx)),
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64)),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_json_and_the_deltas_are_the_text() {
        let made = Made::new(12);
        let whole: serde_json::Value = serde_json::from_slice(&made.whole).unwrap();
        let mut text = String::new();
        let mut events = made.frames.concat();
        events.extend_from_slice(&made.end_with_usage);
        let events = String::from_utf8(events).unwrap();
        for data in events.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap()) {
            if data == "[DONE]" {
                continue;
            }
            let event: serde_json::Value = serde_json::from_str(data).unwrap();
            text += event["choices"][0]["delta"]["content"].as_str().unwrap_or_default();
        }
        assert!(events.ends_with("[DONE]\n\n") && events.contains(r#""completion_tokens":12"#));
        assert_eq!(text, Plan::fast(12).text());
        assert_eq!(whole["choices"][0]["message"]["content"], text.as_str());
    }
}
