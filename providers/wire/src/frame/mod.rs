//! Cutting a body into frames.

pub mod sse;

pub use sse::{FrameError, SseFrame, SseFramer};
