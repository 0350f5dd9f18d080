//! A provider with a strict limit: it counts in windows that follow each other, tells in its headers what is left as OpenAI
//! does, and answers whatever is beyond with a 429.

use std::future::IntoFuture as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What a window holds.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// How long it is.
    pub window: Duration,
    /// Requests in it.
    pub requests: u64,
    /// Tokens of prompts and answers in it.
    pub tokens: u64,
}

/// What one window saw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// Requests that were answered.
    pub granted: u64,
    /// Their tokens.
    pub tokens: u64,
    /// Requests that were refused.
    pub refused: u64,
}

/// A model provider that enforces a limit, over real HTTP. It stops when dropped.
#[derive(Debug)]
pub struct StrictProvider {
    address: SocketAddr,
    counted: Arc<Counted>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Counted {
    limit: Limit,
    /// Tokens of each answer; one of the prompt is four bytes of its text.
    answer: u64,
    windows: Mutex<Windows>,
}

#[derive(Debug, Default)]
struct Windows {
    began: Option<Instant>,
    seen: Vec<Window>,
}

impl StrictProvider {
    /// Starts one on a free port of loopback; its windows begin with its first request.
    ///
    /// # Panics
    /// If no port can be had.
    pub async fn start(limit: Limit, answer: u64) -> Self {
        let counted = Arc::new(Counted { limit, answer, windows: Mutex::default() });
        let router = Router::new()
            .route(crate::openai::CHAT, post(chat))
            .route(crate::openai::MODELS, get(models))
            .with_state(Arc::clone(&counted));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port on loopback");
        let address = listener.local_addr().expect("a socket that is bound has an address");
        let served = axum::serve(listener, router).into_future();
        let task = tokio::spawn(async move {
            let _ = served.await;
        });
        Self { address, counted, task }
    }

    /// `http://127.0.0.1:port`, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every window so far, the first one first. The last may not be over.
    pub fn windows(&self) -> Vec<Window> {
        self.counted.lock().seen.clone()
    }
}

impl Drop for StrictProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Counted {
    fn lock(&self) -> std::sync::MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn models() -> Response {
    let list = json!({"object": "list", "data": [{"id": "m1", "object": "model", "created": 0, "owned_by": "strict"}]});
    ([(header::CONTENT_TYPE, "application/json")], list.to_string()).into_response()
}

async fn chat(State(counted): State<Arc<Counted>>, body: Bytes) -> Response {
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = asked["messages"][0]["content"].as_str().unwrap_or_default();
    let prompt = text.len() as u64 / 4;
    let Limit { window, requests, tokens } = counted.limit;
    let cost = prompt + counted.answer;
    let (granted, left, resets_in) = {
        let mut windows = counted.lock();
        let now = Instant::now();
        let since = now - *windows.began.get_or_insert(now);
        let index = usize::try_from(since.as_nanos() / window.as_nanos()).unwrap_or(usize::MAX);
        windows.seen.resize(index + 1, Window::default());
        let seen = &mut windows.seen[index];
        let granted = seen.granted < requests && seen.tokens + cost <= tokens;
        if granted {
            seen.granted += 1;
            seen.tokens += cost;
        } else {
            seen.refused += 1;
        }
        let left = [requests - seen.granted, tokens - seen.tokens];
        (granted, left, window * u32::try_from(index + 1).unwrap_or(u32::MAX) - since)
    };
    let resets = format!("{}ms", resets_in.as_millis() + 1);
    let limits = [
        ("x-ratelimit-limit-requests", requests.to_string()),
        ("x-ratelimit-remaining-requests", left[0].to_string()),
        ("x-ratelimit-reset-requests", resets.clone()),
        ("x-ratelimit-limit-tokens", tokens.to_string()),
        ("x-ratelimit-remaining-tokens", left[1].to_string()),
        ("x-ratelimit-reset-tokens", resets.clone()),
    ];
    if !granted {
        let message = format!("Rate limit reached. Please try again in {resets}.");
        let error = crate::openai::error_body("rate_limit_error", Some("rate_limit_exceeded"), &message);
        let kind = [(header::CONTENT_TYPE, "application/json")];
        return (StatusCode::TOO_MANY_REQUESTS, limits, kind, error.to_string()).into_response();
    }
    let usage = json!({"prompt_tokens": prompt, "completion_tokens": counted.answer, "total_tokens": cost});
    let chunk = |rest: Value| format!("data: {}\n\n", json!({"id": "c", "model": "m1", "choices": [rest]}));
    let body = [
        chunk(json!({"index": 0, "delta": {"content": "yes"}})),
        chunk(json!({"index": 0, "delta": {}, "finish_reason": "stop"})),
        format!("data: {}\n\ndata: [DONE]\n\n", json!({"id": "c", "model": "m1", "choices": [], "usage": usage})),
    ];
    (limits, [(header::CONTENT_TYPE, "text/event-stream")], body.concat()).into_response()
}
