//! Cutting a body into frames.

pub mod ndjson;
pub mod objects;
pub mod sse;

pub use ndjson::NdjsonFramer;
pub use objects::ObjectFramer;
pub use sse::{FrameError, SseFrame, SseFramer};
