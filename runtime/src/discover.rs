//! Looking for a server of models on this machine, where nobody wrote or named a provider.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use greenroom_config::{Environment, Kind, Loaded, LocalServer, Settings, Source, load_found, local_servers};
use greenroom_providers::{
    Credential, Provider as _,
    ollama::{Ollama, OllamaArgs},
    probe,
    transport::Transport,
};
use tokio::{net::TcpStream, time::timeout};

/// How long a server may take to show that it is there; all are asked at the same time.
const WAIT: Duration = Duration::from_millis(300);

/// The servers that answer, in order of preference. Where nothing listens on loopback, that is known at once.
pub async fn local(settings: &Settings, environment: &Environment) -> Vec<LocalServer> {
    let asked = local_servers(settings, environment).into_iter().map(|server| async {
        let is_there = timeout(WAIT, answers(&server)).await.unwrap_or(false);
        is_there.then_some(server)
    });
    futures::future::join_all(asked).await.into_iter().flatten().collect()
}

/// The configuration with what was found; `None` if there is nothing. `settings` are those that were loaded without.
pub async fn load_with_local(source: &Source, settings: &Settings) -> Option<Loaded> {
    let found = local(settings, &source.environment).await;
    if found.is_empty() {
        return None;
    }
    match load_found(source, &found) {
        Ok(loaded) => Some(loaded),
        Err(problems) => {
            tracing::warn!("what was found on this machine can't be used: {problems}");
            None
        }
    }
}

async fn answers(server: &LocalServer) -> bool {
    let url = &server.base_url;
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return false };
    let host = host.trim_matches(['[', ']']);
    // A socket alone tells that nothing listens, without the cost of an HTTP client.
    if TcpStream::connect((host, port)).await.is_err() {
        return false;
    }
    let transport = Arc::new(Transport::new(WAIT));
    match server.kind {
        Kind::Ollama => {
            let args = OllamaArgs { transport, base: url.clone(), headers: BTreeMap::new() };
            match Ollama::new(args) {
                // One without a model has nothing to answer with; the demo at least says what to do.
                Ok(ollama) => ollama.models(&Credential::None).await.is_ok_and(|models| !models.is_empty()),
                Err(_) => false,
            }
        }
        _ => probe::is_llamacpp(transport, url.clone()).await,
    }
}
