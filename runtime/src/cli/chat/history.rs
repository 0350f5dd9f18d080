//! What was typed in conversations before, kept in the data directory.

use std::path::PathBuf;

use rustyline::error::ReadlineError;

use super::editing::Typing;
use crate::cli::{context::Context, data_dir::open_private, failure::Failure, notes};

const NAME: &str = "history";

/// The file of what was typed; none where it can't be kept.
#[derive(Debug)]
pub(super) struct History(Option<PathBuf>);

impl History {
    /// Has the editor know what was typed before. A conversation goes on without it.
    pub(super) fn load(context: &Context, typing: &mut Typing<'_>) -> Self {
        let outcome = context.data_dir().and_then(|dir| {
            let path = dir.at(NAME);
            // Made here, so that it is never there with another mode, and so that a link is not followed.
            let opened = open_private(&path, true).and_then(|file| close_to_others(&file));
            let loaded = opened.map_err(ReadlineError::Io).and_then(|()| typing.editor.load_history(&path));
            loaded
                .map(|()| path.clone())
                .map_err(|error| Failure::failed(format!("can't use {}: {error}", path.display()), ""))
        });
        match outcome {
            Ok(path) => Self(Some(path)),
            Err(failure) => {
                if let Failure::Told(told) = failure {
                    notes::note(&format!("what is typed here is not kept: {}", told.what));
                }
                Self(None)
            }
        }
    }

    /// Keeps what was typed.
    pub(super) fn add(&self, typing: &mut Typing<'_>, typed: &str) {
        let added = typing.editor.add_history_entry(typed);
        let kept = match &self.0 {
            // At once, so that it is there however the conversation ends.
            Some(path) if matches!(added, Ok(true)) => typing.editor.append_history(path),
            _ => added.map(|_| ()),
        };
        if let Err(error) = kept {
            tracing::warn!("what was typed could not be kept: {error}");
        }
    }
}

#[cfg(unix)]
fn close_to_others(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn close_to_others(_: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}
