//! Sessions over HTTP: made, listed and asked by requests, read as server-sent events ([`sse`]) or through a WebSocket
//! ([`socket`]).

mod commands;
mod errors;
mod extract;
mod handshake;
mod requests;
mod routes;
mod socket;
mod sse;
mod wire;

pub(super) use routes::routes;
