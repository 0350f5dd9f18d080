//! What holds for a conversation on every wire, and for answers from one wire to another.

mod accepted;
mod accepted_gemini;
mod accepted_responses;
mod calls;
mod growing;
mod language;
mod losses;
mod opaque;
mod survives;
mod wild;
mod wires;
