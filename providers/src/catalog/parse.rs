//! Reads the compact form of the catalogue, which `scripts/make_catalog.py` writes.
//!
//! The first line is `greenroom-catalog`, the version of the form and the day of its facts. Every other line is a model,
//! in strictly growing order of provider and id, in columns between tabs, of which the last empty ones are left out:
//!
//! | column | |
//! |---|---|
//! | provider, id, mode | a text each |
//! | window, longest prompt, longest answer | tokens; empty is not known (a prompt: as the window) |
//! | price | `input/output/cache read/cache write/cache write for an hour`, dollars per million tokens |
//! | batch | `input/output` |
//! | tiers | `above:price`, between `;` |
//! | profiles | `region:factor` on the price, between `;` |
//! | flags | a letter each, upper case for yes and lower case for no; see [`flag`] |
//! | deprecated | the day |
//! | name | for people |

use super::{Date, Mode};
use crate::{
    ModelInfo,
    cost::{BatchPrice, Price, Tier, Tiers},
};

/// The first column of the first line.
const MAGIC: &str = "greenroom-catalog";
/// The version of the form that is read.
const VERSION: &str = "1";
/// No window is larger, in tokens.
const MOST_TOKENS: u64 = 100_000_000;
/// No price is higher, in dollars per million tokens.
const MOST_DOLLARS: f64 = 100_000.0;
/// What a thousand of Claude's searches on the web cost in dollars, wherever it is served (Anthropic, "Web search tool").
const CLAUDE_SEARCHES: f64 = 10.0;
/// No text is longer, in bytes.
const LONGEST_TEXT: usize = 200;
/// Columns of a line.
const COLUMNS: usize = 13;
/// Inference profiles of a model are not more.
const MOST_PROFILES: usize = 32;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineProblem {
    /// It isn't a catalogue's first line of a version that is known.
    #[error("it is not the first line of a catalogue of version {VERSION}")]
    Header,
    /// There are too few columns or too many.
    #[error("it has {found} columns")]
    Columns {
        /// How many.
        found: usize,
    },
    /// A column has what can't be in it.
    #[error("the {column} can't be")]
    Column {
        /// The column's name.
        column: &'static str,
    },
    /// A model comes twice, or before one that it should follow.
    #[error("it is not after the model before it")]
    Order,
}

/// A model as the catalogue has it.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) provider: &'a str,
    pub(super) mode: Mode,
    pub(super) info: ModelInfo,
    /// Inference profiles and the factors that are on their prices.
    pub(super) profiles: Vec<(&'a str, f64)>,
}

/// The day of the facts.
pub(super) fn header(line: &str) -> Result<Date, LineProblem> {
    let mut columns = line.split('\t');
    let magic = (columns.next(), columns.next()) == (Some(MAGIC), Some(VERSION));
    let date = columns.next().and_then(Date::parse).filter(|_| magic && columns.next().is_none());
    date.ok_or(LineProblem::Header)
}

/// What a line is found by.
pub(super) fn key(line: &str) -> Option<(&str, &str)> {
    let mut columns = line.split('\t');
    Some((columns.next()?, columns.next()?))
}

/// The whole of a line.
pub(super) fn row(line: &str) -> Result<Row<'_>, LineProblem> {
    let mut columns = [""; COLUMNS];
    let mut found = 0;
    for column in line.split('\t') {
        if let Some(place) = columns.get_mut(found) {
            *place = column;
        }
        found += 1;
    }
    if !(3..=COLUMNS).contains(&found) {
        return Err(LineProblem::Columns { found });
    }
    let [provider, id, mode, context, max_input, max_output, price, batch, tiers, profiles, flags, deprecated, name] =
        columns;
    for (text, column) in [(provider, "provider"), (id, "id")] {
        let plain = (1..=LONGEST_TEXT).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        plain.then_some(()).ok_or(LineProblem::Column { column })?;
    }
    let mut info = ModelInfo {
        context: or_empty(context, "window", tokens)?,
        max_input: or_empty(max_input, "longest prompt", tokens)?,
        max_output: or_empty(max_output, "longest answer", tokens)?,
        price: or_empty(price, "price", rates)?.map(|rates| rates.price()),
        deprecated: or_empty(deprecated, "date of deprecation", Date::parse)?,
        name: or_empty(name, "name", text)?,
        ..ModelInfo::named(id)
    };
    for letter in flags.bytes() {
        flag(&mut info, letter).ok_or(LineProblem::Column { column: "flag" })?;
    }
    let batch = or_empty(batch, "price of a batch", batch_price)?;
    let tiers = or_empty(tiers, "tiers", self::tiers)?;
    if let Some(price) = &mut info.price {
        price.batch = batch;
        // OpenRouter says itself what each answer cost.
        price.searches = (provider != "openrouter" && id.contains("claude")).then_some(CLAUDE_SEARCHES);
        price.tiers = tiers.unwrap_or_default();
    } else if batch.is_some() || tiers.is_some() {
        return Err(LineProblem::Column { column: "price" });
    }
    let profiles = or_empty(profiles, "profiles", self::profiles)?.unwrap_or_default();
    let mode = Mode::parse(mode).ok_or(LineProblem::Column { column: "mode" })?;
    Ok(Row { provider, mode, info, profiles })
}

fn or_empty<'a, T>(
    text: &'a str,
    column: &'static str,
    read: impl FnOnce(&'a str) -> Option<T>,
) -> Result<Option<T>, LineProblem> {
    match text {
        "" => Ok(None),
        text => read(text).map(Some).ok_or(LineProblem::Column { column }),
    }
}

/// Sets what a letter says. Those of modalities are for what goes in, but for `G` and `O`.
fn flag(info: &mut ModelInfo, letter: u8) -> Option<()> {
    let place = match letter.to_ascii_uppercase() {
        b'T' => &mut info.tools,
        b'J' => &mut info.json_schema,
        b'R' => &mut info.reasoning,
        b'A' => &mut info.reasoning_always,
        b'S' => &mut info.sampling_params,
        b'P' => &mut info.prefill,
        b'I' => &mut info.takes.images,
        b'D' => &mut info.takes.documents,
        b'U' => &mut info.takes.audio,
        b'V' => &mut info.takes.video,
        b'G' => &mut info.gives.images,
        b'O' => &mut info.gives.audio,
        _ => return None,
    };
    place.is_none().then(|| *place = Some(letter.is_ascii_uppercase()))
}

fn tokens(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|tokens| plain && (1..=MOST_TOKENS).contains(tokens))
}

fn dollars(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|dollars| plain && (0.0..=MOST_DOLLARS).contains(dollars))
}

fn text(text: &str) -> Option<String> {
    (text.len() <= LONGEST_TEXT && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

/// The five rates of a price or of a tier.
#[derive(Clone, Copy)]
struct Rates {
    input: f64,
    output: f64,
    caches: [Option<f64>; 3],
}

impl Rates {
    fn price(self) -> Price {
        let [cache_read, cache_write, cache_write_1h] = self.caches;
        Price { cache_read, cache_write, cache_write_1h, ..Price::flat(self.input, self.output) }
    }

    fn tier(self, above_tokens: u64) -> Tier {
        let [cache_read, cache_write, cache_write_1h] = self.caches;
        Tier { above_tokens, input: self.input, output: self.output, cache_read, cache_write, cache_write_1h }
    }
}

fn rates(text: &str) -> Option<Rates> {
    let mut parts = text.split('/');
    let (input, output) = (dollars(parts.next()?)?, dollars(parts.next()?)?);
    let mut caches = [None; 3];
    for cache in &mut caches {
        match parts.next() {
            None | Some("") => {}
            Some(part) => *cache = Some(dollars(part)?),
        }
    }
    parts.next().is_none().then_some(Rates { input, output, caches })
}

fn batch_price(text: &str) -> Option<BatchPrice> {
    let (input, output) = text.split_once('/')?;
    Some(BatchPrice { input: dollars(input)?, output: dollars(output)? })
}

fn tiers(text: &str) -> Option<Tiers> {
    let tier = |text: &str| {
        let (above, price) = text.split_once(':')?;
        Some(rates(price)?.tier(tokens(above)?))
    };
    // One more than there may be is enough to see that there are too many.
    let tiers: Vec<Tier> = text.split(';').take(crate::cost::MOST_TIERS + 1).map(tier).collect::<Option<_>>()?;
    Tiers::new(&tiers)
}

fn profiles(text: &str) -> Option<Vec<(&str, f64)>> {
    let profile = |text: &'_ str| -> Option<(usize, f64)> {
        let (region, factor) = text.split_once(':')?;
        (!region.is_empty()).then_some((region.len(), dollars(factor)?))
    };
    let profiles: Vec<(&str, f64)> = text
        .split(';')
        .take(MOST_PROFILES + 1)
        .map(|text| profile(text).map(|(length, factor)| (&text[..length], factor)))
        .collect::<Option<_>>()?;
    (profiles.len() <= MOST_PROFILES).then_some(profiles)
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
