//! What holds for a conversation on every wire, and for answers from one wire to another.

mod calls;
mod growing;
mod language;
mod opaque;
mod survives;
mod wires;
