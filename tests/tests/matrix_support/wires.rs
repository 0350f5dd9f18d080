//! Providers of each wire, which answer the same.

use greenroom_tests::{Attempt, Route, Script, ScriptedProvider, When};
use greenroom_tests::{anthropic, bedrock, gemini, ollama, openai, responses};
use serde_json::{Value, json};

use super::{BROKEN, CALLS, LENGTH, LIMITED, RESULT, SAID, TEXT, THINKING};

/// A wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Chat,
    Responses,
    Anthropic,
    Gemini,
    Ollama,
    Bedrock,
}

impl Wire {
    pub const ALL: [Self; 6] =
        [Self::Chat, Self::Responses, Self::Anthropic, Self::Gemini, Self::Ollama, Self::Bedrock];

    /// A provider of this wire, and its section of the configuration, in which it is called `lab`.
    pub async fn start(self) -> (ScriptedProvider, String) {
        let provider = ScriptedProvider::start(Script::new(self.routes())).await;
        let (kind, path) = match self {
            Self::Chat => ("openai-compatible", "/v1"),
            Self::Responses => ("openai-compatible", "/v1\"\nwire = \"responses"),
            Self::Anthropic => ("anthropic", ""),
            Self::Gemini => ("gemini", ""),
            Self::Ollama => ("ollama", ""),
            Self::Bedrock => ("bedrock", "\"\nregion = \"us-east-1"),
        };
        let section = format!(
            "[failover]\nmax_wait = \"0s\"\non_interrupt = \"fail\"\n[providers.lab]\nkind = \"{kind}\"\n\
             base_url = \"{}{path}\"\nkey = \"k\"\n[providers.lab.models.m]\ntools = true\nreasoning = true\n",
            provider.url()
        );
        (provider, section)
    }

    /// MCP's tool for providers of this wire's kind, where that has one.
    pub fn tool(self) -> Option<&'static str> {
        match self {
            Self::Anthropic => Some("ai_claude_chat"),
            Self::Gemini => Some("ai_gemini_chat"),
            Self::Ollama => Some("ai_ollama_chat"),
            Self::Chat | Self::Responses | Self::Bedrock => None,
        }
    }

    fn routes(self) -> Vec<Route> {
        let attempts = self.attempts();
        match self {
            Self::Chat => vec![openai::chat(attempts), openai::models(["m"])],
            Self::Responses => vec![responses::responses(attempts), openai::models(["m"])],
            Self::Anthropic => vec![anthropic::messages(attempts), anthropic::models(["m"])],
            Self::Gemini => vec![gemini::stream("m", attempts), gemini::models(["m"])],
            Self::Ollama => vec![ollama::chat(attempts), ollama::tags(["m"])],
            Self::Bedrock => vec![bedrock::stream("m", attempts)],
        }
    }

    fn attempts(self) -> Vec<Attempt> {
        let when = |attempt: Attempt, words: &str| attempt.when(When::body_contains(words)).always();
        vec![
            // A result is in the history of calls, so it has to be looked for first.
            when(self.text(&["It is ", "warm."]), RESULT),
            when(self.calls(), CALLS),
            when(self.thinking(), THINKING),
            when(self.length(), LENGTH),
            when(self.limited(), LIMITED),
            when(self.broken(), BROKEN),
            when(self.text(&SAID), TEXT),
        ]
    }

    fn text(self, pieces: &[&str]) -> Attempt {
        let pieces = pieces.iter().copied();
        match self {
            Self::Chat => openai::Answer::text(pieces).usage(10, 5).stream(),
            Self::Responses => responses::Answer::text(pieces).usage(responses_usage()).stream(),
            Self::Anthropic => anthropic::Answer::text(pieces).usage(10, 5).stream(),
            Self::Gemini => gemini::Answer::text(pieces).usage(gemini_usage()).stream(),
            Self::Ollama => ollama::Answer::text(pieces).counts(10, 5).stream(),
            Self::Bedrock => bedrock::Answer::text(pieces).into(),
        }
    }

    fn calls(self) -> Attempt {
        let cities = ["Oslo", "Bergen"];
        let halves = |city: &str| ["{\"city\":".to_owned(), format!("\"{city}\"}}")];
        match self {
            Self::Chat => {
                let answer = openai::Answer::new();
                cities
                    .iter()
                    .enumerate()
                    .fold(answer, |answer, (index, city)| {
                        let halves = halves(city);
                        answer.tool_call(&format!("c{index}"), "weather", halves.iter().map(String::as_str))
                    })
                    .stream()
            }
            Self::Responses => {
                let answer = responses::Answer::new();
                cities
                    .iter()
                    .enumerate()
                    .fold(answer, |answer, (index, city)| {
                        let halves = halves(city);
                        answer.call(&format!("c{index}"), "weather", halves.iter().map(String::as_str))
                    })
                    .stream()
            }
            Self::Anthropic => {
                let answer = anthropic::Answer::new();
                let answer = cities.iter().enumerate().fold(answer, |answer, (index, city)| {
                    let halves = halves(city);
                    answer.tool_use(&format!("c{index}"), "weather", halves.iter().map(String::as_str))
                });
                answer.stop_reason("tool_use").stream()
            }
            Self::Gemini => {
                let part = |city: &str| json!({"functionCall": {"name": "weather", "args": {"city": city}}});
                cities.iter().fold(gemini::Answer::new(), |answer, city| answer.part(part(city))).stream()
            }
            Self::Ollama => {
                let answer = ollama::Answer::new();
                cities
                    .iter()
                    .fold(answer, |answer, city| answer.tool_call(None, "weather", &json!({"city": city})))
                    .stream()
            }
            Self::Bedrock => {
                let answer = bedrock::Answer::new();
                let answer = cities.iter().enumerate().fold(answer, |answer, (index, city)| {
                    let start = json!({"toolUse": {"toolUseId": format!("c{index}"), "name": "weather"}});
                    let input = json!({"toolUse": {"input": halves(city).concat()}});
                    answer
                        .event("contentBlockStart", json!({"contentBlockIndex": index, "start": start}))
                        .event("contentBlockDelta", json!({"contentBlockIndex": index, "delta": input}))
                        .event("contentBlockStop", json!({"contentBlockIndex": index}))
                });
                answer.end("tool_use").into()
            }
        }
    }

    fn thinking(self) -> Attempt {
        match self {
            Self::Chat => openai::Answer::new().reasoning(["Hm", "m."]).then_text(["So."]).stream(),
            Self::Responses => responses::Answer::new().reasoning(["Hm", "m."], "sealed").then_text(["So."]).stream(),
            Self::Anthropic => anthropic::Answer::new().thinking(["Hm", "m."], "signed").then_text(["So."]).stream(),
            Self::Gemini => gemini::Answer::new().thinking("Hmm.").then_text(["So."]).stream(),
            Self::Ollama => ollama::Answer::new().thinking(["Hm", "m."]).then_text(["So."]).stream(),
            Self::Bedrock => {
                let thought = json!({"reasoningContent": {"text": "Hmm."}});
                let signed = json!({"reasoningContent": {"signature": "signed"}});
                bedrock::Answer::new()
                    .event("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": thought}))
                    .event("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": signed}))
                    .event("contentBlockStop", json!({"contentBlockIndex": 0}))
                    .event("contentBlockDelta", json!({"contentBlockIndex": 1, "delta": {"text": "So."}}))
                    .event("contentBlockStop", json!({"contentBlockIndex": 1}))
                    .end("end_turn")
                    .into()
            }
        }
    }

    fn length(self) -> Attempt {
        let said = ["Too"];
        match self {
            Self::Chat => openai::Answer::text(said).finish("length").stream(),
            Self::Responses => responses::Answer::text(said).incomplete("max_output_tokens").stream(),
            Self::Anthropic => anthropic::Answer::text(said).stop_reason("max_tokens").stream(),
            Self::Gemini => gemini::Answer::text(said).reason(Some("MAX_TOKENS")).stream(),
            Self::Ollama => ollama::Answer::text(said).reason("length").stream(),
            Self::Bedrock => bedrock::Answer::new()
                .event("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"text": "Too"}}))
                .event("contentBlockStop", json!({"contentBlockIndex": 0}))
                .end("max_tokens")
                .into(),
        }
    }

    fn limited(self) -> Attempt {
        let attempt = match self {
            Self::Chat | Self::Responses => openai::error(429, "rate_limit_error", Some("rate_limit_exceeded"), "slow"),
            Self::Anthropic => anthropic::error(429, "rate_limit_error", "slow"),
            Self::Gemini => gemini::error(429, "RESOURCE_EXHAUSTED", "slow", Value::Null),
            Self::Ollama => ollama::error(429, "slow"),
            Self::Bedrock => bedrock::error(429, "ThrottlingException", "slow"),
        };
        attempt.header("retry-after", "7")
    }

    fn broken(self) -> Attempt {
        let said = ["Hel", "lo"];
        match self {
            Self::Chat => openai::Answer::text(said).cut_after(1).stream(),
            Self::Responses => responses::Answer::text(said).cut_after(1).stream(),
            Self::Anthropic => anthropic::Answer::text(said).cut_after(1).stream(),
            Self::Gemini => gemini::Answer::text(said).cut_after(1).stream(),
            Self::Ollama => ollama::Answer::text(said).cut_after(1).stream(),
            Self::Bedrock => bedrock::Answer::text(said).cut_after(2).into(),
        }
    }
}

fn responses_usage() -> Value {
    json!({"input_tokens": 10, "output_tokens": 5, "total_tokens": 15})
}

fn gemini_usage() -> Value {
    json!({"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15})
}
