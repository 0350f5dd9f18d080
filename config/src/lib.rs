//! What a person wrote for greenroom, turned into one typed and validated value.
//!
//! Four layers are merged, each over the one before: the defaults, one TOML file, variables such as
//! `GREENROOM__SERVER__LISTEN`, and flags. [`load`] does it and gives either [`Loaded`] or every problem it found
//! ([`Problems`]), each with the place where it was written and, where there is one, a line on what to do.
//!
//! Nothing here reads the process: the environment is an argument ([`Environment`]), and so is where the file lies
//! ([`Source`]). Nothing prints or exits. Secrets are references ([`SecretReference`]) until [`Provider::key`] resolves
//! them, and no `Debug`, `Display` or serialisation shows one. No keyring is known here: what one has is part of the
//! environment ([`Environment::looked_up`]). A program is run only where a `command:` reference is resolved, never by
//! [`load`].
//!
//! ```
//! use greenroom_config::{Environment, Source, load};
//!
//! let environment = Environment::from_iter([("OPENAI_API_KEY", "sk-example")]);
//! let loaded = load(&Source::new(environment)).expect("nothing is written, so nothing is wrong");
//! assert_eq!(loaded.settings.providers[0].name, "openai");
//! ```

mod check;
mod command;
mod credentials;
mod discovery;
mod edit;
mod environment;
mod error;
mod files;
mod get;
mod identity;
mod layers;
mod load;
mod local;
mod models;
mod oauth;
mod origin;
mod paths;
mod provider;
mod read;
mod resolve;
mod sandbox;
mod secret;
mod settings;
mod show;
mod suggest;
mod units;
mod warning;

pub use command::CommandFailure;
pub use credentials::{CredentialStore, Credentials};
pub use edit::{BadKey, Change, EditError, Edited, SettingKey, edit};
pub use environment::Environment;
pub use error::{ConfigError, ErrorKind, Problems};
pub use get::{NoValue, SettingInForce};
pub use identity::{Entra, GoogleCredentials, Identity, gcloud_credentials};
pub use load::{Loaded, Override, Source, load, load_found};
pub use local::{LocalServer, local_servers};
pub use models::{Alias, AliasTarget, Models, Strategy, Weighted, fits};
pub use oauth::{OAuth, OAuthFlow, OAuthPreset};
pub use origin::{Origin, Origins};
pub use paths::{NoHome, config_file, data_dir};
pub use provider::{
    Copilot, Cost, Header, Kind, Limits, ModelFacts, OpenAiWire, Profile, ProfileKey, Provider, Queue, RequestDefaults,
};
pub use resolve::{Credential, CredentialError};
pub use sandbox::{Sandbox, SandboxMode};
pub use secret::{SecretError, SecretReference};
pub use settings::{
    Cache, ContextPolicy, Discovery, Durability, Failover, IgnoredVariable, OnCrash, OnInterrupt, Server, Sessions,
    Settings, Store, Timeouts, Tls, Usage,
};
pub use warning::{Warning, WarningKind};

/// A documented configuration with every setting of this version, all of it commented out.
pub const SAMPLE: &str = include_str!("../sample.toml");
