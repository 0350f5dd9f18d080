//! The wire of OpenAI's chat completions, both sides, on streams and bodies written for the purpose.

mod answers;
mod calls;
mod errors;
mod harness;
mod laws;
mod requests;
mod serving;
mod streams;
