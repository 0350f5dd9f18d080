//! What can't be done about batches, and why.

use std::{io, sync::Arc};

use greenroom_actors::store::StoreError;

use crate::{ChatError, ErrorKind};

/// Why a batch was not handed over, or is not told of.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BatchError {
    /// There is no data directory, in which it would be kept what was handed over.
    #[error("batches need a data directory")]
    NoStore,
    /// There is no such batch.
    #[error("there is no batch of this id")]
    NotFound,
    /// There are no requests.
    #[error("the file has no requests")]
    Empty,
    /// A line is wrong.
    #[error("line {line}: {error}")]
    Line {
        /// Which, from 1 on.
        line: u64,
        /// What is wrong with it.
        error: ChatError,
    },
    /// Two lines have the same id.
    #[error("line {line}: the id \"{id}\" is that of line {first} as well")]
    Twice {
        /// The second.
        line: u64,
        /// The first.
        first: u64,
        /// Of both.
        id: String,
    },
    /// An id that the provider does not take.
    #[error("line {line}: {provider} does not take the id \"{id}\"")]
    BadId {
        /// Which line.
        line: u64,
        /// Its id.
        id: String,
        /// Who does not take it.
        provider: String,
    },
    /// The lines are for several providers.
    #[error("line {line}: {other} is asked, while line {first} asks {provider}: a batch is of one provider")]
    Several {
        /// The first line of the other provider.
        line: u64,
        /// The other provider.
        other: String,
        /// The first line of all.
        first: u64,
        /// Its provider.
        provider: String,
    },
    /// The lines are for more models than the provider takes in one batch.
    #[error("line {line}: there are more models than {most} in the batch, which {provider} does not take")]
    Models {
        /// The first line with one too many.
        line: u64,
        /// Most models.
        most: usize,
        /// Who does not take it.
        provider: String,
    },
    /// Answers and vectors are asked for in one batch.
    #[error("line {line}: answers and vectors can't be asked for in one batch")]
    Mixed {
        /// The first line that does not fit those before.
        line: u64,
    },
    /// A tool has a name that has to be sent in another form, which is another tool's.
    #[error("line {line}: a name of a tool can't be told apart from one of the lines before")]
    Names {
        /// Which line.
        line: u64,
    },
    /// There are too many requests.
    #[error("there are {count} requests; {provider} takes {most} in a batch")]
    TooMany {
        /// How many.
        count: u64,
        /// Most of them.
        most: u64,
        /// Who does not take them.
        provider: String,
    },
    /// The requests are too large together.
    #[error("line {line}: the requests are larger than {most} bytes together, which {provider} takes in a batch")]
    TooLarge {
        /// The first line that is too much.
        line: u64,
        /// Most bytes.
        most: u64,
        /// Who does not take them.
        provider: String,
    },
    /// It has not ended yet.
    #[error("the batch has not ended: it is {state}")]
    NotEnded {
        /// How far it is.
        state: &'static str,
    },
    /// It has ended before.
    #[error("the batch has ended: it is {state}")]
    Ended {
        /// How.
        state: &'static str,
    },
    /// It is being handed over now.
    #[error("the batch is being handed over")]
    UnderWay,
    /// There is nothing of it at the provider.
    #[error("the batch failed: {0}")]
    Failed(String),
    /// The provider does not do it, or isn't reached.
    #[error("{0}")]
    Provider(ChatError),
    /// What was told of it is not kept.
    #[error("what becomes of the batch can't be kept")]
    NotKept(#[source] StoreError),
    /// What is kept can't be read.
    #[error("what is kept of batches can't be read")]
    Unreadable(#[source] StoreError),
    /// The requests can't be written down or read again.
    #[error("the requests of the batch can't be kept: {0}")]
    Spool(Arc<io::Error>),
}

impl BatchError {
    /// Which kind of error it is, in the words of a failed answer.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound => ErrorKind::NotFound,
            Self::Provider(error) | Self::Line { error, .. } => error.kind,
            Self::NoStore | Self::NotKept(_) | Self::Unreadable(_) | Self::Spool(_) | Self::Failed(_) => {
                ErrorKind::Server
            }
            _ => ErrorKind::InvalidRequest,
        }
    }

    /// One line on what to do.
    pub fn hint(&self) -> &str {
        match self {
            Self::NoStore => "name a data directory that can be written",
            Self::NotFound => "`greenroom batch list` shows those there are",
            Self::Empty => "write a request a line, such as {\"id\": \"a\", \"prompt\": \"hello\"}",
            Self::Line { error, .. } => error
                .details
                .hint
                .as_deref()
                .unwrap_or("mend the line; nothing was sent. `greenroom batch submit --help` shows the forms"),
            Self::Twice { .. } => "give each line an id of its own, or none; nothing was sent",
            Self::BadId { .. } => "use 1 to 64 of A-Z a-z 0-9 _ - as ids; nothing was sent",
            Self::Several { .. } => {
                "make a file for each provider, or name one model for all with -m; nothing was sent"
            }
            Self::Models { .. } => "make a file for each model, or name one for all with -m; nothing was sent",
            Self::Mixed { .. } => "make a file for each; nothing was sent",
            Self::Names { .. } => "give tools names of letters, digits, _ and - alone; nothing was sent",
            Self::TooMany { .. } | Self::TooLarge { .. } => "make several files of it; nothing was sent",
            Self::NotEnded { .. } => "`greenroom batch status ID --wait` waits for its end",
            Self::Ended { .. } => "`greenroom batch results ID` prints what was answered",
            Self::UnderWay => "try again in a moment",
            Self::Failed(_) => "mend what it says, and submit it again",
            Self::Provider(error) => error
                .details
                .hint
                .as_deref()
                .unwrap_or("`greenroom providers status` says how the provider and its keys are"),
            Self::NotKept(fault) | Self::Unreadable(fault) => fault.hint(),
            Self::Spool(_) => "check the free space and the rights of the data directory",
        }
    }
}

impl From<io::Error> for BatchError {
    fn from(error: io::Error) -> Self {
        Self::Spool(Arc::new(error))
    }
}
