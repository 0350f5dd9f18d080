//! The terminal's echo, which is off while rows are written over: what is typed then would stand among them.
//!
//! What is typed is not read, so that whoever reads next has it. The keys of signals go on working, and throw away what was
//! typed before them, as they do elsewhere.
//! The terminal is given back however the program ends, but by a signal that no program can catch.

pub(crate) use self::system::{EchoOff, give_back};

#[cfg(unix)]
mod system {
    use std::{
        io,
        sync::{Mutex, MutexGuard, PoisonError},
    };

    use rustix::{
        process::{Signal, getpgrp, getpid, getsid, kill_process},
        termios::{LocalModes, OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcgetpgrp, tcsetattr},
    };
    use tokio::signal::unix::{self, SignalKind, signal};

    use crate::cli::signals;

    /// There is one terminal, and whoever ends the program has to find how it was.
    static TERMINAL: Mutex<Terminal> =
        Mutex::new(Terminal { before: None, is_stopping: false, was_stopped: false, is_over: false });

    struct Terminal {
        /// How it was, while its echo is off.
        before: Option<Termios>,
        is_stopping: bool,
        was_stopped: bool,
        /// Given back for good.
        is_over: bool,
    }

    fn terminal() -> MutexGuard<'static, Terminal> {
        TERMINAL.lock().unwrap_or_else(PoisonError::into_inner)
    }

    impl Terminal {
        fn turn_off(&mut self) {
            const TYPED: LocalModes = LocalModes::ECHO.union(LocalModes::ECHONL).union(LocalModes::ICANON);
            if self.is_over || self.is_stopping || !is_ours() {
                return;
            }
            let Ok(before) = tcgetattr(io::stdout()) else { return };
            if !before.local_modes.intersects(TYPED) {
                return;
            }
            let mut silent = before.clone();
            silent.local_modes.remove(TYPED);
            // A key that is a signal would throw away part of what is being drawn, and so move or switch what is below.
            silent.local_modes.insert(LocalModes::NOFLSH);
            // Flushing would throw away what was typed.
            if tcsetattr(io::stdout(), OptionalActions::Now, &silent).is_ok() {
                self.before = Some(before);
            }
        }

        /// Throws away what was typed before a key that is a signal, as the terminal itself does while its echo is on.
        fn discard_typed(&self) {
            let is_wanted = |before: &Termios| !before.local_modes.contains(LocalModes::NOFLSH);
            if self.before.as_ref().is_some_and(is_wanted) && is_ours() {
                let _it_may_be_gone = tcflush(io::stdout(), QueueSelector::IFlush);
            }
        }

        fn turn_on(&mut self) {
            if let Some(before) = self.before.take()
                && is_ours()
            {
                let _it_may_be_gone = tcsetattr(io::stdout(), OptionalActions::Now, &before);
            }
        }
    }

    /// Whether this program is in the foreground: one in the background that changes a terminal is stopped for it.
    fn is_ours() -> bool {
        tcgetpgrp(io::stdout()).is_ok_and(|foreground| foreground == getpgrp())
    }

    /// Gives the terminal back for good, before the process is ended.
    pub(crate) fn give_back() {
        let mut terminal = terminal();
        terminal.is_over = true;
        terminal.turn_on();
    }

    /// The time for which the echo of the terminal that standard output is may be off.
    #[derive(Debug)]
    pub(crate) struct EchoOff(());

    impl EchoOff {
        /// Begins it, within a runtime; [`keep`](Self::keep) turns the echo off. From here on signals that would end or stop
        /// the program at once give the terminal back first.
        pub(crate) fn begin() -> Self {
            match Heard::listen() {
                // It never ends: a signal that was listened for once does nothing by itself any more.
                Ok(heard) => _ = tokio::spawn(heard.heed()),
                Err(error) => {
                    tracing::debug!("what is typed is shown: {error}");
                    terminal().is_over = true;
                }
            }
            Self(())
        }

        /// Has the echo off, if the program is in the foreground. Whether it was stopped since the last time, so that other
        /// programs may have written to the terminal.
        pub(crate) fn keep(&self) -> bool {
            let mut terminal = terminal();
            terminal.turn_off();
            std::mem::take(&mut terminal.was_stopped)
        }
    }

    impl Drop for EchoOff {
        fn drop(&mut self) {
            terminal().turn_on();
        }
    }

    struct Heard {
        interrupts: unix::Signal,
        stops: unix::Signal,
        continues: unix::Signal,
        hang_ups: unix::Signal,
        quits: unix::Signal,
    }

    impl Heard {
        fn listen() -> io::Result<Self> {
            Ok(Self {
                interrupts: signal(SignalKind::interrupt())?,
                stops: signal(SignalKind::from_raw(Signal::TSTP.as_raw()))?,
                continues: signal(SignalKind::from_raw(Signal::CONT.as_raw()))?,
                hang_ups: signal(SignalKind::hangup())?,
                quits: signal(SignalKind::quit())?,
            })
        }

        async fn heed(mut self) {
            loop {
                tokio::select! {
                    // What else it means is for others to say.
                    _ = self.interrupts.recv() => terminal().discard_typed(),
                    _ = self.stops.recv() => stop(),
                    _ = self.continues.recv() => {
                        let mut terminal = terminal();
                        (terminal.is_stopping, terminal.was_stopped) = (false, true);
                    }
                    _ = self.hang_ups.recv() => signals::exit(128 + Signal::HUP.as_raw()),
                    _ = self.quits.recv() => {
                        terminal().discard_typed();
                        signals::exit(128 + Signal::QUIT.as_raw())
                    }
                }
            }
        }
    }

    /// Stops as Ctrl-Z does where nobody listens for it.
    fn stop() {
        // Who leads a session has no shell that could have it go on, and is not stopped by the key either.
        if getsid(None).is_ok_and(|session| session == getpgrp()) {
            return;
        }
        {
            let mut terminal = terminal();
            terminal.is_stopping = true;
            terminal.discard_typed();
            terminal.turn_on();
        }
        if kill_process(getpid(), Signal::STOP).is_err() {
            terminal().is_stopping = false;
        }
    }
}

#[cfg(not(unix))]
mod system {
    /// Only where terminals are as unix has them.
    #[derive(Debug)]
    pub(crate) struct EchoOff(());

    impl EchoOff {
        pub(crate) fn begin() -> Self {
            Self(())
        }

        pub(crate) fn keep(&self) -> bool {
            false
        }
    }

    pub(crate) fn give_back() {}
}
