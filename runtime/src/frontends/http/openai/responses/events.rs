//! An answer as a stream of this API's events, told as they come.

use greenroom_wire::{
    ChatError, ChatEvent,
    openai_responses::{Echo, StreamWriter},
};

use super::{
    super::{
        super::answer_stream::{End, Form},
        now,
    },
    resumable::write_end,
    told::Head,
};

/// The provider's id of the answer if it is one of this API, else one of ours.
pub(super) fn response_id(given: &str) -> String {
    if given.starts_with("resp_") { given.to_owned() } else { format!("resp_{:032x}", rand::random::<u128>()) }
}

/// A stream of this API's events.
pub(super) struct Events(Told);

/// By what the response is told.
enum Told {
    /// What is not kept repeats this of its request.
    Once(Echo),
    Kept(Box<Head>),
}

impl Events {
    /// Of an answer that is not kept.
    pub(super) fn of(echo: Echo) -> Self {
        Self(Told::Once(echo))
    }

    /// Of one that is.
    pub(super) fn of_kept(head: Head) -> Self {
        Self(Told::Kept(Box::new(head)))
    }

    fn writer(&self, id: &str, model: &str) -> StreamWriter {
        match &self.0 {
            Told::Once(echo) => StreamWriter::new(response_id(id), now(), model, echo.clone()),
            Told::Kept(head) => {
                let mut writer = head.writer();
                writer.set_model(model);
                writer
            }
        }
    }
}

impl Form for Events {
    type Writer = StreamWriter;

    fn start(&self, id: String, model: String, out: &mut Vec<u8>) -> StreamWriter {
        let mut writer = self.writer(&id, &model);
        writer.write(&ChatEvent::Started { id, model }, out);
        writer
    }

    fn go_on(writer: &mut StreamWriter, model: String, out: &mut Vec<u8>) {
        writer.set_model(&model);
        writer.write(&ChatEvent::Started { id: String::new(), model }, out);
    }

    fn write(writer: &mut StreamWriter, event: &ChatEvent, out: &mut Vec<u8>) {
        writer.write(event, out);
    }

    fn write_heartbeat(out: &mut Vec<u8>) {
        StreamWriter::write_heartbeat(out);
    }

    fn write_error(&self, writer: Option<&mut StreamWriter>, error: &ChatError, out: &mut Vec<u8>) {
        self.write_end(writer, error, End::Failed, out);
    }

    fn write_end(&self, writer: Option<&mut StreamWriter>, error: &ChatError, end: End, out: &mut Vec<u8>) {
        let end = match self.0 {
            Told::Once(_) => End::Failed,
            Told::Kept(_) => end,
        };
        match writer {
            Some(writer) => write_end(writer, error, end, out),
            None => write_end(&mut self.writer("", ""), error, end, out),
        }
    }
}
