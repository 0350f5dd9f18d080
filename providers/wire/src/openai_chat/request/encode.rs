//! A request as a provider reads it.

use super::{
    dialect::{CallIdForm, Dialect, MaxTokensKey, ThinkingForm},
    encode_message::Messages,
    encode_tools::{put_tool_choice, put_tools},
    extras::{Extras, own},
};
use crate::{
    chat::{ChatRequest, Extra, ResponseFormat, ThinkingRequest, Wire},
    encode::{
        Encoded, LeftOut, adapted,
        identifiers::{Ids, Names, Rule},
        marks::Marks,
        put_number, put_some,
    },
    json::{put_key, put_str, put_value},
};

/// Which names of tools are taken.
const NAME: Rule = Rule::Words(64);

/// Writes a request for a provider of this wire: always as a stream, with usage.
///
/// `model` is the provider's own id of the model, whatever name the request has for it. With `provider` it is the name
/// under which [`Opaque`](crate::Part::Opaque)s were kept; those of another are left out. The body begins with all that
/// stays the same in a conversation and ends with the messages, so that the body of the next turn goes on where this
/// one's messages end, byte for byte: prompt caches depend on it.
///
/// Results come at once after their calls, and a call without one gets an error in its place; a result without its call
/// becomes the user's text. Ids and names that servers refuse are sent in another form, the same in every turn.
pub fn encode_request(request: &ChatRequest, provider: &str, model: &str, dialect: &Dialect) -> Encoded {
    let mut left_out = Vec::new();
    let request = &*adapted(request, Wire::OpenaiChat, &mut left_out);
    let extras = own(&request.extra);
    let mut names = Names::new(NAME, Wire::OpenaiChat, &request.tools);
    let mut out = Vec::with_capacity(4096);
    out.push(b'{');
    put_key(&mut out, "model");
    put_str(&mut out, model);
    put_key(&mut out, "stream");
    out.extend_from_slice(b"true");
    if dialect.stream_options {
        put_key(&mut out, "stream_options");
        out.extend_from_slice(b"{\"include_usage\":true");
        extras.put_keys(&mut out, "/stream_options", &["include_usage"]);
        out.push(b'}');
    }
    put_tools(&mut out, &request.tools, &mut names, &mut left_out);
    put_tool_choice(&mut out, request.tool_choice.as_ref(), &mut names, &mut left_out);
    if let Some(parallel) = request.parallel_tool_calls {
        put_key(&mut out, "parallel_tool_calls");
        put_value(&mut out, &parallel);
    }
    for (key, number) in [("temperature", request.temperature), ("top_p", request.top_p)] {
        if let Some(number) = number {
            put_key(&mut out, key);
            put_number(&mut out, number);
        }
    }
    if let Some(most) = request.max_tokens {
        put_key(
            &mut out,
            match dialect.max_tokens {
                MaxTokensKey::MaxTokens => "max_tokens",
                MaxTokensKey::MaxCompletionTokens => "max_completion_tokens",
            },
        );
        put_value(&mut out, &most);
    }
    if !request.stop.is_empty() {
        put_key(&mut out, "stop");
        put_value(&mut out, &request.stop);
    }
    put_response_format(&mut out, request.response_format.as_ref(), dialect, extras);
    put_thinking(&mut out, request.thinking.as_ref(), dialect, extras, &mut left_out);
    if !request.metadata.is_empty() {
        put_key(&mut out, "metadata");
        put_value(&mut out, &request.metadata);
    }
    report_foreign("", &request.extra, &mut left_out);
    extras.put_keys(&mut out, "", WRITTEN);
    put_key(&mut out, "messages");
    out.push(b'[');
    let ids = match dialect.call_ids {
        CallIdForm::AtMost64 => Rule::Length(64),
        CallIdForm::Nine => Rule::Nine,
    };
    let messages = Messages {
        out: &mut out,
        left_out: &mut left_out,
        provider,
        model,
        dialect,
        ids: Ids::new(ids),
        names: &mut names,
        marks: Marks::default(),
    };
    messages.put_all(&request.messages);
    out.extend_from_slice(b"]}");
    Encoded { body: out, left_out, names: names.renamed }
}

/// Keys that an extra must not say a second time.
const WRITTEN: &[&str] = &["model", "stream", "messages", "tools", "max_tokens", "max_completion_tokens"];

pub(super) fn report_foreign(at: &str, extras: &[Extra], left_out: &mut Vec<LeftOut>) {
    crate::encode::report_foreign(Wire::OpenaiChat, at, extras, left_out);
}

fn put_response_format(out: &mut Vec<u8>, format: Option<&ResponseFormat>, dialect: &Dialect, extras: Extras<'_>) {
    let Some(format) = format else { return };
    put_key(out, "response_format");
    out.extend_from_slice(b"{\"type\":");
    match format {
        ResponseFormat::Text => put_str(out, "text"),
        ResponseFormat::JsonObject => {
            put_str(out, "json_object");
            let has_schema = extras.keys_at("/response_format").any(|(key, _)| key == "schema");
            if dialect.json_object_schema && !has_schema {
                out.extend_from_slice(b",\"schema\":{\"type\":\"object\"}");
            }
        }
        ResponseFormat::JsonSchema { name, description, schema, strict } => {
            put_str(out, "json_schema");
            out.extend_from_slice(b",\"json_schema\":{");
            put_key(out, "name");
            put_str(out, name);
            put_some(out, "description", description.as_ref());
            put_some(out, "schema", schema.as_ref());
            put_some(out, "strict", strict.as_ref());
            extras.put_keys(out, "/response_format/json_schema", &[]);
            out.push(b'}');
        }
    }
    extras.put_keys(out, "/response_format", &[]);
    out.push(b'}');
}

fn put_thinking(
    out: &mut Vec<u8>,
    thinking: Option<&ThinkingRequest>,
    dialect: &Dialect,
    extras: Extras<'_>,
    left_out: &mut Vec<LeftOut>,
) {
    let Some(thinking) = thinking else { return };
    let mut miss = |at: &str| left_out.push(LeftOut { at: at.into(), what: "this server has no word for it" });
    match dialect.thinking {
        ThinkingForm::None => miss("thinking"),
        ThinkingForm::Effort => {
            if thinking.budget.is_some() {
                miss("thinking.budget");
            }
            let off = (thinking.enabled == Some(false)).then_some("none");
            match off.or(thinking.effort.as_deref()) {
                Some(effort) => {
                    put_key(out, "reasoning_effort");
                    put_str(out, effort);
                }
                None if thinking.enabled.is_some() => miss("thinking.enabled"),
                None => {}
            }
        }
        ThinkingForm::Object => {
            put_key(out, "reasoning");
            out.push(b'{');
            put_some(out, "enabled", thinking.enabled.as_ref());
            put_some(out, "effort", thinking.effort.as_ref());
            put_some(out, "max_tokens", thinking.budget.as_ref());
            extras.put_keys(out, "/reasoning", &[]);
            out.push(b'}');
        }
    }
}
