//! What can go wrong with the store. Kinds decide; the texts are for people.

use std::{
    io,
    path::{Path, PathBuf},
};

/// A store that can't be opened. What lies on disk is as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another runtime has it open.
    #[error("another greenroom has {} open", path.display())]
    Held {
        /// The store.
        path: PathBuf,
    },
    /// A later version has written it.
    #[error("{} was written by a later version (format {found}, this one knows {known})", path.display())]
    Newer {
        /// The store.
        path: PathBuf,
        /// The format that it has.
        found: u32,
        /// The latest that this version knows.
        known: u32,
    },
    /// It can't be read, or isn't a store of greenroom's.
    #[error("{} is damaged, or no store of greenroom's: {what}", path.display())]
    Damaged {
        /// The store.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// It can't be written: no right, a read-only file system, no room.
    #[error("{} can't be written", path.display())]
    Unwritable {
        /// The store.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl OpenError {
    /// One line on what to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Held { .. } => "stop that one, or give this one a data directory of its own".to_owned(),
            Self::Newer { .. } => {
                "use that version of greenroom, or give this one a data directory of its own".to_owned()
            }
            Self::Damaged { .. } => {
                "`greenroom store repair` saves what can be read into a new store and keeps the old one beside it"
                    .to_owned()
            }
            Self::Unwritable { path, .. } => {
                let dir = path.parent().unwrap_or(path);
                format!("make room there, or give greenroom the right to write in {}", dir.display())
            }
        }
    }

    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }

    /// The same of a fault that showed itself as the store was opened.
    pub(super) fn of(path: &Path, fault: StoreError) -> Self {
        match fault {
            StoreError::Full => Self::Unwritable { path: path.to_owned(), source: io::ErrorKind::StorageFull.into() },
            StoreError::Unwritable { what } => {
                Self::Unwritable { path: path.to_owned(), source: io::Error::other(what) }
            }
            StoreError::Damaged { what } => Self::damaged(path, what),
            other => Self::damaged(path, other.to_string()),
        }
    }
}

/// An operation that a store could not do. After a failed write, what was to be written is there as a whole or not at
/// all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no room on the disk, or none that this user may take.
    #[error("there is no room left to write")]
    Full,
    /// The disk does not take what is written.
    #[error("the disk can't be written: {what}")]
    Unwritable {
        /// Why.
        what: String,
    },
    /// The store's files were removed or replaced while it was open.
    #[error("the files of the store were removed or replaced")]
    Gone,
    /// What was read makes no sense.
    #[error("the store is damaged: {what}")]
    Damaged {
        /// What is wrong with it.
        what: String,
    },
    /// A value is larger than the store takes.
    #[error("a value of {bytes} bytes is too large for the store, which takes {most}")]
    TooLarge {
        /// What it has.
        bytes: usize,
        /// The most.
        most: usize,
    },
    /// A sum or a position is past what can be counted.
    #[error("a number in the store is past what can be counted")]
    Overflow,
    /// What is to follow in a log does not begin where an entry of it ends.
    #[error("no entry of the log ends at position {position}")]
    Misplaced {
        /// Where it was to begin.
        position: u64,
    },
    /// The disk does not answer in time. What was to be written may be there later.
    #[error("the disk does not answer")]
    Slow,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// One line on what to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Full => "make room on the disk of the data directory; greenroom goes on by itself then",
            Self::Unwritable { .. } | Self::Slow => {
                "check the disk of the data directory and its rights; greenroom goes on by itself then"
            }
            Self::Gone => "restart greenroom: it begins with a new store, or with the files that were put back",
            Self::Damaged { .. } => "stop greenroom and run `greenroom store repair`",
            Self::TooLarge { .. } | Self::Overflow | Self::Misplaced { .. } | Self::Closed => {
                "this is a fault of greenroom's: please report it"
            }
        }
    }

    pub(super) fn of_io(error: &io::Error) -> Self {
        use io::ErrorKind as K;
        match error.kind() {
            K::StorageFull | K::QuotaExceeded | K::FileTooLarge => Self::Full,
            _ => Self::Unwritable { what: error.to_string() },
        }
    }
}
