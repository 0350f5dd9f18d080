//! Tools that have a model answer.

use futures::StreamExt as _;
use greenroom_wire::openai_chat::decode_request;
use rmcp::{
    ErrorData,
    model::{CallToolResult, JsonObject},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    super::{
        answer::{NoAnswer, Said, Telling, ask, failed},
        arguments, cancelled, wrong,
    },
    Call, Work,
    models::first_of,
};
use crate::{
    Caller, ChatError, ChatRequest, ErrorKind, NewSession, Outgoing, Part, Session, SessionError, Update,
    event::EventBody,
};

/// What such a tool is asked with. Which of it there may be says the tool's schema.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    prompt: Option<String>,
    messages: Option<Vec<Value>>,
    pub(super) model: Option<String>,
    system: Option<String>,
    temperature: Option<f64>,
    max_tokens: Option<u64>,
    stream: Option<bool>,
    session: Option<String>,
    language: Option<String>,
    context: Option<String>,
    /// Whether it is code that is to be gone on with.
    #[serde(skip)]
    completes_code: bool,
}

/// Answers a call; with a provider, by that one's models.
pub(super) async fn call(
    call: &Call<'_>,
    schema: &JsonObject,
    arguments: JsonObject,
    work: Work,
    provider: Option<&str>,
) -> Result<CallToolResult, ErrorData> {
    let mut asked: Asked = arguments::read(schema, arguments)?;
    asked.completes_code = work == Work::CompleteCode;
    if let Some(id) = asked.session.take() {
        return in_session(call, id, asked).await;
    }
    let mut request = asked.request()?;
    let model = match provider {
        None => Ok(request.model),
        Some(provider) => of_provider(call, provider, request.model).await,
    };
    request.model = match model {
        Ok(model) => model,
        Err(error) => return Ok(failed(&error)),
    };
    match answered(call, request, asked.stream != Some(false)).await {
        Ok(said) => Ok(said.result(Map::new())),
        Err(NoAnswer::Failed(error)) => Ok(failed(&error)),
        Err(NoAnswer::Cancelled) => Err(cancelled()),
    }
}

/// Asks, if whoever asks may ask that model; with `progress` the client is told the text as it comes, if it wants that.
pub(super) async fn answered(call: &Call<'_>, request: ChatRequest, progress: bool) -> Result<Said, NoAnswer> {
    call.who.may_ask(Some(&request.model), call.runtime)?;
    let caller = Caller::from(call.who.access().client());
    ask(call.runtime, request, caller, Telling::of(call, progress), &call.context.ct).await
}

/// The model of a provider that is meant: a bare id is one of its own, and none is the first that it lists.
async fn of_provider(call: &Call<'_>, provider: &str, model: String) -> Result<String, ChatError> {
    if model.is_empty() {
        return first_of(call, provider).await;
    }
    let is_full = model.split_once('/').is_some_and(|(named, _)| named == provider);
    Ok(if is_full { model } else { format!("{provider}/{model}") })
}

impl Asked {
    /// The request that is meant.
    pub(super) fn request(&self) -> Result<ChatRequest, ErrorData> {
        let mut messages = match (&self.prompt, &self.messages) {
            (Some(prompt), None) => vec![json!({"role": "user", "content": self.with_context(prompt)})],
            (None, Some(messages)) => messages.clone(),
            (Some(_), Some(_)) => return Err(wrong("there are both 'prompt' and 'messages'", "send one of them")),
            (None, None) => return Err(wrong("there is neither 'prompt' nor 'messages'", "send one of them")),
        };
        if let Some(system) = self.instructions() {
            messages.insert(0, json!({"role": "system", "content": system}));
        }
        let mut body = json!({"model": "default", "messages": messages});
        if let Some(temperature) = self.temperature {
            body["temperature"] = temperature.into();
        }
        if let Some(most) = self.max_tokens {
            body["max_tokens"] = most.into();
        }
        let served = decode_request(body.to_string().as_bytes());
        let served = served.map_err(|error| {
            let hint = error.details.hint.unwrap_or_else(|| "messages are as OpenAI's API has them".to_owned());
            wrong(error.message, hint)
        })?;
        Ok(ChatRequest { model: self.model.clone().unwrap_or_default(), ..served.request })
    }

    fn instructions(&self) -> Option<String> {
        if !self.completes_code {
            return self.system.clone();
        }
        let language = self.language.as_ref().map(|language| format!(", which is {language}")).unwrap_or_default();
        Some(format!(
            "Complete the code{language}. Answer with the completion alone: no explanation and no code fence."
        ))
    }

    fn with_context(&self, prompt: &str) -> String {
        match &self.context {
            Some(context) => format!("{context}\n\n{prompt}"),
            None => prompt.to_owned(),
        }
    }
}

/// Says the prompt in a session, and waits for what is answered there. The turn goes on if the client leaves; if the
/// client cancels the call, it is cancelled.
async fn in_session(call: &Call<'_>, id: String, asked: Asked) -> Result<CallToolResult, ErrorData> {
    if asked.messages.is_some() || asked.temperature.is_some() || asked.max_tokens.is_some() {
        let hint = "a session has its own history; send prompt, and model or system where they are to change";
        return Err(wrong("messages, temperature and max_tokens can't be said in a session", hint));
    }
    let Some(prompt) = asked.prompt.clone().filter(|prompt| !prompt.is_empty()) else {
        return Err(wrong("there is no 'prompt'", "send what is to be said in the session"));
    };
    match talk(call, &id, &asked, prompt).await {
        Ok(said) => {
            let session = Map::from_iter([("session".to_owned(), id.into())]);
            Ok(said.result(session))
        }
        Err(NoAnswer::Failed(error)) => Ok(failed(&error)),
        Err(NoAnswer::Cancelled) => Err(cancelled()),
    }
}

async fn talk(call: &Call<'_>, id: &str, asked: &Asked, prompt: String) -> Result<Said, NoAnswer> {
    let session = open(call, id, asked).await?;
    let mut telling = Telling::of(call, asked.stream != Some(false));
    let message = Outgoing { parts: vec![Part::text(prompt)], ..Outgoing::default() };
    let mut turn = session.send_message(message).await.map_err(told)?;
    let number = turn.sent().turn;
    let mut events = Vec::new();
    let followed = async {
        while let Some(event) = turn.next().await {
            telling.tell(std::slice::from_ref(&event)).await;
            match &event.body {
                // What was read so far may not be what the log has; all of the turn follows.
                EventBody::Reset { .. } => {
                    events.clear();
                    continue;
                }
                EventBody::TurnWaiting { .. } => {
                    events.push(event);
                    break;
                }
                _ => events.push(event),
            }
        }
    };
    tokio::select! {
        () = followed => Said::of(events).map_err(NoAnswer::Failed),
        () = call.context.ct.cancelled() => {
            // It is over already, or the session is gone.
            let _over = session.cancel(number).await;
            Err(NoAnswer::Cancelled)
        }
    }
}

/// The session of this id, made if there is none; what is said of model and instructions holds from now on.
async fn open(call: &Call<'_>, id: &str, asked: &Asked) -> Result<Session, NoAnswer> {
    let sessions = call.runtime.sessions().of(call.who.access());
    let (model, system) = (asked.model.clone(), asked.system.clone());
    let session = match sessions.open(id).await {
        Err(SessionError::NotFound) => {
            call.who.may_ask(model.as_deref(), call.runtime)?;
            let new = NewSession { id: Some(id.to_owned()), model, system, ..NewSession::default() };
            return Ok(sessions.create(new).await.map_err(told)?.0);
        }
        opened => opened.map_err(told)?,
    };
    let info = session.info().await.map_err(told)?;
    call.who.may_ask(model.as_deref().or(info.summary.model.as_deref()), call.runtime)?;
    let is_other = |said: &Option<String>, is: &Option<String>| said.is_some() && said != is;
    if is_other(&model, &info.summary.model) || is_other(&system, &info.system) {
        session.update(Update { model, system, ..Update::default() }).await.map_err(told)?;
    }
    Ok(session)
}

/// Why a session does not do what it is asked.
pub(super) fn told(error: SessionError) -> NoAnswer {
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let told = ChatError::new(error.kind(), format!("{error}{cause}"));
    NoAnswer::Failed(told.with_hint(error.hint()))
}

/// The error of something that a provider does not have.
pub(super) fn none_such(message: String, hint: &str) -> ChatError {
    ChatError::new(ErrorKind::NotFound, message).with_hint(hint)
}
