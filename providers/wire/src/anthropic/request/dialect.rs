//! How models and places differ in what they take.

/// What a model takes of this wire, and what the place where it is served wants in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// The bound on tokens where the request has none, since the wire wants one.
    pub max_tokens: u64,
    /// The most that the model can say, if that is known: no larger bound is sent.
    pub max_output: Option<u64>,
    /// How the wish to think is said.
    pub thinking: ThinkingForm,
    /// Whether it takes `output_config.effort`.
    pub effort: bool,
    /// Whether it takes `temperature` and `top_p`.
    pub sampling: bool,
    /// Whether messages of the role `system` may stand among the others; if not, they become the user's text.
    pub system_in_messages: bool,
    /// Whether the model is named in the body; if not, it stands in the path.
    pub model_in_body: bool,
    /// The version of the wire, where it is said in the body.
    pub version: Option<&'static str>,
}

/// The form of the wish to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkingForm {
    /// It does not think.
    None,
    /// `{type: "enabled", budget_tokens}`: Claude 3.7 to 4.5.
    Budget,
    /// That or `{type: "adaptive"}`: Claude 4.6.
    Either,
    /// `{type: "adaptive"}` alone: Claude 4.7 and later.
    Adaptive,
    /// The same, and it cannot be turned off.
    Always,
}

/// The bound on tokens where neither the request nor the catalogue says one: what every model since Claude 3.5 can say,
/// and enough for most answers.
const MAX_TOKENS: u64 = 8192;
/// The same for models before that.
const FIRST_MAX_TOKENS: u64 = 4096;

impl Dialect {
    /// What a model takes, by its id, where nothing else is known of it. Ids of other servers that speak this wire count
    /// as Claude 4.5, whose form they copy.
    pub fn of_model(model: &str) -> Self {
        let (family, version) = version_of(model).unwrap_or(("", (4, 5)));
        let thinking = match version {
            version if version < (3, 7) => ThinkingForm::None,
            version if version < (4, 6) => ThinkingForm::Budget,
            (4, 6) => ThinkingForm::Either,
            _ if matches!(family, "fable" | "mythos") => ThinkingForm::Always,
            version if version >= (5, 5) && family != "haiku" => ThinkingForm::Always,
            _ => ThinkingForm::Adaptive,
        };
        Self {
            max_tokens: if version < (3, 5) { FIRST_MAX_TOKENS } else { MAX_TOKENS },
            max_output: None,
            thinking,
            effort: version >= (4, 6) || (family, version) == ("opus", (4, 5)),
            sampling: version < (4, 7),
            system_in_messages: version >= (4, 8),
            model_in_body: true,
            version: None,
        }
    }

    /// With the most that the model can say, which is also the bound where the request has none.
    #[must_use]
    pub fn with_max_output(self, most: Option<u64>) -> Self {
        Self { max_output: most, max_tokens: most.unwrap_or(self.max_tokens), ..self }
    }

    /// As Vertex wants it.
    #[must_use]
    pub fn on_vertex(self) -> Self {
        Self { model_in_body: false, version: Some("vertex-2023-10-16"), ..self }
    }
}

/// Family and version of an id such as `claude-opus-4-5-20251101`, `claude-3-7-sonnet@20250219` or
/// `anthropic/claude-sonnet-5`.
fn version_of(model: &str) -> Option<(&str, (u32, u32))> {
    let (_, rest) = model.rsplit_once("claude-")?;
    let words = || rest.split(['-', '@', '.', ':']);
    // Longer numbers are dates.
    let mut numbers = words().filter(|word| word.len() <= 2).map_while(|word| word.parse::<u32>().ok());
    let family = words().find(|word| word.bytes().all(|byte| byte.is_ascii_alphabetic()))?;
    Some((family, (numbers.next()?, numbers.next().unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_what_a_model_takes() {
        let form = |id| Dialect::of_model(id).thinking;
        assert_eq!(form("claude-3-5-sonnet-20241022"), ThinkingForm::None);
        assert_eq!(form("claude-3-7-sonnet@20250219"), ThinkingForm::Budget);
        assert_eq!(form("claude-sonnet-4-20250514"), ThinkingForm::Budget);
        assert_eq!(form("claude-haiku-4-5-20251001"), ThinkingForm::Budget);
        assert_eq!(form("anthropic/claude-opus-4.6"), ThinkingForm::Either);
        assert_eq!(form("claude-opus-4-7"), ThinkingForm::Adaptive);
        assert_eq!(form("claude-sonnet-5"), ThinkingForm::Adaptive);
        assert_eq!(form("claude-haiku-5-5"), ThinkingForm::Adaptive);
        assert_eq!(form("claude-fable-5"), ThinkingForm::Always);
        assert_eq!(form("kimi-k2"), ThinkingForm::Budget);
        assert!(Dialect::of_model("claude-opus-4-5").effort && !Dialect::of_model("claude-sonnet-4-5").effort);
        assert!(Dialect::of_model("claude-sonnet-4-6").sampling && !Dialect::of_model("claude-opus-4-7").sampling);
        assert!(Dialect::of_model("claude-opus-4-8").system_in_messages);
        assert_eq!(Dialect::of_model("claude-3-opus-20240229").max_tokens, 4096);
        assert_eq!(Dialect::of_model("claude-sonnet-4-5").with_max_output(Some(64_000)).max_tokens, 64_000);
    }
}
