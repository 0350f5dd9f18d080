//! Bedrock over real sockets, through AWS's SDK.
#![cfg(feature = "bedrock")]
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod bedrock_support;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bedrock_support::*;
use greenroom_providers::{
    AccessToken, ChatCall, Credential, EmbedCall, ModelInfo, Provider as _,
    bedrock::{Bedrock, BedrockArgs},
    transport::Transport,
};
use greenroom_wire::{ChatEvent, EmbedRequest, ErrorKind, FinishReason, Message, Part, Role, Usage, chat::Tool};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt as _, net::TcpListener};

fn text(block: u32, text: &str) -> Vec<u8> {
    event("contentBlockDelta", json!({"contentBlockIndex": block, "delta": {"text": text}, "p": "abc"}))
}

fn started() -> Vec<u8> {
    event("messageStart", json!({"role": "assistant", "p": "abcdefgh"}))
}

fn ended() -> Vec<u8> {
    let usage = json!({"inputTokens": 5, "outputTokens": 7, "totalTokens": 14, "cacheReadInputTokens": 2});
    [
        event("contentBlockStop", json!({"contentBlockIndex": 0})),
        event("messageStop", json!({"stopReason": "end_turn"})),
        event("metadata", json!({"usage": usage, "metrics": {"latencyMs": 12}})),
    ]
    .concat()
}

fn said(events: &[ChatEvent]) -> String {
    events
        .iter()
        .filter_map(|event| if let ChatEvent::Text { delta } = event { Some(delta.as_str()) } else { None })
        .collect()
}

#[tokio::test]
async fn an_answer_comes_as_it_is_said_whatever_the_pieces() {
    let body = [started(), text(0, "Grüß"), event("newThing", json!({"x": 1})), text(0, " Gott"), ended()].concat();
    for length in [1, 7, 100, usize::MAX] {
        let (events, outcome) = answer(&body, length).await;
        outcome.unwrap();
        assert_eq!(said(&events), "Grüß Gott", "{length}");
        assert_eq!(events[0], ChatEvent::Started { id: "req-1".into(), model: String::new() });
        let usage = Usage { input: 5, output: 7, cache_read: 2, ..Usage::default() };
        assert!(events.contains(&ChatEvent::Usage(usage)));
        assert_eq!(events.last(), Some(&ChatEvent::Finished { reason: FinishReason::Stop }));
    }
}

#[tokio::test]
async fn a_key_goes_as_a_bearer_token_and_the_body_as_it_was_written() {
    let body = [started(), text(0, "x"), ended()].concat();
    let (base, seen) = server(vec![Scripted::stream(&body, 100)]).await;
    let mut request = asking("hi");
    let schema = json!({"type": "object", "properties": {"zebra": {"type": "number"}, "apple": {"maximum": 18446744073709551615_u64}}});
    request.tools.push(Tool::Function {
        name: "f".into(),
        description: None,
        parameters: Some(schema),
        strict: None,
        extra: Vec::new(),
    });
    let args = BedrockArgs {
        transport: Arc::new(Transport::new(Duration::from_secs(1))),
        base: Some(base.parse().unwrap()),
        region: None,
        profile: None,
        headers: BTreeMap::from([("x-team".to_owned(), "blue".to_owned())]),
    };
    ask(&Bedrock::new(args).unwrap(), CLAUDE, &request).await.1.unwrap();
    let seen = seen.await.unwrap().remove(0);
    let path = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream";
    assert_eq!(seen.line(), format!("POST {path} HTTP/1.1"));
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!((seen.header("content-type"), seen.header("x-team")), (Some("application/json"), Some("blue")));
    assert!(seen.header("x-amz-security-token").is_none() && seen.header("x-amz-date").is_none());
    // The order of keys and every digit, which a hash map would not keep.
    let want = r#"{"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object","properties":{"zebra":{"type":"number"},"apple":{"maximum":18446744073709551615}}}}}}]},"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#;
    assert_eq!(String::from_utf8(seen.body).unwrap(), want);
}

#[tokio::test]
async fn a_token_goes_to_the_address_that_it_is_good_for() {
    let body = [started(), text(0, "x"), ended()].concat();
    let (base, seen) = server(vec![Scripted::stream(&body, 100)]).await;
    let token = AccessToken { token: "token-4711".into(), account: None, base: base.parse().ok() };
    let (credential, info, request) = (Credential::Token(token), ModelInfo::named("m"), asking("hi"));
    let call = ChatCall {
        request: &request,
        model: "m",
        info: &info,
        provider: "p",
        credential: &credential,
        deadlines: &DEADLINES,
    };
    bedrock("http://127.0.0.1:9/").chat(call, &mut Kept::default()).await.unwrap();
    assert_eq!(seen.await.unwrap()[0].header("authorization"), Some("Bearer token-4711"));
}

#[tokio::test]
async fn calls_and_reasoning_go_back_as_they_came() {
    let delta =
        |block: u32, delta: Value| event("contentBlockDelta", json!({"contentBlockIndex": block, "delta": delta}));
    let stop = |block: u32| event("contentBlockStop", json!({"contentBlockIndex": block}));
    let start = json!({"toolUse": {"toolUseId": "tooluse_1", "name": "get_weather"}});
    let body = [
        started(),
        delta(0, json!({"reasoningContent": {"text": "hm, "}})),
        delta(0, json!({"reasoningContent": {"text": "yes"}})),
        delta(0, json!({"reasoningContent": {"signature": "c2ln"}})),
        stop(0),
        delta(1, json!({"reasoningContent": {"redactedContent": "UkVE"}})),
        stop(1),
        event("contentBlockStart", json!({"contentBlockIndex": 2, "start": start})),
        delta(2, json!({"toolUse": {"input": "{\"city\":"}})),
        delta(2, json!({"toolUse": {"input": "\"Paris\"}"}})),
        stop(2),
        event("messageStop", json!({"stopReason": "tool_use"})),
        event("metadata", json!({"usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}})),
    ]
    .concat();
    let answered = [started(), text(0, "x"), ended()].concat();
    let (base, seen) = server(vec![Scripted::stream(&body, 33), Scripted::stream(&answered, 100)]).await;
    let provider = bedrock(&base);
    let mut request = asking("weather?");
    let (events, outcome) = ask(&provider, CLAUDE, &request).await;
    outcome.unwrap();
    let folded = greenroom_wire::fold::fold(events, "bedrock", CLAUDE);
    assert_eq!(folded.finish, Some(FinishReason::ToolCalls));
    request.messages.push(folded.message);
    let result = Part::ToolResult { id: "tooluse_1".into(), parts: vec![Part::text("sunny")], error: true };
    request.messages.push(Message::new(Role::Tool, vec![result]));
    ask(&provider, CLAUDE, &request).await.1.unwrap();
    let body = seen.await.unwrap().remove(1).json();
    let want = json!([
        {"role": "user", "content": [{"text": "weather?"}]},
        {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": "hm, yes", "signature": "c2ln"}}},
            {"reasoningContent": {"redactedContent": "UkVE"}},
            {"toolUse": {"toolUseId": "tooluse_1", "name": "get_weather", "input": {"city": "Paris"}}},
        ]},
        {"role": "user", "content": [
            {"toolResult": {"toolUseId": "tooluse_1", "content": [{"text": "sunny"}], "status": "error"}},
        ]},
    ]);
    assert_eq!(body["messages"], want);
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["name"], "get_weather", "calls want their tools");
}

#[tokio::test]
async fn errors_are_told_by_type_and_status() {
    let refused = |status, kind: &str, message: &str| {
        let header = format!("x-amzn-errortype: {kind}:http://internal.amazon.com/\r\n");
        Scripted::whole(status, &header, json!({ "message": message }).to_string().as_bytes())
    };
    let rows = [
        (refused(429, "ThrottlingException", "Too many tokens"), ErrorKind::RateLimited),
        (refused(403, "AccessDeniedException", "no"), ErrorKind::Permission),
        (refused(403, "UnrecognizedClientException", "no"), ErrorKind::Auth),
        (refused(400, "ValidationException", "Input is too long for requested model."), ErrorKind::ContextOverflow),
        (refused(400, "ValidationException", "no"), ErrorKind::InvalidRequest),
        (refused(404, "ResourceNotFoundException", "gone"), ErrorKind::NotFound),
        (refused(424, "ModelErrorException", "broke"), ErrorKind::Server),
        (refused(503, "ServiceUnavailableException", "busy"), ErrorKind::Overloaded),
        (Scripted::whole(502, "", b"<html>"), ErrorKind::Server),
        (Scripted::whole(307, "location: http://169.254.169.254/\r\n", b""), ErrorKind::Protocol),
    ];
    for (response, kind) in rows {
        let (base, seen) = server(vec![response]).await;
        let (events, outcome) = ask(&bedrock(&base), CLAUDE, &asking("hi")).await;
        let error = outcome.unwrap_err();
        assert_eq!((error.kind, events.len()), (kind, 0), "{error}");
        assert!(error.details.status.is_some());
        assert_eq!(seen.await.unwrap().len(), 1, "nothing is tried twice");
    }
}

#[tokio::test]
async fn neither_key_nor_prompt_stays_in_an_error() {
    let prompt = "a prompt that nobody else may read";
    let message = format!("the key {KEY} may not say {prompt}");
    let body = json!({ "message": message }).to_string();
    let (base, _seen) = server(vec![Scripted::whole(400, "", body.as_bytes())]).await;
    let error = ask(&bedrock(&base), CLAUDE, &asking(prompt)).await.1.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(KEY) && !shown.contains(prompt), "{shown}");
    let body = exception("validationException", body.as_bytes());
    let (base, _seen) = server(vec![Scripted::stream(&body, 100)]).await;
    let error = ask(&bedrock(&base), CLAUDE, &asking(prompt)).await.1.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(KEY) && !shown.contains(prompt), "{shown}");
}

#[tokio::test]
async fn nobody_there_is_a_failure_of_the_network() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = ask(&bedrock(&format!("http://{free}")), CLAUDE, &asking("hi")).await.1.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Network, "{error}");
}

#[tokio::test]
async fn deadlines_are_kept_and_half_a_frame_is_a_sign_of_life() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", silent.local_addr().unwrap());
    let error = ask(&bedrock(&base), CLAUDE, &asking("hi")).await.1.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(error.message.contains("no first token"), "{error}");

    let speaks = |drips: u32| async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            use tokio::io::AsyncWriteExt as _;
            let (mut socket, _) = listener.accept().await.unwrap();
            read_request(&mut socket).await;
            let next = text(0, &"y".repeat(100));
            let head = Scripted::stream(&[started(), text(0, "x")].concat(), 1000).pieces.concat();
            socket.write_all(&head).await.unwrap();
            // Pieces of one frame, each within the idle time and all together beyond it.
            for byte in next.iter().take(drips as usize) {
                tokio::time::sleep(DEADLINES.idle / 2).await;
                if socket.write_all(&[*byte]).await.is_err() {
                    return;
                }
            }
            std::future::pending::<()>().await;
        });
        let (events, outcome) = ask(&bedrock(&base), CLAUDE, &asking("hi")).await;
        assert_eq!(said(&events), "x", "what was said stays");
        outcome.unwrap_err()
    };
    let idle = speaks(0).await;
    assert!(idle.kind == ErrorKind::Timeout && idle.message.contains("nothing more"), "{idle}");
    let silent = speaks(50).await;
    assert!(silent.kind == ErrorKind::Timeout && silent.message.contains("only heartbeats"), "{silent}");
}

#[tokio::test]
async fn an_answer_without_its_usage_is_whole_after_a_moment() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        let (mut socket, _) = listener.accept().await.unwrap();
        read_request(&mut socket).await;
        let body = [started(), text(0, "x"), event("messageStop", json!({"stopReason": "max_tokens"}))].concat();
        socket.write_all(&Scripted::stream(&body, 1000).pieces.concat()).await.unwrap();
        std::future::pending::<()>().await;
    });
    let (events, outcome) = ask(&bedrock(&base), CLAUDE, &asking("hi")).await;
    outcome.unwrap();
    assert_eq!(events.last(), Some(&ChatEvent::Finished { reason: FinishReason::Length }));
}

#[tokio::test]
async fn dropping_an_answer_closes_its_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        let (mut socket, _) = listener.accept().await.unwrap();
        read_request(&mut socket).await;
        socket.write_all(&Scripted::stream(&[started(), text(0, "x")].concat(), 1000).pieces.concat()).await.unwrap();
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).await.map(|_| rest.len())
    });
    let (provider, request) = (bedrock(&base), asking("hi"));
    let asked = ask(&provider, CLAUDE, &request);
    assert!(tokio::time::timeout(DEADLINES.idle / 2, asked).await.is_err(), "it waits for more");
    let closed = tokio::time::timeout(Duration::from_secs(5), server).await.expect("the socket is closed").unwrap();
    assert!(closed.is_err() || closed.is_ok_and(|rest| rest == 0));
}

#[tokio::test]
async fn tokens_are_counted_for_the_model_itself() {
    let (base, seen) = server(vec![Scripted::whole(200, "", br#"{"inputTokens":18}"#)]).await;
    let (info, key) = (ModelInfo::named(CLAUDE), Credential::Key(KEY.into()));
    let mut request = asking("hi");
    request.messages.insert(0, Message::text(Role::System, "be brief"));
    let call = ChatCall {
        request: &request,
        model: CLAUDE,
        info: &info,
        provider: "p",
        credential: &key,
        deadlines: &DEADLINES,
    };
    assert_eq!(bedrock(&base).count_tokens(call).await.unwrap(), 18);
    let seen = seen.await.unwrap().remove(0);
    assert!(
        seen.line().starts_with("POST /model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens "),
        "{}",
        seen.line()
    );
    let messages = json!([{"role": "user", "content": [{"text": "hi"}]}]);
    assert_eq!(seen.json(), json!({"input": {"converse": {"system": [{"text": "be brief"}], "messages": messages}}}));
}

#[tokio::test]
async fn texts_become_vectors_in_their_order() {
    let one = |vector: &str, tokens: u32| {
        let body = format!(r#"{{"embedding":{vector},"inputTextTokenCount":{tokens}}}"#);
        Scripted::whole(200, "", body.as_bytes())
    };
    let (base, seen) = server(vec![one("[1]", 3), one("[1]", 4)]).await;
    let request = EmbedRequest { input: vec!["a".into(), "b".into()], dimensions: Some(1), ..EmbedRequest::default() };
    let key = Credential::Key(KEY.into());
    let call = |model| EmbedCall { request: &request, model, credential: &key, limit: Duration::from_secs(5) };
    let made = bedrock(&base).embed(call("amazon.titan-embed-text-v2:0")).await.unwrap();
    assert_eq!((made.vectors, made.tokens), (vec![vec![1.0], vec![1.0]], Some(7)));
    let mut bodies: Vec<_> = seen.await.unwrap().iter().map(|seen| seen.json()["inputText"].to_string()).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, ["\"a\"", "\"b\""]);

    let body = br#"{"embeddings":[[1,2],[3,4]]}"#;
    let (base, seen) = server(vec![Scripted::whole(200, "x-amzn-bedrock-input-token-count: 7\r\n", body)]).await;
    let made = bedrock(&base).embed(call("cohere.embed-english-v3")).await.unwrap();
    assert_eq!((made.vectors, made.tokens), (vec![vec![1.0, 2.0], vec![3.0, 4.0]], Some(7)));
    assert_eq!(seen.await.unwrap()[0].json()["texts"], json!(["a", "b"]));

    let error = bedrock("http://127.0.0.1:9").embed(call("amazon.nova-lite-v1:0")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest);
    let (base, _seen) = server(vec![Scripted::whole(200, "", br#"{"embeddings":[[1,2]]}"#)]).await;
    let error = bedrock(&base).embed(call("cohere.embed-english-v3")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol, "{error}");
}

#[tokio::test]
async fn models_are_listed_with_the_profiles_that_they_are_asked_by() {
    let models = json!({"modelSummaries": [
        {"modelId": "amazon.titan-embed-text-v2:0", "outputModalities": ["EMBEDDING"], "inferenceTypesSupported": ["ON_DEMAND"]},
        {"modelId": "anthropic.claude-x", "modelName": "Claude X", "inputModalities": ["TEXT", "IMAGE"],
            "outputModalities": ["TEXT"], "inferenceTypesSupported": ["INFERENCE_PROFILE"]},
        {"modelId": "amazon.nova-lite-v1:0", "inputModalities": ["TEXT"], "outputModalities": ["TEXT"],
            "inferenceTypesSupported": ["ON_DEMAND"]},
        {"modelId": "stability.sd3", "outputModalities": ["IMAGE"], "inferenceTypesSupported": ["ON_DEMAND"]},
    ]});
    let profile = |id: &str, model: &str| {
        let arn = format!("arn:aws:bedrock:us-east-1::foundation-model/{model}");
        json!({"inferenceProfileId": id, "status": "ACTIVE", "models": [{"modelArn": arn}]})
    };
    let first = json!({"inferenceProfileSummaries": [profile("us.anthropic.claude-x", "anthropic.claude-x")], "nextToken": "a b"});
    let second = json!({"inferenceProfileSummaries": [profile("us.stability.sd3", "stability.sd3")]});
    let whole = |json: &Value| Scripted::whole(200, "", json.to_string().as_bytes());
    let (base, seen) = server(vec![whole(&models), whole(&first), whole(&second)]).await;
    let listed = bedrock(&base).models(&Credential::Key(KEY.into())).await.unwrap();
    let ids: Vec<_> = listed.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["amazon.nova-lite-v1:0", "us.anthropic.claude-x", "amazon.titan-embed-text-v2:0"]);
    assert_eq!((listed[1].name.as_deref(), listed[1].takes.images), (Some("Claude X"), Some(true)));
    let seen = seen.await.unwrap();
    let lines: Vec<_> = seen.iter().map(|seen| seen.line().to_owned()).collect();
    assert_eq!(lines[0], "GET /foundation-models HTTP/1.1");
    assert_eq!(lines[1], "GET /inference-profiles?maxResults=1000 HTTP/1.1");
    assert_eq!(lines[2], "GET /inference-profiles?maxResults=1000&nextToken=a+b HTTP/1.1");
    assert!(
        seen.iter().all(|seen| seen.body.is_empty() && seen.header("authorization").unwrap().starts_with("Bearer "))
    );
}
