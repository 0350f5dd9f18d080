//! A home directory in which nothing of the machine's own configuration is seen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use std::{env, fs};

use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::binary::greenroom;
use super::daemon::Daemon;

/// A command that takes longer than this has hung.
const LIMIT: Duration = Duration::from_secs(60);

/// An address at which nothing listens.
const NOBODY: &str = "127.0.0.1:1";

/// What of the tests' own environment the program sees: where programs are found, and where coverage is
/// to be written.
const KEPT: [&str; 2] = ["PATH", "LLVM_PROFILE_FILE"];

/// An empty home, removed when dropped. A program run in it has no environment but `PATH` and what is
/// set here.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
    program: Option<PathBuf>,
    environment: BTreeMap<String, String>,
}

/// What a command did.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What is not UTF-8 is replaced.
    pub stdout: String,
    /// What is not UTF-8 is replaced.
    pub stderr: String,
}

impl Output {
    /// The exit code; none if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The same, if it succeeded.
    ///
    /// # Panics
    /// If it did not, showing what it printed.
    #[must_use]
    pub fn succeeded(self) -> Self {
        assert!(self.status.success(), "{}\nstdout: {}\nstderr: {}", self.status, self.stdout, self.stderr);
        self
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

impl Home {
    /// Makes an empty home.
    ///
    /// # Panics
    /// If the temporary directory cannot be written.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("greenroom-").tempdir().expect("a writable temporary directory");
        let home = Self { folder, program: None, environment: BTreeMap::new() };
        for path in [home.at("config"), home.at("data"), home.at("cache"), home.at("run"), home.at("tmp")] {
            fs::create_dir(path).expect("a writable temporary directory");
        }
        home
    }

    /// Makes an empty home for another program than the built `greenroom`.
    ///
    /// # Panics
    /// If the temporary directory cannot be written.
    pub fn of_program(program: impl Into<PathBuf>) -> Self {
        Self { program: Some(program.into()), ..Self::new() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The home directory itself.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the program looks for its configuration.
    pub fn config_path(&self) -> PathBuf {
        self.at("config").join("greenroom").join("config.toml")
    }

    /// Where the program keeps its data.
    pub fn data_dir(&self) -> PathBuf {
        self.at("data").join("greenroom")
    }

    /// Writes the configuration, in place of one that is there.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn config(&self, toml: &str) {
        let path = self.config_path();
        fs::create_dir_all(path.parent().expect("a path made of two parts")).expect("a writable home");
        // By renaming, so that a program that watches the file never sees half of it.
        let fresh = path.with_extension("fresh");
        fs::write(&fresh, toml).expect("a writable home");
        fs::rename(&fresh, &path).expect("a writable home");
    }

    /// Sets a variable for every program run from now on.
    pub fn env(&mut self, name: &str, value: &str) -> &mut Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Has every program run from now on have a clock that is off by this (as `faketime` writes it: `+1h`, `-2d`), but for the
    /// one that measures how long things take. Whether it can: `GREENROOM_FAKETIME` has to name the library that does it.
    pub fn clock_off(&mut self, offset: &str) -> bool {
        let Some(library) = env::var("GREENROOM_FAKETIME").ok().filter(|path| Path::new(path).is_file()) else {
            return false;
        };
        self.env("LD_PRELOAD", &library).env("FAKETIME", offset);
        self.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
        true
    }

    /// The program with these arguments, to be changed further and started by hand. It is killed if
    /// the child is dropped.
    ///
    /// # Panics
    /// If the program is not built.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program.clone().unwrap_or_else(greenroom));
        command.args(arguments).current_dir(self.path()).env_clear().kill_on_drop(true);
        for name in KEPT {
            if let Some(value) = env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("HOME", self.path())
            .env("XDG_CONFIG_HOME", self.at("config"))
            .env("XDG_DATA_HOME", self.at("data"))
            .env("XDG_CACHE_HOME", self.at("cache"))
            .env("XDG_RUNTIME_DIR", self.at("run"))
            .env("TMPDIR", self.at("tmp"))
            // An Ollama that runs on this machine would be found by the program, as it should.
            .env("OLLAMA_HOST", NOBODY)
            .envs(&self.environment);
        command
    }

    /// Runs the program to its end, without input.
    ///
    /// # Panics
    /// If it cannot be started or does not end within a minute.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        self.run_with_input(arguments, "").await
    }

    /// Runs the program to its end with this on its standard input.
    ///
    /// # Panics
    /// If it cannot be started or does not end within a minute.
    pub async fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let feed = async move {
            // A program that does not read its input closes it, which is its right.
            let _ = stdin.write_all(input.as_bytes()).await;
        };
        let finished = async { tokio::join!(feed, child.wait_with_output()).1 };
        let output = tokio::time::timeout(LIMIT, finished)
            .await
            .unwrap_or_else(|_| panic!("`greenroom {}` did not end within {LIMIT:?}", arguments.join(" ")))
            .expect("the program's output can be read");
        Output {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts `greenroom serve` with these further arguments on a free port of loopback, and returns once
    /// it has said where it listens. Another address is to be had with `env("GREENROOM__SERVER__LISTEN", …)`.
    ///
    /// # Panics
    /// If it ends, or says nothing of the kind within half a minute; with what it printed.
    pub async fn serve(&self, arguments: &[&str]) -> Daemon {
        let mut command = self.command(&["serve"]);
        command.args(arguments).env("GREENROOM__SERVER__LISTEN", "127.0.0.1:0").envs(&self.environment);
        Daemon::start(command, self.data_dir()).await
    }
}
