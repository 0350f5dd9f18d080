//! The layer of the file.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::de::DeTable;

use crate::layers::Layer;
use crate::layers::tree::Tree;
use crate::{ConfigError, ErrorKind, Origin};

/// Parses the file's text; `None` where it isn't TOML, with every error that the parser could find.
pub(crate) fn parse(path: &Path, bytes: &[u8], errors: &mut Vec<ConfigError>) -> Option<Layer> {
    let path: Arc<Path> = Arc::from(path);
    let place = |text: &str, offset: usize| {
        let (line, column) = line_and_column(text, offset);
        Origin::File { path: Arc::clone(&path), line, column }
    };
    let broken = |message: String, origin: Origin| ConfigError {
        kind: ErrorKind::Syntax { message },
        origin,
        path: String::new(),
        hint: None,
    };

    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            errors.push(broken("this is not UTF-8".to_owned(), place(&valid, valid.len())));
            return None;
        }
    };
    let (table, syntax) = DeTable::parse_recoverable(text);
    if !syntax.is_empty() {
        errors.extend(syntax.into_iter().map(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            // Some of the parser's messages have a second line.
            broken(error.message().replace('\n', ", "), place(text, offset))
        }));
        return None;
    }
    let locate = |span: Range<usize>| place(text, span.start);
    let mut tree = Tree { layer: Layer::default(), errors, locate: &locate };
    let root = tree.table("", table.get_ref());
    Some(Layer { root, ..tree.layer })
}

/// Both counted from 1, columns in characters, as editors do.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let continuation = |byte: &&u8| **byte & 0xC0 != 0x80;
    (line, before[line_start..].iter().filter(continuation).count() + 1)
}

#[cfg(test)]
mod tests {
    use super::line_and_column;

    #[test]
    fn columns_count_characters() {
        let text = "a\nüb = 1\n";
        assert_eq!(line_and_column(text, 0), (1, 1));
        assert_eq!(line_and_column(text, text.find('b').unwrap()), (2, 2));
        assert_eq!(line_and_column(text, text.len()), (3, 1));
    }
}
