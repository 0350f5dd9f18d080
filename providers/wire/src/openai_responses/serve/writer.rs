//! The stream of events that an answer is, and the response that it leaves.

use serde_json::Value;

use super::{
    echo::Echo,
    frames::Frames,
    items::Items,
    response::{Ending, Frame, Kept, Standing, code, has, message, put_response},
    usage::usage_object,
};
use crate::{
    chat::{Extra, Wire},
    error::ChatError,
    event::{ChatEvent, FinishReason, Usage},
    json::{put_key, put_value},
    openai_chat::error_object,
};

/// Writes one streamed answer, event by event. The text of an item is kept until the answer ends, since its end repeats
/// it, and the end of the answer does so once more.
#[derive(Debug)]
pub struct StreamWriter {
    frame: Frame,
    items: Items,
    begun: bool,
    refused: bool,
    usage: Option<Usage>,
    usage_extras: Vec<(String, Value)>,
    beside: Vec<(String, Value)>,
}

impl StreamWriter {
    /// A writer of an answer with this id, made at this time (seconds since 1970) by this model; `echo` is what it
    /// repeats of the request.
    pub fn new(id: impl Into<String>, created: u64, model: impl Into<String>, echo: Echo) -> Self {
        Self::with(Frame { id: id.into(), created, model: model.into(), echo, kept: None }, Frames::default())
    }

    /// The same of an answer that is kept.
    #[must_use]
    pub fn keeping(mut self, kept: Kept) -> Self {
        self.frame.kept = Some(kept);
        self
    }

    /// The same for a client that has the event of this number and all before it: they are not written again.
    #[must_use]
    pub fn after(mut self, last: Option<u64>) -> Self {
        last.into_iter().for_each(|last| self.items.frames.handle_known(last));
        self
    }

    /// The same for nobody who reads events, but for what they [leave](Self::response).
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.items.frames = Frames::silent();
        self
    }

    fn with(frame: Frame, frames: Frames) -> Self {
        Self {
            items: Items::new(&frame.id, frames),
            frame,
            begun: false,
            refused: false,
            usage: None,
            usage_extras: Vec::new(),
            beside: Vec::new(),
        }
    }

    /// Names the answering model, from the next event on that names it.
    pub fn set_model(&mut self, model: &str) {
        model.clone_into(&mut self.frame.model);
    }

    /// Appends how the answer begins, before it is known who gives it.
    pub fn write_beginning(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
    }

    /// Leaves numbers of events out, from here on. Whether the client has none of those; one that has was shown something
    /// else than what comes.
    pub fn leave_out(&mut self, count: u64) -> bool {
        self.items.frames.leave_out(count)
    }

    /// Appends what the event is on this wire.
    pub fn write(&mut self, event: &ChatEvent, out: &mut Vec<u8>) {
        match event {
            ChatEvent::Started { .. } => self.begin(out),
            ChatEvent::Extra(extra) => self.extra(extra, out),
            ChatEvent::Usage(usage) => self.usage = Some(usage.clone()),
            ChatEvent::Finished { reason } => {
                let standing = self.end(reason, out);
                let kind = match standing {
                    Standing::Incomplete(_) => "response.incomplete",
                    _ => "response.completed",
                };
                self.put_event(kind, &standing, out);
            }
            event => {
                self.refused |= matches!(event, ChatEvent::Refusal { .. });
                self.items.take(event, out);
            }
        }
    }

    /// Appends the end of an answer that was cancelled. The API has no event for it: it is one that is incomplete, with a
    /// response that says more.
    pub fn write_cancelled(&mut self, out: &mut Vec<u8>) {
        self.items.end(Standing::Cancelled.word_of_items(), out);
        self.put_event("response.incomplete", &Standing::Cancelled, out);
    }

    /// Appends an error that came after the stream began. Nothing follows it.
    pub fn write_error(&mut self, error: &ChatError, out: &mut Vec<u8>) {
        self.write_break(error, out);
        self.put_event("response.failed", &Standing::Failed(error), out);
    }

    /// Appends an error of the stream, which ends with it while the answer may go on.
    pub fn write_break(&mut self, error: &ChatError, out: &mut Vec<u8>) {
        self.items.frames.put("error", out, |out| {
            // The reference has the fields beside the type, and the API itself has them in an object.
            for (key, value) in [("code", code(error).into()), ("message", message(error).into())] {
                put_key(out, key);
                put_value::<Value>(out, &value);
            }
            put_key(out, "param");
            put_value(out, &error.details.param);
            put_key(out, "error");
            let mut object = error_object(error).1["error"].take();
            object["code"] = code(error).into();
            put_value(out, &object);
        });
    }

    /// The response that what was written so far leaves, as the body of a response.
    pub fn response(mut self, status: Status<'_>) -> Vec<u8> {
        let mut body = Vec::new();
        self.items.frames = Frames::silent();
        let standing = match status {
            Status::Queued => Standing::Queued,
            Status::InProgress => Standing::InProgress,
            Status::Finished(reason) => Standing::of(reason, self.refused),
            Status::Failed(error) => Standing::Failed(error),
            Status::Cancelled => Standing::Cancelled,
        };
        self.items.end(standing.word_of_items(), &mut body);
        self.put_response(&standing, &mut body);
        body
    }

    /// Appends a comment, which keeps the connection alive, means nothing, and is not counted.
    pub fn write_heartbeat(out: &mut Vec<u8>) {
        out.extend_from_slice(b": keep-alive\n\n");
    }

    /// Others that begin go on with the same answer.
    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            for kind in ["response.created", "response.in_progress"] {
                self.put_event(kind, &Standing::InProgress, out);
            }
        } else {
            self.items.go_on(out);
        }
    }

    fn extra(&mut self, extra: &Extra, out: &mut Vec<u8>) {
        if extra.wire != Wire::OpenaiResponses {
            return;
        }
        if let Some(path) = extra.path.strip_prefix("/usage").filter(|path| path.starts_with('/')) {
            return self.usage_extras.push((path.to_owned(), extra.json.clone()));
        }
        match extra.path.strip_prefix('/').filter(|key| !key.contains('/')) {
            Some(key) => {
                let key = key.replace("~1", "/").replace("~0", "~");
                if !has(&key) && !self.beside.iter().any(|(other, _)| *other == key) {
                    self.beside.push((key, extra.json.clone()));
                }
            }
            None => self.items.take_extra(&extra.path, &extra.json, out),
        }
    }

    /// Ends all items, and says how the answer ended.
    fn end<'r>(&mut self, reason: &'r FinishReason, out: &mut Vec<u8>) -> Standing<'r> {
        let standing = Standing::of(reason, self.refused);
        self.items.end(standing.word_of_items(), out);
        standing
    }

    fn put_event(&mut self, kind: &str, standing: &Standing<'_>, out: &mut Vec<u8>) {
        let mut frames = std::mem::take(&mut self.items.frames);
        frames.put(kind, out, |out| {
            put_key(out, "response");
            self.put_response(standing, out);
        });
        self.items.frames = frames;
    }

    fn put_response(&self, standing: &Standing<'_>, out: &mut Vec<u8>) {
        let ending = match standing {
            Standing::Queued | Standing::InProgress => Ending::default(),
            _ => Ending {
                usage: self.usage.as_ref().map(|usage| usage_object(usage, &self.usage_extras)),
                beside: &self.beside,
            },
        };
        put_response(&self.frame, standing, self.items.done(), ending, out);
    }
}

/// Writes a whole answer as the body of an unstreamed response. The arguments are as for [`StreamWriter::new`].
pub fn whole_response<'a>(
    events: impl IntoIterator<Item = &'a ChatEvent>,
    id: &str,
    created: u64,
    model: &str,
    echo: Echo,
) -> Vec<u8> {
    let mut writer = StreamWriter::new(id, created, model, echo).silent();
    let mut body = Vec::new();
    let mut reason = &FinishReason::Stop;
    for event in events {
        match event {
            ChatEvent::Finished { reason: last } => reason = last,
            event => writer.write(event, &mut body),
        }
    }
    writer.response(Status::Finished(reason))
}

/// How far an answer is that is asked for in between.
#[derive(Debug, Clone, Copy)]
pub enum Status<'a> {
    /// It waits for its beginning.
    Queued,
    /// It is being made.
    InProgress,
    /// It ended, for this reason.
    Finished(&'a FinishReason),
    /// There is no whole answer.
    Failed(&'a ChatError),
    /// It was cancelled; what there is stays.
    Cancelled,
}
