//! Attempts that speak OpenAI's Responses API (`POST …/responses`), as its API reference describes it: named events, an
//! answer in items, each said whole at its end, counts in the last event, and no marker after that.

use serde_json::{Value, json};

use crate::script::{Attempt, Route};

/// The path of the route below the server's address.
pub const RESPONSES: &str = "/v1/responses";

/// The responses route, with these attempts.
pub fn responses<A: Into<Attempt>>(attempts: impl IntoIterator<Item = A>) -> Route {
    Route::new("POST", RESPONSES, attempts)
}

/// An answer, to be played as a stream or as a whole.
///
/// What is counted as a *piece* by the methods that stop it is each delta, and each item that comes whole, in the order in
/// which they were added.
#[derive(Debug, Clone)]
pub struct Answer {
    items: Vec<Item>,
    incomplete: Option<String>,
    usage: Value,
    stop: Option<(usize, Stop)>,
}

/// An item: as it begins, its deltas, and as it stands at its end.
#[derive(Debug, Clone)]
struct Item {
    begun: Value,
    deltas: Vec<Value>,
    whole: Value,
}

#[derive(Debug, Clone)]
enum Stop {
    Cut,
    Stall,
    Error(Value),
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            incomplete: None,
            usage: json!({"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}),
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

    /// Adds a message, a delta for each piece.
    #[must_use]
    pub fn then_text<'a>(self, pieces: impl IntoIterator<Item = &'a str>) -> Self {
        let pieces: Vec<_> = pieces.into_iter().collect();
        let delta = |text: &&str| json!({"type": "response.output_text.delta", "content_index": 0, "delta": text, "logprobs": []});
        let message = |content: Value| {
            json!({"type": "message", "id": format!("msg_{}", self.items.len()), "role": "assistant",
                "status": "completed", "content": content})
        };
        let part = json!({"type": "output_text", "text": pieces.concat(), "annotations": [], "logprobs": []});
        let (begun, whole) = (message(json!([])), message(json!([part])));
        let deltas = pieces.iter().map(delta).collect();
        self.item(begun, deltas, whole)
    }

    /// Adds reasoning: a summary in these pieces, and what is hidden.
    #[must_use]
    pub fn reasoning<'a>(self, pieces: impl IntoIterator<Item = &'a str>, hidden: &str) -> Self {
        let pieces: Vec<_> = pieces.into_iter().collect();
        let delta =
            |text: &&str| json!({"type": "response.reasoning_summary_text.delta", "summary_index": 0, "delta": text});
        let reasoning = |summary: Value, hidden: &str| {
            json!({"type": "reasoning", "id": format!("rs_{}", self.items.len()), "summary": summary,
                "encrypted_content": hidden})
        };
        let summary = match pieces.is_empty() {
            true => json!([]),
            false => json!([{"type": "summary_text", "text": pieces.concat()}]),
        };
        let (begun, whole) = (reasoning(json!([]), "not yet"), reasoning(summary, hidden));
        let deltas = pieces.iter().map(delta).collect();
        self.item(begun, deltas, whole)
    }

    /// Adds a call of a function: its start, and a delta for each fragment of its arguments, which need not make whole
    /// JSON.
    #[must_use]
    pub fn call<'a>(self, id: &str, name: &str, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let fragments: Vec<_> = arguments.into_iter().collect();
        let delta = |text: &&str| json!({"type": "response.function_call_arguments.delta", "delta": text});
        let call = |arguments: &str| {
            json!({"type": "function_call", "id": format!("fc_{}", self.items.len()), "call_id": id, "name": name,
                "status": "completed", "arguments": arguments})
        };
        let (begun, whole) = (call(""), call(&fragments.concat()));
        let deltas = fragments.iter().map(delta).collect();
        self.item(begun, deltas, whole)
    }

    /// Adds an item that comes whole, such as what a tool of the provider's own gave.
    #[must_use]
    pub fn whole_item(self, item: Value) -> Self {
        self.item(item.clone(), Vec::new(), item)
    }

    fn item(mut self, begun: Value, deltas: Vec<Value>, whole: Value) -> Self {
        self.items.push(Item { begun, deltas, whole });
        self
    }

    /// Has it end early, for this reason.
    #[must_use]
    pub fn incomplete(mut self, reason: &str) -> Self {
        self.incomplete = Some(reason.to_owned());
        self
    }

    /// The whole `usage`; 10 tokens of prompt and 5 of answer if nothing is said.
    #[must_use]
    pub fn usage(mut self, usage: Value) -> Self {
        self.usage = usage;
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

    /// Fails after `pieces` pieces, as the API does: with an error event, a response that failed, and the body's end.
    #[must_use]
    pub fn error_after(mut self, pieces: usize, code: &str, message: &str) -> Self {
        self.stop = Some((pieces, Stop::Error(json!({"code": code, "message": message}))));
        self
    }

    fn response(&self, status: &str, output: &[Value], usage: &Value) -> Value {
        let why = self.incomplete.as_ref().filter(|_| status == "incomplete").map(|reason| json!({"reason": reason}));
        json!({"id": "resp_scripted", "object": "response", "created_at": 1_700_000_000, "status": status,
            "model": "scripted-model", "output": output, "error": null, "incomplete_details": why, "usage": usage,
            "instructions": null, "tools": [], "store": false})
    }

    fn end(&self) -> &'static str {
        if self.incomplete.is_some() { "incomplete" } else { "completed" }
    }

    /// The answer as a stream.
    pub fn stream(&self) -> Attempt {
        let mut attempt = Attempt::new().status(200).header("content-type", "text/event-stream; charset=utf-8");
        let mut numbers = 0..;
        let mut numbered = |mut json: Value| {
            json["sequence_number"] = numbers.next().into();
            event(&json)
        };
        for kind in ["created", "in_progress"] {
            let response = self.response("in_progress", &[], &Value::Null);
            attempt = attempt.send(numbered(json!({"type": format!("response.{kind}"), "response": response})));
        }
        let mut left = self.stop.as_ref().map_or(usize::MAX, |(pieces, _)| *pieces);
        'items: for (index, item) in self.items.iter().enumerate() {
            let begun = json!({"type": "response.output_item.added", "output_index": index, "item": item.begun});
            attempt = attempt.send(numbered(begun));
            for delta in &item.deltas {
                if left == 0 {
                    break 'items;
                }
                left -= 1;
                let mut delta = delta.clone();
                delta["output_index"] = index.into();
                delta["item_id"] = item.begun["id"].clone();
                attempt = attempt.send(numbered(delta));
            }
            if item.deltas.is_empty() {
                if left == 0 {
                    break;
                }
                left -= 1;
            }
            let done = json!({"type": "response.output_item.done", "output_index": index, "item": item.whole});
            attempt = attempt.send(numbered(done));
        }
        match &self.stop {
            Some((_, Stop::Cut)) => attempt.cut(),
            Some((_, Stop::Stall)) => attempt.stall(),
            Some((_, Stop::Error(error))) => {
                let mut response = self.response("failed", &[], &Value::Null);
                response["error"] = error.clone();
                attempt = attempt.send(numbered(json!({"type": "error", "error": error})));
                attempt.send(numbered(json!({"type": "response.failed", "response": response})))
            }
            None => {
                let response = self.response(self.end(), &self.output(), &self.usage);
                attempt.send(numbered(json!({"type": format!("response.{}", self.end()), "response": response})))
            }
        }
    }

    fn output(&self) -> Vec<Value> {
        self.items.iter().map(|item| item.whole.clone()).collect()
    }

    /// The answer as one JSON object. Stops are of streams and do not show here.
    pub fn whole(&self) -> Attempt {
        Attempt::json(200, &self.response(self.end(), &self.output(), &self.usage))
    }
}

impl From<Answer> for Attempt {
    /// The stream.
    fn from(answer: Answer) -> Self {
        answer.stream()
    }
}

/// One event, under the name of its type.
fn event(json: &Value) -> String {
    format!("event: {}\ndata: {json}\n\n", json["type"].as_str().unwrap_or_default())
}
