//! `[sandbox]`.

use std::path::PathBuf;

use crate::read::scalars::word;
use crate::read::{Node, server};
use crate::{Sandbox, SandboxMode};

pub(crate) fn sandbox(node: &Node<'_>) -> Sandbox {
    let Some(table) = node.table() else { return Sandbox::default() };
    let sandbox = Sandbox {
        mode: table.node("mode").and_then(|node| word(&node, &SandboxMode::WORDS)).unwrap_or_default(),
        read: table.node("read").map(|node| paths(&node)).unwrap_or_default(),
        write: table.node("write").map(|node| paths(&node)).unwrap_or_default(),
    };
    table.finish();
    sandbox
}

fn paths(node: &Node<'_>) -> Vec<PathBuf> {
    let texts = node.texts().unwrap_or_default();
    texts.iter().filter_map(|(node, text)| path(node, text.trim())).collect()
}

fn path(node: &Node<'_>, text: &str) -> Option<PathBuf> {
    if text.is_empty() || text.chars().any(char::is_control) {
        node.bad(text, "a path, such as \"/usr/bin/pass\" or \"~/.keys\"");
        return None;
    }
    Some(server::placed(node, text))
}
