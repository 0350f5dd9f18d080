//! The stream of a response that can be gone on with: its events have the same numbers whenever they are read.
//!
//! What a process had shown when it was killed may be lost, and what was shown then is shown otherwise by the next, which
//! begins a new epoch of the log. So numbers go on far higher in each epoch, and a client that was shown what is lost is told so.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use greenroom_wire::{ChatError, ChatEvent, ErrorKind, openai_responses::StreamWriter};
use hyper::body::Frame;

use super::{
    super::super::{
        answer_stream::{AnswerStream, End, Form},
        event_stream::{Ending, event_stream},
        site::{App, EndsWithServer},
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
    let mut response = event_stream(Body::new(Ends { body, ending: Ending::new(app, who), over: false }));
    response.extensions_mut().insert(EndsWithServer);
    Ok(response)
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

    fn go_on(writer: &mut NumberedWriter, model: String, _: &mut Vec<u8>) {
        writer.writer.set_model(&model);
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

/// A body that ends with the server, and with its reader's token.
struct Ends {
    body: AnswerStream<Numbered, CutEvents>,
    ending: Ending,
    over: bool,
}

impl hyper::body::Body for Ends {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        if let Some(last) = this.ending.poll(cx) {
            this.over = true;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(last)))));
        }
        Pin::new(&mut this.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }
}
