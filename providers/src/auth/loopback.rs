//! Where the browser comes back to at the end of a login: a listener on this machine, for this one login.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::stream::{FuturesUnordered, StreamExt as _};
use hyper::{Method, Request, Response, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use secrecy::SecretString;
use tokio::net::{TcpListener, TcpStream};
use url::{Host, Url};

use super::{Authorization, TokenError, TokenErrorKind, page::Page};

/// Most connections at a time. Browsers open some that they never use.
const MOST_CONNECTIONS: usize = 32;
/// How long a connection may take to ask, and to take the page.
const CONNECTION_LIMIT: Duration = Duration::from_secs(10);
/// Most bytes of a request's head.
const MOST_HEAD: usize = 16 * 1024;
/// The path where the issuer allows any.
const PATH: &str = "/callback";

/// A listener for the end of a login.
#[derive(Debug)]
pub struct Loopback {
    listener: TcpListener,
    redirect: Url,
}

impl Loopback {
    /// Listens at the issuer's `fixed` address, if it has one, and else on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// `Config`: the fixed address is not on this machine, or its port is taken.
    pub async fn bind(fixed: Option<&Url>) -> Result<Self, TokenError> {
        let (address, fixed) = match fixed {
            None => (SocketAddr::from(([127, 0, 0, 1], 0)), None),
            Some(url) => (address(url)?, Some(url.clone())),
        };
        let listener = TcpListener::bind(address).await.map_err(|error| cant_listen(address, error))?;
        let redirect = match fixed {
            Some(url) => url,
            None => {
                let address = listener.local_addr().map_err(|error| cant_listen(address, error))?;
                format!("http://{address}{PATH}").parse().expect("an address of a socket and a path make a URL")
            }
        };
        Ok(Self { listener, redirect })
    }

    /// The address that the browser has to come back to.
    pub fn redirect(&self) -> &Url {
        &self.redirect
    }

    /// Waits until the browser comes back from this login, and gives the code. Dropping the future stops waiting.
    ///
    /// Whatever else asks is answered and has no effect, above all what is of another login.
    ///
    /// # Errors
    /// `Denied`, `Server`, `Client`: the issuer says so, of this login. `Network`: the listener is broken.
    pub async fn wait(&self, login: &Authorization) -> Result<SecretString, TokenError> {
        let mut connections = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                    Ok((socket, _)) => connections.push(self.serve(socket, login)),
                    Err(error) if is_of_one_connection(&error) => {}
                    Err(error) => {
                        let message = format!("the listener for the end of the login broke: {error}");
                        return Err(TokenError::new(TokenErrorKind::Network, message).with_source(error));
                    }
                },
                Some(ended) = connections.next(), if !connections.is_empty() => {
                    if let Some(outcome) = ended {
                        return outcome;
                    }
                }
            }
        }
    }

    /// Answers one request. `Some` once the page was sent, if it was the one that ends the login.
    async fn serve(&self, socket: TcpStream, login: &Authorization) -> Option<Result<SecretString, TokenError>> {
        let outcome = Mutex::new(None);
        let service = service_fn(|request: Request<Incoming>| {
            let (page, ended) = self.answer(&request, login);
            if ended.is_some() {
                *outcome.lock().unwrap_or_else(PoisonError::into_inner) = ended;
            }
            async move { Ok::<_, Infallible>(response(page)) }
        });
        let connection = http1::Builder::new()
            .keep_alive(false)
            .max_buf_size(MOST_HEAD)
            .timer(TokioTimer::new())
            .header_read_timeout(CONNECTION_LIMIT)
            .serve_connection(TokioIo::new(socket), service);
        // A browser that doesn't take the page has come back all the same.
        let _unsent = tokio::time::timeout(CONNECTION_LIMIT, connection).await;
        outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(
        &self,
        request: &Request<Incoming>,
        login: &Authorization,
    ) -> (Page, Option<Result<SecretString, TokenError>>) {
        if request.uri().path() != self.redirect.path() {
            return (Page::NOT_FOUND, None);
        }
        let Some(query) = request.uri().query().filter(|_| request.method() == Method::GET) else {
            return (Page::BAD_REQUEST, None);
        };
        match login.read_redirect(&format!("?{query}")) {
            Ok(code) => (Page::DONE, Some(Ok(code))),
            Err(error) if error.kind == TokenErrorKind::State => (Page::OTHER_LOGIN, None),
            Err(error) => (Page::REFUSED, Some(Err(error))),
        }
    }
}

/// Whether a failure to accept is of the connection that was to be accepted, not of the listener.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted)
}

fn response(page: Page) -> Response<String> {
    let mut response = Response::new(page.html());
    *response.status_mut() = page.status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        // The address has the code in it.
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    response
}

/// Where to listen for a fixed address.
fn address(url: &Url) -> Result<SocketAddr, TokenError> {
    let port = url.port_or_known_default().filter(|_| url.scheme() == "http");
    let ip: Option<IpAddr> = match url.host() {
        Some(Host::Domain("localhost")) => Some(Ipv4Addr::LOCALHOST.into()),
        Some(Host::Ipv4(ip)) if ip.is_loopback() => Some(ip.into()),
        Some(Host::Ipv6(ip)) if ip.is_loopback() => Some(ip.into()),
        _ => None,
    };
    ip.zip(port).map(SocketAddr::from).ok_or_else(|| {
        TokenError::new(TokenErrorKind::Config, "the address that the login ends at is not on this machine")
            .with_hint("give one such as http://localhost:1455/callback")
    })
}

fn cant_listen(address: SocketAddr, error: std::io::Error) -> TokenError {
    let port = address.port();
    let error_is_taken = error.kind() == std::io::ErrorKind::AddrInUse;
    let (message, hint) = if error_is_taken {
        let hint = "end the other program, which may be a login of another one, and log in again";
        (format!("port {port}, at which this login has to end, is taken by another program"), hint)
    } else {
        let hint = "log in on another machine, or give the address by hand";
        (format!("can't listen on {address} for the end of the login"), hint)
    };
    TokenError::new(TokenErrorKind::Config, message).with_hint(hint).with_source(error)
}
