//! Requests to a holder: HTTP over its socket, over a connection within the process, or over its address.

use std::{io, net::SocketAddr, path::PathBuf, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode,
        header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST},
    },
};
use futures::Stream as _;
use greenroom::frontends::http::Inside;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::AbortHandle,
    time::timeout,
};

/// How long a holder may take for the head of a response: it is on this machine, and waits for its disk at most.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// The same where it waits for a provider, which it bounds itself.
const LONGEST_ANSWER: Duration = Duration::from_secs(24 * 60 * 60);

/// How a holder is reached.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    /// By the socket at this path.
    Socket(PathBuf),
    /// It is this process.
    Inside(Inside),
    /// As any client does; for a daemon whose data directory has too long a path for a socket.
    Address { address: SocketAddr, token: SecretString },
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    /// Path and query, as [`path`] makes them.
    pub(crate) target: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
    /// Whether the head of the response may come as late as an answer does.
    patient: bool,
}

/// A response whose head is there.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Pieces,
}

/// Why there is no response, or no more of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    /// The request did nothing: nobody is there, or it is ending.
    #[error("nobody takes the request")]
    NotTaken(#[source] io::Error),
    /// What became of it is not known.
    #[error("the connection broke off: {0}")]
    BrokenOff(String),
    /// What came makes no sense, and would not if it came again.
    #[error("it says what this version does not understand: {0}")]
    Unreadable(String),
    /// Nothing came for so long.
    #[error("no answer came for {} s", ANSWER_WAIT.as_secs())]
    Silent,
}

/// Asks a holder.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    way: Way,
}

impl Client {
    pub(crate) fn new(way: Way) -> Self {
        Self { way }
    }

    /// Asks, and gives the response once its head is there.
    pub(crate) async fn ask(&self, ask: &Ask) -> Result<Answer, Lost> {
        let answered = match &self.way {
            Way::Socket(path) => converse(system::connect(path).await.map_err(Lost::NotTaken)?, ask, None).await?,
            Way::Inside(inside) => converse(inside.connect().await.map_err(Lost::NotTaken)?, ask, None).await?,
            Way::Address { address, token } => {
                let stream = TcpStream::connect(address).await.map_err(Lost::NotTaken)?;
                converse(stream, ask, Some((*address, token))).await?
            }
        };
        // Only a server that ends says both.
        let ends = answered.status == StatusCode::SERVICE_UNAVAILABLE
            && answered.headers.get(CONNECTION).is_some_and(|value| value == "close");
        if ends { Err(Lost::NotTaken(io::ErrorKind::ConnectionAborted.into())) } else { Ok(answered) }
    }
}

impl Ask {
    pub(crate) fn new(method: Method, target: String) -> Self {
        Self { method, target, headers: Vec::new(), body: Bytes::new(), patient: false }
    }

    pub(crate) fn get(target: String) -> Self {
        Self::new(Method::GET, target)
    }

    /// Waits for the head of the response as long as the holder does for what it asked.
    pub(crate) fn patient(mut self) -> Self {
        self.patient = true;
        self
    }

    /// With this as its JSON.
    pub(crate) fn json(mut self, value: &serde_json::Value) -> Self {
        self.headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        self.body = value.to_string().into();
        self
    }

    /// With a header; one whose value can't be one is left out.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((HeaderName::from_static(name), value));
        }
        self
    }
}

impl Answer {
    /// The whole body.
    pub(crate) async fn whole(mut self) -> Result<Vec<u8>, Lost> {
        let mut whole = Vec::new();
        while let Some(piece) = self.body.next().await {
            whole.extend_from_slice(&piece?);
        }
        Ok(whole)
    }
}

/// The body of a response as it comes. Dropping it closes the connection.
pub(crate) struct Pieces {
    data: axum::body::BodyDataStream,
    connection: AbortHandle,
}

impl Pieces {
    /// The next piece; `None` at the end. Safe to drop while it waits.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, Lost>> {
        let piece = std::future::poll_fn(|cx| std::pin::Pin::new(&mut self.data).poll_next(cx)).await?;
        Some(piece.map_err(|error| Lost::BrokenOff(error.to_string())))
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

async fn converse<I>(stream: I, ask: &Ask, login: Option<(SocketAddr, &SecretString)>) -> Result<Answer, Lost>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| Lost::BrokenOff(error.to_string());
    let (mut sender, connection) = handshake::<_, Body>(TokioIo::new(stream)).await.map_err(broken)?;
    let connection = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!("the connection to the holder ended: {error}");
        }
    })
    .abort_handle();
    let mut request = Request::new(Body::from(ask.body.clone()));
    *request.method_mut() = ask.method.clone();
    *request.uri_mut() = ask.target.parse().expect("a path of escaped parts is one");
    let headers = request.headers_mut();
    headers.extend(ask.headers.iter().cloned());
    match login {
        None => headers.insert(HOST, HeaderValue::from_static("localhost")),
        Some((address, token)) => {
            let bearer = format!("Bearer {}", token.expose_secret());
            let mut bearer = HeaderValue::from_str(&bearer).map_err(|error| Lost::BrokenOff(error.to_string()))?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
            headers.insert(HOST, HeaderValue::from_str(&address.to_string()).expect("an address is a header's value"))
        }
    };
    let wait = if ask.patient { LONGEST_ANSWER } else { ANSWER_WAIT };
    let response = match timeout(wait, sender.send_request(request)).await {
        Ok(Ok(response)) => response,
        // hyper has it still, so nobody has heard of it.
        Ok(Err(error)) if error.is_canceled() => {
            connection.abort();
            return Err(Lost::NotTaken(io::ErrorKind::ConnectionAborted.into()));
        }
        Ok(Err(error)) => {
            connection.abort();
            return Err(broken(error));
        }
        Err(_) => {
            connection.abort();
            return Err(Lost::Silent);
        }
    };
    let (head, body) = response.into_parts();
    let body = Pieces { data: Body::new(body).into_data_stream(), connection };
    Ok(Answer { status: head.status, headers: head.headers, body })
}

/// A path below `/api` and what is behind it, with everything escaped that could mean something else.
pub(crate) fn path(parts: &[&str], query: &[(&str, &str)]) -> String {
    let mut target = "/api".to_owned();
    for part in parts {
        target.push('/');
        escape(&mut target, part);
    }
    for (index, (name, value)) in query.iter().enumerate() {
        target.push(if index == 0 { '?' } else { '&' });
        target.push_str(name);
        target.push('=');
        escape(&mut target, value);
    }
    target
}

fn escape(target: &mut String, part: &str) {
    use std::fmt::Write as _;

    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~:@".contains(&byte) {
            target.push(char::from(byte));
        } else {
            write!(target, "%{byte:02X}").expect("writing to a String never fails");
        }
    }
}

#[cfg(unix)]
mod system {
    use std::{io, path::Path};

    use tokio::net::UnixStream;

    pub(super) async fn connect(path: &Path) -> io::Result<UnixStream> {
        UnixStream::connect(path).await
    }
}

#[cfg(not(unix))]
mod system {
    use std::{io, path::Path};

    use tokio::io::DuplexStream;

    pub(super) async fn connect(_: &Path) -> io::Result<DuplexStream> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn what_is_asked_for_stays_one_part_of_the_path() {
        assert_eq!(path(&["sessions", "telegram:42@x"], &[]), "/api/sessions/telegram:42@x");
        assert_eq!(path(&["sessions", "a/b c?é"], &[("id", "x&y")]), "/api/sessions/a%2Fb%20c%3F%C3%A9?id=x%26y");
    }
}
