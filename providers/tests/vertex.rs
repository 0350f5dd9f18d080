//! Vertex over real sockets: counting tokens, and texts that are divided among requests.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use greenroom_providers::{
    AccessToken, ChatCall, Credential, Deadlines, EmbedCall, ModelInfo, Provider,
    transport::Transport,
    vertex::{Vertex, VertexArgs},
};
use greenroom_wire::{ChatError, ChatRequest, EmbedInput, EmbedRequest, Embeddings, ErrorKind, Message, chat::Tool};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpListener, sync::Semaphore};

mod http_support;

use http_support::{read_request, server, whole};

const TOKEN: &str = "ya29.sentinel-4711";
const PROMPT: &str = "a prompt that nobody else may read";
const BELOW: &str = "projects/p/locations/eu/publishers";
const DEADLINES: Deadlines = Deadlines {
    first_content: Duration::from_secs(5),
    idle: Duration::from_secs(5),
    silent: Duration::from_secs(5),
    finish: Duration::from_millis(100),
};

fn provider(base: &str) -> Vertex {
    let transport = Arc::new(Transport::new(Duration::from_secs(1)));
    let (base, project) = (base.parse().unwrap(), Some("p".to_owned()));
    Vertex::new(VertexArgs { transport, base, project, region: "eu".into(), headers: BTreeMap::new() }).unwrap()
}

fn token() -> Credential {
    Credential::Token(AccessToken { token: TOKEN.into(), account: None, base: None })
}

async fn count(base: &str, model: &str) -> Result<u64, ChatError> {
    let tool =
        Tool::Function { name: "weather".into(), description: None, parameters: None, strict: None, extra: vec![] };
    let request = ChatRequest { messages: vec![Message::user(PROMPT)], tools: vec![tool], ..ChatRequest::default() };
    let (info, credential) = (ModelInfo::named(model), token());
    let call = ChatCall {
        request: &request,
        model,
        info: &info,
        provider: "vertex",
        credential: &credential,
        deadlines: &DEADLINES,
    };
    provider(base).count_tokens(call).await
}

async fn embed(base: &str, model: &str, input: Vec<EmbedInput>) -> Result<Embeddings, ChatError> {
    let request = EmbedRequest { input, ..EmbedRequest::default() };
    let credential = token();
    let call = EmbedCall { request: &request, model, credential: &credential, limit: Duration::from_secs(5) };
    provider(base).embed(call).await
}

#[tokio::test]
async fn tokens_of_each_publishers_models_are_counted_where_it_counts_them() {
    let answers = vec![whole(200, "", &json!({"totalTokens": 43})), whole(200, "", &json!({"input_tokens": 44}))];
    let (base, seen) = server(answers).await;
    assert_eq!(count(&base, "gemini-2.5-flash").await.unwrap(), 43);
    assert_eq!(count(&base, "anthropic/claude-opus-4-5").await.unwrap(), 44);
    let seen = seen.await.unwrap();
    assert_eq!(seen[0].line(), format!("POST /v1beta1/{BELOW}/google/models/gemini-2.5-flash:countTokens HTTP/1.1"));
    assert!(seen[0].body["contents"].is_array() && seen[0].body["tools"].is_array(), "{}", seen[0].body);
    assert_eq!(seen[1].line(), format!("POST /v1/{BELOW}/anthropic/models/count-tokens:rawPredict HTTP/1.1"));
    let told = ["model", "anthropic_version", "stream", "max_tokens"].map(|key| seen[1].body[key].clone());
    assert_eq!(told, [json!("claude-opus-4-5"), json!("vertex-2023-10-16"), Value::Null, Value::Null]);
    assert!(seen.iter().all(|seen| seen.header("authorization") == Some(&format!("Bearer {TOKEN}"))));
    let other = count("http://127.0.0.1:9", "meta/llama-4").await.unwrap_err();
    assert_eq!(other.kind, ErrorKind::InvalidRequest);
}

#[tokio::test]
async fn whose_quota_is_used_is_said_for_who_is_of_no_project() {
    let list = || whole(200, "", &json!({"publisherModels": [{"name": "publishers/google/models/gemini-3-pro"}]}));
    let answers = vec![list(), list(), list(), list()];
    let (base, seen) = server(answers).await;
    for account in [None, Some("users-project".to_owned())] {
        let credential = Credential::Token(AccessToken { token: TOKEN.into(), account, base: None });
        assert!(!provider(&base).models(&credential).await.unwrap().is_empty());
    }
    let said: Vec<_> =
        seen.await.unwrap().iter().map(|seen| seen.header("x-goog-user-project").map(str::to_owned)).collect();
    assert_eq!(said, ["p", "p", "users-project", "users-project"].map(|project| Some(project.to_owned())));
}

#[tokio::test]
async fn a_token_without_a_project_asks_nobody() {
    let transport = Arc::new(Transport::new(Duration::from_secs(1)));
    let base = "http://127.0.0.1:9".parse().unwrap();
    let args = VertexArgs { transport, base, project: None, region: "global".into(), headers: BTreeMap::new() };
    let error = Vertex::new(args).unwrap().models(&token()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    assert!(error.details.hint.is_some_and(|hint| hint.contains("project")));
}

#[tokio::test]
async fn vectors_come_in_the_order_of_their_texts_whichever_is_made_first() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let others = Arc::new(Semaphore::new(0));
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let others = Arc::clone(&others);
            tokio::spawn(async move {
                let seen = read_request(&mut socket).await;
                let text = seen.body["instances"][0]["content"].as_str().unwrap().to_owned();
                if text == "a" {
                    // The first text is answered last.
                    others.acquire_many(2).await.unwrap().forget();
                }
                let embeddings = json!({"values": [text.len()], "statistics": {"token_count": 1}});
                let answer = whole(200, "", &json!({"predictions": [{"embeddings": embeddings}]}));
                socket.write_all(answer.as_bytes()).await.unwrap();
                socket.shutdown().await.unwrap();
                others.add_permits(1);
            });
        }
    });
    let texts = ["a", "bb", "ccc"].map(EmbedInput::from).to_vec();
    let made = embed(&base, "gemini-embedding-001", texts).await.unwrap();
    assert_eq!((made.vectors, made.tokens), (vec![vec![1.0], vec![2.0], vec![3.0]], Some(3)));
    assert_eq!(made.model, "gemini-embedding-001");
}

#[tokio::test]
async fn what_can_not_be_made_vectors_is_an_error_that_quotes_nobody() {
    let (base, _seen) = server(vec![whole(200, "", &json!({"predictions": []}))]).await;
    let few = embed(&base, "text-embedding-005", vec![PROMPT.into()]).await.unwrap_err();
    assert_eq!(few.kind, ErrorKind::Protocol);
    let message = format!("bad text {PROMPT} of {TOKEN}");
    let refusal = json!({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}});
    let (base, _seen) = server(vec![whole(400, "", &refusal)]).await;
    let refused = embed(&base, "text-embedding-005", vec![PROMPT.into()]).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::InvalidRequest);
    assert!(!refused.message.contains("nobody else") && !refused.message.contains(TOKEN), "{}", refused.message);
    let nowhere = "http://127.0.0.1:9";
    for (model, input) in [("claude-opus-5", "text".into()), ("text-embedding-005", EmbedInput::Tokens(vec![1, 2]))] {
        assert_eq!(embed(nowhere, model, vec![input]).await.unwrap_err().kind, ErrorKind::InvalidRequest, "{model}");
    }
}
