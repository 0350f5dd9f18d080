//! The commands of the program: a file each, and what they share.

mod attach;
mod auth;
mod batch;
mod chat;
mod compare;
mod completions;
mod config;
mod context;
mod daemon;
mod data_dir;
mod doctor;
mod echo;
mod embed;
mod failure;
mod ipc;
mod live;
mod lock;
mod mcp;
mod models;
mod notes;
mod output;
mod provider_tests;
mod providers;
mod pull;
mod sandbox;
mod serve;
mod sessions;
mod signals;
mod store;
mod style;
mod table;
mod text;
mod tls;
mod token;
mod tokens;
mod usage;
mod wrap;

use clap::{Parser, Subcommand};
use greenroom::config::Environment;

use context::Context;
pub(crate) use context::GlobalArgs;
pub(crate) use failure::{Exit, Failure};
pub(crate) use notes::may_style;

/// Keeps AI agents and assistants talking while providers, keys and frontends fail.
#[derive(Debug, Parser)]
#[command(name = "greenroom", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask a model, or talk with it
    Chat(chat::ChatArgs),
    /// Ask several models the same, and see their answers side by side
    Compare(compare::CompareArgs),
    /// Run the daemon that other programs talk to
    #[command(after_help = "Examples:\n  greenroom serve\n  greenroom serve --listen 127.0.0.1:8080")]
    Serve(serve::ServeArgs),
    /// Answer lines of JSON on standard input, for a program that starts this one
    Ipc(ipc::IpcArgs),
    /// Look at conversations that are kept, and take part in them
    #[command(after_help = "Examples:\n  greenroom sessions\n  greenroom sessions attach trip")]
    Sessions(sessions::SessionsArgs),
    /// Be a server of the Model Context Protocol on standard input and output
    #[command(after_help = "Examples:\n  greenroom mcp\n  greenroom mcp --data-dir ~/.local/share/greenroom")]
    Mcp(mcp::McpArgs),
    /// List the models that there are
    Models(models::ModelsArgs),
    /// Have a provider fetch a model
    Pull(pull::PullArgs),
    /// Make a text into a vector
    Embed(embed::EmbedArgs),
    /// Count the tokens of a text
    Tokens(tokens::TokensArgs),
    /// Hand over requests that can wait, for half the price
    Batch(batch::BatchArgs),
    /// Show how the providers and their keys are
    #[command(after_help = "Examples:\n  greenroom providers\n  greenroom providers test openai")]
    Providers(providers::ProvidersArgs),
    /// Show what answers used and cost
    Usage(usage::UsageArgs),
    /// Keys and logins for providers, and who may come in
    #[command(after_help = "Examples:\n  greenroom auth add anthropic\n  greenroom auth token")]
    Auth(auth::AuthArgs),
    /// Look at the configuration, and change it
    #[command(after_help = "Examples:\n  greenroom config check\n  greenroom config set server.listen 127.0.0.1:4848")]
    Config(config::ConfigArgs),
    /// Say what is wrong here, and what to do about it
    #[command(after_help = "Examples:\n  greenroom doctor\n  greenroom doctor --offline --json")]
    Doctor(doctor::DoctorArgs),
    /// Mend what is kept in the data directory
    #[command(after_help = "Examples:\n  greenroom store repair")]
    Store(store::StoreArgs),
    /// Print a completion script for a shell
    #[command(
        after_help = "Examples:\n  greenroom completions bash > ~/.local/share/bash-completion/completions/greenroom\n  greenroom completions zsh > ~/.zfunc/_greenroom"
    )]
    Completions(completions::CompletionsArgs),
}

impl Command {
    /// Whether it runs for long, with nobody in front of it.
    pub(crate) fn is_daemon(&self) -> bool {
        matches!(self, Self::Serve(_))
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: Command, globals: GlobalArgs, environment: Environment) -> Result<Exit, Failure> {
    let context = Context { globals, environment };
    match command {
        Command::Chat(args) => chat::run(&context, args),
        Command::Compare(args) => compare::run(&context, &args),
        Command::Serve(args) => serve::run(&context, &args),
        Command::Ipc(args) => ipc::run(&context, &args),
        Command::Sessions(args) => sessions::run(&context, args),
        Command::Mcp(args) => mcp::run(&context, &args),
        Command::Models(args) => models::run(&context, &args),
        Command::Pull(args) => pull::run(&context, &args),
        Command::Embed(args) => embed::run(&context, &args),
        Command::Tokens(args) => tokens::run(&context, &args),
        Command::Batch(args) => batch::run(&context, &args),
        Command::Providers(args) => providers::run(&context, &args),
        Command::Usage(args) => usage::run(&context, &args),
        Command::Auth(args) => auth::run(&context, args),
        Command::Config(args) => config::run(&context, &args),
        Command::Doctor(args) => doctor::run(&context, &args),
        Command::Store(args) => store::run(&context, &args),
        Command::Completions(args) => completions::run(&args),
    }
}

#[cfg(test)]
#[path = "help_tests.rs"]
mod help_tests;
