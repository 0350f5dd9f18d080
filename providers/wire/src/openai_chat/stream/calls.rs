//! Tool calls, put together from fragments as the many servers cut and number them.

use serde_json::Value;

use super::chunk::{CallDelta, FunctionDelta, Str};
use crate::{calls::free_id, chat::ToolCallKind, event::ChatEvent, names::ToolNames, queue::Queue};

/// The answer's id, and what its names of tools mean.
type OfAnswer<'a> = (&'a str, &'a ToolNames);

/// The calls of one answer.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<Call>);

#[derive(Debug)]
struct Call {
    choice: u32,
    /// The provider's number of it, where it has one.
    index: Option<u32>,
    /// What the provider calls it; empty where it says nothing.
    given: String,
    /// What we call it.
    id: String,
    kind: ToolCallKind,
    /// Legacy `function_call`: there is one, and it is not numbered.
    legacy: bool,
    /// `Some` until the name is known: arguments that came before it.
    held: Option<String>,
    has_arguments: bool,
    progress: Progress,
    done: bool,
}

/// How far the JSON of a call's arguments has come.
#[derive(Debug, Default)]
struct Progress {
    depth: usize,
    begun: bool,
    in_text: bool,
    escaped: bool,
}

impl Progress {
    fn take(&mut self, arguments: &str) {
        for byte in arguments.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_text => self.escaped = true,
                b'"' => self.in_text = !self.in_text,
                b'{' | b'[' if !self.in_text => self.depth += 1,
                b'}' | b']' if !self.in_text => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            self.begun |= !byte.is_ascii_whitespace();
        }
    }

    fn is_whole(&self) -> bool {
        self.begun && self.depth == 0 && !self.in_text
    }
}

/// A fragment of a call.
struct Fragment<'a> {
    choice: u32,
    index: Option<u32>,
    id: Option<&'a str>,
    name: Option<&'a str>,
    arguments: &'a str,
    kind: ToolCallKind,
    legacy: bool,
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a fragment of `tool_calls`; gives the call's index, unless the fragment says nothing of one.
    ///
    /// # Errors
    ///
    /// The fragment belongs to no call, or to one that is over.
    pub(super) fn take(
        &mut self,
        choice: u32,
        delta: &CallDelta<'_>,
        answer: OfAnswer<'_>,
        queue: &mut Queue,
    ) -> Result<Option<u32>, &'static str> {
        let custom = delta.custom.as_ref();
        let function = delta.function.as_ref();
        let name = match custom {
            Some(custom) => Str::filled(&custom.name),
            None => function.and_then(|function| Str::filled(&function.name)),
        };
        let arguments = match custom {
            Some(custom) => custom.input.as_ref(),
            None => function.and_then(|function| function.arguments.as_ref()).map(|arguments| &arguments.0),
        };
        let is_custom = custom.is_some() || Str::filled(&delta.kind) == Some("custom");
        self.fragment(
            Fragment {
                choice,
                index: delta.index,
                id: Str::filled(&delta.id),
                name,
                arguments: arguments.map_or("", |text| &text.0),
                kind: if is_custom { ToolCallKind::Custom } else { ToolCallKind::Function },
                legacy: false,
            },
            answer,
            queue,
        )
    }

    /// Takes a fragment of the legacy `function_call`.
    ///
    /// # Errors
    ///
    /// The fragment belongs to no call.
    pub(super) fn take_legacy(
        &mut self,
        choice: u32,
        delta: &FunctionDelta<'_>,
        answer: OfAnswer<'_>,
        queue: &mut Queue,
    ) -> Result<(), &'static str> {
        let fragment = Fragment {
            choice,
            index: None,
            id: None,
            name: Str::filled(&delta.name),
            arguments: delta.arguments.as_ref().map_or("", |arguments| &arguments.0.0),
            kind: ToolCallKind::Function,
            legacy: true,
        };
        self.fragment(fragment, answer, queue).map(drop)
    }

    /// Ends every call that is still open, since the answer is over.
    ///
    /// # Errors
    ///
    /// A call has no name.
    pub(super) fn close(&mut self, queue: &mut Queue) -> Result<(), &'static str> {
        for (index, call) in (0u32..).zip(&mut self.0).filter(|(_, call)| !call.done) {
            if call.held.is_some() {
                return Err("a tool call has no name");
            }
            call.done = true;
            queue.push(ChatEvent::ToolCallDone { index });
        }
        Ok(())
    }

    /// Ends the last call, since another begins. But for one whose JSON is not whole: its provider sends the arguments
    /// of several calls in turns, or all the names first.
    fn close_last(&mut self, queue: &mut Queue) {
        let last = (0u32..).zip(&mut self.0).last();
        let Some((index, call)) = last.filter(|(_, call)| !call.done && call.held.is_none()) else { return };
        if call.kind == ToolCallKind::Custom || call.progress.is_whole() {
            call.done = true;
            queue.push(ChatEvent::ToolCallDone { index });
        }
    }

    fn fragment(
        &mut self,
        fragment: Fragment<'_>,
        answer: OfAnswer<'_>,
        queue: &mut Queue,
    ) -> Result<Option<u32>, &'static str> {
        let at = match self.find(&fragment) {
            Some(at) => at,
            None if fragment.id.is_none() && fragment.name.is_none() && fragment.arguments.is_empty() => {
                return Ok(None);
            }
            None if fragment.index.is_none() && fragment.id.is_none() && fragment.name.is_none() => {
                return Err("arguments came that belong to no tool call");
            }
            None => {
                self.close_last(queue);
                self.begin(&fragment, answer.0)
            }
        };
        let index = u32::try_from(at).map_err(|_| "there are too many tool calls")?;
        let call = &mut self.0[at];
        if let (Some(name), Some(held)) = (fragment.name, call.held.as_ref()) {
            let name = answer.1.name(name).to_owned();
            queue.push(ChatEvent::ToolCallStarted { index, id: call.id.clone(), name, kind: call.kind });
            queue.arguments(index, held);
            call.held = None;
        }
        if !fragment.arguments.is_empty() {
            if call.done {
                return Err("arguments came for a tool call that was over");
            }
            call.has_arguments = true;
            call.progress.take(fragment.arguments);
            match &mut call.held {
                Some(held) => held.push_str(fragment.arguments),
                None => queue.arguments(index, fragment.arguments),
            }
        }
        Ok(Some(index))
    }

    /// The call that a fragment goes on with; `None` if it begins one.
    fn find(&self, fragment: &Fragment<'_>) -> Option<usize> {
        let mut own = self.0.iter().enumerate().rev().filter(|(_, call)| call.choice == fragment.choice);
        let (at, call) = match fragment.index {
            Some(index) => own.find(|(_, call)| call.index == Some(index))?,
            None => own.next()?,
        };
        let same = if fragment.legacy {
            call.legacy
        } else {
            match (fragment.index, fragment.id) {
                // Without a number: whatever has an id or a name is new, unless it says the last id again.
                (None, Some(id)) => id == call.given,
                (None, None) => fragment.name.is_none(),
                // Some servers number every call 0, and some repeat id and name on every fragment.
                (Some(_), Some(id)) => id == call.given || fragment.name.is_none() || call.held.is_some(),
                (Some(_), None) => {
                    fragment.name.is_none() || !call.given.is_empty() || !call.has_arguments || call.held.is_some()
                }
            }
        };
        same.then_some(at)
    }

    fn begin(&mut self, fragment: &Fragment<'_>, answer: &str) -> usize {
        let number = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        let id = free_id("call", fragment.id, answer, number, |id| self.0.iter().all(|call| call.id != id));
        self.0.push(Call {
            choice: fragment.choice,
            index: fragment.index,
            given: fragment.id.unwrap_or_default().to_owned(),
            id,
            kind: fragment.kind,
            legacy: fragment.legacy,
            held: Some(String::new()),
            has_arguments: false,
            progress: Progress::default(),
            done: false,
        });
        self.0.len() - 1
    }
}

/// Puts back the names of tools in the delta of a choice that is passed on as it is.
pub(super) fn rename_calls(names: &ToolNames, delta: &mut Value) {
    if names.is_empty() {
        return;
    }
    let rename = |called: Option<&mut Value>| {
        if let Some(Value::String(name)) = called.and_then(|called| called.get_mut("name")) {
            names.name(name).to_owned().clone_into(name);
        }
    };
    for call in delta.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
        rename(call.get_mut("function"));
        rename(call.get_mut("custom"));
    }
    rename(delta.get_mut("function_call"));
}
