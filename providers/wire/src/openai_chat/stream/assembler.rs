//! Chunks in, events out.

use serde_json::{Map, Value, json, value::RawValue};

use super::{
    calls::{Calls, rename_calls},
    chunk::{Choice, Chunk, Content, ContentPart, Delta, Str},
    details::Details,
    extras::Extras,
    usage::read_usage,
};
use crate::{
    chat::{Extra, Wire},
    decode::StreamState,
    error::{ChatError, ErrorKind},
    event::{ChatEvent, FinishReason},
    frame::SseFrame,
    names::ToolNames,
    openai_chat::error::decode_error_event,
    queue::Queue,
};

/// What a chunk can fail for, in words fit to show; they never quote the chunk.
type Broken = String;

#[derive(Debug)]
pub(in crate::openai_chat) struct Assembler {
    choices: u32,
    /// What the names of tools mean.
    names: ToolNames,
    queue: Queue,
    state: StreamState,
    skipped: u64,
    begun: bool,
    started: bool,
    id: String,
    model: String,
    extras: Extras,
    calls: Calls,
    details: Details,
    opaque: String,
    /// Thinking came by itself, so that the details repeat it.
    thinking_is_plain: bool,
    refused: bool,
    finish: Option<FinishReason>,
    /// Choices that have finished, where several were asked for.
    finished: Vec<u32>,
    /// The latest `usage`, as it was written: many servers send it with every chunk, and only the last one counts.
    usage: String,
}

impl Assembler {
    pub(in crate::openai_chat) fn new(choices: u32) -> Self {
        Self {
            choices,
            names: ToolNames::default(),
            queue: Queue::default(),
            state: StreamState::Open,
            skipped: 0,
            begun: false,
            started: false,
            id: String::new(),
            model: String::new(),
            extras: Extras::default(),
            calls: Calls::default(),
            details: Details::default(),
            opaque: String::new(),
            thinking_is_plain: false,
            refused: false,
            finish: None,
            finished: Vec::new(),
            usage: String::new(),
        }
    }

    pub(in crate::openai_chat) fn with_names(self, names: ToolNames) -> Self {
        Self { names, ..self }
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
        if data == "[DONE]" {
            match self.begun {
                true => self.complete(),
                false => self.fail_protocol("the stream ended before the answer began"),
            }
        } else if frame.event == "error" {
            let body = serde_json::from_str(data).unwrap_or_else(|_| Value::String(data.to_owned()));
            self.fail(decode_error_event(&body));
        } else if !data.is_empty() {
            self.take_chunk(data);
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

    fn take_chunk(&mut self, data: &str) {
        let taken = match serde_json::from_str::<Chunk<'_>>(data) {
            Ok(chunk) => self.take(&chunk, data),
            Err(error) => Err(broken(&error)),
        };
        if let Err(message) = taken {
            self.fail_protocol(&message);
        }
    }

    /// A whole answer, which has the shape of one chunk.
    ///
    /// # Errors
    ///
    /// It is not one, or says an error.
    pub(in crate::openai_chat) fn whole(mut self, body: &str) -> Result<Vec<ChatEvent>, ChatError> {
        self.take_chunk(body);
        if !self.started && matches!(self.state, StreamState::Open) {
            self.fail_protocol("the answer has no choices");
        }
        if !matches!(self.state, StreamState::Failed(_)) {
            self.complete();
        }
        match self.state {
            StreamState::Failed(error) => Err(error),
            _ => Ok(std::iter::from_fn(|| self.queue.pop()).collect()),
        }
    }

    fn take(&mut self, chunk: &Chunk<'_>, data: &str) -> Result<(), Broken> {
        if let Some(error) = said_error(chunk, data) {
            self.take_usage(chunk.usage)?;
            self.fail(decode_error_event(&serde_json::from_str(&error).map_err(|e| broken(&e))?));
            return Ok(());
        }
        let Some(choices) = &chunk.choices else {
            if chunk.usage.is_none() {
                self.skipped += 1;
                return Ok(());
            }
            return self.take_usage(chunk.usage);
        };
        self.begun = true;
        if self.id.is_empty() {
            Str::filled(&chunk.id).unwrap_or_default().clone_into(&mut self.id);
        }
        if self.model.is_empty() {
            Str::filled(&chunk.model).unwrap_or_default().clone_into(&mut self.model);
        }
        if !choices.is_empty() {
            self.start();
        }
        for (key, raw) in &chunk.rest {
            if key == "x_groq" && chunk.usage.is_none() {
                self.take_groq_usage(raw)?;
            }
            self.extras.say("", key, raw, &mut self.queue);
        }
        for choice in choices {
            let index = choice.index.unwrap_or(0);
            if self.choices > 1 && index > 0 {
                self.take_other_choice(index, data)?;
            } else {
                self.take_choice(index, choice)?;
            }
        }
        self.take_usage(chunk.usage)
    }

    fn start(&mut self) {
        if !self.started {
            self.started = true;
            self.queue.push(ChatEvent::Started { id: self.id.clone(), model: self.model.clone() });
            self.extras.start(&mut self.queue);
        }
    }

    fn take_usage(&mut self, usage: Option<&RawValue>) -> Result<(), Broken> {
        match usage.map(RawValue::get) {
            None => Ok(()),
            Some(text) if text.starts_with('{') => {
                text.clone_into(&mut self.usage);
                Ok(())
            }
            Some(_) => Err("the usage of an answer is not an object".into()),
        }
    }

    /// Groq says usage here in the last chunk, and on older servers nowhere else.
    fn take_groq_usage(&mut self, raw: &RawValue) -> Result<(), Broken> {
        let groq: Value = serde_json::from_str(raw.get()).map_err(|e| broken(&e))?;
        if let Some(usage @ Value::Object(_)) = groq.get("usage") {
            self.usage = usage.to_string();
        }
        Ok(())
    }

    fn take_choice(&mut self, index: u32, choice: &Choice<'_>) -> Result<(), Broken> {
        self.extras.say_rest("/choices/0", &choice.rest, &mut self.queue);
        if let Some(text) = Str::filled(&choice.text) {
            self.queue.text(text);
        }
        if let Some(delta) = &choice.delta {
            self.take_delta(index, delta)?;
        }
        self.take_usage(choice.usage)?;
        match Str::filled(&choice.finish_reason) {
            None => {}
            Some("error") => {
                self.fail(decode_error_event(&json!({"message": "the provider ended the answer with an error"})))
            }
            Some(word) => {
                let reason = finish_reason(word);
                // Where one answer comes as several choices, any reason says more than "stop".
                if matches!(self.finish, None | Some(FinishReason::Stop)) {
                    self.finish = Some(reason);
                }
                self.finish_choice(index);
            }
        }
        Ok(())
    }

    fn finish_choice(&mut self, index: u32) {
        if self.choices > 1 {
            if !self.finished.contains(&index) {
                self.finished.push(index);
            }
            // A fold of choice 0 must not be called complete while it goes on.
            if self.finish.is_none() || self.finished.len() < self.choices as usize {
                return;
            }
        }
        if matches!(self.state, StreamState::Open) {
            self.state = StreamState::Finishing;
        }
    }

    /// Another choice than the one that is the answer: passed on as it is.
    fn take_other_choice(&mut self, index: u32, data: &str) -> Result<(), Broken> {
        if index >= self.choices {
            self.skipped += 1;
            return Ok(());
        }
        let mut chunk: Value = serde_json::from_str(data).map_err(|e| broken(&e))?;
        let choices = chunk.get_mut("choices").and_then(Value::as_array_mut);
        for choice in choices.into_iter().flatten().filter_map(Value::as_object_mut) {
            if choice.get("index").and_then(Value::as_u64) != Some(index.into()) {
                continue;
            }
            let finished = choice.get("finish_reason").and_then(Value::as_str).is_some_and(|word| !word.is_empty());
            for (key, mut json) in std::mem::take(choice) {
                let empty = json.is_null() || json.as_object().is_some_and(Map::is_empty);
                if key != "index" && !empty {
                    let key = if key == "message" { "delta" } else { &key };
                    rename_calls(&self.names, &mut json);
                    let path = format!("/choices/{index}/{}", crate::extras::pointer(key));
                    self.extras.push(Extra { wire: Wire::OpenaiChat, path, json }, &mut self.queue);
                }
            }
            if finished {
                self.finish_choice(index);
            }
        }
        Ok(())
    }

    fn take_delta(&mut self, choice: u32, delta: &Delta<'_>) -> Result<(), Broken> {
        const AT: &str = "/choices/0/delta";
        self.extras.say_rest(AT, &delta.rest, &mut self.queue);
        self.take_thinking(delta)?;
        match &delta.content {
            None => {}
            Some(Content::Text(text)) => self.queue.text(&text.0),
            Some(Content::Parts(parts)) => self.take_parts(parts, false)?,
        }
        if let Some(text) = Str::filled(&delta.refusal) {
            self.refused = true;
            self.queue.refusal(text);
        }
        for image in delta.images.iter().flatten() {
            self.take_image(image)?;
        }
        if let Some(opaque) = Str::filled(&delta.reasoning_opaque).filter(|opaque| *opaque != self.opaque) {
            opaque.clone_into(&mut self.opaque);
            self.queue.push(ChatEvent::Opaque { data: json!({"reasoning_opaque": opaque}) });
        }
        for call in delta.tool_calls.iter().flatten() {
            if let Some(index) = self.calls.take(choice, call, (&self.id, &self.names), &mut self.queue)? {
                if !call.rest.is_empty() {
                    let at = format!("{AT}/tool_calls/{index}");
                    self.extras.say_rest(&at, &call.rest, &mut self.queue);
                }
                // Gemini's thought signatures, which must go back with their calls.
                if let Some(raw) = call.extra_content {
                    let content: Value = serde_json::from_str(raw.get()).map_err(|e| broken(&e))?;
                    self.queue.push(ChatEvent::Opaque { data: json!({"extra_content": content, "tool_call": index}) });
                }
            }
        }
        if let Some(function) = &delta.function_call {
            self.calls.take_legacy(choice, function, (&self.id, &self.names), &mut self.queue)?;
        }
        if let Some(raw) = delta.annotations {
            self.take_annotations(AT, raw)?;
        }
        Ok(())
    }

    /// OpenRouter writes the same thinking as text and as details: the details are kept whole to be sent back, and
    /// spoken only where the text is not.
    fn take_thinking(&mut self, delta: &Delta<'_>) -> Result<(), Broken> {
        let plain = [&delta.reasoning_content, &delta.reasoning, &delta.reasoning_text, &delta.cot_summary];
        let plain = plain.into_iter().find_map(Str::filled);
        let mut spoken = false;
        for raw in delta.reasoning_details.iter().flatten() {
            let detail = serde_json::from_str(raw.get()).map_err(|e| broken(&e))?;
            let text = self.details.take(detail);
            if !self.thinking_is_plain && !text.is_empty() {
                spoken = true;
                self.queue.thinking(&text);
            }
        }
        if let Some(text) = plain.filter(|_| !spoken) {
            self.thinking_is_plain = true;
            self.queue.thinking(text);
        }
        Ok(())
    }

    /// Mistral's parts; what is inside `thinking` is thinking.
    fn take_parts(&mut self, parts: &[&RawValue], thinking: bool) -> Result<(), Broken> {
        for raw in parts {
            let part: ContentPart<'_> = serde_json::from_str(raw.get()).map_err(|e| broken(&e))?;
            match Str::filled(&part.kind) {
                Some("text") if thinking => self.queue.thinking(Str::filled(&part.text).unwrap_or_default()),
                Some("text") => self.queue.text(Str::filled(&part.text).unwrap_or_default()),
                Some("thinking") if !thinking => match &part.thinking {
                    None => {}
                    Some(Content::Text(text)) => self.queue.thinking(&text.0),
                    Some(Content::Parts(parts)) => self.take_parts(parts, true)?,
                },
                kind => {
                    let json = serde_json::from_str(raw.get()).map_err(|e| broken(&e))?;
                    if kind == Some("reference") {
                        self.queue.push(ChatEvent::Citation { json });
                    } else {
                        self.skipped += 1;
                    }
                }
            }
        }
        Ok(())
    }

    fn take_image(&mut self, raw: &RawValue) -> Result<(), Broken> {
        let image: Value = serde_json::from_str(raw.get()).map_err(|e| broken(&e))?;
        let url = image.pointer("/image_url/url").and_then(Value::as_str);
        match url.and_then(super::super::request::split_data_url) {
            Some((media_type, data)) => {
                self.queue.push(ChatEvent::Media { media_type: media_type.into(), data: data.into() });
            }
            None => {
                let path = "/choices/0/delta/images".into();
                self.extras.push(Extra { wire: Wire::OpenaiChat, path, json: json!([image]) }, &mut self.queue);
            }
        }
        Ok(())
    }

    fn take_annotations(&mut self, at: &str, raw: &RawValue) -> Result<(), Broken> {
        if raw.get().starts_with('[') {
            for json in serde_json::from_str::<Vec<Value>>(raw.get()).map_err(|e| broken(&e))? {
                self.queue.push(ChatEvent::Citation { json });
            }
        } else {
            self.extras.say(at, "annotations", raw, &mut self.queue);
        }
        Ok(())
    }

    fn say_usage(&mut self) {
        if let Ok(usage) = serde_json::from_str::<Map<String, Value>>(&std::mem::take(&mut self.usage)) {
            self.start();
            let (usage, extras) = read_usage(usage);
            for extra in extras {
                self.queue.push(ChatEvent::Extra(extra));
            }
            self.queue.push(ChatEvent::Usage(usage));
        }
    }

    /// The answer is whole: says what was held back for the end.
    fn complete(&mut self) {
        self.start();
        if let Err(message) = self.calls.close(&mut self.queue) {
            return self.fail_protocol(message);
        }
        if let Some(details) = std::mem::take(&mut self.details).finish() {
            self.queue.push(ChatEvent::Opaque { data: json!({"reasoning_details": details}) });
        }
        self.say_usage();
        // `[DONE]` alone ends an answer too: some servers give no reason.
        let reason = match self.finish.take().unwrap_or(FinishReason::Stop) {
            FinishReason::Stop if !self.calls.is_empty() => FinishReason::ToolCalls,
            FinishReason::Stop if self.refused => FinishReason::Refusal,
            reason => reason,
        };
        self.queue.push(ChatEvent::Finished { reason });
        self.state = StreamState::Done;
    }
}

/// The error that a chunk says, as the body of an error response would: beside the choices, in one, or all of it.
fn said_error(chunk: &Chunk<'_>, data: &str) -> Option<String> {
    let said = |raw: &&RawValue| !matches!(raw.get(), "{}" | "\"\"" | "false");
    if chunk.error.filter(said).is_some() || Str::filled(&chunk.object) == Some("error") {
        return Some(data.to_owned());
    }
    let error = chunk.choices.iter().flatten().find_map(|choice| choice.error.filter(said))?;
    Some(format!("{{\"error\":{}}}", error.get()))
}

fn finish_reason(word: &str) -> FinishReason {
    match word {
        "stop" | "eos" => FinishReason::Stop,
        "length" | "model_length" => FinishReason::Length,
        "tool_calls" | "tool_call" | "function_call" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::ContentFilter,
        other => FinishReason::Other(other.to_owned()),
    }
}

/// Where it broke. Serde's own words quote what was found there, which may be anyone's text.
fn broken(error: &serde_json::Error) -> Broken {
    let what = match error.classify() {
        serde_json::error::Category::Data => "is not what this wire allows",
        _ => "is not JSON",
    };
    format!("a chunk of the answer {what} (line {}, column {})", error.line(), error.column())
}
