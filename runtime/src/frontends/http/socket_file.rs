//! A Unix domain socket at a path.

pub(super) use system::{SocketFile, SocketStream};

#[cfg(unix)]
mod system {
    use std::{
        fs, io,
        os::unix::{fs::MetadataExt as _, fs::PermissionsExt as _, net::UnixStream as StdStream},
        path::{Path, PathBuf},
    };

    use tokio::net::{UnixListener, UnixStream};

    /// A connection through a socket.
    pub(in super::super) type SocketStream = UnixStream;

    /// Where a socket is made before it is moved to its place, so that nobody ever finds one there that is open to
    /// others or not listened on. Shorter than any name it could get, for the sake of the limit of paths.
    const FRESH: &str = ".sock";

    /// A socket that is listened on; its file is removed with it.
    #[derive(Debug)]
    pub(in super::super) struct SocketFile {
        listener: UnixListener,
        path: PathBuf,
        /// Tells our file from one that another has put in its place.
        inode: u64,
    }

    impl SocketFile {
        pub(in super::super) fn bind(path: &Path) -> io::Result<Self> {
            if StdStream::connect(path).is_ok() {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            let fresh = path.with_file_name(FRESH);
            match fs::remove_file(&fresh) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let listener = UnixListener::bind(&fresh)?;
            fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600))?;
            let inode = fs::symlink_metadata(&fresh)?.ino();
            fs::rename(&fresh, path)?;
            Ok(Self { listener, path: path.to_owned(), inode })
        }

        pub(in super::super) async fn accept(&self) -> io::Result<SocketStream> {
            self.listener.accept().await.map(|(stream, _)| stream)
        }
    }

    impl Drop for SocketFile {
        fn drop(&mut self) {
            let ours = fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode);
            if ours && let Err(error) = fs::remove_file(&self.path) {
                tracing::debug!("the socket {} stays where it is: {error}", self.path.display());
            }
        }
    }

    #[cfg(test)]
    mod tests {
        #![allow(clippy::unwrap_used, reason = "a test that fails is to fail")]

        use super::*;

        fn mode(path: &Path) -> u32 {
            fs::symlink_metadata(path).unwrap().mode() & 0o777
        }

        #[tokio::test]
        async fn a_socket_is_its_users_alone_and_gone_with_its_listener() {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("socket");
            let socket = SocketFile::bind(&path).unwrap();
            assert_eq!(mode(&path), 0o600);
            StdStream::connect(&path).unwrap();
            drop(socket);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        }

        #[tokio::test]
        async fn a_socket_that_is_listened_on_is_not_taken_and_one_that_was_left_is() {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("socket");
            let first = SocketFile::bind(&path).unwrap();
            assert_eq!(SocketFile::bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
            StdStream::connect(&path).unwrap();
            // What a process leaves that is killed: the file, and nobody who listens.
            fs::remove_file(&path).unwrap();
            drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            let second = SocketFile::bind(&path).unwrap();
            drop(first);
            StdStream::connect(&path).unwrap();
            drop(second);
            assert!(!path.exists());
        }

        #[tokio::test]
        async fn a_path_that_is_too_long_is_an_error_that_says_so() {
            let dir = tempfile::tempdir().unwrap();
            let deep = dir.path().join("x".repeat(120));
            fs::create_dir(&deep).unwrap();
            assert_eq!(SocketFile::bind(&deep.join("socket")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
            assert_eq!(fs::read_dir(&deep).unwrap().count(), 0);
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::{io, path::Path};

    use tokio::io::DuplexStream;

    /// There are none.
    pub(in super::super) type SocketStream = DuplexStream;

    /// There are none.
    #[derive(Debug)]
    pub(in super::super) enum SocketFile {}

    impl SocketFile {
        pub(in super::super) fn bind(_: &Path) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(in super::super) async fn accept(&self) -> io::Result<SocketStream> {
            match *self {}
        }
    }
}
