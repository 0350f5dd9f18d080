//! The greenroom that holds the data directory, asked by every command that needs what is kept there.
//!
//! Whoever opens the store of a data directory holds it, and serves the others on its socket. A command finds such a
//! holder ([`holder`]) and attaches to it, or else becomes one ([`link`], [`holding`]); either way it asks through one
//! [`client`], as a holder within its own process. When a holder ends, one of those that were attached takes its place,
//! and the rest find that one: they read sessions on from their cursors ([`follow`]).

mod client;
mod events;
mod follow;
mod holder;
mod holding;
mod link;
mod refused;
mod session;
mod termination;

pub(crate) use client::{Answer, Ask, Client, Pieces, path};
pub(crate) use follow::Follower;
pub(crate) use holder::{ask_to_hand_over, beside, is_served, lacking, who};
pub(crate) use holding::{SOCKET, door};
pub(crate) use link::{Link, Need};
pub(crate) use refused::{accepted, failure, refused};
pub(crate) use session::{Talk, read};
