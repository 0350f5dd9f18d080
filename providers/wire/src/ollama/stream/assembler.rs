//! Lines in, events out.

use serde_json::{Value, value::RawValue};

use super::{
    extras::Extras,
    line::{Call, Line, Said},
};
use crate::{
    calls::Calls,
    chat::ToolCallKind,
    decode::StreamState,
    error::{ChatError, ErrorKind},
    event::{ChatEvent, FinishReason, Usage},
    object::Str,
    ollama::{error::decode_error_line, media::media_type},
    queue::Queue,
};

/// What a line can fail for, in words fit to show; they never quote the line.
type Broken = String;

#[derive(Debug)]
pub(in crate::ollama) struct Assembler {
    queue: Queue,
    state: StreamState,
    skipped: u64,
    started: bool,
    /// When the answer began, in digits: what makes the ids of its calls unique in a conversation.
    began: String,
    extras: Extras,
    calls: Calls,
}

impl Default for Assembler {
    fn default() -> Self {
        Self {
            queue: Queue::default(),
            state: StreamState::Open,
            skipped: 0,
            started: false,
            began: String::new(),
            extras: Extras::default(),
            calls: Calls::new("call"),
        }
    }
}

impl Assembler {
    pub(in crate::ollama) fn poll_event(&mut self) -> Option<ChatEvent> {
        self.queue.pop()
    }

    pub(in crate::ollama) fn state(&self) -> &StreamState {
        &self.state
    }

    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The body has ended.
    pub(super) fn end(&mut self) {
        if matches!(self.state, StreamState::Open) {
            self.fail_protocol("the answer was cut: the stream ended before it did");
        }
    }

    pub(super) fn fail_protocol(&mut self, message: &str) {
        self.state = StreamState::Failed(ChatError::new(ErrorKind::Protocol, message));
    }

    pub(in crate::ollama) fn take_line(&mut self, data: &str) {
        let taken = match serde_json::from_str::<Line<'_>>(data) {
            Ok(line) => self.take(&line, data),
            Err(error) => Err(broken(&error)),
        };
        if let Err(message) = taken {
            self.fail_protocol(&message);
        }
    }

    fn take(&mut self, line: &Line<'_>, data: &str) -> Result<(), Broken> {
        if line.error.is_some_and(|raw| !matches!(raw.get(), "\"\"" | "{}" | "false")) {
            let body: Value = serde_json::from_str(data).map_err(|error| broken(&error))?;
            self.state = StreamState::Failed(decode_error_line(&body));
            return Ok(());
        }
        if line.message.is_none() && line.response.is_none() && line.thinking.is_none() && line.done.is_none() {
            self.skipped += 1;
            return Ok(());
        }
        self.start(line);
        self.extras.say("", &line.rest, &mut self.queue);
        self.queue.thinking(Str::filled(&line.thinking).unwrap_or_default());
        self.queue.text(Str::filled(&line.response).unwrap_or_default());
        if let Some(message) = &line.message {
            self.take_message(message)?;
        }
        if line.done == Some(true) {
            self.complete(line);
        }
        Ok(())
    }

    fn start(&mut self, line: &Line<'_>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let created = Str::filled(&line.created_at).unwrap_or_default();
        self.began = created.chars().filter(char::is_ascii_digit).take(24).collect();
        let model = Str::filled(&line.model).unwrap_or_default().to_owned();
        self.queue.push(ChatEvent::Started { id: String::new(), model });
    }

    fn take_message(&mut self, message: &Said<'_>) -> Result<(), Broken> {
        self.extras.say("/message", &message.rest, &mut self.queue);
        self.queue.thinking(Str::filled(&message.thinking).unwrap_or_default());
        self.queue.text(Str::filled(&message.content).unwrap_or_default());
        for image in message.images.iter().flatten().filter(|image| !image.0.is_empty()) {
            let media_type = media_type(&image.0).to_owned();
            self.queue.push(ChatEvent::Media { media_type, data: image.0.to_string() });
        }
        message.tool_calls.iter().flatten().try_for_each(|call| self.take_call(call))
    }

    fn take_call(&mut self, call: &Call<'_>) -> Result<(), Broken> {
        let function = call.function.as_ref();
        let Some(name) = function.and_then(|function| Str::filled(&function.name)) else {
            return Err("a tool call has no name".into());
        };
        let arguments = function.and_then(|function| function.arguments).map(arguments).transpose()?;
        // Older servers give none, and a number is unique in this answer alone.
        let (index, id) = self.calls.begin(Str::filled(&call.id), &self.began);
        self.queue.push(ChatEvent::ToolCallStarted { index, id, name: name.to_owned(), kind: ToolCallKind::Function });
        self.queue.arguments(index, &arguments.unwrap_or_default());
        let at = format!("/message/tool_calls/{index}");
        self.extras.say(&at, &call.rest, &mut self.queue);
        if let Some(function) = function {
            self.extras.say(&format!("{at}/function"), &function.rest, &mut self.queue);
        }
        self.queue.push(ChatEvent::ToolCallDone { index });
        Ok(())
    }

    fn complete(&mut self, line: &Line<'_>) {
        if let Some(usage) = usage(line) {
            self.queue.push(ChatEvent::Usage(usage));
        }
        let reason = match Str::filled(&line.done_reason) {
            // A request without messages loads or unloads the model; it has an answer without content.
            None | Some("stop" | "load" | "unload") if self.calls.is_empty() => FinishReason::Stop,
            // Calls are never a reason of this wire's.
            None | Some("stop" | "load" | "unload" | "tool_calls") => FinishReason::ToolCalls,
            Some("length") => FinishReason::Length,
            Some(other) => FinishReason::Other(other.to_owned()),
        };
        self.queue.push(ChatEvent::Finished { reason });
        self.state = StreamState::Done;
    }
}

/// The arguments as text: an object as it was written. Some gateways write text, as OpenAI does.
fn arguments(raw: &RawValue) -> Result<String, Broken> {
    match raw.get() {
        text if text.starts_with('{') => Ok(text.to_owned()),
        text if text.starts_with('"') => serde_json::from_str(text).map_err(|error| broken(&error)),
        _ => Err("the arguments of a tool call are no object".into()),
    }
}

/// The counts, where there is any: a prompt that was cached may have none.
///
/// `prompt_eval_count` is of the whole prompt, what was read from the cache included.
fn usage(line: &Line<'_>) -> Option<Usage> {
    let (prompt, output) = (count(line.prompt_eval_count), count(line.eval_count));
    if prompt.is_none() && output.is_none() {
        return None;
    }
    let cache_read = count(line.prompt_eval_cached_count).unwrap_or(0);
    let input = prompt.unwrap_or(0).saturating_sub(cache_read);
    Some(Usage { input, output: output.unwrap_or(0), cache_read, ..Usage::default() })
}

fn count(raw: Option<&RawValue>) -> Option<u64> {
    /// Beyond what any answer has, and far from where sums overflow.
    const MOST: f64 = (1u64 << 53) as f64;
    let number: f64 = raw?.get().parse().ok()?;
    (number >= 0.0).then_some(number.min(MOST) as u64)
}

/// Where it broke. Serde's own words quote what was found there, which may be anyone's text.
fn broken(error: &serde_json::Error) -> Broken {
    let what = match error.classify() {
        serde_json::error::Category::Data => "is not what this wire allows",
        _ => "is not JSON",
    };
    format!("a line of the answer {what} (column {})", error.column())
}
