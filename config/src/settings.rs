//! The settings as a whole, and those that aren't about one provider or model.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::credentials::Credentials;
use crate::environment::Environment;
use crate::models::Models;
use crate::provider::{Provider, serialize_providers};
use crate::sandbox::Sandbox;
use crate::secret::{SecretReference, expand};
use crate::units::{serialize_bytes, serialize_duration};

/// Everything that greenroom is told, complete and validated.
///
/// [`Default`] has the defaults and no provider; [`crate::load`] always gives at least one.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Settings {
    /// How the daemon is reached.
    pub server: Server,
    /// The providers, in the order in which they were written; names are unique.
    #[serde(serialize_with = "serialize_providers")]
    pub providers: Vec<Provider>,
    /// Whether the providers were written or found.
    #[serde(skip)]
    pub discovery: Discovery,
    /// Variables that hold a key which this version can't use; filled only where providers had to be found.
    #[serde(skip)]
    pub ignored_variables: Vec<IgnoredVariable>,
    /// The default model and the aliases.
    pub models: Models,
    /// How long silence is borne; a provider's own are in [`Provider::timeouts`].
    pub timeouts: Timeouts,
    /// What is done when a provider fails.
    pub failover: Failover,
    /// The bounds of a session.
    pub sessions: Sessions,
    /// How what answers used is kept.
    pub usage: Usage,
    /// Which answers are kept for who asks the same again.
    pub cache: Cache,
    /// How what outlives the process is kept.
    pub store: Store,
    /// Where what is added to the configuration lies.
    pub credentials: Credentials,
    /// What of the machine the daemon keeps itself from.
    pub sandbox: Sandbox,
}

impl Settings {
    /// The provider of that name.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.name == name)
    }

    /// Every reference to what goes out with requests: keys and headers.
    pub fn references(&self) -> impl Iterator<Item = &SecretReference> {
        self.providers.iter().flat_map(Provider::references)
    }
}

/// Where the providers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Discovery {
    /// A person configured them.
    #[default]
    Configured,
    /// None was configured, and the usual variables named one.
    Environment,
    /// None was configured or named by a variable, and a server on this machine answered.
    Local,
    /// None was configured and none was found: the built-in demo serves.
    Demo,
}

/// A variable that names a provider which this version can't use yet, or not without others that aren't set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IgnoredVariable {
    /// The variable's name.
    pub variable: &'static str,
    /// The provider that it is for.
    pub provider: &'static str,
    /// How that provider can be used all the same, where it can.
    pub hint: Option<&'static str>,
}

/// `[server]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Server {
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// The certificate behind which it is served; without, what is said goes over the network as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Whether other machines may be listened to without a certificate.
    pub allow_plain: bool,
    /// How long streams in flight may go on once the daemon is told to stop.
    #[serde(serialize_with = "serialize_duration")]
    pub grace: Duration,
    /// `Host` names that are let in beside the loopback ones, in lower case, with a port where one was written.
    pub allowed_hosts: Vec<String>,
    /// `Origin` values that are let in, as a browser sends them: scheme, host, and port where it isn't the default.
    pub allowed_origins: Vec<String>,
    /// The largest request body, in bytes.
    #[serde(serialize_with = "serialize_bytes")]
    pub max_body: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4747)),
            tls: None,
            allow_plain: false,
            grace: Duration::from_secs(10),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_body: 32 << 20,
        }
    }
}

/// `[server.tls]`: files in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tls {
    /// The certificate, and behind it those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Tls {
    /// Where the certificate lies, `~` expanded.
    #[must_use]
    pub fn certificate_file(&self, environment: &Environment) -> PathBuf {
        expand(&self.certificate, environment)
    }

    /// Where the private key lies, `~` expanded.
    #[must_use]
    pub fn key_file(&self, environment: &Environment) -> PathBuf {
        expand(&self.key, environment)
    }
}

/// `[timeouts]`, and `timeouts` of a provider, which starts from these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Timeouts {
    /// To connect, TLS included.
    #[serde(serialize_with = "serialize_duration")]
    pub connect: Duration,
    /// From the start of connecting to the first content, where another candidate could take over.
    #[serde(serialize_with = "serialize_duration")]
    pub first_token: Duration,
    /// What `first_token` grows by for each 10,000 tokens of the prompt.
    #[serde(serialize_with = "serialize_duration")]
    pub first_token_per_10k: Duration,
    /// Instead of `first_token` where no other candidate is left, for reasoning models and for local servers.
    #[serde(serialize_with = "serialize_duration")]
    pub first_token_alone: Duration,
    /// Between bytes once content flows; heartbeats count as bytes.
    #[serde(serialize_with = "serialize_duration")]
    pub idle: Duration,
    /// Instead of `idle` for reasoning models.
    #[serde(serialize_with = "serialize_duration")]
    pub idle_reasoning: Duration,
    /// Without content, whatever heartbeats come.
    #[serde(serialize_with = "serialize_duration")]
    pub silent: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_token: Duration::from_secs(12),
            first_token_per_10k: Duration::from_secs(1),
            first_token_alone: Duration::from_secs(120),
            idle: Duration::from_secs(30),
            idle_reasoning: Duration::from_secs(120),
            silent: Duration::from_secs(120),
        }
    }
}

/// `[failover]`: the budget of one dispatch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failover {
    /// All the waiting of one dispatch together, for cooldowns and limits.
    #[serde(serialize_with = "serialize_duration")]
    pub max_wait: Duration,
    /// How often providers are asked at most.
    pub attempts: NonZeroU32,
    /// How often an answer that is cut goes on at most.
    pub continuations: u32,
    /// What is done with an answer that is cut after its first token.
    pub on_interrupt: OnInterrupt,
    /// After how long without a word the next candidate is asked beside the first; never if it is nothing.
    #[serde(serialize_with = "serialize_duration")]
    pub hedge: Duration,
}

/// What is done with an answer that is cut after its first token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnInterrupt {
    /// What was shown is kept, and the next model goes on from there.
    #[default]
    Continue,
    /// It is made anew from its start.
    Restart,
    /// It fails.
    Fail,
}

impl OnInterrupt {
    /// The words for it.
    pub const WORDS: [(&'static str, Self); 3] =
        [("continue", Self::Continue), ("restart", Self::Restart), ("fail", Self::Fail)];
}

impl Default for Failover {
    fn default() -> Self {
        Self {
            max_wait: Duration::from_secs(30),
            attempts: NonZeroU32::new(8).expect("eight is not zero"),
            continuations: 3,
            on_interrupt: OnInterrupt::default(),
            hedge: Duration::ZERO,
        }
    }
}

/// `[sessions]`: the bounds of a turn, and how durable sessions are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sessions {
    /// The most that one turn may produce, in bytes.
    #[serde(serialize_with = "serialize_bytes")]
    pub max_turn_bytes: u64,
    /// The longest that one turn may take; waiting for tool results doesn't count.
    #[serde(serialize_with = "serialize_duration")]
    pub max_turn_time: Duration,
    /// How long a session that nobody reads and that has nothing to do stays in memory.
    #[serde(serialize_with = "serialize_duration")]
    pub hibernate_after: Duration,
    /// How long a session is kept after the last thing that was added to it; for ever if it is nothing.
    #[serde(serialize_with = "serialize_duration")]
    pub keep: Duration,
    /// The most that the logs of all sessions may take on disk, in bytes; whatever there is if it is 0.
    #[serde(serialize_with = "serialize_bytes")]
    pub disk_quota: u64,
    /// What becomes of a turn that the end of the process cut.
    pub on_crash: OnCrash,
    /// What is done with a conversation that outgrows the model's window.
    pub context: ContextPolicy,
}

/// What becomes of a turn that the end of the process cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnCrash {
    /// It goes on from what was kept of it.
    #[default]
    Continue,
    /// It fails, and what was kept of it stays.
    Mark,
}

impl OnCrash {
    /// The words for it.
    pub const WORDS: [(&'static str, Self); 2] = [("continue", Self::Continue), ("mark", Self::Mark)];
}

/// What is done with a conversation that outgrows the model's window. The session's log keeps all of it in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ContextPolicy {
    /// The model isn't shown the oldest finished turns any more.
    #[default]
    Trim,
    /// A summary stands for them.
    Summarise,
    /// The turn fails.
    Fail,
}

impl ContextPolicy {
    /// The words for it.
    pub const WORDS: [(&'static str, Self); 3] =
        [("trim", Self::Trim), ("summarise", Self::Summarise), ("fail", Self::Fail)];
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            max_turn_bytes: 16 << 20,
            max_turn_time: Duration::from_secs(60 * 60),
            hibernate_after: Duration::from_secs(60),
            keep: Duration::ZERO,
            disk_quota: 0,
            on_crash: OnCrash::default(),
            context: ContextPolicy::default(),
        }
    }
}

/// `[usage]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// How long each attempt is kept by itself; for ever if it is nothing. Sums are kept for ever.
    #[serde(serialize_with = "serialize_duration")]
    pub keep: Duration,
}

impl Default for Usage {
    fn default() -> Self {
        Self { keep: Duration::from_secs(90 * 24 * 60 * 60) }
    }
}

/// `[cache]`: answers in memory, for who asks exactly the same again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cache {
    /// Whether every request that does not say otherwise is answered so.
    pub enabled: bool,
    /// The models, as they are asked for, of which it is so in any case; `*` stands for any text.
    pub models: Vec<String>,
    /// The most that answers may take, in bytes.
    #[serde(serialize_with = "serialize_bytes")]
    pub size: u64,
    /// How old an answer may be.
    #[serde(serialize_with = "serialize_duration")]
    pub max_age: Duration,
}

impl Default for Cache {
    fn default() -> Self {
        Self { enabled: false, models: Vec::new(), size: 64 << 20, max_age: Duration::from_secs(60 * 60) }
    }
}

/// `[store]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Store {
    /// What an acknowledged write survives.
    pub durability: Durability,
}

/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// The end of the process, however it comes.
    #[default]
    Process,
    /// A loss of power as well, for a sync of the disk each time.
    Power,
}
