//! Running the built `greenroom` program, each test in a home of its own.

mod binary;
mod daemon;
mod home;

pub use rustix::process::Signal;

pub use self::binary::greenroom;
pub use self::daemon::Daemon;
pub use self::home::{Home, Output};
