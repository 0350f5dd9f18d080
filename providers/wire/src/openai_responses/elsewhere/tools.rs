//! A tool of this API as functions.

use serde_json::{Map, Value, json};

use super::super::request::read_tool;
use crate::chat::{Tool, ToolCallKind};

/// The argument that a custom tool's text is told as.
pub(super) const INPUT: &str = "input";

/// A tool that is told as a function.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    /// What is told.
    pub(super) tool: Tool,
    /// What a call of it is a call of.
    pub(super) meant: Meant,
}

/// The tool that a call of a function is meant for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meant {
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    pub(super) kind: ToolCallKind,
}

/// The functions that a tool is told as; `None` if it can't be.
pub(super) fn functions(json: &Value) -> Option<Vec<Told>> {
    match json["type"].as_str()? {
        "custom" => Some(vec![custom(json, None)?]),
        "function" => Some(vec![function(nested(json)?, None)?]),
        "namespace" => {
            let namespace = json["name"].as_str()?;
            let told = |tool: &Value| match tool["type"].as_str()? {
                "custom" => custom(tool, Some(namespace)),
                "function" => function(tool.as_object()?.clone(), Some(namespace)),
                _ => None,
            };
            json["tools"].as_array()?.iter().map(told).collect()
        }
        _ => None,
    }
}

/// Whether a tool may be left out where there are others.
pub(super) fn is_beside(json: &Value) -> bool {
    json["type"].as_str().is_some_and(|kind| kind == "tool_search" || kind.starts_with("web_search"))
}

/// The name by which a function of a namespace is told.
pub(super) fn joined(namespace: Option<&str>, name: &str) -> String {
    match namespace {
        Some(namespace) => format!("{}__{name}", namespace.trim_end_matches('_')),
        None => name.to_owned(),
    }
}

/// A function in the form of chat completions, in this API's.
fn nested(json: &Value) -> Option<Map<String, Value>> {
    let mut map = json["function"].as_object()?.clone();
    map.insert("type".into(), "function".into());
    Some(map)
}

fn function(map: Map<String, Value>, namespace: Option<&str>) -> Option<Told> {
    let Ok(Tool::Function { name, description, parameters, strict, .. }) = read_tool("tools", map) else { return None };
    let tool = joined(namespace, &name);
    let meant = Meant { name, namespace: namespace.map(str::to_owned), kind: ToolCallKind::Function };
    Some(Told { tool: Tool::Function { name: tool, description, parameters, strict, extra: Vec::new() }, meant })
}

fn custom(json: &Value, namespace: Option<&str>) -> Option<Told> {
    let name = json["name"].as_str()?.to_owned();
    let mut description = json["description"].as_str().unwrap_or_default().to_owned();
    if json["format"]["type"] == "grammar" {
        let (syntax, definition) = (json["format"]["syntax"].as_str(), json["format"]["definition"].as_str()?);
        if !description.is_empty() {
            description.push_str("\n\n");
        }
        description.push_str(&format!("'{INPUT}' has to follow this grammar ({}):\n", syntax.unwrap_or("regex")));
        description.push_str(definition);
    }
    let parameters = json!({
        "type": "object",
        "properties": {INPUT: {"type": "string", "description": "The whole text that the tool takes, as it is."}},
        "required": [INPUT],
        "additionalProperties": false,
    });
    let tool = Tool::Function {
        name: joined(namespace, &name),
        description: Some(description).filter(|text| !text.is_empty()),
        parameters: Some(parameters),
        strict: None,
        extra: Vec::new(),
    };
    Some(Told { tool, meant: Meant { name, namespace: namespace.map(str::to_owned), kind: ToolCallKind::Custom } })
}
