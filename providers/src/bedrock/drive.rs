//! The streaming loop, as [`crate::drive`] has it for the other providers: here it is the SDK that reads.

use std::{pin::pin, sync::Arc};

use aws_sdk_bedrockruntime::{
    error::SdkError,
    primitives::event_stream::EventReceiver,
    types::{ConverseStreamOutput, error::ConverseStreamOutputError},
};
use aws_smithy_types::event_stream::RawMessage;
use futures::FutureExt as _;
use greenroom_wire::{
    ChatError, ChatEvent, StreamState,
    bedrock::{ConverseDecoder, ToolNames, decode_answer},
};
use tokio::time::{Instant, sleep_until};

use super::{Bedrock, connector::Seen, error, events::event};
use crate::{
    ChatCall, Sink,
    drive::{LAST_LOOK, watched},
    watchdog::Watchdog,
};

/// Most events decoded before the sink is told.
const DRAIN: usize = 64;

type StreamError = SdkError<ConverseStreamOutputError, RawMessage>;
type Receiver = EventReceiver<ConverseStreamOutput, ConverseStreamOutputError>;

impl Bedrock {
    /// Asks with this body, and hands the answer to the sink as it comes.
    ///
    /// # Errors
    /// Why the attempt failed.
    pub(super) async fn answer(
        &self,
        call: ChatCall<'_>,
        body: Vec<u8>,
        names: ToolNames,
        sink: &mut dyn Sink,
    ) -> Result<(), ChatError> {
        let mut watchdog = Watchdog::new(*call.deadlines, Instant::now().into_std());
        let asked = async {
            let (client, seen) = self.clients.streaming(&self.endpoint, call.credential).await?;
            let request = client.converse_stream().model_id(call.model).customize();
            let sent = request.mutate_request(self.sent(body)?).send().await;
            sent.map(|answer| (answer.stream, seen)).map_err(error::of_request)
        };
        let (stream, seen) = watched(&mut watchdog, asked).await??;
        let (id, limits) = {
            let state = seen.state();
            (state.id.clone(), state.limits)
        };
        if !limits.is_empty() {
            sink.handle_limits(&limits);
        }
        let decoder = ConverseDecoder::new(names.clone(), id.as_str());
        let answer = Answer { decoder, names, id, seen, events: Vec::new(), end: None };
        answer.read(stream, &mut watchdog, sink).await
    }
}

/// An answer that is being read.
struct Answer {
    decoder: ConverseDecoder,
    names: ToolNames,
    id: String,
    seen: Arc<Seen>,
    /// What is to be handed over.
    events: Vec<ChatEvent>,
    /// How it ended, where the decoder does not say it: what came before is handed over first.
    end: Option<Result<(), ChatError>>,
}

impl Answer {
    async fn read(
        mut self,
        mut stream: Receiver,
        watchdog: &mut Watchdog,
        sink: &mut dyn Sink,
    ) -> Result<(), ChatError> {
        let mut timer = pin!(sleep_until(Instant::from_std(watchdog.deadline().0)));
        let mut looked = false;
        loop {
            let verdict_before = watchdog.deadline().1;
            tokio::select! {
                biased;
                received = stream.recv() => {
                    self.take(received);
                    // The connection's own task hands over one piece at a time; letting it run gathers what has come.
                    tokio::task::yield_now().await;
                    let mut count = 1;
                    while count < DRAIN && self.goes_on() && let Some(received) = stream.recv().now_or_never() {
                        self.take(received);
                        count += 1;
                    }
                    watchdog.handle_bytes(Instant::now().into_std());
                }
                () = timer.as_mut() => {
                    // Bytes that are no whole frame yet are a sign of life as well.
                    if let Some(at) = self.seen.state().last_byte {
                        watchdog.handle_bytes(at);
                    }
                    let (deadline, verdict) = watchdog.deadline();
                    if Instant::now().into_std() < deadline {
                        timer.as_mut().reset(Instant::from_std(deadline));
                        looked = false;
                        continue;
                    }
                    let came = match std::mem::replace(&mut looked, true) {
                        true => None,
                        false => tokio::time::timeout(LAST_LOOK, stream.recv()).await.ok(),
                    };
                    match (came, watchdog.failure(verdict)) {
                        (Some(received), _) => self.take(received),
                        (None, Some(failure)) => return Err(failure),
                        (None, None) => self.decoder.handle_end(),
                    }
                }
            }
            if self.hand_over(watchdog, sink) {
                return Ok(());
            }
            if let Some(end) = self.end {
                return end;
            }
            match self.decoder.state() {
                StreamState::Open => {}
                StreamState::Finishing => watchdog.handle_finishing(Instant::now().into_std()),
                StreamState::Done => return Ok(()),
                StreamState::Failed(error) => return Err(error.clone()),
            }
            let (deadline, verdict) = watchdog.deadline();
            if verdict != verdict_before && Instant::from_std(deadline) < timer.deadline() {
                timer.as_mut().reset(Instant::from_std(deadline));
                looked = false;
            }
        }
    }

    fn goes_on(&self) -> bool {
        self.end.is_none() && matches!(self.decoder.state(), StreamState::Open | StreamState::Finishing)
    }

    /// Takes what the SDK has read.
    fn take(&mut self, received: Result<Option<ConverseStreamOutput>, StreamError>) {
        match received {
            Ok(Some(output)) => self.decoder.handle_event(event(output)),
            Ok(None) => match self.seen.state().whole.take() {
                // Some gateways answer whole, whatever was asked for.
                Some(whole) => {
                    let answer = decode_answer(&whole, &self.names, &self.id);
                    self.end = Some(answer.map(|answer| self.events.extend(answer)));
                }
                None => self.decoder.handle_end(),
            },
            // The model was done already: a connection that breaks after that loses nothing.
            Err(_) if matches!(self.decoder.state(), StreamState::Finishing) => self.decoder.handle_end(),
            Err(failed) => self.end = Some(Err(error::of_stream(failed))),
        }
    }

    /// Gives what was decoded to the sink; true if it wants no more.
    fn hand_over(&mut self, watchdog: &mut Watchdog, sink: &mut dyn Sink) -> bool {
        self.events.extend(std::iter::from_fn(|| self.decoder.poll_event()));
        if self.events.is_empty() {
            return false;
        }
        if self.events.iter().any(ChatEvent::is_content) {
            watchdog.handle_content(Instant::now().into_std());
        }
        let wants = sink.take(&mut self.events);
        self.events.clear();
        wants.is_break()
    }
}
