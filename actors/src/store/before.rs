//! What lay on disk before sled opened it, which blanks what it can't understand and only then fails.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// In bytes. Reading as much takes a few milliseconds; of a larger store only what sled leaves is left.
const MOST: u64 = 32 << 20;

/// The files of a store with their content.
#[derive(Debug)]
pub(super) struct Files(Vec<(PathBuf, Vec<u8>)>);

impl Files {
    /// `None` where they can't be read, or are too large.
    pub(super) fn read(dir: &Path) -> Option<Self> {
        let mut files = Vec::new();
        let mut size = 0;
        for entry in fs::read_dir(dir).ok()? {
            let path = entry.ok()?.path();
            let metadata = fs::symlink_metadata(&path).ok()?;
            if metadata.is_file() {
                size += metadata.len();
                if size > MOST {
                    return None;
                }
                files.push((path.clone(), fs::read(&path).ok()?));
            }
        }
        Some(Self(files))
    }

    /// Puts back what has changed.
    pub(super) fn restore(self) -> io::Result<()> {
        for (path, content) in self.0 {
            if fs::read(&path).ok().as_ref() != Some(&content) {
                fs::write(&path, content)?;
            }
        }
        Ok(())
    }
}
