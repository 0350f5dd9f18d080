//! What a client offers the model to call.

use serde_json::{Map, Value};

use super::{rest, take_any};
use crate::{
    chat::{ChatRequest, Tool, ToolChoice, Wire},
    error::ChatError,
    gemini::schema,
    reader::{array, object, string, take, take_string},
};

pub(super) fn read_tools(request: &mut ChatRequest, tools: Vec<Value>) -> Result<(), ChatError> {
    for (index, tool) in tools.into_iter().enumerate() {
        let at = format!("tools[{index}]");
        let mut map = object(&at, tool)?;
        if let Some(list) = take_any(&mut map, "functionDeclarations") {
            let at = format!("{at}.functionDeclarations");
            for (index, one) in array(&at, list)?.into_iter().enumerate() {
                request.tools.push(read_function(&format!("{at}[{index}]"), one)?);
            }
        }
        // Each tool of the provider's own is a key of the object.
        map.retain(|_, value| !value.is_null());
        if !map.is_empty() {
            request.tools.push(Tool::Native { wire: Wire::Gemini, json: Value::Object(map) });
        }
    }
    Ok(())
}

fn read_function(at: &str, function: Value) -> Result<Tool, ChatError> {
    let mut map = object(at, function)?;
    let name = string(&format!("{at}.name"), take(&mut map, at, "name")?)?;
    let description = take_string(&mut map, at, "description")?;
    let given = take_any(&mut map, "parametersJsonSchema").or_else(|| take_any(&mut map, "parameters"));
    let parameters = match given {
        None => None,
        Some(given) => {
            let mut parameters = Value::Object(object(&format!("{at}.parameters"), given)?);
            schema::read(&mut parameters);
            Some(parameters)
        }
    };
    let mut extra = Vec::new();
    rest(&mut extra, "", map);
    Ok(Tool::Function { name, description, parameters, strict: None, extra })
}

pub(super) fn read_choice(request: &mut ChatRequest, mut config: Map<String, Value>) -> Result<(), ChatError> {
    const AT: &str = "toolConfig.functionCallingConfig";
    if let Some(choice) = take_any(&mut config, "functionCallingConfig") {
        let choice = object(AT, choice)?;
        let mut map = choice.clone();
        let mode = take_any(&mut map, "mode").map(|mode| string(&format!("{AT}.mode"), mode)).transpose()?;
        let names = take_any(&mut map, "allowedFunctionNames").map(|names| array(AT, names)).transpose()?;
        let only = match names.unwrap_or_default().as_slice() {
            [] => Some(None),
            [name] => Some(Some(string(&format!("{AT}.allowedFunctionNames[0]"), name.clone())?)),
            _ => None,
        };
        let mode = mode.map(|mode| mode.to_ascii_uppercase());
        request.tool_choice = match (mode.as_deref(), only) {
            _ if !map.is_empty() => Some(ToolChoice::Native { wire: Wire::Gemini, json: Value::Object(choice) }),
            (None, Some(None)) => None,
            (Some("AUTO"), Some(None)) => Some(ToolChoice::Auto),
            (Some("NONE"), Some(None)) => Some(ToolChoice::None),
            (Some("ANY"), Some(None)) => Some(ToolChoice::Required),
            (Some("ANY"), Some(Some(name))) => Some(ToolChoice::Function { name }),
            _ => Some(ToolChoice::Native { wire: Wire::Gemini, json: Value::Object(choice) }),
        };
    }
    rest(&mut request.extra, "/toolConfig", config);
    Ok(())
}
