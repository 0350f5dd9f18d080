//! How models and places differ in what they take.

/// What a model takes of this wire, and the place where it is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// How the wish to think is said.
    pub thinking: ThinkingForm,
    /// Whether calls go back with a signature alone, so that those of others need the one that is made for them.
    pub signatures: bool,
    /// Whether results of tools may hold pictures and the like.
    pub media_in_results: bool,
    /// Whether schemas may be any JSON Schema; if not, they are made to fit a subset of OpenAPI's.
    pub json_schema: bool,
    /// Whether the form of the answer may be said while tools are offered.
    pub format_with_tools: bool,
    /// Whether instructions have a place of their own; if not, they become the user's text.
    pub instructions: bool,
    /// Whether calls and results have ids.
    pub call_ids: bool,
    /// Whether it is served by Vertex: pictures may be anywhere, and documents have names.
    pub vertex: bool,
}

/// The form of the wish to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkingForm {
    /// It does not think.
    None,
    /// `thinkingBudget`, with its bounds; a model that must think cannot be told not to.
    Budget {
        /// The least that can be thought with.
        least: u64,
        /// The most.
        most: u64,
        /// Whether it cannot stop thinking.
        must: bool,
    },
    /// `thinkingLevel`; beside it a budget is taken, and none at all is not.
    Level {
        /// Whether it knows levels below "low".
        minimal: bool,
    },
}

impl Dialect {
    /// What a model takes, by its id, where nothing else is known of it. Ids that say no version ("gemini-flash-latest")
    /// count as the newest.
    pub fn of_model(model: &str) -> Self {
        let model = model.rsplit('/').next().unwrap_or(model);
        let version = version_of(model);
        let is_gemini = model.starts_with("gemini-");
        let thinking = match version {
            _ if !is_gemini => ThinkingForm::None,
            version if version < (2, 5) => ThinkingForm::None,
            version if version < (3, 0) => match () {
                () if model.contains("flash-lite") => ThinkingForm::Budget { least: 512, most: 24_576, must: false },
                () if model.contains("pro") => ThinkingForm::Budget { least: 128, most: 32_768, must: true },
                () => ThinkingForm::Budget { least: 1, most: 24_576, must: false },
            },
            _ => ThinkingForm::Level { minimal: model.contains("flash") },
        };
        Self {
            thinking,
            signatures: is_gemini && version >= (3, 0),
            media_in_results: is_gemini && version >= (3, 0),
            json_schema: version >= (2, 5) || !is_gemini,
            format_with_tools: version >= (3, 0) || !is_gemini,
            instructions: !model.starts_with("gemma"),
            call_ids: true,
            vertex: false,
        }
    }

    /// As Vertex wants it.
    #[must_use]
    pub fn on_vertex(self) -> Self {
        Self { call_ids: self.signatures, vertex: true, ..self }
    }
}

/// The version in an id such as `gemini-2.5-flash-lite` or `gemini-3-pro-preview`; one that says none is the newest.
fn version_of(model: &str) -> (u32, u32) {
    let words = model.split('-');
    let mut versions = words.filter_map(|word| {
        let (major, minor) = word.split_once('.').unwrap_or((word, "0"));
        // Longer numbers are dates and the numbers of builds.
        (major.len() <= 2).then_some((major.parse().ok()?, minor.parse().ok()?))
    });
    versions.next().unwrap_or((u32::MAX, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_what_a_model_takes() {
        let form = |id| Dialect::of_model(id).thinking;
        assert_eq!(form("gemini-1.5-flash-8b"), ThinkingForm::None);
        assert_eq!(form("gemini-2.0-flash-001"), ThinkingForm::None);
        assert_eq!(form("models/gemini-2.5-pro"), ThinkingForm::Budget { least: 128, most: 32_768, must: true });
        assert_eq!(form("gemini-2.5-flash-lite-06-17"), ThinkingForm::Budget { least: 512, most: 24_576, must: false });
        assert_eq!(form("gemini-2.5-flash"), ThinkingForm::Budget { least: 1, most: 24_576, must: false });
        assert_eq!(form("gemini-3-pro-preview"), ThinkingForm::Level { minimal: false });
        assert_eq!(form("gemini-3.5-flash"), ThinkingForm::Level { minimal: true });
        assert_eq!(form("gemini-flash-latest"), ThinkingForm::Level { minimal: true });
        assert_eq!(form("gemma-3-27b-it"), ThinkingForm::None);
        assert!(!Dialect::of_model("gemma-3-27b-it").instructions && Dialect::of_model("gemini-2.5-pro").instructions);
        assert!(Dialect::of_model("gemini-3-flash").signatures && !Dialect::of_model("gemini-2.5-flash").signatures);
        assert!(
            !Dialect::of_model("gemini-2.0-flash").json_schema && Dialect::of_model("gemini-2.5-flash").json_schema
        );
        assert!(!Dialect::of_model("gemini-2.5-flash").on_vertex().call_ids);
    }
}
