//! Carries requests to whoever holds, and what comes back.

use std::{cell::RefCell, collections::HashMap, future::Future, pin::pin, time::Duration};

use axum::http::{Method, header::CONTENT_TYPE};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures::{StreamExt as _, stream::FuturesUnordered};
use greenroom::wire::{frame::SseFramer, json::put_value};
use serde::Deserialize;
use serde_json::Value;
use tokio::{io::AsyncRead, sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    envelope::{INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, Message, Request, Wish, error_line, read},
    lines::{LONGEST, Line, Lines},
    watch::{LISTEN, MOST as WATCHED, Watches},
};
use crate::cli::{
    Failure,
    attach::{Answer, Ask, Link, Pieces, failure},
};

/// Most requests in flight. A client that has more waits for what it asked, or has forgotten it.
pub(super) const MOST: usize = 64;
/// From this revision on, what is asked stands in the head of a request as well.
const WITH_HEAD: &str = "2026-07-28";

/// The way of a client's messages.
pub(super) struct Relay<'a> {
    pub(super) link: &'a Link<'a>,
    lines: mpsc::Sender<Vec<u8>>,
    /// How each request in flight is given up, by its id as JSON.
    in_flight: RefCell<HashMap<String, CancellationToken>>,
    /// The revision that was agreed upon by a handshake.
    agreed: RefCell<Option<String>>,
    /// What the client wants to be told of.
    pub(super) watches: Watches,
}

/// What is to be done for a line.
enum Work {
    /// The line is answered with this.
    Say(Value),
    Carry(Request, Vec<u8>, CancellationToken),
    /// Whatever changes of the lists is told from now on.
    WatchLists,
}

/// What has to be known of a message that is carried back.
#[derive(Deserialize)]
pub(super) struct Back {
    pub(super) id: Option<serde::de::IgnoredAny>,
    pub(super) method: Option<String>,
    #[serde(default)]
    result: Option<Agreed>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Agreed {
    #[serde(rename = "protocolVersion")]
    version: Option<String>,
}

impl<'a> Relay<'a> {
    pub(super) fn new(link: &'a Link<'a>, lines: mpsc::Sender<Vec<u8>>) -> Self {
        Self { link, lines, in_flight: RefCell::default(), agreed: RefCell::default(), watches: Watches::default() }
    }

    /// Carries messages until there are no more, and what is in flight has been answered; or until the program is told to
    /// end, when that has `last_words` to be. Whether it was told to.
    pub(super) async fn run<R: AsyncRead + Unpin>(
        self,
        mut from: Lines<R>,
        told: impl Future<Output = i32>,
        last_words: Duration,
    ) -> bool {
        let mut told = pin!(told);
        let mut carried = FuturesUnordered::new();
        let mut over = false;
        while !over || !carried.is_empty() {
            tokio::select! {
                biased;
                _number = told.as_mut() => {
                    self.watches.end();
                    let rest = async { while carried.next().await.is_some() {} };
                    if timeout(last_words, rest).await.is_err() {
                        self.end_rest(last_words).await;
                    }
                    return true;
                }
                Some(()) = carried.next(), if !carried.is_empty() => {}
                // Whoever sends on and on what only errors answer has to read some of them.
                line = from.next(), if !over && carried.len() < MOST * 2 + self.watches.count() => match line {
                    Ok(Some(line)) => carried.extend(self.take(line).map(|work| self.work(work))),
                    ended => {
                        if let Err(error) = ended {
                            tracing::debug!("standard input ends: {error}");
                        }
                        over = true;
                        // What never ends by itself is not waited for.
                        self.watches.end();
                    }
                },
            }
        }
        false
    }

    /// What is to be done with a line, if anything is.
    fn take(&self, line: Line) -> Option<Work> {
        self.read(line).unwrap_or_else(|error| Some(Work::Say(error)))
    }

    fn read(&self, line: Line) -> Result<Option<Work>, Value> {
        let Line::Whole(line) = line else {
            let message = format!("the line is longer than {LONGEST} bytes");
            return Err(error_line(&Value::Null, INVALID_REQUEST, &message, "send less at once"));
        };
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        match read(&line)? {
            Message::Other => Ok(None),
            Message::Initialized => Ok(Some(Work::WatchLists)),
            Message::Cancelled(id) => {
                if let Some(given_up) = self.in_flight.borrow_mut().remove(&id.to_string()) {
                    given_up.cancel();
                }
                Ok(None)
            }
            Message::Request(request) => {
                let mut in_flight = self.in_flight.borrow_mut();
                let key = request.id.to_string();
                if in_flight.contains_key(&key) {
                    let hint = "each request has an id of its own";
                    return Err(error_line(&request.id, INVALID_REQUEST, "a request of this id is in flight", hint));
                }
                if in_flight.len() >= MOST {
                    let message = format!("{MOST} requests are in flight already");
                    return Err(error_line(
                        &request.id,
                        INTERNAL_ERROR,
                        &message,
                        "wait for one of them to be answered",
                    ));
                }
                let given_up = if request.method == LISTEN { self.watches.ended() } else { CancellationToken::new() };
                in_flight.insert(key, given_up.clone());
                Ok(Some(Work::Carry(request, line, given_up)))
            }
        }
    }

    async fn work(&self, work: Work) {
        match work {
            Work::Say(error) => self.say(&error).await,
            Work::Carry(request, body, given_up) => match request.wish.clone() {
                Some(Wish::Subscribe(uri)) if self.watches.are_too_many(&uri) => {
                    self.in_flight.borrow_mut().remove(&request.id.to_string());
                    let message = format!("there are {WATCHED} subscriptions already");
                    self.say(&error_line(&request.id, INVALID_PARAMS, &message, "unsubscribe from one of them")).await;
                }
                Some(Wish::Subscribe(uri)) => {
                    self.watch_address(uri, self.carry(request, body, given_up)).await;
                }
                wish => {
                    if self.carry(request, body, given_up).await {
                        self.watches.heed(wish);
                    }
                }
            },
            Work::WatchLists => self.watch_lists().await,
        }
    }

    /// Carries one request, until it has its answer or is given up. Of one that is, nothing more is said. Whether it did
    /// what it asked for.
    async fn carry(&self, request: Request, body: Vec<u8>, given_up: CancellationToken) -> bool {
        let carried = tokio::select! {
            carried = self.ask(&request, body) => carried,
            () = given_up.cancelled() => {
                self.in_flight.borrow_mut().remove(&request.id.to_string());
                return false;
            }
        };
        self.in_flight.borrow_mut().remove(&request.id.to_string());
        match carried {
            Ok(is_result) => is_result,
            Err(Failure::Told(told)) => {
                self.say(&error_line(&request.id, INTERNAL_ERROR, &told.what, &told.hint)).await;
                false
            }
            // Nobody is there to be told.
            Err(_) => false,
        }
    }

    async fn ask(&self, request: &Request, body: Vec<u8>) -> Result<bool, Failure> {
        let body = if request.method == "tools/call" { self.watches.with_level(body) } else { body };
        let mut ask = to_mcp(body);
        let agreed = self.agreed.borrow().clone().filter(|_| request.method != "initialize");
        if let Some(version) = request.version.as_ref().or(agreed.as_ref()) {
            ask = ask.header("mcp-protocol-version", version);
            if version.as_str() >= WITH_HEAD {
                ask = ask.header("mcp-method", &request.method);
                if let Some(name) = &request.name {
                    ask = ask.header("mcp-name", &format!("=?base64?{}?=", BASE64_STANDARD.encode(name)));
                }
            }
        }
        // What a call did before its holder was lost is not known, and may cost.
        let once = request.method == "tools/call";
        let (answer, _) = self.link.ask_any(&ask, once).await?;
        let is_stream = answer.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event"));
        if is_stream { self.stream(request, answer).await } else { self.whole(request, answer).await }
    }

    /// Carries back messages as they come.
    async fn stream(&self, request: &Request, answer: Answer) -> Result<bool, Failure> {
        let mut messages = Messages::of(answer);
        while let Some((back, message)) = messages.next().await? {
            let is_answer = back.id.is_some() && back.method.is_none();
            let is_result = back.result.is_some();
            self.agree(request, back);
            self.put(message).await;
            if is_answer {
                return Ok(is_result);
            }
        }
        Err(Failure::failed("the greenroom that answered ended before its answer did", "ask again"))
    }

    /// Carries back one message that is all there is.
    async fn whole(&self, request: &Request, answer: Answer) -> Result<bool, Failure> {
        let status = answer.status;
        let body = answer.whole().await.map_err(|lost| failure(&lost))?;
        match serde_json::from_slice::<Value>(&body) {
            Ok(message) if message.get("jsonrpc").is_some() => {
                let is_result = message.get("result").is_some();
                if let Ok(back) = serde_json::from_slice(&body) {
                    self.agree(request, back);
                }
                self.put(body).await;
                Ok(is_result)
            }
            other => {
                let told = other.ok().and_then(|body| Some(body.get("error")?.get("message")?.as_str()?.to_owned()));
                let what = told.unwrap_or_else(|| format!("the greenroom that answers refuses the message ({status})"));
                Err(Failure::failed(what, "check the message against the protocol"))
            }
        }
    }

    /// Remembers what a handshake came to.
    fn agree(&self, request: &Request, back: Back) {
        if request.method == "initialize"
            && let Some(version) = back.result.and_then(|result| result.version)
        {
            *self.agreed.borrow_mut() = Some(version);
        }
    }

    /// Tells everybody whose request is in flight that it comes to nothing.
    async fn end_rest(&self, last_words: Duration) {
        let rest: Vec<String> = self.in_flight.borrow_mut().drain().map(|(id, _)| id).collect();
        let said = async {
            for id in rest {
                let id = serde_json::from_str(&id).expect("it was written as JSON");
                self.say(&error_line(&id, INTERNAL_ERROR, "greenroom is told to end", "ask again")).await;
            }
        };
        let _unread = timeout(last_words, said).await;
    }

    /// Says something of our own.
    pub(super) async fn say(&self, message: &Value) {
        let mut line = Vec::new();
        put_value(&mut line, message);
        self.put(line).await;
    }

    pub(super) async fn put(&self, line: Vec<u8>) {
        // Where nobody reads, the program ends.
        let _gone = self.lines.send(line).await;
    }
}

/// A message of the protocol on its way to whoever holds, which stands by itself.
pub(super) fn to_mcp(body: Vec<u8>) -> Ask {
    let mut ask = Ask::new(Method::POST, "/mcp".to_owned())
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("x-greenroom-alone", "1")
        .patient();
    ask.body = body.into();
    ask
}

/// The messages of an answer that is a stream of them.
pub(super) struct Messages {
    body: Pieces,
    framer: SseFramer,
}

impl Messages {
    pub(super) fn of(answer: Answer) -> Self {
        Self { body: answer.body, framer: SseFramer::new() }
    }

    /// The next one, read and as it came; `None` at the end.
    ///
    /// # Errors
    /// The stream breaks off, or is none of messages.
    pub(super) async fn next(&mut self) -> Result<Option<(Back, Vec<u8>)>, Failure> {
        loop {
            while let Some(frame) = self.framer.next_frame() {
                let frame = frame.map_err(|error| unreadable(&error))?;
                if !frame.data.is_empty() {
                    let back = serde_json::from_str(frame.data).map_err(|error| unreadable(&error))?;
                    return Ok(Some((back, frame.data.as_bytes().to_vec())));
                }
            }
            let Some(piece) = self.body.next().await else { return Ok(None) };
            self.framer.push(&piece.map_err(|lost| failure(&lost))?);
        }
    }
}

fn unreadable(error: &dyn std::error::Error) -> Failure {
    tracing::debug!("an answer can't be read: {error}");
    Failure::failed(
        "the greenroom that holds the data directory answers in a form that this version does not know",
        "stop it, and use one version for both",
    )
}
