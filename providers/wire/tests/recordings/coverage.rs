//! The table of what the recordings prove, by provider and feature: `providers/RECORDINGS.md`.
//!
//! It is made here, from what was explained in this run. The file says of which set of recordings it is, so that a run with
//! other recordings compares nothing; with `GREENROOM_RECORDINGS_TABLE=write` the file is written anew.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

use super::{by_hand, load::Recording};

/// The providers, and the folders that are of them.
pub(crate) const PROVIDERS: [(&str, &[&str]); 12] = [
    ("anthropic", &["anthropic-messages", "anthropic-count-tokens", "anthropic-models"]),
    ("openai, chat completions", &["openai-chat", "openai-embeddings", "openai-models"]),
    ("openai, responses", &["openai-responses", "chatgpt-codex"]),
    ("azure", &["azure-chat", "azure-responses", "azure-anthropic", "azure-embeddings"]),
    ("gemini", &["gemini-generate", "gemini-count-tokens", "gemini-embeddings", "gemini-models"]),
    ("vertex", &["vertex-gemini", "vertex-anthropic", "vertex-count-tokens", "vertex-embeddings"]),
    (
        "bedrock",
        &[
            "bedrock-converse",
            "bedrock-invoke",
            "bedrock-openai",
            "bedrock-count-tokens",
            "bedrock-embeddings",
            "bedrock-models",
        ],
    ),
    ("copilot", &["copilot-chat", "copilot-responses", "copilot-embeddings", "copilot-models", "copilot-auth"]),
    ("openrouter", &["openrouter-chat", "openrouter-responses", "openrouter-embeddings", "openrouter-models"]),
    ("ollama", &["ollama-native", "ollama-openai"]),
    ("llamacpp", &["llamacpp-chat", "llamacpp-embeddings", "llamacpp-misc"]),
    ("openai-compatible", &["openai-compat"]),
];

/// The features, and the words by which recordings say that they show them. Those that are told by the folder or the path
/// have none.
pub(crate) const FEATURES: [(&str, &[&str]); 18] = [
    ("whole answers", &["unary"]),
    ("streams", &["stream"]),
    ("tool calls", &["tool_call", "tool_use"]),
    ("several at once", &["parallel_tools"]),
    ("tool results", &["tool_result_in"]),
    ("thinking", &["thinking", "reasoning_summary", "f_reasoning", "f_reasoning_content", "f_reasoning_text"]),
    ("thinking goes back", &["thinking_replay", "thinking_signature", "reasoning_details", "f_reasoning_opaque"]),
    ("JSON schema", &["structured", "json_mode"]),
    ("images", &["vision_in"]),
    ("documents", &["file_in"]),
    ("prompt caches", &["cache_read", "cache_write", "cache_control_in"]),
    (
        "filters, refusals",
        &[
            "refusal",
            "stop:refusal",
            "guardrail",
            "stop:guardrail_intervened",
            "prompt_blocked",
            "stop:SAFETY",
            "azure_filter_results",
            "stop:RECITATION",
        ],
    ),
    ("errors", &["error"]),
    ("errors in streams", &["midstream_error"]),
    ("limits", &["ratelimit_headers"]),
    ("embeddings", &[]),
    ("lists of models", &[]),
    ("counts of tokens", &[]),
];

/// What was explained: folder, path and features of each recording.
#[derive(Default)]
pub(crate) struct Coverage {
    cells: BTreeMap<(usize, usize), u32>,
    cases: Vec<String>,
}

impl Coverage {
    /// Takes a recording that was explained.
    pub(crate) fn add(&mut self, recording: &Recording) {
        self.cases.push(format!("{}/{}", recording.api, recording.case));
        let is_of = |(_, folders): &(&str, &[&str])| folders.contains(&recording.api.as_str());
        let Some(provider) = PROVIDERS.iter().position(is_of) else { return };
        for (feature, (name, words)) in FEATURES.iter().enumerate() {
            let is_shown = match *name {
                "embeddings" => recording.shows("embed"),
                "lists of models" => ["models", "tags", "show", "props"].iter().any(|word| recording.shows(word)),
                "counts of tokens" => recording.shows("count") || recording.shows("input_tokens"),
                _ => recording.features.iter().any(|feature| words.contains(&feature.as_str())),
            };
            if is_shown {
                *self.cells.entry((provider, feature)).or_default() += 1;
            }
        }
    }

    /// The table of this set of recordings.
    pub(crate) fn table(&self) -> String {
        let mut table = String::from(
            "# What recordings prove\n\n\
             Real exchanges of each provider, recorded by others, that the decoders and an independent reading of them agree on, whole \
             and split at every byte; a recording counts for each feature that it shows. Where none shows a feature, what \
             proves it is named below; a dash is what a provider doesn't have. This file is made by the test \
             `recordings_are_explained` and never written by hand.\n\n",
        );
        let _ = writeln!(table, "Set: {}\n", self.set());
        let names = PROVIDERS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" | ");
        let _ = writeln!(table, "| | {names} |\n|---|{}", "---|".repeat(PROVIDERS.len()));
        let mut notes = Vec::new();
        for (feature, (name, _)) in FEATURES.iter().enumerate() {
            let cells = PROVIDERS.iter().enumerate().map(|(at, (provider, _))| match self.cells.get(&(at, feature)) {
                Some(count) => count.to_string(),
                None => match by_hand::proof(provider, name) {
                    Some(by_hand::Proof::Nothing) => "–".to_owned(),
                    Some(by_hand::Proof::Test(test)) => {
                        let note = notes.iter().position(|known| *known == test).unwrap_or_else(|| {
                            notes.push(test);
                            notes.len() - 1
                        });
                        format!("[{}]", note + 1)
                    }
                    None => "?".to_owned(),
                },
            });
            let _ = writeln!(table, "| {name} | {} |", cells.collect::<Vec<_>>().join(" | "));
        }
        table.push('\n');
        for (number, (file, test)) in notes.iter().enumerate() {
            let _ = writeln!(table, "{}. `{file}`: `{test}`", number + 1);
        }
        table
    }

    /// Cells that nothing proves.
    fn unproven(&self) -> Vec<String> {
        let all = (0..PROVIDERS.len()).flat_map(|provider| (0..FEATURES.len()).map(move |feature| (provider, feature)));
        let open = all.filter(|cell| !self.cells.contains_key(cell));
        let named = open.map(|(provider, feature)| (PROVIDERS[provider].0, FEATURES[feature].0));
        named
            .filter(|(provider, feature)| by_hand::proof(provider, feature).is_none())
            .map(|(provider, feature)| format!("{provider}: {feature}"))
            .collect()
    }

    /// How many recordings, and which, in short (FNV-1a over their sorted names).
    fn set(&self) -> String {
        let mut cases = self.cases.clone();
        cases.sort_unstable();
        let digest = cases
            .iter()
            .flat_map(|case| case.bytes().chain([b'\n']))
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        format!("{} recordings, {digest:016x}", cases.len())
    }

    /// Compares the table with the file, or writes that.
    ///
    /// # Errors
    /// The file is of this set of recordings and says something else, or has a cell that nothing proves.
    pub(crate) fn check(&self) -> Result<&'static str, String> {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../RECORDINGS.md");
        let table = self.table();
        if std::env::var_os("GREENROOM_RECORDINGS_TABLE").is_some_and(|value| value == "write") {
            fs::write(&path, table).expect("the project can be written");
            return Ok("written");
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        if !kept.contains(&format!("\nSet: {}\n", self.set())) {
            return Ok("of other recordings, not compared");
        }
        let unproven = self.unproven();
        if !unproven.is_empty() {
            return Err(format!("nothing proves {}", unproven.join("; ")));
        }
        match kept == table {
            true => Ok("the same"),
            false => Err("providers/RECORDINGS.md is not what this run gives".into()),
        }
    }
}
