//! Conversations in the chat language.

use greenroom_wire::{
    ChatRequest, Message, Part, Role,
    chat::{Extra, MediaSource, Tool, ToolCallKind},
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};

use crate::wires::WIRES;

/// A text that says something and does not end in white space: Anthropic's wire takes no empty texts, and no such ends.
pub(crate) fn words() -> impl Strategy<Value = String> {
    "[a-z\u{e9}\u{2028}\u{1f30a} \\\\\"\n]{0,6}[a-z]"
}

/// The beginning of a PNG in base64: Ollama's wire has no types, so that its reader tells them by the first bytes.
fn picture() -> impl Strategy<Value = Part> {
    ("[A-Za-z0-9]{4}", option::of(select(vec!["low", "high"]))).prop_map(|(end, detail)| {
        let data = format!("iVBORw0KGgoAAAANSUhEUgAA{end}");
        let source = MediaSource::Base64 { media_type: "image/png".into(), data };
        Part::Image { source, detail: detail.map(str::to_owned) }
    })
}

fn any_picture() -> impl Strategy<Value = Part> {
    prop_oneof![2 => picture(), 1 => linked_picture()]
}

/// A document or a sound.
fn other_media() -> impl Strategy<Value = Part> {
    ("[A-Za-z0-9]{4}", any::<bool>()).prop_map(|(data, is_sound)| {
        let source = |media_type: &str| MediaSource::Base64 { media_type: media_type.into(), data: data.clone() };
        match is_sound {
            true => Part::Audio { source: source("audio/wav") },
            false => Part::Document { source: source("application/pdf"), name: Some("a.pdf".into()) },
        }
    })
}

fn linked_picture() -> impl Strategy<Value = Part> {
    "[a-z]{3}".prop_map(|name| {
        let url = format!("https://example.org/{name}.png");
        Part::Image { source: MediaSource::Url { url }, detail: None }
    })
}

pub(crate) fn opaque(provider: &str, model: &str, data: Value) -> Part {
    Part::Opaque { provider: provider.into(), model: model.into(), data }
}

/// Arguments as a model may write them.
fn arguments() -> impl Strategy<Value = String> {
    (words(), any::<i16>(), 0..3).prop_map(|(text, number, form)| match form {
        0 => json!({"z": text, "a": {"deep": [number]}}).to_string(),
        1 => format!("{{ \"n\" : {number},\n\"t\": {} }}", json!(text)),
        _ => "{}".to_owned(),
    })
}

/// A call's tool and arguments, and what its result has: texts, a picture, a failure.
type Called = (String, String, Vec<String>, Option<Part>, bool);

fn called() -> impl Strategy<Value = Called> {
    ("[a-z_]{1,6}", arguments(), vec(words(), 1..3), option::weighted(0.4, any_picture()), any::<bool>())
}

/// A question with its answer: with calls of tools in between or without.
fn turn() -> impl Strategy<Value = Vec<Message>> {
    let asked = (vec(words(), 1..3), vec(prop_oneof![any_picture(), other_media()], 0..3));
    let before = (option::of(words()), option::of(words()), option::weighted(0.3, words()));
    (asked, option::of((before, vec(called(), 1..4), any::<bool>())), words(), option::weighted(0.2, Just("ann")))
        .prop_map(|((texts, media), tools, answer, name)| {
            let question = texts.into_iter().map(Part::text).chain(media).collect();
            let name = name.map(str::to_owned);
            let mut turn = vec![Message { name, ..Message::new(Role::User, question) }];
            if let Some(((thought, text, secret), calls, together)) = tools {
                let mut said: Vec<Part> = thought.into_iter().map(|text| Part::Thinking { text }).collect();
                said.extend(secret.map(|secret| opaque("elsewhere", "m", json!({"type": "odd", "secret": secret}))));
                said.extend(text.map(Part::text));
                let mut results = Vec::new();
                for (number, (name, arguments, texts, picture, error)) in calls.into_iter().enumerate() {
                    let id = format!("call-{number}");
                    said.push(Part::ToolCall { id: id.clone(), name, arguments, kind: ToolCallKind::Function });
                    let parts = texts.into_iter().map(Part::text).chain(picture).collect();
                    results.push(Part::ToolResult { id, parts, error });
                }
                turn.push(Message::new(Role::Assistant, said));
                match together {
                    true => turn.push(Message::new(Role::Tool, results)),
                    false => turn.extend(results.into_iter().map(|one| Message::new(Role::Tool, vec![one]))),
                }
            }
            turn.push(Message::text(Role::Assistant, answer));
            turn
        })
}

/// Numbers the calls through, so that each has an id of its own, of characters that every wire takes.
fn number_calls(messages: &mut [Message]) {
    let mut answers = 0;
    for message in messages {
        answers += u32::from(message.role == Role::Assistant);
        for part in &mut message.parts {
            if let Part::ToolCall { id, .. } | Part::ToolResult { id, .. } = part {
                *id = format!("{id}-{answers}");
            }
        }
    }
}

fn tool() -> impl Strategy<Value = Tool> {
    let function = (option::of(words()), option::weighted(0.3, extra())).prop_map(|(description, extra)| {
        let parameters = Some(json!({"type": "object", "properties": {"z": {}, "a": {}}}));
        let extra = extra.into_iter().collect();
        Tool::Function { name: "f".into(), description, parameters, strict: None, extra }
    });
    let native = select(WIRES.to_vec()).prop_map(|wire| Tool::Native { wire, json: json!({"type": "own_of_a_wire"}) });
    prop_oneof![2 => function, 1 => native]
}

fn extra() -> impl Strategy<Value = Extra> {
    (select(WIRES.to_vec()), words()).prop_map(|(wire, text)| Extra { wire, path: "/odd".into(), json: json!([text]) })
}

/// A conversation, with things in it that only one wire or one provider can say.
pub(crate) fn conversations() -> impl Strategy<Value = ChatRequest> {
    (option::of(words()), vec(turn(), 1..5), vec(tool(), 0..3), vec(extra(), 0..2), option::of((extra(), 0..20usize)))
        .prop_map(|(system, turns, tools, extra, of_message)| {
            let mut messages: Vec<_> = system.into_iter().map(|text| Message::text(Role::System, text)).collect();
            messages.extend(turns.concat());
            number_calls(&mut messages);
            if let Some((extra, at)) = of_message {
                let at = at % messages.len();
                messages[at].extra.push(extra);
            }
            ChatRequest { messages, tools, extra, ..ChatRequest::default() }
        })
}
