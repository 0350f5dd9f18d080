//! Events of a stream in, events of the chat language out.

use std::borrow::Cow;

use serde_json::{Value, json, value::RawValue};

use super::{
    block::{Block, Broken, Making, is_delta},
    shape::{Delta, Event, Head, Str, Tag},
    usage::Counts,
};
use crate::{
    anthropic::error::decode_error_event,
    calls::Calls,
    chat::{Extra, Wire},
    decode::StreamState,
    error::{ChatError, ErrorKind},
    event::{ChatEvent, FinishReason},
    extras::pointer,
    frame::SseFrame,
    names::ToolNames,
    queue::Queue,
};

const NOT_ALLOWED: &str = "an event of the answer is not what this wire allows";

#[derive(Debug)]
pub(in crate::anthropic) struct Assembler {
    names: ToolNames,
    queue: Queue,
    state: StreamState,
    skipped: u64,
    started: bool,
    id: String,
    /// The blocks that have begun and not ended, by the provider's numbers.
    blocks: Vec<(u32, Block)>,
    /// The type of the block that ended last, if nothing was said since by which it is known where it ended.
    last: Option<&'static str>,
    calls: Calls,
    counts: Counts,
    /// What the start of a stream told beside the counts, and was said.
    said_at_start: Vec<Extra>,
    finish: Option<FinishReason>,
}

impl Assembler {
    pub(in crate::anthropic) fn new(names: ToolNames) -> Self {
        Self {
            names,
            queue: Queue::default(),
            state: StreamState::Open,
            skipped: 0,
            started: false,
            id: String::new(),
            blocks: Vec::new(),
            last: None,
            calls: Calls::new("toolu"),
            counts: Counts::default(),
            said_at_start: Vec::new(),
            finish: None,
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
        if data.is_empty() || frame.event == "ping" {
            return;
        }
        // Some gateways end every stream with OpenAI's marker.
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

    /// The body has ended.
    pub(super) fn end(&mut self) {
        match self.state {
            StreamState::Finishing => self.complete(),
            StreamState::Open => self.fail_protocol("the answer was cut: the stream ended before it did"),
            StreamState::Done | StreamState::Failed(_) => {}
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

    /// A whole answer, whose message holds all its blocks.
    ///
    /// # Errors
    ///
    /// It is not one, or says an error.
    pub(in crate::anthropic) fn whole(mut self, body: &str) -> Result<Vec<ChatEvent>, ChatError> {
        let head = match serde_json::from_str::<Head<'_>>(body) {
            Ok(head) => head,
            Err(error) if error.is_data() => return Err(ChatError::new(ErrorKind::Protocol, NOT_ALLOWED)),
            Err(_) => return Err(crate::error_response::not_json(body.as_bytes(), 200)),
        };
        if head.error.is_some() || Str::filled(&head.kind) == Some("error") {
            return Err(decode_error_event(&serde_json::from_str(body).unwrap_or_default()));
        }
        let Some(content) = &head.content else {
            return Err(ChatError::new(ErrorKind::Protocol, "the answer has no content"));
        };
        let fail = |message: Broken| ChatError::new(ErrorKind::Protocol, message);
        self.take_head(&head).map_err(fail)?;
        for (index, raw) in (0u32..).zip(content) {
            self.begin(index, raw).map_err(fail)?;
            self.end_block(index);
        }
        self.complete();
        Ok(std::iter::from_fn(|| self.queue.pop()).collect())
    }

    /// What could not be read as an event: passed over if its type is not known, else broken.
    fn take_unread(&mut self, error: &serde_json::Error, event: &str, data: &str) -> Result<(), Broken> {
        if !error.is_data() {
            return Err("an event of the answer is not JSON");
        }
        let tag = Tag::of(data).ok_or(NOT_ALLOWED)?;
        let kind = if tag.kind().is_empty() { event } else { tag.kind() };
        let known = match kind {
            "content_block_delta" => match tag.delta.and_then(|delta| Tag::of(delta.get())) {
                Some(delta) => is_delta(delta.kind()),
                None => true,
            },
            "message_start" | "content_block_start" | "content_block_stop" | "message_delta" | "message_stop" => true,
            "error" => {
                self.fail(decode_error_event(&serde_json::from_str(data).unwrap_or_default()));
                return Ok(());
            }
            _ => false,
        };
        if known {
            return Err(NOT_ALLOWED);
        }
        self.skipped += 1;
        Ok(())
    }

    fn take(&mut self, event: &Event<'_>, name: &str, data: &str) -> Result<(), Broken> {
        let index = event.index.unwrap_or(0);
        match Str::filled(&event.kind).unwrap_or(name) {
            "content_block_delta" => self.take_delta(index, event.delta.as_ref().ok_or(NOT_ALLOWED)?)?,
            "content_block_start" => self.begin(index, event.content_block.ok_or(NOT_ALLOWED)?)?,
            "content_block_stop" => self.end_block(index),
            "message_start" => {
                let head = event.message.as_ref().ok_or(NOT_ALLOWED)?;
                self.take_head(head)?;
                self.say_prompt();
                for (index, raw) in (0u32..).zip(head.content.iter().flatten()) {
                    self.begin(index, raw)?;
                    self.end_block(index);
                }
            }
            "message_delta" => self.take_message_delta(event)?,
            "message_stop" => self.complete(),
            "ping" => {}
            "error" => self.fail(decode_error_event(&serde_json::from_str(data).map_err(|_| NOT_ALLOWED)?)),
            _ if event.error.is_some() => {
                self.fail(decode_error_event(&serde_json::from_str(data).map_err(|_| NOT_ALLOWED)?));
            }
            _ => self.skipped += 1,
        }
        Ok(())
    }

    fn take_head(&mut self, head: &Head<'_>) -> Result<(), Broken> {
        if !self.started {
            Str::filled(&head.id).unwrap_or_default().clone_into(&mut self.id);
            self.start(Str::filled(&head.model).unwrap_or_default());
        }
        self.take_usage(head.usage)?;
        if let Some(word) = Str::filled(&head.stop_reason) {
            self.finish = Some(finish_reason(word));
        }
        self.say_rest(&head.rest);
        Ok(())
    }

    fn start(&mut self, model: &str) {
        if !self.started {
            self.started = true;
            self.queue.push(ChatEvent::Started { id: self.id.clone(), model: model.to_owned() });
        }
    }

    fn take_usage(&mut self, usage: Option<&RawValue>) -> Result<(), Broken> {
        let Some(raw) = usage else { return Ok(()) };
        self.counts.take(serde_json::from_str(raw.get()).map_err(|_| "the usage of an answer is not an object")?);
        Ok(())
    }

    /// Says what the message has besides what is known.
    fn say_rest(&mut self, rest: &[(Cow<'_, str>, &RawValue)]) {
        for (key, raw) in rest {
            // A raw value was read as JSON once, so that it fails here only for what a tree cannot hold (a number beyond
            // f64); leaving that out loses less than failing the answer.
            if let Ok(json) = serde_json::from_str(raw.get()) {
                self.say_extra(format!("/{}", pointer(key)), json);
            }
        }
    }

    fn say_extra(&mut self, path: String, json: Value) {
        self.queue.push(ChatEvent::Extra(Extra { wire: Wire::Anthropic, path, json }));
    }

    fn begin(&mut self, index: u32, raw: &RawValue) -> Result<(), Broken> {
        self.start("");
        self.end_block(index);
        let tag = self.last.take().filter(|last| Tag::of(raw.get()).is_some_and(|tag| tag.kind() == *last));
        if let Some(kind) = tag {
            self.say_extra(format!("/content/{index}/type"), kind.into());
        }
        let making = Making { queue: &mut self.queue, calls: &mut self.calls, names: &self.names, answer: &self.id };
        let (block, mut rest) = Block::begin(raw, making)?;
        match &block {
            Block::Unknown => {
                self.skipped += 1;
                self.say_extra(format!("/content/{index}"), serde_json::from_str(raw.get()).unwrap_or_default());
            }
            Block::Call { index: call, .. } if !rest.is_empty() => {
                // That the model itself called a tool is so by default; that a program of it did must go back.
                let direct = rest.get("caller").is_some_and(|caller| *caller == json!({"type": "direct"}));
                if let Some(caller) = direct.then(|| rest.shift_remove("caller")).flatten() {
                    self.say_extra(format!("/content/{index}/caller"), caller);
                }
                if !rest.is_empty() {
                    rest.shift_insert(0, "tool_call".into(), (*call).into());
                    self.queue.push(ChatEvent::Opaque { data: Value::Object(rest) });
                }
            }
            _ => {}
        }
        self.blocks.push((index, block));
        Ok(())
    }

    fn take_delta(&mut self, index: u32, delta: &Delta<'_>) -> Result<(), Broken> {
        let at = match self.blocks.iter().rposition(|(own, _)| *own == index) {
            Some(at) => at,
            None => {
                let kind = Str::filled(&delta.kind).unwrap_or_default();
                let Some(block) = Block::guess(kind) else {
                    if is_delta(kind) {
                        return Err("a delta of the answer belongs to no block");
                    }
                    self.skipped += 1;
                    return Ok(());
                };
                self.start("");
                self.blocks.push((index, block));
                self.blocks.len() - 1
            }
        };
        let known = self.blocks[at].1.take(delta, &mut self.queue)?;
        self.skipped += u64::from(!known);
        Ok(())
    }

    fn end_block(&mut self, index: u32) {
        if let Some(at) = self.blocks.iter().rposition(|(own, _)| *own == index) {
            let (_, block) = self.blocks.remove(at);
            self.last = block.ends_silently();
            self.skipped += u64::from(!block.end(&mut self.queue));
        }
    }

    fn take_message_delta(&mut self, event: &Event<'_>) -> Result<(), Broken> {
        self.start("");
        self.take_usage(event.usage)?;
        let Some(delta) = &event.delta else { return Ok(()) };
        self.say_rest(&delta.rest);
        self.say_rest(&event.rest);
        if let Some(word) = Str::filled(&delta.stop_reason) {
            self.finish = Some(finish_reason(word));
            if matches!(self.state, StreamState::Open) {
                self.state = StreamState::Finishing;
            }
        }
        Ok(())
    }

    /// Says what is known of the prompt before its answer. The whole count is said in place of this one.
    fn say_prompt(&mut self) {
        if !self.said_at_start.is_empty() {
            return;
        }
        let Some((usage, extras)) = self.counts.clone().read().filter(|(usage, _)| usage.input_total() > 0) else {
            return;
        };
        for extra in &extras {
            self.queue.push(ChatEvent::Extra(extra.clone()));
        }
        self.said_at_start = extras;
        self.queue.push(ChatEvent::Usage(usage));
    }

    fn say_usage(&mut self) {
        if let Some((usage, extras)) = std::mem::take(&mut self.counts).read() {
            for extra in extras.into_iter().filter(|extra| !self.said_at_start.contains(extra)) {
                self.queue.push(ChatEvent::Extra(extra));
            }
            self.queue.push(ChatEvent::Usage(usage));
        }
    }

    /// The answer is whole.
    fn complete(&mut self) {
        if !self.started {
            return self.fail_protocol("the stream ended before the answer began");
        }
        for (_, block) in std::mem::take(&mut self.blocks) {
            self.skipped += u64::from(!block.end(&mut self.queue));
        }
        self.say_usage();
        // The end marker alone ends an answer too: some servers give no reason.
        let reason = match self.finish.take().unwrap_or(FinishReason::Stop) {
            FinishReason::Stop if !self.calls.is_empty() => FinishReason::ToolCalls,
            reason => reason,
        };
        self.queue.push(ChatEvent::Finished { reason });
        self.state = StreamState::Done;
    }
}

fn finish_reason(word: &str) -> FinishReason {
    match word {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "pause_turn" => FinishReason::Pause,
        "refusal" => FinishReason::Refusal,
        other => FinishReason::Other(other.to_owned()),
    }
}
