//! `ai_compare`.

use futures::future::join_all;
use rmcp::{
    ErrorData,
    model::{CallToolResult, ContentBlock, JsonObject},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{
        answer::{self, NoAnswer},
        arguments, cancelled, wrong,
    },
    Call,
    chat::{Asked, answered},
};
use crate::{MOST_COMPARED, event::Failure};

#[derive(Debug, Deserialize)]
struct Models {
    models: Vec<String>,
}

/// Asks each of several models; that one of them fails is told beside what the others say.
pub(super) async fn call(
    call: &Call<'_>,
    schema: &JsonObject,
    mut arguments: JsonObject,
) -> Result<CallToolResult, ErrorData> {
    let models = arguments.shift_remove("models");
    let named = models.into_iter().map(|models| ("models".to_owned(), models)).collect();
    let mut asked_schema = schema.clone();
    asked_schema["required"] = json!(["models"]);
    let Models { models } = arguments::read(&asked_schema, named)?;
    if !(1..=MOST_COMPARED).contains(&models.len()) {
        return Err(wrong(format!("{} models are named", models.len()), format!("name 1 to {MOST_COMPARED}")));
    }
    asked_schema["required"] = json!(["prompt"]);
    let asked: Asked = arguments::read(&asked_schema, arguments)?;
    let request = asked.request()?;
    let answers = models.iter().map(|model| {
        let mut request = request.clone();
        request.model.clone_from(model);
        answered(call, request, false)
    });
    let mut told = Vec::new();
    let mut text = String::new();
    let mut all_failed = true;
    for (model, answer) in models.iter().zip(join_all(answers).await) {
        let mut fields = match answer {
            Ok(said) => {
                all_failed = false;
                text.push_str(&format!("## {model}\n\n{}\n\n", said.text()));
                said.fields()
            }
            Err(NoAnswer::Failed(error)) => {
                text.push_str(&format!("## {model}\n\n(failed: {})\n\n", error.message));
                super::object(json!({"error": Failure::from(&error)}))
            }
            Err(NoAnswer::Cancelled) => return Err(cancelled()),
        };
        fields.insert("asked".into(), model.as_str().into());
        told.push(Value::Object(fields));
    }
    let content = vec![ContentBlock::text(text.trim_end())];
    if all_failed {
        return Ok(CallToolResult::error(content));
    }
    let mut result = CallToolResult::success(content);
    result.structured_content = Some(json!({"answers": told}));
    Ok(result)
}

/// What the result is.
pub(super) fn schema() -> Value {
    let mut answer = answer::schema();
    answer["properties"]["asked"] = json!({"type": "string", "description": "The model as it was named"});
    answer["properties"]["error"] = json!({"type": "object", "description": "Why there is no answer of it"});
    answer["required"] = json!(["asked"]);
    json!({"type": "object", "properties": {"answers": {"type": "array", "items": answer}}, "required": ["answers"]})
}
