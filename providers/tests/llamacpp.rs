//! llama.cpp's server over real sockets: what is particular to it.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use greenroom_providers::{
    Credential, Provider as _,
    llamacpp::{LlamaCpp, LlamaCppArgs},
    transport::Transport,
};
use greenroom_wire::{ChatEvent, ChatRequest, ErrorKind, chat::ResponseFormat};
use serde_json::{Value, json};

mod http_support;

use http_support::{
    asking::{KEY, PROMPT, ask, count, embed, plain, text},
    server, stream, whole,
};

fn provider(base: &str) -> LlamaCpp {
    let transport = Arc::new(Transport::new(Duration::from_secs(1)));
    let base = base.parse().unwrap();
    LlamaCpp::new(LlamaCppArgs { transport, base, headers: BTreeMap::new(), responses: false }).unwrap()
}

fn error(code: u16, kind: &str, message: &str) -> Value {
    json!({"error": {"code": code, "message": message, "type": kind}})
}

#[tokio::test]
async fn thinking_and_timings_come_through_and_a_version_in_the_address_is_left_out() {
    let chunk = |delta: Value, finish: Value| json!({"id": "c", "model": "/m.gguf", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
    let last = json!({"id": "c", "model": "/m.gguf", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 3}}, "timings": {"prompt_n": 4, "cache_n": 3}});
    let answer = stream(&[
        chunk(json!({"reasoning_content": "hm"}), Value::Null),
        chunk(json!({"content": "hi"}), json!("stop")),
        last,
    ]);
    let (base, seen) = server(vec![answer]).await;
    let request = ChatRequest { response_format: Some(ResponseFormat::JsonObject), ..plain() };
    let (events, outcome) = ask(&provider(&format!("{base}/v1/")), &request).await;
    outcome.unwrap();
    assert_eq!(text(&events), "hi");
    assert!(events.contains(&ChatEvent::Thinking { delta: "hm".into() }));
    let timings = events.iter().any(
        |event| matches!(event, ChatEvent::Extra(extra) if extra.path == "/timings" && extra.json["cache_n"] == 3),
    );
    assert!(timings, "{events:?}");
    let seen = seen.await.unwrap();
    assert_eq!(seen[0].line(), "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(
        seen[0].body["response_format"],
        json!({"type": "json_object", "schema": {"type": "object"}}),
        "alone it is not held to"
    );
}

#[tokio::test]
async fn errors_are_told_apart_by_words_where_the_code_says_nothing() {
    for (status, body, kind) in [
        (
            400,
            json!({"error": {"code": 400, "message": "the request exceeds the available context size", "type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 4}}),
            ErrorKind::ContextOverflow,
        ),
        (400, error(400, "invalid_request_error", "Field 'temperature'"), ErrorKind::InvalidRequest),
        (401, error(401, "authentication_error", "Invalid API Key"), ErrorKind::Auth),
        (
            500,
            error(
                500,
                "server_error",
                "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
            ),
            ErrorKind::InvalidRequest,
        ),
        (500, error(500, "server_error", "error: cannot make GET request"), ErrorKind::InvalidRequest),
        (
            500,
            error(500, "server_error", "input (4002 tokens) is too large to process. increase the physical batch size"),
            ErrorKind::ContextOverflow,
        ),
        (500, error(500, "server_error", "tools param requires --jinja flag"), ErrorKind::InvalidRequest),
        (500, error(500, "server_error", "slot is gone"), ErrorKind::Server),
        (501, error(501, "not_supported_error", "This server does not support embeddings"), ErrorKind::InvalidRequest),
        (503, error(503, "unavailable_error", "Loading model"), ErrorKind::Overloaded),
    ] {
        let (base, _seen) = server(vec![whole(status, "", &body)]).await;
        assert_eq!(ask(&provider(&base), &plain()).await.1.unwrap_err().kind, kind, "{body}");
    }
    let nobody = ask(&provider("http://127.0.0.1:9"), &plain()).await.1.unwrap_err();
    assert_eq!(nobody.kind, ErrorKind::Network);
    assert!(nobody.details.hint.unwrap().contains("llama-server"));
}

#[tokio::test]
async fn the_one_model_has_what_the_server_was_started_with() {
    let list = |ids: &[&str]| {
        let data: Vec<Value> = ids.iter().map(|id| json!({"id": id, "meta": {"n_ctx_train": 40_960}})).collect();
        whole(200, "", &json!({"object": "list", "data": data, "models": [{"name": "x"}]}))
    };
    let props = json!({"default_generation_settings": {"n_ctx": 4096}, "modalities": {"vision": true, "audio": false},
        "chat_template_caps": {"supports_tools": true}});
    let (base, seen) = server(vec![list(&["/m.gguf"]), whole(200, "", &props)]).await;
    let models = provider(&base).models(&Credential::Key(KEY.into())).await.unwrap();
    let [model] = models.as_slice() else { panic!("one model: {models:?}") };
    assert_eq!((model.id.as_str(), model.context, model.tools), ("/m.gguf", Some(4096), Some(true)));
    assert_eq!((model.takes.images, model.takes.audio), (Some(true), Some(false)));
    let seen = seen.await.unwrap();
    assert_eq!((seen[0].line(), seen[1].line()), ("GET /v1/models HTTP/1.1", "GET /props HTTP/1.1"));
    assert_eq!(seen[1].header("authorization"), Some(format!("Bearer {KEY}").as_str()));

    let (base, _seen) = server(vec![list(&["/m.gguf"]), whole(401, "", &json!({}))]).await;
    let models = provider(&base).models(&Credential::None).await.unwrap();
    assert_eq!((models.len(), models[0].context), (1, Some(40_960)), "what is kept back leaves the list");
    let (base, _seen) = server(vec![list(&["a", "b"])]).await;
    assert_eq!(provider(&base).models(&Credential::None).await.unwrap().len(), 2, "nobody is asked of which of them");
}

#[tokio::test]
async fn a_prompt_is_counted_as_its_template_makes_it() {
    let tokens = || whole(200, "", &json!({"tokens": [1, 2, 3, 4]}));
    let (base, seen) = server(vec![whole(200, "", &json!({"prompt": "<|im_start|>user"})), tokens()]).await;
    assert_eq!(count(&provider(&base), &plain()).await.unwrap(), 4);
    let seen = seen.await.unwrap();
    assert_eq!((seen[0].line(), seen[1].line()), ("POST /apply-template HTTP/1.1", "POST /tokenize HTTP/1.1"));
    assert_eq!(seen[0].body["messages"][0]["content"], PROMPT);
    assert_eq!(seen[1].body, json!({"content": "<|im_start|>user", "add_special": true, "parse_special": true}));

    let missing = whole(404, "", &error(404, "not_found_error", "File Not Found"));
    let (base, seen) = server(vec![missing, tokens()]).await;
    assert_eq!(count(&provider(&base), &plain()).await.unwrap(), 4, "an older server has no such address");
    assert_eq!(seen.await.unwrap()[1].body["content"], PROMPT);
    let (base, _seen) = server(vec![whole(500, "", &error(500, "server_error", PROMPT))]).await;
    let refused = count(&provider(&base), &plain()).await.unwrap_err();
    assert!(refused.kind == ErrorKind::Server && !refused.message.contains("nobody else"), "{refused}");
}

#[tokio::test]
async fn texts_become_vectors() {
    let vectors = whole(
        200,
        "",
        &json!({"data": [{"index": 0, "embedding": [0.5]}], "model": "e", "usage": {"prompt_tokens": 2}}),
    );
    let (base, seen) = server(vec![vectors]).await;
    let made = embed(&provider(&base), vec!["x".into()]).await.unwrap();
    assert_eq!((made.vectors, made.tokens), (vec![vec![0.5]], Some(2)));
    assert_eq!(seen.await.unwrap()[0].line(), "POST /v1/embeddings HTTP/1.1");
}

#[tokio::test]
async fn a_server_is_well_once_it_has_loaded_and_lets_in() {
    let loading = whole(503, "", &error(503, "unavailable_error", "Loading model"));
    let well = || whole(200, "", &json!({"status": "ok"}));
    let (base, seen) = server(vec![
        loading,
        well(),
        whole(401, "", &error(401, "authentication_error", "Invalid API Key")),
        well(),
        whole(501, "", &error(501, "not_supported_error", "no props")),
        whole(200, "", &json!({"data": [{"id": "m"}, {"id": "n"}]})),
    ])
    .await;
    let (provider, credential) = (provider(&base), Credential::Key(KEY.into()));
    assert_eq!(provider.health(&credential).await.unwrap_err().kind, ErrorKind::Overloaded);
    assert_eq!(provider.health(&credential).await.unwrap_err().kind, ErrorKind::Auth);
    assert_eq!(provider.health(&credential).await.unwrap().models, Some(2));
    let seen = seen.await.unwrap();
    let lines: Vec<_> = seen.iter().map(|seen| seen.line().split(' ').nth(1).unwrap()).collect();
    assert_eq!(lines, ["/health", "/health", "/props", "/health", "/props", "/v1/models"]);
}
