//! A client's request.

use serde_json::{Map, Value, json};

use super::super::request::decode_object;
use crate::{
    chat::{ChatRequest, Message, Part, Role},
    error::{ChatError, ErrorKind},
    reader::{array, boolean, count, string, take, wrong},
};

/// What a client asks for: texts that go on from each of its prompts.
#[derive(Debug, Clone, PartialEq)]
pub struct ServedCompletion {
    /// What is asked for each of them, but for the prompt.
    base: ChatRequest,
    /// What is to be gone on from.
    prompts: Vec<String>,
    /// How many texts are wanted for each prompt: at least 1.
    each: usize,
    /// Whether a text is to begin with its prompt.
    pub echo: bool,
    /// Whether it is to be answered as a stream.
    pub stream: bool,
    /// Whether the stream is to end with usage.
    pub include_usage: bool,
}

/// The most texts of one request: each is a request to a provider.
const MOST_TEXTS: usize = 128;
/// The most bytes of prompts that are repeated: a prompt is once in a request and as often as `n` in its answer.
const MOST_ECHOED: usize = 16 << 20;

impl ServedCompletion {
    /// The model that is asked.
    pub fn model(&self) -> &str {
        &self.base.model
    }

    /// How many texts are wanted in all. They are numbered in the order of their prompts.
    pub fn texts(&self) -> usize {
        self.prompts.len() * self.each
    }

    /// The prompt of a text; none if there is no such text.
    pub fn prompt(&self, text: usize) -> Option<&str> {
        self.prompts.get(text / self.each).map(String::as_str)
    }

    /// What is asked for a text; none if there is no such text.
    pub fn request(&self, text: usize) -> Option<ChatRequest> {
        let said = Message::new(Role::User, vec![Part::text(self.prompt(text)?)]);
        Some(ChatRequest { messages: vec![said], ..self.base.clone() })
    }
}

/// Reads a client's request. What has no word in the chat language is kept as [`Extra`](crate::chat::Extra)s, as it is of
/// a chat.
///
/// # Errors
///
/// The body is not such a request, or wants what no chat can give (`InvalidRequest`): the message says why, and
/// `details.param` names the parameter.
pub fn decode_completion(body: &[u8]) -> Result<ServedCompletion, ChatError> {
    let json: Value = serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        ChatError::new(ErrorKind::InvalidRequest, format!("the body is not valid JSON: line {line}, column {column}"))
    })?;
    let Value::Object(mut map) = json else {
        return Err(ChatError::new(ErrorKind::InvalidRequest, "the body must be a JSON object"));
    };
    for (param, why) in OF_CHATS {
        if map.get(param).is_some_and(|value| !value.is_null()) {
            return Err(wrong(param, format!("'{param}' {why}")).with_hint("ask /v1/chat/completions for that"));
        }
    }
    let prompts = read_prompts(take_prompt(&mut map)?)?;
    let each = match take_given(&mut map, "n") {
        Some(n) => usize::try_from(count("n", &n)?).unwrap_or(usize::MAX),
        None => 1,
    };
    if each == 0 || each.saturating_mul(prompts.len()) > MOST_TEXTS {
        let most = format!("'n' must be at least 1, and the texts for all prompts at most {MOST_TEXTS}");
        return Err(wrong("n", most));
    }
    if let Some(best_of) = take_given(&mut map, "best_of")
        && count("best_of", &best_of)? != each as u64
    {
        let why = "'best_of' must be as many as 'n': which text of several is the best can't be told here";
        return Err(wrong("best_of", why));
    }
    if let Some(suffix) = take_given(&mut map, "suffix")
        && !string("suffix", suffix)?.is_empty()
    {
        return Err(wrong("suffix", "'suffix' can't be heeded: a model of chats does not insert text"));
    }
    if take_given(&mut map, "logprobs").is_some_and(|wish| wish != false) {
        return Err(wrong("logprobs", "'logprobs' can't be told of a text that is asked for as a chat")
            .with_hint("ask /v1/chat/completions for them"));
    }
    let echo = take_given(&mut map, "echo").map_or(Ok(false), |echo| boolean("echo", &echo))?;
    let echoed = prompts.iter().map(String::len).fold(0, usize::saturating_add).saturating_mul(each);
    if echo && echoed > MOST_ECHOED {
        return Err(wrong("echo", format!("'echo' would repeat more than {MOST_ECHOED} bytes")));
    }
    map.insert("messages".into(), json!([{"role": "user", "content": ""}]));
    let served = decode_object(map)?;
    let (base, stream, include_usage) = (served.request, served.stream, served.include_usage);
    Ok(ServedCompletion { base, prompts, each, echo, stream, include_usage })
}

/// What a text can't be asked with.
const OF_CHATS: [(&str, &str); 5] = [
    ("messages", "is not taken here, where a text is asked for by its 'prompt'"),
    ("tools", "can't be used here: a text calls no tools"),
    ("tool_choice", "can't be used here: a text calls no tools"),
    ("functions", "can't be used here: a text calls no tools"),
    ("function_call", "can't be used here: a text calls no tools"),
];

fn take_given(map: &mut Map<String, Value>, key: &str) -> Option<Value> {
    map.shift_remove(key).filter(|value| !value.is_null())
}

fn take_prompt(map: &mut Map<String, Value>) -> Result<Vec<Value>, ChatError> {
    match take(map, "", "prompt")? {
        text @ Value::String(_) => Ok(vec![text]),
        other => array("prompt", other),
    }
}

fn read_prompts(prompts: Vec<Value>) -> Result<Vec<String>, ChatError> {
    if prompts.is_empty() {
        return Err(wrong("prompt", "'prompt' must not be empty"));
    }
    if prompts.iter().any(|one| one.is_number() || one.is_array()) {
        return Err(wrong("prompt", "'prompt' can't be of tokens, which each model numbers in its own way")
            .with_hint("send it as a text, or a list of texts"));
    }
    let alone = prompts.len() == 1;
    let each = prompts.into_iter().enumerate().map(|(index, one)| {
        let at = if alone { "prompt".to_owned() } else { format!("prompt[{index}]") };
        match string(&at, one)? {
            text if text.trim().is_empty() => Err(wrong(&at, format!("'{at}' must not be empty"))),
            text => Ok(text),
        }
    });
    each.collect()
}
