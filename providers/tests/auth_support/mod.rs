//! A server that gives scripted answers, one to a connection, and what is common to the tests of logins.
#![allow(dead_code, reason = "each test uses some of it")]
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use greenroom_providers::{
    auth::{Issuer, TokenClient, TokenError},
    transport::Transport,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use url::Url;

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn form(&self) -> BTreeMap<String, String> {
        assert_eq!(self.header("content-type"), Some("application/x-www-form-urlencoded"));
        url::form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What to answer.
pub(crate) enum Reply {
    /// These bytes, and the end of the connection.
    Bytes(String),
    /// Nothing, until the other side leaves.
    Hang,
    /// The end of the connection.
    Close,
}

pub(crate) struct Server {
    base: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Gives these answers, and then listens no more.
    pub(crate) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (replies, all): (Vec<_>, _) = (replies.into_iter().collect(), Arc::clone(&seen));
        tokio::spawn(async move {
            for reply in replies {
                let (mut socket, _) = listener.accept().await.unwrap();
                let request = read_request(&mut socket).await;
                all.lock().unwrap().push(request);
                match reply {
                    Reply::Bytes(bytes) => {
                        // One that has heard enough leaves, which is no failure of the server's.
                        let _left = socket.write_all(bytes.as_bytes()).await;
                        let _left = socket.shutdown().await;
                    }
                    Reply::Hang => while socket.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {},
                    Reply::Close => drop(socket),
                }
            }
        });
        Self { base, seen }
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        format!("{}{path}", self.base).parse().unwrap()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn issuer(&self) -> Issuer {
        Issuer {
            authorize_url: Some(self.url("/authorize")),
            device_url: Some(self.url("/device")),
            client_secret: Some("sentinel-client-secret".into()),
            scopes: vec!["one".into(), "two".into()],
            ..Issuer::new(self.url("/token"), "own-client")
        }
    }
}

pub(crate) async fn read_request(socket: &mut TcpStream) -> Seen {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = socket.read(&mut piece).await.unwrap();
        assert!(count > 0, "a request is whole");
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = |line: &str| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok();
        if body.len() >= head.lines().find_map(length).unwrap_or(0) {
            return Seen { head: head.to_owned(), body: body.to_owned() };
        }
    }
}

pub(crate) fn reply(status: u16, headers: &str, kind: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Bytes(format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    ))
}

pub(crate) fn json(status: u16, body: Value) -> Reply {
    reply(status, "", "application/json", &body.to_string())
}

/// With the server's clock.
pub(crate) fn dated(status: u16, date: SystemTime, body: Value) -> Reply {
    let date = format!("date: {}\r\n", httpdate::fmt_http_date(date));
    reply(status, &date, "application/json", &body.to_string())
}

pub(crate) fn html(status: u16) -> Reply {
    reply(status, "", "text/html", "<html><body>sign in to the wireless network</body></html>")
}

/// A time of whole seconds, as headers have it.
pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Connections that nobody else has.
pub(crate) fn client() -> TokenClient {
    TokenClient::new(Arc::new(Transport::new(Duration::from_secs(5))))
}

/// One that does not wait long for what never comes.
pub(crate) fn impatient() -> TokenClient {
    client().with_limit(Duration::from_millis(200))
}

pub(crate) fn text(secret: &SecretString) -> &str {
    secret.expose_secret()
}

pub(crate) fn maybe(secret: Option<&SecretString>) -> Option<&str> {
    secret.map(text)
}

/// All that a log could show of an error.
pub(crate) fn shown(error: &TokenError) -> String {
    let mut shown = format!("{error} {error:?} {}", error.hint());
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        shown += &format!(" {inner} {inner:?}");
        cause = inner.source();
    }
    let chat = error.clone().into_chat();
    shown + &format!(" {chat} {chat:?}")
}
