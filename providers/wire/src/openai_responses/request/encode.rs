//! A request as a provider reads it.

use serde_json::Value;

use super::{
    dialect::Dialect,
    encode_input::Input,
    own, report_foreign,
    tools::{put_tool_choice, put_tools},
};
use crate::{
    chat::{ChatRequest, Extra, Message, Part, ResponseFormat, Role, ThinkingRequest, Wire},
    encode::{
        Encoded, LeftOut, adapted,
        identifiers::{Names, OwnIds, Rule},
        put_number, put_some,
    },
    extras::Extras,
    json::{put_key, put_str, put_value},
};

/// Which names of tools are taken.
const NAME: Rule = Rule::Words(64);
/// Which ids of calls are taken.
const ID: Rule = Rule::Length(64);
/// What a request includes so that reasoning can go back where answers are not stored.
const ENCRYPTED: &str = "reasoning.encrypted_content";

/// Writes a request for a provider of this wire: always as a stream, and, unless an extra says otherwise, one whose
/// answer the provider does not store, and whose reasoning it gives in a form that can go back.
///
/// `model` is the provider's own id of the model, whatever name the request has for it. With `provider` it is the name
/// under which [`Opaque`](crate::Part::Opaque)s were kept; those of another are left out. The body begins with all that
/// stays the same in a conversation and ends with the messages, so that the body of the next turn goes on where this
/// one's messages end, byte for byte: prompt caches depend on it.
///
/// Results come at once after their calls, and a call without one gets an error in its place; a result without its call
/// becomes the user's text, unless the request goes on with an answer that the provider stored. Ids and names that
/// servers refuse are sent in another form, the same in every turn.
pub fn encode_request(request: &ChatRequest, provider: &str, model: &str, dialect: &Dialect) -> Encoded {
    let mut left_out = Vec::new();
    let request = &*adapted(request, Wire::OpenaiResponses, &mut left_out);
    let extras = own(&request.extra);
    let top = |key: &str| extras.keys_at("").find(|(own, _)| own == key).map(|(_, json)| json);
    let mut names = Names::new(NAME, Wire::OpenaiResponses, &request.tools);
    let mut out = Vec::with_capacity(4096);
    let mut written = vec!["model", "stream", "store", "input", "tools"];
    out.push(b'{');
    put_key(&mut out, "model");
    put_str(&mut out, model);
    put_key(&mut out, "stream");
    out.extend_from_slice(b"true");
    put_key(&mut out, "store");
    let stored = top("store").is_some_and(|store| *store == Value::Bool(true));
    put_value(&mut out, &stored);
    let include = top("include");
    if include.is_none_or(Value::is_array) {
        let mut list: Vec<_> = include.and_then(Value::as_array).into_iter().flatten().cloned().collect();
        if dialect.encrypted_reasoning && !stored && !list.iter().any(|one| one == ENCRYPTED) {
            list.push(ENCRYPTED.into());
        }
        written.push("include");
        if !list.is_empty() || include.is_some() {
            put_key(&mut out, "include");
            put_value(&mut out, &list);
        }
    }
    put_tools(&mut out, &request.tools, &mut names, &mut left_out);
    put_tool_choice(&mut out, request.tool_choice.as_ref(), &mut names, &mut left_out);
    if let Some(parallel) = request.parallel_tool_calls {
        put_key(&mut out, "parallel_tool_calls");
        put_value(&mut out, &parallel);
    }
    put_bounds(&mut out, request, dialect, &mut left_out);
    put_text(&mut out, request.response_format.as_ref(), extras);
    put_reasoning(&mut out, request.thinking.as_ref(), extras, &mut left_out);
    report_foreign("", &request.extra, &mut left_out);
    let first = request.messages.first().and_then(instructions);
    if first.is_some() || (dialect.instructions && top("instructions").is_none()) {
        written.push("instructions");
        put_key(&mut out, "instructions");
        put_str(&mut out, first.unwrap_or_default());
    }
    extras.put_keys(&mut out, "", &written);
    put_key(&mut out, "input");
    out.push(b'[');
    let input = Input {
        out: &mut out,
        left_out: &mut left_out,
        provider,
        model,
        dialect,
        stored,
        continues: ["previous_response_id", "conversation"].iter().any(|key| top(key).is_some_and(|id| !id.is_null())),
        ids: OwnIds::new(ID),
        names: &mut names,
        open: Vec::new(),
    };
    input.put_all(&request.messages, usize::from(first.is_some()));
    out.extend_from_slice(b"]}");
    Encoded { body: out, left_out, names: names.renamed }
}

/// The text of a message that is said as `instructions`, which stand before all input.
fn instructions(message: &Message) -> Option<&str> {
    let is_own = |extra: &Extra| extra.wire == Wire::OpenaiResponses;
    match (message.role, message.parts.as_slice()) {
        (Role::System, [Part::Text { text }]) if !message.extra.iter().any(is_own) => Some(text),
        _ => None,
    }
}

fn put_bounds(out: &mut Vec<u8>, request: &ChatRequest, dialect: &Dialect, left_out: &mut Vec<LeftOut>) {
    let mut miss = |at: &str, what| left_out.push(LeftOut { at: at.into(), what });
    const NOT_TAKEN: &str = "this server does not take it";
    for (key, number) in [("temperature", request.temperature), ("top_p", request.top_p)] {
        match number {
            Some(number) if dialect.bounds => {
                put_key(out, key);
                put_number(out, number);
            }
            Some(_) => miss(key, NOT_TAKEN),
            None => {}
        }
    }
    match request.max_tokens {
        Some(most) if dialect.bounds => {
            put_key(out, "max_output_tokens");
            put_value(out, &most.max(dialect.least_tokens));
            if most < dialect.least_tokens {
                miss("max_tokens", "less than this server takes, raised to that");
            }
        }
        Some(_) => miss("max_tokens", NOT_TAKEN),
        None => {}
    }
    if !request.stop.is_empty() {
        miss("stop", "this wire has no stop texts");
    }
    match request.metadata.is_empty() {
        true => {}
        false if dialect.bounds => {
            put_key(out, "metadata");
            put_value(out, &request.metadata);
        }
        false => miss("metadata", NOT_TAKEN),
    }
}

fn put_text(out: &mut Vec<u8>, format: Option<&ResponseFormat>, extras: Extras<'_>) {
    if format.is_none() && !extras.below("/text") {
        return;
    }
    put_key(out, "text");
    out.push(b'{');
    if let Some(format) = format {
        put_key(out, "format");
        out.extend_from_slice(b"{\"type\":");
        match format {
            ResponseFormat::Text => put_str(out, "text"),
            ResponseFormat::JsonObject => put_str(out, "json_object"),
            ResponseFormat::JsonSchema { name, description, schema, strict } => {
                put_str(out, "json_schema");
                put_key(out, "name");
                put_str(out, name);
                put_some(out, "description", description.as_ref());
                put_some(out, "schema", schema.as_ref());
                put_some(out, "strict", strict.as_ref());
            }
        }
        extras.put_keys(out, "/text/format", &["type", "name", "description", "schema", "strict"]);
        out.push(b'}');
    }
    extras.put_keys(out, "/text", if format.is_some() { &["format"] } else { &[] });
    out.push(b'}');
}

fn put_reasoning(
    out: &mut Vec<u8>,
    thinking: Option<&ThinkingRequest>,
    extras: Extras<'_>,
    left_out: &mut Vec<LeftOut>,
) {
    let none = ThinkingRequest::default();
    let thinking = thinking.unwrap_or(&none);
    if thinking.budget.is_some() {
        left_out.push(LeftOut { at: "thinking.budget".into(), what: "this wire has no word for it" });
    }
    let off = (thinking.enabled == Some(false)).then_some("none");
    let effort = off.or(thinking.effort.as_deref());
    // That the model is to think can be said only by asking to see what it thinks.
    let has_summary = extras.keys_at("/reasoning").any(|(key, _)| key == "summary");
    let summary = (thinking.enabled == Some(true) && !has_summary).then_some("auto");
    if effort.is_none() && summary.is_none() && !extras.below("/reasoning") {
        return;
    }
    put_key(out, "reasoning");
    out.push(b'{');
    put_some(out, "effort", effort.as_ref());
    put_some(out, "summary", summary.as_ref());
    extras.put_keys(out, "/reasoning", if effort.is_some() { &["effort"] } else { &[] });
    out.push(b'}');
}
