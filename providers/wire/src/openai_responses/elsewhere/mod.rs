//! Tools that only the Responses API knows, told to a provider that is spoken to in another wire.
//!
//! - A custom tool, which takes a text, is told as a function whose only argument is that text. A grammar that its text has
//!   to follow can only be described there, so that nothing holds the model to it.
//! - The functions of a namespace are told each by itself, as `namespace__function`.
//! - A search of the web, and a search among tools that were not sent, are left out where there is another tool: they are
//!   offered on the side by programs that do their work without.
//!
//! What else the provider runs, or is answered in items of its own, can't be told, and neither can a choice of what is left
//! out. The calls of an answer are told back as of the tools that they are of, so that its reader, and whoever is asked
//! next, sees no difference.

mod answer;
mod request;
mod tools;

#[cfg(test)]
mod tests;

pub use answer::ToolForms;
pub use request::{only_here, tell};
