//! Being told to stop.

use std::{io, process};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Exit, Failure, echo};

/// Listens for Ctrl-C until it is dropped. The first one is told; a second ends the program at once, so that one which
/// hangs, say on a pipe that nobody reads, can be left.
#[derive(Debug)]
pub(crate) struct Interrupt {
    told: CancellationToken,
    listener: JoinHandle<()>,
}

impl Interrupt {
    /// From here on Ctrl-C does not end the program by itself.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let mut interrupts = system::interrupts().map_err(|error| cannot_listen(&error))?;
        let told = CancellationToken::new();
        let tell = told.clone();
        let listener = tokio::spawn(async move {
            interrupts.recv().await;
            tell.cancel();
            interrupts.recv().await;
            exit(Exit::Interrupted as i32);
        });
        Ok(Self { told, listener })
    }

    /// Waits for the first one.
    pub(crate) async fn came(&self) {
        self.told.cancelled().await;
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Ends the program at once, whatever it does. The terminal is as it was before.
pub(crate) fn exit(code: i32) -> ! {
    echo::give_back();
    process::exit(code)
}

/// Cancels `stop` at the first signal that asks a daemon to end; the second ends the program at once.
pub(crate) fn stop_on_signals(stop: &CancellationToken) -> Result<(), Failure> {
    let mut asked = system::Stops::listen().map_err(|error| cannot_listen(&error))?;
    let stop = stop.clone();
    tokio::spawn(async move {
        asked.recv().await;
        stop.cancel();
        let number = asked.recv().await;
        exit(128 + number);
    });
    Ok(())
}

/// Waits for SIGTERM, which does not end the program by itself from here on. Its number.
pub(crate) async fn terminated() -> i32 {
    match system::terminations() {
        Ok(mut terminations) => {
            terminations.recv().await;
            system::TERMINATION
        }
        // Then it ends as every program does.
        Err(_) => std::future::pending().await,
    }
}

fn cannot_listen(error: &io::Error) -> Failure {
    Failure::failed(format!("can't listen for signals: {error}"), "check how many files this user may open (ulimit -n)")
}

#[cfg(unix)]
mod system {
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    pub(super) fn interrupts() -> io::Result<Signal> {
        signal(SignalKind::interrupt())
    }

    pub(super) fn terminations() -> io::Result<Signal> {
        signal(SignalKind::terminate())
    }

    pub(super) const TERMINATION: i32 = SignalKind::terminate().as_raw_value();

    pub(super) struct Stops {
        interrupts: Signal,
        terminations: Signal,
    }

    impl Stops {
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self { interrupts: interrupts()?, terminations: terminations()? })
        }

        /// The number of the next signal.
        pub(super) async fn recv(&mut self) -> i32 {
            tokio::select! {
                _ = self.interrupts.recv() => SignalKind::interrupt().as_raw_value(),
                _ = self.terminations.recv() => SignalKind::terminate().as_raw_value(),
            }
        }
    }
}

#[cfg(windows)]
mod system {
    use std::io;

    use tokio::signal::windows::{CtrlC, ctrl_c};

    /// As unix numbers Ctrl-C.
    const INTERRUPT: i32 = 2;

    pub(super) fn interrupts() -> io::Result<CtrlC> {
        ctrl_c()
    }

    /// As unix numbers it. Nobody sends it here, but who shuts the system down.
    pub(super) const TERMINATION: i32 = 15;

    pub(super) fn terminations() -> io::Result<tokio::signal::windows::CtrlShutdown> {
        tokio::signal::windows::ctrl_shutdown()
    }

    pub(super) struct Stops(CtrlC);

    impl Stops {
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self(ctrl_c()?))
        }

        pub(super) async fn recv(&mut self) -> i32 {
            self.0.recv().await;
            INTERRUPT
        }
    }
}

/// A file that may not grow further (`ulimit -f`) is then an error of the write, and not the end of the process. To be
/// called within a runtime.
#[cfg(unix)]
pub(super) fn survive_file_limit() {
    use tokio::signal::unix::{SignalKind, signal};

    let limit = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    // Its handler stays though nobody listens.
    if let Err(error) = signal(limit) {
        tracing::debug!("a limit of file sizes ends this process: {error}");
    }
}

#[cfg(not(unix))]
pub(super) fn survive_file_limit() {}
