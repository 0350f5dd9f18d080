//! The two wires that providers of the table speak, and the pieces of which their faults are made.

use greenroom_tests::Step;
use greenroom_tests::{Attempt, Route, When, anthropic, openai};

/// The whole answer of the provider that fails, in the pieces in which it comes.
pub const PIECES: [&str; 3] =
    ["The river rises in the hills above the town, ", "and ends in the sea \u{1f30a} ", "after forty miles."];
/// The same at once.
pub const WHOLE: &str = "The river rises in the hills above the town, and ends in the sea \u{1f30a} after forty miles.";
/// As far as it comes where it is broken off.
pub const BEGUN: &str = "The river rises in the hills above the town, and ends in the sea \u{1f30a} ";
/// The answer of the provider behind.
pub const SECOND: &str = "The second one answers.";
/// Tokens of prompt and answer, as the failing one and the one behind tell them.
pub const USAGE: [[u64; 2]; 2] = [[31, 7], [43, 5]];
/// The models as the two name themselves.
pub const MODELS: [&str; 2] = ["first-model", "second-model"];
/// Words of the request to go on with an answer.
const GO_ON: &str = "cut off by a technical fault";

/// What errors say, by status: OpenAI's type and code, Anthropic's type, and the message.
pub const ERROR_BODIES: [(u16, &str, Option<&str>, &str, &str); 8] = [
    (400, "invalid_request_error", Some("invalid_value"), "invalid_request_error", "that can't be asked"),
    (413, "invalid_request_error", None, "request_too_large", "the request is too large"),
    (429, "rate_limit_error", Some("rate_limit_exceeded"), "rate_limit_error", "slow down"),
    (500, "server_error", None, "api_error", "it broke here"),
    (503, "server_error", None, "overloaded_error", "too much to do"),
    (529, "overloaded_error", None, "overloaded_error", "far too much to do"),
    (401, "invalid_request_error", Some("invalid_api_key"), "authentication_error", "no such key"),
    (404, "invalid_request_error", Some("model_not_found"), "not_found_error", "no such model"),
];

/// A wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    OpenAi,
    Anthropic,
}

impl Wire {
    pub fn other(self) -> Self {
        match self {
            Self::OpenAi => Self::Anthropic,
            Self::Anthropic => Self::OpenAi,
        }
    }

    /// The lines of a provider's section that say where it is.
    pub fn section(self, name: &str, url: &str) -> String {
        let (kind, version) = match self {
            Self::OpenAi => ("openai-compatible", "/v1"),
            Self::Anthropic => ("anthropic", ""),
        };
        format!(
            "[providers.{name}]\nkind = \"{kind}\"\nbase_url = \"{url}{version}\"\nkey = \"{name}-key\"\nallow_http = true\n"
        )
    }

    /// The path of its chats.
    pub fn path(self) -> &'static str {
        match self {
            Self::OpenAi => openai::CHAT,
            Self::Anthropic => anthropic::MESSAGES,
        }
    }

    pub fn route(self, attempts: Vec<Attempt>) -> Route {
        Route::new("POST", self.path(), attempts)
    }

    pub fn models(self) -> Route {
        match self {
            Self::OpenAi => openai::models(["m1"]),
            Self::Anthropic => anthropic::models(["m1"]),
        }
    }

    fn answer<'a>(self, pieces: impl IntoIterator<Item = &'a str>, who: usize) -> [Attempt; 2] {
        let [prompt, answer] = USAGE[who];
        match self {
            Self::OpenAi => {
                let answer = openai::Answer::text(pieces).model(MODELS[who]).usage(prompt, answer);
                [answer.stream(), answer.whole()]
            }
            Self::Anthropic => {
                let answer = anthropic::Answer::text(pieces).model(MODELS[who]).usage(prompt, answer);
                [answer.stream(), answer.whole()]
            }
        }
    }

    /// The whole answer as a stream.
    pub fn good(self) -> Attempt {
        let [stream, _] = self.answer(PIECES, 0);
        stream
    }

    /// The same as one object of JSON.
    pub fn whole(self) -> Attempt {
        let [_, whole] = self.answer(PIECES, 0);
        whole
    }

    /// How many steps of an answer come before its first piece: head, start, what opens a block.
    fn before_text(self) -> usize {
        match self {
            Self::OpenAi => 2,
            Self::Anthropic => 4,
        }
    }

    /// The head and what comes before the first token.
    pub fn opened(self) -> Attempt {
        self.upto(self.before_text())
    }

    /// The answer as far as `BEGUN`.
    pub fn begun(self) -> Attempt {
        self.upto(self.before_text() + 2)
    }

    fn upto(self, steps: usize) -> Attempt {
        let mut attempt = self.good();
        attempt.steps.truncate(steps);
        attempt
    }

    /// What is left of the answer after `BEGUN`.
    pub fn left(self) -> Attempt {
        let mut attempt = self.good();
        attempt.steps.drain(..self.before_text() + 2);
        attempt
    }

    /// The answer with this after `BEGUN`, and then its rest.
    pub fn with_midway(self, steps: Attempt) -> Attempt {
        joined(self.begun(), joined(steps, self.left()))
    }

    /// The answer as far as `BEGUN`, and then this.
    pub fn broken_by(self, steps: Attempt) -> Attempt {
        joined(self.begun(), steps)
    }

    /// An event of this data, under its name where the wire names events.
    pub fn event(self, data: &str) -> String {
        let kind = serde_json::from_str::<serde_json::Value>(data).unwrap_or_default()["type"].clone();
        match (self, kind.as_str()) {
            (Self::Anthropic, Some(kind)) => format!("event: {kind}\ndata: {data}\n\n"),
            _ => format!("data: {data}\n\n"),
        }
    }

    /// A piece of text that isn't of the answer.
    pub fn delta(self, text: &str) -> String {
        self.event(&match self {
            Self::OpenAi => format!(
                r#"{{"id":"c","model":"first-model","choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}"#
            ),
            Self::Anthropic => {
                format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#)
            }
        })
    }

    /// The error that goes with a status.
    pub fn error(self, status: u16) -> Attempt {
        let (_, kind, code, anthropic, message) = said(status);
        match self {
            Self::OpenAi => openai::error(status, kind, code, message),
            Self::Anthropic => anthropic::error(status, anthropic, message),
        }
    }

    /// Its body, as text.
    pub fn error_body(self, status: u16) -> String {
        let (_, kind, code, anthropic, message) = said(status);
        match self {
            Self::OpenAi => openai::error_body(kind, code, message).to_string(),
            Self::Anthropic => anthropic::error_body(anthropic, message).to_string(),
        }
    }

    /// A refusal of status 400 with another code or, on Anthropic's wire, other words.
    pub fn refusal(self, code: &str, words: &str) -> Attempt {
        match self {
            Self::OpenAi => openai::error(400, "invalid_request_error", Some(code), words),
            Self::Anthropic => anthropic::error(400, "invalid_request_error", words),
        }
    }

    /// Plays `broken` until it is asked to go on with it, which it does.
    pub fn recovering(self, broken: Attempt) -> Vec<Attempt> {
        let [rest, _] = self.answer([PIECES[2]], 0);
        vec![rest.when(When::body_contains(GO_ON)).always(), broken.always()]
    }

    /// What the provider behind plays: the rest of an answer if it is to go on with one, and else its own.
    pub fn behind(self) -> Vec<Attempt> {
        let [rest, _] = self.answer([PIECES[2]], 1);
        let [own, _] = self.answer([&SECOND[..7], &SECOND[7..]], 1);
        vec![rest.when(When::body_contains(GO_ON)).always(), own.always()]
    }

    /// The same of one that refuses the beginning of an answer, and goes on once it is asked in words.
    pub fn refusing_prefill(self) -> Vec<Attempt> {
        let words =
            "This model does not support assistant message prefill. The conversation must end with a user message.";
        let refusal = self.refusal("invalid_value", words).when(When::body_contains("in the sea"));
        let [rest, _] = self.answer([PIECES[2]], 1);
        vec![rest.when(When::body_contains(GO_ON)).always(), refusal.always()]
    }
}

fn said(status: u16) -> (u16, &'static str, Option<&'static str>, &'static str, &'static str) {
    ERROR_BODIES.into_iter().find(|(of, ..)| *of == status).expect("each status of the table has its words")
}

/// One attempt after the other.
pub fn joined(mut attempt: Attempt, then: Attempt) -> Attempt {
    attempt.steps.extend(then.steps);
    attempt
}

/// All bytes of the body that an attempt sends.
pub fn body_of(attempt: &Attempt) -> Vec<u8> {
    let bytes = attempt.steps.iter().filter_map(|step| match step {
        Step::Send(payload) | Step::Body(payload) => Some(payload.as_bytes().to_vec()),
        _ => None,
    });
    bytes.flatten().collect()
}
