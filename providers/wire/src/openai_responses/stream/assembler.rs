//! Events of a stream in, events of the chat language out.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Map, Value, value::RawValue};

use super::{
    item::{Broken, Item, Making},
    shape::{Event, Response, Str, Tag},
    usage::read_usage,
};
use crate::{
    calls::Calls,
    chat::{Extra, Wire},
    decode::StreamState,
    error::{ChatError, ErrorKind},
    event::{ChatEvent, FinishReason},
    extras::pointer,
    frame::SseFrame,
    names::ToolNames,
    openai_responses::error::decode_error_event,
    queue::Queue,
};

const NOT_ALLOWED: Broken = "an event of the answer is not what this wire allows";

#[derive(Debug)]
pub(in crate::openai_responses) struct Assembler {
    names: ToolNames,
    queue: Queue,
    state: StreamState,
    skipped: u64,
    started: bool,
    id: String,
    /// The items that have begun and not ended, by the provider's numbers: their ids are not the same in every event.
    items: Vec<(u32, Item)>,
    /// Whether any item was seen by itself; only if not, those of the response at the end are read.
    has_items: bool,
    refused: bool,
    calls: Calls,
    server_tools: BTreeMap<String, u64>,
    usage: Option<Map<String, Value>>,
}

impl Assembler {
    pub(in crate::openai_responses) fn new(names: ToolNames) -> Self {
        Self {
            names,
            queue: Queue::default(),
            state: StreamState::Open,
            skipped: 0,
            started: false,
            id: String::new(),
            items: Vec::new(),
            has_items: false,
            refused: false,
            calls: Calls::new("call"),
            server_tools: BTreeMap::new(),
            usage: None,
        }
    }

    pub(super) fn poll_event(&mut self) -> Option<ChatEvent> {
        self.queue.pop()
    }

    pub(super) fn state(&self) -> &StreamState {
        &self.state
    }

    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    pub(super) fn take_frame(&mut self, frame: SseFrame<'_>) {
        let data = frame.data.trim_ascii();
        if data.is_empty() {
            return;
        }
        // Some servers end every stream with the marker of chat completions.
        if data == "[DONE]" {
            return self.end();
        }
        let taken = match serde_json::from_str::<Event<'_>>(data) {
            Ok(event) => self.take(&event, frame.event, data),
            Err(error) => self.take_unread(&error, frame.event, data),
        };
        if let Err(message) = taken {
            self.fail_protocol(message);
        }
    }

    /// The body has ended. An answer that is whole has said so before.
    pub(super) fn end(&mut self) {
        if matches!(self.state, StreamState::Open | StreamState::Finishing) {
            self.fail_protocol("the answer was cut: the stream ended before it did");
        }
    }

    pub(super) fn fail_protocol(&mut self, message: &str) {
        self.fail(ChatError::new(ErrorKind::Protocol, message));
    }

    fn fail(&mut self, error: ChatError) {
        // What was used was used, though the answer failed.
        self.say_usage();
        self.state = StreamState::Failed(error);
    }

    /// A whole answer, whose response holds all its items.
    ///
    /// # Errors
    ///
    /// It is not one, is not ready, or says an error.
    pub(in crate::openai_responses) fn whole(mut self, body: &str) -> Result<Vec<ChatEvent>, ChatError> {
        let protocol = |message: Broken| ChatError::new(ErrorKind::Protocol, message);
        let response = match serde_json::from_str::<Response<'_>>(body) {
            Ok(response) => response,
            Err(error) if error.is_data() => return Err(protocol("the answer is not what this wire allows")),
            Err(_) => return Err(crate::error_response::not_json(body.as_bytes(), 200)),
        };
        let status = Str::filled(&response.status).unwrap_or_default();
        if response.error.is_some() || matches!(status, "failed" | "cancelled") {
            return Err(failure(&response));
        }
        if matches!(status, "queued" | "in_progress") {
            return Err(protocol("the answer is not ready: it is made in the background"));
        }
        if response.output.is_none() {
            return Err(protocol("the answer has no output"));
        }
        self.start(&response);
        self.complete(&response, &[]).map_err(protocol)?;
        Ok(std::iter::from_fn(|| self.queue.pop()).collect())
    }

    /// What could not be read as an event: passed over if its type is not known, else broken.
    fn take_unread(&mut self, error: &serde_json::Error, event: &str, data: &str) -> Result<(), Broken> {
        if !error.is_data() {
            return Err("an event of the answer is not JSON");
        }
        let tag = Tag::of(data).ok_or(NOT_ALLOWED)?;
        let kind = if tag.kind().is_empty() { event } else { tag.kind() };
        if kind == "error" {
            self.fail(decode_error_event(&serde_json::from_str(data).unwrap_or_default()));
        } else if is_spoken(kind) {
            return Err(NOT_ALLOWED);
        } else {
            self.pass_over(kind, data);
        }
        Ok(())
    }

    /// An event that says nothing of the answer itself: it may say how far a tool of the provider's own has come.
    fn pass_over(&mut self, kind: &str, data: &str) {
        self.skipped += u64::from(!is_passed_over(kind));
        if kind.starts_with("response.")
            && let Ok(Value::Object(event)) = serde_json::from_str(data)
            && let Some(index) = event.get("output_index").and_then(Value::as_u64)
            && let Some((at, item)) = self.items.iter().rev().find(|(own, _)| u64::from(*own) == index)
        {
            item.progress(kind, *at, event, &mut self.queue);
        }
    }

    fn take(&mut self, event: &Event<'_>, name: &str, data: &str) -> Result<(), Broken> {
        let index = event.output_index.unwrap_or(0);
        let kind = Str::filled(&event.kind).unwrap_or(name);
        let response = || event.response.as_ref().ok_or(NOT_ALLOWED);
        match kind {
            "response.created" => self.start(response()?),
            "response.in_progress" | "response.queued" => {
                if let Some(response) = &event.response {
                    self.start(response);
                }
            }
            "response.output_item.added" => self.begin(index, event.item.ok_or(NOT_ALLOWED)?, true)?,
            "response.output_item.done" => self.finish(index, event.item.ok_or(NOT_ALLOWED)?)?,
            "response.completed" | "response.incomplete" => {
                let response = response()?;
                self.start(response);
                self.complete(response, &event.rest)?;
            }
            "response.failed" | "response.cancelled" => {
                let response = response()?;
                self.take_usage(response.usage)?;
                self.fail(failure(response));
            }
            "error" => self.fail(decode_error_event(&serde_json::from_str(data).map_err(|_| NOT_ALLOWED)?)),
            _ if is_spoken(kind) => self.add(kind, index, event)?,
            // What a gateway says in its own way.
            _ if event.error.is_some() => {
                self.fail(decode_error_event(&serde_json::from_str(data).map_err(|_| NOT_ALLOWED)?));
            }
            _ => self.pass_over(kind, data),
        }
        Ok(())
    }

    fn start(&mut self, response: &Response<'_>) {
        if !self.started {
            self.started = true;
            Str::filled(&response.id).unwrap_or_default().clone_into(&mut self.id);
            let model = Str::filled(&response.model).unwrap_or_default().to_owned();
            self.queue.push(ChatEvent::Started { id: self.id.clone(), model });
        }
    }

    /// What an item is made with, and the items.
    fn making(&mut self) -> (Making<'_>, &mut Vec<(u32, Item)>) {
        let making = Making {
            queue: &mut self.queue,
            calls: &mut self.calls,
            names: &self.names,
            server_tools: &mut self.server_tools,
            answer: &self.id,
        };
        (making, &mut self.items)
    }

    fn take_out(&mut self, index: u32) -> Option<Item> {
        let at = self.items.iter().rposition(|(own, _)| *own == index)?;
        Some(self.items.remove(at).1)
    }

    fn begin(&mut self, index: u32, raw: &RawValue, grows: bool) -> Result<(), Broken> {
        self.start(&Response::default());
        self.has_items = true;
        if let Some(item) = self.take_out(index) {
            item.break_off(&mut self.queue);
        }
        let (mut making, items) = self.making();
        items.push((index, Item::begin(index, raw, grows, &mut making)?));
        Ok(())
    }

    fn finish(&mut self, index: u32, raw: &RawValue) -> Result<(), Broken> {
        if !self.items.iter().any(|(own, _)| *own == index) {
            self.begin(index, raw, false)?;
        }
        let Some(item) = self.take_out(index) else { return Ok(()) };
        self.refused |= item.finish(index, raw, self.making().0)?;
        Ok(())
    }

    /// Takes a delta, or the whole of what deltas say.
    fn add(&mut self, kind: &str, index: u32, event: &Event<'_>) -> Result<(), Broken> {
        let at = match self.items.iter().rposition(|(own, _)| *own == index) {
            Some(at) => at,
            None => {
                let item = Item::guess(kind).ok_or("an event of the answer belongs to no item")?;
                self.start(&Response::default());
                self.has_items = true;
                self.items.push((index, item));
                self.items.len() - 1
            }
        };
        let refuses = || Str::filled(&event.delta).or(Str::filled(&event.refusal)).is_some();
        self.refused |= kind.starts_with("response.refusal") && refuses();
        self.items[at].1.take(kind, index, event, &mut self.queue)
    }

    fn take_usage(&mut self, usage: Option<&RawValue>) -> Result<(), Broken> {
        let Some(raw) = usage else { return Ok(()) };
        self.usage = Some(serde_json::from_str(raw.get()).map_err(|_| "the usage of an answer is not an object")?);
        Ok(())
    }

    fn say_usage(&mut self) {
        if let Some(usage) = self.usage.take() {
            self.start(&Response::default());
            let (usage, extras) = read_usage(usage, std::mem::take(&mut self.server_tools));
            for extra in extras {
                self.queue.push(ChatEvent::Extra(extra));
            }
            self.queue.push(ChatEvent::Usage(usage));
        }
    }

    /// Says what a response has besides what is known.
    fn say_rest(&mut self, rest: &[(Cow<'_, str>, &RawValue)]) {
        for (key, raw) in rest {
            // A raw value was read as JSON once, so that it fails here only for what a tree cannot hold (a number beyond
            // f64); leaving that out loses less than failing the answer.
            if let Ok(json) = serde_json::from_str(raw.get()) {
                let path = format!("/{}", pointer(key));
                self.queue.push(ChatEvent::Extra(Extra { wire: Wire::OpenaiResponses, path, json }));
            }
        }
    }

    /// The answer is whole. `beside` is what the last event says besides its response.
    fn complete(&mut self, response: &Response<'_>, beside: &[(Cow<'_, str>, &RawValue)]) -> Result<(), Broken> {
        if !self.has_items {
            for (index, raw) in (0..).zip(response.output.iter().flatten()) {
                self.finish(index, raw)?;
            }
        }
        for (_, item) in std::mem::take(&mut self.items) {
            item.break_off(&mut self.queue);
        }
        self.say_rest(&response.rest);
        self.say_rest(beside);
        self.take_usage(response.usage)?;
        self.say_usage();
        let reason = match finish_reason(response) {
            FinishReason::Stop if !self.calls.is_empty() => FinishReason::ToolCalls,
            FinishReason::Stop if self.refused => FinishReason::Refusal,
            reason => reason,
        };
        self.queue.push(ChatEvent::Finished { reason });
        self.state = StreamState::Done;
        Ok(())
    }
}

fn failure(response: &Response<'_>) -> ChatError {
    let said = response.error.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    match said {
        Some(error) => decode_error_event(&serde_json::json!({"error": error})),
        None if Str::filled(&response.status) == Some("cancelled") => {
            ChatError::new(ErrorKind::Cancelled, "the provider says that the answer was cancelled")
        }
        None => ChatError::new(ErrorKind::Server, "the provider says that the answer failed, and not why"),
    }
}

fn finish_reason(response: &Response<'_>) -> FinishReason {
    let why = response.incomplete_details.as_ref().and_then(|details| Str::filled(&details.reason));
    match (Str::filled(&response.status).unwrap_or("completed"), why) {
        ("completed", _) => FinishReason::Stop,
        (_, Some("max_output_tokens" | "max_tokens" | "length")) => FinishReason::Length,
        (_, Some("content_filter")) => FinishReason::ContentFilter,
        (status, why) => FinishReason::Other(why.unwrap_or(status).to_owned()),
    }
}

/// Events that say something, and so must be what this wire allows.
fn is_spoken(kind: &str) -> bool {
    let Some(kind) = kind.strip_prefix("response.") else { return false };
    matches!(
        kind,
        "created"
            | "completed"
            | "incomplete"
            | "failed"
            | "cancelled"
            | "output_item.added"
            | "output_item.done"
            | "output_text.delta"
            | "output_text.done"
            | "output_text.annotation.added"
            | "refusal.delta"
            | "refusal.done"
            | "function_call_arguments.delta"
            | "function_call_arguments.done"
            | "custom_tool_call_input.delta"
            | "custom_tool_call_input.done"
            | "reasoning_summary_text.delta"
            | "reasoning_text.delta"
    )
}

/// Events that are known to say only what others say too, or how far a tool of the provider's own has come.
fn is_passed_over(kind: &str) -> bool {
    let Some(kind) = kind.strip_prefix("response.") else { return matches!(kind, "ping" | "keepalive") };
    let (of, what) = kind.split_once('.').unwrap_or((kind, ""));
    match of {
        "in_progress" | "queued" => true,
        "content_part" | "reasoning_summary_part" | "reasoning_summary_text" | "reasoning_text" => {
            matches!(what, "added" | "done")
        }
        "mcp_list_tools" | "mcp_call_arguments" | "code_interpreter_call_code" | "shell_call_command" => true,
        "shell_call_output_content" | "apply_patch_call_operation_diff" => true,
        tool => tool.ends_with("_call"),
    }
}
