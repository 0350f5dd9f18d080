//! Who may come in: the name by which the server was called, the page that calls, and the token.
//!
//! A browser sends any page's requests to loopback, and a page whose name is pointed at loopback (DNS rebinding) even
//! reads the answers. What gives such a page away is the name in `Host`, and its `Origin`.

use std::net::{IpAddr, SocketAddr};

use axum::http::{
    HeaderMap, HeaderName, HeaderValue, Request, StatusCode,
    header::{AUTHORIZATION, HOST, ORIGIN},
};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use super::errors::Refusal;

/// The routes that want no token.
const OPEN: [&str; 3] = ["/", "/healthz", "/readyz"];
const HTTP_PORT: u16 = 80;

/// What is let in.
#[derive(Debug)]
pub(super) struct Guard {
    listen: SocketAddr,
    token: SecretString,
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Guard {
    pub(super) fn new(listen: SocketAddr, token: SecretString, hosts: Vec<String>, origins: Vec<String>) -> Self {
        Self { listen, token, hosts, origins }
    }

    /// Whether a request is let in, and what it is told if not.
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        let headers = request.headers();
        let host = one(headers, &HOST)?.ok_or_else(no_host)?;
        let host = host.to_str().map_err(|_| foreign_host("that name"))?;
        // What a proxy's client writes into the first line is a name to be called by as well.
        let target = request.uri().authority().map(|authority| authority.as_str());
        for name in [Some(host), target].into_iter().flatten() {
            if !self.knows_host(name) {
                return Err(foreign_host(name));
            }
        }
        let mut origins = headers.get_all(ORIGIN).into_iter();
        if !origins.all(|origin| origin.to_str().is_ok_and(|origin| self.knows_origin(origin, host))) {
            return Err(foreign_origin());
        }
        if OPEN.contains(&request.uri().path()) || self.knows_token(headers) {
            return Ok(());
        }
        Err(no_token(headers))
    }

    fn knows_host(&self, name: &str) -> bool {
        let Some((host, port)) = split(name) else { return false };
        if self.is_ours(host, port) {
            return true;
        }
        self.hosts.iter().any(|known| match split(known) {
            Some((known, None)) => known.eq_ignore_ascii_case(host),
            _ => known.eq_ignore_ascii_case(name),
        })
    }

    /// Whether this is the address that is listened on, as anyone on this machine may write it.
    fn is_ours(&self, host: &str, port: Option<u16>) -> bool {
        if port.unwrap_or(HTTP_PORT) != self.listen.port() {
            return false;
        }
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host.eq_ignore_ascii_case("localhost")
            || literal.is_ok_and(|ip| ip.is_loopback() || ip == self.listen.ip() && !ip.is_unspecified())
    }

    /// Whether a page of this origin may call; `host` is what it calls us by.
    fn knows_origin(&self, origin: &str, host: &str) -> bool {
        let same = |rest: &str| rest.eq_ignore_ascii_case(host);
        let ours = |rest: &str| split(rest).is_some_and(|(host, port)| self.is_ours(host, port));
        // Behind a proxy that speaks TLS our own page is one of https.
        origin.strip_prefix("http://").is_some_and(|rest| same(rest) || ours(rest))
            || origin.strip_prefix("https://").is_some_and(same)
            || self.origins.iter().any(|known| known.eq_ignore_ascii_case(origin))
    }

    fn knows_token(&self, headers: &HeaderMap) -> bool {
        let token = self.token.expose_secret().as_bytes();
        shown(headers).any(|shown| bool::from(shown.ct_eq(token)))
    }
}

/// What the client shows as its token.
fn shown(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let bearers = headers.get_all(AUTHORIZATION).into_iter().filter_map(|value| {
        let (scheme, token) = value.as_bytes().split_at_checked("bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
    });
    bearers.chain(headers.get_all("x-api-key").into_iter().map(HeaderValue::as_bytes))
}

/// The value of a header that must not come twice.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Refusal> {
    let mut values = headers.get_all(name).into_iter();
    let first = values.next();
    if values.next().is_some() {
        let message = format!("the header {name} comes more than once; send it once");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "invalid_request_error", "invalid_host", message));
    }
    Ok(first)
}

/// A host, with brackets if it has some, and its port.
fn split(name: &str) -> Option<(&str, Option<u16>)> {
    let end = match name.starts_with('[') {
        true => name.find(']')? + 1,
        false => name.find(':').unwrap_or(name.len()),
    };
    let (host, port) = name.split_at(end);
    match port.strip_prefix(':') {
        None if port.is_empty() => Some((host, None)),
        // A sign would be read as part of the number.
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some((host, Some(port.parse().ok()?))),
        _ => None,
    }
}

fn no_host() -> Refusal {
    let message = "the request has no header host; send the name or address that you called";
    Refusal::new(StatusCode::BAD_REQUEST, "invalid_request_error", "invalid_host", message)
}

fn foreign_host(name: &str) -> Refusal {
    let message = format!("greenroom is not called {name:?}; if it is to be, add it to server.allowed_hosts");
    Refusal::new(StatusCode::FORBIDDEN, "permission_error", "host_not_allowed", message)
}

fn foreign_origin() -> Refusal {
    let message = "pages of this origin may not call greenroom; if they are to, add it to server.allowed_origins";
    Refusal::new(StatusCode::FORBIDDEN, "permission_error", "origin_not_allowed", message)
}

fn no_token(headers: &HeaderMap) -> Refusal {
    let message = match shown(headers).next() {
        Some(_) => "this is not greenroom's token; `greenroom auth token` prints it",
        None => "the request has no token; send that of `greenroom auth token` as Authorization: Bearer, or x-api-key",
    };
    Refusal::new(StatusCode::UNAUTHORIZED, "authentication_error", "invalid_api_key", message)
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
