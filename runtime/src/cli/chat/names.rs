//! What can be named in a conversation: models, and conversations that are kept.

use greenroom::{SessionSummary, ShownListing, config::fits};
use serde::Deserialize;

use crate::cli::{
    Failure,
    attach::{Ask, Link, path, read},
    models::suggestion,
};

/// What a name is as that of a model.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// One that somebody lists.
    Listed,
    /// One that is asked for all the same: why nobody knows of it.
    Unlisted(String),
    /// None; what may have been meant.
    Unknown(String),
}

/// The models that whoever answers has, by the lists of their providers.
pub(super) async fn listing(link: &Link<'_>) -> Result<ShownListing, Failure> {
    // A provider may take its time for its list.
    read(link.ask(Ask::get(path(&["models"], &[])).patient(), false).await?).await
}

/// All names of models.
pub(super) async fn models(link: &Link<'_>) -> Result<Vec<String>, Failure> {
    listing(link).await.map(|listing| named(&listing))
}

/// The ids of the conversations that are kept.
pub(super) async fn sessions(link: &Link<'_>) -> Result<Vec<String>, Failure> {
    #[derive(Deserialize)]
    struct Page {
        sessions: Vec<SessionSummary>,
    }
    // The first page has more than anybody looks through.
    let page: Page = read(link.ask(Ask::get(path(&["sessions"], &[])), false).await?).await?;
    Ok(page.sessions.into_iter().map(|session| session.id).collect())
}

fn named(listing: &ShownListing) -> Vec<String> {
    let models = listing.models.iter().map(|model| format!("{}/{}", model.provider, model.id));
    listing.aliases.iter().cloned().chain(models).collect()
}

/// What a name is by these lists.
pub(super) fn known(listing: &ShownListing, name: &str) -> Known {
    let names = named(listing);
    let is_alias = || listing.patterns.iter().any(|pattern| fits(pattern, name));
    if names.iter().any(|known| known == name) || listing.models.iter().any(|model| model.id == name) || is_alias() {
        return Known::Listed;
    }
    if let Some((provider, model)) = name.split_once('/') {
        let has_list = listing.models.iter().any(|model| model.provider == provider);
        if has_list || listing.failed.iter().any(|failed| failed.provider == provider) {
            return Known::Unlisted(format!("{provider} does not list {model}; it is asked for it all the same"));
        }
    }
    // It may be one of theirs.
    if let Some(failed) = listing.failed.first() {
        return Known::Unlisted(format!(
            "{} does not list its models, so nobody knows whether it has {name}",
            failed.provider
        ));
    }
    let ids = listing.models.iter().map(|model| model.id.as_str());
    let all: Vec<&str> = names.iter().map(String::as_str).chain(ids).collect();
    let meant = suggestion(name, &all);
    Known::Unknown(if meant.starts_with("there are") { "/model lists those there are".to_owned() } else { meant })
}

#[cfg(test)]
mod tests {
    use greenroom::ShownListing;
    use serde_json::json;

    use super::{Known, known};

    fn listing() -> ShownListing {
        let model = |provider: &str, id: &str| json!({"id": id, "provider": provider, "cost": {"input": null, "output": null, "cache_read": null, "cache_write": null}});
        let listing = json!({"models": [model("lab", "qwen3"), model("lab", "acme/tiny")], "aliases": ["smart"], "patterns": ["gpt-*"], "failed": []});
        serde_json::from_value(listing).unwrap()
    }

    #[test]
    fn names_are_known_by_lists() {
        for name in ["lab/qwen3", "qwen3", "smart", "acme/tiny", "lab/acme/tiny", "gpt-9"] {
            assert_eq!(known(&listing(), name), Known::Listed, "{name}");
        }
        assert!(matches!(known(&listing(), "lab/new"), Known::Unlisted(_)));
        assert_eq!(known(&listing(), "qwen"), Known::Unknown("did you mean \"qwen3\"?".to_owned()));
        assert_eq!(known(&listing(), "xyz"), Known::Unknown("/model lists those there are".to_owned()));
    }
}
