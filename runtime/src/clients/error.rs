//! What can't be done about clients, and why.

use greenroom_actors::store::StoreError;

use crate::ErrorKind;

/// Why a client was not made or revoked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The name can't be one.
    #[error("this can't be the name of a client")]
    BadName,
    /// The name is greenroom's own.
    #[error("the name is reserved")]
    Reserved,
    /// A pattern of models is empty, too long, or holds control characters.
    #[error("this can't be a pattern of models")]
    BadModel,
    /// There are too many patterns.
    #[error("too many patterns of models")]
    TooManyModels,
    /// There is a client of this name.
    #[error("there is a client of this name")]
    Taken,
    /// There is no client of this name.
    #[error("there is no client of this name")]
    NotFound,
    /// The disk does not take the client, or what is new of it, which there isn't then.
    #[error("what is said of the client can't be kept")]
    NotKept(#[source] StoreError),
    /// The token is refused, and the disk does not take that.
    #[error("the client's token is refused from now on, but that can't be kept")]
    NotRevoked(#[source] StoreError),
}

impl ClientError {
    /// Which kind of error it is, in the words of a failed answer.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::BadName | Self::Reserved | Self::BadModel | Self::TooManyModels | Self::Taken => {
                ErrorKind::InvalidRequest
            }
            Self::NotFound => ErrorKind::NotFound,
            Self::NotKept(_) | Self::NotRevoked(_) => ErrorKind::Server,
        }
    }

    /// One line on what to do.
    pub fn hint(&self) -> &str {
        match self {
            Self::BadName => "use 1 to 64 of A-Z a-z 0-9 . _ -, with a letter or a digit among them",
            Self::Reserved => "choose another name than \"admin\" and \"library\"",
            Self::BadModel => "write the name of a model as it is asked for, such as \"openai/*\", in 1 to 256 bytes",
            Self::TooManyModels => "use 64 at most; \"*\" in one stands for any text",
            Self::Taken => "choose another name, or revoke that one first; its sessions stay",
            Self::NotFound => "`greenroom auth client list` lists them",
            Self::NotKept(fault) | Self::NotRevoked(fault) => fault.hint(),
        }
    }
}
