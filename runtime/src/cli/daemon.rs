//! The daemon that holds the data directory, asked over HTTP by commands that want to know what it knows.

use std::{net::SocketAddr, time::Duration};

use greenroom::{ProviderState, config};
use greenroom_providers::transport::Transport;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{context::Context, data_dir::DataDir, failure::Failure, lock, serve::reachable, token::token};

/// It is on this machine and answers from memory.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// A daemon that runs.
#[derive(Debug)]
pub(crate) struct Daemon {
    address: SocketAddr,
    token: SecretString,
}

#[derive(Deserialize)]
struct Providers {
    providers: Vec<ProviderState>,
}

impl Daemon {
    /// The daemon of the data directory, if there is one. Nothing is made on disk.
    pub(crate) fn find(context: &Context) -> Result<Option<Self>, Failure> {
        let Ok(path) = config::data_dir(context.globals.data_dir.as_deref(), &context.environment) else {
            return Ok(None);
        };
        match lock::holder(&path) {
            Some(address) => {
                let address = SocketAddr::new(reachable(address.ip()), address.port());
                Ok(Some(Self { address, token: token(&DataDir::open(&path)?)? }))
            }
            None => Ok(None),
        }
    }

    /// How its providers are.
    pub(crate) async fn providers(&self) -> Result<Vec<ProviderState>, Failure> {
        let hint = "is it still starting, or stopping? try again, or restart it";
        let failed = |what: String| Failure::failed(format!("the daemon at http://{} {what}", self.address), hint);
        let url = format!("http://{}/api/providers", self.address).parse().expect("an address makes a URL");
        let client =
            Transport::new(ANSWER_WAIT).client(&url).map_err(|error| failed(format!("can't be asked: {error}")))?;
        let request = client.get(url).bearer_auth(self.token.expose_secret()).timeout(ANSWER_WAIT);
        let response =
            request.send().await.map_err(|error| failed(format!("does not answer: {}", error.without_url())))?;
        if !response.status().is_success() {
            return Err(failed(format!("answers {}", response.status())));
        }
        let answer: Providers = response
            .json()
            .await
            .map_err(|_| failed("answers in a form that this version does not know".to_owned()))?;
        Ok(answer.providers)
    }
}
