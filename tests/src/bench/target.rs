//! What is measured, each started anew for each round, on a core of its own.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use greenroom_tests::harness::{Daemon, Home, Signal};
use tokio::process::Command;

use super::load::{Address, Seen};
use super::process::{Cores, bind};

/// How long something may take to end once it was told to.
const STOP: Duration = Duration::from_secs(15);

/// What stands between the load generator and the mock provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// Nothing: the mock provider itself is what is measured.
    NoProxy,
    /// A proxy of the same HTTP libraries that only passes bytes on.
    BareProxy,
    /// `greenroom serve`.
    Greenroom,
}

impl Kind {
    /// All, in the order in which they are measured and shown.
    pub(crate) const ALL: [Self; 3] = [Self::NoProxy, Self::BareProxy, Self::Greenroom];

    /// As it is shown.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NoProxy => "no proxy",
            Self::BareProxy => "bare proxy",
            Self::Greenroom => "greenroom",
        }
    }
}

/// Something that runs, with the mock provider behind it. Killed when dropped.
pub(crate) struct Target {
    measured: Daemon,
    mock: Option<Daemon>,
    address: Address,
    /// Removed when dropped, so kept as long as the program runs in it.
    home: Option<Home>,
}

impl Target {
    /// Starts it, and what it needs.
    pub(crate) async fn start(kind: Kind, cores: Cores) -> Result<Self, Box<dyn Error>> {
        let target = match kind {
            Kind::NoProxy => {
                bind(cores.measured)?;
                let measured = own(&["mock"]).await?;
                let address = Address { host: host(&measured), token: None, model: "mock" };
                Self { measured, mock: None, address, home: None }
            }
            Kind::BareProxy => {
                bind(cores.mock)?;
                let mock = own(&["mock"]).await?;
                bind(cores.measured)?;
                let measured = own(&["bare-proxy", "--upstream", mock.url()]).await?;
                let address = Address { host: host(&measured), token: None, model: "mock" };
                Self { measured, mock: Some(mock), address, home: None }
            }
            Kind::Greenroom => {
                bind(cores.mock)?;
                let mock = own(&["mock"]).await?;
                let home = Home::new();
                home.config(&format!(
                    "[providers.mock]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\n",
                    mock.url()
                ));
                bind(cores.measured)?;
                let measured = home.serve(&[]).await;
                let address = Address { host: host(&measured), token: Some(measured.token()), model: "mock/mock" };
                Self { measured, mock: Some(mock), address, home: Some(home) }
            }
        };
        bind(cores.load)?;
        Ok(target)
    }

    /// The mock provider behind it.
    pub(crate) fn mock(&self) -> &Daemon {
        self.mock.as_ref().unwrap_or(&self.measured)
    }

    /// Where it runs, if it is greenroom.
    pub(crate) fn home(&self) -> Option<&Home> {
        self.home.as_ref()
    }

    /// Where it is asked.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// What is measured.
    pub(crate) fn measured(&self) -> &Daemon {
        &self.measured
    }

    /// The processes to watch.
    pub(crate) fn seen(&self) -> Seen {
        Seen { measured: self.measured.pid(), mock: self.mock.as_ref().map(Daemon::pid) }
    }

    /// Ends it, and the mock provider after it.
    pub(crate) async fn stop(self) {
        for mut daemon in [Some(self.measured), self.mock].into_iter().flatten() {
            daemon.signal(Signal::TERM);
            daemon.wait(STOP).await;
        }
    }
}

/// This program again, as one of its servers.
async fn own(arguments: &[&str]) -> Result<Daemon, Box<dyn Error>> {
    let mut command = Command::new(env::current_exe()?);
    command.args(arguments).kill_on_drop(true);
    Ok(Daemon::start(command, PathBuf::new()).await)
}

fn host(daemon: &Daemon) -> String {
    daemon.url().trim_start_matches("http://").to_owned()
}
