//! What a holder of the data directory knows of its providers, and what answers used: asked by commands that have other
//! ways where nobody holds it.

use axum::http::{Method, StatusCode};
use greenroom::{
    Added, Client as KnownClient, Counted, CredentialInfo, DayRange, Embedded, NewClient, NewLogin, ProviderState,
    PullProgress, PullSink, ShownClient, ShownListing, SpendBudget, StoreState, TestedProvider, UsageSum,
    config::OAuthFlow, event, frontends::http::HolderKind,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    attach::{self, Answer, Ask, Client, Pieces, accepted, failure, path, read, refused},
    auth::NoLogin,
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

    /// The one that answers for a command: it has the keys that were added, and its providers' limits are the same for
    /// all. There is none for a command that has a configuration of its own.
    pub(crate) async fn for_answers(context: &Context) -> Result<Option<Self>, Failure> {
        if context.globals.config.is_some() {
            return Ok(None);
        }
        Self::find(context).await
    }

    /// The daemon, if one runs, for what may take hours: a command that holds the data directory ends as soon as it can. It has
    /// the keys that were added; there is none for a command that has a configuration of its own.
    pub(crate) async fn serving(context: &Context) -> Option<Self> {
        let dir = context.data_path().filter(|_| context.globals.config.is_none())?;
        let (client, holder) = attach::who(&dir).await?;
        (holder.kind == HolderKind::Serve).then_some(Self(client))
    }

    /// The one that is asked by this.
    pub(crate) fn of(client: Client) -> Self {
        Self(client)
    }

    /// How its providers are, and its store.
    pub(crate) async fn providers(&self) -> Result<Providers, Failure> {
        self.ask(Ask::get(path(&["providers"], &[]))).await
    }

    /// What can be named; of one provider alone, where one is said.
    pub(crate) async fn models(&self, provider: Option<&str>) -> Result<ShownListing, Failure> {
        let query: Vec<(&str, &str)> = provider.map(|provider| ("provider", provider)).into_iter().collect();
        read(self.heard(Ask::get(path(&["models"], &query))).await?).await
    }

    /// What answers of some days used, by this.
    pub(crate) async fn usage(&self, by: &str, range: &DayRange) -> Result<Vec<UsageSum>, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            usage: Vec<UsageSum>,
        }
        let (since, until) = days(range);
        let query = [("by", Some(by)), ("since", since.as_deref()), ("until", until.as_deref())];
        let query: Vec<(&str, &str)> = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        self.ask(Ask::get(path(&["usage"], &query))).await.map(|Answer { usage }| usage)
    }

    /// Each attempt of some days, in this format, as it is to be written.
    pub(crate) async fn attempts(&self, range: &DayRange, format: &str) -> Result<Pieces, Failure> {
        let (since, until) = days(range);
        let query = [("format", Some(format)), ("since", since.as_deref()), ("until", until.as_deref())];
        let query: Vec<(&str, &str)> = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        Ok(self.heard(Ask::get(path(&["usage", "attempts"], &query))).await?.body)
    }

    /// Makes a text into a vector.
    pub(crate) async fn embed(&self, model: &str, text: &str) -> Result<Embedded, Failure> {
        let ask = Ask::new(Method::POST, path(&["embeddings"], &[]));
        let made = self.made(ask.json(&json!({"model": model, "input": [text]}))).await?;
        made.map_err(|error| Failure::answer(&error, false))
    }

    /// Counts a text's tokens, or says why the provider doesn't.
    pub(crate) async fn count_tokens(
        &self,
        model: &str,
        text: &str,
    ) -> Result<Result<Counted, event::Failure>, Failure> {
        let ask = Ask::new(Method::POST, path(&["tokens"], &[]));
        self.made(ask.json(&json!({"model": model, "text": text}))).await
    }

    /// Has a model fetched, and tells `sink` how far that has come. Dropping the future cancels.
    pub(crate) async fn pull(&self, model: &str, sink: &mut dyn PullSink) -> Result<(), Failure> {
        #[derive(Deserialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        enum End {
            Done,
            Failed { error: Box<event::Failure> },
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Line {
            Progress(PullProgress),
            End(End),
        }
        let ended =
            || Failure::failed("the greenroom that runs ended during the pull", "pull again: what was fetched stays");
        let ask = Ask::new(Method::POST, path(&["pull"], &[])).json(&json!({"model": model}));
        let answer = self.answered(ask).await?.map_err(|error| Failure::answer(&error, false))?;
        let mut lines = Lines { body: answer.body, read: Vec::new() };
        loop {
            let line = lines.next().await.ok_or_else(ended)?;
            match serde_json::from_slice(&line).map_err(|_| ended())? {
                Line::Progress(progress) => {
                    if sink.take(progress).await.is_break() {
                        return Ok(());
                    }
                }
                Line::End(End::Done) => return Ok(()),
                Line::End(End::Failed { error }) => return Err(Failure::answer(&error, false)),
            }
        }
    }

    /// What a provider makes of something, or why it makes nothing of it.
    async fn made<T: DeserializeOwned>(&self, ask: Ask) -> Result<Result<T, event::Failure>, Failure> {
        match self.answered(ask).await? {
            Ok(answer) => read(answer).await.map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    /// The answer to what a provider is asked, or why it gives none.
    async fn answered(&self, ask: Ask) -> Result<Result<Answer, event::Failure>, Failure> {
        #[derive(Deserialize)]
        struct Refused {
            error: event::Failure,
        }
        let answer = self.0.ask(&ask.patient()).await.map_err(|lost| failure(&lost))?;
        if answer.status.is_success() {
            return Ok(Ok(answer));
        }
        let status = answer.status;
        let body = answer.whole().await.map_err(|lost| failure(&lost))?;
        match serde_json::from_slice(&body) {
            Ok(Refused { error }) => Ok(Err(error)),
            Err(_) => Err(refused(status)),
        }
    }

    /// Whether a provider's profiles get in.
    pub(crate) async fn test(&self, provider: &str) -> Result<TestedProvider, Failure> {
        let ask = Ask::new(Method::POST, path(&["providers", provider, "test"], &[]));
        self.of_provider(ask).await
    }

    /// Clears a provider's marks.
    pub(crate) async fn reset(&self, provider: &str) -> Result<ResetAnswer, Failure> {
        let ask = Ask::new(Method::POST, path(&["providers", provider, "reset"], &[]));
        self.of_provider(ask).await
    }

    /// Asks something of one provider, which whoever asks may have misspelt.
    async fn of_provider<T: DeserializeOwned>(&self, ask: Ask) -> Result<T, Failure> {
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
        let NewClient { name, models, requests_per_minute, budget } = new;
        let models = Some(models).filter(|models| !models.is_empty());
        let mut asked = json!({"name": name, "models": models, "requests_per_minute": requests_per_minute});
        if let Some(budget) = budget {
            asked["budget"] = json!(budget);
        }
        let ask = Ask::new(Method::POST, path(&["clients"], &[])).json(&asked);
        let Answer { client, token } = read(self.heard(ask).await?).await?;
        Ok((client, token.into()))
    }

    /// Sets what a client may spend.
    pub(crate) async fn set_budget(&self, name: &str, budget: Option<SpendBudget>) -> Result<ShownClient, Failure> {
        let ask = Ask::new(Method::PATCH, path(&["clients", name], &[])).json(&json!({"budget": budget}));
        read(self.heard(ask).await?).await
    }

    /// The clients that there are.
    pub(crate) async fn clients(&self) -> Result<Vec<ShownClient>, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            clients: Vec<ShownClient>,
        }
        self.ask(Ask::get(path(&["clients"], &[]))).await.map(|Answer { clients }| clients)
    }

    /// Revokes a client.
    pub(crate) async fn revoke_client(&self, name: &str) -> Result<(), Failure> {
        self.heard(Ask::new(Method::DELETE, path(&["clients", name], &[]))).await.map(drop)
    }

    /// Adds a key.
    pub(crate) async fn add_credential(
        &self,
        provider: &str,
        profile: &str,
        key: &SecretString,
        verify: bool,
    ) -> Result<Added, Failure> {
        let asked = json!({"key": key.expose_secret(), "verify": verify});
        let ask = Ask::new(Method::PUT, path(&["credentials", provider, profile], &[])).json(&asked);
        read(self.heard(ask).await?).await
    }

    /// What lets in to providers.
    pub(crate) async fn credentials(&self) -> Result<Vec<CredentialInfo>, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            credentials: Vec<CredentialInfo>,
        }
        self.ask(Ask::get(path(&["credentials"], &[]))).await.map(|Answer { credentials }| credentials)
    }

    /// Removes what was added.
    pub(crate) async fn remove_credential(&self, provider: &str, profile: &str) -> Result<(), Failure> {
        self.heard(Ask::new(Method::DELETE, path(&["credentials", provider, profile], &[]))).await.map(drop)
    }

    /// Begins a login, which goes on as long as its lines are read.
    pub(crate) async fn login(&self, new: &NewLogin) -> Result<LoginLines, Failure> {
        let flow = new.flow.map(|flow| match flow {
            OAuthFlow::Pkce => "pkce",
            OAuthFlow::Device => "device",
        });
        let asked = json!({"flow": flow, "client_id": new.client_id});
        let ask = Ask::new(Method::POST, path(&["credentials", &new.provider, &new.profile, "login"], &[]));
        Ok(LoginLines(Lines { body: self.heard(ask.json(&asked)).await?.body, read: Vec::new() }))
    }

    /// Hands what a person pasted to a login that is under way.
    pub(crate) async fn paste(&self, provider: &str, profile: &str, pasted: &SecretString) -> Result<(), Failure> {
        let asked = json!({"code": pasted.expose_secret()});
        let target = path(&["credentials", provider, profile, "login", "code"], &[]);
        self.heard(Ask::new(Method::POST, target).json(&asked)).await.map(drop)
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
        // What makes sense and is refused elsewhere is no fault of who wrote it.
        let is_usage = answer.status.is_client_error() && answer.status != StatusCode::UNPROCESSABLE_ENTITY;
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

/// The ends of a range, as they are asked for.
fn days(range: &DayRange) -> (Option<String>, Option<String>) {
    (range.since.as_ref().map(ToString::to_string), range.until.as_ref().map(ToString::to_string))
}

/// A body of lines. Dropping it cancels what they are of.
struct Lines {
    body: Pieces,
    read: Vec<u8>,
}

impl Lines {
    /// The next line; `None` once there is no whole one more. Safe to drop while it waits.
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                return Some(self.read.drain(..=end).collect());
            }
            self.read.extend_from_slice(&self.body.next().await?.ok()?);
        }
    }
}

/// The lines of a login. Dropping them ends it.
pub(crate) struct LoginLines(Lines);

impl LoginLines {
    /// The next step; `None` once somebody is logged in. Safe to drop while it waits.
    pub(crate) async fn next(&mut self) -> Result<Option<Value>, NoLogin> {
        let broken = || Failure::failed("the greenroom that runs ended during the login", "log in again");
        let line = self.0.next().await.ok_or_else(broken)?;
        step(serde_json::from_slice(&line).map_err(|_| broken())?)
    }
}

fn step(mut line: Value) -> Result<Option<Value>, NoLogin> {
    if line["success"] == true {
        return Ok((line["data"] != true).then(|| line["data"].take()));
    }
    let text = |name: &str| line["error"][name].as_str().unwrap_or_default().to_owned();
    let failure = Failure::failed(text("message"), text("hint"));
    Err(NoLogin { code: text("code"), failure })
}
