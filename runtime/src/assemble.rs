//! From what a person wrote to the arguments of each part. The one place that knows both.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use greenroom_actors::{
    Budget, CacheRules, ContextPolicy, Limits, OnCrash, OnInterrupt, ProfileArgs, ProviderArgs, ProviderSpec,
    RequestDefaults, RouterArgs, SessionRules, ShelfArgs, Strategy, SystemArgs, Target, Timeouts, TurnLimits, Unusable,
    UsageRules, Way,
};
use greenroom_config::{
    self as config, AliasTarget, CredentialError, Environment, Kind, ModelFacts, OAuthPreset, OpenAiWire, SecretError,
    Settings,
};
#[cfg(feature = "bedrock")]
use greenroom_providers::bedrock::{Bedrock, BedrockArgs};
use greenroom_providers::{
    Catalog, Facts, ModelInfo, Price, Provider,
    anthropic::{ANTHROPIC_BASE, Anthropic, AnthropicArgs},
    auth::copilot_base,
    azure::{Azure, AzureArgs},
    copilot::{Copilot, CopilotArgs},
    demo::Demo,
    gemini::{GEMINI_BASE, Gemini, GeminiArgs},
    llamacpp::{LLAMACPP_BASE, LlamaCpp, LlamaCppArgs},
    ollama::{OLLAMA_BASE, Ollama, OllamaArgs},
    openai::{OPENAI_BASE, OpenAi, OpenAiArgs},
    openrouter::{OPENROUTER_BASE, OpenRouter, OpenRouterArgs},
    transport::Transport,
    vertex::{GLOBAL, Vertex, VertexArgs, vertex_base},
};
use greenroom_wire::{ChatError, ErrorKind};
use secrecy::ExposeSecret as _;
use url::Url;

use crate::{
    CredentialsError, StartError,
    credentials::source::by_key,
    lists::{ListStore, Origin},
};

/// Something that was left out at the start.
#[derive(Debug, Clone)]
pub struct Warned {
    /// The provider.
    pub provider: Arc<str>,
    /// The profile, if it is about one.
    pub profile: Option<String>,
    /// What, and why.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

pub(crate) struct Assembled {
    pub(crate) args: SystemArgs,
    pub(crate) warnings: Vec<Warned>,
}

/// What lets in profiles that were added, by provider and profile.
pub(crate) type AddedWays = HashMap<(String, String), Result<Way, CredentialsError>>;

/// Turns settings into the arguments of the actors; with `lists`, they start with the lists of models kept there. Where
/// no provider can be used and `waiting` is said, those that lack nothing but what can be added are there without a
/// profile.
pub(crate) fn assemble(
    settings: &Settings,
    environment: &Environment,
    added: &AddedWays,
    lists: Option<&ListStore>,
    waiting: bool,
) -> Result<Assembled, StartError> {
    let mut transports = Transports::default();
    let mut providers = Vec::new();
    let mut unusable = Vec::new();
    let mut warnings = Vec::new();
    let mut missing = None;
    let mut empty = Vec::new();
    for written in &settings.providers {
        let (profiles, failed) = profiles(written, environment, added, &mut transports);
        let usable = !profiles.is_empty();
        if !usable && failed.iter().all(Lacking::can_be_added) {
            empty.push(written);
        }
        for lacking in failed {
            let warned = lacking.warned();
            if !usable {
                let Warned { provider, message: reason, hint, .. } = warned.clone();
                unusable.push(Unusable { provider, reason, hint });
            }
            warnings.push(warned);
            missing.get_or_insert(lacking);
        }
        if usable {
            let failed = |source| StartError::Provider { provider: written.name.clone(), source };
            let provider = provider(written, environment, &mut transports).map_err(failed)?;
            providers.push(spec(written, provider, profiles, lists));
        }
    }
    if waiting && providers.is_empty() {
        for written in empty {
            let failed = |source| StartError::Provider { provider: written.name.clone(), source };
            let provider = provider(written, environment, &mut transports).map_err(failed)?;
            providers.push(spec(written, provider, Vec::new(), lists));
            unusable.retain(|unusable| *unusable.provider != *written.name);
        }
    }
    if providers.is_empty() {
        return Err(missing.map_or(StartError::NoSettings, Lacking::into_error));
    }
    let router = RouterArgs {
        providers: providers
            .iter()
            .map(|spec| {
                let written =
                    settings.provider(&spec.args.name).expect("each provider was made from one that was written");
                shelf(written, spec)
            })
            .collect(),
        aliases: settings.models.aliases.iter().map(|alias| (alias.name.clone(), target(&alias.target))).collect(),
        default: settings.models.default.clone(),
        unusable,
        facts: Arc::new(facts(settings)),
    };
    let args = SystemArgs {
        providers,
        router,
        budget: Budget {
            attempts: settings.failover.attempts.get(),
            continuations: settings.failover.continuations,
            max_wait: settings.failover.max_wait,
        },
        on_interrupt: match settings.failover.on_interrupt {
            config::OnInterrupt::Continue => OnInterrupt::Continue,
            config::OnInterrupt::Restart => OnInterrupt::Restart,
            config::OnInterrupt::Fail => OnInterrupt::Fail,
        },
        hedge: Some(settings.failover.hedge).filter(|hedge| !hedge.is_zero()),
        limits: TurnLimits {
            bytes: usize::try_from(settings.sessions.max_turn_bytes).unwrap_or(usize::MAX),
            time: settings.sessions.max_turn_time,
        },
        rules: rules(&settings.sessions),
        idle: settings.providers.iter().map(|written| written.name.clone()).collect(),
        usage: UsageRules { keep: Some(settings.usage.keep).filter(|keep| !keep.is_zero()), ..UsageRules::default() },
        cache: CacheRules {
            size: usize::try_from(settings.cache.size).unwrap_or(usize::MAX),
            max_age: settings.cache.max_age,
        },
        store: None,
    };
    Ok(Assembled { args, warnings })
}

/// What the router knows of a provider from the start.
pub(crate) fn shelf(written: &config::Provider, spec: &ProviderSpec) -> ShelfArgs {
    ShelfArgs {
        provider: Arc::clone(&spec.args.name),
        capabilities: spec.args.provider.capabilities(),
        models: written.models.iter().map(model_info).collect(),
    }
}

/// The rules of durable sessions.
fn rules(written: &config::Sessions) -> SessionRules {
    SessionRules {
        hibernate_after: written.hibernate_after,
        keep: Some(written.keep).filter(|keep| !keep.is_zero()),
        disk_quota: Some(written.disk_quota).filter(|bytes| *bytes > 0),
        on_crash: match written.on_crash {
            config::OnCrash::Continue => OnCrash::Continue,
            config::OnCrash::Mark => OnCrash::Mark,
        },
        context: match written.context {
            config::ContextPolicy::Trim => ContextPolicy::Trim,
            config::ContextPolicy::Summarise => ContextPolicy::Summarise,
            config::ContextPolicy::Fail => ContextPolicy::Fail,
        },
    }
}

/// Everything that would be left out for want of a credential.
pub(crate) fn left_out(settings: &Settings, environment: &Environment) -> Vec<Warned> {
    let (added, mut transports) = (AddedWays::new(), Transports::default());
    let failed =
        settings.providers.iter().flat_map(|written| profiles(written, environment, &added, &mut transports).1);
    failed.map(|lacking| lacking.warned()).collect()
}

/// Why a profile is left out.
enum Lacking {
    /// What was written does not lead to a secret.
    Written(CredentialError),
    /// What was added is not to be had, or what is there can't be used as it is configured.
    Unusable { provider: Arc<str>, profile: String, what: String, hint: String },
}

impl Lacking {
    /// Whether what is lacking is what nobody has added yet.
    fn can_be_added(&self) -> bool {
        matches!(self, Self::Written(CredentialError { source: SecretError::NotAdded { .. }, .. }))
    }

    fn unusable(
        written: &config::Provider,
        own: &config::Profile,
        error: &dyn std::error::Error,
        hint: String,
    ) -> Self {
        let (provider, profile) = (written.name.as_str().into(), own.id.clone());
        Self::Unusable { provider, profile, what: with_causes(error), hint }
    }

    fn warned(&self) -> Warned {
        match self {
            Self::Written(error) => warned(error),
            Self::Unusable { provider, profile, what, hint } => Warned {
                provider: Arc::clone(provider),
                profile: Some(profile.clone()),
                message: format!("the credential {provider}/{profile} can't be used: {what}"),
                hint: hint.clone(),
            },
        }
    }

    fn into_error(self) -> StartError {
        let Warned { message, hint, .. } = self.warned();
        match self {
            Self::Written(error) => StartError::NoProvider(error),
            Self::Unusable { .. } => StartError::NoCredential { message, hint },
        }
    }
}

/// What is left out for want of a credential.
fn warned(error: &CredentialError) -> Warned {
    let profile = match &error.credential {
        config::Credential::Profile(id) => Some(id.clone()),
        _ => None,
    };
    Warned { provider: error.provider.as_str().into(), profile, message: describe(error), hint: error.hint() }
}

/// What is known of each provider's models.
fn facts(settings: &Settings) -> Facts {
    let known = settings.providers.iter().map(|written| (written.name.as_str().into(), catalogued(written)));
    // A provider that comes in by its name alone is the one of that name.
    let by_name = |kind: &Kind| settings.provider(kind.name()).is_none();
    let to_come = Kind::ALL.into_iter().filter(by_name).map(|kind| (kind.name().into(), kind.name()));
    let kinds = known.chain(to_come);
    Facts::new(Arc::new(Catalog::embedded()), kinds)
}

/// Whose models a provider has, in the catalogue's words. The address tells, since `openai` at another one is whatever
/// answers there, with prices of its own.
fn catalogued(written: &config::Provider) -> &'static str {
    let host = written.base_url.as_ref().map(|url| url.host_str().unwrap_or_default());
    let preset = written.oauth.as_ref().and_then(|oauth| oauth.preset);
    // A subscription has windows of its own, and no prices.
    let is_chatgpt = preset == Some(OAuthPreset::ChatGpt);
    match (written.kind, host) {
        (Kind::Demo, _) => "demo",
        (Kind::Ollama, _) => "ollama",
        (Kind::Azure, _) => "azure",
        (Kind::Vertex, _) => "vertex",
        (Kind::LlamaCpp, _) => "llamacpp",
        (Kind::OpenRouter, None) => "openrouter",
        (Kind::Copilot, _) => "copilot",
        (Kind::Anthropic, None) => "anthropic",
        (Kind::OpenAi, None) if is_chatgpt => "chatgpt",
        (_, Some("chatgpt.com")) => "chatgpt",
        (Kind::OpenAi, None) | (_, Some("api.openai.com")) => "openai",
        (_, Some("openrouter.ai")) => "openrouter",
        (_, Some("generativelanguage.googleapis.com")) => "gemini",
        (_, Some("api.anthropic.com")) => "anthropic",
        (_, Some("api.githubcopilot.com")) => "copilot",
        (_, Some(host)) if host.starts_with("bedrock-mantle.") && host.ends_with(".api.aws") => "bedrock-mantle",
        (_, Some(host)) if AZURE.iter().any(|domain| host.ends_with(domain)) => "azure",
        (Kind::Gemini, None) => "gemini",
        (Kind::Bedrock, None) => "bedrock",
        (Kind::Bedrock, Some(host)) if host.contains(".amazonaws.com") => "bedrock",
        (Kind::Anthropic, _) => "anthropic-compatible",
        (Kind::Gemini, Some(_)) => "gemini-compatible",
        (Kind::Bedrock, Some(_)) => "bedrock-compatible",
        (Kind::OpenAi | Kind::OpenAiCompatible | Kind::OpenRouter, _) => "openai-compatible",
    }
}

/// Where Azure has its resources.
const AZURE: [&str; 3] = [".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com"];

/// One pool of connections for each time-out of connecting.
#[derive(Default)]
pub(crate) struct Transports(HashMap<Duration, Arc<Transport>>);

impl Transports {
    pub(crate) fn get(&mut self, connect: Duration) -> Arc<Transport> {
        Arc::clone(self.0.entry(connect).or_insert_with(|| Arc::new(Transport::new(connect))))
    }
}

/// The profiles whose credential can be had, and what is wrong with the others.
fn profiles(
    written: &config::Provider,
    environment: &Environment,
    added: &AddedWays,
    transports: &mut Transports,
) -> (Vec<ProfileArgs>, Vec<Lacking>) {
    let mut profiles = Vec::new();
    let mut failed = Vec::new();
    if written.profiles.is_empty() {
        failed.push(Lacking::Written(CredentialError::none_for(written)));
    }
    for own in &written.profiles {
        let way = match added.get(&(written.name.clone(), own.id.clone())) {
            Some(Ok(way)) => way.clone(),
            Some(Err(error)) => {
                failed.push(Lacking::unusable(written, own, error, error.hint()));
                continue;
            }
            None => {
                let transport = transports.get(written.timeouts.connect);
                let way = written.key(own, environment).map_err(Lacking::Written).and_then(|key| {
                    by_key(written, &own.id, key, environment, transport)
                        .map_err(|error| Lacking::unusable(written, own, &error, error.hint().to_owned()))
                });
                match way {
                    Ok(way) => way,
                    Err(lacking) => {
                        failed.push(lacking);
                        continue;
                    }
                }
            }
        };
        profiles.push(profile(own, way));
    }
    (profiles, failed)
}

/// A profile with what lets it in.
pub(crate) fn profile(written: &config::Profile, way: Way) -> ProfileArgs {
    ProfileArgs { id: written.id.as_str().into(), way, weight: written.weight, limits: limits(written.limits) }
}

pub(crate) fn provider(
    written: &config::Provider,
    environment: &Environment,
    transports: &mut Transports,
) -> Result<Arc<dyn Provider>, ChatError> {
    let base = |default: &str| match &written.base_url {
        Some(url) => url.clone(),
        None => default.parse().expect("the address of a kind is an address"),
    };
    let headers = || headers(written, environment);
    let transport = transports.get(written.timeouts.connect);
    let openai = |headers| OpenAiArgs { transport: Arc::clone(&transport), base: base(OPENAI_BASE), headers };
    let spoken = |provider: OpenAi| match written.wire {
        None => provider,
        Some(wire) => provider.with_responses(wire == OpenAiWire::Responses),
    };
    Ok(match written.kind {
        Kind::Anthropic => {
            let (base, headers) = (base(ANTHROPIC_BASE), headers()?);
            Arc::new(Anthropic::new(AnthropicArgs { transport, base, headers })?)
        }
        Kind::OpenAi => Arc::new(spoken(OpenAi::official(openai(headers()?))?)),
        Kind::OpenAiCompatible => Arc::new(spoken(OpenAi::compatible(openai(headers()?))?)),
        Kind::Azure => {
            let base = written.base_url.clone();
            let base =
                base.ok_or_else(|| ChatError::new(ErrorKind::Config, "the address of the resource is missing"))?;
            let azure = Azure::new(AzureArgs {
                transport,
                base,
                api_version: written.api_version.clone(),
                headers: headers()?,
            })?;
            Arc::new(match written.wire {
                None => azure,
                Some(wire) => azure.with_responses(wire == OpenAiWire::Responses),
            })
        }
        Kind::Gemini => {
            let (base, headers) = (base(GEMINI_BASE), headers()?);
            Arc::new(Gemini::new(GeminiArgs { transport, base, headers })?)
        }
        Kind::Vertex => {
            let region = written.region.clone().unwrap_or_else(|| GLOBAL.to_owned());
            let base = match &written.base_url {
                Some(url) => url.clone(),
                None => vertex_base(&region)?,
            };
            let (project, headers) = (written.project.clone(), headers()?);
            Arc::new(Vertex::new(VertexArgs { transport, base, project, region, headers })?)
        }
        Kind::Copilot => Arc::new(Copilot::new(CopilotArgs {
            transport,
            base: copilot_base_of(written)?,
            headers: headers()?,
            responses: written.wire.map(|wire| wire == OpenAiWire::Responses),
            enable_models: written.copilot.enable_models,
        })?),
        Kind::OpenRouter => Arc::new(OpenRouter::new(OpenRouterArgs {
            transport,
            base: base(OPENROUTER_BASE),
            headers: headers()?,
            routing: written.routing.clone(),
            responses: written.wire == Some(OpenAiWire::Responses),
        })?),
        Kind::LlamaCpp => Arc::new(LlamaCpp::new(LlamaCppArgs {
            transport,
            base: base(LLAMACPP_BASE),
            headers: headers()?,
            responses: written.wire == Some(OpenAiWire::Responses),
        })?),
        Kind::Ollama => {
            let (base, headers) = (base(OLLAMA_BASE), headers()?);
            Arc::new(Ollama::new(OllamaArgs { transport, base, headers })?)
        }
        #[cfg(feature = "bedrock")]
        Kind::Bedrock => {
            let (base, headers) = (written.base_url.clone(), headers()?);
            let region = written.aws_region(environment).map(str::to_owned);
            let profile = written.aws_profile(environment).map(str::to_owned);
            Arc::new(Bedrock::new(BedrockArgs { transport, base, region, profile, headers })?)
        }
        #[cfg(not(feature = "bedrock"))]
        Kind::Bedrock => {
            let message = "this program was built without the kind \"bedrock\"";
            return Err(ChatError::new(ErrorKind::Config, message).with_hint("build it with the feature \"bedrock\""));
        }
        Kind::Demo => Arc::new(Demo),
    })
}

/// Where Copilot is asked: where that is written, or at GitHub or the Enterprise whose tokens these are.
pub(crate) fn copilot_base_of(written: &config::Provider) -> Result<Url, ChatError> {
    if let Some(url) = &written.base_url {
        return Ok(url.clone());
    }
    let of_logins = written.oauth.as_ref().and_then(|oauth| oauth.domain.as_deref());
    copilot_base(written.copilot.domain.as_deref().or(of_logins)).map_err(|error| {
        let hint = error.hint().to_owned();
        ChatError::new(ErrorKind::Config, error.to_string()).with_hint(hint)
    })
}

/// The headers that each request to a provider is sent with.
pub(crate) fn headers(
    written: &config::Provider,
    environment: &Environment,
) -> Result<BTreeMap<String, String>, ChatError> {
    let mut headers = BTreeMap::new();
    // Vertex has its project in the path.
    let project = written.project.as_ref().filter(|_| written.kind != Kind::Vertex);
    let booked = [("openai-organization", written.organization.as_ref()), ("openai-project", project)];
    for (name, value) in booked {
        headers.extend(value.map(|value| (name.to_owned(), value.clone())));
    }
    for header in &written.headers {
        let value = written
            .header(header, environment)
            .map_err(|error| ChatError::new(ErrorKind::Config, describe(&error)).with_hint(error.hint()))?;
        headers.insert(header.name.clone(), value.expose_secret().to_owned());
    }
    Ok(headers)
}

/// A provider and how it is treated; with `lists`, it starts with the list of models kept there.
pub(crate) fn spec(
    written: &config::Provider,
    provider: Arc<dyn Provider>,
    profiles: Vec<ProfileArgs>,
    lists: Option<&ListStore>,
) -> ProviderSpec {
    let timeouts = &written.timeouts;
    let lists = lists.filter(|_| written.kind != Kind::Demo).map(|lists| (lists, origin(written, provider.kind())));
    ProviderSpec {
        args: ProviderArgs {
            name: written.name.as_str().into(),
            provider,
            profiles,
            shared_limits: limits(written.shared_limits),
            queue: written.queue.max_waiting.get(),
            cached: lists.as_ref().and_then(|(lists, origin)| lists.read(origin)),
            listed: lists.map(|(lists, origin)| lists.keeper(origin)),
            store: None,
        },
        timeouts: Timeouts {
            first_token: timeouts.first_token,
            first_token_per_10k: timeouts.first_token_per_10k,
            first_token_alone: timeouts.first_token_alone,
            idle: timeouts.idle,
            idle_reasoning: timeouts.idle_reasoning,
            silent: timeouts.silent,
        },
        queue_wait: written.queue.max_wait,
        defaults: RequestDefaults {
            temperature: written.defaults.temperature,
            max_tokens: written.defaults.max_tokens.map(|most| u64::from(most.get())),
        },
    }
}

fn origin(written: &config::Provider, kind: &str) -> Origin {
    let base = written.base_url.as_ref().map_or_else(String::new, ToString::to_string);
    Origin { provider: written.name.clone(), kind: kind.to_owned(), base }
}

fn limits(limits: config::Limits) -> Limits {
    Limits {
        requests_per_minute: limits.requests_per_minute,
        tokens_per_minute: limits.tokens_per_minute,
        concurrent: limits.concurrent,
    }
}

fn target(target: &AliasTarget) -> Target {
    match target {
        AliasTarget::Chain(names) => Target::Chain(names.clone()),
        AliasTarget::Any { models, strategy } => Target::Any {
            entries: models.iter().map(|entry| (entry.model.clone(), entry.weight)).collect(),
            strategy: match strategy {
                config::Strategy::Latency => Strategy::Latency,
                config::Strategy::Cost => Strategy::Cost,
                config::Strategy::Weighted => Strategy::Weighted,
            },
        },
    }
}

/// What was written of a model.
pub(crate) fn model_info((id, facts): (&String, &ModelFacts)) -> ModelInfo {
    ModelInfo {
        context: facts.context.map(Into::into),
        max_output: facts.max_output.map(Into::into),
        tools: facts.tools,
        reasoning: facts.reasoning,
        prefill: facts.prefill,
        price: facts.cost.map(|cost| Price {
            cache_read: cost.cache_read,
            cache_write: cost.cache_write,
            ..Price::flat(cost.input, cost.output)
        }),
        ..ModelInfo::named(id)
    }
}

/// An error of a credential with its causes, for one line.
fn describe(error: &CredentialError) -> String {
    with_causes(error)
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| match cause.to_string() {
        // Some errors repeat the words of their cause.
        cause if text.ends_with(&cause) => text,
        cause => format!("{text}: {cause}"),
    })
}

#[cfg(test)]
#[path = "assemble_tests.rs"]
mod tests;
