//! Attempts that speak OpenAI's chat wire (`POST …/chat/completions`), as its API reference describes
//! it: chunks in `data:` lines, usage in a last chunk without choices, `data: [DONE]` at the end.

use std::time::Duration;

use serde_json::{Value, json};

use crate::script::{Attempt, Route, Step};

/// The path of the chat route below the server's address.
pub const CHAT: &str = "/v1/chat/completions";
/// The path of the list of models.
pub const MODELS: &str = "/v1/models";

/// The chat route, with these attempts.
pub fn chat<A: Into<Attempt>>(attempts: impl IntoIterator<Item = A>) -> Route {
    Route::new("POST", CHAT, attempts)
}

/// The route that lists these models.
pub fn models<'a>(ids: impl IntoIterator<Item = &'a str>) -> Route {
    let entry = |id| json!({"id": id, "object": "model", "created": CREATED, "owned_by": "scripted"});
    let list: Vec<Value> = ids.into_iter().map(entry).collect();
    Route::new("GET", MODELS, [Attempt::json(200, &json!({"object": "list", "data": list})).always()])
}

/// A vector for each text of the request, as [`Step::Vectors`] has it.
pub fn vectors() -> Attempt {
    Attempt::new().status(200).header("content-type", "application/json").step(Step::Vectors)
}

/// The body of that answer.
pub(crate) fn vectors_of(request: &[u8]) -> String {
    let request: Value = serde_json::from_slice(request).unwrap_or_default();
    let texts: Vec<&str> = match &request["input"] {
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        text => text.as_str().into_iter().collect(),
    };
    let vector = |(index, text): (usize, &&str)| {
        let first = text.as_bytes().first().copied().unwrap_or_default();
        json!({"object": "embedding", "index": index, "embedding": [text.len(), first]})
    };
    let tokens: usize = texts.iter().map(|text| text.len()).sum();
    let data: Vec<Value> = texts.iter().enumerate().map(vector).collect();
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    json!({"object": "list", "model": request["model"], "data": data, "usage": usage}).to_string()
}

/// An error answer in OpenAI's form. Headers such as `retry-after` are added with [`Attempt::header`].
pub fn error(status: u16, kind: &str, code: Option<&str>, message: &str) -> Attempt {
    Attempt::json(status, &error_body(kind, code, message))
}

/// The body of an error answer, which is the data of an error event, too.
pub fn error_body(kind: &str, code: Option<&str>, message: &str) -> Value {
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}

/// Any fixed time; answers are to be the same bytes in every run.
const CREATED: u64 = 1_700_000_000;

/// A chat answer, to be played as a stream or as a whole.
///
/// What is counted as a *piece* by the methods that stop it is each text, thinking or refusal delta and
/// each fragment of a tool call, in the order in which they were added.
#[derive(Debug, Clone)]
pub struct Answer {
    model: String,
    id: String,
    pieces: Vec<Piece>,
    calls: usize,
    finish: Option<String>,
    usage: Option<Value>,
    with_done: bool,
    first_after: Duration,
    pace: Duration,
    stop: Option<(usize, Stop)>,
}

#[derive(Debug, Clone)]
enum Piece {
    /// A delta of this field of the message that is one text: `content`, `reasoning_content`, `refusal`.
    Text(&'static str, String),
    CallStart {
        index: usize,
        id: String,
        name: String,
    },
    CallArguments {
        index: usize,
        text: String,
    },
}

#[derive(Debug, Clone)]
enum Stop {
    Cut,
    Reset,
    Stall,
    Error(Value),
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            model: "scripted-model".to_owned(),
            id: "chatcmpl-scripted".to_owned(),
            pieces: Vec::new(),
            calls: 0,
            finish: None,
            usage: Some(usage_body(10, 5)),
            with_done: true,
            first_after: Duration::ZERO,
            pace: Duration::ZERO,
            stop: None,
        }
    }
}

impl Answer {
    /// An answer without content, to add to.
    pub fn new() -> Self {
        Self::default()
    }

    /// An answer of this text, in these pieces.
    pub fn text<'a>(pieces: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new().then_text(pieces)
    }

    /// Adds text, a delta for each piece.
    #[must_use]
    pub fn then_text<'a>(self, pieces: impl IntoIterator<Item = &'a str>) -> Self {
        self.deltas("content", pieces)
    }

    /// Adds thinking, as `reasoning_content` (not OpenAI's own; many compatible servers send it).
    #[must_use]
    pub fn reasoning<'a>(self, pieces: impl IntoIterator<Item = &'a str>) -> Self {
        self.deltas("reasoning_content", pieces)
    }

    /// Adds a refusal.
    #[must_use]
    pub fn refusal<'a>(self, pieces: impl IntoIterator<Item = &'a str>) -> Self {
        self.deltas("refusal", pieces)
    }

    fn deltas<'a>(mut self, field: &'static str, pieces: impl IntoIterator<Item = &'a str>) -> Self {
        self.pieces.extend(pieces.into_iter().map(|text| Piece::Text(field, text.to_owned())));
        self
    }

    /// Adds a tool call: its start, and a delta for each fragment of its arguments. The fragments need
    /// not make whole JSON. The finish reason becomes `tool_calls` unless another is set.
    #[must_use]
    pub fn tool_call<'a>(self, id: &str, name: &str, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let arguments = arguments.into_iter().collect();
        self.parallel_tool_calls([(id, name, arguments)])
    }

    /// Adds tool calls that arrive at once: all starts, then the fragments of all, a fragment of each in turn.
    #[must_use]
    pub fn parallel_tool_calls<'a>(
        mut self,
        calls: impl IntoIterator<Item = (&'a str, &'a str, Vec<&'a str>)>,
    ) -> Self {
        let first = self.calls;
        let mut arguments = Vec::new();
        for (id, name, fragments) in calls {
            let index = self.calls;
            self.calls += 1;
            self.pieces.push(Piece::CallStart { index, id: id.to_owned(), name: name.to_owned() });
            arguments.push(fragments);
        }
        let longest = arguments.iter().map(Vec::len).max().unwrap_or_default();
        for turn in 0..longest {
            for (place, fragments) in arguments.iter().enumerate() {
                if let Some(text) = fragments.get(turn) {
                    self.pieces.push(Piece::CallArguments { index: first + place, text: (*text).to_owned() });
                }
            }
        }
        self
    }

    /// The model that the answer names.
    #[must_use]
    pub fn model(mut self, id: &str) -> Self {
        self.model = id.to_owned();
        self
    }

    /// The id of the completion.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.id = id.to_owned();
        self
    }

    /// The finish reason, in place of `stop` or `tool_calls`.
    #[must_use]
    pub fn finish(mut self, reason: &str) -> Self {
        self.finish = Some(reason.to_owned());
        self
    }

    /// The tokens of prompt and answer; 10 and 5 if nothing is said.
    #[must_use]
    pub fn usage(self, prompt: u64, completion: u64) -> Self {
        self.usage_details(usage_body(prompt, completion))
    }

    /// The whole `usage` object, for cached or reasoning tokens.
    #[must_use]
    pub fn usage_details(mut self, usage: Value) -> Self {
        self.usage = Some(usage);
        self
    }

    /// Says nothing of usage.
    #[must_use]
    pub fn without_usage(mut self) -> Self {
        self.usage = None;
        self
    }

    /// Leaves `[DONE]` out, as some compatible servers do.
    #[must_use]
    pub fn without_done(mut self) -> Self {
        self.with_done = false;
        self
    }

    /// Waits after the role chunk, before the first piece. (Before the head: [`Attempt::delayed`].)
    #[must_use]
    pub fn first_token_after(mut self, pause: Duration) -> Self {
        self.first_after = pause;
        self
    }

    /// Waits between two pieces.
    #[must_use]
    pub fn pace(mut self, pause: Duration) -> Self {
        self.pace = pause;
        self
    }

    /// Closes the connection after `pieces` pieces; after the role chunk if 0.
    #[must_use]
    pub fn cut_after(self, pieces: usize) -> Self {
        self.stop_after(pieces, Stop::Cut)
    }

    /// Breaks the connection after `pieces` pieces. What the client has not read yet may be lost.
    #[must_use]
    pub fn reset_after(self, pieces: usize) -> Self {
        self.stop_after(pieces, Stop::Reset)
    }

    /// Falls silent after `pieces` pieces.
    #[must_use]
    pub fn stall_after(self, pieces: usize) -> Self {
        self.stop_after(pieces, Stop::Stall)
    }

    /// Sends an error event after `pieces` pieces, and ends the body in good order.
    #[must_use]
    pub fn error_after(self, pieces: usize, kind: &str, code: Option<&str>, message: &str) -> Self {
        self.stop_after(pieces, Stop::Error(error_body(kind, code, message)))
    }

    fn stop_after(mut self, pieces: usize, stop: Stop) -> Self {
        self.stop = Some((pieces, stop));
        self
    }

    fn finish_reason(&self) -> &str {
        let usual = if self.calls > 0 { "tool_calls" } else { "stop" };
        self.finish.as_deref().unwrap_or(usual)
    }

    /// The answer as a stream.
    pub fn stream(&self) -> Attempt {
        let choice =
            |delta: Value, finish: Option<&str>| json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
        let mut attempt = Attempt::new().status(200).header("content-type", "text/event-stream; charset=utf-8");
        attempt = attempt.send(self.chunk(choice(json!({"role": "assistant", "content": ""}), None), None));
        let stop_at = self.stop.as_ref().map_or(usize::MAX, |(pieces, _)| *pieces);
        for (place, piece) in self.pieces.iter().take(stop_at).enumerate() {
            let pause = if place == 0 { self.first_after } else { self.pace };
            if !pause.is_zero() {
                attempt = attempt.wait(pause);
            }
            attempt = attempt.send(self.chunk(choice(piece.delta(), None), None));
        }
        if let Some((_, stop)) = &self.stop {
            return match stop {
                Stop::Cut => attempt.cut(),
                Stop::Reset => attempt.reset(),
                Stop::Stall => attempt.step(Step::Stall),
                Stop::Error(body) => attempt.send(data(&body.to_string())),
            };
        }
        attempt = attempt.send(self.chunk(choice(json!({}), Some(self.finish_reason())), None));
        if let Some(usage) = &self.usage {
            attempt = attempt.send(self.chunk(json!([]), Some(usage)));
        }
        if self.with_done { attempt.send(data("[DONE]")) } else { attempt }
    }

    fn chunk(&self, choices: Value, usage: Option<&Value>) -> String {
        let mut chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": CREATED, "model": self.model,
            "choices": choices,
        });
        if let Some(usage) = usage {
            chunk["usage"] = usage.clone();
        }
        data(&chunk.to_string())
    }

    /// The answer as one JSON object, for a request without `stream`. Pauses and stops are of streams
    /// and do not show here.
    pub fn whole(&self) -> Attempt {
        let mut message = json!({"role": "assistant", "content": self.joined("content")});
        for field in ["reasoning_content", "refusal"] {
            if let Some(text) = self.joined(field) {
                message[field] = text.into();
            }
        }
        let calls: Vec<Value> = (0..self.calls).map(|index| self.whole_call(index)).collect();
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        let mut body = json!({
            "id": self.id, "object": "chat.completion", "created": CREATED, "model": self.model,
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish_reason()}],
        });
        if let Some(usage) = &self.usage {
            body["usage"] = usage.clone();
        }
        Attempt::json(200, &body)
    }

    fn joined(&self, field: &str) -> Option<String> {
        self.pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Text(of, text) if *of == field => Some(text.as_str()),
                _ => None,
            })
            .fold(None, |all: Option<String>, text| Some(all.unwrap_or_default() + text))
    }

    fn whole_call(&self, wanted: usize) -> Value {
        let mut call = json!({"id": "", "type": "function", "function": {"name": "", "arguments": ""}});
        let mut arguments = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::CallStart { index, id, name } if *index == wanted => {
                    call["id"] = id.as_str().into();
                    call["function"]["name"] = name.as_str().into();
                }
                Piece::CallArguments { index, text } if *index == wanted => arguments.push_str(text),
                _ => {}
            }
        }
        call["function"]["arguments"] = arguments.into();
        call
    }
}

impl From<Answer> for Attempt {
    /// The stream.
    fn from(answer: Answer) -> Self {
        answer.stream()
    }
}

impl Piece {
    fn delta(&self) -> Value {
        match self {
            Self::Text(field, text) => json!({*field: text}),
            Self::CallStart { index, id, name } => json!({"tool_calls": [
                {"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}
            ]}),
            Self::CallArguments { index, text } => {
                json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]})
            }
        }
    }
}

/// `text` as one event.
pub fn data(text: &str) -> String {
    format!("data: {text}\n\n")
}

fn usage_body(prompt: u64, completion: u64) -> Value {
    json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
}
