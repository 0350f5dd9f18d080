//! The stream of a response that can be gone on with: its events have the same numbers whenever they are read.
//!
//! What a process had shown when it was killed may be lost, and what was shown then is shown otherwise by the next, which
//! begins a new epoch of the log. So numbers go on far higher in each epoch, and a client that was shown what is lost is told so.

use std::collections::VecDeque;

use axum::response::Response;
use greenroom_wire::{ChatError, ChatEvent, ErrorKind, openai_responses::StreamWriter};

use super::{
    super::super::{
        answer_stream::{AnswerStream, End, Form},
        event_stream::reading_stream,
        site::App,
        who::Who,
    },
    found::Found,
    source::CutEvents,
    told::Head,
};
use crate::SessionError;

/// How much higher the numbers of the next epoch are.
const EPOCH: u64 = 1_000_000;

/// The stream of a response, from behind the event of this number on.
///
/// # Errors
/// The session is gone, or can't be read.
pub(super) async fn stream(app: &App, who: &Who, found: Found, after: Option<u64>) -> Result<Response, SessionError> {
    let mut epochs = found.session.standing().await?.epochs;
    epochs.retain(|begin| *begin > found.id.position);
    let form = Numbered { head: found.head(), epochs, after };
    let body = AnswerStream::new(CutEvents::new(found.events), form, app.heartbeat);
    Ok(reading_stream(body, app, who))
}

/// Events with numbers that last.
struct Numbered {
    head: Head,
    /// Where epochs begin within the response, in order.
    epochs: Vec<u64>,
    after: Option<u64>,
}

/// What writes them.
struct NumberedWriter {
    writer: StreamWriter,
    epochs: VecDeque<u64>,
}

impl Numbered {
    fn writer(&self) -> NumberedWriter {
        NumberedWriter { writer: self.head.writer().after(self.after), epochs: self.epochs.clone().into() }
    }
}

impl Form for Numbered {
    type Writer = NumberedWriter;
    const TAKEN_BACK: &'static str = "retrieve the response without 'stream': it is told as it is then";

    fn begin(&self, out: &mut Vec<u8>) -> Option<NumberedWriter> {
        let mut writer = self.writer();
        writer.writer.write_beginning(out);
        Some(writer)
    }

    fn arrive(writer: &mut NumberedWriter, until: u64) -> Result<(), ChatError> {
        while writer.epochs.pop_front_if(|begin| *begin < until).is_some() {
            if !writer.writer.leave_out(EPOCH) {
                let what = "what was shown after this sequence number is lost with the process that showed it";
                let error = ChatError::new(ErrorKind::Server, what);
                return Err(error.with_hint("read the stream anew, without 'starting_after'"));
            }
        }
        Ok(())
    }

    fn start(&self, _: String, model: String, out: &mut Vec<u8>) -> NumberedWriter {
        let mut writer = self.writer();
        writer.writer.set_model(&model);
        writer.writer.write_beginning(out);
        writer
    }

    fn go_on(writer: &mut NumberedWriter, model: String, out: &mut Vec<u8>) {
        writer.writer.set_model(&model);
        writer.writer.write(&ChatEvent::Started { id: String::new(), model }, out);
    }

    fn write(writer: &mut NumberedWriter, event: &ChatEvent, out: &mut Vec<u8>) {
        writer.writer.write(event, out);
    }

    fn write_heartbeat(out: &mut Vec<u8>) {
        StreamWriter::write_heartbeat(out);
    }

    fn write_error(&self, writer: Option<&mut NumberedWriter>, error: &ChatError, out: &mut Vec<u8>) {
        self.write_end(writer, error, End::Failed, out);
    }

    fn write_end(&self, writer: Option<&mut NumberedWriter>, error: &ChatError, end: End, out: &mut Vec<u8>) {
        match writer {
            Some(NumberedWriter { writer, .. }) => write_end(writer, error, end, out),
            None => write_end(&mut self.writer().writer, error, end, out),
        }
    }
}

/// How a response that is kept ends without a whole answer: where only the stream does, nothing is said of the response.
pub(super) fn write_end(writer: &mut StreamWriter, error: &ChatError, end: End, out: &mut Vec<u8>) {
    match end {
        End::Failed => writer.write_error(error, out),
        End::Cancelled => writer.write_cancelled(out),
        End::Broken => writer.write_break(error, out),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use greenroom_actors::session::event::{EventBody, LogEvent};
    use greenroom_wire::FinishReason;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::{
        super::{cut::Cutter, id::ResponseId, told::Told},
        *,
    };

    /// Where the message of the response is.
    const BEGIN: u64 = 5;

    /// What a client is told of these events of a log, by the numbers; and whether all of it could be told.
    fn told(events: &[LogEvent], epochs: &[u64], after: Option<u64>) -> (BTreeMap<u64, Value>, bool) {
        let id = ResponseId { session: format!("conv_{:032x}", 1), position: BEGIN };
        let told = Told { created_at: 7, background: true, conversation: false, echo: Value::Null };
        let form = Numbered { head: Head::new(&id, &told, "m"), epochs: epochs.to_vec(), after };
        let mut out = Vec::new();
        let mut writer = form.begin(&mut out).expect("it begins by itself");
        let mut cutter = Cutter::default();
        let mut whole = true;
        'events: for event in events {
            let mut cut = Vec::new();
            cutter.take(event.clone(), &mut cut);
            for LogEvent { body, next, .. } in cut {
                if let Err(error) = Numbered::arrive(&mut writer, next) {
                    form.write_end(Some(&mut writer), &error, End::Broken, &mut out);
                    whole = false;
                    break 'events;
                }
                if let Some(event) = body.into_chat() {
                    Numbered::write(&mut writer, &event, &mut out);
                }
            }
        }
        let text = String::from_utf8(out).expect("it is text");
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        let events = data.map(|data| serde_json::from_str::<Value>(data).expect("it is JSON"));
        (events.map(|event| (event["sequence_number"].as_u64().expect("it has a number"), event)).collect(), whole)
    }

    /// Texts one after another as a log has them, behind the message.
    fn log(texts: &[&str], ends: bool) -> Vec<LogEvent> {
        let texts = texts.iter().map(|text| EventBody::Text { delta: (*text).to_owned() });
        let end = ends.then_some(EventBody::TurnFinished { reason: FinishReason::Stop });
        let mut position = BEGIN + 1;
        let placed = texts.chain(end).map(|body| {
            let width = match &body {
                EventBody::Text { delta } => delta.len() as u64,
                _ => 1,
            };
            let event = LogEvent { body, turn: Some(1), position, next: position + width };
            position += width;
            event
        });
        placed.filter(|event| event.next > event.position).collect()
    }

    #[test]
    fn numbers_go_on_far_higher_in_each_epoch_that_falls_into_the_response() {
        let events = log(&["one two three four"], true);
        let numbers = |epochs: &[u64]| told(&events, epochs, None).0.into_keys().collect::<Vec<_>>();
        let all = numbers(&[]);
        assert_eq!(all, (0..all.len() as u64).collect::<Vec<_>>());
        // The text begins at 6. Of a beginning up to 13 nothing but "one" is certain: what follows " two" stands behind it.
        let jumps = |numbers: &[u64]| numbers.windows(2).filter(|two| two[1] - two[0] == EPOCH + 1).count();
        for epoch in 7..24 {
            assert_eq!(jumps(&numbers(&[epoch])), 1, "{epoch}");
        }
        assert_eq!(numbers(&[13, 13])[5..7], [5 + 2 * EPOCH, 6 + 2 * EPOCH]);
        assert_eq!(numbers(&[6])[..4], [0, 1, 2 + EPOCH, 3 + EPOCH]);
    }

    proptest! {
        #[test]
        fn nobody_is_shown_anything_else_at_a_number_they_know(kept in "[ab ]{0,40}", lost in "[ab ]{0,40}", then in "[ab ]{0,40}") {
            let end = BEGIN + 1 + kept.len() as u64;
            let (before, _) = told(&log(&[&kept, &lost], false), &[], None);
            let recovered = log(&[&kept, &then], true);
            let (now, whole) = told(&recovered, &[end], None);
            prop_assert!(whole);
            for (number, event) in &before {
                prop_assert!(now.get(number).is_none_or(|other| other == event), "{number}: {event} {:?}", now.get(number));
                let (rest, whole) = told(&recovered, &[end], Some(*number));
                // Who knows what is lost is told so, and who doesn't goes on where it was.
                prop_assert_eq!(whole, now.contains_key(number));
                if whole {
                    let behind: BTreeMap<u64, Value> = now.range(number + 1..).map(|(at, event)| (*at, event.clone())).collect();
                    prop_assert_eq!(rest, behind);
                }
            }
        }
    }
}
