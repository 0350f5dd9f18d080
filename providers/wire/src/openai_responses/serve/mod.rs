//! Answers, as a client reads them.
//!
//! What a client is told of an item at its end is made once: it stands in the item's last event, again in the response at
//! the end of the stream, and in a whole response, which is what a stream that nobody reads leaves.

mod annotation;
mod call;
mod echo;
mod frames;
mod growing;
mod heads;
mod items;
mod message;
mod opaque;
mod reasoning;
mod response;
mod usage;
mod writer;

pub use echo::Echo;
pub use response::Kept;
pub use writer::{Status, StreamWriter, whole_response};
