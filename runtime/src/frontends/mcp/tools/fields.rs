//! What the tools take, as JSON Schema.

use rmcp::model::JsonObject;
use serde_json::{Value, json};

use super::object;

/// A schema of these fields; the first so many are required.
fn schema<const N: usize>(required: usize, fields: [(&str, Value); N]) -> JsonObject {
    let names: Vec<&str> = fields.iter().take(required).map(|(name, _)| *name).collect();
    let fields: JsonObject = fields.into_iter().map(|(name, field)| (name.to_owned(), field)).collect();
    object(json!({"type": "object", "properties": fields, "required": names, "additionalProperties": false}))
}

pub(super) fn chat(sessions: bool) -> JsonObject {
    let fields = [
        ("prompt", text("What to ask; this or messages")),
        messages(),
        model(),
        system(),
        temperature(),
        max_tokens(),
        stream(),
    ];
    let mut schema = schema(0, fields);
    if sessions {
        let description = "Says the prompt in a conversation that is kept: the one of this id, begun if there is none. \
                           Its model and instructions stay what they are where none are said";
        schema["properties"]["session"] = text(description);
    }
    schema
}

pub(super) fn converse() -> JsonObject {
    schema(1, [messages(), model(), system(), temperature(), max_tokens(), stream()])
}

pub(super) fn generate() -> JsonObject {
    schema(1, [("prompt", text("What to ask")), model(), system(), temperature(), max_tokens(), stream()])
}

pub(super) fn complete_code() -> JsonObject {
    let fields = [
        ("prompt", text("The code to go on with, or what it is to do")),
        ("language", text("The language that it is written in")),
        ("context", text("What else is to be known: other code, the name of the file, rules")),
        model(),
        max_tokens(),
        stream(),
    ];
    schema(1, fields)
}

pub(super) fn compare() -> JsonObject {
    let models = json!({
        "type": "array",
        "items": {"type": "string"},
        "minItems": 1,
        "maxItems": crate::MOST_COMPARED,
        "description": "The models to ask, as ai_list_models names them",
    });
    let fields = [("prompt", text("What to ask")), ("models", models), system(), temperature(), max_tokens()];
    schema(2, fields)
}

pub(super) fn embed() -> JsonObject {
    let input = json!({
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
        "description": "A text, or several",
    });
    let dimensions = json!({
        "type": "integer", "minimum": 1, "description": "How many numbers each vector has; the model's own number without"
    });
    schema(2, [("input", input), ("model", text("The model that makes vectors")), ("dimensions", dimensions)])
}

pub(super) fn list_models(of_all: bool) -> JsonObject {
    match of_all {
        true => schema(0, [("provider", text("Only those of this configured provider"))]),
        false => schema(0, []),
    }
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn messages() -> (&'static str, Value) {
    let message = json!({
        "type": "object",
        "properties": {
            "role": {"type": "string", "enum": ["system", "developer", "user", "assistant", "tool"]},
            "content": {"description": "A text, or parts as OpenAI's API has them"},
        },
        "required": ["role"],
    });
    let description = "The conversation, oldest first, as OpenAI's API has it";
    ("messages", json!({"type": "array", "items": message, "minItems": 1, "description": description}))
}

fn model() -> (&'static str, Value) {
    ("model", text("The model, as ai_list_models names it; without one, the default"))
}

fn system() -> (&'static str, Value) {
    ("system", text("Instructions for the model"))
}

fn temperature() -> (&'static str, Value) {
    ("temperature", json!({"type": "number", "minimum": 0, "description": "How much chance there is in the answer"}))
}

fn max_tokens() -> (&'static str, Value) {
    ("max_tokens", json!({"type": "integer", "minimum": 1, "description": "Most tokens of the answer"}))
}

fn stream() -> (&'static str, Value) {
    let description = "Whether the answer is told as it comes, by notifications of progress, to a client that sends a \
                       progressToken: message is the text since the last one. It is unless this is false";
    ("stream", json!({"type": "boolean", "description": description}))
}
