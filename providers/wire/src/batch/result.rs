//! What became of one request of a batch: the provider's line, and ours.

use std::time::UNIX_EPOCH;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::form::BatchForm;
use crate::{
    anthropic,
    embed::Embeddings,
    error::{ChatError, ErrorKind},
    error_response::ErrorResponse,
    event::{ChatEvent, Usage},
    json::{put_key, put_str},
    names::ToolNames,
    openai_chat, openai_responses,
};

/// What became of one request.
#[derive(Debug, Clone)]
pub struct BatchResult {
    /// The caller's id of it.
    pub id: String,
    /// The answer, or why there is none.
    pub outcome: Result<BatchAnswer, ChatError>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub enum BatchAnswer {
    /// What a model said.
    Chat(Vec<ChatEvent>),
    /// Vectors.
    Vectors(Embeddings),
}

impl BatchAnswer {
    /// The tokens, where they are told.
    pub fn usage(&self) -> Option<Usage> {
        match self {
            Self::Chat(events) => events.iter().rev().find_map(|event| match event {
                ChatEvent::Usage(usage) => Some(usage.clone()),
                _ => None,
            }),
            Self::Vectors(made) => made.tokens.map(|input| Usage { input, ..Usage::default() }),
        }
    }

    /// The model, in the provider's words; empty where it does not say.
    pub fn model(&self) -> &str {
        match self {
            Self::Chat(events) => started(events).1,
            Self::Vectors(made) => &made.model,
        }
    }
}

/// Id and model of an answer.
fn started(events: &[ChatEvent]) -> (&str, &str) {
    let started = events.iter().find_map(|event| match event {
        ChatEvent::Started { id, model } => Some((id.as_str(), model.as_str())),
        _ => None,
    });
    started.unwrap_or_default()
}

#[derive(Deserialize)]
struct OpenaiLine<'a> {
    custom_id: String,
    #[serde(borrow, default)]
    response: Option<OpenaiResponse<'a>>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct OpenaiResponse<'a> {
    status_code: u16,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct AnthropicLine<'a> {
    custom_id: String,
    #[serde(borrow)]
    result: AnthropicResult<'a>,
}

#[derive(Deserialize)]
struct AnthropicResult<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Value>,
}

/// Reads a line of a provider's results. `names` are those of all requests of the batch.
///
/// # Errors
/// It is none (`Protocol`). What failed of the request itself is in the result.
pub fn decode_result(form: BatchForm, line: &[u8], names: &ToolNames) -> Result<BatchResult, ChatError> {
    match form {
        BatchForm::AnthropicMessages => {
            let AnthropicLine { custom_id, result } = parse(line)?;
            Ok(BatchResult { id: custom_id, outcome: of_anthropic(result, names) })
        }
        BatchForm::OpenaiChat | BatchForm::OpenaiResponses | BatchForm::OpenaiEmbeddings => {
            let OpenaiLine { custom_id, response, error } = parse(line)?;
            let outcome = match (error.filter(|error| !error.is_null()), response) {
                (Some(error), _) => Err(unanswered(&error)),
                (None, Some(response)) => of_openai(form, &response, names),
                (None, None) => Err(ChatError::new(ErrorKind::Protocol, "the provider gives neither answer nor error")),
            };
            Ok(BatchResult { id: custom_id, outcome })
        }
    }
}

fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, ChatError> {
    serde_json::from_slice(line)
        .map_err(|error| ChatError::new(ErrorKind::Protocol, format!("a line of the results can't be read: {error}")))
}

fn of_anthropic(result: AnthropicResult<'_>, names: &ToolNames) -> Result<BatchAnswer, ChatError> {
    match (result.kind.as_str(), result.message) {
        ("succeeded", Some(message)) => {
            anthropic::decode_answer(message.get().as_bytes(), names).map(BatchAnswer::Chat)
        }
        ("canceled", _) => Err(cancelled()),
        ("expired", _) => Err(expired()),
        (_, _) => Err(anthropic::decode_error_event(&result.error.unwrap_or_default())),
    }
}

fn of_openai(form: BatchForm, response: &OpenaiResponse<'_>, names: &ToolNames) -> Result<BatchAnswer, ChatError> {
    let body = response.body.map_or(&b""[..], |body| body.get().as_bytes());
    if !(200..300).contains(&response.status_code) {
        // There are no headers, and it is over: when to ask again is nothing that can be told.
        let told = ErrorResponse { status: response.status_code, header: &|_| None, body, now: UNIX_EPOCH };
        return Err(match form {
            BatchForm::OpenaiResponses => openai_responses::decode_error(&told),
            _ => openai_chat::decode_error(&told),
        });
    }
    Ok(match form {
        BatchForm::OpenaiResponses => BatchAnswer::Chat(openai_responses::decode_answer(body, names)?),
        BatchForm::OpenaiEmbeddings => BatchAnswer::Vectors(openai_chat::decode_embeddings(body)?),
        _ => BatchAnswer::Chat(openai_chat::decode_answer(body, choices(body), names)?),
    })
}

/// How many answers to one request there are.
fn choices(body: &[u8]) -> u32 {
    #[derive(Deserialize)]
    struct Choices {
        choices: Vec<serde::de::IgnoredAny>,
    }
    let counted = serde_json::from_slice(body).ok().map(|Choices { choices }| choices.len());
    counted.and_then(|count| u32::try_from(count).ok()).unwrap_or(1).max(1)
}

/// Why a request of OpenAI's was not answered at all.
fn unanswered(error: &Value) -> ChatError {
    match error["code"].as_str() {
        Some("batch_expired") => expired(),
        Some("batch_cancelled" | "batch_canceled") => cancelled(),
        _ => openai_chat::decode_error_event(&serde_json::json!({"error": error})),
    }
}

fn cancelled() -> ChatError {
    ChatError::new(ErrorKind::Cancelled, "the batch was cancelled before this was answered")
}

fn expired() -> ChatError {
    ChatError::new(ErrorKind::Timeout, "the batch's time was over before this was answered")
}

/// Writes a result in the common form, as a line: `{"custom_id", "ok": an answer}` or `{"custom_id", "error": {"kind",
/// "message"}}`. An answer has the form of a chat completion, or of a list of embeddings. `created` is in seconds since
/// 1970.
pub fn encode_result(result: &BatchResult, created: u64) -> Vec<u8> {
    let mut out = vec![b'{'];
    put_key(&mut out, "custom_id");
    put_str(&mut out, &result.id);
    match &result.outcome {
        Ok(answer) => {
            put_key(&mut out, "ok");
            out.extend(match answer {
                BatchAnswer::Chat(events) => {
                    let (id, model) = started(events);
                    openai_chat::whole_answer(events, id, created, model, false)
                }
                BatchAnswer::Vectors(made) => openai_chat::embeddings_body(made, &made.model, false),
            });
        }
        Err(error) => {
            put_key(&mut out, "error");
            out.push(b'{');
            put_key(&mut out, "kind");
            put_str(&mut out, error.kind.as_str());
            put_key(&mut out, "message");
            put_str(&mut out, &error.message);
            out.push(b'}');
        }
    }
    out.extend_from_slice(b"}\n");
    out
}
