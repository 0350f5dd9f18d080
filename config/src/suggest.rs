//! "Did you mean".

use strsim::damerau_levenshtein;

/// The known name that `written` most likely stands for, if any is near enough to be no guess.
pub(crate) fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain_written = plain(written);
    // A third of the letters may differ: "provder" finds "providers", while "x" finds nothing.
    let allowed = plain_written.chars().count() / 3;
    known
        .into_iter()
        .map(|name| (damerau_levenshtein(&plain_written, &plain(name)), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// `maxBody`, `max-body` and `max_body` are one word to a person.
pub(crate) fn plain(name: &str) -> String {
    name.chars().filter(|letter| !matches!(letter, '-' | '_')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_what_was_meant_and_nothing_else() {
        let known = ["server", "providers", "max_body", "key"];
        assert_eq!(nearest("provder", known), Some("providers"));
        assert_eq!(nearest("maxBody", known), Some("max_body"));
        assert_eq!(nearest("kye", known), Some("key"));
        assert_eq!(nearest("bananas", known), None);
        assert_eq!(nearest("x", known), None);
    }
}
