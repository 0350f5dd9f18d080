//! What is logged: to standard error, quiet unless asked.

use std::io;

use greenroom::config::Environment;
use tracing::Level;
use tracing_subscriber::{
    EnvFilter, Layer as _, filter::ParseError, filter::filter_fn, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// The variable with a filter in the words of `tracing` ("info", "greenroom_actors=debug").
pub(crate) const VARIABLE: &str = "GREENROOM_LOG";

/// Logs from now on. The variable goes before `verbosity`, which is the number of `-v` flags. A daemon's log is all that
/// is seen of it; other commands tell the person themselves what has failed.
///
/// # Errors
/// The variable holds no filter.
pub(crate) fn start(daemon: bool, verbosity: u8, environment: &Environment, colours: bool) -> Result<(), ParseError> {
    let usual = match verbosity {
        // What clients of MCP get wrong is told to them, and that one left before its answer, which its library calls an
        // error, is no matter of the server's.
        0 if !daemon => "error,rmcp=off",
        0 => "warn,rmcp=off",
        1 => "warn,rmcp=error,greenroom=info",
        2 => "info,rmcp=warn,greenroom=debug",
        _ => "info,rmcp=warn,greenroom=trace",
    };
    let filter = EnvFilter::builder().parse(environment.text(VARIABLE).unwrap_or(usual))?;
    // At their lowest levels the HTTP libraries write out headers, and with them keys.
    let no_headers =
        filter_fn(|metadata| metadata.target().starts_with("greenroom") || *metadata.level() <= Level::INFO);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(colours).with_filter(no_headers);
    // One is there already only if this is called twice, and then the first goes on.
    let _already = tracing_subscriber::registry().with(filter).with(lines).try_init();
    Ok(())
}
