//! A session of whoever holds: what is said in it, and what becomes of that.

use axum::http::StatusCode;
use futures::FutureExt as _;
use greenroom::{Part, Sent, SessionInfo, event::LogEvent};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{
    client::{Answer, Ask, path},
    events::EventStream,
    follow::Follower,
    link::Link,
    refused::{accepted, failure},
};
use crate::cli::Failure;

/// The header with the id of an ephemeral session.
const SESSION: &str = "x-greenroom-session";

/// One who talks in a session.
pub(crate) struct Talk<'a> {
    link: &'a Link<'a>,
    id: String,
    events: Events<'a>,
}

/// Where the events come from.
enum Events<'a> {
    /// The log, whoever holds it.
    Durable(Follower<'a>),
    /// The stream that the session lives as long as.
    Ephemeral(EventStream),
}

impl<'a> Talk<'a> {
    /// Talks in a session that is kept, made if there is none. What is said of model and instructions holds from now on.
    pub(crate) async fn durable(
        link: &'a Link<'a>,
        id: &str,
        model: Option<&str>,
        system: Option<&str>,
    ) -> Result<Self, Failure> {
        let mut new = asked(model, system);
        new.insert("id".to_owned(), id.into());
        let ask = Ask::new(axum::http::Method::POST, path(&["sessions"], &[])).json(&new.into());
        let answer = link.ask(ask, false).await?;
        let is_new = answer.status == StatusCode::CREATED;
        let info: SessionInfo = read(answer).await?;
        let events = Events::Durable(Follower::new(link, id, Some(info.summary.cursor.clone())));
        let talk = Self { link, id: id.to_owned(), events };
        let is_other =
            |said: Option<&str>, is: Option<&String>| said.is_some_and(|said| is.is_none_or(|is| is != said));
        if !is_new && (is_other(model, info.summary.model.as_ref()) || is_other(system, info.system.as_ref())) {
            talk.update(model, system).await?;
        }
        Ok(talk)
    }

    /// Talks in a session that there is, and reads it from this cursor on.
    pub(crate) fn of(link: &'a Link<'a>, id: &str, from: Option<String>) -> Self {
        Self { link, id: id.to_owned(), events: Events::Durable(Follower::new(link, id, from)) }
    }

    /// Talks in a session in memory alone, which ends with this.
    pub(crate) async fn ephemeral(
        link: &'a Link<'a>,
        model: Option<&str>,
        system: Option<&str>,
    ) -> Result<Self, Failure> {
        let ask = Ask::new(axum::http::Method::POST, path(&["ephemeral"], &[])).json(&asked(model, system).into());
        // One whose making broke off is gone with its connection.
        let answer = link.ask(ask, false).await?;
        Self::read(link, answer)
    }

    /// The session whose events these are.
    fn read(link: &'a Link<'a>, answer: Answer) -> Result<Self, Failure> {
        let id = answer.headers.get(SESSION).and_then(|id| id.to_str().ok()).ok_or_else(unknown)?.to_owned();
        Ok(Self { link, id, events: Events::Ephemeral(EventStream::new(answer.body)) })
    }

    /// All of it so far, to go on with elsewhere.
    pub(crate) async fn export(&self) -> Result<Vec<u8>, Failure> {
        let answer = self.link.ask(Ask::get(self.path("export")), false).await?;
        answer.whole().await.map_err(|lost| failure(&lost))
    }

    /// Goes on with what was [exported](Self::export), with whoever holds now.
    pub(crate) async fn ephemeral_of(link: &'a Link<'a>, exported: &[u8]) -> Result<Self, Failure> {
        let mut ask = Ask::new(axum::http::Method::POST, path(&["ephemeral"], &[]))
            .header("content-type", "application/x-ndjson");
        ask.body = exported.to_vec().into();
        Self::read(link, link.ask(ask, false).await?)
    }

    /// Says something. It is kept when this returns, if the session is.
    pub(crate) async fn send(&self, parts: &[Part]) -> Result<Sent, Failure> {
        // Asked again after a holder was lost, it is the same message.
        let key = format!("{:032x}", rand::random::<u128>());
        let ask = Ask::new(axum::http::Method::POST, self.path("messages"))
            .json(&json!({"parts": parts}))
            .header("idempotency-key", &key);
        read(self.link.ask(ask, !self.is_durable()).await?).await
    }

    /// Cancels a turn; one that is over stays as it is.
    pub(crate) async fn cancel(&self, turn: u64) -> Result<(), Failure> {
        let ask = Ask::new(axum::http::Method::POST, self.path("cancel")).json(&json!({"turn": turn}));
        self.link.ask(ask, false).await.map(drop)
    }

    /// Changes what later turns ask.
    pub(crate) async fn update(&self, model: Option<&str>, system: Option<&str>) -> Result<(), Failure> {
        let ask = Ask::new(axum::http::Method::PATCH, path(&["sessions", &self.id], &[]));
        self.link.ask(ask.json(&asked(model, system).into()), false).await.map(drop)
    }

    /// What is known of the session.
    pub(crate) async fn info(&self) -> Result<SessionInfo, Failure> {
        read(self.link.ask(Ask::get(path(&["sessions", &self.id], &[])), false).await?).await
    }

    /// The next event; `None` if the session is gone. Safe to drop while it waits.
    pub(crate) async fn next(&mut self) -> Result<Option<LogEvent>, Failure> {
        match &mut self.events {
            Events::Durable(follower) => follower.next().await,
            Events::Ephemeral(stream) => match stream.next().await {
                Ok(event) => Ok(event.map(|(event, _)| event)),
                Err(lost) => Err(failure(&lost)),
            },
        }
    }

    /// Whether what was said is still there. What has come of turns that are over is passed over.
    pub(crate) fn is_there(&mut self) -> bool {
        let Events::Ephemeral(stream) = &mut self.events else { return true };
        loop {
            match stream.next().now_or_never() {
                None => return true,
                Some(Ok(Some(_))) => {}
                Some(Ok(None) | Err(_)) => return false,
            }
        }
    }

    /// Nothing is read for now.
    pub(crate) fn pause(&mut self) {
        if let Events::Durable(follower) = &mut self.events {
            follower.pause();
        }
    }

    /// Whether it is kept, and outlives whoever holds it.
    pub(crate) fn is_durable(&self) -> bool {
        matches!(self.events, Events::Durable(_))
    }

    fn path(&self, what: &str) -> String {
        path(&["sessions", &self.id, what], &[])
    }
}

fn asked(model: Option<&str>, system: Option<&str>) -> Map<String, Value> {
    let fields = [("model", model), ("system", system)];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect()
}

/// What an answer says.
pub(crate) async fn read<T: DeserializeOwned>(answer: Answer) -> Result<T, Failure> {
    let body = accepted(answer).await?.whole().await.map_err(|lost| failure(&lost))?;
    serde_json::from_slice(&body).map_err(|error| {
        tracing::debug!("an answer can't be read: {error}");
        unknown()
    })
}

fn unknown() -> Failure {
    Failure::failed(
        "the greenroom that holds the data directory answers in a form that this version does not know",
        "stop it, and use one version for both",
    )
}
