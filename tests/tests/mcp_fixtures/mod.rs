//! The tools, resources and prompts that the suite of conformance asks for, as its documentation of each scenario has them.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]
#![allow(deprecated, reason = "the scenarios are of revisions that have log messages and sampling")]

mod asking;

use std::time::Duration;

use greenroom::frontends::mcp::rmcp::model::{
    CallToolResult, ContentBlock, GetPromptResult, LoggingLevel, Prompt, Resource, ResourceContents, ResourceTemplate,
    Tool,
};
use greenroom::frontends::mcp::{Added, ToolCall};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::watch;

/// A picture of one red dot, as PNG.
const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC";
/// One sample of silence, as WAV.
const SOUND: &str = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQIAAAAAAA==";
/// What the suite wants between two notices.
const STEP: Duration = Duration::from_millis(50);

pub(crate) fn added() -> Added {
    prompts(resources(asking::tools(tools(Added::default()))))
}

/// A value of the protocol, written as it goes over the wire.
fn of<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn tool(name: &'static str, properties: Value) -> Tool {
    let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
    let schema = json!({"type": "object", "properties": properties, "required": required});
    Tool::new(name, "A tool of the suite", of::<serde_json::Map<String, Value>>(schema))
}

fn said(text: impl Into<String>) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

/// Adds a tool that always gives this content.
fn giving(added: Added, name: &'static str, content: Value) -> Added {
    added.tool(tool(name, json!({})), move |_| {
        let content: Vec<ContentBlock> = of(content.clone());
        async move { Ok(CallToolResult::success(content)) }
    })
}

fn tools(added: Added) -> Added {
    let image = json!({"type": "image", "data": PICTURE, "mimeType": "image/png"});
    let resource = |uri: &str, mime: &str, text: &str| json!({"type": "resource", "resource": {"uri": uri, "mimeType": mime, "text": text}});
    let text = json!({"type": "text", "text": "This is a simple text response for testing."});
    let embedded = resource("test://embedded-resource", "text/plain", "This is an embedded resource content.");
    let mixed = json!([
        {"type": "text", "text": "Multiple content types test:"},
        image,
        resource("test://mixed-content-resource", "application/json", "{\"test\":\"data\",\"value\":123}"),
    ]);
    let added = giving(added, "test_simple_text", json!([text]));
    let added = giving(added, "test_image_content", json!([image]));
    let added = giving(added, "test_audio_content", json!([{"type": "audio", "data": SOUND, "mimeType": "audio/wav"}]));
    let added = giving(added, "test_embedded_resource", json!([embedded]));
    let added = giving(added, "test_multiple_content_types", mixed);
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {"type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}},
        },
        "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
        "additionalProperties": false,
    });
    let schema: serde_json::Map<String, Value> = of(schema);
    let with_schema = Tool::new("json_schema_2020_12_tool", "Tool with JSON Schema 2020-12 features", schema);
    added
        .tool(with_schema, |_| async { Ok(said("done")) })
        .tool(tool("test_error_handling", json!({})), |_| async {
            Ok(CallToolResult::error(vec![ContentBlock::text("This tool intentionally returns an error for testing")]))
        })
        .tool(tool("test_tool_with_logging", json!({})), |call: ToolCall| async move {
            for message in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
                call.log(LoggingLevel::Info, "fixtures", message.into()).await;
                tokio::time::sleep(STEP).await;
            }
            Ok(said("done"))
        })
        .tool(tool("test_tool_with_progress", json!({})), |call: ToolCall| async move {
            for progress in [0.0, 50.0, 100.0] {
                call.progress(progress, Some(100.0), None).await;
                tokio::time::sleep(STEP).await;
            }
            Ok(said("done"))
        })
}

fn resources(added: Added) -> Added {
    let contents = |value: Value| -> Vec<ResourceContents> { of(json!([value])) };
    let (changes, changed) = watch::channel(());
    let watched = Resource::new("test://watched-resource", "watched").with_mime_type("text/plain");
    let template = ResourceTemplate::new("test://template/{id}/data", "template").with_mime_type("application/json");
    added
        .resource(Resource::new("test://static-text", "text").with_mime_type("text/plain"), move || async move {
            let text = "This is the content of the static text resource.";
            Ok(contents(json!({"uri": "test://static-text", "mimeType": "text/plain", "text": text})))
        })
        .resource(Resource::new("test://static-binary", "binary").with_mime_type("image/png"), move || async move {
            Ok(contents(json!({"uri": "test://static-binary", "mimeType": "image/png", "blob": PICTURE})))
        })
        .resource_template(template, move |uri, words| async move {
            let text =
                json!({"id": words["id"], "templateTest": true, "data": format!("Data for ID: {}", words["id"])});
            Ok(contents(json!({"uri": uri, "mimeType": "application/json", "text": text.to_string()})))
        })
        .watched_resource(
            watched,
            move || {
                // Whoever reads it has it change, so that somebody else is told.
                changes.send_replace(());
                async move { Ok(contents(json!({"uri": "test://watched-resource", "text": "watched"}))) }
            },
            changed,
        )
}

fn prompts(added: Added) -> Added {
    let prompt = |name: &str, arguments: &[&str]| -> Prompt {
        let arguments: Vec<Value> = arguments.iter().map(|name| json!({"name": name, "required": true})).collect();
        of(json!({"name": name, "description": "A prompt of the suite", "arguments": arguments}))
    };
    let messages = |contents: Value| -> GetPromptResult {
        let messages = contents.as_array().unwrap().iter().map(|content| json!({"role": "user", "content": content}));
        of(json!({"messages": messages.collect::<Vec<_>>()}))
    };
    let text = |text: &str| json!({"type": "text", "text": text});
    added
        .prompt(prompt("test_simple_prompt", &[]), move |_| async move {
            Ok(messages(json!([text("This is a simple prompt for testing.")])))
        })
        .prompt(prompt("test_prompt_with_arguments", &["arg1", "arg2"]), move |said| async move {
            let words = format!("Prompt with arguments: arg1='{}', arg2='{}'", said["arg1"], said["arg2"]);
            Ok(messages(json!([text(&words)])))
        })
        .prompt(prompt("test_prompt_with_embedded_resource", &["resourceUri"]), move |said| async move {
            let embedded = "Embedded resource content for testing.";
            let resource = json!({"uri": said["resourceUri"], "mimeType": "text/plain", "text": embedded});
            let resource = json!({"type": "resource", "resource": resource});
            Ok(messages(json!([resource, text("Please process the embedded resource above.")])))
        })
        .prompt(prompt("test_prompt_with_image", &[]), move |_| async move {
            let image = json!({"type": "image", "data": PICTURE, "mimeType": "image/png"});
            Ok(messages(json!([image, text("Please analyze the image above.")])))
        })
}
