//! An answer, put together from events.

mod block;
mod decoder;

pub use decoder::ConverseDecoder;
