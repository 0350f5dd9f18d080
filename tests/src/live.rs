//! A small suite against real providers, for whoever has their keys in the environment.
//!
//! It says of each provider what worked, and of each that was not asked why. What it asks is short and costs fractions of a
//! cent. A model may always answer something else than it was told to, so what fails says what was answered.

use std::{collections::BTreeMap, fmt};

use serde_json::{Value, json};

use crate::{
    client::{post_json, request},
    harness::{Daemon, Home},
    openai::CHAT,
};

/// A provider that can be asked: how it is found, and which models are asked for cheapness, the first that is listed.
struct Known {
    name: &'static str,
    /// Any of these leads to it.
    variables: &'static [&'static str],
    /// What else it is found by.
    beside: &'static [&'static str],
    cheap: &'static [&'static str],
    embeds: &'static [&'static str],
}

/// Where a server of llama.cpp's is.
const LLAMACPP: &str = "LLAMACPP_BASE_URL";

const KNOWN: [Known; 10] = [
    Known {
        name: "anthropic",
        variables: &["ANTHROPIC_API_KEY"],
        beside: &["ANTHROPIC_BASE_URL"],
        cheap: &["claude-haiku"],
        embeds: &[],
    },
    Known {
        name: "openai",
        variables: &["OPENAI_API_KEY", "OPENAI_BASE_URL"],
        beside: &["OPENAI_ORG_ID", "OPENAI_PROJECT_ID"],
        cheap: &["gpt-5-mini", "gpt-5-nano", "gpt-4.1-mini"],
        embeds: &["text-embedding-3-small"],
    },
    Known {
        name: "azure",
        variables: &["AZURE_OPENAI_API_KEY"],
        beside: &["AZURE_OPENAI_ENDPOINT", "OPENAI_API_VERSION", "AZURE_OPENAI_API_VERSION"],
        cheap: &[],
        embeds: &[],
    },
    Known {
        name: "gemini",
        variables: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        beside: &["GOOGLE_GEMINI_BASE_URL"],
        cheap: &["gemini-2.5-flash-lite", "gemini-2.5-flash"],
        embeds: &["gemini-embedding-001"],
    },
    Known {
        name: "vertex",
        variables: &["GOOGLE_CLOUD_PROJECT"],
        beside: &["GOOGLE_CLOUD_LOCATION", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_GENAI_USE_VERTEXAI"],
        cheap: &["gemini-2.5-flash-lite", "gemini-2.5-flash"],
        embeds: &["gemini-embedding-001"],
    },
    Known {
        name: "bedrock",
        variables: &["AWS_BEARER_TOKEN_BEDROCK"],
        beside: &["AWS_REGION", "AWS_DEFAULT_REGION"],
        cheap: &["us.amazon.nova-lite", "amazon.nova-lite"],
        embeds: &["amazon.titan-embed-text-v2"],
    },
    Known {
        name: "copilot",
        variables: &["COPILOT_GITHUB_TOKEN"],
        beside: &[],
        cheap: &["gpt-5-mini", "gpt-4.1"],
        embeds: &["text-embedding-3-small"],
    },
    Known {
        name: "openrouter",
        variables: &["OPENROUTER_API_KEY"],
        beside: &[],
        cheap: &["openai/gpt-5-mini", "openai/gpt-4.1-mini"],
        embeds: &["openai/text-embedding-3-small"],
    },
    Known { name: "ollama", variables: &["OLLAMA_HOST"], beside: &["OLLAMA_API_KEY"], cheap: &[], embeds: &["embed"] },
    Known { name: "llamacpp", variables: &[LLAMACPP], beside: &[], cheap: &[], embeds: &[] },
];

/// What came of the suite at one provider.
#[derive(Debug)]
pub struct Report {
    /// The provider.
    pub provider: &'static str,
    /// What was asked, and how that went; nothing if it was passed over.
    pub checks: Vec<(&'static str, Check)>,
    /// Why it was passed over.
    pub passed_over: Option<String>,
}

/// How one check went.
#[derive(Debug)]
pub enum Check {
    /// As it should.
    Worked,
    /// There is nothing there to be checked.
    PassedOver(String),
    /// Not as it should.
    Failed(String),
}

impl Report {
    /// Whether nothing failed.
    pub fn is_good(&self) -> bool {
        !self.checks.iter().any(|(_, check)| matches!(check, Check::Failed(_)))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.passed_over {
            return write!(f, "{}: passed over, since {why}", self.provider);
        }
        write!(f, "{}:", self.provider)?;
        for (what, check) in &self.checks {
            match check {
                Check::Worked => write!(f, " {what} ok,")?,
                Check::PassedOver(why) => write!(f, " {what} passed over ({why}),")?,
                Check::Failed(why) => write!(f, "\n  {what} FAILED: {why}\n ")?,
            }
        }
        Ok(())
    }
}

/// Asks every provider that `environment` leads to. `GREENROOM_LIVE_<PROVIDER>` names the model that is asked.
///
/// # Panics
/// If the program can't be run.
pub async fn run(environment: &BTreeMap<String, String>) -> Vec<Report> {
    let mut reports = Vec::new();
    for known in &KNOWN {
        let set = |name: &&&str| environment.get(**name).is_some_and(|value| !value.is_empty());
        if known.variables.iter().find(set).is_none() {
            let passed_over = Some(format!("{} is not set", known.variables.join(" or ")));
            reports.push(Report { provider: known.name, checks: Vec::new(), passed_over });
            continue;
        }
        let mut home = Home::new();
        // Nothing in the environment leads to it, or to a port of its own.
        if let Some(address) = environment.get(LLAMACPP).filter(|_| known.name == "llamacpp") {
            home.config(&format!("[providers.llamacpp]\nbase_url = \"{address}\"\n"));
        }
        for name in known.variables.iter().chain(known.beside).filter(set) {
            home.env(name, &environment[*name]);
        }
        let wanted = environment.get(&format!("GREENROOM_LIVE_{}", known.name.to_uppercase()));
        let daemon = home.serve(&[]).await;
        let checks = at(known, &home, &daemon, wanted.map(String::as_str)).await;
        reports.push(Report { provider: known.name, checks, passed_over: None });
    }
    reports
}

async fn at(known: &Known, home: &Home, daemon: &Daemon, wanted: Option<&str>) -> Vec<(&'static str, Check)> {
    let mut checks = Vec::new();
    let test = home.run(&["providers", "test", known.name]).await;
    checks.push(("test", judged(test.code() == Some(0), || test.stdout.clone() + &test.stderr)));
    let listed = home.run(&["models", "--provider", known.name, "--json"]).await;
    let ids: Vec<String> = listed.stdout.lines().filter_map(id).collect();
    checks.push(("models", judged(!ids.is_empty(), || listed.stderr.clone())));
    let first = |of: &[&str]| of.iter().find_map(|part| ids.iter().find(|id| id.contains(part)).cloned());
    let chosen = wanted.map(|model| format!("{}/{model}", known.name)).or_else(|| first(known.cheap));
    let Some(model) = chosen.or_else(|| ids.iter().find(|id| !id.contains("embed")).cloned()) else {
        checks.push(("chat", Check::PassedOver("no model is listed, and GREENROOM_LIVE_… names none".into())));
        return checks;
    };
    let asking = Asking { url: daemon.url().to_owned(), token: daemon.token(), model };
    checks.push(("whole", asking.whole().await));
    checks.push(("stream", asking.stream().await));
    checks.push(("tools", asking.tools().await));
    checks.push(("schema", asking.schema().await));
    checks.push(("unknown model", asking.unknown(known.name).await));
    checks.push(("embed", embed(home, first(known.embeds)).await));
    checks
}

fn id(line: &str) -> Option<String> {
    serde_json::from_str::<Value>(line).ok()?["id"].as_str().map(str::to_owned)
}

fn judged(good: bool, why: impl FnOnce() -> String) -> Check {
    if good { Check::Worked } else { Check::Failed(why()) }
}

async fn embed(home: &Home, model: Option<String>) -> Check {
    let Some(model) = model else { return Check::PassedOver("no model for it is known".into()) };
    let run = home.run(&["embed", "a text", "-m", &model, "--json"]).await;
    let made = serde_json::from_str::<Value>(run.stdout.trim()).unwrap_or_default();
    judged(made["embedding"].as_array().is_some_and(|vector| vector.len() > 8), || run.stderr.clone())
}

/// Who is asked, and where.
struct Asking {
    url: String,
    token: String,
    model: String,
}

impl Asking {
    async fn ask(&self, mut body: Value) -> Result<Value, String> {
        body["model"] = self.model.as_str().into();
        let answer = post_json(&self.url, CHAT, Some(&self.token), &body).await.map_err(|error| error.to_string())?;
        match answer.status {
            200 => Ok(answer.json()),
            status => Err(format!("{status}: {}", answer.text())),
        }
    }

    async fn whole(&self) -> Check {
        let body = json!({"messages": [{"role": "user", "content": "Answer with the one word: ready"}]});
        match self.ask(body).await {
            Ok(answer) => {
                let text = answer["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_lowercase();
                let used = answer["usage"]["completion_tokens"].as_u64().unwrap_or(0) > 0;
                judged(text.contains("ready") && used, || answer.to_string())
            }
            Err(error) => Check::Failed(error),
        }
    }

    async fn stream(&self) -> Check {
        let content = "Count from one to five in words, with commas";
        let body = json!({"model": self.model, "stream": true, "stream_options": {"include_usage": true},
            "messages": [{"role": "user", "content": content}]});
        let headers =
            [("authorization", format!("Bearer {}", self.token)), ("content-type", "application/json".into())];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let asked = request(&self.url, "POST", CHAT, &headers, body.to_string().as_bytes()).await;
        let answer = match asked {
            Ok(answer) => answer.text(),
            Err(error) => return Check::Failed(error.to_string()),
        };
        let chunks: Vec<Value> =
            answer.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect();
        let said: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
        let reason = chunks.iter().find_map(|chunk| chunk["choices"][0]["finish_reason"].as_str());
        let used = chunks.iter().any(|chunk| chunk["usage"]["completion_tokens"].as_u64().unwrap_or(0) > 0);
        let counted = said.to_lowercase().contains("three") && said.to_lowercase().contains("five");
        judged(counted && reason == Some("stop") && used && answer.contains("data: [DONE]"), || answer.clone())
    }

    async fn tools(&self) -> Check {
        let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
        let function = json!({"name": "temperature", "description": "The temperature in a city, in degrees Celsius",
            "parameters": parameters});
        let tools = json!([{"type": "function", "function": function}]);
        let mut messages = vec![json!({"role": "user",
            "content": "How warm is it in Lima now? Use the tool, then answer in one sentence with the number."})];
        let answer = match self.ask(json!({"messages": messages, "tools": tools})).await {
            Ok(answer) => answer,
            Err(error) => return Check::Failed(error),
        };
        let message = answer["choices"][0]["message"].clone();
        let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
        let asks_lima = |call: &Value| {
            call["function"]["name"] == "temperature" && call["function"]["arguments"].to_string().contains("Lima")
        };
        if calls.is_empty() || !calls.iter().all(asks_lima) {
            return Check::Failed(answer.to_string());
        }
        messages.push(message);
        messages.extend(calls.iter().map(|call| json!({"role": "tool", "tool_call_id": call["id"], "content": "17"})));
        match self.ask(json!({"messages": messages, "tools": tools})).await {
            Ok(answer) => {
                judged(answer["choices"][0]["message"]["content"].to_string().contains("17"), || answer.to_string())
            }
            Err(error) => Check::Failed(error),
        }
    }

    async fn schema(&self) -> Check {
        let properties = json!({"name": {"type": "string"}, "legs": {"type": "integer"}});
        let schema = json!({"type": "object", "properties": properties, "required": ["name", "legs"],
            "additionalProperties": false});
        let format =
            json!({"type": "json_schema", "json_schema": {"name": "animal", "strict": true, "schema": schema}});
        let messages =
            json!([{"role": "user", "content": "Describe a spider as JSON with its name and number of legs."}]);
        match self.ask(json!({"messages": messages, "response_format": format})).await {
            Ok(answer) => {
                let text = answer["choices"][0]["message"]["content"].as_str().unwrap_or_default();
                let made: Value = serde_json::from_str(text).unwrap_or_default();
                judged(made["legs"] == 8 && made["name"].is_string(), || answer.to_string())
            }
            Err(error) => Check::Failed(error),
        }
    }

    async fn unknown(&self, provider: &str) -> Check {
        let body = json!({"model": format!("{provider}/no-such-model-4711"),
            "messages": [{"role": "user", "content": "hi"}]});
        match post_json(&self.url, CHAT, Some(&self.token), &body).await {
            // A server with one model answers by that, whatever it is asked for.
            Ok(answer) => {
                judged(matches!(answer.status, 200 | 400 | 404), || format!("{}: {}", answer.status, answer.text()))
            }
            Err(error) => Check::Failed(error.to_string()),
        }
    }
}
