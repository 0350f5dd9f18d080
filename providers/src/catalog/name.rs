//! What a model is called, apart from how each provider writes it.
//!
//! The same model is `claude-sonnet-4-5-20250929` at Anthropic, `us.anthropic.claude-sonnet-4-5-20250929-v1:0` or an ARN
//! at Bedrock, `publishers/anthropic/models/claude-sonnet-4-5@20250929` at Vertex, `claude-sonnet-4.5` at Copilot and
//! `anthropic/claude-sonnet-4.5` at OpenRouter. Only decoration is taken off; two names are equal only if what is left
//! is the same to the letter, so that one version never stands for another.

use std::fmt;

use super::Date;

/// Longer ids are nobody's.
const LONGEST: usize = 256;
/// Prefixes of Bedrock's inference profiles (AWS, "Supported Regions and models for inference profiles").
const REGIONS: [&str; 10] = ["us", "eu", "apac", "au", "jp", "ca", "sa", "in", "global", "us-gov"];
/// Vendors as Bedrock writes them before a dot.
const DOTTED: [&str; 20] = [
    "ai21",
    "amazon",
    "anthropic",
    "cohere",
    "deepseek",
    "google",
    "luma",
    "meta",
    "minimax",
    "mistral",
    "moonshot",
    "moonshotai",
    "nvidia",
    "openai",
    "qwen",
    "stability",
    "twelvelabs",
    "writer",
    "xai",
    "zai",
];

/// A model's name in its parts. Its text is a name of the same model again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Name {
    /// Whether it is a customer's own, trained from the model that is named (`ft:…`).
    pub(super) tuned: bool,
    /// The inference profile that it is asked through.
    pub(super) region: Option<String>,
    /// Who made it, where that is said or plain from the family.
    pub(super) vendor: Option<String>,
    /// Family, version and size.
    pub(super) model: String,
    /// The day of this state of it.
    pub(super) date: Option<Date>,
    /// What stands after a colon: a way to be served (`free`), a size (`8b`).
    pub(super) flavour: Option<String>,
}

/// Models of one maker that are served in many places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Claude,
    Gpt,
    Gemini,
}

impl Family {
    fn of(model: &str) -> Option<Self> {
        let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| model.starts_with(prefix));
        // Its weights are open, so that whoever serves it decides on the window.
        if begins(&["gpt-oss"]) {
            return None;
        }
        let openai = ["gpt-", "chatgpt-", "codex-", "o1", "o3", "o4", "text-embedding-3-", "text-embedding-ada-"];
        if begins(&["claude-"]) {
            Some(Self::Claude)
        } else if begins(&openai) {
            Some(Self::Gpt)
        } else if begins(&["gemini-"]) {
            Some(Self::Gemini)
        } else {
            None
        }
    }

    fn vendor(self) -> &'static str {
        match self {
            Self::Claude => "anthropic",
            Self::Gpt => "openai",
            Self::Gemini => "google",
        }
    }

    /// The provider in the catalogue that is the maker's own.
    pub(super) fn home(self) -> &'static str {
        match self {
            Self::Claude => "anthropic",
            Self::Gpt => "openai",
            Self::Gemini => "gemini",
        }
    }
}

impl Name {
    /// What an id names, if it names a model that others may know; a deployment's or a job's number does not.
    pub(super) fn parse(id: &str) -> Option<Self> {
        // A tilde is OpenRouter's sign for the newest of a line of models, whichever that is.
        let odd = id.contains('~') || !id.bytes().all(|byte| byte.is_ascii_graphic());
        if id.is_empty() || id.len() > LONGEST || odd {
            return None;
        }
        let (rest, tuned) = unwrap(id.to_ascii_lowercase())?;
        let (vendor, model) = match rest.rsplit_once('/') {
            Some((vendor, model)) => (Some(vendor), model),
            None => (None, rest.as_str()),
        };
        let (region, dotted, model) = undot(model);
        let vendor = dotted.or(vendor);
        if model.is_empty() || vendor.is_some_and(str::is_empty) {
            return None;
        }
        let (model, date, flavour) = undecorate(model);
        let vendor = vendor.or_else(|| Family::of(&model).map(Family::vendor));
        Some(Self { tuned, region: region.map(str::to_owned), vendor: vendor.map(str::to_owned), model, date, flavour })
    }

    /// The family, if the one who made it is said to be the one who makes those.
    pub(super) fn family(&self) -> Option<Family> {
        Family::of(&self.model).filter(|family| self.vendor.as_deref() == Some(family.vendor()))
    }

    /// What the same model has in common wherever it is served.
    pub(super) fn key(&self) -> (Option<&str>, &str) {
        (self.vendor.as_deref(), &self.model)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tuned { "ft:" } else { "" })?;
        match (&self.region, &self.vendor) {
            (Some(region), Some(vendor)) => write!(f, "{region}.{vendor}.")?,
            (None, Some(vendor)) => write!(f, "{vendor}/")?,
            (_, None) => {}
        }
        f.write_str(&self.model)?;
        if let Some(date) = self.date {
            write!(f, "@{date}")?;
        }
        self.flavour.as_ref().map_or(Ok(()), |flavour| write!(f, ":{flavour}"))
    }
}

/// Takes a name out of paths, ARNs and jobs of fine-tuning; whether there was one of those.
fn unwrap(mut id: String) -> Option<(String, bool)> {
    let mut tuned = false;
    loop {
        let next = if let Some(job) = id.strip_prefix("ft:") {
            tuned = true;
            job.split(':').next()?.to_owned()
        } else if id.starts_with("arn:") {
            // arn:partition:bedrock:region:account:kind/name, whose name may hold colons.
            let (kind, name) = id.splitn(6, ':').nth(5)?.split_once('/')?;
            // Profiles and models that a customer made have numbers for names.
            matches!(kind, "foundation-model" | "inference-profile").then(|| name.to_owned())?
        } else if id.starts_with("tunedmodels/") || id.starts_with("endpoints/") {
            return None;
        } else if let Some((_, published)) = id.rsplit_once("publishers/") {
            published.to_owned()
        } else if id.starts_with("projects/") {
            return None;
        } else {
            id.strip_prefix("models/").unwrap_or(&id).replacen("/models/", "/", 1)
        };
        if next == id {
            return Some((id, tuned));
        }
        id = next;
    }
}

/// The inference profile and the vendor before a model, as Bedrock writes them.
fn undot(model: &str) -> (Option<&str>, Option<&str>, &str) {
    let dotted = |text: &'_ str| -> Option<usize> {
        let (vendor, rest) = text.split_once('.')?;
        (DOTTED.contains(&vendor) && !rest.is_empty()).then_some(vendor.len())
    };
    if let Some(length) = dotted(model) {
        return (None, Some(&model[..length]), &model[length + 1..]);
    }
    if let Some((region, rest)) = model.split_once('.')
        && REGIONS.contains(&region)
        && let Some(length) = dotted(rest)
    {
        return (Some(region), Some(&rest[..length]), &rest[length + 1..]);
    }
    (None, None, model)
}

/// Takes off dates, pointers to the newest state and ways to be served.
fn undecorate(id: &str) -> (String, Option<Date>, Option<String>) {
    // A revision may hold colons, so it goes before what stands after one.
    let id = unrevised(id).unwrap_or(id);
    let (model, flavour) = match id.split_once(':') {
        Some((model, flavour)) if !model.is_empty() && !flavour.is_empty() => (model, Some(flavour)),
        _ => (id, None),
    };
    let (mut model, mut date) = (model.replace('.', "-"), None);
    while let Some(shorter) = undecorate_once(&model, &mut date) {
        model = shorter;
    }
    (model, date, flavour.filter(|flavour| *flavour != "latest").map(str::to_owned))
}

fn undecorate_once(model: &str, date: &mut Option<Date>) -> Option<String> {
    for pointer in ["@default", "@latest"] {
        if let Some(shorter) = model.strip_suffix(pointer).filter(|shorter| !shorter.is_empty()) {
            return Some(shorter.to_owned());
        }
    }
    // A name without a version, like `gemini-flash-latest`, is a model's own.
    if let Some(shorter) = model.strip_suffix("-latest").filter(|shorter| has_version(shorter)) {
        return Some(shorter.to_owned());
    }
    if let Some(shorter) = unrevised(model) {
        return Some(shorter.to_owned());
    }
    if date.is_some() {
        return None;
    }
    // Eight digits, or ten bytes with their dashes.
    [8, 10].into_iter().find_map(|length| {
        let (before, day) = model.split_at_checked(model.len().checked_sub(length)?)?;
        let shorter = before.strip_suffix(['@', '-']).filter(|shorter| !shorter.is_empty())?;
        *date = Some(Date::parse(day)?);
        Some(shorter.to_owned())
    })
}

fn has_version(model: &str) -> bool {
    model.bytes().any(|byte| byte.is_ascii_digit())
}

/// A Claude's name without Bedrock's revision (`-v1`, `-v1:0`, `-v1:0:200k`), if it has one. In other names that may be
/// the version itself, as it is in `claude-v2:1`.
fn unrevised(model: &str) -> Option<&str> {
    let (shorter, revision) = model.starts_with("claude-").then(|| model.rsplit_once("-v"))??;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = revision.split(':');
    let version = parts.next().is_some_and(digits);
    let patch = parts.next().is_none_or(digits);
    let window = parts.next().is_none_or(|window| window.strip_suffix('k').is_some_and(digits));
    (version && patch && window && parts.next().is_none() && has_version(shorter)).then_some(shorter)
}

#[cfg(test)]
#[path = "name_tests.rs"]
mod tests;
