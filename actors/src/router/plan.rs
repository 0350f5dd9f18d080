//! From the name of a model to the candidates that may answer, as a pure value.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use greenroom_providers::{Capabilities, Facts, ModelInfo};
use greenroom_wire::{
    ChatError, ChatRequest, ErrorKind, Part,
    chat::{ResponseFormat, Wire},
    openai_responses::elsewhere::only_here,
};

/// A list of a provider's models is asked for again after this, when a name isn't in it.
const LIST_FRESH: Duration = Duration::from_secs(300);
/// The same, after it could not be had.
const FAILED_LIST_FRESH: Duration = Duration::from_secs(15);
/// A suggestion must be at least this much like the name (Jaro-Winkler, 0 to 1).
const LIKE: f64 = 0.75;
/// Words in the ids of models that don't chat.
const NOT_CHAT: [&str; 16] = [
    "embed",
    "whisper",
    "tts",
    "audio",
    "dall-e",
    "image",
    "moderation",
    "realtime",
    "transcribe",
    "sora",
    "rerank",
    "speech",
    "veo",
    "imagen",
    "clip",
    "ocr",
];

/// One provider and model that may answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The configured provider.
    pub provider: Arc<str>,
    /// What is known of the model; its id is the provider's own.
    pub model: ModelInfo,
}

impl std::fmt::Display for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.provider, self.model.id)
    }
}

/// What an alias stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// These, in this order.
    Chain(Vec<String>),
    /// Any of these, by a strategy; the others follow as fallbacks.
    Any {
        /// Names with their weights.
        entries: Vec<(String, u32)>,
        /// Which comes first.
        strategy: Strategy,
    },
}

/// Which of several comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// At random by weight.
    Weighted,
    /// The one whose first token has come soonest lately.
    Latency,
    /// The cheapest by the prices that are known.
    Cost,
}

/// What one provider has.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) provider: Arc<str>,
    pub(super) capabilities: Capabilities,
    /// Models named in the configuration.
    pub(super) configured: Vec<ModelInfo>,
    /// The last list that was had of it.
    pub(super) listed: Option<Arc<[ModelInfo]>>,
    /// When it was last asked for its list, and why that could not be had. Never, if the list is of an earlier process.
    pub(super) asked: Option<(Instant, Option<ChatError>)>,
    /// What is known of models that neither says.
    pub(super) facts: Arc<Facts>,
}

/// Everything that names can mean.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) shelves: Vec<Shelf>,
    /// Exact names and globs (`*`), in the order they were written.
    pub(super) aliases: Vec<(String, Target)>,
    pub(super) default: Option<String>,
    pub(super) unusable: Vec<Unusable>,
}

/// A provider that was written but can't be used, and why.
#[derive(Debug, Clone)]
pub struct Unusable {
    /// Its configured name.
    pub provider: Arc<str>,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub hint: String,
}

/// What a name means.
#[derive(Debug)]
pub(super) enum Meaning {
    /// These candidates, in order of preference; never empty.
    Candidates(Vec<Candidate>),
    /// It can't be told before these providers have listed their models.
    NeedsLists(Vec<Arc<str>>),
}

/// What order an `any` takes.
pub(super) trait Preference {
    /// Sorts entries, the first being asked first.
    fn sort(&mut self, strategy: Strategy, entries: &mut Vec<(Vec<Candidate>, u32)>);
}

impl Book {
    /// What `name` means; an empty one means the default.
    pub(super) fn resolve(
        &self,
        name: &str,
        preference: &mut dyn Preference,
        now: Instant,
    ) -> Result<Meaning, ChatError> {
        if name.is_empty() || name == "default" && self.alias(name).is_none() {
            return match &self.default {
                Some(default) => self.expand(default, preference, &mut Vec::new(), now),
                None => self.first_chat_model(now),
            };
        }
        self.expand(name, preference, &mut Vec::new(), now)
    }

    fn expand<'a>(
        &'a self,
        name: &'a str,
        preference: &mut dyn Preference,
        within: &mut Vec<&'a str>,
        now: Instant,
    ) -> Result<Meaning, ChatError> {
        if let Some((provider, model)) = name.split_once('/')
            && let Some(shelf) = self.shelf(provider)
            && !model.is_empty()
        {
            return Ok(Meaning::Candidates(vec![shelf.candidate(model)]));
        }
        if let Some((provider, _)) = name.split_once('/')
            && let Some(unusable) = self.unusable.iter().find(|unusable| &*unusable.provider == provider)
        {
            let error = ChatError::new(ErrorKind::Config, unusable.reason.clone());
            return Err(error.with_hint(unusable.hint.clone()));
        }
        let Some((alias, target)) = self.alias(name) else { return self.bare(name, now) };
        if within.contains(&alias) {
            let message = format!("the alias \"{alias}\" leads back to itself");
            return Err(ChatError::new(ErrorKind::Config, message).with_hint("run `greenroom config check`"));
        }
        within.push(alias);
        let meaning = self.expand_target(target, preference, within, now);
        within.pop();
        meaning
    }

    fn expand_target<'a>(
        &'a self,
        target: &'a Target,
        preference: &mut dyn Preference,
        within: &mut Vec<&'a str>,
        now: Instant,
    ) -> Result<Meaning, ChatError> {
        let names: Vec<(&str, u32)> = match target {
            Target::Chain(names) => names.iter().map(|name| (name.as_str(), 1)).collect(),
            Target::Any { entries, .. } => entries.iter().map(|(name, weight)| (name.as_str(), *weight)).collect(),
        };
        let mut entries = Vec::new();
        let mut needed = Vec::new();
        let mut unknown = None;
        for (name, weight) in names {
            match self.expand(name, preference, within, now) {
                Ok(Meaning::Candidates(candidates)) => entries.push((candidates, weight)),
                Ok(Meaning::NeedsLists(more)) => needed.extend(more),
                Err(error) => unknown = unknown.or(Some(error)),
            }
        }
        // What is known to answer does not wait for what may not.
        if entries.is_empty() {
            return match unknown {
                Some(error) if needed.is_empty() => Err(error),
                _ => Ok(Meaning::NeedsLists(needed)),
            };
        }
        if let Target::Any { strategy, .. } = target {
            preference.sort(*strategy, &mut entries);
        }
        let mut candidates: Vec<Candidate> = Vec::new();
        for candidate in entries.into_iter().flat_map(|(candidates, _)| candidates) {
            if !candidates.contains(&candidate) {
                candidates.push(candidate);
            }
        }
        Ok(Meaning::Candidates(candidates))
    }

    fn alias(&self, name: &str) -> Option<(&str, &Target)> {
        let exact = self.aliases.iter().find(|(alias, _)| alias == name);
        let found = exact.or_else(|| self.aliases.iter().find(|(alias, _)| glob(alias, name)))?;
        Some((&found.0, &found.1))
    }

    fn shelf(&self, provider: &str) -> Option<&Shelf> {
        self.shelves.iter().find(|shelf| &*shelf.provider == provider)
    }

    /// An id that exactly one provider has.
    fn bare(&self, name: &str, now: Instant) -> Result<Meaning, ChatError> {
        let having: Vec<&Shelf> = self.shelves.iter().filter(|shelf| shelf.find(name).is_some()).collect();
        match having[..] {
            [shelf] => return Ok(Meaning::Candidates(vec![shelf.candidate(name)])),
            [] => {}
            _ => return Err(self.ambiguous(name, &having)),
        }
        let stale: Vec<Arc<str>> = self.shelves.iter().filter(|shelf| !shelf.is_fresh(now)).map(Shelf::name).collect();
        if !stale.is_empty() {
            return Ok(Meaning::NeedsLists(stale));
        }
        // A lone provider that can't list its models may well have this one.
        if let [Shelf { asked: Some((_, Some(_))), .. }] = self.shelves[..] {
            return Ok(Meaning::Candidates(vec![self.shelves[0].candidate(name)]));
        }
        Err(self.unknown(name))
    }

    fn first_chat_model(&self, now: Instant) -> Result<Meaning, ChatError> {
        let Some(shelf) = self.shelves.first() else {
            return Err(ChatError::new(ErrorKind::Config, "no provider is configured"));
        };
        let models = shelf.models();
        if let Some(first) = models.clone().find(|model| chats(&model.id)) {
            return Ok(Meaning::Candidates(vec![shelf.candidate(&first.id)]));
        }
        if !shelf.is_fresh(now) {
            return Ok(Meaning::NeedsLists(vec![shelf.name()]));
        }
        match &shelf.asked {
            // Why the list could not be had is what the user has to mend.
            Some((_, Some(error))) if error.kind != ErrorKind::NotFound => {
                let message = format!("{} does not list its models: {}", shelf.provider, error.message);
                Err(ChatError { message, ..error.clone() })
            }
            _ => {
                let message = format!("no model was named, and {} lists none to take", shelf.provider);
                let hint = "name one: -m PROVIDER/MODEL, or models.default in the configuration";
                Err(ChatError::new(ErrorKind::NotFound, message).with_hint(hint))
            }
        }
    }

    /// The provider whose old list it was that told what `name` means. What is written in full, or as an alias, rests
    /// on no list, so nothing is asked of a provider for it.
    pub(super) fn rests_on_old(&self, name: &str, now: Instant) -> Option<Arc<str>> {
        let is_default = name.is_empty() || name == "default" && self.alias(name).is_none();
        let (shelf, id) = match (&self.default, is_default) {
            (None, true) => {
                let shelf = self.shelves.first()?;
                (shelf, shelf.models().find(|model| chats(&model.id))?.id.as_str())
            }
            (default, _) => {
                let name = default.as_deref().filter(|_| is_default).unwrap_or(name);
                let is_full = name.split_once('/').is_some_and(|(provider, _)| self.shelf(provider).is_some());
                if is_full || self.alias(name).is_some() {
                    return None;
                }
                (self.shelves.iter().find(|shelf| shelf.find(name).is_some())?, name)
            }
        };
        let is_configured = shelf.configured.iter().any(|model| model.id == id);
        (!is_configured && !shelf.is_fresh(now)).then(|| shelf.name())
    }

    fn ambiguous(&self, name: &str, having: &[&Shelf]) -> ChatError {
        let full: Vec<String> = having.iter().map(|shelf| format!("{}/{name}", shelf.provider)).collect();
        ChatError::new(ErrorKind::NotFound, format!("several providers have a model \"{name}\""))
            .with_hint(format!("say which: {}", full.join(" or ")))
    }

    fn unknown(&self, name: &str) -> ChatError {
        let known = self.known();
        let like = |known: &String| {
            let bare = known.split_once('/').map_or(known.as_str(), |(_, bare)| bare);
            strsim::jaro_winkler(name, known).max(strsim::jaro_winkler(name, bare))
        };
        let best = known.iter().map(|known| (like(known), known)).max_by(|a, b| a.0.total_cmp(&b.0));
        let hint = match best {
            Some((likeness, best)) if likeness >= LIKE => {
                format!("did you mean \"{best}\"? `greenroom models` lists all")
            }
            _ if known.is_empty() => "no model is known; say PROVIDER/MODEL".to_owned(),
            _ => format!("known are {}", few(&known)),
        };
        let silent = self.shelves.iter().filter(|shelf| matches!(&shelf.asked, Some((_, Some(_)))));
        let silent: Vec<&str> = silent.map(|shelf| &*shelf.provider).collect();
        let hint = match &silent[..] {
            [] => hint,
            silent => {
                format!("{hint}; {} could not list its models, of which PROVIDER/MODEL names one", silent.join(", "))
            }
        };
        ChatError::new(ErrorKind::NotFound, format!("there is no model \"{name}\"")).with_hint(hint)
    }

    /// Aliases first, then every model in full.
    fn known(&self) -> Vec<String> {
        let aliases = self.aliases.iter().map(|(alias, _)| alias.clone()).filter(|alias| !alias.contains('*'));
        let models = self
            .shelves
            .iter()
            .flat_map(|shelf| shelf.models().map(|model| format!("{}/{}", shelf.provider, model.id)));
        aliases.chain(models).collect()
    }

    /// Leaves out the candidates that can't do what the request needs, and has those first that are told it as it was said.
    pub(super) fn fitting(&self, candidates: Vec<Candidate>, needs: &Needs) -> Result<Vec<Candidate>, ChatError> {
        let mut lacking = None;
        let mut fits = Vec::new();
        for candidate in candidates {
            let capabilities = self.shelf(&candidate.provider).map(|shelf| shelf.capabilities);
            match capabilities.and_then(|capabilities| needs.lacking(capabilities, &candidate.model)) {
                Some(what) => lacking = lacking.or(Some((what, candidate))),
                None => fits.push(candidate),
            }
        }
        match lacking {
            Some((Lack::Window { needed, has }, candidate)) if fits.is_empty() => {
                let message = format!("the prompt is about {needed} tokens; the window of {candidate} has {has}");
                Err(ChatError::new(ErrorKind::ContextOverflow, message))
            }
            Some((Lack::Feature(what), candidate)) if fits.is_empty() => {
                Err(ChatError::new(ErrorKind::InvalidRequest, format!("{candidate} can't take {what}")))
            }
            _ if needs.prefers_responses => {
                let speaks = |candidate: &Candidate| {
                    let capabilities = self.shelf(&candidate.provider).map(|shelf| shelf.capabilities);
                    capabilities.is_some_and(|can| can.speaks_responses(&candidate.model))
                };
                let (mut first, others): (Vec<_>, Vec<_>) = fits.into_iter().partition(speaks);
                first.extend(others);
                Ok(first)
            }
            _ => Ok(fits),
        }
    }
}

impl Shelf {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.provider)
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.asked.as_ref().is_some_and(|(at, failure)| {
            now.duration_since(*at) < if failure.is_none() { LIST_FRESH } else { FAILED_LIST_FRESH }
        })
    }

    fn models(&self) -> impl Iterator<Item = &ModelInfo> + Clone {
        self.configured.iter().chain(self.listed.iter().flat_map(|list| list.iter()))
    }

    fn find(&self, id: &str) -> Option<&ModelInfo> {
        self.models().find(|model| model.id == id)
    }

    /// What is known of a model: what was configured goes before what is listed, and that before what is known of old.
    fn candidate(&self, id: &str) -> Candidate {
        let known = self.models().filter(|model| model.id == id);
        let model = known.fold(ModelInfo::named(id), |info, more| info.or(more));
        Candidate { provider: self.name(), model: self.facts.complete(&self.provider, model) }
    }
}

/// What a request needs of who answers it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    pub(crate) tools: bool,
    pub(crate) images: bool,
    pub(crate) documents: bool,
    pub(crate) audio: bool,
    pub(crate) json_schema: bool,
    /// Tools that only the Responses API knows, and no other wire can be told.
    pub(crate) responses: bool,
    /// Tools that only the Responses API knows, and that others can be told in words of theirs.
    pub(crate) prefers_responses: bool,
    /// About how many tokens the prompt has.
    pub(crate) prompt_tokens: u64,
}

enum Lack {
    Feature(&'static str),
    Window { needed: u64, has: u64 },
}

impl Needs {
    /// What `request` needs.
    pub(crate) fn of(request: &ChatRequest) -> Self {
        let mut needs = Self { tools: !request.tools.is_empty(), ..Self::default() };
        needs.json_schema = matches!(request.response_format, Some(ResponseFormat::JsonSchema { .. }));
        let wants_responses = request.wants(Wire::OpenaiResponses);
        needs.responses = wants_responses && only_here(request);
        needs.prefers_responses = wants_responses && !needs.responses;
        let mut bytes = 0;
        for part in request.messages.iter().flat_map(|message| &message.parts) {
            needs.see(part, &mut bytes);
        }
        needs.prompt_tokens = u64::try_from(bytes / 4).unwrap_or(u64::MAX);
        needs
    }

    fn see(&mut self, part: &Part, bytes: &mut usize) {
        match part {
            Part::Text { text } | Part::Refusal { text } | Part::Thinking { text } => *bytes += text.len(),
            Part::Image { .. } => self.images = true,
            Part::Document { .. } => self.documents = true,
            Part::Audio { .. } => self.audio = true,
            Part::ToolCall { arguments, .. } => *bytes += arguments.len(),
            Part::ToolResult { parts, .. } => parts.iter().for_each(|part| self.see(part, bytes)),
            Part::Opaque { .. } => {}
        }
    }

    fn lacking(&self, can: Capabilities, model: &ModelInfo) -> Option<Lack> {
        let features = [
            (self.tools, can.tools && model.tools != Some(false), "tools"),
            (self.images, can.images && model.takes.images != Some(false), "images"),
            (self.documents, can.documents && model.takes.documents != Some(false), "documents"),
            (self.audio, can.audio && model.takes.audio != Some(false), "audio"),
            (self.json_schema, can.json_schema && model.json_schema != Some(false), "a JSON schema"),
            (
                self.responses,
                can.speaks_responses(model),
                "tools of the Responses API, since it is spoken to in another",
            ),
        ];
        let lacking = features.into_iter().find(|(needed, can, _)| *needed && !can);
        let window = model.longest_prompt().filter(|has| self.prompt_tokens > *has);
        lacking
            .map(|(_, _, what)| Lack::Feature(what))
            .or(window.map(|has| Lack::Window { needed: self.prompt_tokens, has }))
    }
}

/// Whether an id looks like that of a model that chats: where nobody names a model, the first of these is taken.
pub fn chats(id: &str) -> bool {
    let id = id.to_ascii_lowercase();
    !NOT_CHAT.iter().any(|word| id.contains(word))
}

/// Whether a pattern with `*` matches the whole of a text.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let pieces: Vec<&str> = rest.split('*').collect();
    let (last, middle) = pieces.split_last().expect("a split gives at least one piece");
    for piece in middle {
        match text.find(piece) {
            Some(at) => text = &text[at + piece.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

/// The first few of a list, for a message.
fn few(names: &[String]) -> String {
    const FEW: usize = 8;
    let more = if names.len() > FEW { format!(" and {} more", names.len() - FEW) } else { String::new() };
    names[..names.len().min(FEW)].join(", ") + &more
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
