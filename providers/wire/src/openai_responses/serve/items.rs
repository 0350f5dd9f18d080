//! The items of an answer, made of what is said one after the other.

use serde_json::{Map, Value};

use super::{
    annotation::annotation,
    call::{Call, Calling},
    frames::{Frames, Place},
    growing::Growing,
    heads::Heads,
    message::{Message, image_item},
    opaque::Own,
    reasoning::Reasoning,
};
use crate::{event::ChatEvent, json::put_value};

/// The items so far. A message and reasoning end where another item begins; calls may be open side by side.
#[derive(Debug)]
pub(super) struct Items {
    pub(super) frames: Frames,
    /// What ids that are made up here end with, before the item's number.
    tail: String,
    heads: Heads,
    /// The index of the next item.
    next: u32,
    message: Option<Message>,
    reasoning: Option<Reasoning>,
    calls: Vec<Call>,
    growing: Growing,
    /// The call that is whole, and of which the provider is about to say more.
    ended: Option<Call>,
    /// A picture, by its type and data: the item in which it was made may come next.
    picture: Option<(String, String)>,
    /// Items that have ended, in the order of their beginnings.
    done: Vec<(u32, Vec<u8>)>,
}

impl Items {
    /// No items; ids that are made up hold the answer's.
    pub(super) fn new(answer: &str, frames: Frames) -> Self {
        Self {
            frames,
            tail: answer.strip_prefix("resp_").unwrap_or(answer).to_owned(),
            heads: Heads::default(),
            next: 0,
            message: None,
            reasoning: None,
            calls: Vec::new(),
            growing: Growing::default(),
            ended: None,
            picture: None,
            done: Vec::new(),
        }
    }

    /// Takes something that is said.
    pub(super) fn take(&mut self, event: &ChatEvent, out: &mut Vec<u8>) {
        if let ChatEvent::Opaque { data } = event {
            return self.take_opaque(data, out);
        }
        if event.is_content() {
            self.settle(out);
        }
        match event {
            ChatEvent::Text { delta } => self.say(delta, false, out),
            ChatEvent::Refusal { delta } => self.say(delta, true, out),
            ChatEvent::Thinking { delta } => {
                self.end_message("completed", &Map::new(), out);
                if self.reasoning.is_none() {
                    let id = self.heads.of_kind("reasoning").map(|head| head.id);
                    let place = self.place("rs", id);
                    self.reasoning = Some(Reasoning::begin(place, &mut self.frames, out));
                }
                if let Some(reasoning) = &mut self.reasoning {
                    reasoning.say(delta, &mut self.frames, out);
                }
            }
            ChatEvent::ToolCallStarted { index, id, name, kind } => {
                self.end_said("completed", out);
                let head = self.heads.of_call(id);
                let has_fields = head.is_some();
                let place = self.place(if kind.is_function() { "fc" } else { "ctc" }, head.map(|head| head.id));
                let calling = Calling { number: *index, id, name, kind: *kind, has_fields };
                self.calls.push(Call::begin(&calling, place, &mut self.frames, out));
            }
            ChatEvent::ToolCallArgs { index, delta } => {
                if let Some(call) = self.calls.iter_mut().rev().find(|call| call.number == *index) {
                    call.add(delta, &mut self.frames, out);
                }
            }
            ChatEvent::ToolCallDone { index } => {
                if let Some(at) = self.calls.iter().rposition(|call| call.number == *index) {
                    let mut call = self.calls.remove(at);
                    call.say_whole(&mut self.frames, out);
                    match call.has_fields {
                        true => self.ended = Some(call),
                        false => self.end_call(call, "completed", &Map::new(), out),
                    }
                }
            }
            ChatEvent::Citation { json } if annotation(json, 0).is_some() => {
                self.begin_message(out);
                if let Some(message) = &mut self.message {
                    message.cite(json, &mut self.frames, out);
                }
            }
            ChatEvent::Media { media_type, data } if media_type.starts_with("image/") => {
                self.picture = Some((media_type.clone(), data.clone()));
            }
            _ => {}
        }
    }

    /// Takes what stands beside what is said: how an item begins, how likely its tokens were, how far a tool of the
    /// provider's own has come.
    pub(super) fn take_extra(&mut self, path: &str, json: &Value, out: &mut Vec<u8>) {
        let Some((number, of)) = path.strip_prefix("/output/").map(|rest| rest.split_once('/').unwrap_or((rest, "")))
        else {
            return;
        };
        let Ok(number) = number.parse::<u32>() else { return };
        match (of, &mut self.message, json) {
            ("events", ..) => self.growing.say(number, json, &mut self.frames, out),
            ("", _, Value::Object(begun)) if !is_said(begun) => self.begin_whole(number, begun, out),
            ("", ..) => self.heads.take(json),
            (of, Some(message), _) if of.ends_with("/logprobs") => message.say_logprobs(json, &mut self.frames, out),
            _ => {}
        }
    }

    /// Another model goes on: of tools that ran for the one before, nothing more comes.
    pub(super) fn go_on(&mut self, out: &mut Vec<u8>) {
        for (index, item) in self.growing.break_off().collect::<Vec<_>>() {
            self.put_done(index, &item, out);
        }
    }

    fn take_opaque(&mut self, data: &Value, out: &mut Vec<u8>) {
        match Own::of(data) {
            Some(Own::Call(fields)) => {
                let is_of = |call: &mut Call| fields.get("call_id").is_some_and(|id| *id == *call.id);
                if let Some(call) = self.ended.take_if(is_of) {
                    self.end_call(call, "completed", fields, out);
                }
            }
            Some(Own::Message(fields)) => {
                self.settle(out);
                self.end_message("completed", fields, out);
            }
            Some(Own::Item(item)) => {
                let is_said =
                    |picture: &mut (String, String)| item.get("result").is_some_and(|data| *data == *picture.1);
                self.picture.take_if(is_said);
                self.settle(out);
                if let Some(id) = item.get("id").and_then(Value::as_str) {
                    self.heads.forget(id);
                }
                let is_reasoning = item.get("type").is_some_and(|kind| kind == "reasoning");
                match self.reasoning.take() {
                    Some(reasoning) if is_reasoning => {
                        let ended = reasoning.end(Some(item), &mut self.frames, out);
                        self.keep(ended);
                    }
                    other => {
                        self.reasoning = other;
                        self.end_said("completed", out);
                        self.put_whole(item, out);
                    }
                }
            }
            None => {}
        }
    }

    /// Ends what waited for what comes next, as that has come.
    fn settle(&mut self, out: &mut Vec<u8>) {
        if let Some(call) = self.ended.take() {
            self.end_call(call, "completed", &Map::new(), out);
        }
        if let Some((media_type, data)) = self.picture.take() {
            self.end_said("completed", out);
            let id = self.made_up("ig");
            self.put_whole(&image_item(&id, &media_type, &data), out);
        }
    }

    fn say(&mut self, text: &str, refuses: bool, out: &mut Vec<u8>) {
        self.begin_message(out);
        if let Some(message) = &mut self.message {
            message.say(text, refuses, &mut self.frames, out);
        }
    }

    /// Has a message be open.
    fn begin_message(&mut self, out: &mut Vec<u8>) {
        if self.message.is_none() {
            self.end_reasoning(out);
            let (id, phase) = self.heads.of_kind("message").map(|head| (head.id, head.phase)).unzip();
            let place = self.place("msg", id);
            self.message = Some(Message::begin(place, phase.flatten(), &mut self.frames, out));
        }
    }

    fn end_message(&mut self, status: &str, fields: &Map<String, Value>, out: &mut Vec<u8>) {
        if let Some(message) = self.message.take() {
            let ended = message.end(status, fields, &mut self.frames, out);
            self.keep(ended);
        }
    }

    fn end_reasoning(&mut self, out: &mut Vec<u8>) {
        if let Some(reasoning) = self.reasoning.take() {
            let ended = reasoning.end(None, &mut self.frames, out);
            self.keep(ended);
        }
    }

    fn end_call(&mut self, call: Call, status: &str, fields: &Map<String, Value>, out: &mut Vec<u8>) {
        let ended = call.end(status, fields, &mut self.frames, out);
        self.keep(ended);
    }

    fn keep(&mut self, ended: (u32, Vec<u8>)) {
        let at = self.done.partition_point(|(index, _)| *index < ended.0);
        self.done.insert(at, ended);
    }

    /// Ends what is said in the clear.
    fn end_said(&mut self, status: &str, out: &mut Vec<u8>) {
        self.end_message(status, &Map::new(), out);
        self.end_reasoning(out);
    }

    /// An item begins that comes whole at its end.
    fn begin_whole(&mut self, number: u32, begun: &Map<String, Value>, out: &mut Vec<u8>) {
        if self.growing.has(number) {
            return;
        }
        self.settle(out);
        self.end_said("completed", out);
        let index = self.next;
        self.next += 1;
        self.growing.begin(number, index, begun, &mut self.frames, out);
    }

    /// An item that comes whole: the end of one that has begun, or all there is of it.
    fn put_whole(&mut self, item: &Map<String, Value>, out: &mut Vec<u8>) {
        if let Some(index) = self.growing.end(item) {
            return self.put_done(index, item, out);
        }
        let index = self.next;
        self.next += 1;
        self.frames.added(index, out, |out| put_value(out, item));
        self.put_done(index, item, out);
    }

    fn put_done(&mut self, index: u32, item: &Map<String, Value>, out: &mut Vec<u8>) {
        let mut whole = Vec::new();
        put_value(&mut whole, item);
        self.frames.done(index, &whole, out);
        self.keep((index, whole));
    }

    /// The place of the item that begins.
    fn place(&mut self, kind: &str, id: Option<String>) -> Place {
        let id = id.unwrap_or_else(|| self.made_up(kind));
        let index = self.next;
        self.next += 1;
        Place { index, id }
    }

    fn made_up(&self, kind: &str) -> String {
        format!("{kind}_{}{:02x}", self.tail, self.next)
    }

    /// The answer has ended: so does all that is open, as `status` where it was not whole.
    pub(super) fn end(&mut self, status: &str, out: &mut Vec<u8>) {
        self.settle(out);
        self.end_said(status, out);
        self.go_on(out);
        for mut call in std::mem::take(&mut self.calls) {
            call.say_whole(&mut self.frames, out);
            self.end_call(call, "incomplete", &Map::new(), out);
        }
    }

    /// The items that have ended, as JSON.
    pub(super) fn done(&self) -> impl Iterator<Item = &[u8]> {
        self.done.iter().map(|(_, item)| item.as_slice())
    }
}

/// Whether an item is made of what is said, in place of coming whole at its end.
fn is_said(item: &Map<String, Value>) -> bool {
    let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
    matches!(kind, "" | "message" | "reasoning" | "function_call" | "custom_tool_call")
}
