//! OpenAI and its like over real sockets: which language a model is asked in, and embeddings.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc, time::Duration};

use greenroom_providers::{
    ChatCall, Credential, Deadlines, EmbedCall, ModelInfo, Provider, Sink, SinkState,
    openai::{OpenAi, OpenAiArgs},
    transport::Transport,
};
use greenroom_wire::{ChatError, ChatEvent, ChatRequest, EmbedInput, EmbedRequest, Embeddings, ErrorKind, Message};
use serde_json::{Value, json};

mod http_support;

use http_support::{server, whole};

const KEY: &str = "sk-sentinel-4711";
const PROMPT: &str = "a prompt that nobody else may read";
const DEADLINES: Deadlines = Deadlines {
    first_content: Duration::from_secs(2),
    idle: Duration::from_secs(1),
    silent: Duration::from_secs(2),
    finish: Duration::from_millis(100),
};

fn provider(base: &str) -> OpenAi {
    let transport = Arc::new(Transport::new(Duration::from_secs(1)));
    let base = format!("{base}/v1").parse().unwrap();
    OpenAi::official(OpenAiArgs { transport, base, headers: BTreeMap::new() }).unwrap()
}

struct Heard(String);

impl Sink for Heard {
    fn take(&mut self, events: &mut Vec<ChatEvent>) -> SinkState {
        for event in events.drain(..) {
            if let ChatEvent::Text { delta } = event {
                self.0 += &delta;
            }
        }
        ControlFlow::Continue(())
    }
}

/// What was said, asked of this model.
async fn ask(provider: &OpenAi, info: &ModelInfo) -> String {
    let request = ChatRequest { messages: vec![Message::user(PROMPT)], ..ChatRequest::default() };
    let credential = Credential::Key(KEY.into());
    let (model, provider_name) = (info.id.as_str(), "openai");
    let call = ChatCall {
        request: &request,
        model,
        info,
        provider: provider_name,
        credential: &credential,
        deadlines: &DEADLINES,
    };
    let mut heard = Heard(String::new());
    provider.chat(call, &mut heard).await.unwrap();
    heard.0
}

fn completion() -> String {
    let choice = json!({"index": 0, "message": {"role": "assistant", "content": "by chat"}, "finish_reason": "stop"});
    whole(200, "", &json!({"id": "c", "model": "m", "choices": [choice]}))
}

fn response() -> String {
    let content = json!([{"type": "output_text", "text": "by responses", "annotations": []}]);
    let item = json!({"type": "message", "id": "i", "role": "assistant", "status": "completed", "content": content});
    whole(200, "", &json!({"id": "r", "object": "response", "model": "m", "status": "completed", "output": [item]}))
}

#[tokio::test]
async fn a_model_that_is_served_in_the_responses_api_alone_is_asked_there() {
    let only = |responses_only| ModelInfo { responses_only, ..ModelInfo::named("m") };
    let (base, seen) = server(vec![response(), completion(), completion(), response(), completion()]).await;
    assert_eq!(ask(&provider(&base), &only(Some(true))).await, "by responses");
    assert_eq!(ask(&provider(&base), &only(Some(false))).await, "by chat");
    assert_eq!(ask(&provider(&base), &only(None)).await, "by chat");
    // What was configured goes before what is known.
    assert_eq!(ask(&provider(&base).with_responses(true), &only(Some(false))).await, "by responses");
    assert_eq!(ask(&provider(&base).with_responses(false), &only(Some(true))).await, "by chat");
    let seen = seen.await.unwrap();
    assert_eq!(seen[0].line(), "POST /v1/responses HTTP/1.1");
    assert_eq!(seen[1].line(), "POST /v1/chat/completions HTTP/1.1");
}

async fn embed(base: &str, input: Vec<EmbedInput>) -> Result<Embeddings, ChatError> {
    let request = EmbedRequest { input, dimensions: Some(2), ..EmbedRequest::default() };
    let credential = Credential::Key(KEY.into());
    let limit = Duration::from_secs(5);
    provider(base).embed(EmbedCall { request: &request, model: "e", credential: &credential, limit }).await
}

fn made(count: usize) -> String {
    let data: Vec<Value> = (0..count).map(|index| json!({"index": index, "embedding": [index, 0.5]})).collect();
    whole(200, "", &json!({"object": "list", "data": data, "model": "e-1", "usage": {"prompt_tokens": count}}))
}

#[tokio::test]
async fn embeddings_of_many_texts_are_asked_for_in_turns() {
    let (base, seen) = server(vec![made(2048), made(2)]).await;
    let embeddings = embed(&base, vec![PROMPT.into(); 2050]).await.unwrap();
    assert_eq!((embeddings.vectors.len(), embeddings.tokens, embeddings.model.as_str()), (2050, Some(2050), "e-1"));
    assert_eq!(embeddings.vectors[2049], [1.0, 0.5], "each turn counts from its own beginning");
    let seen = seen.await.unwrap();
    assert_eq!(seen[1].line(), "POST /v1/embeddings HTTP/1.1");
    assert_eq!(seen[1].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(seen[1].body, json!({"model": "e", "input": [PROMPT, PROMPT], "dimensions": 2}));
}

#[tokio::test]
async fn tokens_are_sent_as_they_are() {
    let (base, seen) = server(vec![made(1)]).await;
    embed(&base, vec![EmbedInput::Tokens(vec![5, 7])]).await.unwrap();
    assert_eq!(seen.await.unwrap()[0].body["input"], json!([[5, 7]]));
}

#[tokio::test]
async fn embeddings_that_are_not_those_of_the_texts_are_an_error_which_repeats_none() {
    let (base, _seen) = server(vec![made(3)]).await;
    assert_eq!(embed(&base, vec![PROMPT.into()]).await.unwrap_err().kind, ErrorKind::Protocol);
    let message = format!("{PROMPT} with {KEY} is no good");
    let refusal = json!({"error": {"message": message, "type": "invalid_request_error", "code": null, "param": null}});
    let (base, _seen) = server(vec![whole(400, "", &refusal)]).await;
    let error = embed(&base, vec![PROMPT.into()]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest);
    assert!(!error.message.contains("nobody else") && !error.message.contains(KEY), "{}", error.message);
}

#[tokio::test]
async fn a_prompt_s_tokens_are_counted_where_that_is_served() {
    let count = |base: String, official| async move {
        let transport = Arc::new(Transport::new(Duration::from_secs(1)));
        let args = OpenAiArgs { transport, base: format!("{base}/v1").parse().unwrap(), headers: BTreeMap::new() };
        let provider = if official { OpenAi::official(args) } else { OpenAi::compatible(args) }.unwrap();
        let request = ChatRequest { messages: vec![Message::user(PROMPT)], ..ChatRequest::default() };
        let (info, credential) = (ModelInfo::named("gpt-5"), Credential::Key(KEY.into()));
        let (model, deadlines) = ("gpt-5", &DEADLINES);
        let call =
            ChatCall { request: &request, model, info: &info, provider: "openai", credential: &credential, deadlines };
        provider.count_tokens(call).await.map_err(|error| (error.kind, error.details.status))
    };
    let counted = whole(200, "", &json!({"object": "response.input_tokens", "input_tokens": 51}));
    let (base, seen) = server(vec![counted]).await;
    assert_eq!(count(base, true).await, Ok(51));
    let seen = seen.await.unwrap();
    assert_eq!(seen[0].line(), "POST /v1/responses/input_tokens HTTP/1.1");
    assert!(seen[0].body.get("stream").is_none() && seen[0].body["input"].to_string().contains(PROMPT));

    // A proxy that has no such address counts none; a model that isn't there is told.
    let (base, _seen) = server(vec![whole(404, "", &json!({"error": "no such page"}))]).await;
    assert_eq!(count(base, true).await, Err((ErrorKind::InvalidRequest, None)));
    let gone =
        json!({"error": {"message": "no such model", "type": "invalid_request_error", "code": "model_not_found"}});
    let (base, _seen) = server(vec![whole(404, "", &gone)]).await;
    assert_eq!(count(base, true).await, Err((ErrorKind::NotFound, Some(404))));
    assert_eq!(count("http://127.0.0.1:1".into(), false).await, Err((ErrorKind::InvalidRequest, None)));
}
