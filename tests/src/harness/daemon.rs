//! A running `greenroom serve`.

use std::fs;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long the daemon may take to say where it listens.
const START: Duration = Duration::from_secs(30);
/// How long the output of an ended program is read; longer only if a child of it holds the pipe.
const DRAIN: Duration = Duration::from_secs(2);

/// The daemon, killed when dropped; it is gone then, so that another can have its data directory.
pub struct Daemon {
    child: Child,
    pid: Pid,
    url: String,
    data_dir: PathBuf,
    stdout: Captured,
    stderr: Captured,
}

impl Daemon {
    /// Starts `command` and waits for the first `http://…` or `https://…` in its standard output. For commands other
    /// than that of [`Home::serve`](super::Home::serve), which is the usual way here.
    ///
    /// # Panics
    /// If it ends, or says nothing of the kind within half a minute; with what it printed.
    pub async fn start(mut command: Command, data_dir: PathBuf) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed())).expect("a child just started has an id");
        let mut stdout = Captured::of(child.stdout.take().expect("stdout is piped"));
        let stderr = Captured::of(child.stderr.take().expect("stderr is piped"));
        let url = tokio::time::timeout(START, stdout.wait_for(address_in)).await;
        let mut daemon = Self { child, pid, url: String::new(), data_dir, stdout, stderr };
        match url {
            Ok(Some(url)) => daemon.url = url,
            Ok(None) => {
                let status = daemon.wait(DRAIN).await;
                panic!("`greenroom serve` ended ({status}) without an address\n{}", daemon.output());
            }
            Err(_) => panic!("`greenroom serve` named no address within {START:?}\n{}", daemon.output()),
        }
        daemon
    }

    /// `http://address:port`, or `https://`, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The admin token, from its file in the data directory.
    ///
    /// # Panics
    /// If there is none.
    pub fn token(&self) -> String {
        let path = self.data_dir.join("token");
        let token = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("no token in {} ({error})\n{}", path.display(), self.output()));
        token.trim().to_owned()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().cast_unsigned()
    }

    /// Sends a signal, such as [`Signal::TERM`] or [`Signal::KILL`].
    ///
    /// # Panics
    /// If the process has ended and was waited for: its id may be another's by then.
    pub fn signal(&self, signal: Signal) {
        assert!(self.child.id().is_some(), "the daemon has ended\n{}", self.output());
        kill_process(self.pid, signal).expect("a child that was not waited for can be signalled");
    }

    /// Waits for the end of the process, and for the last of its output.
    ///
    /// # Panics
    /// If it does not end within `limit`, with what it printed.
    pub async fn wait(&mut self, limit: Duration) -> ExitStatus {
        let ended = tokio::time::timeout(limit, self.child.wait()).await;
        let Ok(status) = ended else {
            panic!("the daemon did not end within {limit:?}\n{}", self.output());
        };
        let status = status.expect("a child can be waited for");
        self.stdout.drain().await;
        self.stderr.drain().await;
        status
    }

    /// What it has printed on standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has printed on standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Both outputs, for the message of a failed test.
    pub fn output(&self) -> String {
        format!("stdout:\n{}\nstderr:\n{}", self.stdout(), self.stderr())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let until = Instant::now() + DRAIN;
        if self.child.start_kill().is_ok() {
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// The first address in whole lines of `text`, without a path behind it.
fn address_in(text: &str) -> Option<String> {
    let whole = &text[..text.rfind('\n')?];
    let (at, scheme) = ["http://", "https://"].iter().filter_map(|scheme| Some((whole.find(scheme)?, scheme))).min()?;
    let host = &whole[at + scheme.len()..];
    let end = host.find(|next: char| next.is_whitespace() || "/\"'`<>(){},;".contains(next)).unwrap_or(host.len());
    Some(format!("{scheme}{}", host[..end].trim_end_matches('.')))
}

/// What a pipe has brought so far.
struct Captured {
    text: Arc<Mutex<Vec<u8>>>,
    grown: watch::Receiver<()>,
    reader: JoinHandle<()>,
}

impl Captured {
    fn of(mut pipe: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let (grow, grown) = watch::channel(());
        let into = Arc::clone(&text);
        let reader = tokio::spawn(async move {
            let mut piece = [0; 8192];
            while let Ok(length @ 1..) = pipe.read(&mut piece).await {
                into.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&piece[..length]);
                grow.send_replace(());
            }
        });
        Self { text, grown, reader }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Waits until `find` finds something in the text; none if the pipe ends first.
    async fn wait_for<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        loop {
            let over = self.grown.changed().await.is_err();
            let found = find(&self.text());
            if found.is_some() || over {
                return found;
            }
        }
    }

    async fn drain(&mut self) {
        let _ = tokio::time::timeout(DRAIN, &mut self.reader).await;
    }
}

#[cfg(test)]
mod tests {
    use super::address_in;

    #[test]
    fn finds_the_address_in_a_whole_line_only() {
        assert_eq!(address_in("listening on http://127.0.0.1:40"), None);
        let said = "hello\nlistening on http://127.0.0.1:4040.\nmore";
        assert_eq!(address_in(said).as_deref(), Some("http://127.0.0.1:4040"));
        assert_eq!(address_in("export BASE=\"http://[::1]:5/v1\"\n").as_deref(), Some("http://[::1]:5"));
    }
}
