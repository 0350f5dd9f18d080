//! How a client wants to be answered.

use serde_json::{Map, Value};

use super::{rest, take_any};
use crate::{
    chat::{ChatRequest, Extra, ResponseFormat, ThinkingRequest, Wire},
    error::ChatError,
    gemini::schema,
    reader::{array, boolean, count, number, object, string},
};

const AT: &str = "generationConfig";
/// What a schema is called that has no name on this wire; other wires want one.
const SCHEMA_NAME: &str = "answer";

pub(super) fn read_config(request: &mut ChatRequest, mut config: Map<String, Value>) -> Result<(), ChatError> {
    let at = |key: &str| format!("{AT}.{key}");
    if let Some(value) = take_any(&mut config, "temperature") {
        request.temperature = Some(number(&at("temperature"), &value)?);
    }
    if let Some(value) = take_any(&mut config, "topP") {
        request.top_p = Some(number(&at("topP"), &value)?);
    }
    if let Some(value) = take_any(&mut config, "maxOutputTokens") {
        request.max_tokens = Some(count(&at("maxOutputTokens"), &value)?);
    }
    if let Some(list) = take_any(&mut config, "stopSequences") {
        let each = array(&at("stopSequences"), list)?.into_iter().enumerate();
        let read = |(index, text)| string(&format!("{AT}.stopSequences[{index}]"), text);
        request.stop = each.map(read).collect::<Result<_, _>>()?;
    }
    read_format(request, &mut config)?;
    if let Some(thinking) = take_any(&mut config, "thinkingConfig") {
        read_thinking(request, object(&at("thinkingConfig"), thinking)?)?;
    }
    rest(&mut request.extra, "/generationConfig", config);
    Ok(())
}

fn read_format(request: &mut ChatRequest, config: &mut Map<String, Value>) -> Result<(), ChatError> {
    const JSON: &str = "application/json";
    let given = take_any(config, "responseJsonSchema").or_else(|| take_any(config, "responseSchema"));
    let media_type =
        take_any(config, "responseMimeType").map(|value| string("generationConfig.responseMimeType", value));
    let media_type = media_type.transpose()?;
    let is_json = media_type.as_deref().is_some_and(|media_type| media_type == JSON);
    match (given, is_json) {
        (Some(mut schema), true) => {
            schema::read(&mut schema);
            request.response_format = Some(ResponseFormat::JsonSchema {
                name: SCHEMA_NAME.into(),
                description: None,
                schema: Some(schema),
                strict: None,
            });
        }
        (None, true) => request.response_format = Some(ResponseFormat::JsonObject),
        // A schema of something else than JSON, such as one word of a list.
        (schema, false) => {
            config.extend(schema.map(|schema| ("responseSchema".to_owned(), schema)));
            config.extend(media_type.map(|media_type| ("responseMimeType".to_owned(), media_type.into())));
        }
    }
    Ok(())
}

fn read_thinking(request: &mut ChatRequest, mut map: Map<String, Value>) -> Result<(), ChatError> {
    const PATH: &str = "/generationConfig/thinkingConfig";
    let mut wish = ThinkingRequest::default();
    if let Some(budget) = take_any(&mut map, "thinkingBudget") {
        let at = "generationConfig.thinkingConfig.thinkingBudget";
        match budget.as_i64() {
            Some(0) => wish.enabled = Some(false),
            Some(-1) => wish.enabled = Some(true),
            _ => wish.budget = Some(count(at, &budget)?),
        }
    }
    if let Some(level) = take_any(&mut map, "thinkingLevel") {
        let level = string("generationConfig.thinkingConfig.thinkingLevel", level)?;
        wish.effort = Some(level.to_ascii_lowercase());
    }
    let shown = match take_any(&mut map, "includeThoughts") {
        None => false,
        Some(value) => boolean("generationConfig.thinkingConfig.includeThoughts", &value)?,
    };
    // Who asks for thinking is shown it on other wires, and on this one only if that is asked for as well.
    if !shown && wish.enabled != Some(false) {
        let path = format!("{PATH}/includeThoughts");
        request.extra.push(Extra { wire: Wire::Gemini, path, json: false.into() });
    }
    request.thinking = Some(wish);
    rest(&mut request.extra, PATH, map);
    Ok(())
}
