//! What the tests of batches share: what providers say of them.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]

use greenroom_tests::{Attempt, Recorded, Route, Script, ScriptedProvider};
use serde_json::{Value, json};

/// Kinds of providers.
pub const OPENAI: &str = "openai-compatible";
pub const ANTHROPIC: &str = "anthropic";

/// Three requests of which each says "hi", in three forms; the second has no id.
pub const FILE: &str = r#"{"custom_id": "one", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "x", "messages": [{"role": "user", "content": "hi"}]}}
{"prompt": "hi", "system": "be brief"}
{"custom_id": "three", "params": {"model": "y", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}}
"#;

/// A configuration of one provider, with two models of known prices.
pub fn config(kind: &str, url: &str) -> String {
    let base = if kind == OPENAI { format!("{url}/v1") } else { url.to_owned() };
    let model = |id: &str| format!("[providers.lab.models.{id}]\ncost = {{ input = 1.0, output = 2.0 }}\n");
    format!(
        "[providers.lab]\nkind = \"{kind}\"\nbase_url = \"{base}\"\nkey = \"lab-key\"\n{}{}",
        model("m1"),
        model("m2")
    )
}

/// What OpenAI says of a batch of three.
pub fn openai_batch(status: &str, mark: &str, more: Value) -> Value {
    let mut batch = json!({"id": "batch_remote", "object": "batch", "endpoint": "/v1/chat/completions", "errors": null,
        "input_file_id": "file-in", "completion_window": "24h", "status": status, "created_at": 1_700_000_000,
        "expires_at": 1_700_086_400, "request_counts": {"total": 3, "completed": 2, "failed": 1},
        "metadata": {"greenroom": mark}});
    if let (Some(batch), Value::Object(more)) = (batch.as_object_mut(), more) {
        batch.extend(more);
    }
    batch
}

/// What Anthropic says of a batch of three, of which one was answered once it has ended.
pub fn anthropic_batch(status: &str, cancelled: bool) -> Value {
    let ended = status == "ended";
    let counts = match ended {
        true => json!({"processing": 0, "succeeded": 1, "errored": 0, "canceled": 1, "expired": 1}),
        false => json!({"processing": 3, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}),
    };
    json!({"id": "msgbatch_1", "type": "message_batch", "processing_status": status, "request_counts": counts,
        "created_at": "2099-01-01T00:00:00Z", "expires_at": "2099-01-02T00:00:00Z", "archived_at": null,
        "ended_at": ended.then_some("2099-01-01T01:00:00Z"), "results_url": "http://127.0.0.1:9/elsewhere",
        "cancel_initiated_at": cancelled.then_some("2099-01-01T00:30:00Z")})
}

/// A file was uploaded.
pub fn uploaded(id: &str) -> Attempt {
    Attempt::json(200, &json!({"id": id, "object": "file", "bytes": 1, "filename": "x.jsonl", "purpose": "batch"}))
}

/// A provider of OpenAI's wire that takes files and gives these answers about batches.
pub fn openai(about: impl IntoIterator<Item = Attempt>) -> Script {
    let about: Vec<Attempt> = about.into_iter().collect();
    Script::new([
        Route::new("POST", "/v1/files", [uploaded("file-in").always()]),
        Route::new("POST", "/v1/batches", about.clone()),
        Route::new("GET", "/v1/batches/batch_remote", about),
    ])
}

/// A provider of Anthropic's wire whose batches answer so.
pub fn anthropic(create: Attempt, listed: &[Value]) -> Script {
    let page = json!({"data": listed, "has_more": false, "first_id": null, "last_id": null});
    Script::new([
        Route::new("POST", "/v1/messages/batches", [create]),
        Route::new("GET", "/v1/messages/batches", [Attempt::json(200, &page).always()]),
        Route::new(
            "GET",
            "/v1/messages/batches/msgbatch_1",
            [Attempt::json(200, &anthropic_batch("in_progress", false)).always()],
        ),
    ])
}

/// A line of OpenAI's results: this text, for a thousand tokens and five hundred.
pub fn completion(id: &str, text: &str) -> Value {
    let body = json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m1", "choices":
        [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}});
    json!({"id": "r", "custom_id": id, "response": {"status_code": 200, "request_id": "q", "body": body}, "error": null})
}

/// The requests of this method and path, oldest first.
pub fn asked(provider: &ScriptedProvider, method: &str, path: &str) -> Vec<Recorded> {
    provider.requests().into_iter().filter(|sent| sent.method == method && sent.path() == path).collect()
}
