//! What a holder of the data directory knows of its providers, and what answers used: asked by commands that have other
//! ways where nobody holds it.

use axum::http::{Method, StatusCode};
use greenroom::{ProviderState, StoreState, UsageSum};
use serde::Deserialize;

use super::{
    attach::{self, Ask, Client, accepted, failure, path, read},
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

    async fn ask<T: for<'de> Deserialize<'de>>(&self, ask: Ask) -> Result<T, Failure> {
        let answer = self.0.ask(&ask).await.map_err(|lost| failure(&lost))?;
        read(accepted(answer).await?).await
    }
}
