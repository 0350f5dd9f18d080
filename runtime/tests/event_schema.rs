//! The published JSON Schema of a session's events says what is sent, and nothing else.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

use std::{collections::BTreeSet, sync::LazyLock};

use greenroom_actors::session::{
    OnInterrupt,
    event::{Asked, EventBody, Failure, LogEvent},
};
use greenroom_wire::{
    ChatRequest, ErrorKind, FinishReason, Message, Part, Role, Usage,
    chat::{CacheMark, Extra, MediaSource, ResponseFormat, ThinkingRequest, Tool, ToolCallKind, ToolChoice, Wire},
};
use jsonschema::Validator;
use serde_json::{Value, json};

static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../src/frontends/http/sessions/events.schema.json")).unwrap());

fn validator() -> Validator {
    jsonschema::draft202012::new(&SCHEMA).unwrap()
}

fn owned(text: &str) -> String {
    text.to_owned()
}

fn source() -> MediaSource {
    MediaSource::Base64 { media_type: owned("image/png"), data: owned("AAAA") }
}

fn extra() -> Extra {
    Extra { wire: Wire::OpenaiChat, path: owned("/choices/0"), json: json!([1.5, null]) }
}

/// Samples by variant, from `name => pattern: samples`; a variant that has none does not compile.
macro_rules! samples {
    ($name:ident of $type:ty: $($pattern:pat => [$($sample:expr),+ $(,)?]),+ $(,)?) => {
        fn $name() -> Vec<$type> {
            fn _every_variant(sample: &$type) {
                match sample {
                    $($pattern => {}),+
                }
            }
            let mut all = Vec::new();
            $(
                let of_one = vec![$($sample),+];
                assert!(of_one.iter().all(|sample| matches!(sample, $pattern)), "{of_one:?}");
                all.extend(of_one);
            )+
            all
        }
    };
}

samples! { sources of MediaSource:
    MediaSource::Base64 { .. } => [source()],
    MediaSource::Url { .. } => [MediaSource::Url { url: owned("https://example.com/a.png") }],
    MediaSource::File { .. } => [MediaSource::File { id: owned("file-1") }],
}

samples! { plain_parts of Part:
    Part::Text { .. } => [Part::text("hello"), Part::text("")],
    Part::Refusal { .. } => [Part::Refusal { text: owned("no") }],
    Part::Image { .. } => [
        Part::Image { source: source(), detail: None },
        Part::Image { source: source(), detail: Some(owned("low")) },
    ],
    Part::Document { .. } => [
        Part::Document { source: source(), name: None },
        Part::Document { source: source(), name: Some(owned("a.pdf")) },
    ],
    Part::Audio { .. } => [Part::Audio { source: source() }],
    Part::ToolCall { .. } => [
        Part::ToolCall { id: owned("c"), name: owned("f"), arguments: owned("{"), kind: ToolCallKind::Function },
        Part::ToolCall { id: owned("c"), name: owned("f"), arguments: owned("x"), kind: ToolCallKind::Custom },
    ],
    Part::ToolResult { .. } => [
        Part::ToolResult { id: owned("c"), parts: vec![Part::text("4")], error: false },
        Part::ToolResult { id: owned("c"), parts: Vec::new(), error: true },
    ],
    Part::Thinking { .. } => [Part::Thinking { text: owned("hm") }],
    Part::Opaque { .. } => [Part::Opaque { provider: owned("p"), model: owned("m"), data: json!("signature") }],
}

fn parts() -> Vec<Part> {
    let mut parts = plain_parts();
    parts.extend(sources().into_iter().map(|source| Part::Audio { source }));
    parts
}

samples! { tools of Tool:
    Tool::Function { .. } => [
        Tool::Function { name: owned("f"), description: None, parameters: None, strict: None, extra: Vec::new() },
        Tool::Function {
            name: owned("f"),
            description: Some(owned("adds")),
            parameters: Some(json!({"type": "object"})),
            strict: Some(true),
            extra: vec![extra()],
        },
    ],
    Tool::Native { .. } => [Tool::Native { wire: Wire::Anthropic, json: json!({"type": "web_search"}) }],
}

samples! { reasons of FinishReason:
    FinishReason::Stop => [FinishReason::Stop],
    FinishReason::Length => [FinishReason::Length],
    FinishReason::ToolCalls => [FinishReason::ToolCalls],
    FinishReason::ContentFilter => [FinishReason::ContentFilter],
    FinishReason::Refusal => [FinishReason::Refusal],
    FinishReason::Pause => [FinishReason::Pause],
    FinishReason::Other(_) => [FinishReason::Other(owned("language"))],
}

samples! { kinds of ErrorKind:
    ErrorKind::Auth => [ErrorKind::Auth],
    ErrorKind::AuthPermanent => [ErrorKind::AuthPermanent],
    ErrorKind::Billing => [ErrorKind::Billing],
    ErrorKind::Permission => [ErrorKind::Permission],
    ErrorKind::RateLimited => [ErrorKind::RateLimited],
    ErrorKind::Overloaded => [ErrorKind::Overloaded],
    ErrorKind::Server => [ErrorKind::Server],
    ErrorKind::Timeout => [ErrorKind::Timeout],
    ErrorKind::Network => [ErrorKind::Network],
    ErrorKind::Protocol => [ErrorKind::Protocol],
    ErrorKind::NotFound => [ErrorKind::NotFound],
    ErrorKind::InvalidRequest => [ErrorKind::InvalidRequest],
    ErrorKind::ContextOverflow => [ErrorKind::ContextOverflow],
    ErrorKind::ContentFilter => [ErrorKind::ContentFilter],
    ErrorKind::Cancelled => [ErrorKind::Cancelled],
    ErrorKind::Config => [ErrorKind::Config],
    ErrorKind::Exhausted => [ErrorKind::Exhausted],
}

/// With nothing but what has to be there.
fn bare(kind: ErrorKind) -> Failure {
    Failure {
        kind,
        message: owned("it failed"),
        hint: None,
        retry_after: None,
        status: None,
        code: None,
        param: None,
        provider: None,
        model: None,
        profile: None,
        attempts: Vec::new(),
    }
}

fn failure() -> Failure {
    let attempt = |kind| Failure {
        hint: Some(owned("wait")),
        retry_after: Some(0.25),
        status: Some(429),
        code: Some(owned("rate_limit")),
        param: Some(owned("model")),
        provider: Some(owned("lab")),
        model: Some(owned("m")),
        profile: Some(owned("default")),
        ..bare(kind)
    };
    let attempts = kinds().into_iter().map(attempt).collect();
    Failure { attempts, ..bare(ErrorKind::Exhausted) }
}

samples! { choices of ToolChoice:
    ToolChoice::Auto => [ToolChoice::Auto],
    ToolChoice::None => [ToolChoice::None],
    ToolChoice::Required => [ToolChoice::Required],
    ToolChoice::Function { .. } => [ToolChoice::Function { name: owned("f") }],
    ToolChoice::Native { .. } => [ToolChoice::Native { wire: Wire::OpenaiResponses, json: json!({"type": "web_search"}) }],
}

samples! { formats of ResponseFormat:
    ResponseFormat::Text => [ResponseFormat::Text],
    ResponseFormat::JsonObject => [ResponseFormat::JsonObject],
    ResponseFormat::JsonSchema { .. } => [
        ResponseFormat::JsonSchema { name: owned("n"), description: None, schema: None, strict: None },
        ResponseFormat::JsonSchema {
            name: owned("n"),
            description: Some(owned("a number")),
            schema: Some(json!({"type": "integer"})),
            strict: Some(true),
        },
    ],
}

/// A request that says all that one can.
fn asked() -> Asked {
    let roles = [Role::System, Role::Developer, Role::User, Role::Assistant, Role::Tool];
    let message = |role| Message {
        name: Some(owned("Ada")),
        cache: vec![CacheMark { part: 0, ttl: None }, CacheMark { part: 1, ttl: Some(owned("1h")) }],
        extra: vec![extra()],
        ..Message::new(role, parts())
    };
    let request = ChatRequest {
        model: owned("smart"),
        messages: roles.map(message).into(),
        tools: tools(),
        tool_choice: Some(ToolChoice::Auto),
        parallel_tool_calls: Some(true),
        temperature: Some(0.5),
        top_p: Some(0.5),
        max_tokens: Some(u64::MAX),
        stop: vec![owned("end")],
        response_format: Some(ResponseFormat::Text),
        thinking: Some(ThinkingRequest { enabled: Some(true), budget: Some(7), effort: Some(owned("low")) }),
        metadata: json!({"a": {"b": 1}}).as_object().unwrap().clone(),
        extra: vec![extra()],
    };
    Asked {
        instructions: Some(owned("be brief")),
        request,
        runs_on: true,
        keeps: true,
        on_interrupt: Some(OnInterrupt::Restart),
        told: json!({"created_at": 7}),
    }
}

samples! { bodies of EventBody:
    EventBody::SessionCreated { .. } => [
        EventBody::SessionCreated { model: None, system: None, tools: Vec::new(), budget: None },
        EventBody::SessionCreated { model: Some(owned("smart")), system: Some(owned("be brief")), tools: tools(), budget: Some(owned("2.50")) },
    ],
    EventBody::SessionUpdated { .. } => [
        EventBody::SessionUpdated { model: None, system: None, tools: None, budget: None },
        EventBody::SessionUpdated { model: Some(String::new()), system: Some(String::new()), tools: Some(Vec::new()), budget: Some(String::new()) },
        EventBody::SessionUpdated { model: None, system: None, tools: Some(tools()), budget: None },
    ],
    EventBody::MessageUser { .. } => [
        EventBody::MessageUser { parts: parts(), queued: false, asked: None },
        EventBody::MessageUser { parts: Vec::new(), queued: true, asked: None },
        EventBody::MessageUser { parts: Vec::new(), queued: false, asked: Some(Box::new(asked())) },
        EventBody::MessageUser { parts: Vec::new(), queued: false, asked: Some(Box::default()) },
    ],
    EventBody::TurnStarted => [EventBody::TurnStarted],
    EventBody::Route { .. } => [
        EventBody::Route {
            provider: owned("lab"),
            model: owned("m"),
            profile: owned("default"),
            attempts: 1,
            answer: String::new(),
            reported: String::new(),
            prompt: Usage::default(),
        },
        EventBody::Route {
            provider: owned("lab"),
            model: owned("m"),
            profile: owned("default"),
            attempts: u32::MAX,
            answer: owned("a-1"),
            reported: owned("m-2025"),
            prompt: Usage { input: 7, cache_read: 5, ..Usage::default() },
        },
    ],
    EventBody::Text { .. } => [EventBody::Text { delta: owned("hello") }],
    EventBody::Refusal { .. } => [EventBody::Refusal { delta: owned("no") }],
    EventBody::Thinking { .. } => [EventBody::Thinking { delta: owned("hm") }],
    EventBody::ToolCall { .. } => [
        EventBody::ToolCall { index: 0, id: owned("c"), name: owned("f"), kind: ToolCallKind::Function },
        EventBody::ToolCall { index: 1, id: owned("d"), name: owned("g"), kind: ToolCallKind::Custom },
    ],
    EventBody::ToolCallArgs { .. } => [EventBody::ToolCallArgs { index: 0, delta: owned("{}") }],
    EventBody::ToolCallDone { .. } => [EventBody::ToolCallDone { index: 0 }],
    EventBody::ToolCallDropped { .. } => [EventBody::ToolCallDropped { index: 0 }],
    EventBody::AnswerRestarted => [EventBody::AnswerRestarted],
    EventBody::TurnWaiting { .. } => [EventBody::TurnWaiting { ids: vec![owned("c"), owned("d")] }],
    EventBody::ToolResult { .. } => [
        EventBody::ToolResult { id: owned("c"), parts: parts(), error: false },
        EventBody::ToolResult { id: owned("c"), parts: Vec::new(), error: true },
    ],
    EventBody::Context { .. } => [
        EventBody::Context { dropped: 3, from: 4, summary: None },
        EventBody::Context { dropped: 3, from: 4, summary: Some(owned("they said hello")) },
    ],
    EventBody::Opaque { .. } => [EventBody::Opaque { provider: owned("p"), model: owned("m"), data: json!({"a": [1]}) }],
    EventBody::Media { .. } => [EventBody::Media { media_type: owned("image/png"), data: owned("AAAA") }],
    EventBody::Citation { .. } => [EventBody::Citation { citation: json!({"url": "https://example.com"}) }],
    EventBody::Extra(_) => [EventBody::Extra(extra())],
    EventBody::Failover { .. } => [EventBody::Failover { from: owned("a/m"), to: owned("b/m"), kind: ErrorKind::Server }],
    EventBody::Usage(_) => [
        EventBody::Usage(Usage::default()),
        EventBody::Usage(Usage { input: u64::MAX, server_tools: [(owned("web_search"), 2)].into(), cost: Some(60_000_000), ..Usage::default() }),
    ],
    EventBody::TurnFinished { .. } => [
        EventBody::TurnFinished { reason: FinishReason::Stop },
    ],
    EventBody::TurnFailed { .. } => [
        EventBody::TurnFailed { error: failure() },
        EventBody::TurnFailed { error: bare(ErrorKind::Server) },
    ],
    EventBody::TurnCancelled => [EventBody::TurnCancelled],
    EventBody::Cache { .. } => [EventBody::Cache { hit: true, age: 7 }, EventBody::Cache { hit: false, age: 0 }],
    EventBody::Synced => [EventBody::Synced],
    EventBody::Reset { .. } => [EventBody::Reset { cursor: owned("c-12") }],
    EventBody::Error { .. } => [EventBody::Error { error: bare(ErrorKind::Server) }],
}

/// Each sample as it is sent, in a turn and outside of one.
fn sent() -> Vec<Value> {
    let mut bodies = bodies();
    let asks = |request| {
        let asked = Some(Box::new(Asked { request, ..Asked::default() }));
        EventBody::MessageUser { parts: Vec::new(), queued: false, asked }
    };
    bodies.extend(
        choices().into_iter().map(|choice| asks(ChatRequest { tool_choice: Some(choice), ..ChatRequest::default() })),
    );
    bodies.extend(
        formats()
            .into_iter()
            .map(|format| asks(ChatRequest { response_format: Some(format), ..ChatRequest::default() })),
    );
    bodies.extend(reasons().into_iter().map(|reason| EventBody::TurnFinished { reason }));
    let in_turn = |body: EventBody, turn| LogEvent { body, turn, position: 7, next: u64::MAX };
    let events = bodies.into_iter().flat_map(|body| [in_turn(body.clone(), None), in_turn(body, Some(3))]);
    events.map(|event| serde_json::to_value(event).unwrap()).collect()
}

#[test]
fn every_event_is_as_the_schema_says() {
    let validator = validator();
    for event in sent() {
        let errors: Vec<String> = validator.iter_errors(&event).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{event}: {errors:?}");
    }
}

/// Every object within a value, by its JSON pointer, but for what the schema leaves to others.
fn objects(value: &Value, at: &str, found: &mut Vec<String>) {
    const OTHERS: [&str; 9] =
        ["data", "json", "citation", "parameters", "path", "server_tools", "metadata", "schema", "told"];
    match value {
        Value::Object(map) => {
            found.push(at.to_owned());
            for (key, value) in map.iter().filter(|(key, _)| !OTHERS.contains(&key.as_str())) {
                objects(value, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                objects(item, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn an_unknown_field_a_wrong_type_or_a_missing_field_is_not_an_event() {
    // Whatever JSON there is, somebody else says what it means.
    const ANYTHING: [&str; 6] = ["data", "json", "citation", "parameters", "schema", "told"];
    let validator = validator();
    for event in sent() {
        let mut places = Vec::new();
        objects(&event, "", &mut places);
        for place in places {
            let mut wrong = event.clone();
            let object = wrong.pointer_mut(&place).unwrap().as_object_mut().unwrap();
            object.insert(owned("unheard_of"), json!(1));
            assert!(!validator.is_valid(&wrong), "{wrong}");
            for key in event.pointer(&place).unwrap().as_object().unwrap().keys() {
                // Bytes of a medium are text, what is opaque is anything.
                let is_text = event.pointer(&place).unwrap()[key].is_string();
                if ANYTHING.contains(&key.as_str()) && !(is_text && key == "data") {
                    continue;
                }
                let is_opaque = event.pointer(&place).unwrap()["type"] == "opaque";
                if key == "data" && is_opaque {
                    continue;
                }
                let mut wrong = event.clone();
                wrong.pointer_mut(&place).unwrap()[key] = json!([[true]]);
                assert!(!validator.is_valid(&wrong), "{key} of {wrong}");
            }
        }
        for key in ["type", "position", "next"] {
            let mut wrong = event.clone();
            wrong.as_object_mut().unwrap().shift_remove(key);
            assert!(!validator.is_valid(&wrong), "{wrong}");
        }
        let mut wrong = event.clone();
        wrong["position"] = json!(-1);
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
    assert!(!validator.is_valid(&json!({"type": "unheard.of", "position": 0, "next": 1})));
}

/// The words of the types, each with its definition.
fn words() -> Vec<(String, Value)> {
    let listed = SCHEMA["oneOf"].as_array().unwrap();
    let definition = |entry: &Value| {
        let name = entry["$ref"].as_str().unwrap().strip_prefix("#/$defs/").unwrap();
        let definition = SCHEMA["$defs"][name].clone();
        (definition["properties"]["type"]["const"].as_str().unwrap().to_owned(), definition)
    };
    listed.iter().map(definition).collect()
}

#[test]
fn the_schema_has_each_type_once_and_no_other() {
    let described: Vec<String> = words().into_iter().map(|(word, _)| word).collect();
    let unique: BTreeSet<String> = described.iter().cloned().collect();
    let said: BTreeSet<String> = sent().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!((unique.len(), &unique), (described.len(), &said));
}

#[test]
fn the_schema_knows_every_field_that_an_event_may_have() {
    let sent = sent();
    for (word, definition) in words() {
        let of_type = sent.iter().filter(|event| event["type"] == word.as_str());
        let said: BTreeSet<&String> = of_type.flat_map(|event| event.as_object().unwrap().keys()).collect();
        assert_eq!(definition["properties"].as_object().unwrap().keys().collect::<BTreeSet<_>>(), said, "{word}");
    }
}

#[test]
fn what_one_reader_alone_is_told_says_so() {
    let told: BTreeSet<String> = words()
        .into_iter()
        .filter(|(_, definition)| definition["x-one-reader"] == true)
        .map(|(word, _)| word)
        .collect();
    assert_eq!(told, ["cache", "error", "reset", "synced"].map(owned).into());
}

#[test]
fn everything_that_has_a_meaning_is_described() {
    fn check(value: &Value, at: &str) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            assert!(value["description"].is_string(), "{at}");
            for (key, property) in properties {
                let named = property.get("$ref").or(property.get("const"));
                assert!(property["description"].is_string() || named.is_some(), "{at}/{key}");
            }
        }
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| check(value, &format!("{at}/{key}"))),
            Value::Array(items) => items.iter().for_each(|item| check(item, at)),
            _ => {}
        }
    }
    for (name, definition) in SCHEMA["$defs"].as_object().unwrap() {
        assert!(definition["description"].is_string(), "{name}");
        check(definition, name);
    }
}
