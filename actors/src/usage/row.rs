//! The sums as they are read.

use greenroom_providers::cost::Cost;
use greenroom_wire::Usage;

use super::sum::Sum;
use crate::store::Amounts;

/// Who asks for an answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asker {
    /// A session.
    Session {
        /// Its id.
        id: String,
        /// Whose it is; empty where an earlier version did not say.
        client: String,
    },
    /// A client without one, by its name.
    Client(String),
}

impl Asker {
    /// The client, also of a session; empty where an earlier version did not say.
    pub fn client(&self) -> &str {
        match self {
            Self::Session { client, .. } | Self::Client(client) => client,
        }
    }
}

/// What is summed up under one key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsageKey {
    /// The day it began, `YYYY-MM-DD` in UTC.
    pub day: String,
    /// The configured provider.
    pub provider: String,
    /// The provider's id of the model.
    pub model: String,
    /// The auth profile.
    pub profile: String,
    /// Who asked.
    pub asker: Asker,
}

/// Sums of attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Of what.
    pub key: UsageKey,
    /// Answers that were sought, counted where they were first asked for.
    pub requests: u64,
    /// Attempts.
    pub attempts: u64,
    /// Those of them whose tokens were estimated, since no provider told them.
    pub estimated: u64,
    /// Those of them whose price is not known.
    pub unpriced: u64,
    /// Tokens.
    pub usage: Usage,
    /// What they cost, as far as prices are known.
    pub cost: Cost,
}

const SESSION: &str = "session";
const CLIENT: &str = "client";

impl UsageKey {
    /// As the store has it: an array, so that no name can be taken for two, and days sort.
    pub(super) fn text(&self) -> String {
        let Self { day, provider, model, profile, asker } = self;
        let parts = match asker {
            Asker::Session { id, client } => serde_json::json!([day, provider, model, profile, SESSION, id, client]),
            Asker::Client(name) => serde_json::json!([day, provider, model, profile, CLIENT, name]),
        };
        parts.to_string()
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = serde_json::from_str::<Vec<String>>(text).ok()?.into_iter();
        let mut next = || parts.next();
        let (day, provider, model, profile) = (next()?, next()?, next()?, next()?);
        let (kind, asker) = (next()?, next()?);
        let asker = match kind.as_str() {
            SESSION => Asker::Session { id: asker, client: next().unwrap_or_default() },
            CLIENT => Asker::Client(asker),
            _ => return None,
        };
        parts.next().is_none().then_some(Self { day, provider, model, profile, asker })
    }
}

impl UsageRow {
    /// A row that the store has; `None` for one that a later version wrote in another form.
    pub(super) fn read(key: &str, amounts: &Amounts) -> Option<Self> {
        let key = UsageKey::parse(key)?;
        let ([requests, attempts, estimated, unpriced], cost, usage) = Sum::read(amounts).shown();
        Some(Self { key, requests, attempts, estimated, unpriced, usage, cost })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_and_one_of_before_sessions_had_clients_too() {
        let key = |asker| UsageKey {
            day: "2026-01-02".into(),
            provider: "lab".into(),
            model: "m".into(),
            profile: "p".into(),
            asker,
        };
        for asker in [
            Asker::Client("editor".into()),
            Asker::Session { id: "s".into(), client: "editor".into() },
            Asker::Session { id: "s".into(), client: String::new() },
        ] {
            let key = key(asker);
            assert_eq!(UsageKey::parse(&key.text()), Some(key));
        }
        let old = r#"["2026-01-02","lab","m","p","session","s"]"#;
        let want = key(Asker::Session { id: "s".into(), client: String::new() });
        assert_eq!(UsageKey::parse(old), Some(want));
        for bad in ["", "[]", r#"["d","lab","m","p","client"]"#, r#"["d","lab","m","p","client","c","more"]"#] {
            assert_eq!(UsageKey::parse(bad), None, "{bad}");
        }
    }
}
