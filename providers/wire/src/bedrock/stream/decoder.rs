//! The decoder itself: events in, the chat language out.

use serde_json::Value;

use super::block::Block;
use crate::{
    bedrock::event::{ConverseEvent, TokenCounts},
    calls::Calls,
    chat::{Extra, ToolCallKind, Wire},
    decode::StreamState,
    error::{ChatError, ErrorKind},
    event::{ChatEvent, FinishReason, Usage},
    names::ToolNames,
    queue::Queue,
};

/// Most blocks that may be open at a time; the wire has one, or a few side by side.
const MOST_OPEN: usize = 1024;

/// A streamed answer as a state machine: events in, [`ChatEvent`]s out; no clock, no socket.
///
/// Feed it with [`handle_event`](Self::handle_event), and [`handle_end`](Self::handle_end) when the stream has ended or is
/// no longer waited for. After each, take events with [`poll_event`](Self::poll_event) until there is none, and then look
/// at [`state`](Self::state).
#[derive(Debug)]
pub struct ConverseDecoder {
    queue: Queue,
    names: ToolNames,
    /// The answer's id, which Converse itself does not say: that of the request.
    id: String,
    started: bool,
    calls: Calls,
    blocks: Vec<(i64, Block)>,
    finish: Option<FinishReason>,
    state: StreamState,
    skipped: u64,
}

impl ConverseDecoder {
    /// A decoder of the answer to a request whose tools were renamed so; `id` is what the answer is called.
    pub fn new(names: ToolNames, id: impl Into<String>) -> Self {
        Self {
            queue: Queue::default(),
            names,
            id: id.into(),
            started: false,
            calls: Calls::new("tooluse"),
            blocks: Vec::new(),
            finish: None,
            state: StreamState::Open,
            skipped: 0,
        }
    }

    /// Takes the next event. Ignored once the state is `Done` or `Failed`.
    pub fn handle_event(&mut self, event: ConverseEvent) {
        if matches!(self.state, StreamState::Done | StreamState::Failed(_)) {
            return;
        }
        if !matches!(event, ConverseEvent::Unknown) {
            self.start();
        }
        match event {
            ConverseEvent::Started => {}
            ConverseEvent::Unknown => self.skipped += 1,
            ConverseEvent::ToolUse { block, id, name, server } => self.begin_call(block, id, name, server),
            ConverseEvent::ToolResult { block, start } => {
                self.begin(block, Block::ServerResult { start, content: Vec::new() });
            }
            ConverseEvent::Citation { json } => self.queue.push(ChatEvent::Citation { json }),
            ConverseEvent::Image { media_type, data } => self.queue.push(ChatEvent::Media { media_type, data }),
            ConverseEvent::BlockStopped { block } => self.end_block(block),
            ConverseEvent::Stopped { reason, fields } => self.stop(&reason, fields),
            ConverseEvent::Metadata { usage, more } => self.take_metadata(usage, more),
            ConverseEvent::Text { block, text } => self.take_text(block, &text),
            ConverseEvent::Reasoning { block, text: more } => {
                self.take(block, Block::reasoning, |known, queue| match known {
                    Block::Reasoning { text, .. } => {
                        text.push_str(&more);
                        queue.thinking(&more);
                        true
                    }
                    _ => false,
                });
            }
            ConverseEvent::Signature { block, text } => {
                self.take(block, Block::reasoning, |known, _| match known {
                    Block::Reasoning { signature, .. } => {
                        signature.push_str(&text);
                        true
                    }
                    _ => false,
                });
            }
            ConverseEvent::Redacted { block, data } => {
                self.take(block, Block::reasoning, |known, _| match known {
                    Block::Reasoning { redacted, .. } => {
                        redacted.extend(Some(data).filter(|data| !data.is_empty()));
                        true
                    }
                    _ => false,
                });
            }
            ConverseEvent::ToolInput { block, json } => {
                self.take_begun(block, |known, queue| match known {
                    Block::Call { index } => {
                        queue.arguments(*index, &json);
                        true
                    }
                    Block::ServerCall { input, .. } => {
                        input.push_str(&json);
                        true
                    }
                    _ => false,
                });
            }
            ConverseEvent::ToolResultContent { block, content: more } => {
                self.take_begun(block, |known, _| match known {
                    Block::ServerResult { content, .. } => {
                        content.extend(more);
                        true
                    }
                    _ => false,
                });
            }
        }
    }

    /// The stream has ended. After the model's own end this completes the answer; before it the answer was cut, which is
    /// a failure of kind `Protocol`.
    pub fn handle_end(&mut self) {
        match self.state {
            StreamState::Open => self.fail("the stream ended before the answer was complete"),
            StreamState::Finishing => self.complete(),
            StreamState::Done | StreamState::Failed(_) => {}
        }
    }

    /// The next event, oldest first.
    pub fn poll_event(&mut self) -> Option<ChatEvent> {
        self.queue.pop()
    }

    /// Where the answer stands.
    pub fn state(&self) -> &StreamState {
        &self.state
    }

    /// How many events, blocks and deltas were skipped because they are not known.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    fn start(&mut self) {
        if !std::mem::replace(&mut self.started, true) {
            self.queue.push(ChatEvent::Started { id: self.id.clone(), model: String::new() });
        }
    }

    fn fail(&mut self, message: &str) {
        self.state = StreamState::Failed(ChatError::new(ErrorKind::Protocol, message));
    }

    fn begin_call(&mut self, block: i64, id: String, name: String, server: bool) {
        if server {
            return self.begin(block, Block::ServerCall { id, name, input: String::new() });
        }
        if name.is_empty() {
            return self.fail("a tool call has no name");
        }
        self.end_block(block);
        let (index, id) = self.calls.begin(Some(&id), &self.id);
        let name = self.names.name(&name).to_owned();
        self.queue.push(ChatEvent::ToolCallStarted { index, id, name, kind: ToolCallKind::Function });
        self.begin(block, Block::Call { index });
    }

    /// Begins a block. What had its number before has ended, though that was not said.
    fn begin(&mut self, number: i64, block: Block) {
        self.end_block(number);
        if self.blocks.len() >= MOST_OPEN {
            return self.fail("the answer has too many blocks at a time");
        }
        self.blocks.push((number, block));
    }

    fn end_block(&mut self, number: i64) {
        if let Some(at) = self.blocks.iter().position(|(own, _)| *own == number) {
            let (_, block) = self.blocks.remove(at);
            self.skipped += u64::from(!block.end(&mut self.queue));
        }
    }

    /// Text may stand in the block of a citation, too, and an empty one is no block at all.
    fn take_text(&mut self, block: i64, text: &str) {
        if text.is_empty() {
            return;
        }
        self.take(
            block,
            || Block::Text,
            |known, queue| {
                let fits = matches!(known, Block::Text);
                if fits {
                    queue.text(text);
                }
                fits
            },
        );
    }

    /// Gives a delta to its block, which it begins if there is none.
    fn take(&mut self, number: i64, make: impl FnOnce() -> Block, give: impl FnOnce(&mut Block, &mut Queue) -> bool) {
        if !self.blocks.iter().any(|(own, _)| *own == number) {
            self.begin(number, make());
        }
        self.take_begun(number, give);
    }

    /// Gives a delta to its block, which must have begun.
    fn take_begun(&mut self, number: i64, give: impl FnOnce(&mut Block, &mut Queue) -> bool) {
        let Some((_, block)) = self.blocks.iter_mut().find(|(own, _)| *own == number) else {
            return self.fail("a delta of the answer belongs to no block");
        };
        if !give(block, &mut self.queue) {
            self.fail("a delta of the answer does not belong to its block");
        }
    }

    fn stop(&mut self, reason: &str, fields: Option<Value>) {
        self.end_blocks();
        if let Some(json) = fields {
            self.say_extra("/additionalModelResponseFields", json);
        }
        if reason.starts_with("malformed_") {
            // The model wrote what is no answer, of which another attempt may make one.
            let mut error = ChatError::new(ErrorKind::Protocol, "the model's output was malformed");
            error.details.code = Some(reason.to_owned());
            self.state = StreamState::Failed(error);
            return;
        }
        self.finish = Some(finish_reason(reason));
        self.state = StreamState::Finishing;
    }

    fn take_metadata(&mut self, usage: Option<TokenCounts>, more: Vec<(&'static str, Value)>) {
        for (path, json) in more {
            self.say_extra(path, json);
        }
        if let Some(counts) = usage {
            self.queue.push(ChatEvent::Usage(usage_of(counts)));
        }
        // It comes last; should it come first, the answer goes on.
        if matches!(self.state, StreamState::Finishing) {
            self.complete();
        }
    }

    fn say_extra(&mut self, path: &str, json: Value) {
        self.queue.push(ChatEvent::Extra(Extra { wire: Wire::Bedrock, path: path.to_owned(), json }));
    }

    fn end_blocks(&mut self) {
        for (_, block) in std::mem::take(&mut self.blocks) {
            self.skipped += u64::from(!block.end(&mut self.queue));
        }
    }

    fn complete(&mut self) {
        self.end_blocks();
        let reason = match self.finish.take() {
            Some(FinishReason::Stop) if !self.calls.is_empty() => FinishReason::ToolCalls,
            Some(reason) => reason,
            None => FinishReason::Stop,
        };
        self.queue.push(ChatEvent::Finished { reason });
        self.state = StreamState::Done;
    }
}

fn usage_of(counts: TokenCounts) -> Usage {
    let hour = counts.cache_write_1h.min(counts.cache_write);
    Usage {
        input: counts.input,
        output: counts.output,
        cache_read: counts.cache_read,
        cache_write_5m: counts.cache_write - hour,
        cache_write_1h: hour,
        ..Usage::default()
    }
}

fn finish_reason(word: &str) -> FinishReason {
    match word {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "tool_use" => FinishReason::ToolCalls,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "guardrail_intervened" | "content_filtered" => FinishReason::ContentFilter,
        "refusal" => FinishReason::Refusal,
        "pause_turn" => FinishReason::Pause,
        other => FinishReason::Other(other.to_owned()),
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
