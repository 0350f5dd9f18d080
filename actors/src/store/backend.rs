//! Where bytes are kept: on disk, in memory, or for now nowhere.

use std::collections::BTreeMap;

use super::{StoreError, disk::Disk, memory::Memory};

/// What is to be written, `None` for what is to go.
pub(super) type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;
/// A key with its value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// Where bytes are kept.
#[derive(Debug)]
pub(super) enum Backend {
    Disk(Disk),
    Memory(Memory),
    /// The disk could not be had again after this, or the store was closed.
    Absent(StoreError),
}

/// What of a range is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    /// The first ones, up to the one with which they have this many bytes.
    Bytes(usize),
    /// The first ones, as many as this.
    Count(usize),
    /// The keys of the first ones, as many as this, with empty values.
    Keys(usize),
    /// The last one.
    Last,
}

impl Wanted {
    /// The same value, or none where only keys are wanted.
    pub(super) fn value(self, value: &[u8]) -> Vec<u8> {
        if matches!(self, Self::Keys(_)) { Vec::new() } else { value.to_vec() }
    }

    /// Takes what is wanted from a range.
    pub(super) fn of(
        self,
        mut range: impl DoubleEndedIterator<Item = Result<Pair, StoreError>>,
    ) -> Result<Vec<Pair>, StoreError> {
        match self {
            Self::All => range.collect(),
            Self::Count(most) | Self::Keys(most) => range.take(most).collect(),
            Self::Last => range.next_back().into_iter().collect(),
            Self::Bytes(most) => {
                let mut taken = 0;
                let mut pairs = Vec::new();
                for pair in range {
                    let pair = pair?;
                    taken += pair.1.len();
                    pairs.push(pair);
                    if taken >= most {
                        break;
                    }
                }
                Ok(pairs)
            }
        }
    }
}

impl Backend {
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Self::Disk(disk) => disk.get(key),
            Self::Memory(memory) => Ok(memory.get(key)),
            Self::Absent(why) => Err(why.clone()),
        }
    }

    /// Keys from `from` up to but without `to`, in order.
    pub(super) fn range(&self, from: &[u8], to: &[u8], wanted: Wanted) -> Result<Vec<Pair>, StoreError> {
        if from >= to {
            return Ok(Vec::new());
        }
        match self {
            Self::Disk(disk) => disk.range(from, to, wanted),
            Self::Memory(memory) => {
                wanted.of(memory.range(from, to).map(|(key, value)| Ok((key.clone(), wanted.value(value)))))
            }
            Self::Absent(why) => Err(why.clone()),
        }
    }
}
