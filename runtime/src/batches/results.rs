//! Results as they are read: line by line, bounded, and booked once.

use std::collections::HashMap;

use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use greenroom_actors::{Asker, BatchLeave, BookedLine, store::Batch};
use greenroom_providers::Price;
use greenroom_wire::{
    ChatError, ErrorKind,
    batch::{BatchResult, decode_result, encode_result},
};

use super::{
    BatchError, Batches,
    record::{BATCHES, Kept, moment, now},
};

/// Lines and bytes of one piece, about.
const MOST_LINES: usize = 256;
const MOST_BYTES: usize = 256 << 10;
/// A single line is no longer; an answer with pictures may be large.
const LONGEST: usize = 64 << 20;
/// Under whose name answers are booked.
const OWNER: &str = "admin";

/// The results of a batch, read piece by piece.
pub struct BatchResults {
    batches: Batches,
    id: String,
    kept: Kept,
    leave: BatchLeave,
    raw: bool,
    /// Which part comes next, of how many.
    part: usize,
    parts: usize,
    open: Option<BoxStream<'static, Result<Bytes, ChatError>>>,
    /// What came and is no whole line yet.
    rest: Vec<u8>,
    /// Up to where there is no end of a line in it.
    looked: usize,
    /// How many lines came before.
    lines: u64,
    prices: HashMap<String, Option<Price>>,
}

impl std::fmt::Debug for BatchResults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchResults").field("id", &self.id).field("lines", &self.lines).finish_non_exhaustive()
    }
}

impl BatchResults {
    pub(super) async fn begin(
        batches: Batches,
        id: &str,
        kept: Kept,
        leave: BatchLeave,
        raw: bool,
    ) -> Result<Self, BatchError> {
        let status = kept.status.as_ref().ok_or(BatchError::NotFound)?;
        let parts = leave.batches().map_err(BatchError::Provider)?.parts(status);
        let mut results = Self {
            batches,
            id: id.to_owned(),
            kept,
            leave,
            raw,
            part: 0,
            parts,
            open: None,
            rest: Vec::new(),
            looked: 0,
            lines: 0,
            prices: HashMap::new(),
        };
        results.open_next().await?;
        Ok(results)
    }

    /// The next lines, whole ones; `None` after the last.
    ///
    /// # Errors
    /// What is left can't be had, or what was used can't be booked. Reading again begins at the first line.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BatchError> {
        let (mut out, mut booked) = (Vec::new(), Vec::new());
        while booked.len() < MOST_LINES && out.len() < MOST_BYTES {
            let Some(line) = self.line().await? else { break };
            let read = decode_result(self.kept.form, &line, &self.kept.names).map_err(BatchError::Provider)?;
            if self.raw {
                out.extend_from_slice(&line);
                out.push(b'\n');
            } else {
                let created = self.kept.status.as_ref().and_then(|status| status.ended).unwrap_or_else(now);
                out.extend(encode_result(&read, created));
            }
            booked.push(self.booking(&read).await);
        }
        if booked.is_empty() {
            return Ok(None);
        }
        let from = self.lines;
        self.lines += u64::try_from(booked.len()).unwrap_or(u64::MAX);
        self.batches.book(&self.id, from, &booked).await?;
        Ok(Some(out.into()))
    }

    /// The next line that isn't empty.
    async fn line(&mut self) -> Result<Option<Vec<u8>>, BatchError> {
        loop {
            if let Some(end) = self.rest[self.looked..].iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=self.looked + end).collect();
                self.looked = 0;
                if let line @ [_, ..] = line.trim_ascii() {
                    return Ok(Some(line.to_vec()));
                }
                continue;
            }
            self.looked = self.rest.len();
            if self.looked > LONGEST {
                let error = ChatError::new(ErrorKind::Protocol, format!("a line is longer than {LONGEST} bytes"));
                return Err(BatchError::Provider(error));
            }
            let Some(open) = &mut self.open else { return Ok(None) };
            match open.next().await {
                Some(piece) => self.rest.extend_from_slice(&self.leave.hear(piece).map_err(BatchError::Provider)?),
                None => {
                    // A file may end without the end of its last line.
                    self.rest.push(b'\n');
                    self.open_next().await?;
                }
            }
        }
    }

    async fn open_next(&mut self) -> Result<(), BatchError> {
        self.open = None;
        if self.part < self.parts {
            let batches = self.leave.batches().map_err(BatchError::Provider)?;
            let status = self.kept.status.as_ref().ok_or(BatchError::NotFound)?;
            let opened = batches.results(status, self.part, &self.leave.credential).await;
            self.open = Some(self.leave.hear(opened).map_err(BatchError::Provider)?);
            self.part += 1;
        }
        Ok(())
    }

    async fn booking(&mut self, read: &BatchResult) -> BookedLine {
        let told = read.outcome.as_ref().map_or("", |answer| answer.model());
        let model = self.kept.model_of(told);
        let price = match self.prices.get(&model) {
            Some(price) => *price,
            None => {
                let found = self.batches.0.system.batch_candidate(&format!("{}/{model}", self.kept.provider)).await;
                let price = found.ok().and_then(|who| who.model.price).map(Price::of_batch);
                // Whoever answers has few names for its models, but a wrong one might have many.
                if self.prices.len() < MOST_LINES {
                    self.prices.insert(model.clone(), price);
                }
                price
            }
        };
        BookedLine {
            provider: self.kept.provider.clone(),
            model,
            profile: self.kept.profile.clone(),
            asker: Asker::Client(OWNER.to_owned()),
            began: moment(self.kept.created),
            outcome: read.outcome.as_ref().map(|answer| answer.usage()).map_err(|error| error.kind),
            price,
        }
    }
}

impl Batches {
    /// Books lines of a batch's results, of which the first is the one at `from`; those that are booked already are not
    /// booked again.
    async fn book(&self, id: &str, from: u64, lines: &[BookedLine]) -> Result<(), BatchError> {
        let _alone = self.0.changing.lock().await;
        let mut kept = self.kept(id).await?;
        let known = usize::try_from(kept.booked.saturating_sub(from)).unwrap_or(usize::MAX);
        let Some(new @ [_, ..]) = lines.get(known..) else { return Ok(()) };
        kept.booked += u64::try_from(new.len()).unwrap_or(u64::MAX);
        let mut also = Batch::default();
        also.put(&BATCHES, &id.to_owned(), &kept).map_err(BatchError::NotKept)?;
        self.0.system.book_batch(new, also).await.map_err(BatchError::NotKept)
    }
}
