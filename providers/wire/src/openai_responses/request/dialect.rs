//! How servers and models differ in what they take.

/// What a server takes of this wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Whether the model's reasoning is asked for in encrypted form, so that it can go back. Models that do not reason
    /// refuse that.
    pub encrypted_reasoning: bool,
    /// Whether reasoning must be followed by what it led to; if so, reasoning that broke off before that is left out.
    pub reasoning_leads: bool,
    /// The least bound on tokens that is taken; less is raised to it.
    pub least_tokens: u64,
    /// Whether bounds on tokens, sampling parameters and labels are taken at all.
    pub bounds: bool,
    /// Whether `instructions` must be there, even if there are none.
    pub instructions: bool,
}

impl Dialect {
    /// OpenAI itself, Azure and Copilot, with a model that reasons.
    pub const OPENAI: Self =
        Self { encrypted_reasoning: true, reasoning_leads: true, least_tokens: 16, bounds: true, instructions: false };

    /// A server of which nothing is known but that it speaks this wire.
    pub const COMPATIBLE: Self = Self { reasoning_leads: false, least_tokens: 0, ..Self::OPENAI };

    /// The service behind ChatGPT and Codex.
    pub const CODEX: Self = Self { bounds: false, instructions: true, ..Self::OPENAI };

    /// The same for a model of OpenAI's, by its id: those that do not reason are told apart by their names, which is
    /// where no others are to be expected.
    #[must_use]
    pub fn of_model(self, id: &str) -> Self {
        let id = id.rsplit('/').next().unwrap_or(id);
        let id = id.strip_prefix("ft:").unwrap_or(id);
        let plain = ["gpt-3.5", "gpt-4", "chatgpt-", "gpt-5-chat", "computer-use"];
        let is_plain = plain.iter().any(|start| id.starts_with(start)) || id.contains("-chat-latest");
        Self { encrypted_reasoning: self.encrypted_reasoning && !is_plain, ..self }
    }
}

impl Default for Dialect {
    fn default() -> Self {
        Self::COMPATIBLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_that_reason_are_told_by_their_names() {
        let reasons = |id| Dialect::OPENAI.of_model(id).encrypted_reasoning;
        for id in ["gpt-5.4", "o3", "o4-mini", "gpt-5-nano", "openai/gpt-5", "gpt-oss-120b", "codex-mini-latest"] {
            assert!(reasons(id), "{id}");
        }
        for id in ["gpt-4o", "gpt-4.1-mini", "openai/gpt-4o", "gpt-5-chat-latest", "gpt-3.5-turbo", "ft:gpt-4o:me::x"] {
            assert!(!reasons(id), "{id}");
        }
    }
}
