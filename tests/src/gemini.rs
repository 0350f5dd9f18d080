//! Attempts that speak Gemini's wire (`POST …/v1beta/models/MODEL:streamGenerateContent`), as its API reference describes
//! it: chunks with new parts each, calls of functions whole, counts that grow, no marker at the end.

use std::time::Duration;

use serde_json::{Value, json};

use crate::script::{Attempt, Route};

/// The path of the list of models.
pub const MODELS: &str = "/v1beta/models";

/// The path of a method of a model.
pub fn path(model: &str, method: &str) -> String {
    format!("{MODELS}/{model}:{method}")
}

/// The route of a model's streamed answers, with these attempts.
pub fn stream<A: Into<Attempt>>(model: &str, attempts: impl IntoIterator<Item = A>) -> Route {
    Route::new("POST", &path(model, "streamGenerateContent"), attempts)
}

/// The route that lists these models, all on one page.
pub fn models<'a>(ids: impl IntoIterator<Item = &'a str>) -> Route {
    let entry = |id: &str| {
        json!({"name": format!("models/{id}"), "displayName": id, "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536,
            "supportedGenerationMethods": ["generateContent", "countTokens"]})
    };
    let list: Vec<Value> = ids.into_iter().map(entry).collect();
    Route::new("GET", MODELS, [Attempt::json(200, &json!({"models": list})).always()])
}

/// An error answer in Google's form, with its details.
pub fn error(code: u16, status: &str, message: &str, details: Value) -> Attempt {
    Attempt::json(code, &error_body(code, status, message, details))
}

/// The body of an error answer, which is a chunk that fails a stream, too.
pub fn error_body(code: u16, status: &str, message: &str, details: Value) -> Value {
    json!({"error": {"code": code, "message": message, "status": status, "details": details}})
}

/// An answer, to be played as a stream or as a whole.
#[derive(Debug, Clone)]
pub struct Answer {
    model: String,
    id: String,
    parts: Vec<Value>,
    reason: Option<String>,
    usage: Value,
    pace: Duration,
    stop: Option<(usize, Stop)>,
}

#[derive(Debug, Clone)]
enum Stop {
    Cut,
    Error(Value),
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            model: "scripted-model".to_owned(),
            id: "scripted".to_owned(),
            parts: Vec::new(),
            reason: Some("STOP".to_owned()),
            usage: json!({"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}),
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

    /// An answer of this text, a chunk for each piece.
    pub fn text<'a>(pieces: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new().then_text(pieces)
    }

    /// Adds text, a chunk for each piece.
    #[must_use]
    pub fn then_text<'a>(mut self, pieces: impl IntoIterator<Item = &'a str>) -> Self {
        self.parts.extend(pieces.into_iter().map(|text| json!({"text": text})));
        self
    }

    /// Adds what the model thinks, as far as it shows it.
    #[must_use]
    pub fn thinking(self, text: &str) -> Self {
        self.part(json!({"text": text, "thought": true}))
    }

    /// Adds a part as it is, in a chunk of its own.
    #[must_use]
    pub fn part(mut self, part: Value) -> Self {
        self.parts.push(part);
        self
    }

    /// The finish reason, in place of `STOP`; none at all leaves the stream without its end.
    #[must_use]
    pub fn reason(mut self, reason: Option<&str>) -> Self {
        self.reason = reason.map(str::to_owned);
        self
    }

    /// The whole `usageMetadata` of the last chunk.
    #[must_use]
    pub fn usage(mut self, usage: Value) -> Self {
        self.usage = usage;
        self
    }

    /// Waits between two chunks.
    #[must_use]
    pub fn pace(mut self, pause: Duration) -> Self {
        self.pace = pause;
        self
    }

    /// Closes the connection after `parts` parts.
    #[must_use]
    pub fn cut_after(mut self, parts: usize) -> Self {
        self.stop = Some((parts, Stop::Cut));
        self
    }

    /// Sends an error in place of the next chunk after `parts` parts, and ends the body in good order.
    #[must_use]
    pub fn error_after(mut self, parts: usize, body: Value) -> Self {
        self.stop = Some((parts, Stop::Error(body)));
        self
    }

    fn chunk(&self, parts: &[Value]) -> Value {
        json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0}], "modelVersion": self.model,
            "responseId": self.id})
    }

    fn last(&self, parts: &[Value]) -> Value {
        let mut last = self.chunk(parts);
        if let Some(reason) = &self.reason {
            last["candidates"][0]["finishReason"] = reason.as_str().into();
        }
        last["usageMetadata"] = self.usage.clone();
        last
    }

    /// The answer as a stream of events.
    pub fn stream(&self) -> Attempt {
        let mut attempt = Attempt::new().status(200).header("content-type", "text/event-stream");
        for (number, part) in self.parts.iter().enumerate() {
            match &self.stop {
                Some((parts, Stop::Cut)) if *parts == number => return attempt.cut(),
                Some((parts, Stop::Error(body))) if *parts == number => return attempt.send(event(body)),
                _ => {}
            }
            if number > 0 && !self.pace.is_zero() {
                attempt = attempt.wait(self.pace);
            }
            attempt = attempt.send(event(&self.chunk(std::slice::from_ref(part))));
        }
        attempt.send(event(&self.last(&[])))
    }

    /// The answer as one JSON object. Pauses and stops are of streams and do not show here.
    pub fn whole(&self) -> Attempt {
        Attempt::json(200, &self.last(&self.parts))
    }

    /// The answer as the array of chunks that comes where events were not asked for.
    pub fn array(&self) -> Attempt {
        let chunks = self.parts.iter().map(|part| self.chunk(std::slice::from_ref(part))).chain([self.last(&[])]);
        Attempt::json(200, &chunks.collect())
    }
}

impl From<Answer> for Attempt {
    /// The stream.
    fn from(answer: Answer) -> Self {
        answer.stream()
    }
}

/// One event, with the line ends that the API has.
pub fn event(json: &Value) -> String {
    format!("data: {json}\r\n\r\n")
}
