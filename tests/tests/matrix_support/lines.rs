//! The lines of JSON of `greenroom ipc`, which has a process of its own for each question.

use serde_json::{Value, json};

use super::{Asked, Said, Wrong, frontends};
use crate::http_support::Greenroom;
use crate::ipc_support::{Ipc, text};

/// Asks; an answer only ever comes as a stream.
pub async fn ask(greenroom: &Greenroom, asked: &Asked) -> Result<Said, Wrong> {
    let mut ipc = Ipc::start(&greenroom.home);
    ipc.send(&question(asked)).await;
    let lines = ipc.answer("q").await;
    ipc.end_input();
    let (code, rest, errors) = ipc.end().await;
    assert_eq!((code, rest.len(), errors.as_str()), (Some(0), 0, ""), "it ends with its input");
    heard(&lines)
}

/// OpenAI's messages and tools, but for calls, which go back as they were told here.
fn question(asked: &Asked) -> Value {
    let mut body = frontends::chat(asked);
    for message in body["messages"].as_array_mut().unwrap() {
        if message["tool_calls"].is_array() {
            let told = |(id, name, arguments): &(String, String, Value)| json!({"id": id, "name": name, "arguments": arguments});
            message["tool_calls"] = asked.after.iter().map(told).collect();
        }
    }
    let mut options = json!({});
    if asked.tools {
        options["tools"] = body["tools"].clone();
    }
    if asked.thinks {
        options["thinking"] = true.into();
    }
    // There is no word for these; what is not known is passed over.
    if asked.schema {
        options["response_format"] = body["response_format"].clone();
    }
    if asked.stop.is_some() {
        options["stop"] = body["stop"].clone();
    }
    let params = json!({"model": "m", "messages": body["messages"], "options": options});
    json!({"id": "q", "action": "stream_chat", "provider": "lab", "params": params})
}

fn heard(lines: &[Value]) -> Result<Said, Wrong> {
    let last = lines.last().expect("an answer has lines");
    if last["success"] == false {
        let error = &last["error"];
        assert!(error["message"].is_string(), "{last}");
        return Err(Wrong::Failed(error["code"].as_str().unwrap().to_owned(), error["retry_after"].as_u64()));
    }
    let done = &last["data"];
    assert_eq!(done["type"], "done", "{last}");
    let call = |line: &Value| {
        let call = &line["data"]["tool_call"];
        let word = |key: &str| call[key].as_str().unwrap().to_owned();
        (word("id"), word("name"), call["arguments"].clone())
    };
    Ok(Said {
        text: text(lines, "content"),
        thinking: text(lines, "thinking"),
        calls: lines.iter().filter(|line| line["data"]["type"] == "tool_call").map(call).collect(),
        reason: frontends::chat_reason(&done["finish_reason"]),
        used: (
            done["usage"]["input_tokens"].as_u64().unwrap_or(0),
            done["usage"]["output_tokens"].as_u64().unwrap_or(0),
        ),
    })
}
