//! The answer, told back.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::tools::{INPUT, Meant, Told};
use crate::{
    chat::{Extra, Tool, ToolCallKind, Wire},
    event::ChatEvent,
};

/// Longest id of an item that the API takes.
const LONGEST_ID: usize = 64;

/// Most bytes of a custom tool's arguments that are held for its end, which no bound on an answer counts before. What is longer is
/// told as it came.
pub(super) const MOST_HELD: usize = 4 << 20;

/// What the calls of an answer are meant for, where its tools were told otherwise than they were given.
#[derive(Debug, Default)]
pub struct ToolForms {
    /// By the name that was told.
    meant: HashMap<String, Meant>,
    /// Calls that are being made, by their index.
    open: HashMap<u32, Open>,
}

/// A call of a tool that was told otherwise.
#[derive(Debug)]
struct Open {
    id: String,
    namespace: Option<String>,
    /// The arguments so far, of a call whose text stands in them.
    held: Option<String>,
}

impl ToolForms {
    pub(super) fn add(&mut self, told: &Told) {
        if let Tool::Function { name, .. } = &told.tool
            && (told.meant.namespace.is_some() || told.meant.kind == ToolCallKind::Custom)
        {
            self.meant.insert(name.clone(), told.meant.clone());
        }
    }

    /// Tells back what one read of an answer gave. The text of a custom tool comes at the end of its call.
    pub fn tell_back(&mut self, events: &mut Vec<ChatEvent>) {
        if self.meant.is_empty() || !events.iter().any(is_of_call) {
            return;
        }
        let taken = std::mem::take(events);
        events.reserve(taken.len());
        for event in taken {
            self.tell_one(event, events);
        }
    }

    fn tell_one(&mut self, event: ChatEvent, out: &mut Vec<ChatEvent>) {
        match event {
            ChatEvent::ToolCallStarted { index, id, name, kind } => {
                let Some(meant) = self.meant.get(&name) else {
                    return out.push(ChatEvent::ToolCallStarted { index, id, name, kind });
                };
                let held = (meant.kind == ToolCallKind::Custom).then(String::new);
                if meant.namespace.is_some() {
                    out.push(head(index, &id, meant.kind));
                }
                let (name, kind) = (meant.name.clone(), meant.kind);
                self.open.insert(index, Open { id: id.clone(), namespace: meant.namespace.clone(), held });
                out.push(ChatEvent::ToolCallStarted { index, id, name, kind });
            }
            ChatEvent::ToolCallArgs { index, delta } => {
                let held = self.open.get_mut(&index).map(|open| &mut open.held);
                match held {
                    Some(Some(text)) if text.len() + delta.len() <= MOST_HELD => text.push_str(&delta),
                    Some(held) => {
                        let text = held.take().unwrap_or_default() + &delta;
                        out.push(ChatEvent::ToolCallArgs { index, delta: text });
                    }
                    None => out.push(ChatEvent::ToolCallArgs { index, delta }),
                }
            }
            ChatEvent::ToolCallDone { index } => {
                let Some(open) = self.open.remove(&index) else { return out.push(ChatEvent::ToolCallDone { index }) };
                let text = open.held.map(text_of).filter(|text| !text.is_empty());
                out.extend(text.map(|delta| ChatEvent::ToolCallArgs { index, delta }));
                out.push(ChatEvent::ToolCallDone { index });
                if let Some(namespace) = open.namespace {
                    let call = json!({"call_id": open.id, "namespace": namespace});
                    out.push(ChatEvent::Opaque { data: json!({"call": call}) });
                }
            }
            other => out.push(other),
        }
    }
}

fn is_of_call(event: &ChatEvent) -> bool {
    matches!(event, ChatEvent::ToolCallStarted { .. } | ChatEvent::ToolCallArgs { .. } | ChatEvent::ToolCallDone { .. })
}

/// How the item begins that a call is: by it whoever serves it knows that more is said of it at its end.
fn head(index: u32, call: &str, kind: ToolCallKind) -> ChatEvent {
    let (kind, prefix) = match kind {
        ToolCallKind::Function => ("function_call", "fc_"),
        ToolCallKind::Custom => ("custom_tool_call", "ctc_"),
    };
    let of_id = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let id: String = prefix.chars().chain(call.chars().filter(of_id)).take(LONGEST_ID).collect();
    let json = json!({"type": kind, "id": id, "call_id": call});
    ChatEvent::Extra(Extra { wire: Wire::OpenaiResponses, path: format!("/output/{index}"), json })
}

/// The text that stands in arguments. Where it does not, the model wrote the text in their place.
fn text_of(arguments: String) -> String {
    match serde_json::from_str::<Map<String, Value>>(&arguments) {
        Ok(mut map) => match map.remove(INPUT) {
            Some(Value::String(text)) if map.is_empty() => text,
            _ => arguments,
        },
        Err(_) => arguments,
    }
}
