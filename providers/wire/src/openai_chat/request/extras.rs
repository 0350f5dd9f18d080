//! The extras that belong on this wire.

use crate::chat::{Extra, Wire};
pub(super) use crate::extras::Extras;

pub(super) fn own(list: &[Extra]) -> Extras<'_> {
    Extras::new(Wire::OpenaiChat, list)
}
