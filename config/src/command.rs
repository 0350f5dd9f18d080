//! Secrets that a program prints.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use secrecy::zeroize::{Zeroize, Zeroizing};

use crate::Environment;
use crate::secret::{LARGEST, expand};

/// How long a program may take. A person who has to be asked is not at hand where a daemon starts.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// Between two looks at a program that has closed its output and not ended.
const PAUSE: Duration = Duration::from_millis(5);

/// Why a program gave no secret. Nothing that it said is in here.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CommandFailure {
    /// There is no such program, or this user may not run it.
    #[error("it cannot be started")]
    NotStarted(#[source] Arc<io::Error>),
    /// It says that it failed.
    #[error("it ended with exit code {code}")]
    Exit {
        /// Its exit code.
        code: i32,
    },
    /// It was killed.
    #[error("it was ended by a signal")]
    Killed,
    /// It took longer than a program may, and was killed.
    #[error("it took longer than {seconds} s and was ended", seconds = .limit.as_secs())]
    TimedOut {
        /// What it had.
        limit: Duration,
    },
    /// What it printed can't be read, or is more than any secret is.
    #[error("what it printed cannot be read")]
    Unreadable(#[source] Arc<io::Error>),
}

/// What a program printed, if it ended well within `limit`.
///
/// It sees exactly the variables of `environment`, gets no input, and its standard error is dropped: nobody can tell whether
/// a secret is in there.
pub(crate) fn output(
    words: &[String],
    environment: &Environment,
    limit: Duration,
) -> Result<Zeroizing<Vec<u8>>, CommandFailure> {
    let until = Instant::now() + limit;
    let (program, arguments) = words.split_first().expect("a reference to a command names a program");
    let mut command = Command::new(expand(Path::new(program), environment));
    command.args(arguments).env_clear().envs(environment.all());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    apart(&mut command);
    let not_started = |error| CommandFailure::NotStarted(Arc::new(error));
    let mut child = command.spawn().map_err(not_started)?;
    let stdout = child.stdout.take().expect("its output was asked for");

    // What it left behind may hold its output open after it was killed, so the reader is nobody's to wait for.
    let (send, receive) = mpsc::sync_channel(1);
    let reader = std::thread::Builder::new().name("greenroom-command".to_owned()).spawn(move || {
        let _nobody_waits_any_more = send.send(read(stdout));
    });
    if let Err(error) = reader {
        end(&mut child);
        return Err(not_started(error));
    }
    let Ok(printed) = receive.recv_timeout(limit) else {
        end(&mut child);
        return Err(CommandFailure::TimedOut { limit });
    };
    let printed = match printed {
        Ok(printed) => printed,
        Err(error) => {
            end(&mut child);
            return Err(CommandFailure::Unreadable(Arc::new(error)));
        }
    };
    let status = loop {
        match child.try_wait().map_err(not_started)? {
            Some(status) => break status,
            None if Instant::now() >= until => {
                end(&mut child);
                return Err(CommandFailure::TimedOut { limit });
            }
            None => std::thread::sleep(PAUSE),
        }
    };
    match status.code() {
        Some(0) => Ok(printed),
        Some(code) => Err(CommandFailure::Exit { code }),
        None => Err(CommandFailure::Killed),
    }
}

fn read(stdout: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    // With room for all from the start, no piece of it is left behind by growing.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST as usize + 1));
    stdout.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        bytes.zeroize();
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too large for a secret"));
    }
    Ok(bytes)
}

/// In a process group of its own, so that what it starts ends with it.
#[cfg(unix)]
fn apart(command: &mut Command) {
    use std::os::unix::process::CommandExt;

    command.process_group(0);
}

#[cfg(not(unix))]
fn apart(_: &mut Command) {}

/// Kills it, with what it started, and waits for it: what is killed is gone at once.
fn end(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _already_gone = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _already_gone = child.kill();
    let _already_waited_for = child.wait();
}

/// The words of a command as a shell would split it, without anything else that a shell does; `None` where a quote is left
/// open or there is no word. A program that is named by a relative path is looked for from `directory`.
pub(crate) fn words(text: &str, directory: Option<&Path>) -> Option<Vec<String>> {
    let mut words = shell_words::split(text).ok()?;
    let program = words.first_mut().filter(|program| !program.is_empty())?;
    let is_path = program.contains('/') && !program.starts_with("~/");
    if let (true, Some(directory)) = (is_path, directory) {
        let path: PathBuf = directory.join(program.as_str());
        // A path that isn't UTF-8 can't be said in the file either, so it stays as it was written.
        if let Some(path) = path.to_str() {
            path.clone_into(program);
        }
    }
    Some(words)
}

#[cfg(all(test, unix))]
#[path = "command_tests.rs"]
mod tests;
