//! A request as a whole.

use super::{
    dialect::Dialect,
    media::DocumentNames,
    messages::{Messages, put_system, report_fields},
    own, own_block,
    thinking::{Plan, plan},
    tools::put_tool_config,
};
use crate::{
    anthropic::request::thinking::goes_on_thinking,
    chat::{ChatRequest, ResponseFormat, Role, Wire},
    encode::{
        Encoded, LeftOut, adapted,
        identifiers::{Names, OwnIds, Rule},
        marks::Marks,
        order::{Step, steps},
        put_number, put_some, report_foreign,
    },
    json::{put_key, put_str, put_value},
};

/// Which names of tools and ids of calls are taken.
const NAME: Rule = Rule::Words(64);

/// Fields that are written as wholes, or can't be written at all: an extra must not say one a second time.
const WRITTEN: [&str; 8] = [
    "modelId",
    "messages",
    "system",
    "toolConfig",
    "inferenceConfig",
    "outputConfig",
    "additionalModelRequestFields",
    "input",
];

/// Writes the body of a request for an answer, which is the same for a stream.
///
/// `model` is the provider's own id of the model, or of an inference profile; it stands in the path. With `provider` it
/// is the name under which [`Opaque`](crate::Part::Opaque)s were kept; those of another are left out. The body begins
/// with all that stays the same in a conversation and ends with the messages, so that prompt caches hit.
///
/// Neighbours of the same role become one message; results come first in the message after their calls, and a call
/// without one gets an error in its place; a result without its call becomes text; blank texts are left out.
pub fn encode_request(request: &ChatRequest, provider: &str, model: &str, dialect: &Dialect) -> Encoded {
    write(request, provider, model, dialect, Purpose::Answer)
}

/// Writes the body of a request that counts the tokens of the prompt; see [`encode_request`].
pub fn encode_count(request: &ChatRequest, provider: &str, model: &str, dialect: &Dialect) -> Encoded {
    write(request, provider, model, dialect, Purpose::Count)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Answer,
    Count,
}

fn write(request: &ChatRequest, provider: &str, model: &str, dialect: &Dialect, purpose: Purpose) -> Encoded {
    let mut left_out = Vec::new();
    let request = &*adapted(request, Wire::Bedrock, &mut left_out);
    Writer { request, provider, model, dialect, left_out }.write(purpose)
}

struct Writer<'a> {
    request: &'a ChatRequest,
    provider: &'a str,
    model: &'a str,
    dialect: &'a Dialect,
    left_out: Vec<LeftOut>,
}

impl Writer<'_> {
    fn write(mut self, purpose: Purpose) -> Encoded {
        let request = self.request;
        let mut left_out = std::mem::take(&mut self.left_out);
        let is_thinking = |part: &_| {
            own_block(part, self.provider, self.model).is_some_and(|block| block.get("reasoningContent").is_some())
        };
        let may_begin = goes_on_thinking(&request.messages, is_thinking);
        let plan = plan(request, self.dialect, may_begin, &mut left_out);
        let mut names = Names::new(NAME, Wire::Bedrock, &request.tools);
        let mut out = Vec::with_capacity(4096);
        out.extend_from_slice(if purpose == Purpose::Count { b"{\"input\":{\"converse\":{" } else { b"{" });
        self.put_model_fields(&mut out, &plan);
        if purpose == Purpose::Answer {
            self.put_inference(&mut out, &plan, &mut left_out);
            self.put_output(&mut out, &mut left_out);
            own(&request.extra).put_keys(&mut out, "", &WRITTEN);
        }
        report_foreign(Wire::Bedrock, "", &request.extra, &mut left_out);
        for (key, _) in own(&request.extra).keys_at("").filter(|(key, _)| WRITTEN.contains(&key.as_str())) {
            left_out.push(LeftOut { at: format!("/{key}"), what: "a field that the request itself says" });
        }
        for (key, _) in &request.metadata {
            left_out.push(LeftOut { at: format!("metadata.{key}"), what: "this wire has no such label" });
        }
        let steps = steps(Wire::Bedrock, &request.messages, &mut left_out);
        let called = called(&steps);
        put_tool_config(&mut out, request, &called, plan.claude_thinks, &mut names, &mut left_out);
        let is_system = |role: Role| matches!(role, Role::System | Role::Developer);
        let first = request.messages.iter().take_while(|message| is_system(message.role)).count();
        report_fields(&request.messages, first, &mut left_out);
        let mut marks = Marks::default();
        put_system(&mut out, &request.messages[..first], self.dialect, &mut marks, &mut left_out);
        put_key(&mut out, "messages");
        out.push(b'[');
        let mut messages = Messages {
            out: &mut out,
            left_out: &mut left_out,
            messages: &request.messages,
            first,
            provider: self.provider,
            model: self.model,
            dialect: self.dialect,
            ids: OwnIds::new(NAME),
            names: &mut names,
            marks: &mut marks,
            documents: DocumentNames::default(),
            open: None,
            calls: Vec::new(),
            block: Vec::new(),
        };
        messages.put_all(steps);
        marks.report(&request.messages, &mut left_out);
        out.extend_from_slice(if purpose == Purpose::Count { b"]}}}" } else { b"]}" });
        Encoded { body: out, left_out, names: names.renamed }
    }

    fn put_model_fields(&self, out: &mut Vec<u8>, plan: &Plan) {
        const AT: &str = "/additionalModelRequestFields";
        let extras = own(&self.request.extra);
        if plan.fields.is_empty() && !extras.below(AT) {
            return;
        }
        put_key(out, &AT[1..]);
        out.push(b'{');
        for (key, json) in &plan.fields {
            put_key(out, key);
            put_value(out, json);
        }
        let written: Vec<_> = plan.fields.iter().map(|(key, _)| *key).collect();
        extras.put_keys(out, AT, &written);
        out.push(b'}');
    }

    fn put_inference(&self, out: &mut Vec<u8>, plan: &Plan, left_out: &mut Vec<LeftOut>) {
        let request = self.request;
        let mut inside = b"{".to_vec();
        let mut miss = |at: &str, what| left_out.push(LeftOut { at: at.into(), what });
        match plan.max_tokens {
            Some(_) if plan.no_bounds => miss("max_tokens", "a model that thinks hardest takes no bound"),
            most => put_some(&mut inside, "maxTokens", most.as_ref()),
        }
        let numbers = [("temperature", "temperature", request.temperature), ("top_p", "topP", request.top_p)];
        for (at, key, number) in numbers.into_iter().filter_map(|(at, key, number)| Some((at, key, number?))) {
            // While Claude thinks, only the default temperature is taken, and of nucleus sampling the upper end.
            let least = if at == "temperature" { 1.0 } else { 0.95 };
            if plan.no_sampling {
                miss(at, "this model takes no sampling parameters, or not while it thinks so hard");
                continue;
            }
            if plan.claude_thinks && number < least {
                miss(at, "a model that thinks does not take it");
                continue;
            }
            // OpenAI's range ends at 2.
            if number > 1.0 {
                miss(at, "above 1, lowered to that");
            }
            put_key(&mut inside, key);
            put_number(&mut inside, number.min(1.0));
        }
        let (said, blank): (Vec<_>, Vec<_>) = request.stop.iter().partition(|text| !text.trim().is_empty());
        if !blank.is_empty() {
            miss("stop", "a stop text of white space alone");
        }
        if !said.is_empty() {
            put_key(&mut inside, "stopSequences");
            put_value(&mut inside, &said);
        }
        own(&request.extra).put_keys(
            &mut inside,
            "/inferenceConfig",
            &["maxTokens", "temperature", "topP", "stopSequences"],
        );
        if inside.len() > 1 {
            put_key(out, "inferenceConfig");
            out.append(&mut inside);
            out.push(b'}');
        }
    }

    fn put_output(&self, out: &mut Vec<u8>, left_out: &mut Vec<LeftOut>) {
        let extras = own(&self.request.extra);
        let mut miss = |what| left_out.push(LeftOut { at: "response_format".into(), what });
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
            Some(ResponseFormat::JsonSchema { schema: Some(schema), name, description, .. }) => {
                Some((schema, name, description))
            }
        };
        if schema.is_none() && !extras.below("/outputConfig") {
            return;
        }
        put_key(out, "outputConfig");
        out.push(b'{');
        if let Some((schema, name, description)) = schema {
            put_key(out, "textFormat");
            out.extend_from_slice(b"{\"type\":\"json_schema\",\"structure\":{\"jsonSchema\":{");
            if !name.is_empty() {
                put_key(out, "name");
                put_str(out, name);
            }
            put_some(out, "description", description.as_ref().filter(|text| !text.trim().is_empty()));
            put_key(out, "schema");
            // A text that holds JSON, on this wire.
            put_str(out, &schema.to_string());
            out.extend_from_slice(b"}}}");
        }
        let written: &[&str] = if schema.is_some() { &["textFormat"] } else { &[] };
        extras.put_keys(out, "/outputConfig", written);
        out.push(b'}');
    }
}

/// The names of the tools that were called, each once.
fn called<'a>(steps: &[Step<'a>]) -> Vec<&'a str> {
    let mut called = Vec::new();
    for step in steps {
        let (Step::Result { call, .. } | Step::NoResult(call)) = step else { continue };
        if !called.contains(&call.name) {
            called.push(call.name);
        }
    }
    called
}
