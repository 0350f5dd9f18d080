//! The frontends, each spoken to in its own words.

use greenroom_tests::client::{Connection, Response};
use serde_json::{Value, json};

use super::{Asked, PICTURE, RESULT, Said, Wrong, lines, parameters, schema, tools, wires::Wire};
use crate::http_support::{Api, Greenroom};

/// A frontend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frontend {
    Chat,
    Responses,
    Messages,
    /// `greenroom ipc`.
    Lines,
    /// `ai_chat` of MCP.
    Tool,
    /// MCP's tool for the provider's kind.
    OwnTool,
}

impl Frontend {
    /// Each in the ways in which it answers before this wire: whole, and as a stream.
    pub fn all(wire: Wire) -> Vec<(Self, bool)> {
        let both = [Self::Chat, Self::Responses, Self::Messages, Self::Tool];
        let own = wire.tool().map(|_| Self::OwnTool);
        let whole = both.into_iter().chain(own);
        whole.flat_map(|frontend| [(frontend, false), (frontend, true)]).chain([(Self::Lines, true)]).collect()
    }

    /// Whether it is a tool, which takes few arguments and tells no thinking.
    pub fn is_tool(self) -> bool {
        matches!(self, Self::Tool | Self::OwnTool)
    }

    /// Asks for an answer, whole or as a stream.
    pub async fn ask(self, greenroom: &Greenroom, wire: Wire, asked: &Asked, stream: bool) -> Result<Said, Wrong> {
        let api = &greenroom.api;
        let (path, mut body) = match self {
            Self::Chat => ("/v1/chat/completions", chat(asked)),
            Self::Responses => ("/v1/responses", responses(asked)),
            Self::Messages => ("/v1/messages", messages(asked)),
            Self::Lines => return lines::ask(greenroom, asked).await,
            Self::Tool => return tools::ask(api, "ai_chat", asked, stream).await,
            Self::OwnTool => return tools::ask(api, wire.tool().expect("the kind has one"), asked, stream).await,
        };
        body["model"] = "lab/m".into();
        body["stream"] = stream.into();
        let response = post(api, path, &body).await;
        if response.status != 200 {
            return Err(Wrong::Refused(response.status, response.header("retry-after").map(str::to_owned)));
        }
        let said = match (self, stream) {
            (Self::Chat, false) => chat_whole(&response.json()),
            (Self::Chat, true) => chat_stream(&events(&response)),
            (Self::Responses, false) => Some(responses_whole(&response.json())),
            (Self::Responses, true) => responses_stream(&events(&response)),
            (Self::Messages, false) => Some(messages_whole(&response.json())),
            (Self::Messages, true) => messages_stream(&events(&response)),
            (Self::Lines | Self::Tool | Self::OwnTool, _) => unreachable!("they are asked above"),
        };
        said.ok_or(Wrong::Midway)
    }
}

async fn post(api: &Api, path: &str, body: &Value) -> Response {
    let mut connection = Connection::open(&api.url).await.unwrap();
    let authorization = format!("Bearer {}", api.token);
    let headers = [
        ("content-type", "application/json"),
        ("authorization", authorization.as_str()),
        ("anthropic-version", "2023-06-01"),
    ];
    connection.send("POST", path, &headers, body.to_string().as_bytes()).await.unwrap();
    connection.response().await.unwrap()
}

/// The data of each event.
fn events(response: &Response) -> Vec<Value> {
    let text = response.text();
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    lines.map(|data| serde_json::from_str(data).unwrap()).collect()
}

pub fn chat(asked: &Asked) -> Value {
    let mut content = vec![json!({"type": "text", "text": asked.words})];
    if asked.picture {
        content.push(json!({"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{PICTURE}")}}));
    }
    let mut messages = vec![json!({"role": "user", "content": content})];
    if !asked.after.is_empty() {
        let call = |(id, name, arguments): &(String, String, Value)| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments.to_string()}});
        let calls: Vec<Value> = asked.after.iter().map(call).collect();
        messages.push(json!({"role": "assistant", "content": null, "tool_calls": calls}));
        let result = |(id, ..): &(String, _, _)| json!({"role": "tool", "tool_call_id": id, "content": RESULT});
        messages.extend(asked.after.iter().map(result));
    }
    let mut body = json!({"messages": messages, "stream_options": {"include_usage": true}});
    if asked.tools {
        let function = json!({"name": "weather", "description": "the weather", "parameters": parameters()});
        body["tools"] = json!([{"type": "function", "function": function}]);
    }
    if asked.schema {
        let named = json!({"name": "animal", "strict": true, "schema": schema()});
        body["response_format"] = json!({"type": "json_schema", "json_schema": named});
    }
    if asked.thinks {
        body["reasoning_effort"] = "low".into();
    }
    if let Some(stop) = asked.stop {
        body["stop"] = json!([stop]);
    }
    body
}

pub fn chat_reason(reason: &Value) -> String {
    match reason.as_str() {
        Some("tool_calls") => "calls".into(),
        Some(other) => other.into(),
        None => String::new(),
    }
}

fn chat_used(usage: &Value) -> (u64, u64) {
    (usage["prompt_tokens"].as_u64().unwrap_or(0), usage["completion_tokens"].as_u64().unwrap_or(0))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn parsed(arguments: &str) -> Value {
    serde_json::from_str(arguments).unwrap_or_else(|_| panic!("these arguments are no JSON: {arguments}"))
}

fn chat_whole(answer: &Value) -> Option<Said> {
    let choice = &answer["choices"][0];
    let message = &choice["message"];
    let calls = message["tool_calls"].as_array().into_iter().flatten().map(|call| {
        let function = &call["function"];
        (text(&call["id"]).to_owned(), text(&function["name"]).to_owned(), parsed(text(&function["arguments"])))
    });
    Some(Said {
        text: text(&message["content"]).into(),
        thinking: text(&message["reasoning_content"]).into(),
        calls: calls.collect(),
        reason: chat_reason(&choice["finish_reason"]),
        used: chat_used(&answer["usage"]),
    })
}

fn chat_stream(chunks: &[Value]) -> Option<Said> {
    let mut said = Said::default();
    let mut calls: Vec<(String, String, String)> = Vec::new();
    for chunk in chunks {
        if chunk.get("error").is_some() {
            return None;
        }
        let choice = &chunk["choices"][0];
        said.text += text(&choice["delta"]["content"]);
        said.thinking += text(&choice["delta"]["reasoning_content"]);
        for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            if calls.len() <= index {
                calls.push((text(&call["id"]).into(), text(&call["function"]["name"]).into(), String::new()));
            }
            calls[index].2 += text(&call["function"]["arguments"]);
        }
        if choice["finish_reason"].is_string() {
            said.reason = chat_reason(&choice["finish_reason"]);
        }
        if chunk["usage"].is_object() {
            said.used = chat_used(&chunk["usage"]);
        }
    }
    said.calls = calls.into_iter().map(|(id, name, arguments)| (id, name, parsed(&arguments))).collect();
    (!said.reason.is_empty()).then_some(said)
}

fn responses(asked: &Asked) -> Value {
    let mut content = vec![json!({"type": "input_text", "text": asked.words})];
    if asked.picture {
        content.push(json!({"type": "input_image", "image_url": format!("data:image/png;base64,{PICTURE}")}));
    }
    let mut input = vec![json!({"role": "user", "content": content})];
    input.extend(asked.after.iter().map(|(id, name, arguments)| {
        json!({"type": "function_call", "call_id": id, "name": name, "arguments": arguments.to_string()})
    }));
    let result = |(id, ..): &(String, _, _)| json!({"type": "function_call_output", "call_id": id, "output": RESULT});
    input.extend(asked.after.iter().map(result));
    let mut body = json!({"input": input, "store": false});
    if asked.tools {
        let tool = json!({"type": "function", "name": "weather", "parameters": parameters(), "strict": false});
        body["tools"] = json!([tool]);
    }
    if asked.schema {
        let format = json!({"type": "json_schema", "name": "animal", "strict": true, "schema": schema()});
        body["text"] = json!({ "format": format });
    }
    if asked.thinks {
        body["reasoning"] = json!({"effort": "low", "summary": "auto"});
    }
    body
}

fn responses_whole(response: &Value) -> Said {
    let mut said = Said::default();
    for item in response["output"].as_array().unwrap() {
        match text(&item["type"]) {
            "message" => {
                said.text.extend(item["content"].as_array().unwrap().iter().map(|part| text(&part["text"])));
            }
            "reasoning" => {
                let parts = item["summary"].as_array().into_iter().chain(item["content"].as_array()).flatten();
                said.thinking.extend(parts.map(|part| text(&part["text"])));
            }
            "function_call" => {
                let arguments = parsed(text(&item["arguments"]));
                said.calls.push((text(&item["call_id"]).into(), text(&item["name"]).into(), arguments));
            }
            other => panic!("an item of the type {other}"),
        }
    }
    said.reason = match text(&response["status"]) {
        "completed" if said.calls.is_empty() => "stop",
        "completed" => "calls",
        "incomplete" => "length",
        other => panic!("a response that is {other}"),
    }
    .into();
    let usage = &response["usage"];
    said.used = (usage["input_tokens"].as_u64().unwrap_or(0), usage["output_tokens"].as_u64().unwrap_or(0));
    said
}

/// By the last event, with which the deltas have to agree.
fn responses_stream(events: &[Value]) -> Option<Said> {
    let last = events.last()?;
    match text(&last["type"]) {
        "response.failed" | "error" => return None,
        "response.completed" | "response.incomplete" => {}
        other => panic!("a stream that ends with {other}"),
    }
    let said = responses_whole(&last["response"]);
    let deltas = |kind: &str| -> String {
        events.iter().filter(|event| event["type"] == kind).map(|event| text(&event["delta"])).collect()
    };
    assert_eq!(deltas("response.output_text.delta"), said.text);
    assert_eq!(deltas("response.reasoning_summary_text.delta"), said.thinking);
    Some(said)
}

fn messages(asked: &Asked) -> Value {
    let mut content = vec![json!({"type": "text", "text": asked.words})];
    if asked.picture {
        let source = json!({"type": "base64", "media_type": "image/png", "data": PICTURE});
        content.push(json!({"type": "image", "source": source}));
    }
    let mut messages = vec![json!({"role": "user", "content": content})];
    if !asked.after.is_empty() {
        let call = |(id, name, input): &(String, String, Value)| json!({"type": "tool_use", "id": id, "name": name, "input": input});
        let result = |(id, ..): &(String, _, _)| json!({"type": "tool_result", "tool_use_id": id, "content": RESULT});
        let calls: Vec<Value> = asked.after.iter().map(call).collect();
        let results: Vec<Value> = asked.after.iter().map(result).collect();
        messages.push(json!({"role": "assistant", "content": calls}));
        messages.push(json!({"role": "user", "content": results}));
    }
    let mut body = json!({"messages": messages, "max_tokens": 4000});
    if asked.tools {
        body["tools"] = json!([{"name": "weather", "description": "the weather", "input_schema": parameters()}]);
    }
    if asked.schema {
        body["output_config"] = json!({"format": {"type": "json_schema", "schema": schema()}});
    }
    if asked.thinks {
        body["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
    }
    if let Some(stop) = asked.stop {
        body["stop_sequences"] = json!([stop]);
    }
    body
}

fn messages_reason(reason: &Value) -> String {
    match text(reason) {
        "end_turn" | "stop_sequence" => "stop",
        "max_tokens" => "length",
        "tool_use" => "calls",
        other => other,
    }
    .into()
}

fn messages_whole(message: &Value) -> Said {
    let mut said = Said::default();
    for block in message["content"].as_array().unwrap() {
        match text(&block["type"]) {
            "text" => said.text += text(&block["text"]),
            "thinking" => said.thinking += text(&block["thinking"]),
            "tool_use" => {
                said.calls.push((text(&block["id"]).into(), text(&block["name"]).into(), block["input"].clone()));
            }
            other => panic!("a block of the type {other}"),
        }
    }
    said.reason = messages_reason(&message["stop_reason"]);
    let usage = &message["usage"];
    // What a cache gave is of the prompt, too.
    let prompt = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];
    let prompt = prompt.iter().filter_map(|part| usage[part].as_u64()).sum();
    said.used = (prompt, usage["output_tokens"].as_u64().unwrap_or(0));
    said
}

/// As a client accumulates it; nothing comes after an error, and no other end is one.
fn messages_stream(events: &[Value]) -> Option<Said> {
    let mut message = json!({"content": [], "usage": {}});
    let mut inputs: Vec<String> = Vec::new();
    for event in events {
        match text(&event["type"]) {
            "message_start" => message["usage"] = event["message"]["usage"].clone(),
            "content_block_start" => {
                let blocks = message["content"].as_array_mut().unwrap();
                assert_eq!(event["index"].as_u64(), u64::try_from(blocks.len()).ok());
                blocks.push(event["content_block"].clone());
                inputs.push(String::new());
            }
            "content_block_delta" => {
                let index = usize::try_from(event["index"].as_u64().unwrap()).unwrap();
                for key in ["text", "thinking", "signature"] {
                    if let Some(delta) = event["delta"][key].as_str() {
                        let whole = text(&message["content"][index][key]).to_owned() + delta;
                        message["content"][index][key] = whole.into();
                    }
                }
                inputs[index] += text(&event["delta"]["partial_json"]);
            }
            "content_block_stop" => {
                let index = usize::try_from(event["index"].as_u64().unwrap()).unwrap();
                if !inputs[index].is_empty() {
                    message["content"][index]["input"] = parsed(&inputs[index]);
                }
            }
            "message_delta" => {
                message["stop_reason"] = event["delta"]["stop_reason"].clone();
                for (key, count) in event["usage"].as_object().unwrap() {
                    message["usage"][key] = count.clone();
                }
            }
            "message_stop" => return Some(messages_whole(&message)),
            "ping" => {}
            "error" => {
                assert!(std::ptr::eq(event, events.last().unwrap()), "something comes after an error");
                return None;
            }
            other => panic!("an event {other}"),
        }
    }
    panic!("a stream without an end")
}
