//! GitHub Copilot over real sockets: what is particular to it.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use greenroom_providers::{
    AccessToken, Credential, ModelInfo, Provider as _,
    copilot::{Copilot, CopilotArgs},
    transport::Transport,
};
use greenroom_wire::{ChatEvent, ErrorKind, FinishReason};
use serde_json::{Value, json};

mod http_support;

use http_support::{
    asking::{KEY, ask, ask_with, embed, plain, text},
    server, stream, whole,
};

fn provider(base: &str) -> Copilot {
    let transport = Arc::new(Transport::new(Duration::from_secs(1)));
    let (base, headers) = (base.parse().unwrap(), BTreeMap::new());
    Copilot::new(CopilotArgs { transport, base, headers, responses: None, enable_models: false }).unwrap()
}

/// A refusal as the handlers before Copilot's models write it.
fn words(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn choices_that_nobody_asked_for_are_one_answer() {
    let choice = |message: Value, finish: &str| json!({"index": 0, "message": message, "finish_reason": finish});
    let call = json!([{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    let body = json!({"id": "c", "model": "claude-x", "choices": [
        choice(json!({"role": "assistant", "content": "I look"}), "tool_calls"),
        choice(json!({"role": "assistant", "tool_calls": call}), "tool_calls")],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2}, "copilot_usage": {"total_nano_aiu": 7}});
    let (base, seen) = server(vec![whole(200, "", &body)]).await;
    let (events, outcome) = ask(&provider(&base), &plain()).await;
    outcome.unwrap();
    assert_eq!(text(&events), "I look");
    assert!(events.iter().any(|event| matches!(event, ChatEvent::ToolCallStarted { name, .. } if name == "f")));
    assert!(events.iter().any(|event| matches!(event, ChatEvent::Extra(extra) if extra.path == "/copilot_usage")));
    assert_eq!(events.last(), Some(&ChatEvent::Finished { reason: FinishReason::ToolCalls }));
    let seen = seen.await.unwrap();
    assert_eq!(seen[0].line(), "POST /chat/completions HTTP/1.1");
    assert_eq!(
        (seen[0].header("x-github-api-version"), seen[0].header("openai-intent")),
        (Some("2025-05-01"), Some("conversation-panel"))
    );
    assert!(seen[0].header("user-agent").unwrap().starts_with("greenroom/"));
}

#[tokio::test]
async fn errors_are_told_apart_by_status_and_by_code_and_never_need_json() {
    let coded = |status: u16, code: &str| whole(status, "", &json!({"error": {"message": "no", "code": code}}));
    for (response, kind) in [
        (words(401, "", "IDE token expired: unauthorized: token expired\n"), ErrorKind::Auth),
        (words(403, "", "forbidden\n"), ErrorKind::Permission),
        (words(421, "", "misdirected\n"), ErrorKind::Auth),
        (words(413, "", "too large\n"), ErrorKind::ContextOverflow),
        (words(422, "", "filtered\n"), ErrorKind::ContentFilter),
        (words(424, "", "failed dependency\n"), ErrorKind::Server),
        (words(429, "", "quota exceeded\n"), ErrorKind::Billing),
        (words(429, "retry-after: 1209600\r\n", "too many requests\n"), ErrorKind::RateLimited),
        (words(466, "", "client too old\n"), ErrorKind::InvalidRequest),
        (words(499, "", ""), ErrorKind::Cancelled),
        (words(503, "", "upstream rate limit\n"), ErrorKind::Overloaded),
        (coded(402, "quota_exceeded"), ErrorKind::Billing),
        (coded(402, "overage_limit_reached:chat"), ErrorKind::Billing),
        (coded(429, "user_model_rate_limited:claude-x"), ErrorKind::RateLimited),
        (coded(429, "agent_mode_limit_exceeded"), ErrorKind::RateLimited),
    ] {
        let (base, _seen) = server(vec![response.clone()]).await;
        let (events, outcome) = ask(&provider(&base), &plain()).await;
        assert_eq!((outcome.unwrap_err().kind, events.len()), (kind, 0), "{response}");
    }
    let later = words(429, "retry-after: 1209600\r\n", "");
    let (base, _seen) = server(vec![later]).await;
    let error = ask(&provider(&base), &plain()).await.1.unwrap_err();
    assert_eq!(error.details.retry_after, Some(Duration::from_secs(14 * 86_400)));
}

#[tokio::test]
async fn a_refused_token_that_was_exchanged_is_worth_a_new_one() {
    let (base, _seen) = server(vec![words(403, "", "forbidden\n")]).await;
    let elsewhere = Some(base.parse().unwrap());
    let credential = Credential::Token(AccessToken { token: KEY.into(), account: None, base: elsewhere });
    let other = provider("http://127.0.0.1:9");
    let (_, outcome) = ask_with(&other, &plain(), &ModelInfo::named("m"), &credential).await;
    assert_eq!(outcome.unwrap_err().kind, ErrorKind::Auth, "it may only have ended");
}

#[tokio::test]
async fn a_model_that_is_not_asked_here_is_asked_where_it_is_listed() {
    let refusal = whole(400, "", &json!({"error": {"message": "not accessible", "code": "unsupported_api_for_model"}}));
    let list = |endpoints: Value| whole(200, "", &json!({"data": [{"id": "m", "supported_endpoints": endpoints}]}));
    let content = json!([{"type": "output_text", "text": "by responses", "annotations": []}]);
    let item = json!({"type": "message", "id": "i", "role": "assistant", "status": "completed", "content": content});
    let response = whole(
        200,
        "",
        &json!({"id": "r", "object": "response", "model": "m", "status": "completed", "output": [item]}),
    );
    let (base, seen) = server(vec![refusal.clone(), list(json!(["/responses"])), response]).await;
    let (events, outcome) = ask(&provider(&base), &plain()).await;
    outcome.unwrap();
    assert_eq!(text(&events), "by responses");
    let lines: Vec<String> = seen.await.unwrap().iter().map(|seen| seen.line().to_owned()).collect();
    assert_eq!(lines, ["POST /chat/completions HTTP/1.1", "GET /models HTTP/1.1", "POST /responses HTTP/1.1"]);
    // What the list says nothing of stays refused, and nobody is asked for ever.
    let (base, seen) = server(vec![refusal, list(json!(["/chat/completions"]))]).await;
    assert_eq!(ask(&provider(&base), &plain()).await.1.unwrap_err().kind, ErrorKind::InvalidRequest);
    assert_eq!(seen.await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_no_answer_is_an_error_of_the_wire() {
    for response in [
        words(200, "", "welcome to the network"),
        whole(200, "", &json!({"choices": [{"index": "one", "message": {"content": 3}}]})),
        stream(&[json!({"choices": [{"index": 0, "delta": {"content": 5}, "finish_reason": null}]})]),
        stream(&[json!({"choices": [{"index": 0, "delta": {"content": "half"}, "finish_reason": null}]})]),
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\ndata: {\"choices\": [{\"ind"
            .to_owned(),
    ] {
        let (base, _seen) = server(vec![response.clone()]).await;
        assert_eq!(ask(&provider(&base), &plain()).await.1.unwrap_err().kind, ErrorKind::Protocol, "{response}");
    }
}

#[tokio::test]
async fn the_default_is_a_model_that_chats_and_texts_become_vectors() {
    let entry = |id: &str, kind: &str, offered: bool, state: &str| {
        json!({"id": id, "model_picker_enabled": offered, "policy": {"state": state}, "capabilities": {"type": kind,
            "limits": {"max_context_window_tokens": 100, "max_prompt_tokens": 60}}})
    };
    let list = json!({"data": [entry("vectors", "embeddings", false, "enabled"), entry("closed", "chat", true, "disabled"),
        entry("hidden", "chat", false, "enabled"), entry("shown", "chat", true, "enabled")]});
    let vectors = json!({"data": [{"index": 0, "embedding": [0.5]}], "model": "v"});
    let (base, seen) = server(vec![whole(200, "", &list), whole(200, "", &vectors)]).await;
    let copilot = provider(&base);
    let models = copilot.models(&Credential::Key(KEY.into())).await.unwrap();
    let ids: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["shown", "hidden", "closed", "vectors"]);
    assert_eq!((models[0].context, models[0].longest_prompt()), (Some(100), Some(60)));
    assert_eq!(embed(&copilot, vec!["x".into()]).await.unwrap().vectors, [[0.5]]);
    assert_eq!(seen.await.unwrap()[1].line(), "POST /embeddings HTTP/1.1");
}
