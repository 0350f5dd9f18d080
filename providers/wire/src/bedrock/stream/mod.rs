//! An answer, put together from events.

mod block;
mod calls;
mod decoder;

pub use decoder::ConverseDecoder;
