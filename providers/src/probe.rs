//! Whether what listens at an address is what one hopes for.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use greenroom_wire::{ChatError, ErrorKind};
use reqwest::{Method, header::DATE};
use serde_json::Value;
use url::Url;

use crate::{
    Credential, Provider as _,
    drive::read_bounded,
    endpoint::Endpoint,
    llamacpp::{LlamaCpp, LlamaCppArgs},
    transport::{Transport, is_loopback, send_failure},
};

/// Far more than a server needs to say how it is.
const HEALTH_BODY: usize = 4096;

/// What an address answered to a request without a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// How long it took.
    pub took: Duration,
    /// How far its clock is ahead of ours, and whether it is ahead or behind; `None` where it does not tell the time. Its
    /// header counts whole seconds.
    pub skew: Option<(Duration, bool)>,
}

/// Asks whether somebody answers HTTP at this address, whatever the answer. Nothing that lets in is sent.
///
/// # Errors
/// `Network` or `Timeout` if nobody does, `Config` if the proxy variables or the TLS roots can't be used.
pub async fn reach(transport: &Transport, base: &Url, limit: Duration) -> Result<Reached, ChatError> {
    let client = transport.client(base)?;
    let began = Instant::now();
    let response = match client.head(base.clone()).timeout(limit).send().await {
        Ok(response) => response,
        Err(error) => return Err(named(base, send_failure(error)).await),
    };
    let date = response.headers().get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    let now = SystemTime::now();
    let skew = date.map(|date| match date.duration_since(now) {
        Ok(ahead) => (ahead, true),
        Err(behind) => (behind.duration(), false),
    });
    Ok(Reached { took: began.elapsed(), skew })
}

/// The failure, which says if it is the name that nobody knows. Behind a proxy names are the proxy's to know.
async fn named(base: &Url, failure: ChatError) -> ChatError {
    let (Some(host), Some(port)) = (base.host_str(), base.port_or_known_default()) else { return failure };
    let is_name = base.domain().is_some() && !is_loopback(base);
    if failure.kind != ErrorKind::Network || !is_name || tokio::net::lookup_host((host, port)).await.is_ok() {
        return failure;
    }
    ChatError::new(ErrorKind::Network, format!("the name {host} is not known here"))
        .with_hint("check how base_url is spelt, the network, and its name server")
}

/// Whether a llama.cpp server is at this address, has its model loaded and lets us in: it
/// says that it is well, and lists its model.
pub async fn is_llamacpp(transport: Arc<Transport>, base: Url) -> bool {
    if !is_well(Arc::clone(&transport), &base).await {
        return false;
    }
    match LlamaCpp::new(LlamaCppArgs { transport, base, headers: BTreeMap::new(), responses: false }) {
        Ok(server) => server.models(&Credential::None).await.is_ok_and(|models| !models.is_empty()),
        Err(_) => false,
    }
}

async fn is_well(transport: Arc<Transport>, base: &Url) -> bool {
    let Ok(root) = base.join("/") else { return false };
    let Ok(request) = Endpoint::new(transport, root, &BTreeMap::new())
        .and_then(|endpoint| endpoint.bearer(Method::GET, "health", &Credential::None))
    else {
        return false;
    };
    let Ok(response) = request.send().await else { return false };
    if !response.status().is_success() {
        return false;
    }
    let body = read_bounded(response, HEALTH_BODY).await.unwrap_or_default();
    serde_json::from_slice::<Value>(&body).is_ok_and(|health| health["status"] == "ok")
}
