//! `greenroom auth client`.

use std::{
    num::NonZeroU32,
    str::FromStr,
    time::{Duration, Instant},
};

use clap::Subcommand;
use greenroom::{
    BadBudget, Client, Clients, NewClient, OpenError, ShownClient, SpendBudget, StartError, config::Durability,
    has_store,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::cli::{
    Exit, Failure,
    context::{Context, block_on},
    daemon::Daemon,
    notes,
    output::Output,
    table::table,
};

const WORKERS: usize = 1;
/// How long a store may be another's who can't be asked, say since it starts or ends, and the pause between two looks.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug, Subcommand)]
pub(super) enum ClientCommand {
    /// Make a client, and print its token, which is shown once
    #[command(
        after_help = "Examples:\n  greenroom auth client add editor --model 'openai/*' --model smart --requests-per-minute 60\n  greenroom auth client add bot --budget 10/month"
    )]
    Add {
        /// Its name: 1 to 64 of A-Z a-z 0-9 . _ -
        name: String,
        /// A model that it may ask, by the name that it asks by; "*" stands for any text [default: all]
        #[arg(long = "model", value_name = "GLOB")]
        models: Vec<String>,
        /// How many requests it may make a minute [default: as many as it likes]
        #[arg(long, value_name = "N")]
        requests_per_minute: Option<NonZeroU32>,
        /// What its answers may cost in US dollars, such as 10/month, 0.50/day, or 100 in all [default: whatever they like]
        #[arg(long, value_name = "AMOUNT")]
        budget: Option<Budget>,
        /// Print the client with its token as a line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Set what a client's answers may cost from now on; what it has spent counts
    #[command(
        after_help = "Examples:\n  greenroom auth client budget bot 20/month\n  greenroom auth client budget bot none"
    )]
    Budget {
        /// Its name
        name: String,
        /// US dollars, such as 10/month, 0.50/day, or 100 in all; "none" takes the budget away
        #[arg(value_name = "AMOUNT")]
        budget: BudgetOrNone,
        /// Print the client as a line of JSON
        #[arg(long)]
        json: bool,
    },
    /// List the clients that there are
    #[command(after_help = "Examples:\n  greenroom auth client list")]
    List {
        /// Print a line of JSON for each
        #[arg(long)]
        json: bool,
    },
    /// Refuse a client's token from now on; its sessions stay
    #[command(after_help = "Examples:\n  greenroom auth client revoke editor")]
    Revoke {
        /// Its name
        name: String,
        /// Print what was done as a line of JSON
        #[arg(long)]
        json: bool,
    },
}

/// A budget, as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget(SpendBudget);

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|bad: BadBudget| format!("{bad}; {}", bad.hint()))
    }
}

/// The same, or that there is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct BudgetOrNone(Option<SpendBudget>);

impl FromStr for BudgetOrNone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" { Ok(Self(None)) } else { text.parse().map(|Budget(budget)| Self(Some(budget))) }
    }
}

pub(super) fn run(context: &Context, command: ClientCommand) -> Result<Exit, Failure> {
    match command {
        ClientCommand::Add { name, models, requests_per_minute, budget, json } => {
            let budget = budget.map(|Budget(budget)| budget);
            add(context, NewClient { name, models, requests_per_minute, budget }, json)
        }
        ClientCommand::Budget { name, budget: BudgetOrNone(budget), json } => set_budget(context, &name, budget, json),
        ClientCommand::List { json } => list(context, json),
        ClientCommand::Revoke { name, json } => revoke(context, &name, json),
    }
}

fn add(context: &Context, new: NewClient, json: bool) -> Result<Exit, Failure> {
    let (client, token) = block_on(WORKERS, made(context, new))?;
    let mut output = Output::new();
    if json {
        let mut line = json!(client);
        line["token"] = token.expose_secret().into();
        output.json(&line)?;
    } else {
        output.line(token.expose_secret())?;
    }
    notes::note(&format!(
        "this token lets \"{}\" in, as Authorization: Bearer or x-api-key (OPENAI_API_KEY of its environment); it is not \
         shown again",
        client.name
    ));
    notes::hint(&format!("`greenroom auth client revoke {}` takes it back", client.name));
    Ok(Exit::Done)
}

/// Made by whoever holds the store; else here.
async fn made(context: &Context, new: NewClient) -> Result<(Client, SecretString), Failure> {
    let begun = Instant::now();
    loop {
        if let Some(daemon) = Daemon::find(context).await? {
            return daemon.add_client(&new).await;
        }
        let dir = context.data_dir()?;
        match Clients::at_rest(dir.path(), Durability::default()).await {
            Ok(clients) => {
                let made = clients.add(new).await;
                clients.close().await?;
                return Ok(made?);
            }
            Err(error) => patience(error, begun)?,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn set_budget(context: &Context, name: &str, budget: Option<SpendBudget>, json: bool) -> Result<Exit, Failure> {
    let client = block_on(WORKERS, async {
        let begun = Instant::now();
        loop {
            if let Some(daemon) = Daemon::find(context).await? {
                return daemon.set_budget(name, budget).await.map(|shown| shown.client);
            }
            let dir = context.data_place()?;
            if !has_store(&dir) {
                return Err(greenroom::ClientError::NotFound.into());
            }
            match Clients::at_rest(&dir, Durability::default()).await {
                Ok(clients) => {
                    let set = clients.set_budget(name, budget).await;
                    clients.close().await?;
                    return Ok(set?);
                }
                Err(error) => patience(error, begun)?,
            }
            tokio::time::sleep(PAUSE).await;
        }
    })?;
    if json {
        Output::new().json(&client)?;
        return Ok(Exit::Done);
    }
    let line = match client.budget {
        Some(budget) => format!("{name} may spend ${budget}"),
        None => format!("{name} may spend what it likes"),
    };
    Output::new().line(&line)?;
    Ok(Exit::Done)
}

fn list(context: &Context, json: bool) -> Result<Exit, Failure> {
    let clients = block_on(WORKERS, known(context))?;
    let mut output = Output::new();
    if json {
        clients.iter().try_for_each(|client| output.json(client))?;
        return Ok(Exit::Done);
    }
    if clients.is_empty() {
        notes::note("there are no clients; `greenroom auth client add NAME` makes one");
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = clients.iter().map(row).collect();
    output.text(&table(&["NAME", "MODELS", "REQUESTS/MIN", "BUDGET", "SPENT", "CREATED"], &rows))?;
    Ok(Exit::Done)
}

fn row(ShownClient { client, spent_usd }: &ShownClient) -> Vec<String> {
    let models = if client.models.is_empty() { "all".to_owned() } else { client.models.join(", ") };
    let rate = client.requests_per_minute.map_or_else(|| "-".to_owned(), |rate| rate.to_string());
    let created = humantime::format_rfc3339_seconds(client.created).to_string();
    let budget = client.budget.map_or_else(|| "-".to_owned(), |budget| format!("${budget}"));
    let spent = spent_usd.map_or_else(|| "-".to_owned(), |spent| format!("${spent:.6}"));
    vec![client.name.clone(), models, rate, budget, spent, created]
}

async fn known(context: &Context) -> Result<Vec<ShownClient>, Failure> {
    let begun = Instant::now();
    loop {
        if let Some(daemon) = Daemon::find(context).await? {
            return daemon.clients().await;
        }
        let dir = context.data_place()?;
        // Looking makes nothing.
        if !has_store(&dir) {
            return Ok(Vec::new());
        }
        match Clients::at_rest(&dir, Durability::default()).await {
            Ok(clients) => {
                let known = clients.list_with_spent().await;
                clients.close().await?;
                return Ok(known?);
            }
            Err(error) => patience(error, begun)?,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn revoke(context: &Context, name: &str, json: bool) -> Result<Exit, Failure> {
    block_on(WORKERS, async {
        let begun = Instant::now();
        loop {
            if let Some(daemon) = Daemon::find(context).await? {
                return daemon.revoke_client(name).await;
            }
            let dir = context.data_place()?;
            if !has_store(&dir) {
                return Err(greenroom::ClientError::NotFound.into());
            }
            match Clients::at_rest(&dir, Durability::default()).await {
                Ok(clients) => {
                    let revoked = clients.revoke(name).await;
                    clients.close().await?;
                    return Ok(revoked?);
                }
                Err(error) => patience(error, begun)?,
            }
            tokio::time::sleep(PAUSE).await;
        }
    })?;
    let mut output = Output::new();
    if json {
        output.json(&json!({"name": name, "revoked": true}))?;
    } else {
        output.line(&format!("{name} is revoked"))?;
    }
    Ok(Exit::Done)
}

/// Whether it is worth to look again for whoever has the store.
fn patience(error: StartError, begun: Instant) -> Result<(), Failure> {
    let is_held = matches!(error, StartError::Store(OpenError::Held { .. }));
    if is_held && begun.elapsed() < PATIENCE { Ok(()) } else { Err(error.into()) }
}
