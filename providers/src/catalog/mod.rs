//! What is known of models before anyone is asked: windows, prices, capabilities.
//!
//! The facts are embedded in a compact form and read when the first of them is wanted, so that a program that wants none
//! pays nothing. They were gathered from public lists (litellm, genai-prices and models.dev, all under MIT), which cite the
//! providers' own pages; how doubt between them was decided is written in `scripts/make_catalog.py`.
//!
//! What a user configured and what a provider lists itself go before: see [`ModelInfo::or`]. What the catalogue doesn't
//! know stays unknown.

mod date;
mod facts;
mod name;
mod parse;

use std::{borrow::Cow, cmp::Ordering, collections::HashMap, io::Read, sync::OnceLock};

pub use date::Date;
pub use facts::Facts;
pub use parse::LineProblem;

use name::{Family, Name};

use crate::ModelInfo;

/// The facts that are built in.
static EMBEDDED: &str = include_str!("models.tsv");
/// A larger catalogue is not read, in bytes.
const LARGEST: u64 = 4 << 20;
/// Nor one with more lines.
const MOST_LINES: usize = 50_000;

/// A catalogue of models.
#[derive(Debug)]
pub struct Catalog {
    text: Cow<'static, str>,
    index: OnceLock<Index>,
}

/// A catalogue that can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// It can't be read.
    #[error("the catalogue can't be read")]
    Read(#[source] std::io::Error),
    /// It is larger than any that is.
    #[error("the catalogue has more than {LARGEST} bytes or {MOST_LINES} lines")]
    TooLarge,
    /// It isn't a text.
    #[error("the catalogue is not a text")]
    NotText(#[source] std::string::FromUtf8Error),
    /// A line is wrong.
    #[error("line {line} of the catalogue is wrong")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        problem: LineProblem,
    },
}

/// How a model is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In a conversation.
    Chat,
    /// In a conversation, which OpenAI serves at `/responses` only.
    Responses,
    /// To go on from a text.
    Completion,
    /// For a vector.
    Embedding,
}

impl Mode {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "chat" => Self::Chat,
            "responses" => Self::Responses,
            "completion" => Self::Completion,
            "embedding" => Self::Embedding,
            _ => return None,
        })
    }
}

/// What the catalogue knows of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Whose entry it is, in the catalogue's words; the maker's own where the provider that was asked for has none.
    pub provider: String,
    /// The id of the entry.
    pub entry: String,
    /// How it is asked.
    pub mode: Mode,
    /// What is known; its id is the one that was asked for.
    pub info: ModelInfo,
}

/// The kinds of providers that a model is looked for at whose provider nobody says, its makers before who serves it as well.
const KINDS: [&str; 9] =
    ["openai", "anthropic", "gemini", "ollama", "vertex", "bedrock", "copilot", "azure", "openrouter"];

/// How models are found. Lines are counted without the first.
#[derive(Debug, Default)]
struct Index {
    /// Where each line is.
    lines: Vec<(usize, usize)>,
    /// By provider, vendor and model.
    names: HashMap<String, Vec<Named>>,
}

#[derive(Debug)]
struct Named {
    line: usize,
    date: Option<Date>,
    flavour: Option<String>,
}

/// What may be said of a model that someone else than its maker serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Borrowed {
    windows: bool,
    /// That it goes on with a trailing assistant message, which whoever passes requests on may undo.
    prefill: bool,
}

impl Borrowed {
    /// By kind of provider; `None` where a name says nothing of the model, or the provider is the maker.
    fn of(kind: &str) -> Option<Self> {
        Some(match kind {
            "openrouter" | "vertex" | "bedrock" | "bedrock-mantle" => Self { windows: true, prefill: true },
            // In Anthropic's language a trailing assistant message is the beginning of the answer, whoever speaks it.
            "anthropic-compatible" | "bedrock-compatible" => Self { windows: true, prefill: true },
            "openai-compatible" => Self { windows: true, prefill: false },
            // Their windows are smaller than the maker's.
            "copilot" | "chatgpt" => Self { windows: false, prefill: false },
            _ => return None,
        })
    }
}

impl Catalog {
    /// The built-in one. Nothing is read yet.
    pub fn embedded() -> Self {
        Self { text: Cow::Borrowed(EMBEDDED), index: OnceLock::new() }
    }

    /// Reads one in the compact form. All of it is looked at, and it is taken whole or not at all.
    ///
    /// # Errors
    /// Why it can't be used.
    pub fn read(from: impl Read) -> Result<Self, CatalogError> {
        let mut bytes = Vec::new();
        from.take(LARGEST + 1).read_to_end(&mut bytes).map_err(CatalogError::Read)?;
        if bytes.len() as u64 > LARGEST {
            return Err(CatalogError::TooLarge);
        }
        let text = String::from_utf8(bytes).map_err(CatalogError::NotText)?;
        check(&text)?;
        Ok(Self { text: Cow::Owned(text), index: OnceLock::new() })
    }

    /// The day of its facts.
    pub fn date(&self) -> Option<Date> {
        parse::header(self.text.lines().next()?).ok()
    }

    /// How many models it has, over all providers.
    pub fn len(&self) -> usize {
        self.index().lines.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is known of a model of a kind of provider ("anthropic", "openai", "bedrock", "openai-compatible", …).
    ///
    /// An entry of exactly that id goes first, then the provider's entry of the same model and date written otherwise.
    /// What that leaves open is filled in from the entry of the model's maker, but for the price: only the provider's own
    /// entry says one, and for an inference profile only if it names that profile. A deployment's name at Azure is the
    /// customer's own, so it must be the model's to the letter.
    pub fn lookup(&self, kind: &str, id: &str) -> Option<Entry> {
        // The names of local models are whatever the user called them; what they are, their server says.
        if matches!(kind, "demo" | "llamacpp") {
            return None;
        }
        let name = if kind == "azure" { None } else { Name::parse(id) };
        let own = self.own(kind, id, name.as_ref());
        let home = Borrowed::of(kind).zip(name.as_ref()).and_then(|(borrowed, name)| self.home(kind, name, borrowed));
        let mut entry = match (own, home) {
            (Some(own), Some(home)) => Entry { info: own.info.or(&home.info), ..own },
            (own, home) => own.or(home)?,
        };
        id.clone_into(&mut entry.info.id);
        Some(entry)
    }

    /// Which kind of provider has a model that is named so, as `kind/id` or by its id alone: the makers go first. `None` if
    /// nothing is known of it. Gives the id as well.
    pub fn find<'a>(&self, name: &'a str) -> Option<(&'static str, &'a str)> {
        let knows = |kind: &'static str, id: &'a str| self.lookup(kind, id).map(|_| (kind, id));
        let named = name.split_once('/').and_then(|(first, id)| {
            let kind = KINDS.iter().find(|kind| **kind == first)?;
            knows(kind, id)
        });
        named.or_else(|| KINDS.iter().find_map(|kind| knows(kind, name)))
    }

    /// The provider's own entry.
    fn own(&self, kind: &str, id: &str, name: Option<&Name>) -> Option<Entry> {
        if let Ok(at) = self.index().lines.binary_search_by(|&line| self.order(line, kind, id)) {
            return Some(entry(self.row(at)));
        }
        let name = name?;
        let same = self.named(kind, name, name.flavour.as_deref());
        if let Some(&at) = same.first() {
            let row = self.row(at);
            let factor = match &name.region {
                None => Some(1.0),
                Some(region) => row.profiles.iter().find(|(profile, _)| profile == region).map(|(_, factor)| *factor),
            };
            // Where the same model stands twice, in two places, the name doesn't say at which price.
            let rates = |at: usize| self.row(at).info.price.map(|price| (price.input, price.output));
            let settled = !name.tuned && same.iter().all(|&other| rates(other) == rates(at));
            let mut entry = entry(row);
            let price = entry.info.price.zip(factor.filter(|_| settled));
            entry.info.price = price.map(|(price, factor)| price.scaled(factor));
            return Some(entry);
        }
        // Another way to be served is the same model at another price. A local model's tag is its size.
        name.flavour.as_ref().filter(|_| kind != "ollama")?;
        let mut entry = entry(self.row(*self.named(kind, name, None).first()?));
        entry.info.price = None;
        Some(entry)
    }

    /// What the maker's entry says that holds elsewhere.
    fn home(&self, kind: &str, name: &Name, borrowed: Borrowed) -> Option<Entry> {
        let home = name.family().map(Family::home).filter(|home| *home != kind)?;
        let mut entry = entry(self.row(*self.named(home, name, None).first()?));
        let info = &mut entry.info;
        (info.price, info.deprecated, info.responses_only) = (None, None, None);
        if !borrowed.windows {
            (info.context, info.max_input, info.max_output) = (None, None, None);
        }
        if !borrowed.prefill {
            info.prefill = info.prefill.filter(|can| !can);
        }
        Some(entry)
    }

    /// The lines of a model under any of its names. A name without a date means the newest; one with a date that isn't
    /// there means the entry that is of no day.
    fn named(&self, provider: &str, name: &Name, flavour: Option<&str>) -> Vec<usize> {
        let named = self.index().names.get(&index_key(provider, name)).map_or(&[][..], Vec::as_slice);
        let same = || named.iter().filter(|named| named.flavour.as_deref() == flavour);
        let dates = || same().map(|named| named.date);
        let there = |wanted: &Option<Date>| dates().any(|date| date == *wanted);
        let date = match name.date {
            Some(_) => Some(name.date).filter(there).flatten(),
            None => Some(None).filter(there).unwrap_or_else(|| dates().max().flatten()),
        };
        same().filter(|named| named.date == date).map(|named| named.line).collect()
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let mut index = Index::default();
            let mut begin = self.text.find('\n').map_or(self.text.len(), |end| end + 1);
            for (at, line) in self.text[begin..].split_terminator('\n').enumerate() {
                index.lines.push((begin, begin + line.len()));
                begin += line.len() + 1;
                if let Some((provider, id)) = parse::key(line)
                    && let Some(name) = Name::parse(id)
                {
                    let named = Named { line: at, date: name.date, flavour: name.flavour.clone() };
                    index.names.entry(index_key(provider, &name)).or_default().push(named);
                }
            }
            index
        })
    }

    fn order(&self, (begin, end): (usize, usize), provider: &str, id: &str) -> Ordering {
        parse::key(&self.text[begin..end]).cmp(&Some((provider, id)))
    }

    fn row(&self, line: usize) -> parse::Row<'_> {
        let (begin, end) = self.index().lines[line];
        parse::row(&self.text[begin..end])
            .expect("each line was checked when it was read, or in a test of what is embedded")
    }
}

fn index_key(provider: &str, name: &Name) -> String {
    let (vendor, model) = name.key();
    format!("{provider}\t{}/{model}", vendor.unwrap_or_default())
}

fn entry(row: parse::Row<'_>) -> Entry {
    let responses_only = match row.mode {
        Mode::Responses => Some(true),
        Mode::Chat => Some(false),
        Mode::Completion | Mode::Embedding => None,
    };
    let info = ModelInfo { responses_only, ..row.info };
    Entry { provider: row.provider.to_owned(), entry: info.id.clone(), mode: row.mode, info }
}

/// Whether every line is as it should be.
fn check(text: &str) -> Result<(), CatalogError> {
    let wrong = |at: usize| move |problem| CatalogError::Line { line: at + 1, problem };
    let mut before = None;
    for (at, line) in text.split_terminator('\n').enumerate() {
        match at {
            0 => parse::header(line).map(drop).map_err(wrong(at))?,
            MOST_LINES.. => return Err(CatalogError::TooLarge),
            _ => {
                parse::row(line).map_err(wrong(at))?;
                let key = parse::key(line);
                if before.replace(key).is_some_and(|before| before >= key) {
                    return Err(wrong(at)(LineProblem::Order));
                }
            }
        }
    }
    if text.is_empty() { Err(wrong(0)(LineProblem::Header)) } else { Ok(()) }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
