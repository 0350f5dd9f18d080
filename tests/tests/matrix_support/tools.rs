//! The tools of the Model Context Protocol: `ai_chat`, and those of the providers of one kind.

use greenroom_tests::client::Response;
use serde_json::{Value, json};

use super::{Asked, Said, Wrong, frontends};
use crate::http_support::Api;
use crate::mcp_session::{Session, last, message};

/// What this asks for that the tools have no argument for. Each is refused by its name.
pub fn unsayable(asked: &Asked) -> Option<&'static str> {
    match asked {
        Asked { tools: true, .. } => Some("tools"),
        Asked { schema: true, .. } => Some("response_format"),
        Asked { stop: Some(_), .. } => Some("stop"),
        _ => None,
    }
}

/// Calls a tool; as a stream, with the text told by notifications of progress before the result has it.
pub async fn ask(api: &Api, tool: &str, asked: &Asked, stream: bool) -> Result<Said, Wrong> {
    let mut body = frontends::chat(asked);
    let mut arguments = json!({"model": "lab/m", "messages": body["messages"].take()});
    if let Some(name) = unsayable(asked) {
        arguments[name] = body[name].take();
    }
    let session = Session::begin(api).await;
    let mut params = json!({"name": tool, "arguments": arguments});
    if stream {
        params["_meta"] = json!({"progressToken": "p"});
    }
    let response = session.send("POST", &message(2, "tools/call", params)).await;
    assert_eq!(session.send("DELETE", b"").await.status, 204);
    let answer = last(&response);
    if let Some(error) = answer.get("error") {
        assert_eq!(error["code"], -32602, "{error}");
        return Err(Wrong::Unsayable(error["message"].as_str().unwrap().to_owned()));
    }
    let result = &answer["result"];
    if result["isError"] == true {
        let failure = &result["_meta"]["greenroom/failure"];
        let wait = failure["retry_after"].as_f64().map(|wait| wait.ceil());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few seconds")]
        let wait = wait.map(|wait| wait as u64);
        return Err(Wrong::Failed(failure["kind"].as_str().unwrap().to_owned(), wait));
    }
    let said = heard(&result["structuredContent"]);
    assert_eq!(result["content"][0]["text"], said.text, "{result}");
    assert_eq!(told(&response), if stream { said.text.as_str() } else { "" }, "{}", response.text());
    Ok(said)
}

fn heard(result: &Value) -> Said {
    let call = |call: &Value| {
        let word = |key: &str| call[key].as_str().unwrap().to_owned();
        (word("id"), word("name"), serde_json::from_str(&word("arguments")).unwrap())
    };
    Said {
        text: result["text"].as_str().unwrap().to_owned(),
        // What a model thinks is not told, only that it does, by progress.
        thinking: String::new(),
        calls: result["tool_calls"].as_array().into_iter().flatten().map(call).collect(),
        reason: frontends::chat_reason(&result["finish_reason"]),
        used: (
            result["usage"]["input_tokens"].as_u64().unwrap_or(0),
            result["usage"]["output_tokens"].as_u64().unwrap_or(0),
        ),
    }
}

/// The text that was told on the way.
fn told(response: &Response) -> String {
    let text = response.text();
    // An event without a message only says by which id the stream could be resumed.
    let messages = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| !data.is_empty());
    let messages = messages.map(|data| serde_json::from_str::<Value>(data).unwrap());
    let progress = messages.filter(|message| message["method"] == "notifications/progress");
    progress.map(|message| message["params"]["message"].as_str().unwrap_or_default().to_owned()).collect()
}
