//! The wire of OpenAI's chat completions, both sides, on streams and bodies written for the purpose.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod answers;
mod calls;
mod completions;
mod errors;
mod harness;
mod laws;
mod refused;
mod requests;
mod serving;
mod streams;
