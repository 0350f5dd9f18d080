//! A streaming reverse proxy that does nothing else, of the HTTP libraries that greenroom uses: axum in front, reqwest
//! behind. What greenroom costs above this is its own doing.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::serve::ListenerExt as _;
use reqwest::{Client, redirect};

use super::server;

/// Most bytes of a request.
const REQUEST: usize = 32 * 1024 * 1024;

/// Passes everything on to `upstream` (`http://host:port`) until the process is ended.
pub(crate) async fn serve(upstream: String) -> io::Result<()> {
    let client = Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .tcp_nodelay(true)
        .pool_max_idle_per_host(usize::MAX)
        .connect_timeout(Duration::from_secs(10))
        .build()
        .map_err(io::Error::other)?;
    let listener = server::listen().await?.tap_io(|stream| {
        // Without it a token may wait 40 ms for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
    });
    let router = Router::new().fallback(pass_on).with_state(Proxy { client, upstream });
    axum::serve(listener, router).await
}

#[derive(Clone)]
struct Proxy {
    client: Client,
    upstream: String,
}

async fn pass_on(State(proxy): State<Proxy>, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    // Sent with its length, as every body was that comes here; a stream would go in chunks, which costs more.
    let Ok(body) = to_bytes(body, REQUEST).await else { return StatusCode::BAD_REQUEST.into_response() };
    let url = format!("{}{}", proxy.upstream, head.uri.path());
    head.headers.remove(header::HOST);
    head.headers.remove(header::CONTENT_LENGTH);
    strip(&mut head.headers);
    match proxy.client.request(head.method, url).headers(head.headers).body(body).send().await {
        Ok(answer) => {
            let mut response = axum::http::Response::from(answer).map(Body::new);
            strip(response.headers_mut());
            response
        }
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// Takes out the headers that are about one connection.
fn strip(headers: &mut HeaderMap) {
    headers.remove(header::CONNECTION);
    headers.remove(header::TRANSFER_ENCODING);
}
