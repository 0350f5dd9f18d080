//! The answer to one request, as lines without an id, made where the providers are.

use std::collections::VecDeque;

use bytes::Bytes;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use greenroom_actors::session::event::LogEvent;
use greenroom_config::OAuthFlow;
use greenroom_providers::cost::Cost;
use greenroom_wire::{ChatError, ErrorKind, Usage};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    asked::Asked,
    chat::{Chat, End, Spent},
    words::{Refusal, last, put_piece},
};
use crate::{Answer, Caller, CredentialsError, LoginStep, Model, NewLogin, Runtime};

/// How much of an answer is given at once, in bytes; a single line may be longer.
const PIECE: usize = 64 << 10;
/// The profile that a key or a login is added as.
const PROFILE: &str = "default";
/// Steps of a login that are not sent yet: there is one, and its end.
const STEPS: usize = 4;

/// An answer on its way. Nothing of it is made before it is pulled; dropping it cancels, up to the provider's socket.
pub(crate) struct Answering {
    pub(crate) lines: BoxStream<'static, Bytes>,
    /// Whether it waits for a person, so that nobody who wants to end should wait for it.
    pub(crate) waits_for_person: bool,
}

/// Answers a line. A login ends once `draining` is cancelled.
pub(crate) fn answer(runtime: &Runtime, caller: Caller, line: &[u8], draining: CancellationToken) -> Answering {
    let runtime = runtime.clone();
    let asked = match Asked::read(line, &runtime.settings()) {
        Ok(asked) => asked,
        Err(refusal) => return whole(async move { Err::<Value, _>(refusal) }),
    };
    match asked {
        Asked::Models { provider } => whole(async move { models(&runtime, provider.as_deref()).await }),
        Asked::Tokens { mut request, of } => whole(async move {
            if let Some(provider) = of {
                request.model = format!("{provider}/{}", first_of(&runtime, &provider).await?);
            }
            Ok(runtime.count_tokens(&request, &caller).await?.tokens)
        }),
        Asked::Chat { request, thinking } => {
            let answer = runtime.stream(*request, caller);
            let state = Chatting { runtime, answer, chat: Chat::new(thinking), waiting: VecDeque::new() };
            let lines = stream::unfold(Some(state), |state| async move { state?.next().await }).boxed();
            Answering { lines, waits_for_person: false }
        }
        Asked::Key { provider, key } => whole(async move {
            let added = runtime.credentials().add(&provider, PROFILE, key, true).await;
            added.map(|_| true).map_err(|error| Refusal::from(&error))
        }),
        Asked::Login { provider } => Answering { lines: login(&runtime, provider, draining), waits_for_person: true },
    }
}

/// An answer of one line.
fn whole<T: serde::Serialize>(made: impl Future<Output = Result<T, Refusal>> + Send + 'static) -> Answering {
    let line = async move { Bytes::from(made.await.map_or_else(|refusal| refusal.line(), |data| last(&data))) };
    Answering { lines: stream::once(line).boxed(), waits_for_person: false }
}

/// Where a provider is named, a model has its own id; else the name by which it can be asked for without one.
async fn models(runtime: &Runtime, provider: Option<&str>) -> Result<Vec<Value>, Refusal> {
    let listing = match provider {
        Some(provider) => runtime.fresh_models_of(provider).await,
        None => runtime.fresh_models().await,
    };
    if let Some((_, error)) = listing.failed.first()
        && listing.models.is_empty()
    {
        return Err(error.into());
    }
    let shown = |Model { provider: own, info }: &Model| {
        let id = provider.map_or_else(|| format!("{own}/{}", info.id), |_| info.id.clone());
        let cost =
            json!({"input": info.price.map(|price| price.input), "output": info.price.map(|price| price.output)});
        json!({
            "id": id, "name": info.name, "context_length": info.context, "max_output": info.max_output, "cost": cost,
        })
    };
    Ok(listing.models.iter().map(shown).collect())
}

/// The model of a provider that is taken where none is named.
async fn first_of(runtime: &Runtime, provider: &str) -> Result<String, Refusal> {
    if let Some(default) = &runtime.settings().models.default
        && let Some((own, model)) = default.split_once('/')
        && own == provider
    {
        return Ok(model.to_owned());
    }
    let listing = runtime.fresh_models_of(provider).await;
    if let Some(first) = listing.models.into_iter().find(|model| greenroom_actors::chats(&model.info.id)) {
        return Ok(first.info.id);
    }
    Err(match listing.failed.first() {
        Some((_, error)) => error.into(),
        None => Refusal::new("not_found", "no model is named, and the provider lists none", "name one in params.model"),
    })
}

/// A chat that is being answered.
struct Chatting {
    runtime: Runtime,
    answer: Answer,
    chat: Chat,
    /// What was pulled and is not written yet.
    waiting: VecDeque<LogEvent>,
}

impl Chatting {
    /// The next piece, and what comes after it.
    async fn next(mut self) -> Option<(Bytes, Option<Self>)> {
        let mut out = Vec::new();
        loop {
            loop {
                if out.len() >= PIECE {
                    return Some((out.into(), Some(self)));
                }
                if self.chat.go_on(&mut out) {
                    continue;
                }
                let Some(event) = self.waiting.pop_front() else { break };
                match self.chat.write(event.body, &mut out) {
                    None => {}
                    Some(End::Done(spent)) => {
                        out.extend(done(&self.runtime, spent).await);
                        return Some((out.into(), None));
                    }
                    Some(End::Failed(refusal)) => {
                        out.extend(refusal.line());
                        return Some((out.into(), None));
                    }
                }
            }
            if !out.is_empty() {
                return Some((out.into(), Some(self)));
            }
            match self.answer.pull().await {
                Some(events) => self.waiting.extend(events),
                None => {
                    let error = ChatError::new(ErrorKind::Server, "the answer broke off inside greenroom");
                    let refusal = Refusal::from(error.with_hint("its log says where, please report it"));
                    return Some((refusal.line().into(), None));
                }
            }
        }
    }
}

/// The last line of a whole answer. What is not known is null.
async fn done(runtime: &Runtime, spent: Spent) -> Vec<u8> {
    let cost = match (&spent.usage, &spent.who) {
        _ if spent.is_kept => Some(0.0),
        (Some(Usage { cost: Some(told), .. }), _) => Some(Cost::from_parts(u128::from(*told)).dollars()),
        (Some(usage), Some((provider, model))) => {
            runtime.price_of(provider, model).await.map(|price| price.cost(usage).dollars())
        }
        _ => None,
    };
    let usage = json!({
        "input_tokens": spent.usage.as_ref().map(Usage::input_total),
        "output_tokens": spent.usage.as_ref().map(|usage| usage.output),
        "cost": cost,
    });
    let mut out = Vec::new();
    // It says itself that it is the last one, and all lines of a stream are marked alike.
    put_piece(&mut out, &json!({"type": "done", "usage": usage, "finish_reason": spent.reason}));
    out
}

/// A line for the code, and one for the end.
fn login(runtime: &Runtime, provider: String, draining: CancellationToken) -> BoxStream<'static, Bytes> {
    let new = NewLogin { provider, profile: PROFILE.to_owned(), flow: Some(OAuthFlow::Device), client_id: None };
    let credentials = runtime.credentials().clone();
    let (tell, told) = mpsc::channel::<Bytes>(STEPS);
    let begin = async move {
        let running = AbortOnDropHandle::new(tokio::spawn(async move {
            let mut step = |step: LoginStep| {
                if matches!(step, LoginStep::Device { .. }) {
                    let mut line = Vec::new();
                    put_piece(&mut line, &step.told());
                    // There is room for the one that there is.
                    let _full = tell.try_send(line.into());
                }
            };
            let outcome = tokio::select! {
                outcome = credentials.login(new, &mut step) => outcome.map_err(|error| Refusal::from(&error)),
                () = draining.cancelled() => Err(Refusal::new(
                    ErrorKind::Overloaded.as_str(), "greenroom is shutting down", "log in once it is back",
                )),
            };
            let line = outcome.map_or_else(|refusal| refusal.line(), |_| last(&true));
            let _left = tell.send(line.into()).await;
        }));
        stream::unfold(
            (told, running),
            |(mut told, running)| async move { Some((told.recv().await?, (told, running))) },
        )
    };
    stream::once(begin).flatten().boxed()
}

impl From<&CredentialsError> for Refusal {
    fn from(error: &CredentialsError) -> Self {
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            message = format!("{message}: {error}");
            cause = error.source();
        }
        Self::new(error.kind().as_str(), message, error.hint())
    }
}
