//! Ollama's own wire, on streams and bodies written for the purpose.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod answers;
mod errors;
mod harness;
mod laws;
mod requests;
mod streams;
