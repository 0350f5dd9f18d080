//! How the families of models differ in what they take of Converse.

use crate::anthropic;

/// What a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// How the wish to think is said.
    pub(super) thinking: Thinking,
    /// Whether the result of a failed call says so by its `status`; if not, its text does.
    pub(super) status: bool,
    /// Whether it takes cache points.
    pub(super) cache: bool,
    /// Whether these may say for how long.
    pub(super) cache_ttl: bool,
}

/// The form of the wish to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thinking {
    /// It does not think, or nobody knows how to ask for it.
    None,
    /// As Anthropic's own wire has it.
    Claude(anthropic::Dialect),
    /// `reasoningConfig`: Amazon Nova 2.
    Nova,
    /// `reasoning_effort`: OpenAI's open models.
    Effort,
}

impl Dialect {
    /// What a model takes, by its id, which may be that of an inference profile or an ARN.
    pub fn of_model(id: &str) -> Self {
        let claude = id.contains("claude");
        let nova = id.contains("nova-");
        let thinking = if claude {
            Thinking::Claude(anthropic::Dialect::of_model(id))
        } else if id.contains("nova-2-") {
            Thinking::Nova
        } else if id.contains("gpt-oss") {
            Thinking::Effort
        } else {
            Thinking::None
        };
        Self { thinking, status: claude || nova, cache: claude || nova, cache_ttl: claude }
    }

    /// With the most that the model can say, where that is known: no larger bound is sent.
    #[must_use]
    pub fn with_max_output(self, most: Option<u64>) -> Self {
        match self.thinking {
            Thinking::Claude(claude) => Self { thinking: Thinking::Claude(claude.with_max_output(most)), ..self },
            _ => self,
        }
    }

    /// Of a model that does not think.
    #[must_use]
    pub fn without_thinking(self) -> Self {
        let thinking = match self.thinking {
            Thinking::Claude(claude) => {
                Thinking::Claude(anthropic::Dialect { thinking: anthropic::ThinkingForm::None, ..claude })
            }
            _ => Thinking::None,
        };
        Self { thinking, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_what_a_model_takes() {
        let of = Dialect::of_model;
        let claude = |id| match of(id).thinking {
            Thinking::Claude(dialect) => dialect.thinking,
            other => panic!("{other:?}"),
        };
        assert_eq!(claude("us.anthropic.claude-3-7-sonnet-20250219-v1:0"), anthropic::ThinkingForm::Budget);
        assert_eq!(claude("anthropic.claude-3-haiku-20240307-v1:0"), anthropic::ThinkingForm::None);
        assert_eq!(claude("us.anthropic.claude-sonnet-4-20250514-v1:0"), anthropic::ThinkingForm::Budget);
        assert_eq!(claude("global.anthropic.claude-sonnet-4-6"), anthropic::ThinkingForm::Either);
        assert_eq!(of("us.amazon.nova-2-lite-v1:0").thinking, Thinking::Nova);
        assert_eq!(of("amazon.nova-lite-v1:0").thinking, Thinking::None);
        assert_eq!(of("openai.gpt-oss-120b-1:0").thinking, Thinking::Effort);
        let llama = of("meta.llama3-1-8b-instruct-v1:0");
        assert!(!llama.status && !llama.cache && of("amazon.nova-lite-v1:0").cache);
    }
}
