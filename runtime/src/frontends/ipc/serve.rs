//! The loop: lines in, and the lines of all answers out.
//!
//! One task does all of it. An answer is pulled only as its lines are taken: each waits in a row with the others for its
//! turn at the output, a piece at a time, so that a reader who stalls stalls them all, and a fast answer starves none.

use std::{io, pin::pin, time::Duration};

use bytes::Bytes;
use futures::{
    Stream, StreamExt as _,
    stream::{FuturesUnordered, LocalBoxStream},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::mpsc,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    envelope::{self, Action, Id, Wish},
    flights::{Ended, Flight, Flights, MOST},
    lines::{Line, Lines},
    words::{Refusal, Tagged, last},
};

/// Pieces of output that wait to be written, beside the one that is.
const QUEUE: usize = 2;
/// Refusals and cancellations that are on their way at most, before no more lines are read.
const ASIDE: usize = 64;
/// How much is read at once, in bytes.
const READ: usize = 64 << 10;
/// How long answers may go on once the program is asked to stop.
const GRACE: Duration = Duration::from_secs(5);
/// How long the last lines may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Who answers.
pub trait Asker {
    /// Asks what a line says. The answer comes as lines without an id, in pieces cut anywhere; dropping it cancels.
    fn ask(&self, line: Bytes, action: Action) -> impl Stream<Item = Result<Bytes, Refusal>>;
}

/// Answers lines until the input ends, and then what is in flight. Once `stop` is cancelled no more lines are read, and
/// what is in flight has 5 seconds to end before it is told why it does not.
///
/// # Errors
/// The output takes no more; nothing is in flight any more then.
pub async fn serve(
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
    asker: &impl Asker,
    stop: &CancellationToken,
) -> io::Result<()> {
    let (out, queue) = mpsc::channel(QUEUE);
    let mut writing = pin!(write(queue, output));
    let server = Server { asker, flights: Flights::default(), out };
    tokio::select! {
        // It ends by itself only where nothing can be written.
        written = &mut writing => return written,
        () = answer_all(&server, input, stop) => {}
    }
    // The end of the row of what is written.
    drop(server);
    tokio::select! {
        written = &mut writing => return written,
        () = stop.cancelled() => {}
    }
    // A reader that does not even take the last words is left.
    timeout(LAST_WORDS, writing).await.unwrap_or(Ok(()))
}

/// Takes lines, and answers them to their ends.
async fn answer_all<A: Asker>(server: &Server<'_, A>, input: impl AsyncRead + Unpin, stop: &CancellationToken) {
    let mut input = Input::new(input);
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(()) = running.next() => {}
            line = input.next(), if running.len() < MOST + ASIDE => match line {
                Some(line) => running.push(server.carry_out(server.begin(line))),
                None => break,
            },
        }
    }
    let mut finishing = pin!(async { while running.next().await.is_some() {} });
    tokio::select! {
        () = &mut finishing => return,
        () = stop.cancelled() => {}
    }
    if timeout(GRACE, &mut finishing).await.is_err() {
        server.flights.end_all();
        let _told = timeout(LAST_WORDS, &mut finishing).await;
    }
}

async fn write(mut queue: mpsc::Receiver<Bytes>, mut output: impl AsyncWrite + Unpin) -> io::Result<()> {
    while let Some(piece) = queue.recv().await {
        output.write_all(&piece).await?;
        output.flush().await?;
    }
    Ok(())
}

/// The lines of an input.
struct Input<R> {
    input: R,
    lines: Lines,
    read: Vec<u8>,
    /// What of `read` is not split yet.
    left: std::ops::Range<usize>,
    ended: bool,
}

impl<R: AsyncRead + Unpin> Input<R> {
    fn new(input: R) -> Self {
        Self { input, lines: Lines::default(), read: vec![0; READ], left: 0..0, ended: false }
    }

    /// The next line; `None` at the end. Safe to drop while it waits.
    async fn next(&mut self) -> Option<Line> {
        loop {
            let mut left = &self.read[self.left.clone()];
            let line = self.lines.next(&mut left);
            self.left.start = self.left.end - left.len();
            if line.is_some() {
                return line;
            }
            if self.ended {
                return self.lines.end();
            }
            match self.input.read(&mut self.read).await {
                Ok(length @ 1..) => self.left = 0..length,
                Ok(0) => self.ended = true,
                Err(error) => {
                    tracing::warn!("the input can't be read further: {error}");
                    self.ended = true;
                }
            }
        }
    }
}

struct Server<'a, A> {
    asker: &'a A,
    flights: Flights,
    out: mpsc::Sender<Bytes>,
}

/// What is to be done about a line.
enum Begun {
    Refuse(Option<Id>, Refusal),
    Cancel(Option<Id>, Option<CancellationToken>),
    Answer { flight: Flight, line: Bytes, action: Action, limit: Option<Duration> },
}

impl<A: Asker> Server<'_, A> {
    /// Takes a line in, in the order of the lines: what it says of others holds from here on.
    fn begin(&self, line: Line) -> Begun {
        let line = match line {
            Line::Whole(line) => line,
            Line::TooLong => {
                let hint = "send pictures and documents by their addresses, or ask by HTTP";
                return Begun::Refuse(None, Refusal::bad("the line is longer than 16 MiB", hint));
            }
        };
        let (id, wish) = envelope::read(&line);
        let begun = wish.and_then(|wish| match wish {
            Wish::Cancel(other) => {
                self.flights.check(id.as_ref())?;
                Ok(Begun::Cancel(id.clone(), self.flights.cancel(&other)))
            }
            Wish::Answer { action, timeout } => {
                let flight = self.flights.begin(id.clone())?;
                Ok(Begun::Answer { flight, line: line.into(), action, limit: timeout })
            }
        });
        begun.unwrap_or_else(|refusal| Begun::Refuse(id, refusal))
    }

    async fn carry_out(&self, begun: Begun) {
        match begun {
            Begun::Refuse(id, refusal) => self.tell(id.as_ref(), &refusal.line()).await,
            Begun::Cancel(id, over) => {
                if let Some(over) = over {
                    over.cancelled().await;
                }
                self.tell(id.as_ref(), &last(&true)).await;
            }
            Begun::Answer { flight, line, action, limit } => {
                let refusal = tokio::select! {
                    biased;
                    ended = flight.ended() => Some(told(ended)),
                    () = after(limit) => Some(timed_out(limit)),
                    outcome = self.pass(flight.id(), line, action) => outcome.err(),
                };
                if let Some(refusal) = refusal {
                    self.tell(flight.id(), &refusal.line()).await;
                }
                // Here, before its last line can have been read: its id is free to whoever has read that.
                drop(flight);
            }
        }
    }

    /// Passes an answer on as it comes.
    async fn pass(&self, id: Option<&Id>, line: Bytes, action: Action) -> Result<(), Refusal> {
        let mut answer: LocalBoxStream<'_, _> = self.asker.ask(line, action).boxed_local();
        let mut tagged = Tagged::new(id);
        while let Some(piece) = answer.next().await {
            let (lines, is_last) = tagged.take(&piece?);
            if !lines.is_empty() {
                self.put(lines).await;
            }
            if is_last {
                return Ok(());
            }
        }
        let message = "the answer broke off inside greenroom";
        Err(Refusal::new("server", message, "ask again; run it with -vv to see more"))
    }

    /// Writes the line that ends an answer.
    async fn tell(&self, id: Option<&Id>, line: &[u8]) {
        self.put(Tagged::new(id).take(line).0).await;
    }

    /// Waits for a turn at the output. Whole lines are in each piece, and a piece is written whole or not at all.
    async fn put(&self, lines: Vec<u8>) {
        // It is closed only once the loop is over.
        let _closed = self.out.send(lines.into()).await;
    }
}

fn told(ended: Ended) -> Refusal {
    match ended {
        Ended::Cancelled => Refusal::new("cancelled", "the request was cancelled", "ask again"),
        Ended::ShuttingDown => Refusal::new("overloaded", "greenroom is shutting down", "ask again once it is back"),
    }
}

async fn after(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

fn timed_out(limit: Option<Duration>) -> Refusal {
    let limit = limit.unwrap_or_default().as_millis();
    Refusal::new("timeout", format!("the request was not answered within {limit} ms"), "allow more in timeout")
}
