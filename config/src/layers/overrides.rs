//! The layers of flags.

use toml::de::DeValue;

use crate::layers::Layer;
use crate::layers::variables::single;
use crate::{ConfigError, ErrorKind, Origin, Override};

/// One layer a flag, in their order.
pub(crate) fn layers(overrides: &[Override], errors: &mut Vec<ConfigError>) -> Vec<Layer> {
    let mut layers = Vec::new();
    for given in overrides {
        let origin = Origin::Flag { flag: given.flag.clone() };
        match segments(&given.path) {
            Some(path) => layers.push(single(&path, &given.value, &origin, errors)),
            None => errors.push(ConfigError {
                kind: ErrorKind::BadPath,
                origin,
                path: given.path.clone(),
                hint: Some("a setting is named as in TOML: server.listen, models.aliases.\"claude-*\"".to_owned()),
            }),
        }
    }
    layers
}

/// The keys of a dotted key. TOML's own parser reads them, so that quoting works as in the file.
pub(crate) fn segments(path: &str) -> Option<Vec<String>> {
    // In braces, a comment or a line break in the path breaks the text instead of ending it early.
    let text = format!("{{ {path} = 0 }}");
    let parsed = DeValue::parse(&text).ok()?.into_inner();
    let mut segments = Vec::new();
    let mut current = parsed.as_table()?;
    loop {
        let (key, value) = current.iter().next().filter(|_| current.len() == 1)?;
        segments.push(key.get_ref().to_string());
        match value.get_ref() {
            DeValue::Table(next) => current = next,
            DeValue::Integer(_) => return Some(segments),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::segments;

    #[test]
    fn a_path_is_a_dotted_key_and_nothing_more() {
        assert_eq!(segments("a.\"b.c\".d"), Some(vec!["a".into(), "b.c".into(), "d".into()]));
        for path in ["", "a..b", "a = 1\nb", "claude-*", "a.b = 0 #", "a = 0, b"] {
            assert_eq!(segments(path), None, "{path:?}");
        }
    }
}
