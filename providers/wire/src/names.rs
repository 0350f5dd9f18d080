//! Names of tools that a wire does not take, and what is sent in their place.

use serde::{Deserialize, Serialize};

/// What the names of an answer's tools mean: those that were sent in the place of others, and the others.
///
/// Empty where every name could be sent as it is, which is nearly always.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolNames(Vec<(String, String)>);

impl ToolNames {
    pub(crate) fn push(&mut self, sent: String, name: String) {
        self.0.push((sent, name));
    }

    /// The name for which `sent` stands.
    pub fn name<'a>(&'a self, sent: &'a str) -> &'a str {
        self.0.iter().find(|(own, _)| own == sent).map_or(sent, |(_, name)| name)
    }

    /// Takes in those of another request. Whether no name means two things then; if not, nothing has changed.
    pub fn merge(&mut self, other: &Self) -> bool {
        if other.0.iter().any(|(sent, name)| self.0.iter().any(|(own, known)| own == sent && known != name)) {
            return false;
        }
        for pair in &other.0 {
            if !self.0.contains(pair) {
                self.0.push(pair.clone());
            }
        }
        true
    }

    /// Whether nothing was renamed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
