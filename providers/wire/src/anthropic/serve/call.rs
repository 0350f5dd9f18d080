//! The call of a tool that is being made.

use serde_json::{Map, Value, json};

use super::sink::{Delta, Sink, whole_input};
use crate::chat::ToolCallKind;

#[derive(Debug)]
pub(super) struct Call {
    pub(super) index: u32,
    /// Its block; taken once it was said, which waits for the fields that come just after the call began.
    block: Option<Map<String, Value>>,
    input: Input,
}

/// How the arguments are passed on.
#[derive(Debug)]
enum Input {
    /// Nothing but white space came yet.
    Blank,
    /// As they come: they begin as an object does.
    Object,
    /// Once they are whole: what is no object is wrapped in one.
    Held { text: String, kind: ToolCallKind },
}

impl Call {
    pub(super) fn new(index: u32, id: &str, name: &str, kind: ToolCallKind) -> Self {
        let block = match json!({"type": "tool_use", "id": id, "name": name, "input": {}}) {
            Value::Object(block) => Some(block),
            _ => None,
        };
        let input = match kind {
            ToolCallKind::Function => Input::Blank,
            ToolCallKind::Custom => Input::Held { text: String::new(), kind },
        };
        Self { index, block, input }
    }

    /// Takes a field of the call beyond the usual ones, if the block has not been said yet.
    pub(super) fn field(&mut self, key: &str, json: &Value) {
        if let Some(block) = &mut self.block {
            block.entry(key.replace("~1", "/").replace("~0", "~")).or_insert_with(|| json.clone());
        }
    }

    pub(super) fn arguments(&mut self, more: &str, sink: &mut impl Sink) {
        self.begin(sink);
        let more = match self.input {
            Input::Blank => more.trim_start(),
            Input::Object | Input::Held { .. } => more,
        };
        if let Input::Blank = self.input {
            match more.chars().next() {
                None => return,
                Some('{') => self.input = Input::Object,
                Some(_) => self.input = Input::Held { text: String::new(), kind: ToolCallKind::Function },
            }
        }
        match &mut self.input {
            Input::Object => sink.add(Delta::Input(more)),
            Input::Held { text, .. } => text.push_str(more),
            Input::Blank => {}
        }
    }

    /// Ends the call: no more arguments come.
    pub(super) fn end(mut self, sink: &mut impl Sink) {
        self.begin(sink);
        if let Input::Held { text, kind } = self.input {
            let input = match kind {
                ToolCallKind::Function => whole_input(&text),
                ToolCallKind::Custom => json!({"input": text}),
            };
            sink.add(Delta::Input(&input.to_string()));
        }
        sink.end();
    }

    fn begin(&mut self, sink: &mut impl Sink) {
        if let Some(block) = self.block.take() {
            sink.begin(Value::Object(block));
            // Every call of this wire begins so, also one without arguments.
            sink.add(Delta::Input(""));
        }
    }
}
