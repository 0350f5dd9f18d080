//! Whole answers, for exchanges in which only the outcome matters.

use serde_json::Value;

use super::{ClientError, Connection};
use crate::payload::Headers;

/// An answer with all of its body.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// In their order.
    pub headers: Headers,
    /// Without its framing.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// The body as text; what is not UTF-8 in it is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none, showing it.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("status {} without JSON ({error}): {}", self.status, self.text()))
    }
}

/// Makes one request on a connection of its own.
///
/// # Errors
/// If the exchange fails.
pub async fn request(
    url: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Response, ClientError> {
    let mut connection = Connection::open(url).await?;
    connection.send(method, path, headers, body).await?;
    connection.response().await
}

/// Gets `path`, with a bearer token if one is given.
///
/// # Errors
/// If the exchange fails.
pub async fn get(url: &str, path: &str, token: Option<&str>) -> Result<Response, ClientError> {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = authorization.as_deref().map(|value| ("authorization", value)).into_iter().collect();
    request(url, "GET", path, &headers, b"").await
}

/// Posts JSON to `path`, with a bearer token if one is given, and reads the whole answer.
///
/// # Errors
/// If the exchange fails.
pub async fn post_json(url: &str, path: &str, token: Option<&str>, body: &Value) -> Result<Response, ClientError> {
    let mut connection = Connection::open(url).await?;
    connection.post_json(path, token, body).await?;
    connection.response().await
}
