//! The file with the requests.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read},
    path::Path,
};

use crate::cli::Failure;

/// More than any provider takes, and what is taken by the socket of a data directory.
const MOST: u64 = 256 << 20;

/// All of a file, or of standard input.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    if file == Path::new("-") {
        if io::stdin().is_terminal() {
            return Err(Failure::usage("there is nothing to submit", "name a file, or pipe in a request a line"));
        }
        let lines = bounded(io::stdin().lock());
        return lines
            .map_err(|error| Failure::failed(format!("can't read standard input: {error}"), "check what is piped in"))?
            .ok_or_else(too_large);
    }
    let told = |error| {
        Failure::usage(format!("can't read {}: {error}", file.display()), "name a file that this user may read")
    };
    bounded(File::open(file).map_err(told)?).map_err(told)?.ok_or_else(too_large)
}

/// `None` if there is more than any provider takes.
fn bounded(from: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let read = from.take(MOST + 1).read_to_end(&mut bytes)?;
    Ok((u64::try_from(read).unwrap_or(u64::MAX) <= MOST).then_some(bytes))
}

fn too_large() -> Failure {
    Failure::usage(format!("the requests are larger than {MOST} bytes"), "make several files of it")
}
