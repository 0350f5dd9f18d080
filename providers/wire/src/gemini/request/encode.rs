//! A request as a provider reads it.

use super::{
    config::{put_config, report_others},
    dialect::Dialect,
    encode_content::{Contents, put_instructions},
    own, resource,
    tools::{put_choice, put_tools},
};
use crate::{
    chat::{ChatRequest, Role, Wire},
    encode::{
        Encoded, LeftOut, adapted,
        identifiers::{Ids, Names, Rule},
        marks::Marks,
    },
    json::{put_key, put_str},
};

/// Which names of functions are taken.
const NAME: Rule = Rule::Dotted(64);
/// Which ids of calls are taken.
const ID: Rule = Rule::Length(usize::MAX);
/// Keys that an extra must not say a second time.
const WRITTEN: [&str; 5] = ["contents", "tools", "toolConfig", "generationConfig", "systemInstruction"];

/// Writes the body of `generateContent` and of `streamGenerateContent`.
///
/// With `provider` and `model`, the provider's own id of the model, go the names under which
/// [`Opaque`](crate::Part::Opaque)s were kept; those of another are left out. The body begins with all that stays the same
/// in a conversation and ends with the contents, so that the body of the next turn goes on where this one's contents end,
/// byte for byte: prompt caches depend on it.
///
/// Neighbours of the same role become one content; results come right after their calls and in their order, and a call
/// without one gets an error in its place; a result without its call becomes text; empty texts are left out.
pub fn encode_request(request: &ChatRequest, provider: &str, model: &str, dialect: &Dialect) -> Encoded {
    let mut out = Vec::with_capacity(4096);
    out.push(b'{');
    put_body(out, request, (provider, model), dialect)
}

/// Writes the body of `countTokens` for the same request, tools and instructions included; see [`encode_request`].
pub fn encode_count(request: &ChatRequest, provider: &str, model: &str, dialect: &Dialect) -> Encoded {
    // Vertex takes the request's own fields, and no others than these.
    if dialect.vertex {
        let prompt =
            ChatRequest { messages: request.messages.clone(), tools: request.tools.clone(), ..ChatRequest::default() };
        return encode_request(&prompt, provider, model, dialect);
    }
    let mut out = b"{\"generateContentRequest\":{\"model\":".to_vec();
    put_str(&mut out, &resource(model));
    let mut encoded = put_body(out, request, (provider, model), dialect);
    encoded.body.push(b'}');
    encoded
}

/// Writes the fields of a request into the open object, and closes it.
fn put_body(mut out: Vec<u8>, request: &ChatRequest, (provider, model): (&str, &str), dialect: &Dialect) -> Encoded {
    let mut left_out = Vec::new();
    let request = &*adapted(request, Wire::Gemini, &mut left_out);
    let mut names = Names::new(NAME, Wire::Gemini, &request.tools);
    put_config(&mut out, request, dialect, &mut left_out);
    report_others(&request.extra, &mut left_out);
    for key in request.metadata.keys() {
        left_out.push(LeftOut { at: format!("metadata.{key}"), what: "this wire has no such label" });
    }
    own(&request.extra).put_keys(&mut out, "", &WRITTEN);
    put_tools(&mut out, &request.tools, dialect, &mut names, &mut left_out);
    put_choice(&mut out, request, &mut names, &mut left_out);
    let is_system = |role: Role| matches!(role, Role::System | Role::Developer);
    let first = match dialect.instructions {
        true => request.messages.iter().take_while(|message| is_system(message.role)).count(),
        false => 0,
    };
    put_instructions(&mut out, &request.messages[..first], &mut left_out);
    put_key(&mut out, "contents");
    out.push(b'[');
    let mut contents = Contents::new(&mut out, &mut left_out, (provider, model), dialect, Ids::new(ID), &mut names);
    contents.put_all(&request.messages, first);
    // This wire caches by itself, or by the name of what was cached before.
    Marks::default().report(&request.messages, &mut left_out);
    out.extend_from_slice(b"]}");
    Encoded { body: out, left_out, names: names.renamed }
}
