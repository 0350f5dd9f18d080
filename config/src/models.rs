//! The default model, and the names that stand for models.

use serde::ser::{Serialize, SerializeMap, Serializer};

/// `[models]`.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
pub struct Models {
    /// What is used where nobody names a model; `None` leaves it to the first provider.
    pub default: Option<String>,
    /// The aliases in the order in which they were written; names are unique.
    #[serde(serialize_with = "serialize_aliases")]
    pub aliases: Vec<Alias>,
}

impl Models {
    /// The alias that `model` names: one of exactly that name, else the first pattern that fits.
    #[must_use]
    pub fn alias(&self, model: &str) -> Option<&Alias> {
        let exact = self.aliases.iter().find(|alias| alias.name == model);
        exact.or_else(|| self.aliases.iter().find(|alias| alias.is_pattern() && alias.matches(model)))
    }
}

/// A name that stands for one or more models.
#[derive(Debug, Clone, PartialEq)]
pub struct Alias {
    /// The name, or a pattern in which `*` stands for any text.
    pub name: String,
    /// What it stands for.
    pub target: AliasTarget,
}

impl Alias {
    /// Whether the name is a pattern.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.name.contains('*')
    }

    /// Whether `model` is this name, or fits this pattern.
    #[must_use]
    pub fn matches(&self, model: &str) -> bool {
        fits(&self.name, model)
    }
}

/// Whether `text` is `pattern`, in which `*` stands for any text.
#[must_use]
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(last) = parts.next_back() else { return text == pattern };
    let Some(middle) = text.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
    // What is between the ends is found from the left, each part as early as it can be: no other choice leaves
    // more for the parts after it.
    parts.try_fold(middle, |rest, part| rest.find(part).map(|at| &rest[at + part.len()..])).is_some()
}

/// What an alias stands for. Each entry is `provider/model`, another alias, or a model's bare id.
#[derive(Debug, Clone, PartialEq)]
pub enum AliasTarget {
    /// One after the other, each where those before it failed; never empty.
    Chain(Vec<String>),
    /// Any of them, as the strategy chooses.
    Any {
        /// The choices; never empty.
        models: Vec<Weighted>,
        /// How one is chosen.
        strategy: Strategy,
    },
}

impl AliasTarget {
    /// The models that it names, in order.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        let (chain, any) = match self {
            Self::Chain(models) => (models.as_slice(), [].as_slice()),
            Self::Any { models, .. } => ([].as_slice(), models.as_slice()),
        };
        chain.iter().map(String::as_str).chain(any.iter().map(|entry| entry.model.as_str()))
    }
}

/// One of several choices.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Weighted {
    /// The model.
    pub model: String,
    /// Its share, compared with the others' weights; at least 1.
    pub weight: u32,
}

/// How one of several models is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// The one that was quickest to speak lately.
    Latency,
    /// The cheapest.
    Cost,
    /// In turn, each as often as its weight says.
    Weighted,
}

impl Serialize for AliasTarget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Chain(models) if models.len() == 1 => serializer.serialize_str(&models[0]),
            Self::Chain(models) => models.serialize(serializer),
            Self::Any { models, strategy } => {
                let mut map = serializer.serialize_map(Some(2))?;
                if *strategy == Strategy::Weighted {
                    map.serialize_entry("any", models)?;
                } else {
                    // A weight beside another strategy has no effect and would be warned of when it is read again.
                    map.serialize_entry("any", &self.models().collect::<Vec<_>>())?;
                }
                map.serialize_entry("strategy", strategy)?;
                map.end()
            }
        }
    }
}

fn serialize_aliases<S: Serializer>(aliases: &[Alias], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(aliases.iter().map(|alias| (&alias.name, &alias.target)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, model) in
            [("claude-*", "claude-opus"), ("*", ""), ("*-mini", "gpt-mini"), ("a*b*c", "a-b-b-c"), ("a*", "a")]
        {
            assert!(fits(pattern, model), "{pattern} should fit {model}");
        }
        for (pattern, model) in [
            ("claude-*", "gpt"),
            ("a*a", "a"),
            ("a*b*c", "a-c"),
            ("gpt", "gpt-5"),
            ("*-mini", "gpt-mini-2"),
            ("é*é", "é"),
        ] {
            assert!(!fits(pattern, model), "{pattern} should not fit {model}");
        }
    }

    #[test]
    fn an_exact_name_goes_before_an_earlier_pattern() {
        let alias = |name: &str| Alias { name: name.into(), target: AliasTarget::Chain(vec!["m".into()]) };
        let models = Models { default: None, aliases: vec![alias("g*"), alias("gp*"), alias("gpt")] };
        assert_eq!(models.alias("gpt").map(|alias| alias.name.as_str()), Some("gpt"));
        assert_eq!(models.alias("gpx").map(|alias| alias.name.as_str()), Some("g*"));
        assert_eq!(models.alias("x"), None);
    }
}
