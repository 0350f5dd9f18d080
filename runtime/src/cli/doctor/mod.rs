//! `greenroom doctor`: what is wrong here, and what to do about it. It changes nothing.

mod certificate;
mod configuration;
mod data;
mod finding;
mod models;
mod programs;
mod providers;
mod server;

use clap::Args;

use super::{
    Exit, Failure,
    context::{Context, block_on},
};
use finding::{Level, Report};

const WORKERS: usize = 2;

/// Arguments of `greenroom doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Ask nobody on the network, and run no program that prints a key
    #[arg(long)]
    offline: bool,
    /// Print a line of JSON for each check
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: &DoctorArgs) -> Result<Exit, Failure> {
    let mut report = Report::new(args.json);
    block_on(WORKERS, async {
        let loaded = configuration::check(context, args.offline, &mut report).await?;
        let place = data::check(context, loaded.as_ref(), args.offline, &mut report).await?;
        server::check(context, loaded.as_ref(), &place, &mut report)?;
        if let Some(loaded) = loaded {
            let known = providers::check(context, loaded, place, args.offline, &mut report).await?;
            models::check(&known, &mut report)?;
        }
        Ok(())
    })?;
    report.end()?;
    Ok(if report.worst() == Level::Problem { Exit::Failed } else { Exit::Done })
}
