//! What the bench's own servers have in common: how they say where they listen.

use std::io::{self, Write as _, stdout};
use std::net::Ipv4Addr;

use tokio::net::TcpListener;

/// Listens on a free port of loopback and prints the address, which whoever started this process waits for.
pub(crate) async fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    writeln!(stdout(), "http://{}", listener.local_addr()?)?;
    stdout().flush()?;
    Ok(listener)
}
