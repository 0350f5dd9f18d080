//! Conversations as no well-behaved client would send them: any part in any message, under any ids and names.

use greenroom_wire::{
    ChatRequest, Message, Part, Role,
    chat::{CacheMark, Extra, MediaSource, Tool, ToolCallKind, ToolChoice},
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};

use crate::{language::opaque, wires::WRITTEN};

/// The provider and the model that are asked.
pub(crate) const ASKED: (&str, &str) = ("p", "m");

fn long(end: &str) -> String {
    format!("{}{end}", "long-".repeat(14))
}

fn id() -> impl Strategy<Value = String> {
    let ids = ["a", "call:0", "call_0", "", "AbCdEf123", "c-0", "c0"].map(str::to_owned);
    select(ids.into_iter().chain([long("1"), long("2")]).collect::<Vec<_>>())
}

fn name() -> impl Strategy<Value = String> {
    let names = ["f", "a.b", "a_b", "\u{e4}", "a b"].map(str::to_owned);
    select(names.into_iter().chain([long("1"), long("2")]).collect::<Vec<_>>())
}

/// A text; `#` stands where its mark goes, by which it is found again.
fn text() -> impl Strategy<Value = String> {
    select(vec!["#", "#", "say #", "Error: #", "# \n", "", " "]).prop_map(str::to_owned)
}

fn source() -> impl Strategy<Value = MediaSource> {
    let base64 = MediaSource::Base64 { media_type: "image/png".into(), data: "#".into() };
    let url = MediaSource::Url { url: "https://example.org/#".into() };
    select(vec![base64, url, MediaSource::File { id: "#".into() }])
}

fn leaf() -> impl Strategy<Value = Part> {
    prop_oneof![
        3 => text().prop_map(|text| Part::Text { text }),
        1 => text().prop_map(|text| Part::Refusal { text }),
        1 => (source(), option::of(Just("low".to_owned()))).prop_map(|(source, detail)| Part::Image { source, detail }),
        1 => source().prop_map(|source| Part::Document { source, name: None }),
        1 => source().prop_map(|source| Part::Audio { source }),
        1 => text().prop_map(|text| Part::Thinking { text }),
    ]
}

fn secret() -> impl Strategy<Value = Part> {
    let data = prop_oneof![
        Just(json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": "#"}]})),
        Just(json!({"reasoning_details": [{"type": "reasoning.text", "text": "#"}]})),
        Just(json!({"reasoning_opaque": "#"})),
        (0..3).prop_map(|call| json!({"extra_content": {"s": "#"}, "tool_call": call})),
        (0..3).prop_map(|call| json!({"caller": {"s": "#"}, "tool_call": call})),
        Just(json!({"type": "redacted_thinking", "data": "#"})),
        Just(json!({"item": {"type": "reasoning", "encrypted_content": "#"}})),
        Just(json!({"item": {"type": "web_search_call", "id": "#"}})),
        Just(json!({"item": {"type": "image_generation_call", "result": "#"}})),
        Just(json!({"message": {"phase": "#"}})),
        Just(json!({"call": {"call_id": "a", "status": "#"}})),
        Just(json!({"text": "", "thoughtSignature": "#"})),
        Just(json!({"text": "said", "thoughtSignature": "#"})),
        Just(json!({"inlineData": {}, "thoughtSignature": "#"})),
        (0..3).prop_map(|call| json!({"tool_call": call, "thoughtSignature": "#"})),
        Just(json!({"reasoningContent": {"redactedContent": "#"}})),
        Just(json!({"toolUse": {"toolUseId": "s", "name": "#", "input": {}, "type": "server_tool_use"}})),
        Just(json!({"odd": "#"})),
    ];
    let origin = select(vec![ASKED, ASKED, ("", ""), ("p", "other"), ("q", "m")]);
    (origin, data).prop_map(|((provider, model), data)| opaque(provider, model, data))
}

fn part() -> impl Strategy<Value = Part> {
    let arguments = select(vec!["{\"x\":\"#\"}", "{\"x\":\"#", "#"]);
    let call = (id(), name(), arguments, any::<bool>()).prop_map(|(id, name, arguments, custom)| Part::ToolCall {
        id,
        name,
        arguments: arguments.into(),
        kind: if custom { ToolCallKind::Custom } else { ToolCallKind::Function },
    });
    let result = (id(), vec(leaf(), 0..3), any::<bool>());
    prop_oneof![
        4 => leaf(),
        3 => call,
        3 => result.prop_map(|(id, parts, error)| Part::ToolResult { id, parts, error }),
        2 => secret(),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let role = select(vec![Role::System, Role::Developer, Role::User, Role::Assistant, Role::Assistant, Role::Tool]);
    let name = option::weighted(0.2, Just("#".to_owned()));
    let mark = (0..5usize, option::of(Just("1h".to_owned()))).prop_map(|(part, ttl)| CacheMark { part, ttl });
    let extra = select(WRITTEN.to_vec()).prop_map(|wire| Extra { wire, path: "/odd".into(), json: "#".into() });
    (role, vec(part(), 0..5), name, vec(mark, 0..3), option::weighted(0.2, extra)).prop_map(
        |(role, parts, name, cache, extra)| Message { role, parts, name, cache, extra: extra.into_iter().collect() },
    )
}

/// Gives each thing a mark of its own.
fn number(messages: &mut [Message]) {
    let mut count = 0;
    let mut fill = |text: &mut String| {
        if text.contains('#') {
            count += 1;
            *text = text.replace('#', &format!("mark{count}z"));
        }
    };
    fn fill_json(value: &mut Value, fill: &mut impl FnMut(&mut String)) {
        match value {
            Value::String(text) => fill(text),
            Value::Array(list) => list.iter_mut().for_each(|value| fill_json(value, fill)),
            Value::Object(map) => map.values_mut().for_each(|value| fill_json(value, fill)),
            _ => {}
        }
    }
    fn fill_part(part: &mut Part, fill: &mut impl FnMut(&mut String)) {
        match part {
            Part::Text { text } | Part::Refusal { text } | Part::Thinking { text } => fill(text),
            Part::Image { source, .. } | Part::Document { source, .. } | Part::Audio { source } => match source {
                MediaSource::Base64 { data, .. } => fill(data),
                MediaSource::Url { url } => fill(url),
                MediaSource::File { id } => fill(id),
            },
            Part::ToolCall { arguments, .. } => fill(arguments),
            Part::ToolResult { parts, .. } => parts.iter_mut().for_each(|part| fill_part(part, fill)),
            Part::Opaque { data, .. } => fill_json(data, fill),
        }
    }
    for message in messages {
        message.parts.iter_mut().for_each(|part| fill_part(part, &mut fill));
        message.name.as_mut().into_iter().for_each(&mut fill);
        message.extra.iter_mut().for_each(|extra| fill_json(&mut extra.json, &mut fill));
    }
}

fn tools() -> impl Strategy<Value = (Vec<Tool>, Option<ToolChoice>)> {
    (prop::collection::btree_set(name(), 0..4), any::<prop::sample::Index>(), any::<bool>()).prop_map(
        |(names, chosen, chooses)| {
            let names: Vec<_> = names.into_iter().collect();
            let choice = (chooses && !names.is_empty())
                .then(|| ToolChoice::Function { name: names[chosen.index(names.len())].clone() });
            let tool = |name| Tool::Function {
                name,
                description: None,
                parameters: Some(json!({"type": "object"})),
                strict: None,
                extra: Vec::new(),
            };
            (names.into_iter().map(tool).collect(), choice)
        },
    )
}

/// Conversations of any messages.
pub(crate) fn wild() -> impl Strategy<Value = ChatRequest> {
    (vec(message(), 1..7), tools()).prop_map(|(mut messages, (tools, tool_choice))| {
        number(&mut messages);
        ChatRequest { messages, tools, tool_choice, ..ChatRequest::default() }
    })
}
