use greenroom_wire::{
    ChatRequest, Message, Role,
    chat::{MediaSource, ToolChoice, Wire},
};
use proptest::{collection::vec, option, prelude::*, strategy::Union};
use serde_json::json;

use super::*;
use crate::session::OnInterrupt;

/// Texts with what JSON, lines and UTF-8 make special, and the words that events themselves use.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("type".to_owned()),
        Just("null".to_owned()),
        Just("\u{2028}\u{85}\r\n\0\"\\\u{1f600}".to_owned()),
        ".{0,20}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // What has no number in JSON is null.
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((text(), inner), 0..4).prop_map(|pairs| pairs.into_iter().collect()),
        ]
    })
}

fn wire() -> impl Strategy<Value = Wire> {
    prop_oneof![
        Just(Wire::OpenaiChat),
        Just(Wire::OpenaiResponses),
        Just(Wire::Ollama),
        Just(Wire::Anthropic),
        Just(Wire::Gemini),
        Just(Wire::Bedrock)
    ]
}

fn extra() -> impl Strategy<Value = Extra> {
    (wire(), text(), value()).prop_map(|(wire, path, json)| Extra { wire, path, json })
}

fn kind() -> impl Strategy<Value = ToolCallKind> {
    prop_oneof![Just(ToolCallKind::Function), Just(ToolCallKind::Custom)]
}

fn source() -> impl Strategy<Value = MediaSource> {
    prop_oneof![
        (text(), text()).prop_map(|(media_type, data)| MediaSource::Base64 { media_type, data }),
        text().prop_map(|url| MediaSource::Url { url }),
        text().prop_map(|id| MediaSource::File { id }),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    let leaf = prop_oneof![
        text().prop_map(|text| Part::Text { text }),
        text().prop_map(|text| Part::Refusal { text }),
        text().prop_map(|text| Part::Thinking { text }),
        (source(), option::of(text())).prop_map(|(source, detail)| Part::Image { source, detail }),
        (source(), option::of(text())).prop_map(|(source, name)| Part::Document { source, name }),
        source().prop_map(|source| Part::Audio { source }),
        (text(), text(), text(), kind()).prop_map(|(id, name, arguments, kind)| Part::ToolCall {
            id,
            name,
            arguments,
            kind
        }),
        (text(), text(), value()).prop_map(|(provider, model, data)| Part::Opaque { provider, model, data }),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        (text(), vec(inner, 0..3), any::<bool>()).prop_map(|(id, parts, error)| Part::ToolResult { id, parts, error })
    })
}

fn tool() -> impl Strategy<Value = Tool> {
    // Parameters that are null are none.
    let parameters = option::of(value().prop_filter("null is none", |value| !value.is_null()));
    prop_oneof![
        (text(), option::of(text()), parameters, option::of(any::<bool>()), vec(extra(), 0..2)).prop_map(
            |(name, description, parameters, strict, extra)| Tool::Function {
                name,
                description,
                parameters,
                strict,
                extra
            }
        ),
        (wire(), value()).prop_map(|(wire, json)| Tool::Native { wire, json }),
    ]
}

fn asked() -> impl Strategy<Value = Asked> {
    let role = prop_oneof![Just(Role::Developer), Just(Role::User), Just(Role::Assistant), Just(Role::Tool)];
    let message = (role, vec(part(), 0..3), vec(extra(), 0..2))
        .prop_map(|(role, parts, extra)| Message { extra, ..Message::new(role, parts) });
    let labels = proptest::collection::btree_map(text(), value(), 0..3);
    let request = (text(), vec(message, 0..3), vec(tool(), 0..2), vec(extra(), 0..2), labels).prop_map(
        |(model, messages, tools, extra, metadata)| ChatRequest {
            model,
            messages,
            tools,
            extra,
            metadata: metadata.into_iter().collect(),
            temperature: Some(0.1),
            tool_choice: Some(ToolChoice::Required),
            ..ChatRequest::default()
        },
    );
    (option::of(text()), request, any::<[bool; 3]>(), value()).prop_map(
        |(instructions, request, [runs_on, keeps, restarts], told)| Asked {
            instructions,
            request,
            runs_on,
            keeps,
            on_interrupt: restarts.then_some(OnInterrupt::Restart),
            told,
        },
    )
}

fn error_kind() -> impl Strategy<Value = ErrorKind> {
    prop_oneof![
        Just(ErrorKind::Auth),
        Just(ErrorKind::RateLimited),
        Just(ErrorKind::Exhausted),
        Just(ErrorKind::Config)
    ]
}

fn lone_failure() -> impl Strategy<Value = Failure> {
    let wait = option::of(any::<Duration>().prop_map(|wait| wait.as_secs_f64()));
    let said = (error_kind(), text(), option::of(text()), wait, option::of(any::<u16>()));
    let place = (option::of(text()), option::of(text()), option::of(text()));
    (said, place, option::of(text()), option::of(text())).prop_map(
        |((kind, message, hint, retry_after, status), (provider, model, profile), code, param)| Failure {
            kind,
            message,
            hint,
            retry_after,
            status,
            code,
            param,
            provider,
            model,
            profile,
            attempts: Vec::new(),
        },
    )
}

fn failure() -> impl Strategy<Value = Failure> {
    lone_failure().prop_recursive(3, 8, 3, |inner| {
        (lone_failure(), vec(inner, 0..3)).prop_map(|(failure, attempts)| Failure { attempts, ..failure })
    })
}

fn usage() -> impl Strategy<Value = Usage> {
    let server_tools = proptest::collection::btree_map(text(), any::<u64>(), 0..3);
    (any::<[u64; 6]>(), server_tools, any::<Option<u64>>()).prop_map(
        |([input, output, reasoning, cache_read, cache_write_5m, cache_write_1h], server_tools, cost)| Usage {
            input,
            output,
            reasoning,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            server_tools,
            cost,
        },
    )
}

fn reason() -> impl Strategy<Value = FinishReason> {
    prop_oneof![
        Just(FinishReason::Stop),
        Just(FinishReason::Length),
        Just(FinishReason::ToolCalls),
        Just(FinishReason::ContentFilter),
        Just(FinishReason::Refusal),
        Just(FinishReason::Pause),
        text().prop_map(FinishReason::Other),
        Just(FinishReason::Other("stop".to_owned())),
    ]
}

/// Events of every variant; one that has none here does not compile.
macro_rules! variants {
    ($($pattern:pat => $strategy:expr),+ $(,)?) => {
        fn body() -> impl Strategy<Value = EventBody> {
            #[deny(unreachable_patterns)]
            fn _every_variant(body: &EventBody) {
                match body {
                    $($pattern => {}),+
                }
            }
            Union::new([$($strategy.prop_filter("of its own variant", |body| matches!(body, $pattern)).boxed()),+])
        }
    };
}

variants! {
    EventBody::SessionCreated { .. } => (option::of(text()), option::of(text()), vec(tool(), 0..3), option::of(text()))
        .prop_map(|(model, system, tools, budget)| EventBody::SessionCreated { model, system, tools, budget }),
    EventBody::SessionUpdated { .. } => (option::of(text()), option::of(text()), option::of(vec(tool(), 0..3)), option::of(text()))
        .prop_map(|(model, system, tools, budget)| EventBody::SessionUpdated { model, system, tools, budget }),
    EventBody::MessageUser { .. } => (vec(part(), 0..4), any::<bool>(), option::of(asked()))
        .prop_map(|(parts, queued, asked)| EventBody::MessageUser { parts, queued, asked: asked.map(Box::new) }),
    EventBody::TurnStarted => Just(EventBody::TurnStarted),
    EventBody::Route { .. } => (text(), text(), text(), any::<u32>(), text(), text(), usage()).prop_map(
        |(provider, model, profile, attempts, answer, reported, prompt)| EventBody::Route {
            provider, model, profile, attempts, answer, reported, prompt,
        }
    ),
    EventBody::Text { .. } => text().prop_map(|delta| EventBody::Text { delta }),
    EventBody::Refusal { .. } => text().prop_map(|delta| EventBody::Refusal { delta }),
    EventBody::Thinking { .. } => text().prop_map(|delta| EventBody::Thinking { delta }),
    EventBody::ToolCall { .. } => (any::<u32>(), text(), text(), kind())
        .prop_map(|(index, id, name, kind)| EventBody::ToolCall { index, id, name, kind }),
    EventBody::ToolCallArgs { .. } => (any::<u32>(), text())
        .prop_map(|(index, delta)| EventBody::ToolCallArgs { index, delta }),
    EventBody::ToolCallDone { .. } => any::<u32>().prop_map(|index| EventBody::ToolCallDone { index }),
    EventBody::ToolCallDropped { .. } => any::<u32>().prop_map(|index| EventBody::ToolCallDropped { index }),
    EventBody::AnswerRestarted => Just(EventBody::AnswerRestarted),
    EventBody::TurnWaiting { .. } => vec(text(), 0..3).prop_map(|ids| EventBody::TurnWaiting { ids }),
    EventBody::ToolResult { .. } => (text(), vec(part(), 0..3), any::<bool>())
        .prop_map(|(id, parts, error)| EventBody::ToolResult { id, parts, error }),
    EventBody::Context { .. } => (any::<u64>(), any::<u64>(), option::of(text()))
        .prop_map(|(dropped, from, summary)| EventBody::Context { dropped, from, summary }),
    EventBody::Opaque { .. } => (text(), text(), value())
        .prop_map(|(provider, model, data)| EventBody::Opaque { provider, model, data }),
    EventBody::Media { .. } => (text(), text()).prop_map(|(media_type, data)| EventBody::Media { media_type, data }),
    EventBody::Citation { .. } => value().prop_map(|citation| EventBody::Citation { citation }),
    EventBody::Extra(_) => extra().prop_map(EventBody::Extra),
    EventBody::Failover { .. } => (text(), text(), error_kind())
        .prop_map(|(from, to, kind)| EventBody::Failover { from, to, kind }),
    EventBody::Usage(_) => usage().prop_map(EventBody::Usage),
    EventBody::TurnFinished { .. } => reason().prop_map(|reason| EventBody::TurnFinished { reason }),
    EventBody::TurnFailed { .. } => failure().prop_map(|error| EventBody::TurnFailed { error }),
    EventBody::TurnCancelled => Just(EventBody::TurnCancelled),
    EventBody::Cache { .. } => (any::<bool>(), any::<u64>()).prop_map(|(hit, age)| EventBody::Cache { hit, age }),
    EventBody::Synced => Just(EventBody::Synced),
    EventBody::Reset { .. } => text().prop_map(|cursor| EventBody::Reset { cursor }),
    EventBody::Error { .. } => failure().prop_map(|error| EventBody::Error { error }),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn an_event_is_read_back_as_it_was_written(
        body in body(), turn in option::of(any::<u64>()), position: u64, next: u64
    ) {
        let event = LogEvent { body, turn, position, next };
        let bytes = serde_json::to_vec(&event).unwrap();
        prop_assert_eq!(&serde_json::from_slice::<LogEvent>(&bytes).unwrap(), &event);
        // The same of what was parsed before, and in any order of the fields.
        let parsed: Value = serde_json::from_slice(&bytes).unwrap();
        let mut fields: Vec<_> = parsed.as_object().unwrap().clone().into_iter().collect();
        fields.reverse();
        let turned: Value = fields.into_iter().collect();
        prop_assert_eq!(&serde_json::from_str::<LogEvent>(&turned.to_string()).unwrap(), &event);
    }

    #[test]
    fn an_event_weighs_about_what_its_json_does(body in body()) {
        let json = serde_json::to_vec(&body).unwrap().len();
        // Escapes lengthen JSON, frames and names are counted roundly.
        prop_assert!(body.weight() <= 2 * json + 64 * (1 + json / 8), "{} of {json}", body.weight());
    }
}

#[test]
fn what_an_event_carries_is_weighed() {
    let large = "x".repeat(100_000);
    let image = Part::Image {
        source: MediaSource::Base64 { media_type: "image/png".to_owned(), data: large.clone() },
        detail: None,
    };
    let function = Tool::Function {
        name: "f".to_owned(),
        description: None,
        parameters: Some(json!({"type": "object", "description": large})),
        strict: None,
        extra: Vec::new(),
    };
    let result = Part::ToolResult { id: "c".to_owned(), parts: vec![image.clone()], error: false };
    let tools = vec![function];
    let asks = |request, told| {
        let asked = Asked { request, told, ..Asked::default() };
        EventBody::MessageUser { parts: Vec::new(), queued: false, asked: Some(Box::new(asked)) }
    };
    let messages = vec![Message::new(Role::User, vec![image.clone()])];
    let heavy = [
        EventBody::MessageUser { parts: vec![Part::text("see"), image.clone()], queued: false, asked: None },
        EventBody::MessageUser { parts: vec![result], queued: false, asked: None },
        EventBody::ToolResult { id: "c".to_owned(), parts: vec![image], error: false },
        asks(ChatRequest { messages, ..ChatRequest::default() }, Value::Null),
        asks(ChatRequest { tools: tools.clone(), ..ChatRequest::default() }, Value::Null),
        asks(ChatRequest::default(), json!({"echo": large})),
        EventBody::SessionCreated { model: None, system: Some(large.clone()), tools: Vec::new(), budget: None },
        EventBody::SessionCreated { model: None, system: None, tools: tools.clone(), budget: None },
        EventBody::SessionUpdated { model: None, system: None, tools: Some(tools), budget: None },
        EventBody::Context { dropped: 1, from: 2, summary: Some(large.clone()) },
        EventBody::Media { media_type: "image/png".to_owned(), data: large.clone() },
        EventBody::Opaque { provider: "p".to_owned(), model: "m".to_owned(), data: json!([large]) },
        EventBody::Text { delta: large.clone() },
    ];
    for body in heavy {
        assert!((100_000..101_000).contains(&body.weight()), "{body:?}");
    }
    assert_eq!(EventBody::Text { delta: "four".to_owned() }.weight(), 4);
}
