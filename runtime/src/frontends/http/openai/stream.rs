//! A streamed answer as the body of a response: it pulls what there is, and gives it as one piece.
//!
//! Between a turn's log and the client's socket there is neither a channel nor a task. Dropping the body cancels.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use greenroom_actors::{
    Answer,
    session::event::{EventBody, LogEvent},
};
use greenroom_wire::{ChatError, ChatEvent, ErrorKind, openai_chat::StreamWriter};
use hyper::body::{Body, Frame};

use super::{
    super::event_stream::Silence,
    calls::{Gone, HeldCalls},
    chat::{Route, answer_id, failure, now, without_end},
};

/// The events of an answer, written for the client.
pub(super) struct ChatStream {
    /// `None` once everything was pulled.
    answer: Option<Answer>,
    writer: Option<StreamWriter>,
    calls: HeldCalls,
    route: Option<Route>,
    include_usage: bool,
    legacy_functions: bool,
    silence: Silence,
    /// Written already, and not yet sent.
    ready: Vec<u8>,
}

/// What one look at the answer gave.
enum Step {
    Said(Vec<u8>),
    Silent,
    /// The bytes are what was said before.
    Failed(Vec<u8>, ChatError),
}

impl ChatStream {
    /// Waits until the status is certain: the model has said something, or has been silent for `heartbeat`, so that the
    /// client is to be told that it is awaited. Gives the body, and who answers if that is known.
    ///
    /// # Errors
    /// Nothing was said, and nothing will be.
    pub(super) async fn begin(
        answer: Answer,
        include_usage: bool,
        legacy_functions: bool,
        heartbeat: Duration,
    ) -> Result<(Self, Option<Route>), ChatError> {
        let mut stream = Self {
            answer: Some(answer),
            writer: None,
            calls: HeldCalls::default(),
            route: None,
            include_usage,
            legacy_functions,
            silence: Silence::new(heartbeat),
            ready: Vec::new(),
        };
        match poll_fn(|cx| stream.poll_step(cx)).await {
            Step::Failed(said, error) if said.is_empty() => return Err(error),
            step => stream.ready = step.into_bytes(),
        }
        let route = stream.route.take();
        Ok((stream, route))
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        while let Some(answer) = &mut self.answer {
            match answer.poll_pull(cx) {
                Poll::Ready(Some(events)) => {
                    let mut out = Vec::new();
                    if let Some(error) = self.write(events, &mut out) {
                        self.answer = None;
                        return Poll::Ready(Step::Failed(out, error));
                    }
                    if !out.is_empty() {
                        self.silence.broken();
                        return Poll::Ready(Step::Said(out));
                    }
                }
                Poll::Ready(None) => self.answer = None,
                Poll::Pending => {
                    ready!(self.silence.poll(cx));
                    return Poll::Ready(Step::Silent);
                }
            }
        }
        Poll::Ready(Step::Failed(Vec::new(), without_end()))
    }

    /// Writes events, and says why the answer failed, if it did.
    fn write(&mut self, events: Vec<LogEvent>, out: &mut Vec<u8>) -> Option<ChatError> {
        for LogEvent { body, .. } in events {
            if let Some(error) = failure(&body) {
                if let Some(writer) = &mut self.writer {
                    self.calls.pass_rest(|event| writer.write(event, out));
                }
                return Some(error);
            }
            self.route = Route::of(&body).or(self.route.take());
            match body {
                EventBody::ToolCallDropped { index } if self.calls.drop_call(index) == Err(Gone) => {
                    return Some(taken_back("it was cut within a tool call that was partly sent"));
                }
                EventBody::AnswerRestarted => return Some(taken_back("it is made anew")),
                _ => {}
            }
            let Some(event) = body.into_chat() else { continue };
            let is_last = matches!(event, ChatEvent::Finished { .. });
            match (&mut self.writer, event) {
                (None, ChatEvent::Started { id, model }) => {
                    let mut writer = StreamWriter::new(answer_id(&id), now(), model.as_str())
                        .include_usage(self.include_usage)
                        .legacy_functions(self.legacy_functions);
                    writer.write(&ChatEvent::Started { id, model }, out);
                    self.writer = Some(writer);
                }
                // Another model goes on with the same answer.
                (Some(writer), ChatEvent::Started { model, .. }) => writer.set_model(&model),
                (Some(writer), event) => self.calls.pass(event, |event| writer.write(event, out)),
                // Nothing is said before it is known who says it.
                (None, _) => {}
            }
            if is_last {
                self.answer = None;
                break;
            }
        }
        None
    }
}

/// The error of an answer of which more was taken back than a client of this API can be told.
fn taken_back(why: &str) -> ChatError {
    ChatError::new(ErrorKind::Protocol, format!("the answer was interrupted: {why}")).with_hint("ask again")
}

impl Step {
    fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Said(bytes) => bytes,
            Self::Silent => {
                let mut bytes = Vec::new();
                StreamWriter::write_heartbeat(&mut bytes);
                bytes
            }
            Self::Failed(mut bytes, error) => {
                StreamWriter::write_error(&error, &mut bytes);
                bytes
            }
        }
    }
}

impl Body for ChatStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match std::mem::take(&mut self.ready) {
            waiting if !waiting.is_empty() => waiting,
            _ if self.answer.is_none() => return Poll::Ready(None),
            _ => ready!(self.poll_step(cx)).into_bytes(),
        };
        Poll::Ready(Some(Ok(Frame::data(bytes.into()))))
    }

    /// With this the last piece and the end of the body leave in one write.
    fn is_end_stream(&self) -> bool {
        self.answer.is_none() && self.ready.is_empty()
    }
}
