//! What lies on disk.

use std::fs;
use std::io;
use std::path::Path;

/// Bytes of all files below a directory.
pub(super) fn size(dir: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let about = entry.metadata()?;
        sum += if about.is_dir() { size(&entry.path())? } else { about.len() };
    }
    Ok(sum)
}
