//! Cutting a body into frames.

pub mod ndjson;
pub mod sse;

pub use ndjson::NdjsonFramer;
pub use sse::{FrameError, SseFrame, SseFramer};
