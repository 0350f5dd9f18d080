//! Who may come in: the name by which the server was called, the page that calls, and the token, by which the guard knows
//! who asks.
//!
//! A browser sends any page's requests to loopback, and a page whose name is pointed at loopback (DNS rebinding) even
//! reads the answers. What gives such a page away is the name in `Host`, and its `Origin`.

use std::net::{IpAddr, SocketAddr};

use axum::http::{
    HeaderMap, HeaderName, HeaderValue, Request, StatusCode,
    header::{AUTHORIZATION, HOST, ORIGIN},
};

use super::{admin::AdminToken, errors::Refusal, who::Who};
use crate::Clients;

/// The routes that want no token.
const OPEN: [&str; 3] = ["/", "/healthz", "/readyz"];
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

/// What is let in.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) listen: SocketAddr,
    /// Whether it is TLS that is spoken there.
    pub(super) is_tls: bool,
    pub(super) admin: AdminToken,
    pub(super) clients: Clients,
    pub(super) hosts: Vec<String>,
    pub(super) origins: Vec<String>,
}

impl Guard {
    /// Who asks, if a request is let in; nobody in particular where no token is wanted. What it is told if it is not.
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<Option<Who>, Refusal> {
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
        if OPEN.contains(&request.uri().path()) {
            return Ok(None);
        }
        let who = self.who(headers).ok_or_else(|| no_token(headers))?;
        who.count().map_err(Refusal::too_often)?;
        Ok(Some(who))
    }

    /// Whose token is shown. Where several are, the owner's goes first.
    fn who(&self, headers: &HeaderMap) -> Option<Who> {
        let owner = shown(headers).find_map(|shown| self.admin.admits(shown)).map(Who::owner);
        owner.or_else(|| shown(headers).find_map(|shown| self.clients.of_token(shown)).map(Who::client))
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
        if port.unwrap_or(if self.is_tls { HTTPS_PORT } else { HTTP_PORT }) != self.listen.port() {
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
        let plain = origin.strip_prefix("http://");
        let secure = origin.strip_prefix("https://");
        // Behind a proxy that speaks TLS our own page is one of https. Where we speak it, one of http is not ours.
        (if self.is_tls { secure } else { plain }).is_some_and(|rest| same(rest) || ours(rest))
            || secure.is_some_and(same)
            || self.origins.iter().any(|known| known.eq_ignore_ascii_case(origin))
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
        Some(_) => "this is no token of greenroom's, or not any more; `greenroom auth token` prints the owner's",
        None => "the request has no token; send that of `greenroom auth token` as Authorization: Bearer, or x-api-key",
    };
    Refusal::new(StatusCode::UNAUTHORIZED, "authentication_error", "invalid_api_key", message)
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
