//! The SDK's way to the network: the transport of all providers.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant, SystemTime},
};

use aws_sdk_bedrockruntime::{
    config::{
        HttpClient, RuntimeComponents,
        http::{HttpRequest, HttpResponse},
    },
    error::ConnectorError,
};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use greenroom_wire::{ChatError, ErrorKind, RateLimits, bedrock::decode_error};
use hyper::body::{Body, Frame};
use reqwest::Response;
use url::{Host, Url};

use super::frames::Frames;
use crate::{
    drive::{ERROR_WAIT, WHOLE_BODY, cut, header_of, read_bounded, read_error},
    transport::{Transport, send_failure},
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How an answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// As frames, which are looked at for their lengths; what is none is kept apart.
    Stream,
    /// All of it, up to a bound.
    Whole,
    /// As [`Whole`](Self::Whole), whatever its status: the SDK itself knows what to make of it.
    Credentials,
}

/// The transport, as the SDK wants an HTTP client.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    transport: Arc<Transport>,
    seen: Arc<Seen>,
    reading: Reading,
    /// How long a request may take in all, where the SDK says so: its sources of credentials do.
    limit: Option<Duration>,
}

/// What is seen of an answer on its way to the SDK.
#[derive(Default)]
pub(super) struct Seen(Mutex<State>);

/// What is known of an answer.
#[derive(Default, Clone)]
pub(super) struct State {
    /// The request's id, by which AWS knows it.
    pub(super) id: String,
    /// What the headers say is left of the provider's limits.
    pub(super) limits: RateLimits,
    /// The tokens of the prompt, where a header says them.
    pub(super) tokens: Option<u64>,
    /// When bytes came last.
    pub(super) last_byte: Option<Instant>,
    /// An answer that came whole, though a stream was asked for.
    pub(super) whole: Option<Vec<u8>>,
}

impl Seen {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen").finish_non_exhaustive()
    }
}

impl Connector {
    pub(super) fn new(transport: Arc<Transport>, seen: Arc<Seen>, reading: Reading) -> Self {
        Self { transport, seen, reading, limit: None }
    }

    /// The one that credentials are asked for through.
    pub(super) fn for_credentials(transport: Arc<Transport>) -> Self {
        Self::new(transport, Arc::default(), Reading::Credentials)
    }

    async fn send(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let url: Url = request.uri().parse().map_err(|error| ConnectorError::user(Box::new(error)))?;
        let client = match is_near(&url) {
            true => self.transport.direct(),
            false => self.transport.client(&url),
        };
        let client = client.map_err(|error| ConnectorError::user(Box::new(error)))?;
        let request = request.try_into_http1x().map_err(|error| ConnectorError::user(Box::new(error)))?;
        let (parts, body) = request.into_parts();
        let body = body.bytes().map(Bytes::copy_from_slice).unwrap_or_default();
        let method = reqwest::Method::from_bytes(parts.method.as_str().as_bytes())
            .map_err(|error| ConnectorError::user(Box::new(error)))?;
        let response = client.request(method, url).headers(parts.headers).body(body).send().await;
        let response = response.map_err(|error| refused(send_failure(error)))?;
        {
            let mut state = self.seen.state();
            let header = header_of(&response);
            state.id = header("x-amzn-requestid").unwrap_or_default();
            state.limits = RateLimits::of(&header, SystemTime::now());
            state.tokens = header("x-amzn-bedrock-input-token-count").and_then(|count| count.parse().ok());
        }
        if !response.status().is_success() && self.reading != Reading::Credentials {
            return Err(refused(read_error(response, &decode_error, ERROR_WAIT).await));
        }
        self.answer(response).await
    }

    async fn answer(self, response: Response) -> Result<HttpResponse, ConnectorError> {
        let status = response.status().as_u16().try_into();
        let status = status.map_err(|_| refused(ChatError::new(ErrorKind::Protocol, "an answer of no status")))?;
        let headers = response.headers().clone();
        let body = match self.reading {
            Reading::Stream => SdkBody::from_body_1_x(Tap::new(response.into(), self.seen)),
            Reading::Whole | Reading::Credentials => {
                SdkBody::from(read_bounded(response, WHOLE_BODY).await.map_err(refused)?)
            }
        };
        let mut answer = HttpResponse::new(status, body);
        for (name, value) in &headers {
            if let Ok(value) = value.to_str() {
                // What the SDK refuses of an answer's headers it does not need.
                let _refused = answer.headers_mut().try_append(name.as_str().to_owned(), value.to_owned());
            }
        }
        Ok(answer)
    }
}

/// Whether an address is of this machine, or of what it runs on, where no proxy stands between.
fn is_near(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_link_local(),
        Some(Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unique_local(),
        _ => false,
    }
}

/// A failure on its way through the SDK, out of whose error it is taken again.
fn refused(error: ChatError) -> ConnectorError {
    match error.kind {
        ErrorKind::Timeout => ConnectorError::timeout(Box::new(error)),
        _ => ConnectorError::io(Box::new(error)),
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let limit = self.limit;
        let sent = self.clone().send(request);
        HttpConnectorFuture::new(async move {
            let Some(limit) = limit else { return sent.await };
            let late = |_| refused(ChatError::new(ErrorKind::Timeout, format!("nothing came for {limit:?}")));
            tokio::time::timeout(limit, sent).await.map_err(late)?
        })
    }
}

impl HttpClient for Connector {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let times = [settings.connect_timeout(), settings.read_timeout()];
        let limit = times.into_iter().flatten().reduce(|all, one| all + one);
        SharedHttpConnector::new(Self { limit, ..self.clone() })
    }
}

/// A streamed body on its way to the SDK. What begins as no frame does is kept apart, and the SDK sees an empty stream.
struct Tap {
    inner: reqwest::Body,
    seen: Arc<Seen>,
    frames: Frames,
    /// Whether it is a stream of frames, once its first byte has come.
    framed: Option<bool>,
    /// Why it goes no further, once what came before has been passed on.
    broken: Option<ChatError>,
}

impl Tap {
    fn new(inner: reqwest::Body, seen: Arc<Seen>) -> Self {
        Self { inner, seen, frames: Frames::default(), framed: None, broken: None }
    }

    /// Takes the next bytes; how many of them the SDK is to see.
    fn take(&mut self, bytes: &Bytes) -> Result<usize, ChatError> {
        let Some(first) = bytes.first() else { return Ok(0) };
        let mut state = self.seen.state();
        state.last_byte = Some(Instant::now());
        // No frame is so large that the first byte of its length could be another.
        if *self.framed.get_or_insert(*first == 0) {
            drop(state);
            let Err((before, error)) = self.frames.take(bytes) else { return Ok(bytes.len()) };
            self.broken = Some(error);
            return Ok(before);
        }
        let whole = state.whole.get_or_insert_default();
        if whole.len() + bytes.len() > WHOLE_BODY {
            let message = format!("the answer is larger than {WHOLE_BODY} bytes");
            return Err(ChatError::new(ErrorKind::Protocol, message));
        }
        whole.extend_from_slice(bytes);
        Ok(0)
    }
}

impl Body for Tap {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            if let Some(error) = self.broken.take() {
                return Poll::Ready(Some(Err(Box::new(error))));
            }
            let frame = match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(Box::new(cut(error))))),
                None => return Poll::Ready(None),
            };
            let Ok(bytes) = frame.into_data() else { continue };
            match self.take(&bytes) {
                Ok(0) => {}
                Ok(count) => return Poll::Ready(Some(Ok(Frame::data(bytes.slice(..count))))),
                Err(error) => return Poll::Ready(Some(Err(Box::new(error)))),
            }
        }
    }
}
