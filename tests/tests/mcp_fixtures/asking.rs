//! Tools that ask their client for something in turn.

use std::collections::HashMap;

use greenroom::frontends::mcp::rmcp::model::{CallToolResult, ClientResult, ContentBlock, ServerRequest};
use greenroom::frontends::mcp::{Added, ToolCall};
use serde_json::{Value, json};

use super::{of, said, tool};

pub(super) fn tools(added: Added) -> Added {
    let text = |description: &str| json!({"type": "string", "description": description});
    let fixed = [("test_elicitation_sep1034_defaults", defaults()), ("test_elicitation_sep1330_enums", choices())];
    let added = fixed.into_iter().fold(added, |added, (name, properties)| {
        added.tool(tool(name, json!({})), move |call| {
            let properties = properties.clone();
            async move { Ok(elicited(&call, "Elicitation completed", "Please fill this in", properties, &[]).await) }
        })
    });
    added
        .tool(tool("test_sampling", json!({"prompt": text("The prompt")})), |call: ToolCall| async move {
            let words: HashMap<String, String> = call.arguments()?;
            let message = json!({"role": "user", "content": {"type": "text", "text": words["prompt"]}});
            let params = json!({"messages": [message], "maxTokens": 100});
            Ok(match asked(&call, "sampling/createMessage", params).await {
                Ok(answer) => said(format!("LLM response: {}", answer["content"]["text"])),
                Err(refused) => refused,
            })
        })
        .tool(tool("test_elicitation", json!({"message": text("The message")})), move |call: ToolCall| async move {
            let words: HashMap<String, String> = call.arguments()?;
            let properties = json!({"username": text("User's response"), "email": text("User's email address")});
            Ok(elicited(&call, "User response", &words["message"], properties, &["username", "email"]).await)
        })
}

/// What the client answers, or a result that says that it does not.
async fn asked(call: &ToolCall, method: &str, params: Value) -> Result<Value, CallToolResult> {
    let request: ServerRequest = of(json!({"method": method, "params": params}));
    let answer: Result<ClientResult, _> = call.peer().send_request(request).await;
    let answer = answer.map_err(|error| CallToolResult::error(vec![ContentBlock::text(error.to_string())]));
    answer.map(|answer| json!(answer))
}

async fn elicited(call: &ToolCall, head: &str, message: &str, properties: Value, required: &[&str]) -> CallToolResult {
    let schema = json!({"type": "object", "properties": properties, "required": required});
    let params = json!({"mode": "form", "message": message, "requestedSchema": schema});
    match asked(call, "elicitation/create", params).await {
        Ok(answer) => said(format!("{head}: action={}, content={}", answer["action"], answer["content"])),
        Err(refused) => refused,
    }
}

/// A field of each primitive type, with what it is unless somebody says otherwise.
fn defaults() -> Value {
    json!({
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": true},
    })
}

/// A choice of each form that there is.
fn choices() -> Value {
    let titled = json!([
        {"const": "value1", "title": "First Option"},
        {"const": "value2", "title": "Second Option"},
        {"const": "value3", "title": "Third Option"},
    ]);
    let options = json!(["option1", "option2", "option3"]);
    json!({
        "untitledSingle": {"type": "string", "enum": options},
        "titledSingle": {"type": "string", "oneOf": titled},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled}},
    })
}
