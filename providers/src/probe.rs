//! Whether what listens at an address is what one hopes for.

use std::{collections::BTreeMap, sync::Arc};

use reqwest::Method;
use serde_json::Value;
use url::Url;

use crate::{
    Credential, Provider as _,
    drive::read_bounded,
    endpoint::Endpoint,
    llamacpp::{LlamaCpp, LlamaCppArgs},
    transport::Transport,
};

/// Far more than a server needs to say how it is.
const HEALTH_BODY: usize = 4096;

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
