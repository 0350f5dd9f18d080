//! OpenRouter over real sockets: what is particular to it.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use greenroom_providers::{
    Credential, ModelInfo, Provider as _,
    openrouter::{OpenRouter, OpenRouterArgs},
    transport::Transport,
};
use greenroom_wire::{
    ChatEvent, ChatRequest, ErrorKind, FinishReason,
    chat::{Extra, Wire},
};
use serde_json::{Value, json};

mod http_support;

use http_support::{
    asking::{KEY, ask, embed, plain, text},
    server, stream, whole,
};

fn provider(base: &str, routing: Value, responses: bool) -> OpenRouter {
    let transport = Arc::new(Transport::new(Duration::from_secs(1)));
    let headers = BTreeMap::from([("HTTP-Referer".to_owned(), "https://a.example".to_owned())]);
    let Value::Object(routing) = routing else { panic!("routing is an object") };
    let base = format!("{base}/api/v1").parse().unwrap();
    OpenRouter::new(OpenRouterArgs { transport, base, headers, routing, responses }).unwrap()
}

fn chunk(delta: Value, finish: Value) -> Value {
    json!({"id": "gen-1", "model": "a/b-1", "provider": "Somebody", "choices": [
        {"index": 0, "delta": delta, "finish_reason": finish, "native_finish_reason": finish}]})
}

#[tokio::test]
async fn what_was_configured_goes_with_each_request_unless_that_says_it_itself() {
    let said = || stream(&[chunk(json!({"content": "hi"}), json!("stop"))]);
    let (base, seen) = server(vec![said(), said()]).await;
    let provider = provider(&base, json!({"provider": {"order": ["x"]}, "transforms": []}), false);
    ask(&provider, &plain()).await.1.unwrap();
    let own = Extra { wire: Wire::OpenaiChat, path: "/provider".into(), json: json!({"only": ["y"]}) };
    ask(&provider, &ChatRequest { extra: vec![own], ..plain() }).await.1.unwrap();
    let seen = seen.await.unwrap();
    assert_eq!(seen[0].line(), "POST /api/v1/chat/completions HTTP/1.1");
    assert_eq!(seen[0].header("http-referer"), Some("https://a.example"));
    assert_eq!(seen[0].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!((&seen[0].body["provider"], &seen[0].body["transforms"]), (&json!({"order": ["x"]}), &json!([])));
    assert_eq!((&seen[1].body["provider"], &seen[1].body["transforms"]), (&json!({"only": ["y"]}), &json!([])));
}

#[tokio::test]
async fn comments_and_white_space_keep_a_connection_and_the_cost_is_told() {
    let usage = json!({"prompt_tokens": 9, "completion_tokens": 2, "cost": 0.000_06, "is_byok": false});
    let mut last = chunk(json!({"content": ""}), json!("stop"));
    last["usage"] = usage.clone();
    let streamed = stream(&[chunk(json!({"content": "hi", "role": "assistant"}), Value::Null), last])
        .replace("data: ", ": OPENROUTER PROCESSING\n\ndata: ");
    let message = json!({"id": "gen-2", "model": "a/b-1", "usage": usage, "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]});
    let body = format!("\n         \n\n         \n{message}");
    let length = body.len();
    let whole = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let (base, _seen) = server(vec![streamed, whole]).await;
    let provider = provider(&base, json!({}), false);
    for _ in 0..2 {
        let (events, outcome) = ask(&provider, &plain()).await;
        outcome.unwrap();
        assert_eq!(text(&events), "hi");
        let cost = events.iter().find_map(|event| if let ChatEvent::Usage(usage) = event { usage.cost } else { None });
        assert_eq!(cost, Some(60_000_000), "{events:?}");
        assert_eq!(events.last(), Some(&ChatEvent::Finished { reason: FinishReason::Stop }));
    }
}

#[tokio::test]
async fn an_error_in_the_middle_wins_over_any_reason_to_finish() {
    let error = json!({"code": 502, "message": "Provider returned error", "metadata": {"raw": "overheated"}});
    let hi = || chunk(json!({"content": "hi"}), Value::Null);
    let with = |mut chunk: Value, at: &str| {
        chunk.pointer_mut(at).unwrap().as_object_mut().unwrap().insert("error".into(), error.clone());
        chunk
    };
    let ends = |word: &str| chunk(json!({"content": ""}), json!(word));
    for last in [
        vec![with(ends("error"), "")],
        vec![with(chunk(json!({}), Value::Null), "")],
        vec![ends("stop"), with(ends("stop"), "")],
        vec![ends("length"), json!({"error": error.clone()})],
        vec![with(ends("stop"), "/choices/0")],
    ] {
        let chunks = [vec![hi()], last.clone()].concat();
        let (base, _seen) = server(vec![stream(&chunks)]).await;
        let (events, outcome) = ask(&provider(&base, json!({}), false), &plain()).await;
        assert_eq!(outcome.unwrap_err().kind, ErrorKind::Overloaded, "{last:?}");
        assert_eq!(text(&events), "hi");
        assert!(!events.iter().any(|event| matches!(event, ChatEvent::Finished { .. })), "{last:?}");
    }
}

#[tokio::test]
async fn errors_are_told_apart_by_their_codes_and_by_what_the_upstream_said() {
    let body = |code: u16, message: &str, metadata: Value| json!({"error": {"code": code, "message": message, "metadata": metadata}, "user_id": "u"});
    let upstream = json!({"error": {"type": "overloaded_error", "message": "busy"}}).to_string();
    for (status, body, kind) in [
        (400, body(400, "x/y is not a valid model ID", Value::Null), ErrorKind::NotFound),
        (
            400,
            body(
                400,
                "This endpoint's maximum context length is 9 tokens. However, you requested about 99",
                Value::Null,
            ),
            ErrorKind::ContextOverflow,
        ),
        (401, body(401, "No auth credentials found", Value::Null), ErrorKind::Auth),
        (402, body(402, "Insufficient credits", Value::Null), ErrorKind::Billing),
        (403, body(403, "flagged", json!({"reasons": ["violence"], "flagged_input": "…"})), ErrorKind::ContentFilter),
        (403, body(403, "not allowed", Value::Null), ErrorKind::Permission),
        (404, body(404, "No endpoints found that support tool use", Value::Null), ErrorKind::NotFound),
        (408, body(408, "timed out", Value::Null), ErrorKind::Timeout),
        (429, body(429, "limit_rpm/x", Value::Null), ErrorKind::RateLimited),
        (502, body(502, "down", Value::Null), ErrorKind::Overloaded),
        (503, body(503, "no provider", Value::Null), ErrorKind::Overloaded),
        (
            400,
            body(400, "Provider returned error", json!({"raw": upstream, "provider_name": "A"})),
            ErrorKind::Overloaded,
        ),
    ] {
        let (base, _seen) = server(vec![whole(status, "", &body)]).await;
        let (events, outcome) = ask(&provider(&base, json!({}), false), &plain()).await;
        assert_eq!((outcome.unwrap_err().kind, events.len()), (kind, 0), "{body}");
    }
}

#[tokio::test]
async fn the_list_is_read_page_by_page_and_tells_what_a_model_can() {
    let entry = |id: &str| {
        json!({"id": id, "context_length": 100, "supported_parameters": ["tools", "reasoning"],
        "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
        "pricing": {"prompt": "0.000001", "completion": "0.000002"}, "expiration_date": "2027-01-31"})
    };
    let page = |id: &str, next: Value| whole(200, "", &json!({"data": [entry(id)], "links": {"next": next}}));
    let (base, seen) = server(vec![page("a/b", json!("/api/v1/models?offset=1")), page("c/d", Value::Null)]).await;
    let models = provider(&base, json!({}), false).models(&Credential::Key(KEY.into())).await.unwrap();
    let [ModelInfo { id, context, takes, tools, json_schema, reasoning, price, deprecated, .. }, second] =
        models.as_slice()
    else {
        panic!("two models: {models:?}")
    };
    assert_eq!(
        (id.as_str(), *context, *tools, *json_schema, *reasoning),
        ("a/b", Some(100), Some(true), Some(false), Some(true))
    );
    assert_eq!((takes.images, takes.documents), (Some(true), Some(false)));
    assert_eq!(price.map(|price| (price.input, price.output)), Some((1.0, 2.0)));
    assert_eq!((deprecated.unwrap().to_string().as_str(), second.id.as_str()), ("2027-01-31", "c/d"));
    let seen = seen.await.unwrap();
    assert_eq!(seen[1].line(), "GET /api/v1/models?offset=1 HTTP/1.1");
    assert_eq!(seen[1].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
}

#[tokio::test]
async fn the_responses_api_and_embeddings_are_there_as_well() {
    let content = json!([{"type": "output_text", "text": "by responses", "annotations": []}]);
    let item = json!({"type": "message", "id": "i", "role": "assistant", "status": "completed", "content": content});
    let usage = json!({"input_tokens": 1, "output_tokens": 1, "cost": 0.5});
    let response = whole(
        200,
        "",
        &json!({"id": "r", "object": "response", "model": "m", "status": "completed", "output": [item], "usage": usage}),
    );
    let vectors = whole(200, "", &json!({"data": [{"index": 0, "embedding": [0.5, 1.5]}], "model": "e-1"}));
    let (base, seen) = server(vec![response, vectors]).await;
    let provider = provider(&base, json!({"provider": {"sort": "price"}}), true);
    let (events, outcome) = ask(&provider, &plain()).await;
    outcome.unwrap();
    assert_eq!(text(&events), "by responses");
    let made = embed(&provider, vec!["x".into()]).await.unwrap();
    assert_eq!(made.vectors, [[0.5, 1.5]]);
    let seen = seen.await.unwrap();
    assert_eq!(
        (seen[0].line(), seen[1].line()),
        ("POST /api/v1/responses HTTP/1.1", "POST /api/v1/embeddings HTTP/1.1")
    );
    assert_eq!(seen[0].body["provider"], json!({"sort": "price"}));
}

#[tokio::test]
async fn a_key_is_looked_up_since_the_list_is_everybodys() {
    let refused = json!({"error": {"code": 401, "message": "User not found."}});
    let (base, seen) = server(vec![whole(401, "", &refused), whole(200, "", &json!({"data": {"label": "k"}}))]).await;
    let provider = provider(&base, json!({}), false);
    let credential = Credential::Key(KEY.into());
    assert_eq!(provider.health(&credential).await.unwrap_err().kind, ErrorKind::Auth);
    assert_eq!(provider.health(&credential).await.unwrap().models, None);
    let seen = seen.await.unwrap();
    assert_eq!(seen[0].line(), "GET /api/v1/key HTTP/1.1");
    assert_eq!(seen[0].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
}
