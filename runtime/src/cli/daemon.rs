//! The daemon that holds the data directory, asked over HTTP by commands that want to know what it knows.

use std::{net::SocketAddr, time::Duration};

use greenroom::{ProviderState, StoreState, UsageSum, config};
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

/// What `GET /api/providers` answers.
#[derive(Debug, Deserialize)]
pub(crate) struct Providers {
    pub(crate) providers: Vec<ProviderState>,
    pub(crate) store: StoreState,
}

/// What a reset answers.
#[derive(Debug, Deserialize)]
pub(crate) struct ResetAnswer {
    /// Whether the marks stay cleared.
    pub(crate) kept: bool,
    #[serde(default)]
    pub(crate) reason: Option<String>,
    #[serde(default)]
    pub(crate) hint: Option<String>,
}

#[derive(Deserialize)]
struct Refused {
    error: RefusedError,
}

#[derive(Deserialize)]
struct RefusedError {
    message: String,
    hint: String,
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

    /// How its providers are, and its store.
    pub(crate) async fn providers(&self) -> Result<Providers, Failure> {
        let (status, body) = self.ask(&["providers"], false).await?;
        if status != 200 {
            return Err(self.failed(format!("answers {status}")));
        }
        self.parse(&body)
    }

    /// What answers used, by this.
    pub(crate) async fn usage(&self, by: &str) -> Result<Vec<UsageSum>, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            usage: Vec<UsageSum>,
        }
        let (status, body) = self.ask_with(&["usage"], &[("by", by)], false).await?;
        match (status, serde_json::from_slice(&body)) {
            (200, _) => self.parse(&body).map(|Answer { usage }| usage),
            (_, Ok(Refused { error })) => Err(Failure::failed(error.message, error.hint)),
            _ => Err(self.failed(format!("answers {status}"))),
        }
    }

    /// Clears a provider's marks.
    pub(crate) async fn reset(&self, provider: &str) -> Result<ResetAnswer, Failure> {
        let (status, body) = self.ask(&["providers", provider, "reset"], true).await?;
        match status {
            200 => self.parse(&body),
            404 => {
                let Refused { error } = self.parse(&body)?;
                Err(Failure::usage(error.message, error.hint))
            }
            _ => match serde_json::from_slice(&body) {
                Ok(Refused { error }) => Err(Failure::failed(error.message, error.hint)),
                Err(_) => Err(self.failed(format!("answers {status}"))),
            },
        }
    }

    /// Asks for a path below `/api`.
    async fn ask(&self, path: &[&str], post: bool) -> Result<(u16, Vec<u8>), Failure> {
        self.ask_with(path, &[], post).await
    }

    async fn ask_with(&self, path: &[&str], query: &[(&str, &str)], post: bool) -> Result<(u16, Vec<u8>), Failure> {
        let base = format!("http://{}/api", self.address);
        let mut url: url::Url = base.parse().expect("an address makes a URL");
        url.path_segments_mut().expect("an http URL has a path").extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let client = Transport::new(ANSWER_WAIT)
            .client(&url)
            .map_err(|error| self.failed(format!("can't be asked: {error}")))?;
        let request = if post { client.post(url) } else { client.get(url) };
        let request = request.bearer_auth(self.token.expose_secret()).timeout(ANSWER_WAIT);
        let unanswered = |error: String| self.failed(format!("does not answer: {error}"));
        let response = request.send().await.map_err(|error| unanswered(error.without_url().to_string()))?;
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(|error| unanswered(error.without_url().to_string()))?;
        Ok((status, body.to_vec()))
    }

    fn parse<'a, T: Deserialize<'a>>(&self, body: &'a [u8]) -> Result<T, Failure> {
        serde_json::from_slice(body)
            .map_err(|_| self.failed("answers in a form that this version does not know".to_owned()))
    }

    fn failed(&self, what: String) -> Failure {
        let hint = "is it still starting, or stopping? try again, or restart it";
        Failure::failed(format!("the daemon at http://{} {what}", self.address), hint)
    }
}
