//! What a holder of the data directory knows of its providers, and what answers used: asked by commands that have other
//! ways where nobody holds it.

use axum::http::{Method, StatusCode};
use greenroom::{Client as KnownClient, NewClient, ProviderState, StoreState, UsageSum};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use super::{
    attach::{self, Answer, Ask, Client, accepted, failure, path, read},
    context::Context,
    failure::Failure,
};

/// A greenroom that runs.
#[derive(Debug)]
pub(crate) struct Daemon(Client);

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

impl Daemon {
    /// The one that holds the data directory, if somebody does. Nothing is made on disk.
    pub(crate) async fn find(context: &Context) -> Result<Option<Self>, Failure> {
        Ok(attach::beside(context).await?.map(Self))
    }

    /// How its providers are, and its store.
    pub(crate) async fn providers(&self) -> Result<Providers, Failure> {
        self.ask(Ask::get(path(&["providers"], &[]))).await
    }

    /// What answers used, by this.
    pub(crate) async fn usage(&self, by: &str) -> Result<Vec<UsageSum>, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            usage: Vec<UsageSum>,
        }
        self.ask(Ask::get(path(&["usage"], &[("by", by)]))).await.map(|Answer { usage }| usage)
    }

    /// Clears a provider's marks.
    pub(crate) async fn reset(&self, provider: &str) -> Result<ResetAnswer, Failure> {
        let ask = Ask::new(Method::POST, path(&["providers", provider, "reset"], &[]));
        let answer = self.0.ask(&ask).await.map_err(|lost| failure(&lost))?;
        let is_unknown = answer.status == StatusCode::NOT_FOUND;
        match accepted(answer).await {
            Ok(answer) => read(answer).await,
            Err(Failure::Told(told)) if is_unknown => Err(Failure::usage(told.what, told.hint)),
            Err(failure) => Err(failure),
        }
    }

    /// Makes a client, with its token.
    pub(crate) async fn add_client(&self, new: &NewClient) -> Result<(KnownClient, SecretString), Failure> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(flatten)]
            client: KnownClient,
            token: String,
        }
        let NewClient { name, models, requests_per_minute } = new;
        let models = Some(models).filter(|models| !models.is_empty());
        let asked = json!({"name": name, "models": models, "requests_per_minute": requests_per_minute});
        let ask = Ask::new(Method::POST, path(&["clients"], &[])).json(&asked);
        let Answer { client, token } = read(self.heard(ask).await?).await?;
        Ok((client, token.into()))
    }

    /// The clients that there are.
    pub(crate) async fn clients(&self) -> Result<Vec<KnownClient>, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            clients: Vec<KnownClient>,
        }
        self.ask(Ask::get(path(&["clients"], &[]))).await.map(|Answer { clients }| clients)
    }

    /// Revokes a client.
    pub(crate) async fn revoke_client(&self, name: &str) -> Result<(), Failure> {
        self.heard(Ask::new(Method::DELETE, path(&["clients", name], &[]))).await.map(drop)
    }

    /// Replaces the owner's token, if this one goes by it.
    pub(crate) async fn rotate_token(&self) -> Result<bool, Failure> {
        let ask = Ask::new(Method::POST, path(&["token", "rotate"], &[]));
        let answer = self.0.ask(&ask).await.map_err(|lost| failure(&lost))?;
        match answer.status {
            StatusCode::CONFLICT => Ok(false),
            _ => accepted(answer).await.map(|_| true),
        }
    }

    /// The answer to what a person wrote, who is told if it makes no sense.
    async fn heard(&self, ask: Ask) -> Result<Answer, Failure> {
        let answer = self.0.ask(&ask).await.map_err(|lost| failure(&lost))?;
        let is_usage = answer.status.is_client_error();
        match accepted(answer).await {
            Err(Failure::Told(told)) if is_usage => Err(Failure::usage(told.what, told.hint)),
            other => other,
        }
    }

    async fn ask<T: for<'de> Deserialize<'de>>(&self, ask: Ask) -> Result<T, Failure> {
        let answer = self.0.ask(&ask).await.map_err(|lost| failure(&lost))?;
        read(accepted(answer).await?).await
    }
}
