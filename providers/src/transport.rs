//! The HTTP client that all providers share.

use std::{sync::OnceLock, time::Duration};

use greenroom_wire::{ChatError, ErrorKind};
use reqwest::{Client, redirect};
use url::{Host, Url};

/// Idle connections are closed after this, before the common load balancers do it under a request.
const POOL_IDLE: Duration = Duration::from_secs(50);

/// One pool of connections for any number of providers. Clones share it.
///
/// Redirects are never followed, since a credential would go with them. Proxies come from the usual variables, but not
/// for loopback addresses. Building the TLS side costs tens of milliseconds, so it waits until it is needed.
#[derive(Debug)]
pub struct Transport {
    connect: Duration,
    remote: OnceLock<Result<Client, ChatError>>,
    loopback: OnceLock<Result<Client, ChatError>>,
}

impl Transport {
    /// A pool whose connections must stand within `connect`.
    pub fn new(connect: Duration) -> Self {
        Self { connect, remote: OnceLock::new(), loopback: OnceLock::new() }
    }

    /// The client for an address.
    ///
    /// # Errors
    /// `Config` if the TLS roots or a proxy variable can't be used.
    pub fn client(&self, url: &Url) -> Result<Client, ChatError> {
        if is_loopback(url) {
            return self.direct();
        }
        self.remote.get_or_init(|| self.build(Client::builder())).clone()
    }

    /// The client that passes by every proxy, whatever the address.
    ///
    /// # Errors
    /// As [`client`](Self::client).
    pub(crate) fn direct(&self) -> Result<Client, ChatError> {
        self.loopback.get_or_init(|| self.build(Client::builder().no_proxy())).clone()
    }

    fn build(&self, builder: reqwest::ClientBuilder) -> Result<Client, ChatError> {
        builder
            .user_agent(concat!("greenroom/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.connect)
            .redirect(redirect::Policy::none())
            .tcp_nodelay(true)
            .tcp_keepalive(Duration::from_secs(30))
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(usize::MAX)
            .http2_adaptive_window(true)
            .build()
            .map_err(|error| {
                ChatError::new(ErrorKind::Config, "the HTTP client can't be set up")
                    .with_hint("check the proxy variables and the system's TLS certificates")
                    .with_source(error)
            })
    }
}

/// Whether an address is this machine's own.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// What a request that got no response amounts to.
pub(crate) fn send_failure(error: reqwest::Error) -> ChatError {
    // The address may hold what a user put there; the provider's name is told by whoever knows it.
    let error = error.without_url();
    if error.is_timeout() {
        return ChatError::new(ErrorKind::Timeout, "no connection in time").with_source(error);
    }
    if error.is_builder() {
        return ChatError::new(ErrorKind::Config, "the request can't be made").with_source(error);
    }
    let message = if error.is_connect() { "can't connect" } else { "the connection broke before an answer" };
    let reason = root_cause(&error);
    ChatError::new(ErrorKind::Network, format!("{message}: {reason}")).with_source(error)
}

/// The innermost cause, which names what really happened ("connection refused").
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string().to_lowercase()
}
