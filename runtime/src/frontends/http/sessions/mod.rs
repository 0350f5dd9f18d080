//! Sessions over HTTP: made, listed and asked by requests, read as server-sent events ([`sse`]) or through a WebSocket
//! ([`socket`]).

mod commands;
mod ephemeral;
mod errors;
mod extract;
mod handshake;
mod requests;
mod routes;
mod socket;
mod sse;
mod wire;

pub(super) use ephemeral::{Ephemerals, ephemeral_routes};
pub(super) use errors::ApiError;
pub(super) use extract::{read, read_or_default};
pub(super) use routes::routes;
