//! Standard output, a message a line: whole lines alone, and no more of them waiting than a few.

use std::io::{self, Write as _};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Lines that wait to be taken. A client that does not read has everybody wait who has something to say, up to the
/// provider's connection.
const WAITING: usize = 4;

/// Writes lines in a thread of its own, since a pipe that nobody reads takes none.
pub(super) struct Writer {
    lines: mpsc::Sender<Vec<u8>>,
    gone: CancellationToken,
    ended: CancellationToken,
}

impl Writer {
    pub(super) fn start() -> Self {
        let (lines, mut waiting) = mpsc::channel::<Vec<u8>>(WAITING);
        let (gone, ended) = (CancellationToken::new(), CancellationToken::new());
        let (is_gone, has_ended) = (gone.clone(), ended.clone().drop_guard());
        // Nobody waits for the thread itself: the end of the program is not held up by a pipe.
        std::thread::spawn(move || {
            let _ended = has_ended;
            let mut out = io::stdout().lock();
            while let Some(mut line) = waiting.blocking_recv() {
                line.push(b'\n');
                if let Err(error) = out.write_all(&line).and_then(|()| out.flush()) {
                    tracing::debug!("standard output takes no more: {error}");
                    is_gone.cancel();
                    return;
                }
            }
        });
        Self { lines, gone, ended }
    }

    /// Where lines are put, without their ends.
    pub(super) fn lines(&self) -> mpsc::Sender<Vec<u8>> {
        self.lines.clone()
    }

    /// Waits until nobody reads any more.
    pub(super) async fn gone(&self) {
        self.gone.cancelled().await;
    }

    /// Waits until all lines are written, once nobody else has where to put any.
    pub(super) async fn finish(self) {
        drop(self.lines);
        self.ended.cancelled().await;
    }
}
