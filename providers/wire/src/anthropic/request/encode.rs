//! A request as a provider reads it.

use super::{
    dialect::Dialect,
    encode_message::{Messages, put_system},
    is_own, own, report_foreign,
    thinking::{Plan, Thinking, goes_on_thinking, plan},
    tools::{put_choice, put_tools},
};
use crate::{
    chat::{ChatRequest, Part, ResponseFormat, Role, Wire},
    encode::{
        Encoded, LeftOut, adapted,
        identifiers::{Names, OwnIds, Rule},
        marks::Marks,
        put_number, put_some,
    },
    extras::Extras,
    json::{put_key, put_str, put_value},
};

/// Writes a request for a provider of this wire, always as a stream.
///
/// `model` is the provider's own id of the model, whatever name the request has for it. With `provider` it is the name
/// under which [`Opaque`](Part::Opaque)s were kept; those of another are left out. The body begins with all that stays the same in a conversation and ends with the messages, so
/// that the body of the next turn goes on where this one's messages end, byte for byte: prompt caches depend on it.
///
/// Neighbours of the same role become one message; results come first in the message after their calls, and a call
/// without one gets an error in its place; a result without its call becomes text; empty texts are left out.
pub fn encode_request(request: &ChatRequest, provider: &str, model: &str, dialect: &Dialect) -> Encoded {
    write(request, provider, model, dialect, Purpose::Answer)
}

/// Writes a request that counts the tokens of the prompt; see [`encode_request`].
pub fn encode_count(request: &ChatRequest, provider: &str, model: &str, dialect: &Dialect) -> Encoded {
    write(request, provider, model, dialect, Purpose::Count)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Answer,
    Count,
}

/// Which names of tools are taken.
const NAME: Rule = Rule::Words(128);
/// Which ids of calls are taken.
const ID: Rule = Rule::Words(usize::MAX);

/// Keys that an extra must not say a second time.
const WRITTEN: &[&str] =
    &["model", "stream", "messages", "tools", "max_tokens", "system", "anthropic_version", "anthropic_beta"];
/// Keys of an answer that a count does not take.
const OF_ANSWERS: &[&str] = &["top_k", "service_tier", "container", "inference_geo", "speed"];

fn write(request: &ChatRequest, provider: &str, model: &str, dialect: &Dialect, purpose: Purpose) -> Encoded {
    let mut left_out = Vec::new();
    let request = &*adapted(request, Wire::Anthropic, &mut left_out);
    Writer { request, provider, model, dialect, out: Vec::with_capacity(4096), left_out }.write(purpose)
}

struct Writer<'a> {
    request: &'a ChatRequest,
    provider: &'a str,
    model: &'a str,
    dialect: &'a Dialect,
    out: Vec<u8>,
    left_out: Vec<LeftOut>,
}

impl<'a> Writer<'a> {
    fn write(mut self, purpose: Purpose) -> Encoded {
        let request = self.request;
        let extras = own(&request.extra);
        let is_thinking = |part: &Part| match part {
            Part::Opaque { provider, model, data } => {
                is_own((provider, model), self.provider, self.model)
                    && matches!(data["type"].as_str(), Some("thinking" | "redacted_thinking"))
            }
            _ => false,
        };
        let may_begin = goes_on_thinking(&request.messages, is_thinking);
        let plan = plan(request, self.dialect, may_begin, &mut self.left_out);
        let mut names = Names::new(NAME, Wire::Anthropic, &request.tools);
        self.out.push(b'{');
        if let Some(version) = self.dialect.version {
            put_key(&mut self.out, "anthropic_version");
            put_str(&mut self.out, version);
        }
        if self.dialect.model_in_body {
            put_key(&mut self.out, "model");
            put_str(&mut self.out, self.model);
        }
        if purpose == Purpose::Answer {
            put_key(&mut self.out, "max_tokens");
            put_value(&mut self.out, &plan.max_tokens);
            put_key(&mut self.out, "stream");
            self.out.extend_from_slice(b"true");
        }
        self.put_thinking(&plan, extras);
        self.put_output(&plan, extras);
        if purpose == Purpose::Answer {
            self.put_sampling(&plan, extras);
        }
        report_foreign("", &request.extra, &mut self.left_out);
        let mut written = WRITTEN.to_vec();
        if purpose == Purpose::Count {
            written.extend(OF_ANSWERS);
        }
        extras.put_keys(&mut self.out, "", &written);
        put_tools(&mut self.out, &request.tools, &mut names, &mut self.left_out);
        put_choice(&mut self.out, request, plan.thinking.is_on(), &mut names, &mut self.left_out);
        let is_system = |role: Role| matches!(role, Role::System | Role::Developer);
        let first = request.messages.iter().take_while(|message| is_system(message.role)).count();
        let mut marks = Marks::default();
        put_system(&mut self.out, &request.messages[..first], &mut marks, &mut self.left_out);
        put_key(&mut self.out, "messages");
        self.out.push(b'[');
        let mut messages = Messages {
            out: &mut self.out,
            left_out: &mut self.left_out,
            provider: self.provider,
            model: self.model,
            system_in_messages: self.dialect.system_in_messages,
            ids: OwnIds::new(ID),
            names: &mut names,
            marks: &mut marks,
            open: None,
            tail: Vec::new(),
            block: Vec::new(),
            blocks: 0,
        };
        messages.put_all(&request.messages, first);
        marks.report(&request.messages, &mut self.left_out);
        self.out.extend_from_slice(b"]}");
        Encoded { body: self.out, left_out: self.left_out, names: names.renamed }
    }

    fn put_thinking(&mut self, plan: &Plan<'_>, extras: Extras<'_>) {
        let out = &mut self.out;
        let (kind, budget) = match plan.thinking {
            Thinking::Unsaid => return,
            Thinking::Off => ("disabled", None),
            Thinking::Adaptive => ("adaptive", None),
            Thinking::Budget(budget) => ("enabled", Some(budget)),
        };
        put_key(out, "thinking");
        out.push(b'{');
        put_key(out, "type");
        put_str(out, kind);
        put_some(out, "budget_tokens", budget.as_ref());
        extras.put_keys(out, "/thinking", &["type", "budget_tokens"]);
        out.push(b'}');
    }

    fn put_output(&mut self, plan: &Plan<'_>, extras: Extras<'_>) {
        let mut miss = |what| self.left_out.push(LeftOut { at: "response_format".into(), what });
        let schema = match &self.request.response_format {
            None | Some(ResponseFormat::Text) => None,
            Some(ResponseFormat::JsonObject) => {
                miss("this wire holds answers to a schema only");
                None
            }
            Some(ResponseFormat::JsonSchema { schema: None, .. }) => {
                miss("there is no schema to hold the answer to");
                None
            }
            Some(ResponseFormat::JsonSchema { schema, .. }) => schema.as_ref(),
        };
        if schema.is_none() && plan.effort.is_none() && !extras.below("/output_config") {
            return;
        }
        let out = &mut self.out;
        put_key(out, "output_config");
        out.push(b'{');
        put_some(out, "effort", plan.effort.as_ref());
        if let Some(schema) = schema {
            put_key(out, "format");
            out.extend_from_slice(b"{\"type\":\"json_schema\"");
            put_key(out, "schema");
            put_value(out, schema);
            extras.put_keys(out, "/output_config/format", &["type", "schema"]);
            out.push(b'}');
        }
        let written: &[&str] = match (schema, plan.effort) {
            (Some(_), Some(_)) => &["format", "effort"],
            (Some(_), None) => &["format"],
            (None, Some(_)) => &["effort"],
            (None, None) => &[],
        };
        extras.put_keys(out, "/output_config", written);
        out.push(b'}');
    }

    fn put_sampling(&mut self, plan: &Plan<'_>, extras: Extras<'_>) {
        let request = self.request;
        let thinks = plan.thinking.is_on();
        let numbers = [("temperature", request.temperature), ("top_p", request.top_p)];
        for (key, number) in numbers.into_iter().filter_map(|(key, number)| Some((key, number?))) {
            let mut miss = |what| self.left_out.push(LeftOut { at: key.into(), what });
            // While it thinks, only the default temperature is taken, and of nucleus sampling the upper end.
            let least = if key == "temperature" { 1.0 } else { 0.95 };
            let sent = match number {
                _ if !self.dialect.sampling => {
                    miss("this model takes no sampling parameters");
                    continue;
                }
                number if thinks && number < least => {
                    miss("a model that thinks does not take it");
                    continue;
                }
                // OpenAI's range ends at 2.
                number if number > 1.0 => {
                    miss("above 1, lowered to that");
                    1.0
                }
                number => number,
            };
            put_key(&mut self.out, key);
            put_number(&mut self.out, sent);
        }
        let (said, blank): (Vec<_>, Vec<_>) = request.stop.iter().partition(|text| !text.trim().is_empty());
        if !blank.is_empty() {
            self.left_out.push(LeftOut { at: "stop".into(), what: "a stop text of white space alone" });
        }
        if !said.is_empty() {
            put_key(&mut self.out, "stop_sequences");
            put_value(&mut self.out, &said);
        }
        let user = request.metadata.get("user_id");
        for (key, _) in request.metadata.iter().filter(|(key, _)| *key != "user_id") {
            self.left_out.push(LeftOut { at: format!("metadata.{key}"), what: "this wire has no such label" });
        }
        if user.is_some() || extras.below("/metadata") {
            put_key(&mut self.out, "metadata");
            self.out.push(b'{');
            put_some(&mut self.out, "user_id", user);
            extras.put_keys(&mut self.out, "/metadata", &["user_id"]);
            self.out.push(b'}');
        }
    }
}
