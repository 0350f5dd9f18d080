//! Batches: many requests that are handed over together, answered within a day, and cheaper for it.
//!
//! A person's file has a request a line in any of three forms ([`decode_line`]); a provider is sent all of them in the form
//! of its own ([`BatchForm`]), says how far it is ([`BatchStatus`]), and gives lines again, which are read into one form
//! ([`decode_result`], [`encode_result`]).

mod anthropic;
mod form;
mod line;
mod openai;
mod result;
mod status;

pub use anthropic::{decode_batch as decode_anthropic_batch, decode_batches as decode_anthropic_batches};
pub use form::BatchForm;
pub use line::{Asked, BatchLine, decode_line};
pub use openai::{
    Upload, UploadedFile, decode_batch as decode_openai_batch, decode_batches as decode_openai_batches, decode_file,
    decode_files, encode_create,
};
pub use result::{BatchAnswer, BatchResult, decode_result, encode_result};
pub use status::{BatchCounts, BatchPhase, BatchStatus};

#[cfg(test)]
mod tests;
