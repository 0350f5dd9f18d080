//! The `greenroom` program: flags, configuration, a command, an exit code.

mod cli;
mod telemetry;

use std::process::ExitCode;

use clap::Parser as _;
use cli::{Cli, Failure};
use greenroom::config::Environment;

fn main() -> ExitCode {
    // Before any secret is in memory.
    forbid_core_dumps();
    forbid_looking_in();
    tell_damage_quietly();
    let Cli { globals, command } = Cli::parse();
    // The one place where the process's environment is read.
    let environment: Environment = std::env::vars_os().collect();
    let outcome = start_logging(command.is_daemon(), globals.verbose, &environment)
        .and_then(|()| cli::run(command, globals, environment));
    outcome.unwrap_or_else(|failure| failure.report()).into()
}

fn start_logging(daemon: bool, verbosity: u8, environment: &Environment) -> Result<(), Failure> {
    telemetry::start(daemon, verbosity, environment, cli::may_style(environment)).map_err(|error| {
        let what = format!("{} holds no filter for the log: {error}", telemetry::VARIABLE);
        Failure::usage(what, "write a level such as debug, or greenroom_actors=debug")
    })
}

/// A damaged store shows itself as a panic of what reads it, which is caught and told of in words.
fn tell_damage_quietly() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() == Some(greenroom::STORE_THREAD) {
            tracing::debug!("{panic}");
        } else {
            usual(panic);
        }
    }));
}

/// A core dump would hold keys in the clear. Where the system won't have it forbidden, the system's own rule stays.
#[cfg(unix)]
fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let _as_the_system_has_it = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

#[cfg(not(unix))]
fn forbid_core_dumps() {}

/// What runs as the same user could otherwise read keys in the memory of this process. Where the system won't have it
/// forbidden, its own rule stays.
#[cfg(target_os = "linux")]
fn forbid_looking_in() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};

    let _as_the_system_has_it = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

#[cfg(not(target_os = "linux"))]
fn forbid_looking_in() {}
