//! Chunks in, events out.

use serde_json::{Map, Value, json, value::RawValue};

use super::{
    calls::Calls,
    finish::{Ending, ending, word},
    said::Said,
    shape::{Candidate, Chunk, Feedback, Part},
    usage::Counts,
};
use crate::{
    decode::StreamState,
    error::{ChatError, ErrorKind},
    error_response::{fit_to_show, not_json},
    event::{ChatEvent, FinishReason},
    extras::pointer,
    gemini::{error::decode_error_chunk, goes_back},
    names::ToolNames,
    object::Str,
    queue::Queue,
};

/// What a chunk can fail for, in words fit to show; they never quote it.
type Broken = &'static str;

const NOT_ALLOWED: Broken = "a chunk of the answer is not what this wire allows";

#[derive(Debug)]
pub(in crate::gemini) struct Assembler {
    names: ToolNames,
    queue: Queue,
    state: StreamState,
    skipped: u64,
    started: bool,
    id: String,
    calls: Calls,
    counts: Counts,
    /// Whether what is known of the prompt before its answer was said, or is not to be.
    has_said_prompt: bool,
    said: Said,
    /// How many parts came so far, which numbers what is said of one.
    parts: usize,
    /// Whether there was a candidate.
    answered: bool,
    finish: Option<FinishReason>,
}

impl Assembler {
    pub(in crate::gemini) fn new(names: ToolNames) -> Self {
        Self {
            names,
            queue: Queue::default(),
            state: StreamState::Open,
            skipped: 0,
            started: false,
            id: String::new(),
            calls: Calls::new(),
            counts: Counts::default(),
            has_said_prompt: false,
            said: Said::default(),
            parts: 0,
            answered: false,
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

    pub(super) fn take_frame(&mut self, data: &str) {
        let data = data.trim_ascii();
        if data.is_empty() {
            return;
        }
        // Some gateways end every stream with OpenAI's marker.
        if data == "[DONE]" {
            return self.end();
        }
        let taken = match serde_json::from_str::<Chunk<'_>>(data) {
            Ok(chunk) => self.take(&chunk, data),
            Err(error) if error.is_data() => Err(NOT_ALLOWED),
            Err(_) => Err("a chunk of the answer is not JSON"),
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

    /// A whole answer, which is complete with or without a reason.
    ///
    /// # Errors
    ///
    /// It is not one, or says an error.
    pub(in crate::gemini) fn whole(mut self, body: &str) -> Result<Vec<ChatEvent>, ChatError> {
        if serde_json::from_str::<serde::de::IgnoredAny>(body).is_err() {
            return Err(not_json(body.as_bytes(), 200));
        }
        self.has_said_prompt = true;
        self.take_frame(body);
        if matches!(self.state, StreamState::Open) && !self.answered {
            self.fail_protocol("the answer has no candidates");
        }
        match self.state {
            StreamState::Failed(error) => Err(error),
            _ => {
                self.complete();
                Ok(std::iter::from_fn(|| self.queue.pop()).collect())
            }
        }
    }

    fn take(&mut self, chunk: &Chunk<'_>, data: &str) -> Result<(), Broken> {
        if chunk.error.is_some() {
            self.fail(decode_error_chunk(&serde_json::from_str(data).map_err(|_| NOT_ALLOWED)?));
            return Ok(());
        }
        if chunk.candidates.is_none() && chunk.usage.is_none() && chunk.feedback.is_none() {
            self.skipped += 1;
            return Ok(());
        }
        self.start(chunk);
        for (key, raw) in &chunk.rest {
            self.said.extra(format!("/{}", pointer(key)), raw.get(), &mut self.queue);
        }
        if let Some(raw) = chunk.usage {
            self.counts.take(serde_json::from_str(raw.get()).map_err(|_| "the usage of an answer is not an object")?);
            self.say_prompt();
        }
        if let Some(feedback) = &chunk.feedback {
            self.take_feedback(feedback, chunk.candidates.is_some());
        }
        for (place, candidate) in (0u32..).zip(chunk.candidates.iter().flatten()) {
            if matches!(self.state, StreamState::Failed(_)) {
                break;
            }
            match candidate.index.unwrap_or(place) {
                0 => self.take_candidate(candidate)?,
                index => self.pass_on(index, place, data),
            }
        }
        Ok(())
    }

    fn start(&mut self, chunk: &Chunk<'_>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        Str::filled(&chunk.id).unwrap_or_default().clone_into(&mut self.id);
        let model = Str::filled(&chunk.model).unwrap_or_default();
        let model = model.strip_prefix("models/").unwrap_or(model).to_owned();
        self.queue.push(ChatEvent::Started { id: self.id.clone(), model });
    }

    /// What became of the prompt: if it was blocked, there is no answer.
    fn take_feedback(&mut self, feedback: &Feedback<'_>, has_candidates: bool) {
        for (key, raw) in &feedback.rest {
            self.said.extra(format!("/promptFeedback/{}", pointer(key)), raw.get(), &mut self.queue);
        }
        let Some(reason) =
            feedback.reason.map(|raw| serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.to_string()))
        else {
            return;
        };
        if matches!(reason.as_str(), "" | "0" | "BLOCK_REASON_UNSPECIFIED" | "BLOCKED_REASON_UNSPECIFIED") {
            return;
        }
        if self.answered || has_candidates {
            self.finish = Some(FinishReason::ContentFilter);
            self.state = StreamState::Finishing;
            let raw = Value::from(reason).to_string();
            return self.said.extra("/promptFeedback/blockReason".into(), &raw, &mut self.queue);
        }
        let words = Str::filled(&feedback.message).map(|words| format!(": {words}")).unwrap_or_default();
        let message = fit_to_show(&format!("the provider blocked the prompt ({reason}){words}"));
        let mut error = ChatError::new(ErrorKind::ContentFilter, message);
        error.details.code = Some(fit_to_show(&reason));
        self.fail(error);
    }

    /// An answer beside the first, where several were asked for.
    fn pass_on(&mut self, index: u32, place: u32, data: &str) {
        let json: Value = serde_json::from_str(data).unwrap_or_default();
        if let Some(candidate) = json.pointer(&format!("/candidates/{place}")) {
            self.said.extra(format!("/candidates/{index}"), &candidate.to_string(), &mut self.queue);
        }
    }

    fn take_candidate(&mut self, candidate: &Candidate<'_>) -> Result<(), Broken> {
        self.answered = true;
        for part in candidate.content.iter().flat_map(|content| content.parts.iter().flatten()) {
            if let Some(part) = part {
                self.take_part(part)?;
            }
            self.parts += 1;
        }
        for (key, raw) in &candidate.rest {
            self.said.extra(format!("/candidates/0/{}", pointer(key)), raw.get(), &mut self.queue);
        }
        for raw in candidate.citations.iter().flat_map(|list| list.sources.iter().flatten()) {
            self.cite(raw)?;
        }
        if let Some(raw) = candidate.grounding {
            self.take_grounding(raw)?;
        }
        if let Some(raw) = candidate.finish {
            self.take_finish(&word(raw), Str::filled(&candidate.message));
        }
        Ok(())
    }

    fn cite(&mut self, raw: &RawValue) -> Result<(), Broken> {
        let json = serde_json::from_str(raw.get()).map_err(|_| "a citation is not JSON")?;
        self.said.source(json, &mut self.queue);
        Ok(())
    }

    /// What the answer rests on: its sources are citations, and which of its words rest on which is passed on with them.
    fn take_grounding(&mut self, raw: &RawValue) -> Result<(), Broken> {
        let json: Value = serde_json::from_str(raw.get()).map_err(|_| NOT_ALLOWED)?;
        for source in json["groundingChunks"].as_array().into_iter().flatten() {
            self.said.source(source.clone(), &mut self.queue);
        }
        self.said.extra("/candidates/0/groundingMetadata".into(), raw.get(), &mut self.queue);
        Ok(())
    }

    fn take_finish(&mut self, word: &str, message: Option<&str>) {
        match ending(word) {
            Ending::Failed => {
                let words = message.map(|words| format!(": {words}")).unwrap_or_default();
                let message = fit_to_show(&format!("the model failed to answer ({word}){words}"));
                let mut error = ChatError::new(ErrorKind::Server, message);
                error.details.code = Some(fit_to_show(word));
                self.fail(error);
            }
            Ending::Finished(reason) => {
                if reason == FinishReason::ContentFilter {
                    // Which of the filters it was.
                    let raw = Value::from(word).to_string();
                    self.said.extra("/candidates/0/finishReason".into(), &raw, &mut self.queue);
                }
                if let Some(message) = message {
                    let raw = Value::from(message).to_string();
                    self.said.extra("/candidates/0/finishMessage".into(), &raw, &mut self.queue);
                }
                // Some say that they stop with each chunk; a filter comes last.
                if self.finish.as_ref().is_none_or(|before| *before == FinishReason::Stop) {
                    self.finish = Some(reason);
                }
                self.state = StreamState::Finishing;
            }
        }
    }

    fn take_part(&mut self, part: &Part<'_>) -> Result<(), Broken> {
        let signature = Str::filled(&part.signature);
        let is_thought = part.thought == Some(true);
        if let Some(call) = &part.call {
            let making = (&self.names, self.id.as_str());
            self.calls.take(call, signature, making, &mut self.queue)?;
            self.say_rest("/functionCall", &call.rest);
        } else if let Some(text) = &part.text {
            self.calls.close(&mut self.queue);
            let text = &*text.0;
            match is_thought {
                true => self.queue.thinking(text),
                false => self.queue.text(text),
            }
            if let Some(signature) = signature {
                let data = match is_thought {
                    true => json!({"text": text, "thought": true, "thoughtSignature": signature}),
                    false => json!({"text": text, "thoughtSignature": signature}),
                };
                self.queue.push(ChatEvent::Opaque { data });
            }
        } else if let Some(blob) = &part.inline
            && !is_thought
        {
            self.calls.close(&mut self.queue);
            let word = |text| Str::filled(text).map(str::to_owned);
            let media_type = word(&blob.media_type).unwrap_or_else(|| "application/octet-stream".into());
            let data = word(&blob.data).ok_or("a picture or a sound of the answer is empty")?;
            self.queue.push(ChatEvent::Media { media_type, data });
            if let Some(signature) = signature {
                self.queue.push(ChatEvent::Opaque { data: json!({"inlineData": {}, "thoughtSignature": signature}) });
            }
        } else {
            self.calls.close(&mut self.queue);
            self.take_other(part, signature);
            return Ok(());
        }
        self.say_rest("", &part.rest);
        Ok(())
    }

    /// What the provider's own tools say goes back as it was, and so does whatever is signed.
    fn take_other(&mut self, part: &Part<'_>, signature: Option<&str>) {
        let read = |raw: &RawValue| serde_json::from_str::<Value>(raw.get()).ok();
        let mut json: Map<String, Value> =
            part.rest.iter().filter_map(|(key, raw)| Some((key.to_string(), read(raw)?))).collect();
        let known = json.keys().any(|key| goes_back(key));
        if let Some(signature) = signature {
            json.insert("thoughtSignature".into(), signature.into());
        }
        if json.is_empty() && part.inline.is_none() {
            return;
        }
        if known || signature.is_some() && part.inline.is_none() {
            self.queue.push(ChatEvent::Opaque { data: Value::Object(json) });
            return;
        }
        self.skipped += 1;
        if let Some(blob) = &part.inline {
            // A picture that the model drew while it thought.
            let word = |text| Str::filled(text).unwrap_or_default();
            json.insert("thought".into(), true.into());
            json.insert("inlineData".into(), json!({"mimeType": word(&blob.media_type), "data": word(&blob.data)}));
        }
        let path = format!("/candidates/0/content/parts/{}", self.parts);
        self.said.extra(path, &Value::Object(json).to_string(), &mut self.queue);
    }

    fn say_rest(&mut self, inside: &str, rest: &[(std::borrow::Cow<'_, str>, &RawValue)]) {
        for (key, raw) in rest {
            let path = format!("/candidates/0/content/parts/{}{inside}/{}", self.parts, pointer(key));
            self.said.extra(path, raw.get(), &mut self.queue);
        }
    }

    /// Says what the first count tells, which has the whole prompt; the last one is said in place of it.
    fn say_prompt(&mut self) {
        // Once the model speaks it is too late to be of use.
        if self.has_said_prompt || self.answered {
            return;
        }
        let (known, _) = self.counts.clone().read();
        if let Some(usage) = known.filter(|known| known.input_total() > 0) {
            self.has_said_prompt = true;
            self.queue.push(ChatEvent::Usage(usage));
        }
    }

    fn say_usage(&mut self) {
        let (usage, extras) = std::mem::take(&mut self.counts).read();
        for extra in extras {
            self.queue.push(ChatEvent::Extra(extra));
        }
        if let Some(usage) = usage {
            self.queue.push(ChatEvent::Usage(usage));
        }
    }

    /// The answer is whole.
    fn complete(&mut self) {
        self.calls.close(&mut self.queue);
        self.say_usage();
        // Calls are never a reason of this wire's.
        let reason = match self.finish.take().unwrap_or(FinishReason::Stop) {
            FinishReason::Stop if !self.calls.is_empty() => FinishReason::ToolCalls,
            reason => reason,
        };
        self.queue.push(ChatEvent::Finished { reason });
        self.state = StreamState::Done;
    }
}
