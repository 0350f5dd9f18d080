//! Each test enters a sandbox on a thread of its own, which is all that is bound by it, and tries there.

use std::{
    fs,
    io::ErrorKind,
    net::TcpListener,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc,
    thread,
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process},
};

use super::{super::rules::Wanted, *};

/// Runs `probe` under these rules for paths; `None` where the kernel has no whole sandbox, which is said.
fn within<T: Send + 'static>(
    paths: Vec<(PathBuf, Access)>,
    port: u16,
    probe: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let rule = |(path, access)| Rule { path, access, wanted: Wanted::Daemon };
    let paths = paths.into_iter().map(rule).collect();
    let probing = thread::spawn(move || {
        let applied = apply(&Rules { paths, port, logins: Vec::new(), abstract_sockets: false }).unwrap();
        assert!(applied.missing.is_empty(), "{:?}", applied.missing);
        matches!(applied.kernel, Kernel::Landlock(6..)).then(probe)
    });
    let outcome = probing.join().unwrap();
    if outcome.is_none() {
        eprintln!("passed over: this kernel has no Landlock, or an old one");
    }
    outcome
}

fn denied<T>(outcome: io::Result<T>) -> bool {
    outcome.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

#[test]
fn what_is_written_is_below_what_may_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, other) = (dir.path().join("ours"), dir.path().join("other"));
    [&ours, &other].into_iter().for_each(|path| fs::create_dir(path).unwrap());
    fs::write(other.join("kept"), "whole").unwrap();
    let (data, outside) = (ours.clone(), other.clone());
    let probed = within(vec![(ours, Access::Write)], 0, move || {
        fs::write(data.join("a"), "a").unwrap();
        fs::create_dir(data.join("sub")).unwrap();
        fs::rename(data.join("a"), data.join("sub/b")).unwrap();
        assert_eq!(fs::read_to_string(data.join("sub/b")).unwrap(), "a");
        fs::remove_dir_all(data.join("sub")).unwrap();
        let kept = outside.join("kept");
        assert!(denied(fs::read(&kept)) && denied(fs::write(&kept, "")) && denied(fs::remove_file(&kept)));
        assert!(denied(fs::write(outside.join("new"), "")) && denied(fs::read_dir(&outside)));
        // A link that somebody puts into the data directory leads nowhere.
        std::os::unix::fs::symlink(&outside, data.join("link")).unwrap();
        assert!(denied(fs::write(data.join("link/kept"), "")));
    });
    if probed.is_some() {
        assert_eq!(fs::read_to_string(other.join("kept")).unwrap(), "whole");
    }
}

#[test]
fn what_may_be_read_is_not_written_and_a_file_may_stand_alone() {
    let dir = tempfile::tempdir().unwrap();
    let [file, neighbour] = ["file", "neighbour"].map(|name| dir.path().join(name));
    [&file, &neighbour].into_iter().for_each(|path| fs::write(path, "text").unwrap());
    within(vec![(file.clone(), Access::Read)], 0, move || {
        assert_eq!(fs::read_to_string(&file).unwrap(), "text");
        assert!(denied(fs::write(&file, "")) && denied(fs::read(&neighbour)));
    });
}

#[test]
fn a_file_that_is_put_in_another_s_place_is_known_by_its_directory_alone() {
    for is_directory in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let (file, fresh) = (dir.path().join("file"), dir.path().join("fresh"));
        fs::write(&file, "old").unwrap();
        fs::write(&fresh, "new").unwrap();
        let (entered, wait) = mpsc::channel();
        let (replaced, done) = mpsc::channel();
        let place = file.clone();
        let replacing = thread::spawn(move || {
            if wait.recv().is_ok() {
                fs::rename(fresh, place).unwrap();
                replaced.send(()).unwrap();
            }
        });
        let allowed = if is_directory { dir.path().to_owned() } else { file.clone() };
        within(vec![(allowed, Access::Read)], 0, move || {
            assert_eq!(fs::read_to_string(&file).unwrap(), "old");
            entered.send(()).unwrap();
            done.recv().unwrap();
            if is_directory {
                assert_eq!(fs::read_to_string(&file).unwrap(), "new");
            } else {
                assert!(denied(fs::read(&file)));
            }
        });
        replacing.join().unwrap();
    }
}

#[test]
fn sockets_are_reached_by_path_and_programs_outside_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let name = SocketAddr::from_abstract_name(dir.path().to_str().unwrap()).unwrap();
    let (_by_path, _by_name) = (UnixListener::bind(&path).unwrap(), UnixListener::bind_addr(&name).unwrap());
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let pid = Pid::from_child(&child);
    within(Vec::new(), 0, move || {
        assert!(UnixStream::connect(path).is_ok(), "resolver and keyring are behind such ones");
        assert!(denied(UnixStream::connect_addr(&name)));
        assert_eq!(kill_process(pid, Signal::TERM), Err(Errno::PERM));
    });
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_program_runs_only_where_that_is_allowed() {
    let system = |access| ["/usr", "/lib", "/lib64", "/bin"].map(|path| (PathBuf::from(path), access)).to_vec();
    let there = |paths: Vec<(PathBuf, Access)>| paths.into_iter().filter(|(path, _)| Path::new(path).exists());
    let run = || Command::new("/bin/true").status().map(|status| status.success());
    if let Some(ran) = within(there(system(Access::Read)).collect(), 0, run) {
        assert!(denied(ran));
    }
    if let Some(ran) = within(there(system(Access::Run)).collect(), 0, run) {
        assert!(ran.unwrap());
    }
}

#[test]
fn one_port_is_listened_on() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let [ours, other] = [&free, &TcpListener::bind("127.0.0.1:0").unwrap()].map(|socket| socket.local_addr().unwrap());
    drop(free);
    within(Vec::new(), ours.port(), move || {
        assert!(TcpListener::bind(ours).is_ok());
        assert!(denied(TcpListener::bind(other)) && denied(TcpListener::bind("127.0.0.1:0")));
    });
    within(Vec::new(), 0, || assert!(TcpListener::bind("127.0.0.1:0").is_ok()));
}
