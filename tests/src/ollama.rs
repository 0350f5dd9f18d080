//! Attempts that speak Ollama's own API, as its reference describes it: a line of JSON for each piece, and a last one
//! with `"done": true`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::script::{Attempt, Route, Step};

/// The path of the chat route below the server's address.
pub const CHAT: &str = "/api/chat";

/// Any fixed time; answers are to be the same bytes in every run.
const CREATED: &str = "2026-01-02T03:04:05.6Z";

/// The chat route, with these attempts.
pub fn chat<A: Into<Attempt>>(attempts: impl IntoIterator<Item = A>) -> Route {
    Route::new("POST", CHAT, attempts)
}

/// The route that lists these models.
pub fn tags<'a>(ids: impl IntoIterator<Item = &'a str>) -> Route {
    let details = json!({"family": "llama", "parameter_size": "3.2B", "quantization_level": "Q4_K_M"});
    let entry = |id: &str| json!({"name": id, "model": id, "size": 1, "digest": "d", "details": details});
    let list: Vec<Value> = ids.into_iter().map(entry).collect();
    Route::new("GET", "/api/tags", [Attempt::json(200, &json!({"models": list})).always()])
}

/// The route that makes vectors, with these attempts.
pub fn embed<A: Into<Attempt>>(attempts: impl IntoIterator<Item = A>) -> Route {
    Route::new("POST", "/api/embed", attempts)
}

/// The vectors of some texts, and the tokens that they took.
pub fn vectors(vectors: &[&[f32]], tokens: u64) -> Attempt {
    Attempt::json(200, &json!({"model": "scripted-model", "embeddings": vectors, "prompt_eval_count": tokens}))
}

/// The route that fetches models, with these attempts.
pub fn pull<A: Into<Attempt>>(attempts: impl IntoIterator<Item = A>) -> Route {
    Route::new("POST", "/api/pull", attempts)
}

/// A stream of these lines.
pub fn lines<'a>(lines: impl IntoIterator<Item = &'a Value>) -> Attempt {
    let attempt = Attempt::new().status(200).header("content-type", "application/x-ndjson");
    lines.into_iter().fold(attempt, |attempt, line| attempt.send(format!("{line}\n")))
}

/// An error answer.
pub fn error(status: u16, message: &str) -> Attempt {
    Attempt::json(status, &json!({"error": message}))
}

/// A chat answer, to be played as a stream or as a whole. Each text, thinking or call is a *piece*.
#[derive(Debug, Clone)]
pub struct Answer {
    model: String,
    messages: Vec<Value>,
    reason: String,
    counts: Option<(u64, u64)>,
    pace: Duration,
    stop: Option<(usize, Stop)>,
}

#[derive(Debug, Clone)]
enum Stop {
    Cut,
    Stall,
    Error(String),
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            model: "scripted-model".to_owned(),
            messages: Vec::new(),
            reason: "stop".to_owned(),
            counts: Some((10, 5)),
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

    /// Adds text, a line for each piece.
    #[must_use]
    pub fn then_text<'a>(mut self, pieces: impl IntoIterator<Item = &'a str>) -> Self {
        self.messages.extend(pieces.into_iter().map(|text| json!({"content": text})));
        self
    }

    /// Adds thinking, a line for each piece.
    #[must_use]
    pub fn thinking<'a>(mut self, pieces: impl IntoIterator<Item = &'a str>) -> Self {
        self.messages.extend(pieces.into_iter().map(|text| json!({"content": "", "thinking": text})));
        self
    }

    /// Adds a tool call, whole; older servers give no id.
    #[must_use]
    pub fn tool_call(mut self, id: Option<&str>, name: &str, arguments: &Value) -> Self {
        let mut call = json!({"function": {"name": name, "arguments": arguments}});
        if let Some(id) = id {
            call["id"] = id.into();
        }
        self.messages.push(json!({"content": "", "tool_calls": [call]}));
        self
    }

    /// The model that the answer names.
    #[must_use]
    pub fn model(mut self, id: &str) -> Self {
        self.model = id.to_owned();
        self
    }

    /// The `done_reason`, in place of `stop`.
    #[must_use]
    pub fn reason(mut self, reason: &str) -> Self {
        self.reason = reason.to_owned();
        self
    }

    /// The tokens of prompt and answer; 10 and 5 if nothing is said.
    #[must_use]
    pub fn counts(mut self, prompt: u64, answer: u64) -> Self {
        self.counts = Some((prompt, answer));
        self
    }

    /// Waits between two pieces.
    #[must_use]
    pub fn pace(mut self, pause: Duration) -> Self {
        self.pace = pause;
        self
    }

    /// Closes the connection after `pieces` pieces.
    #[must_use]
    pub fn cut_after(mut self, pieces: usize) -> Self {
        self.stop = Some((pieces, Stop::Cut));
        self
    }

    /// Falls silent after `pieces` pieces.
    #[must_use]
    pub fn stall_after(mut self, pieces: usize) -> Self {
        self.stop = Some((pieces, Stop::Stall));
        self
    }

    /// Sends an error line after `pieces` pieces, and ends the body in good order.
    #[must_use]
    pub fn error_after(mut self, pieces: usize, message: &str) -> Self {
        self.stop = Some((pieces, Stop::Error(message.to_owned())));
        self
    }

    /// The answer as a stream.
    pub fn stream(&self) -> Attempt {
        let most = self.stop.as_ref().map_or(usize::MAX, |(pieces, _)| *pieces);
        let mut attempt = Attempt::new().status(200).header("content-type", "application/x-ndjson");
        for (place, message) in self.messages.iter().take(most).enumerate() {
            if place > 0 && !self.pace.is_zero() {
                attempt = attempt.wait(self.pace);
            }
            attempt = attempt.send(format!("{}\n", self.line(message.clone(), false)));
        }
        match &self.stop {
            None => attempt.send(format!("{}\n", self.line(json!({"content": ""}), true))),
            Some((_, Stop::Cut)) => attempt.cut(),
            Some((_, Stop::Stall)) => attempt.step(Step::Stall),
            Some((_, Stop::Error(message))) => attempt.send(format!("{}\n", json!({"error": message}))),
        }
    }

    /// The answer as one JSON object. Pauses and stops are of streams and do not show here.
    pub fn whole(&self) -> Attempt {
        let joined =
            |field: &str| self.messages.iter().filter_map(|message| message[field].as_str()).collect::<String>();
        let mut message = json!({"content": joined("content")});
        let thinking = joined("thinking");
        if !thinking.is_empty() {
            message["thinking"] = thinking.into();
        }
        let calls: Vec<Value> =
            self.messages.iter().filter_map(|message| message["tool_calls"].as_array()).flatten().cloned().collect();
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        Attempt::json(200, &self.line(message, true))
    }

    fn line(&self, mut message: Value, done: bool) -> Value {
        message["role"] = "assistant".into();
        let mut line = json!({"model": self.model, "created_at": CREATED, "message": message, "done": done});
        if done {
            line["done_reason"] = self.reason.as_str().into();
            line["total_duration"] = 7.into();
            if let Some((prompt, answer)) = self.counts {
                line["prompt_eval_count"] = prompt.into();
                line["eval_count"] = answer.into();
            }
        }
        line
    }
}

impl From<Answer> for Attempt {
    /// The stream.
    fn from(answer: Answer) -> Self {
        answer.stream()
    }
}
