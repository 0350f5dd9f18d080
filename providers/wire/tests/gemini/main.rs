//! Gemini's wire, on streams and bodies written for the purpose.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod answers;
mod calls;
mod errors;
mod harness;
mod laws;
mod laws_requests;
mod refused;
mod requests;
mod results;
mod signatures;
mod streams;
