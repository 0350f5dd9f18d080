//! One provider, as it was written.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value};
use url::Url;

use crate::units::serialize_duration;
use crate::{Identity, OAuth, Origin, SecretReference, Timeouts};

/// `[providers.NAME]`.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Provider {
    /// The name that models are prefixed with; without a slash.
    #[serde(skip)]
    pub name: String,
    /// Where it was written, or which variable it was found through.
    #[serde(skip)]
    pub origin: Origin,
    /// How it is spoken to.
    pub kind: Kind,
    /// Where it is, without user name, query or fragment; `None` means the kind's own address. Always there for
    /// [`Kind::OpenAiCompatible`] and [`Kind::Azure`].
    #[serde(serialize_with = "serialize_url")]
    pub base_url: Option<Url>,
    /// Which of OpenAI's languages it is spoken to in; `None` leaves it to the model. Of kinds that
    /// [have several](Kind::has_wires) alone.
    pub wire: Option<OpenAiWire>,
    /// Of [`Kind::OpenRouter`] alone: fields for the body of every request, where the request does not say them itself.
    pub routing: Map<String, Value>,
    /// Of [`Kind::Copilot`] alone.
    #[serde(flatten)]
    pub copilot: Copilot,
    /// The ways in, in the order in which they were written; ids are unique. None where nothing but what is added lets in:
    /// for kinds that want a key, such as [`Kind::Anthropic`], and where there is `oauth`, without one.
    pub profiles: Vec<Profile>,
    /// How a person logs in, where that is a way in.
    pub oauth: Option<OAuth>,
    /// The limits of each profile that has none of its own, the added ones too.
    pub limits: Limits,
    /// The limits of all profiles together.
    pub shared_limits: Limits,
    /// How requests wait for a limit.
    pub queue: Queue,
    /// What is known of its models, beside or instead of the catalogue.
    pub models: BTreeMap<String, ModelFacts>,
    /// The organisation that requests are booked to.
    pub organization: Option<String>,
    /// The project that requests are booked to; of [`Kind::Vertex`] the one whose models they are.
    pub project: Option<String>,
    /// Where requests are answered, of [`Kind::Vertex`] and [`Kind::Bedrock`] alone; `None` leaves it to the provider, or to
    /// `AWS_REGION` and AWS's own configuration.
    pub region: Option<String>,
    /// The version of the interface, of [`Kind::Azure`] alone; `None` is the one without versions.
    pub api_version: Option<String>,
    /// The profile of AWS's own configuration that credentials and region come from; `None` is the default one. Of
    /// [`Kind::Bedrock`] alone.
    pub aws_profile: Option<String>,
    /// Sent with every request; names are unique without regard to case.
    #[serde(serialize_with = "serialize_headers")]
    pub headers: Vec<Header>,
    /// For requests that don't say.
    pub defaults: RequestDefaults,
    /// `[timeouts]`, with what was written for this provider put over it.
    pub timeouts: Timeouts,
    /// Whether a key may be sent over unencrypted HTTP to another machine.
    pub allow_http: bool,
}

impl Provider {
    /// A provider without a key, an address or a limit, to start from in code.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            origin: Origin::BuiltIn,
            kind,
            base_url: None,
            wire: None,
            routing: Map::new(),
            copilot: Copilot::default(),
            profiles: vec![Profile::new(None)],
            oauth: None,
            limits: Limits::default(),
            shared_limits: Limits::default(),
            queue: Queue::default(),
            models: BTreeMap::new(),
            organization: None,
            project: None,
            region: None,
            api_version: None,
            aws_profile: None,
            headers: Vec::new(),
            defaults: RequestDefaults::default(),
            timeouts: Timeouts::default(),
            allow_http: false,
        }
    }

    /// Whether it may be without a profile, since it can do with what is added.
    pub(crate) fn waits_for_added(&self) -> bool {
        self.kind.wants_key() || self.oauth.is_some()
    }

    /// Every reference to what its requests are let in by: keys, headers, and the secrets of identities.
    pub fn references(&self) -> impl Iterator<Item = &SecretReference> {
        let keys = self.profiles.iter().filter_map(|profile| profile.key.secret());
        let headers = self.headers.iter().map(|header| &header.value);
        keys.chain(headers)
    }
}

/// How a provider is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Anthropic itself, or what stands in for it at another address.
    Anthropic,
    /// OpenAI itself.
    OpenAi,
    /// Any server that speaks OpenAI's chat completions, or its Responses API.
    OpenAiCompatible,
    /// Azure OpenAI and Microsoft Foundry.
    Azure,
    /// Google's Gemini API, or what stands in for it at another address.
    Gemini,
    /// Vertex AI, for models of Google's and of others.
    Vertex,
    /// Amazon Bedrock, let in by an API key, or by AWS's own credentials where there is none.
    Bedrock,
    /// GitHub Copilot.
    Copilot,
    /// OpenRouter, or what stands in for it at another address.
    OpenRouter,
    /// Ollama, through its own API.
    Ollama,
    /// A server of llama.cpp's.
    LlamaCpp,
    /// The built-in demo, which needs no network and no key.
    Demo,
}

impl Kind {
    /// Every kind of this version.
    pub const ALL: [Self; 12] = [
        Self::Anthropic,
        Self::OpenAi,
        Self::OpenAiCompatible,
        Self::Azure,
        Self::Gemini,
        Self::Vertex,
        Self::Bedrock,
        Self::Copilot,
        Self::OpenRouter,
        Self::Ollama,
        Self::LlamaCpp,
        Self::Demo,
    ];

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
            Self::OpenAiCompatible => "openai-compatible",
            Self::Azure => "azure",
            Self::Gemini => "gemini",
            Self::Vertex => "vertex",
            Self::Bedrock => "bedrock",
            Self::Copilot => "copilot",
            Self::OpenRouter => "openrouter",
            Self::Ollama => "ollama",
            Self::LlamaCpp => "llamacpp",
            Self::Demo => "demo",
        }
    }

    /// Whether [`Provider::wire`] means something for it.
    #[must_use]
    pub fn has_wires(self) -> bool {
        matches!(
            self,
            Self::OpenAi | Self::OpenAiCompatible | Self::Azure | Self::Copilot | Self::OpenRouter | Self::LlamaCpp
        )
    }

    /// Whether applications of Entra ID may be let in: at Azure, which serves Anthropic's wire as well.
    pub(crate) fn has_entra(self) -> bool {
        matches!(self, Self::Azure | Self::Anthropic)
    }

    /// Whether nobody gets in without a key or a login.
    pub(crate) fn wants_key(self) -> bool {
        matches!(self, Self::Anthropic | Self::OpenAi | Self::Azure | Self::Gemini | Self::Copilot | Self::OpenRouter)
    }

    /// Whether it was built into this program.
    #[must_use]
    pub fn is_built(self) -> bool {
        self != Self::Bedrock || cfg!(feature = "bedrock")
    }

    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What is particular to GitHub Copilot.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Copilot {
    /// A GitHub Enterprise host (`corp.ghe.com`), where it isn't github.com.
    pub domain: Option<String>,
    /// Whether a GitHub token that was given outright is exchanged for a short-lived one of Copilot's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exchange: bool,
    /// Where it is exchanged; the one of `domain` if it is `None`.
    #[serde(serialize_with = "serialize_url")]
    pub exchange_url: Option<Url>,
    /// Whether a model whose terms the account has not accepted is enabled when it is first asked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub enable_models: bool,
}

/// A language of OpenAI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OpenAiWire {
    /// Chat completions, which every compatible server speaks.
    Chat,
    /// The Responses API, in which reasoning goes back to the model.
    Responses,
}

impl OpenAiWire {
    /// The words for it.
    pub const WORDS: [(&'static str, Self); 2] = [("chat", Self::Chat), ("responses", Self::Responses)];
}

/// One way into a provider: a key with its share and its limits.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Profile {
    /// Its name within the provider.
    pub id: String,
    /// What lets it in.
    #[serde(flatten)]
    pub key: ProfileKey,
    /// Its share, compared with the other profiles' weights; at least 1.
    pub weight: u32,
    /// Its own limits, or those that the provider sets for each profile.
    pub limits: Limits,
}

impl Profile {
    /// The profile that a provider has where one key, or none, is all that was written.
    #[must_use]
    pub fn new(key: Option<SecretReference>) -> Self {
        Self { id: "default".to_owned(), key: key.into(), weight: 1, limits: Limits::default() }
    }
}

/// What lets a profile in.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum ProfileKey {
    /// The provider wants none.
    #[default]
    None,
    /// Where this leads.
    Reference(SecretReference),
    /// It is what was added under the profile's id: a key, or a login.
    Added,
    /// Tokens that are asked for in this name.
    Identity(Identity),
}

impl ProfileKey {
    /// The reference, where it is one.
    #[must_use]
    pub fn reference(&self) -> Option<&SecretReference> {
        match self {
            Self::Reference(reference) => Some(reference),
            Self::None | Self::Added | Self::Identity(_) => None,
        }
    }

    /// Whether the configuration says what lets in, so that nothing added can.
    #[must_use]
    pub fn is_written(&self) -> bool {
        matches!(self, Self::Reference(_) | Self::Identity(_))
    }

    /// The reference to a secret in it, if there is one.
    #[must_use]
    pub fn secret(&self) -> Option<&SecretReference> {
        match self {
            Self::Identity(Identity::Entra(entra)) => Some(&entra.client_secret),
            key => key.reference(),
        }
    }
}

impl From<Option<SecretReference>> for ProfileKey {
    fn from(reference: Option<SecretReference>) -> Self {
        reference.map_or(Self::None, Self::Reference)
    }
}

impl Serialize for ProfileKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut written = serializer.serialize_map(None)?;
        match self {
            Self::None | Self::Added => {}
            Self::Reference(reference) => written.serialize_entry("key", reference)?,
            Self::Identity(Identity::GoogleCredentials(google)) => {
                written.serialize_entry("google_credentials", google)?;
            }
            Self::Identity(Identity::Entra(entra)) => written.serialize_entry("entra", entra)?,
        }
        written.end()
    }
}

/// What may be asked for at most; `None` means that greenroom sets no limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Limits {
    /// Requests a minute.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Tokens a minute, of prompts and answers together.
    pub tokens_per_minute: Option<NonZeroU32>,
    /// Requests at the same time.
    pub concurrent: Option<NonZeroU32>,
}

/// How requests wait where a limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Queue {
    /// How many requests may wait.
    pub max_waiting: NonZeroUsize,
    /// How long each may wait.
    #[serde(serialize_with = "serialize_duration")]
    pub max_wait: Duration,
}

impl Default for Queue {
    fn default() -> Self {
        Self { max_waiting: NonZeroUsize::new(1024).expect("1024 is not zero"), max_wait: Duration::from_secs(30) }
    }
}

/// What is known of a model; `None` leaves it to the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub struct ModelFacts {
    /// The context window, in tokens.
    pub context: Option<NonZeroU64>,
    /// The longest answer, in tokens.
    pub max_output: Option<NonZeroU64>,
    /// Whether it goes on from an assistant's message that ends the prompt.
    pub prefill: Option<bool>,
    /// Whether it calls tools.
    pub tools: Option<bool>,
    /// Whether it thinks before it answers, so that more silence is borne.
    pub reasoning: Option<bool>,
    /// What it costs.
    pub cost: Option<Cost>,
}

/// Prices in US dollars per million tokens, zero or more.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Cost {
    /// What is sent and not cached.
    pub input: f64,
    /// What is answered, thinking included.
    pub output: f64,
    /// What is read from the provider's cache; `None` leaves it to the catalogue.
    pub cache_read: Option<f64>,
    /// What is written to the provider's cache; `None` leaves it to the catalogue.
    pub cache_write: Option<f64>,
}

/// A header that goes out with every request.
///
/// The value is treated as a secret, since many of them are: references work, and it is never shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// Its name, as it was written.
    pub name: String,
    /// Its value.
    pub value: SecretReference,
}

impl Header {
    /// Whether the value is likely a credential: it is referred to as a secret, or the name says so.
    #[must_use]
    pub fn is_sensitive(&self) -> bool {
        let name = self.name.to_ascii_lowercase();
        let telling = ["auth", "key", "token", "secret", "cookie", "password", "credential"];
        !matches!(self.value, SecretReference::Literal(_)) || telling.iter().any(|part| name.contains(part))
    }
}

/// For requests that don't say.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub struct RequestDefaults {
    /// From 0 to 2.
    pub temperature: Option<f64>,
    /// In tokens.
    pub max_tokens: Option<NonZeroU32>,
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

pub(crate) fn serialize_providers<S: Serializer>(providers: &[Provider], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(providers.iter().map(|provider| (&provider.name, provider)))
}

fn serialize_headers<S: Serializer>(headers: &[Header], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().map(|header| (&header.name, &header.value)))
}

fn serialize_url<S: Serializer>(url: &Option<Url>, serializer: S) -> Result<S::Ok, S::Error> {
    url.as_ref().map(Url::as_str).serialize(serializer)
}
