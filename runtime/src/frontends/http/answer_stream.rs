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

use axum::response::Response;
use bytes::Bytes;
use greenroom_actors::{
    Answer,
    session::event::{EventBody, LogEvent},
};
use greenroom_wire::{ChatError, ChatEvent, ErrorKind, Usage};
use hyper::body::{Body, Frame};

use super::{
    answer::{Route, failure, without_end},
    event_stream::{Silence, event_stream},
    held_calls::{Gone, HeldCalls},
};

/// How the clients of a frontend read a stream, as this one asked for it.
pub(super) trait Form: Send + Unpin + 'static {
    /// What writes the events of one answer.
    type Writer: Send + Unpin;
    /// What to do where more of an answer was taken back than its client can be told.
    const TAKEN_BACK: &'static str = "ask again";

    /// Begins before it is known who answers, where this form can: the response then waits for nothing.
    fn begin(&self, _out: &mut Vec<u8>) -> Option<Self::Writer> {
        None
    }

    /// What comes is known by what the log has up to here.
    ///
    /// # Errors
    /// The client can't be told what comes.
    fn arrive(_writer: &mut Self::Writer, _until: u64) -> Result<(), ChatError> {
        Ok(())
    }

    /// Begins an answer: says so, or leaves that to the first event. `id` is the provider's and may be empty.
    fn start(&self, id: String, model: String, out: &mut Vec<u8>) -> Self::Writer;

    /// So much is known of the prompt as the answer begins. The answer's count comes at its end, in place of this.
    fn expect(_writer: &mut Self::Writer, _prompt: Usage) {}

    /// Another model goes on with the answer.
    fn go_on(writer: &mut Self::Writer, model: String, out: &mut Vec<u8>);

    /// Appends what an event is in this form.
    fn write(writer: &mut Self::Writer, event: &ChatEvent, out: &mut Vec<u8>);

    /// Appends a word that means nothing but that the answer is awaited.
    fn write_heartbeat(out: &mut Vec<u8>);

    /// Appends the error that the stream ends with. `self` knows the request; there is no writer before an answer begins.
    fn write_error(&self, writer: Option<&mut Self::Writer>, error: &ChatError, out: &mut Vec<u8>);

    /// Asks for the answer that is told after this one has ended well, if the stream has more than one.
    fn next(&mut self) -> Option<Answer> {
        None
    }

    /// The same by what the end is of, where this form tells that.
    fn write_end(&self, writer: Option<&mut Self::Writer>, error: &ChatError, _end: End, out: &mut Vec<u8>) {
        self.write_error(writer, error, out);
    }
}

/// What a stream ends with that has no whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// There is no whole answer.
    Failed,
    /// The answer was cancelled.
    Cancelled,
    /// The stream alone ends, whatever becomes of the answer.
    Broken,
}

/// Where the events of an answer are pulled from. Dropping it is leaving.
pub(super) trait Source: Send + Unpin + 'static {
    /// The next events: at once if there are some, else when there are; `None` after the last.
    fn poll_pull(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<LogEvent>>>;

    /// Why there is no more, where that comes before the end.
    fn broken_off(&self) -> ChatError;

    /// What comes after it has ended well, if the form has more than one answer.
    fn after<F: Form>(_: &mut F) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }
}

impl Source for Answer {
    fn poll_pull(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<LogEvent>>> {
        Answer::poll_pull(self, cx)
    }

    fn after<F: Form>(form: &mut F) -> Option<Self> {
        form.next()
    }

    fn broken_off(&self) -> ChatError {
        without_end()
    }
}

/// The events of an answer, written for the client.
pub(super) struct AnswerStream<F: Form, S: Source> {
    form: F,
    /// `None` once everything was pulled.
    answer: Option<S>,
    writer: Option<F::Writer>,
    calls: HeldCalls,
    route: Route,
    silence: Silence,
    /// Written already, and not yet sent.
    ready: Vec<u8>,
}

/// What one look at the answer gave.
enum Step {
    Said(Vec<u8>),
    Silent,
    /// The bytes are what was said before.
    Failed(Vec<u8>, End, ChatError),
}

/// The response to whoever asked for a stream. It waits until the status is certain: the model has said something, or has
/// been silent for `heartbeat`, so that the client is to be told that it is awaited. The headers say who answers, if that
/// is known by then.
///
/// # Errors
/// Nothing was said, and nothing will be.
pub(super) async fn respond<F: Form, S: Source>(
    answer: S,
    form: F,
    heartbeat: Duration,
) -> Result<Response, ChatError> {
    let mut stream = AnswerStream::new(answer, form, heartbeat);
    match poll_fn(|cx| stream.poll_step(cx)).await {
        Step::Failed(said, _, error) if said.is_empty() => return Err(error),
        step => stream.ready = stream.bytes_of(step),
    }
    let route = std::mem::take(&mut stream.route);
    let mut response = event_stream(axum::body::Body::new(stream));
    route.say(response.headers_mut());
    Ok(response)
}

impl<F: Form, S: Source> AnswerStream<F, S> {
    /// A body that says what the form says before it is known who answers, and waits for nothing.
    pub(super) fn new(answer: S, form: F, heartbeat: Duration) -> Self {
        let mut ready = Vec::new();
        Self {
            writer: form.begin(&mut ready),
            form,
            answer: Some(answer),
            calls: HeldCalls::default(),
            route: Route::default(),
            silence: Silence::new(heartbeat),
            ready,
        }
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        while let Some(answer) = &mut self.answer {
            match answer.poll_pull(cx) {
                Poll::Ready(Some(events)) => {
                    let mut out = Vec::new();
                    if let Some((end, error)) = self.write(events, &mut out) {
                        self.answer = None;
                        return Poll::Ready(Step::Failed(out, end, error));
                    }
                    // Of an end that the client knows there is nothing to be said.
                    if !out.is_empty() || self.answer.is_none() {
                        self.silence.broken();
                        return Poll::Ready(Step::Said(out));
                    }
                }
                Poll::Ready(None) => {
                    let error = answer.broken_off();
                    self.answer = None;
                    return Poll::Ready(Step::Failed(Vec::new(), End::Broken, error));
                }
                Poll::Pending => {
                    ready!(self.silence.poll(cx));
                    return Poll::Ready(Step::Silent);
                }
            }
        }
        Poll::Ready(Step::Failed(Vec::new(), End::Broken, without_end()))
    }

    /// Writes events, and says why the answer failed, if it did.
    fn write(&mut self, events: Vec<LogEvent>, out: &mut Vec<u8>) -> Option<(End, ChatError)> {
        for LogEvent { body, next, .. } in events {
            if let Some(writer) = &mut self.writer
                && let Err(error) = F::arrive(writer, next)
            {
                return Some((End::Broken, error));
            }
            if let Some(error) = failure(&body) {
                if let Some(writer) = &mut self.writer {
                    self.calls.pass_rest(|event| F::write(writer, event, out));
                }
                let end = match body {
                    EventBody::TurnFailed { .. } => End::Failed,
                    EventBody::TurnCancelled => End::Cancelled,
                    _ => End::Broken,
                };
                return Some((end, error));
            }
            self.route.take(&body);
            match body {
                EventBody::ToolCallDropped { index } if self.calls.drop_call(index) == Err(Gone) => {
                    return Some((End::Broken, taken_back::<F>("it was cut within a tool call that was partly sent")));
                }
                EventBody::AnswerRestarted => return Some((End::Broken, taken_back::<F>("it is made anew"))),
                _ => {}
            }
            let prompt = match &body {
                EventBody::Route { prompt, .. } if !prompt.is_nothing() => Some(prompt.clone()),
                _ => None,
            };
            let Some(event) = body.into_chat() else { continue };
            let is_last = matches!(event, ChatEvent::Finished { .. });
            match (&mut self.writer, event) {
                (None, ChatEvent::Started { id, model }) => {
                    let writer = self.writer.insert(self.form.start(id, model, out));
                    prompt.into_iter().for_each(|prompt| F::expect(writer, prompt));
                }
                // Another model goes on with the same answer, or the next one begins.
                (Some(writer), ChatEvent::Started { model, .. }) => F::go_on(writer, model, out),
                (Some(writer), event) => self.calls.pass(event, |event| F::write(writer, event, out)),
                // Nothing is said before it is known who says it.
                (None, _) => {}
            }
            if is_last {
                self.answer = S::after(&mut self.form);
                self.calls = HeldCalls::default();
                break;
            }
        }
        None
    }

    fn bytes_of(&mut self, step: Step) -> Vec<u8> {
        match step {
            Step::Said(bytes) => bytes,
            Step::Silent => {
                let mut bytes = Vec::new();
                F::write_heartbeat(&mut bytes);
                bytes
            }
            Step::Failed(mut bytes, end, error) => {
                self.form.write_end(self.writer.as_mut(), &error, end, &mut bytes);
                bytes
            }
        }
    }
}

/// The error of an answer of which more was taken back than a client of this API can be told.
fn taken_back<F: Form>(why: &str) -> ChatError {
    ChatError::new(ErrorKind::Protocol, format!("the answer was interrupted: {why}")).with_hint(F::TAKEN_BACK)
}

impl<F: Form, S: Source> Body for AnswerStream<F, S> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match std::mem::take(&mut self.ready) {
            waiting if !waiting.is_empty() => waiting,
            _ if self.answer.is_none() => return Poll::Ready(None),
            _ => {
                let step = ready!(self.poll_step(cx));
                match self.bytes_of(step) {
                    nothing if nothing.is_empty() => return Poll::Ready(None),
                    bytes => bytes,
                }
            }
        };
        Poll::Ready(Some(Ok(Frame::data(bytes.into()))))
    }

    /// With this the last piece and the end of the body leave in one write.
    fn is_end_stream(&self) -> bool {
        self.answer.is_none() && self.ready.is_empty()
    }
}
