//! The ways in for programs that talk to models.

pub mod http;
pub mod ipc;
pub mod mcp;
