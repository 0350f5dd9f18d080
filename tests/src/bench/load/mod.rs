//! The load generator: clients that ask one after another or hold streams open, and check every answer to its last
//! byte. A wrong answer ends the bench: figures of a proxy that loses text are worth nothing.

mod check;
mod clients;
mod connection;

pub(crate) use self::clients::{Held, Load, Seen, hold, saturate, time_first_tokens};
pub(crate) use self::connection::{Address, Connection, Question, Wrong};
