//! Attempts that speak Anthropic's messages wire (`POST …/v1/messages`), as its API reference describes it: named
//! events, a message in blocks, counts in two parts, `message_stop` at the end.

use std::time::Duration;

use serde_json::{Value, json};

use crate::script::{Attempt, Route, Step};

/// The path of the messages route below the server's address.
pub const MESSAGES: &str = "/v1/messages";
/// The path of the list of models.
pub const MODELS: &str = "/v1/models";
/// The path that counts tokens.
pub const COUNT: &str = "/v1/messages/count_tokens";

/// The messages route, with these attempts.
pub fn messages<A: Into<Attempt>>(attempts: impl IntoIterator<Item = A>) -> Route {
    Route::new("POST", MESSAGES, attempts)
}

/// The route that lists these models, all on one page.
pub fn models<'a>(ids: impl IntoIterator<Item = &'a str>) -> Route {
    let entry = |id| json!({"type": "model", "id": id, "display_name": id, "created_at": "2026-01-01T00:00:00Z"});
    let list: Vec<Value> = ids.into_iter().map(entry).collect();
    let body = json!({"data": list, "has_more": false, "first_id": list.first().map(|one| &one["id"]),
        "last_id": list.last().map(|one| &one["id"])});
    Route::new("GET", MODELS, [Attempt::json(200, &body).always()])
}

/// The route that counts so many tokens.
pub fn count(tokens: u64) -> Route {
    Route::new("POST", COUNT, [Attempt::json(200, &json!({"input_tokens": tokens})).always()])
}

/// An error answer in Anthropic's form. Headers such as `retry-after` are added with [`Attempt::header`].
pub fn error(status: u16, kind: &str, message: &str) -> Attempt {
    Attempt::json(status, &error_body(kind, message))
}

/// The body of an error answer, which is the data of an error event, too.
pub fn error_body(kind: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_scripted"})
}

/// An answer, to be played as a stream or as a whole.
///
/// What is counted as a *piece* by the methods that stop it is each delta, and each block that comes whole, in the order
/// in which they were added.
#[derive(Debug, Clone)]
pub struct Answer {
    model: String,
    id: String,
    blocks: Vec<Block>,
    reason: Option<String>,
    input: Value,
    output: Value,
    with_stop: bool,
    first_after: Duration,
    pace: Duration,
    stop: Option<(usize, Stop)>,
}

/// A block: as it begins, its deltas, and as it stands in a whole answer.
#[derive(Debug, Clone)]
struct Block {
    begun: Value,
    deltas: Vec<Value>,
    whole: Value,
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
            id: "msg_scripted".to_owned(),
            blocks: Vec::new(),
            reason: None,
            input: json!({"input_tokens": 10, "output_tokens": 1}),
            output: json!({"output_tokens": 5}),
            with_stop: true,
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

    /// Adds a block of text, a delta for each piece.
    #[must_use]
    pub fn then_text<'a>(self, pieces: impl IntoIterator<Item = &'a str>) -> Self {
        let pieces: Vec<_> = pieces.into_iter().collect();
        let deltas = pieces.iter().map(|text| json!({"type": "text_delta", "text": text})).collect();
        self.block(json!({"type": "text", "text": ""}), deltas, json!({"type": "text", "text": pieces.concat()}))
    }

    /// Adds a block of thinking, a delta for each piece and one for the signature. Without pieces it is the block of a
    /// model that does not show its thinking.
    #[must_use]
    pub fn thinking<'a>(self, pieces: impl IntoIterator<Item = &'a str>, signature: &str) -> Self {
        let pieces: Vec<_> = pieces.into_iter().collect();
        let mut deltas: Vec<_> =
            pieces.iter().map(|text| json!({"type": "thinking_delta", "thinking": text})).collect();
        deltas.push(json!({"type": "signature_delta", "signature": signature}));
        let whole = json!({"type": "thinking", "thinking": pieces.concat(), "signature": signature});
        self.block(json!({"type": "thinking", "thinking": "", "signature": ""}), deltas, whole)
    }

    /// Adds a tool call: its start, and a delta for each fragment of its arguments after the empty one that the API
    /// sends first. The fragments need not make whole JSON. The reason becomes `tool_use` unless another is set.
    #[must_use]
    pub fn tool_use<'a>(self, id: &str, name: &str, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let fragments: Vec<_> = arguments.into_iter().collect();
        let delta = |text: &str| json!({"type": "input_json_delta", "partial_json": text});
        let deltas = [delta("")].into_iter().chain(fragments.iter().map(|text| delta(text))).collect();
        let begun = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
        let mut whole = begun.clone();
        whole["input"] = serde_json::from_str(&fragments.concat()).unwrap_or_else(|_| json!({}));
        let mut this = self.block(begun, deltas, whole);
        this.reason.get_or_insert_with(|| "tool_use".to_owned());
        this
    }

    /// Adds a block that comes whole, such as `redacted_thinking` or what a tool of the provider's own gave.
    #[must_use]
    pub fn whole_block(self, block: Value) -> Self {
        self.block(block.clone(), Vec::new(), block)
    }

    fn block(mut self, begun: Value, deltas: Vec<Value>, whole: Value) -> Self {
        self.blocks.push(Block { begun, deltas, whole });
        self
    }

    /// The model that the answer names.
    #[must_use]
    pub fn model(mut self, id: &str) -> Self {
        self.model = id.to_owned();
        self
    }

    /// The id of the message.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.id = id.to_owned();
        self
    }

    /// The stop reason, in place of `end_turn` or `tool_use`.
    #[must_use]
    pub fn stop_reason(mut self, reason: &str) -> Self {
        self.reason = Some(reason.to_owned());
        self
    }

    /// The tokens of prompt and answer; 10 and 5 if nothing is said.
    #[must_use]
    pub fn usage(self, input: u64, output: u64) -> Self {
        self.usage_details(json!({"input_tokens": input, "output_tokens": 1}), json!({"output_tokens": output}))
    }

    /// The whole `usage` of `message_start` and of `message_delta`, for cached or thinking tokens.
    #[must_use]
    pub fn usage_details(mut self, start: Value, end: Value) -> Self {
        (self.input, self.output) = (start, end);
        self
    }

    /// Leaves `message_stop` out.
    #[must_use]
    pub fn without_message_stop(mut self) -> Self {
        self.with_stop = false;
        self
    }

    /// Waits after `message_start`, before the first piece. (Before the head: [`Attempt::delayed`].)
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

    /// Closes the connection after `pieces` pieces; after `message_start` if 0.
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
    pub fn error_after(self, pieces: usize, kind: &str, message: &str) -> Self {
        self.stop_after(pieces, Stop::Error(error_body(kind, message)))
    }

    fn stop_after(mut self, pieces: usize, stop: Stop) -> Self {
        self.stop = Some((pieces, stop));
        self
    }

    fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or("end_turn")
    }

    fn message(&self, content: &[Value], reason: Option<&str>, usage: &Value) -> Value {
        json!({"id": self.id, "type": "message", "role": "assistant", "model": self.model, "content": content,
            "stop_reason": reason, "stop_sequence": null, "usage": usage})
    }

    /// The answer as a stream.
    pub fn stream(&self) -> Attempt {
        let mut attempt = Attempt::new().status(200).header("content-type", "text/event-stream; charset=utf-8");
        let message = self.message(&[], None, &self.input);
        attempt = attempt.send(event(&json!({"type": "message_start", "message": message})));
        attempt = attempt.send(event(&json!({"type": "ping"})));
        let stop_at = self.stop.as_ref().map_or(usize::MAX, |(pieces, _)| *pieces);
        let mut played = 0;
        let mut piece = |attempt: Attempt, json: Value| {
            if played == stop_at {
                return (attempt, false);
            }
            let pause = if played == 0 { self.first_after } else { self.pace };
            played += 1;
            let attempt = if pause.is_zero() { attempt } else { attempt.wait(pause) };
            (attempt.send(event(&json)), true)
        };
        let mut goes_on = true;
        'blocks: for (index, block) in self.blocks.iter().enumerate() {
            let begin = json!({"type": "content_block_start", "index": index, "content_block": block.begun});
            if block.deltas.is_empty() {
                (attempt, goes_on) = piece(attempt, begin);
                if !goes_on {
                    break;
                }
            } else {
                attempt = attempt.send(event(&begin));
            }
            for delta in &block.deltas {
                let json = json!({"type": "content_block_delta", "index": index, "delta": delta});
                (attempt, goes_on) = piece(attempt, json);
                if !goes_on {
                    break 'blocks;
                }
            }
            attempt = attempt.send(event(&json!({"type": "content_block_stop", "index": index})));
        }
        if let Some((_, stop)) = &self.stop {
            return match stop {
                Stop::Cut => attempt.cut(),
                Stop::Reset => attempt.reset(),
                Stop::Stall => attempt.step(Step::Stall),
                Stop::Error(body) => attempt.send(event(body)),
            };
        }
        debug_assert!(goes_on, "only a stop ends an answer early");
        let delta = json!({"stop_reason": self.reason(), "stop_sequence": null});
        attempt = attempt.send(event(&json!({"type": "message_delta", "delta": delta, "usage": self.output})));
        if self.with_stop { attempt.send(event(&json!({"type": "message_stop"}))) } else { attempt }
    }

    /// The answer as one JSON object, for a request without `stream`. Pauses and stops are of streams and do not show
    /// here.
    pub fn whole(&self) -> Attempt {
        let content: Vec<Value> = self.blocks.iter().map(|block| block.whole.clone()).collect();
        let mut usage = self.input.clone();
        for (key, value) in self.output.as_object().into_iter().flatten() {
            usage[key] = value.clone();
        }
        Attempt::json(200, &self.message(&content, Some(self.reason()), &usage))
    }
}

impl From<Answer> for Attempt {
    /// The stream.
    fn from(answer: Answer) -> Self {
        answer.stream()
    }
}

/// One event, under the name of its type.
pub fn event(json: &Value) -> String {
    format!("event: {}\ndata: {json}\n\n", json["type"].as_str().unwrap_or_default())
}
