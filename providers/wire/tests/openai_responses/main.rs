//! OpenAI's Responses API, by hand-written traffic.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod answers;
mod errors;
mod harness;
mod history;
mod kept;
mod laws;
mod laws_requests;
mod requests;
mod served;
mod serving;
mod serving_laws;
mod shapes;
mod streams;
