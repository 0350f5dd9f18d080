//! A streamed answer, event by event.

use std::collections::VecDeque;

use super::texts::{Used, is_fingerprint};
use crate::{
    error::ChatError,
    event::ChatEvent,
    json::{put_escaped, put_key, put_str, put_value},
    openai_chat::{StreamWriter, serve::finish_word},
};

/// Writes the events of several answers, one after another, as the server-sent events of OpenAI's text completions. Each
/// answer is a text, of which only the words are told.
#[derive(Debug)]
pub struct CompletionWriter {
    id: String,
    created: u64,
    model: String,
    fingerprint: Option<String>,
    include_usage: bool,
    /// What each of the texts that have not begun begins with: its prompt, if that is to be repeated.
    beginnings: VecDeque<String>,
    /// The number of the text that is being made, or is next.
    text: usize,
    begun: bool,
    refused: bool,
    used: Used,
}

impl CompletionWriter {
    /// A writer of an answer with this id, made at this time (seconds since 1970), of as many texts as there are
    /// beginnings: the prompts that they repeat, or nothing. `include_usage` is whether it ends with usage.
    pub fn new(id: String, created: u64, beginnings: VecDeque<String>, include_usage: bool) -> Self {
        Self {
            id,
            created,
            model: String::new(),
            fingerprint: None,
            include_usage,
            beginnings,
            text: 0,
            begun: false,
            refused: false,
            used: Used::default(),
        }
    }

    /// Appends what the event is on this wire. A text begins with what its model says first, and ends with
    /// [`ChatEvent::Finished`]; what comes after is of the next one.
    pub fn write(&mut self, event: &ChatEvent, out: &mut Vec<u8>) {
        match event {
            ChatEvent::Started { model, .. } => {
                model.clone_into(&mut self.model);
                self.begin(out);
            }
            ChatEvent::Text { delta } => self.say(delta, None, out),
            ChatEvent::Refusal { delta } => {
                self.refused = true;
                self.say(delta, None, out);
            }
            ChatEvent::Usage(usage) => self.used.now(usage),
            ChatEvent::Extra(extra) if is_fingerprint(extra) => {
                self.fingerprint = extra.json.as_str().map(str::to_owned);
            }
            ChatEvent::Finished { reason } => {
                self.begin(out);
                self.say("", Some(finish_word(reason, self.refused, false)), out);
                self.used.next();
                (self.text, self.begun, self.refused) = (self.text + 1, false, false);
                if self.beginnings.is_empty() {
                    self.end(out);
                }
            }
            _ => {}
        }
    }

    /// Appends an error that came after the stream began. Nothing follows it.
    pub fn write_error(error: &ChatError, out: &mut Vec<u8>) {
        StreamWriter::write_error(error, out);
    }

    /// Appends a comment, which keeps the connection alive and means nothing.
    pub fn write_heartbeat(out: &mut Vec<u8>) {
        StreamWriter::write_heartbeat(out);
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true)
            && let Some(beginning) = self.beginnings.pop_front().filter(|beginning| !beginning.is_empty())
        {
            self.say(&beginning, None, out);
        }
    }

    fn say(&self, text: &str, finish: Option<&str>, out: &mut Vec<u8>) {
        self.chunk(out, |out| {
            out.extend_from_slice(b"{\"text\":\"");
            put_escaped(out, text);
            out.extend_from_slice(b"\",\"index\":");
            put_value(out, &self.text);
            out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":");
            put_value(out, &finish);
            out.push(b'}');
        });
        out.extend_from_slice(if self.include_usage { b",\"usage\":null}\n\n" } else { b"}\n\n" });
    }

    /// A chunk, up to the end of its choices, which `put` writes.
    fn chunk(&self, out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
        out.extend_from_slice(b"data: {\"id\":");
        put_str(out, &self.id);
        out.extend_from_slice(b",\"object\":\"text_completion\",\"created\":");
        put_value(out, &self.created);
        for (key, text) in [("model", Some(&self.model)), ("system_fingerprint", self.fingerprint.as_ref())] {
            if let Some(text) = text {
                put_key(out, key);
                put_str(out, text);
            }
        }
        out.extend_from_slice(b",\"choices\":[");
        put(out);
        out.push(b']');
    }

    fn end(&self, out: &mut Vec<u8>) {
        if self.include_usage {
            self.chunk(out, |_| {});
            put_key(out, "usage");
            put_value(out, &self.used.object());
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}
