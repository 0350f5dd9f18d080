//! The blocks that the events of an answer make.

use serde_json::{Map, Value, json};

use super::{
    call::Call,
    sink::{Delta, Sink},
    waiting::{Waiting, field, is_block},
};
use crate::{
    anthropic::{field_of_call, stream::goes_back},
    chat::{Extra, Wire},
    event::ChatEvent,
};

/// Makes blocks of events, one after another.
#[derive(Debug)]
pub(super) struct Blocks {
    open: Open,
    waiting: Waiting,
    /// Whether thinking is shown that nobody signed.
    pub(super) shows_thinking: bool,
    pub(super) refused: bool,
}

/// The block that is open.
#[derive(Debug)]
enum Open {
    None,
    /// With the bytes of its text, and how many citations it has.
    Text(usize, usize),
    /// With the bytes of its text.
    Thinking(usize),
    Call(Call),
}

impl Blocks {
    pub(super) fn new() -> Self {
        Self { open: Open::None, waiting: Waiting::default(), shows_thinking: true, refused: false }
    }

    /// Takes an event that stands in the content of a message. Others say nothing here.
    pub(super) fn take(&mut self, event: &ChatEvent, sink: &mut impl Sink) {
        self.step(event, sink);
        while !matches!(self.open, Open::Call(_)) {
            let Some(event) = self.waiting.pop() else { break };
            self.follow(&event, sink);
        }
    }

    /// Takes what waited, and if it begins a call, all that waited of that.
    fn follow(&mut self, event: &ChatEvent, sink: &mut impl Sink) {
        self.step(event, sink);
        if let Open::Call(call) = &self.open {
            let own = self.waiting.take_of(call.index);
            own.iter().for_each(|event| self.step(event, sink));
        }
    }

    /// Another model goes on: what one has thought, another does not sign.
    pub(super) fn go_on(&mut self, sink: &mut impl Sink) {
        if let Open::Thinking(_) = self.open {
            self.close(sink);
        }
    }

    /// Nothing more comes.
    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        self.close(sink);
        while let Some(event) = self.waiting.pop() {
            self.follow(&event, sink);
            if let Open::Call(_) = self.open {
                self.close(sink);
            }
        }
        self.close(sink);
    }

    fn step(&mut self, event: &ChatEvent, sink: &mut impl Sink) {
        if let Open::Call(_) = self.open {
            return self.step_in_call(event, sink);
        }
        match event {
            ChatEvent::Text { delta } => self.text(delta, sink),
            ChatEvent::Refusal { delta } => {
                self.refused = true;
                self.text(delta, sink);
            }
            ChatEvent::Thinking { delta } if self.shows_thinking => self.thinking(delta, sink),
            // Those of other wires mean nothing here.
            ChatEvent::Citation { json } if kind(json).ends_with("_location") => {
                self.open_text(sink);
                self.cite(json, sink);
            }
            ChatEvent::ToolCallStarted { index, id, name, kind } => {
                self.close(sink);
                self.open = Open::Call(Call::new(*index, id, name, *kind));
            }
            ChatEvent::Opaque { data } => self.opaque(data, sink),
            ChatEvent::Extra(Extra { wire: Wire::Anthropic, path, json }) => {
                if is_block(path, json) {
                    self.close(sink);
                    sink.begin(json.clone());
                    sink.end();
                } else if path.starts_with("/content/") && path.ends_with("/type") {
                    self.close(sink);
                }
            }
            _ => {}
        }
    }

    /// A call that is not over is alone: what is not its own waits.
    fn step_in_call(&mut self, event: &ChatEvent, sink: &mut impl Sink) {
        let Open::Call(call) = &mut self.open else { return };
        match event {
            ChatEvent::ToolCallArgs { index, delta } if *index == call.index => call.arguments(delta, sink),
            ChatEvent::ToolCallDone { index } if *index == call.index => self.close(sink),
            ChatEvent::Opaque { data } if field_of_call(data) == Some(call.index) => {
                let fields = data.as_object().into_iter().flatten().filter(|(key, _)| *key != "tool_call");
                fields.for_each(|(key, json)| call.field(key, json));
            }
            ChatEvent::Extra(Extra { wire: Wire::Anthropic, path, json })
                if self.waiting.is_empty() && field(path).is_some() =>
            {
                call.field(field(path).unwrap_or_default(), json);
            }
            event => self.waiting.push(event),
        }
    }

    fn opaque(&mut self, data: &Value, sink: &mut impl Sink) {
        let Value::Object(block) = data else { return };
        let text_of = |key: &str| block.get(key).and_then(Value::as_str).unwrap_or_default();
        match kind(data) {
            "thinking" => {
                let text = text_of("thinking");
                // The text of the block was said before it, unless there is none.
                if !matches!(self.open, Open::Thinking(said) if said == text.len()) {
                    self.close(sink);
                    self.open_thinking(sink);
                    self.thinking(text, sink);
                }
                sink.add(Delta::Signature(text_of("signature")));
                self.close(sink);
            }
            "text" => {
                if !matches!(self.open, Open::Text(..)) {
                    self.open_text(sink);
                    self.text(text_of("text"), sink);
                }
                let citations = block.get("citations").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                let Open::Text(_, said) = self.open else { return };
                citations.iter().skip(said).for_each(|citation| self.cite(citation, sink));
                self.close(sink);
            }
            kind if goes_back(kind) => {
                self.close(sink);
                verbatim(block, sink);
            }
            _ => {}
        }
    }

    fn text(&mut self, more: &str, sink: &mut impl Sink) {
        if more.is_empty() {
            return;
        }
        self.open_text(sink);
        sink.add(Delta::Text(more));
        if let Open::Text(said, _) = &mut self.open {
            *said += more.len();
        }
    }

    fn thinking(&mut self, more: &str, sink: &mut impl Sink) {
        if more.is_empty() {
            return;
        }
        self.open_thinking(sink);
        sink.add(Delta::Thinking(more));
        if let Open::Thinking(said) = &mut self.open {
            *said += more.len();
        }
    }

    fn cite(&mut self, citation: &Value, sink: &mut impl Sink) {
        sink.add(Delta::Citation(citation));
        if let Open::Text(_, citations) = &mut self.open {
            *citations += 1;
        }
    }

    fn open_text(&mut self, sink: &mut impl Sink) {
        if !matches!(self.open, Open::Text(..)) {
            self.close(sink);
            sink.begin(json!({"type": "text", "text": ""}));
            self.open = Open::Text(0, 0);
        }
    }

    fn open_thinking(&mut self, sink: &mut impl Sink) {
        if !matches!(self.open, Open::Thinking(_)) {
            self.close(sink);
            sink.begin(json!({"type": "thinking", "thinking": "", "signature": ""}));
            self.open = Open::Thinking(0);
        }
    }

    fn close(&mut self, sink: &mut impl Sink) {
        match std::mem::replace(&mut self.open, Open::None) {
            Open::None => {}
            Open::Text(..) | Open::Thinking(_) => sink.end(),
            Open::Call(call) => call.end(sink),
        }
    }
}

fn kind(block: &Value) -> &str {
    block.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// Says a block as the provider said it: what a tool of its own is asked, and what is summed up, come after their start.
fn verbatim(block: &Map<String, Value>, sink: &mut impl Sink) {
    let mut start = block.clone();
    match (kind_of(block), block.get("input")) {
        (kind, Some(input @ Value::Object(fields))) if kind.ends_with("_tool_use") => {
            start.insert("input".into(), json!({}));
            sink.begin(Value::Object(start));
            sink.add(Delta::Input(""));
            if !fields.is_empty() {
                sink.add(Delta::Input(&input.to_string()));
            }
        }
        ("compaction", _) => {
            let mut fields = block.clone();
            fields.shift_remove("type");
            fields.keys().for_each(|key| drop(start.insert(key.clone(), Value::Null)));
            sink.begin(Value::Object(start));
            sink.add(Delta::Compaction(&fields));
        }
        _ => sink.begin(Value::Object(start)),
    }
    sink.end();
}

fn kind_of(block: &Map<String, Value>) -> &str {
    block.get("type").and_then(Value::as_str).unwrap_or_default()
}
