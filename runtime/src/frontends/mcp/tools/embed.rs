//! `ai_embed`.

use greenroom_wire::EmbedRequest;
use rmcp::{
    ErrorData,
    model::{CallToolResult, ContentBlock, JsonObject},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{
        answer::{NoAnswer, failed},
        arguments, cancelled, wrong,
    },
    Call,
};

#[derive(Debug, Deserialize)]
struct Asked {
    input: Input,
    model: String,
    dimensions: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "it is a text, or an array of texts")]
enum Input {
    One(String),
    Several(Vec<String>),
}

/// Makes texts into vectors.
pub(super) async fn call(
    call: &Call<'_>,
    schema: &JsonObject,
    arguments: JsonObject,
) -> Result<CallToolResult, ErrorData> {
    let Asked { input, model, dimensions } = arguments::read(schema, arguments)?;
    let texts = match input {
        Input::One(text) => vec![text],
        Input::Several(texts) => texts,
    };
    if texts.is_empty() {
        return Err(wrong("there is no text in 'input'", "send one or more"));
    }
    if let Err(refused) = call.who.may_ask(Some(&model), call.runtime) {
        return match refused.into() {
            NoAnswer::Failed(error) => Ok(failed(&error)),
            NoAnswer::Cancelled => Err(cancelled()),
        };
    }
    let input = texts.into_iter().map(Into::into).collect();
    let request = EmbedRequest { model, input, dimensions, ..EmbedRequest::default() };
    let made = tokio::select! {
        made = call.runtime.embed_for(&request, call.who.access().client().into()) => made,
        () = call.context.ct.cancelled() => return Err(cancelled()),
    };
    let made = match made {
        Ok(made) => made,
        Err(error) => return Ok(failed(&error)),
    };
    let vectors = &made.embeddings.vectors;
    let dimensions = vectors.first().map_or(0, Vec::len);
    let mut told = json!({
        "embeddings": vectors,
        "dimensions": dimensions,
        "provider": made.provider,
        "model": made.model,
    });
    if let Some(tokens) = made.embeddings.tokens {
        told["tokens"] = tokens.into();
    }
    // The numbers are there once: no model reads them, and they are long.
    let text = format!("{} vectors of {dimensions} numbers, by {}/{}", vectors.len(), made.provider, made.model);
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(told);
    Ok(result)
}

/// What the result is.
pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "embeddings": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
            "dimensions": {"type": "integer"},
            "provider": {"type": "string"},
            "model": {"type": "string"},
            "tokens": {"type": "integer"},
        },
        "required": ["embeddings", "dimensions", "provider", "model"],
    })
}
