//! Anthropic over real sockets: what is particular to it.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc, time::Duration};

use greenroom_providers::{
    ChatCall, Credential, Deadlines, ModelInfo, Provider, Sink, SinkState,
    anthropic::{Anthropic, AnthropicArgs},
    openai::{OpenAi, OpenAiArgs},
    transport::Transport,
};
use greenroom_wire::{
    ChatError, ChatEvent, ChatRequest, ErrorKind, FinishReason, Message, Usage,
    chat::{ThinkingRequest, Tool, ToolCallKind},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

mod http_support;

use http_support::{server, whole};

const KEY: &str = "sk-ant-sentinel-4711";
const PROMPT: &str = "a prompt that nobody else may read";
const DEADLINES: Deadlines = Deadlines {
    first_content: Duration::from_millis(800),
    idle: Duration::from_millis(500),
    silent: Duration::from_millis(900),
    finish: Duration::from_millis(100),
};

/// A stream of these events, ended by the end of the connection.
fn stream(events: &[Value]) -> String {
    let mut text =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\nretry-after: 9\r\n\r\n".to_owned();
    for event in events {
        text += &format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
    }
    text
}

fn start() -> Value {
    let usage = json!({"input_tokens": 5, "output_tokens": 1});
    json!({"type": "message_start", "message": {"id": "msg_1", "model": "claude-x", "content": [], "usage": usage}})
}

fn text(text: &str) -> Value {
    json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": text}})
}

fn end() -> Value {
    json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}})
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

fn provider(base: &str, headers: &[(&str, &str)]) -> Anthropic {
    let headers: BTreeMap<_, _> = headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let transport = Arc::new(Transport::new(Duration::from_secs(1)));
    Anthropic::new(AnthropicArgs { transport, base: base.parse().unwrap(), headers }).unwrap()
}

fn request() -> ChatRequest {
    ChatRequest { model: "an alias".into(), messages: vec![Message::user(PROMPT)], ..ChatRequest::default() }
}

fn call<'a>(request: &'a ChatRequest, info: &'a ModelInfo, credential: &'a Credential) -> ChatCall<'a> {
    ChatCall { request, model: &info.id, info, provider: "anthropic", credential, deadlines: &DEADLINES }
}

async fn ask(provider: &Anthropic, request: &ChatRequest, info: &ModelInfo) -> (Result<(), ChatError>, Taken) {
    let mut taken = Taken::default();
    let credential = Credential::Key(KEY.into());
    let outcome = provider.chat(call(request, info, &credential), &mut taken).await;
    (outcome, taken)
}

async fn answered_with(response: String) -> (Result<(), ChatError>, Taken) {
    let (base, _seen) = server(vec![response]).await;
    ask(&provider(&base, &[]), &request(), &ModelInfo::named("claude-x")).await
}

#[tokio::test]
async fn a_request_carries_key_version_and_bound() {
    let answer = stream(&[start(), text("Hel"), end(), json!({"type": "message_stop"})]);
    let (base, seen) = server(vec![answer.clone(), answer]).await;
    let (outcome, taken) = ask(&provider(&base, &[]), &request(), &ModelInfo::named("claude-sonnet-4-5")).await;
    outcome.unwrap();
    assert_eq!(taken.text(), "Hel");
    let used = Usage { input: 5, output: 7, ..Usage::default() };
    assert_eq!(taken.0[3..], [ChatEvent::Usage(used), ChatEvent::Finished { reason: FinishReason::Stop }]);

    // An address may end with the version, and the user's own headers win.
    let own = [("anthropic-version", "2024-01-01"), ("anthropic-beta", "a,b")];
    let known = ModelInfo { max_output: Some(64_000), ..ModelInfo::named("claude-sonnet-4-5") };
    ask(&provider(&format!("{base}/proxy/v1"), &own), &request(), &known).await.0.unwrap();

    let seen = seen.await.unwrap();
    assert_eq!((seen[0].line(), seen[1].line()), ("POST /v1/messages HTTP/1.1", "POST /proxy/v1/messages HTTP/1.1"));
    assert_eq!((seen[0].header("x-api-key"), seen[0].header("authorization")), (Some(KEY), None));
    assert_eq!((seen[0].header("anthropic-version"), seen[0].header("anthropic-beta")), (Some("2023-06-01"), None));
    assert_eq!(
        (seen[1].header("anthropic-version"), seen[1].header("anthropic-beta")),
        (Some("2024-01-01"), Some("a,b"))
    );
    assert_eq!((&seen[0].body["model"], &seen[0].body["stream"]), (&json!("claude-sonnet-4-5"), &json!(true)));
    assert_eq!((&seen[0].body["max_tokens"], &seen[1].body["max_tokens"]), (&json!(8192), &json!(64_000)));
}

#[tokio::test]
async fn each_end_of_a_stream_is_what_it_is() {
    let (outcome, taken) = answered_with(stream(&[start(), text("Hel"), end()])).await;
    outcome.unwrap();
    assert!(matches!(taken.0.last(), Some(ChatEvent::Finished { .. })), "a reason is enough");

    let (outcome, taken) = answered_with(stream(&[start(), text("Hel")])).await;
    assert_eq!((outcome.unwrap_err().kind, taken.text().as_str()), (ErrorKind::Protocol, "Hel"));

    let overloaded = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let (outcome, taken) = answered_with(stream(&[start(), text("Hel"), overloaded])).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.kind, taken.text().as_str()), (ErrorKind::Overloaded, "Hel"));
    // The header of a response that began well says nothing of its failure.
    assert_eq!(error.details.retry_after, None);
}

#[tokio::test]
async fn an_answer_that_comes_whole_is_taken_as_well() {
    let body = json!({"id": "msg_1", "model": "claude-x", "content": [{"type": "text", "text": "Hel"}],
        "stop_reason": "max_tokens", "usage": {"input_tokens": 1, "output_tokens": 1}});
    let (outcome, taken) = answered_with(whole(200, "", &body)).await;
    outcome.unwrap();
    assert_eq!(taken.text(), "Hel");
    assert_eq!(taken.0.last(), Some(&ChatEvent::Finished { reason: FinishReason::Length }));
}

#[tokio::test]
async fn an_error_says_what_the_provider_said_without_key_or_prompt() {
    let error = json!({"type": "overloaded_error", "message": format!("{KEY} may not ask: {PROMPT}")});
    let body = json!({"type": "error", "error": error});
    let (outcome, _) = answered_with(whole(529, "retry-after: 7\r\nx-should-retry: true\r\n", &body)).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.kind, error.details.status), (ErrorKind::Overloaded, Some(529)));
    assert_eq!(error.details.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(error.details.should_retry, Some(true));
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(KEY) && !shown.contains("nobody else"), "{shown}");
}

#[tokio::test]
async fn every_page_of_models_is_read() {
    let page = |id: &str, more: bool| {
        let model = json!({"id": id, "display_name": "M", "max_input_tokens": 200_000, "max_tokens": 64_000});
        whole(200, "", &json!({"data": [model], "has_more": more, "first_id": id, "last_id": id}))
    };
    let (base, seen) = server(vec![page("m/1", true), page("m2", false)]).await;
    let models = provider(&base, &[]).models(&Credential::Key(KEY.into())).await.unwrap();
    let ids: Vec<_> = models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["m/1", "m2"]);
    let known = (models[0].context, models[0].max_output, models[0].name.as_deref(), models[0].reasoning);
    assert_eq!(known, (Some(200_000), Some(64_000), Some("M"), None));
    let seen = seen.await.unwrap();
    assert_eq!(seen[0].line(), "GET /v1/models?limit=1000 HTTP/1.1");
    assert_eq!(seen[1].line(), "GET /v1/models?limit=1000&after_id=m%2F1 HTTP/1.1");
    assert_eq!(seen[1].header("x-api-key"), Some(KEY));

    let refusal = json!({"type": "error", "error": {"type": "authentication_error", "message": format!("no {KEY}")}});
    let (base, _seen) = server(vec![whole(401, "", &refusal)]).await;
    let error = provider(&base, &[]).models(&Credential::Key(KEY.into())).await.unwrap_err();
    assert_eq!((error.kind, error.message.contains(KEY)), (ErrorKind::Auth, false));
}

#[tokio::test]
async fn tokens_are_counted_where_there_is_a_way_to() {
    let (base, seen) = server(vec![whole(200, "", &json!({"input_tokens": 43}))]).await;
    let (request, info, credential) = (request(), ModelInfo::named("claude-x"), Credential::Key(KEY.into()));
    let count = provider(&base, &[]).count_tokens(call(&request, &info, &credential)).await;
    assert_eq!(count.unwrap(), 43);
    let seen = seen.await.unwrap();
    assert_eq!(seen[0].line(), "POST /v1/messages/count_tokens HTTP/1.1");
    let keys: Vec<_> = seen[0].body.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["model", "messages"]);

    let transport = Arc::new(Transport::new(Duration::from_secs(1)));
    let args = OpenAiArgs { transport, base: base.parse().unwrap(), headers: BTreeMap::new() };
    let error = OpenAi::compatible(args).unwrap().count_tokens(call(&request, &info, &credential)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest);
}

#[tokio::test]
async fn a_count_that_does_not_come_is_a_time_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (request, info) = (request(), ModelInfo::named("claude-x"));
    let error = provider(&base, &[]).count_tokens(call(&request, &info, &Credential::None)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
}

#[tokio::test]
async fn a_tool_is_called_by_the_name_that_it_has_here() {
    let tool_use = json!({"type": "tool_use", "id": "toolu_1", "name": "files_read", "input": {"a": 1}});
    let block = json!({"type": "content_block_start", "index": 0, "content_block": tool_use});
    let (base, seen) = server(vec![stream(&[start(), block, end()])]).await;
    let tool = Tool::Function {
        name: "files/read".into(),
        description: None,
        parameters: None,
        strict: None,
        extra: Vec::new(),
    };
    let request = ChatRequest { tools: vec![tool], ..request() };
    let (outcome, taken) = ask(&provider(&base, &[]), &request, &ModelInfo::named("claude-x")).await;
    outcome.unwrap();
    assert_eq!(seen.await.unwrap()[0].body["tools"][0]["name"], "files_read");
    let want = ChatEvent::ToolCallStarted {
        index: 0,
        id: "toolu_1".into(),
        name: "files/read".into(),
        kind: ToolCallKind::Function,
    };
    assert_eq!(taken.0[2], want);
    assert_eq!(taken.0.last(), Some(&ChatEvent::Finished { reason: FinishReason::ToolCalls }));
}

#[tokio::test]
async fn what_is_known_of_a_model_counts_more_than_its_id() {
    let named = |id: &str| ModelInfo::named(id);
    let models = [
        named("claude-sonnet-5"),
        ModelInfo { sampling_params: Some(true), reasoning_always: Some(true), ..named("claude-sonnet-5") },
        ModelInfo { reasoning_always: Some(false), ..named("claude-opus-5-5") },
        ModelInfo { sampling_params: Some(false), reasoning: Some(false), ..named("claude-sonnet-4-5") },
    ];
    let answer = || stream(&[start(), text("Hel"), end(), json!({"type": "message_stop"})]);
    let (base, seen) = server(models.iter().map(|_| answer()).collect()).await;
    let off = ThinkingRequest { enabled: Some(false), ..ThinkingRequest::default() };
    let request = ChatRequest { temperature: Some(0.5), thinking: Some(off), ..request() };
    for model in &models {
        ask(&provider(&base, &[]), &request, model).await.0.unwrap();
    }
    let seen = seen.await.unwrap();
    let said: Vec<_> = seen.iter().map(|seen| (&seen.body["temperature"], &seen.body["thinking"])).collect();
    let (none, off, half) = (Value::Null, json!({"type": "disabled"}), json!(0.5));
    assert_eq!(said, [(&none, &off), (&half, &none), (&none, &off), (&none, &none)]);
}

#[test]
fn a_key_that_cannot_be_sent_is_said_so() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(provider("http://127.0.0.1:1", &[]).models(&Credential::Key("sk-\nx".into())));
    let error = error.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    assert!(!format!("{error:?}").contains("sk-"));
}
