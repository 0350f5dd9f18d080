//! The requests of a batch on disk, from before it is handed over until the provider has it: a process that is killed
//! between can go on.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use greenroom_providers::batch::BatchBody;

use crate::store::make_dir;

/// Below the data directory.
const NAME: &str = "batches";
/// How much is read at a time.
const PIECE: usize = 256 << 10;

/// Where the requests of a batch are.
pub(super) fn place(data_dir: &Path, id: &str) -> PathBuf {
    data_dir.join(NAME).join(format!("{id}.jsonl"))
}

/// The ids of all batches whose requests are there. It blocks.
pub(super) fn all(data_dir: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(data_dir.join(NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut ids = Vec::new();
    for entry in entries {
        ids.extend(entry?.file_name().to_str().and_then(|name| name.strip_suffix(".jsonl")).map(str::to_owned));
    }
    Ok(ids)
}

/// A file that is being written. Dropping it removes it, unless it is finished.
#[derive(Debug)]
pub(super) struct Writing {
    path: PathBuf,
    file: BufWriter<File>,
    length: u64,
    finished: bool,
}

impl Writing {
    /// Begins a file that its user alone may read. It blocks.
    pub(super) fn begin(path: PathBuf) -> io::Result<Self> {
        path.parent().map_or(Ok(()), make_dir)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = BufWriter::new(options.open(&path)?);
        Ok(Self { path, file, length: 0, finished: false })
    }

    /// Writes more. It blocks.
    pub(super) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.length += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.file.write_all(bytes)
    }

    /// How much is written.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Ends the file, once the disk has all of it. It blocks.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        self.finished = true;
        Ok(self.length)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.finished {
            remove(&self.path);
        }
    }
}

/// Removes a file that nobody needs any more. One that isn't there is fine.
pub(super) fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!("the requests of a batch stay on disk, where nobody needs them: {error}");
        }
        _ => {}
    }
}

/// What is sent, read as it is sent.
pub(super) fn body(path: PathBuf, length: u64) -> BatchBody {
    let open = move || {
        let begun = Reading::Closed(path.clone());
        let pieces = stream::try_unfold(begun, |reading| async move {
            tokio::task::spawn_blocking(move || reading.next()).await.map_err(io::Error::other)?
        });
        pieces.boxed()
    };
    BatchBody { length, open: Arc::new(open) }
}

enum Reading {
    Closed(PathBuf),
    Open(File),
}

impl Reading {
    fn next(self) -> io::Result<Option<(Bytes, Self)>> {
        let mut file = match self {
            Self::Closed(path) => File::open(path)?,
            Self::Open(file) => file,
        };
        let mut piece = vec![0; PIECE];
        let length = file.read(&mut piece)?;
        piece.truncate(length);
        Ok((length > 0).then(|| (piece.into(), Self::Open(file))))
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;

    use super::*;

    #[tokio::test]
    async fn what_is_written_is_sent_as_often_as_it_is_opened_and_half_of_it_never_stays() {
        let dir = tempfile::tempdir().unwrap();
        assert!(all(dir.path()).unwrap().is_empty());
        let path = place(dir.path(), "batch_1");
        let mut writing = Writing::begin(path.clone()).unwrap();
        writing.put(b"half").unwrap();
        assert!(Writing::begin(path.clone()).is_err(), "another's is not written over");
        drop(writing);
        assert!(!path.exists());
        let mut writing = Writing::begin(path.clone()).unwrap();
        let text = vec![b'x'; PIECE + 7];
        writing.put(&text).unwrap();
        let length = writing.finish().unwrap();
        assert_eq!(all(dir.path()).unwrap(), ["batch_1"]);
        let body = body(path.clone(), length);
        for _ in 0..2 {
            let pieces: Vec<Bytes> = (body.open)().try_collect().await.unwrap();
            assert_eq!(pieces.concat(), text);
        }
        remove(&path);
        remove(&path);
        assert!((body.open)().try_collect::<Vec<_>>().await.is_err());
    }
}
