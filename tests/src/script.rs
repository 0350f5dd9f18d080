//! What a scripted provider is to do: routes, the attempts of each, and the steps of an attempt.
//!
//! Everything here is plain data, read from JSON by the `scripted-provider` program and by
//! `POST /_scripted/script`, and built in Rust with the methods of [`Attempt`].

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::payload::{Headers, Payload};

/// The whole behaviour of one server. The first route that matches a request answers it; a request
/// that none matches gets a 404.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// In the order in which they are tried.
    pub routes: Vec<Route>,
}

/// The answers to one method and path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The method as written in the request, or `*` for any.
    pub method: String,
    /// The path without its query. A `*` at the end stands for any rest.
    pub path: String,
    /// The first entry whose condition holds and that is not used up is played. When all that match
    /// are used up, the last of them repeats.
    pub attempts: Vec<Attempt>,
    /// The status to answer with once every matching attempt is used up, in place of repeating the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exhausted: Option<u16>,
}

/// One answer, step by step.
///
/// An attempt that ends without `end`, `cut` or `reset` ends as by `end`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// Which requests this answers; absent is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    /// How many requests this answers before the next entry has its turn.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub times: u32,
    /// Never used up; `times` is then without meaning.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub always: bool,
    /// What is done, in order.
    pub steps: Vec<Step>,
}

fn once() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_once(times: &u32) -> bool {
    *times == 1
}

/// What a request must be for an attempt to answer it. All that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// Headers that must be there with exactly these values; names in any case.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub header: Headers,
    /// The token of `Authorization: Bearer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<String>,
    /// The string `model` at the top of the JSON body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whether the JSON body asks for a stream. A body without `stream` does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// Text that the body must hold, as it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_contains: Option<String>,
}

/// One thing that the server does.
///
/// `send`, `body`, `garbage` and the end of the attempt put a head of status 200 before themselves if
/// the attempt gave none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// The head of the answer. It leaves before the next step starts, save that a `body` directly after
    /// it decides its framing. A 1xx head is interim: another is expected to follow.
    Status(Status),
    /// A whole body with its `content-length`, if it follows the head directly; else the same as `send`.
    Body(Payload),
    /// A whole body with a vector for each text of the request's `input`, in OpenAI's form: the numbers of its bytes, and the
    /// value of its first one. A byte is a token.
    Vectors,
    /// Bytes of the body, in one write; under chunked framing, as one chunk.
    Send(Payload),
    /// Bytes to the socket as they are, within no framing. Without a head before, the whole answer is
    /// raw and its end closes the connection.
    Raw(Payload),
    /// Bytes of the body that look like nothing, the same for the same seed; one write.
    Garbage {
        /// How many.
        bytes: usize,
        /// What they are derived from.
        #[serde(default)]
        seed: u64,
    },
    /// Send nothing for a while.
    Wait {
        /// How long, in milliseconds.
        ms: u64,
    },
    /// Send nothing until the client leaves or the server stops.
    Stall,
    /// Close the connection in good order (FIN), whatever of the body is missing.
    Cut,
    /// Break the connection (RST). What the client has not read yet may be lost with it.
    Reset,
    /// End the body, and with it the attempt. The connection stays for the next request if it can.
    End,
    /// Steps again and again.
    Repeat {
        /// How often.
        times: u32,
        /// What.
        steps: Vec<Step>,
    },
}

/// The head of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The status code.
    pub code: u16,
    /// Sent in this order and as written. A `content-length` or `transfer-encoding` among them is
    /// believed: the body is then sent as it is, so that both can be lied about.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// How the client is told where the body ends.
    #[serde(default, skip_serializing_if = "Framing::is_chunked")]
    pub framing: Framing,
}

/// How a body is delimited where neither `content-length` nor `transfer-encoding` was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// `transfer-encoding: chunked`.
    #[default]
    Chunked,
    /// By the end of the connection.
    Close,
}

impl Framing {
    fn is_chunked(&self) -> bool {
        *self == Self::Chunked
    }
}

impl Script {
    /// A script of these routes.
    pub fn new(routes: impl IntoIterator<Item = Route>) -> Self {
        Self { routes: routes.into_iter().collect() }
    }
}

impl From<Route> for Script {
    fn from(route: Route) -> Self {
        Self::new([route])
    }
}

impl Route {
    /// The answers to `method` (or `*`) and `path` (perhaps with a `*` at its end).
    pub fn new<A: Into<Attempt>>(method: &str, path: &str, attempts: impl IntoIterator<Item = A>) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            attempts: attempts.into_iter().map(Into::into).collect(),
            exhausted: None,
        }
    }

    /// Answers with `status` when all attempts are used up, in place of repeating the last.
    #[must_use]
    pub fn exhausted(mut self, status: u16) -> Self {
        self.exhausted = Some(status);
        self
    }

    /// Whether a request with this method and this path (without its query) belongs here.
    pub fn matches(&self, method: &str, path: &str) -> bool {
        let path_matches = match self.path.strip_suffix('*') {
            Some(prefix) => path.starts_with(prefix),
            None => path == self.path,
        };
        path_matches && (self.method == "*" || self.method == method)
    }
}

impl When {
    /// Requests that carry this bearer token.
    pub fn bearer(token: &str) -> Self {
        Self { bearer: Some(token.to_owned()), ..Self::default() }
    }

    /// Requests for this model.
    pub fn model(id: &str) -> Self {
        Self { model: Some(id.to_owned()), ..Self::default() }
    }

    /// Requests with this header.
    pub fn header(name: &str, value: &str) -> Self {
        Self { header: Headers(vec![(name.to_owned(), value.to_owned())]), ..Self::default() }
    }

    /// Requests that ask for a stream, or that do not.
    pub fn stream(wanted: bool) -> Self {
        Self { stream: Some(wanted), ..Self::default() }
    }

    /// Requests whose body holds this text.
    pub fn body_contains(text: &str) -> Self {
        Self { body_contains: Some(text.to_owned()), ..Self::default() }
    }

    /// Whether a request with these headers and this body is meant.
    pub fn holds(&self, headers: &Headers, body: &[u8]) -> bool {
        let bearer = || headers.bearer();
        let fields = || serde_json::from_slice::<Map<String, Value>>(body).unwrap_or_default();
        self.header.0.iter().all(|(name, value)| headers.all(name).any(|sent| sent == value))
            && self.bearer.as_deref().is_none_or(|wanted| bearer() == Some(wanted))
            && self.model.as_deref().is_none_or(|wanted| fields().get("model").and_then(Value::as_str) == Some(wanted))
            && self
                .stream
                .is_none_or(|wanted| fields().get("stream").and_then(Value::as_bool).unwrap_or_default() == wanted)
            && self
                .body_contains
                .as_deref()
                .is_none_or(|text| text.is_empty() || body.windows(text.len()).any(|part| part == text.as_bytes()))
    }
}
