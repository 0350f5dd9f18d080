//! Gemini over real sockets: what is particular to it.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc, time::Duration};

use greenroom_providers::{
    ChatCall, Credential, Deadlines, EmbedCall, ModelInfo, Provider, Sink, SinkState,
    gemini::{Gemini, GeminiArgs},
    transport::Transport,
};
use greenroom_wire::{
    ChatError, ChatEvent, ChatRequest, EmbedRequest, ErrorKind, FinishReason, Message, Usage, chat::ThinkingRequest,
};
use serde_json::{Value, json};

mod http_support;

use http_support::{server, stream, whole};

const KEY: &str = "AIza-sentinel-4711";
const PROMPT: &str = "a prompt that nobody else may read";
const DEADLINES: Deadlines = Deadlines {
    first_content: Duration::from_millis(800),
    idle: Duration::from_millis(500),
    silent: Duration::from_millis(900),
    finish: Duration::from_millis(100),
};

fn said(text: &str) -> Value {
    json!({"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}}], "modelVersion": "gemini-x", "responseId": "r"})
}

fn end() -> Value {
    json!({"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 7}})
}

#[derive(Default)]
struct Taken(Vec<ChatEvent>);

impl Sink for Taken {
    fn take(&mut self, events: &mut Vec<ChatEvent>) -> SinkState {
        self.0.append(events);
        ControlFlow::Continue(())
    }
}

impl Taken {
    fn text(&self) -> String {
        let texts = self.0.iter().filter_map(|event| match event {
            ChatEvent::Text { delta } => Some(delta.as_str()),
            _ => None,
        });
        texts.collect()
    }
}

fn provider(base: &str) -> Gemini {
    let transport = Arc::new(Transport::new(Duration::from_secs(1)));
    let headers = BTreeMap::from([("x-goog-user-project".to_owned(), "a-project".to_owned())]);
    Gemini::new(GeminiArgs { transport, base: base.parse().unwrap(), headers }).unwrap()
}

fn request() -> ChatRequest {
    ChatRequest { model: "an alias".into(), messages: vec![Message::user(PROMPT)], ..ChatRequest::default() }
}

fn call<'a>(request: &'a ChatRequest, info: &'a ModelInfo, credential: &'a Credential) -> ChatCall<'a> {
    ChatCall { request, model: &info.id, info, provider: "gemini", credential, deadlines: &DEADLINES }
}

async fn ask(base: &str, request: &ChatRequest, info: &ModelInfo) -> (Result<(), ChatError>, Taken) {
    let mut taken = Taken::default();
    let credential = Credential::Key(KEY.into());
    let outcome = provider(base).chat(call(request, info, &credential), &mut taken).await;
    (outcome, taken)
}

async fn answered_with(response: String) -> (Result<(), ChatError>, Taken) {
    let (base, _seen) = server(vec![response]).await;
    ask(&base, &request(), &ModelInfo::named("gemini-x")).await
}

#[tokio::test]
async fn an_answer_is_asked_for_as_events_with_the_key_in_a_header_alone() {
    let (base, seen) = server(vec![stream(&[said("Hel"), said("lo"), end()])]).await;
    let (outcome, taken) = ask(&base, &request(), &ModelInfo::named("gemini-2.5-flash")).await;
    outcome.unwrap();
    let usage = Usage { input: 5, output: 7, ..Usage::default() };
    let end = [ChatEvent::Usage(usage), ChatEvent::Finished { reason: FinishReason::Stop }];
    assert_eq!((taken.text().as_str(), &taken.0[taken.0.len() - 2..]), ("Hello", &end[..]));
    let seen = seen.await.unwrap();
    let path = "POST /v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse HTTP/1.1";
    assert_eq!(seen[0].line(), path);
    let heads = ["x-goog-api-key", "x-goog-user-project", "authorization"].map(|name| seen[0].header(name));
    assert_eq!(heads, [Some(KEY), Some("a-project"), None]);
    assert_eq!(seen[0].body, json!({"contents": [{"role": "user", "parts": [{"text": PROMPT}]}]}));
}

#[tokio::test]
async fn an_answer_that_is_cut_is_none_and_one_that_comes_otherwise_is_taken() {
    let (outcome, taken) = answered_with(stream(&[said("Hel")])).await;
    assert_eq!((outcome.unwrap_err().kind, taken.text().as_str()), (ErrorKind::Protocol, "Hel"));
    let (outcome, taken) = answered_with(whole(200, "", &json!([said("Hel"), said("lo"), end()]))).await;
    outcome.unwrap();
    assert_eq!(taken.text(), "Hello");
    let mut one = said("Hello");
    one["candidates"][0]["finishReason"] = "MAX_TOKENS".into();
    let (outcome, taken) = answered_with(whole(200, "", &one)).await;
    outcome.unwrap();
    assert_eq!(taken.0.last(), Some(&ChatEvent::Finished { reason: FinishReason::Length }));
}

#[tokio::test]
async fn an_error_says_what_the_provider_said_without_key_or_prompt() {
    let details = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7.5s"}]);
    let message = format!("{KEY} may not ask: {PROMPT}");
    let error = json!({"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": details});
    // Errors come as plain JSON, whatever they are called.
    let response = whole(429, "", &json!({"error": error})).replace("application/json", "text/event-stream");
    let (outcome, _) = answered_with(response).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.kind, error.details.status), (ErrorKind::RateLimited, Some(429)));
    assert_eq!(error.details.retry_after, Some(Duration::from_millis(7500)));
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(KEY) && !shown.contains("nobody else"), "{shown}");

    let (outcome, _) = answered_with(stream(&[json!({"promptFeedback": {"blockReason": "SAFETY"}})])).await;
    assert_eq!(outcome.unwrap_err().kind, ErrorKind::ContentFilter);
}

#[tokio::test]
async fn every_page_of_models_is_read_and_those_that_chat_come_first() {
    let model = |id: &str, methods: Value| {
        json!({"name": format!("models/{id}"), "displayName": "M", "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536,
            "thinking": true, "supportedGenerationMethods": methods})
    };
    let first = json!({"models": [model("e", json!(["embedContent"])), model("i", json!(["predict"]))], "nextPageToken": "a/b"});
    let second = json!({"models": [model("m", json!(["generateContent", "countTokens"]))]});
    let (base, seen) = server(vec![whole(200, "", &first), whole(200, "", &second)]).await;
    let models = provider(&base).models(&Credential::Key(KEY.into())).await.unwrap();
    let ids: Vec<_> = models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["m", "e"], "what can neither chat nor embed is of no use");
    let known = (models[0].context, models[0].max_output, models[0].name.as_deref(), models[0].reasoning);
    assert_eq!(known, (Some(1_048_576), Some(65_536), Some("M"), None));
    let seen = seen.await.unwrap();
    assert_eq!(seen[0].line(), "GET /v1beta/models?pageSize=1000 HTTP/1.1");
    assert_eq!(seen[1].line(), "GET /v1beta/models?pageSize=1000&pageToken=a%2Fb HTTP/1.1");

    let refusal =
        json!({"error": {"code": 400, "message": format!("API key not valid: {KEY}"), "status": "INVALID_ARGUMENT"}});
    let (base, _seen) = server(vec![whole(400, "", &refusal)]).await;
    let error = provider(&base).models(&Credential::Key(KEY.into())).await.unwrap_err();
    assert_eq!((error.kind, error.message.contains(KEY)), (ErrorKind::Auth, false));
}

#[tokio::test]
async fn tokens_are_counted_with_tools_and_instructions() {
    let (base, seen) = server(vec![whole(200, "", &json!({"totalTokens": 43}))]).await;
    let (request, info, credential) = (request(), ModelInfo::named("gemini-x"), Credential::Key(KEY.into()));
    assert_eq!(provider(&base).count_tokens(call(&request, &info, &credential)).await.unwrap(), 43);
    let seen = seen.await.unwrap();
    assert_eq!(seen[0].line(), "POST /v1beta/models/gemini-x:countTokens HTTP/1.1");
    assert_eq!(seen[0].body["generateContentRequest"]["model"], "models/gemini-x");
}

#[tokio::test]
async fn embeddings_of_many_texts_are_asked_for_in_turns() {
    let made = |count: usize| {
        let list = vec![json!({"values": [0.5]}); count];
        whole(200, "", &json!({"embeddings": list, "usageMetadata": {"promptTokenCount": count}}))
    };
    let embed = |base: String| async move {
        let request = EmbedRequest { input: vec![PROMPT.into(); 150], ..EmbedRequest::default() };
        let credential = Credential::Key(KEY.into());
        let limit = Duration::from_secs(5);
        let call = EmbedCall { request: &request, model: "e", credential: &credential, limit };
        provider(&base).embed(call).await
    };
    let (base, seen) = server(vec![made(100), made(50)]).await;
    let embeddings = embed(base).await.unwrap();
    assert_eq!((embeddings.vectors.len(), embeddings.tokens, embeddings.model.as_str()), (150, Some(150), "e"));
    let seen = seen.await.unwrap();
    assert_eq!(seen[1].line(), "POST /v1beta/models/e:batchEmbedContents HTTP/1.1");
    assert_eq!(seen[1].body["requests"].as_array().map(Vec::len), Some(50));

    let (base, _seen) = server(vec![made(99)]).await;
    assert_eq!(embed(base).await.unwrap_err().kind, ErrorKind::Protocol);
    let refusal =
        json!({"error": {"code": 400, "message": format!("bad text: {PROMPT}"), "status": "INVALID_ARGUMENT"}});
    let (base, _seen) = server(vec![whole(400, "", &refusal)]).await;
    let error = embed(base).await.unwrap_err();
    assert_eq!((error.kind, error.message.contains("nobody else")), (ErrorKind::InvalidRequest, false));
}

#[tokio::test]
async fn what_is_known_of_a_model_counts_more_than_its_id() {
    let flash = || ModelInfo::named("gemini-2.5-flash");
    let (base, seen) = server(vec![stream(&[said("x"), end()]), stream(&[said("x"), end()])]).await;
    let thinking = ThinkingRequest { budget: Some(99), ..ThinkingRequest::default() };
    let request = ChatRequest { thinking: Some(thinking), ..request() };
    for model in [flash(), ModelInfo { reasoning: Some(false), ..flash() }] {
        ask(&base, &request, &model).await.0.unwrap();
    }
    let seen = seen.await.unwrap();
    let said: Vec<_> = seen.iter().map(|seen| seen.body["generationConfig"]["thinkingConfig"].clone()).collect();
    assert_eq!(said, [json!({"thinkingBudget": 99, "includeThoughts": true}), Value::Null]);
}
