//! A whole answer, for a client that asked for no stream.

use serde_json::{Map, Value, json};

use super::{
    chunk_extras::{Place, place, plain_key},
    finish_word, image, opaque_for_client, usage_object,
};
use crate::{
    chat::{ToolCallKind, Wire},
    event::{ChatEvent, FinishReason, Usage},
    json::put_value,
};

/// Writes a whole answer as the body of an unstreamed response. `id`, `created` and `model` are as for
/// [`StreamWriter::new`](super::StreamWriter::new).
pub fn whole_answer<'a>(
    events: impl IntoIterator<Item = &'a ChatEvent>,
    id: &str,
    created: u64,
    model: &str,
    legacy_functions: bool,
) -> Vec<u8> {
    let mut whole = Whole::default();
    events.into_iter().for_each(|event| whole.take(event));
    let mut body = Vec::new();
    put_value(&mut body, &whole.finish(id, created, model, legacy_functions));
    body
}

#[derive(Default)]
struct Whole {
    texts: [Option<String>; 3],
    calls: Vec<(u32, Value, ToolCallKind)>,
    message: Map<String, Value>,
    choice: Map<String, Value>,
    others: Vec<(u32, Value)>,
    top: Map<String, Value>,
    usage: Option<Usage>,
    usage_extras: Vec<(String, Value)>,
    finish: Option<FinishReason>,
}

impl Whole {
    fn take(&mut self, event: &ChatEvent) {
        match event {
            ChatEvent::Started { .. } => {}
            // No arguments are an empty object for whoever parses them.
            ChatEvent::ToolCallDone { index } => {
                let call = self.calls.iter_mut().rev().find(|(call, ..)| call == index);
                if let Some(text) = call.and_then(|(_, call, _)| call.pointer_mut("/function/arguments"))
                    && *text == ""
                {
                    *text = "{}".into();
                }
            }
            ChatEvent::Text { delta } => self.texts[0].get_or_insert_default().push_str(delta),
            ChatEvent::Refusal { delta } => self.texts[1].get_or_insert_default().push_str(delta),
            ChatEvent::Thinking { delta } => self.texts[2].get_or_insert_default().push_str(delta),
            ChatEvent::ToolCallStarted { index, id, name, kind } => {
                let call = match kind {
                    ToolCallKind::Function => {
                        json!({"id": id, "type": "function", "function": {"name": name, "arguments": ""}})
                    }
                    ToolCallKind::Custom => json!({"id": id, "type": "custom", "custom": {"name": name, "input": ""}}),
                };
                self.calls.push((*index, call, *kind));
            }
            ChatEvent::ToolCallArgs { index, delta } => {
                let Some((_, call, kind)) = self.calls.iter_mut().rev().find(|(call, ..)| call == index) else {
                    return;
                };
                let at = match kind {
                    ToolCallKind::Function => "/function/arguments",
                    ToolCallKind::Custom => "/custom/input",
                };
                if let Some(Value::String(text)) = call.pointer_mut(at) {
                    text.push_str(delta);
                }
            }
            ChatEvent::Opaque { data } => {
                for (key, value) in opaque_for_client(data) {
                    self.message.insert(key.to_owned(), value.clone());
                }
            }
            ChatEvent::Citation { json } => self.list("annotations", json.clone()),
            ChatEvent::Media { media_type, data } if media_type.starts_with("audio/") => {
                self.message.insert("audio".into(), json!({"data": data}));
            }
            ChatEvent::Media { media_type, data } => self.list("images", image(media_type, data)),
            ChatEvent::Extra(extra) if extra.wire == Wire::OpenaiChat => self.extra(&extra.path, &extra.json),
            ChatEvent::Extra(_) => {}
            ChatEvent::Usage(usage) => self.usage = Some(usage.clone()),
            ChatEvent::Finished { reason } => self.finish = Some(reason.clone()),
        }
    }

    fn list(&mut self, key: &str, value: Value) {
        if let Value::Array(list) = self.message.entry(key).or_insert_with(|| json!([])) {
            list.push(value);
        }
    }

    fn extra(&mut self, path: &str, json: &Value) {
        let add = |map: &mut Map<String, Value>, key: &str| accumulate(map, &plain_key(key), json.clone());
        match place(path) {
            Place::Top(key) => drop(self.top.insert(plain_key(key), json.clone())),
            Place::Choice(key) => add(&mut self.choice, key),
            Place::Delta(key) => add(&mut self.message, key),
            Place::Usage(path) => self.usage_extras.push((path.to_owned(), json.clone())),
            Place::Call(index, key) => {
                let call = self.calls.iter_mut().find(|(call, ..)| *call == index);
                if let Some(Value::Object(call)) = call.map(|(_, call, _)| call) {
                    call.insert(plain_key(key), json.clone());
                }
            }
            Place::Other(index, key) => {
                let at = self.others.iter().position(|(other, _)| *other == index).unwrap_or_else(|| {
                    let message = json!({"role": "assistant", "content": null});
                    self.others.push((index, json!({"index": index, "message": message, "finish_reason": null})));
                    self.others.len() - 1
                });
                if let Value::Object(choice) = &mut self.others[at].1 {
                    add(choice, if key == "delta" { "message" } else { key });
                }
            }
            Place::None => {}
        }
    }

    fn finish(mut self, id: &str, created: u64, model: &str, legacy_functions: bool) -> Value {
        let [content, refusal, thinking] = self.texts;
        let reason = self.finish.as_ref().map(|reason| finish_word(reason, refusal.is_some(), legacy_functions));
        let mut message = Map::new();
        message.insert("role".into(), "assistant".into());
        let silent = content.is_none() && self.calls.is_empty() && refusal.is_none();
        message.insert("content".into(), content.or_else(|| silent.then(String::new)).into());
        message.insert("refusal".into(), refusal.into());
        if let Some(thinking) = thinking {
            message.insert("reasoning_content".into(), thinking.into());
        }
        if legacy_functions {
            if let Some((_, call, _)) = self.calls.first_mut() {
                message.insert("function_call".into(), call["function"].take());
            }
        } else if !self.calls.is_empty() {
            let calls: Vec<_> = self.calls.into_iter().map(|(_, call, _)| call).collect();
            message.insert("tool_calls".into(), calls.into());
        }
        message.extend(self.message);
        let mut choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": reason});
        if let Value::Object(map) = &mut choice {
            map.extend(self.choice);
        }
        let choices: Vec<_> = [choice].into_iter().chain(self.others.into_iter().map(|(_, choice)| choice)).collect();
        let mut answer = Map::from_iter([
            ("id".into(), id.into()),
            ("object".into(), "chat.completion".into()),
            ("created".into(), created.into()),
            ("model".into(), model.into()),
            ("choices".into(), choices.into()),
        ]);
        if let Some(usage) = &self.usage {
            answer.insert("usage".into(), usage_object(usage, &self.usage_extras));
        }
        for (key, value) in self.top {
            answer.entry(key).or_insert(value);
        }
        Value::Object(answer)
    }
}

/// Adds a delta to what came before it, as OpenAI's own clients do: texts and lists grow, calls are told apart by
/// `index`, and what names a thing is replaced.
fn accumulate(map: &mut Map<String, Value>, key: &str, delta: Value) {
    match (map.get_mut(key), delta) {
        (_, Value::Null) => {}
        (Some(Value::String(text)), Value::String(more)) if grows(key) => text.push_str(&more),
        (Some(Value::Object(old)), Value::Object(new)) => {
            new.into_iter().for_each(|(key, value)| accumulate(old, &key, value))
        }
        (Some(Value::Array(old)), Value::Array(new)) => new.into_iter().for_each(|one| accumulate_element(old, one)),
        (_, delta) => drop(map.insert(key.to_owned(), delta)),
    }
}

fn grows(key: &str) -> bool {
    matches!(
        key,
        "content"
            | "refusal"
            | "reasoning_content"
            | "reasoning"
            | "reasoning_text"
            | "arguments"
            | "input"
            | "data"
            | "transcript"
            | "text"
            | "summary"
    )
}

fn accumulate_element(list: &mut Vec<Value>, element: Value) {
    let index = element.get("index").filter(|_| element.is_object()).cloned();
    let known = index.and_then(|index| list.iter_mut().find(|one| one.get("index") == Some(&index)));
    match (known, element) {
        (Some(Value::Object(old)), Value::Object(new)) => {
            new.into_iter().for_each(|(key, value)| accumulate(old, &key, value))
        }
        (_, element) => list.push(element),
    }
}
