//! The WebSocket of a session.

use futures::{SinkExt as _, StreamExt as _};
use greenroom_tests::client::Response;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};

use super::at;
use crate::http_support::{Api, LIMIT};

/// A client's end of a socket.
pub struct Socket(pub WebSocketStream<TcpStream>);

impl Api {
    /// Opens the socket of a session.
    pub async fn socket(&self, id: &str, query: &str) -> Socket {
        let opened = self.open_socket(id, query, &[]).await;
        Socket(opened.unwrap_or_else(|refused| panic!("{} {}", refused.status, refused.text())))
    }

    /// The same with more headers; what is told where it is refused.
    pub async fn open_socket(
        &self,
        id: &str,
        query: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<WebSocketStream<TcpStream>, Response> {
        let address = self.url.strip_prefix("http://").unwrap();
        let url = format!("ws://{address}{}", at(id, &format!("/socket{query}")));
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {}", self.token).parse().unwrap());
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(address).await.unwrap();
        match client_async(request, stream).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(response)) => {
                let (head, body) = response.into_parts();
                let headers =
                    head.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()));
                let headers = greenroom_tests::Headers(headers.collect());
                Err(Response { status: head.status.as_u16(), headers, body: body.unwrap_or_default() })
            }
            Err(other) => panic!("{other}"),
        }
    }
}

impl Socket {
    /// Sends a frame of JSON.
    pub async fn send(&mut self, frame: &Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next frame of JSON; or the code and the reason of the end, where 1006 is one that was not told.
    pub async fn next(&mut self) -> Result<Value, (u16, String)> {
        loop {
            let message = tokio::time::timeout(LIMIT, self.0.next()).await.expect("a frame in time");
            let message = match message {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Err((1006, error.to_string())),
                None => return Err((1006, String::new())),
            };
            match message {
                Message::Text(text) => return Ok(serde_json::from_str(&text).unwrap()),
                Message::Close(frame) => {
                    let frame = frame.expect("an end with a reason");
                    return Err((frame.code.into(), frame.reason.to_string()));
                }
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Everything up to the first frame that is so.
    pub async fn until_so(&mut self, so: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await.unwrap_or_else(|end| panic!("{end:?} after {frames:#?}"));
            let is_last = so(&frame);
            frames.push(frame);
            if is_last {
                return frames;
            }
        }
    }

    /// Everything up to the first frame of this type.
    pub async fn until(&mut self, kind: &str) -> Vec<Value> {
        self.until_so(|frame| frame["type"] == kind).await
    }

    /// Sends a frame, and gives the reply to it.
    pub async fn replied(&mut self, frame: &Value) -> Value {
        self.send(frame).await;
        self.until("reply").await.pop().unwrap()
    }

    /// How it ends, whatever comes before.
    pub async fn end(&mut self) -> (u16, String) {
        loop {
            if let Err(end) = self.next().await {
                return end;
            }
        }
    }
}
