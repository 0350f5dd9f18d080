//! What of a long conversation a model is still shown. Pure.

use greenroom_wire::{ChatRequest, Message, Part, Role};

/// Of the window, in percent: a longer prompt is shortened, and to how much. Well below, so that the beginning of the
/// prompt stays the same for many turns, and with it what providers cache of it.
const MOST: u64 = 80;
const SHORTENED: u64 = 60;
/// The same where a summary stands for what is left out, which has to fit into the window by itself.
const SUMMARISED: u64 = 40;
/// What a model is told that summarises.
const INSTRUCTIONS: &str = "Summarise the conversation that follows, for the assistant in it to go on without having seen it. Keep every fact, \
                            name, number, decision and open question that may matter later. Write the summary alone.";
/// Most tokens of a summary.
const SUMMARY_TOKENS: u64 = 2000;

/// How many of the oldest turns are to be left out, so that the prompt has its place in the window. Sizes are in tokens;
/// `fixed` is what comes before all turns. The last one always stays.
pub(super) fn excess(sizes: &[u64], fixed: u64, window: u64, summarised: bool) -> usize {
    let mut size = fixed.saturating_add(sizes.iter().sum());
    if size <= window / 100 * MOST {
        return 0;
    }
    let goal = window / 100 * if summarised { SUMMARISED } else { SHORTENED };
    let mut left_out = 0;
    while size > goal && left_out + 1 < sizes.len() {
        size -= sizes[left_out];
        left_out += 1;
    }
    left_out
}

/// What asks a model for a summary of these messages, and of what an earlier one says.
pub(super) fn asks_for_summary(model: String, earlier: Option<&str>, messages: &[Message]) -> ChatRequest {
    let mut text = String::new();
    if let Some(earlier) = earlier {
        text.push_str("Summary of what came before:\n");
        text.push_str(earlier);
        text.push_str("\n\n");
    }
    for message in messages {
        let speaker = match message.role {
            Role::Assistant => "Assistant",
            Role::Tool => "Tool",
            Role::User | Role::System | Role::Developer => "User",
        };
        text.push_str(speaker);
        text.push_str(": ");
        message.parts.iter().for_each(|part| tell(part, &mut text));
        text.push_str("\n\n");
    }
    ChatRequest {
        model,
        messages: vec![Message::text(Role::System, INSTRUCTIONS), Message::user(text)],
        max_tokens: Some(SUMMARY_TOKENS),
        ..ChatRequest::default()
    }
}

fn tell(part: &Part, text: &mut String) {
    match part {
        Part::Text { text: said } | Part::Refusal { text: said } => text.push_str(said),
        Part::Image { .. } => text.push_str("[a picture]"),
        Part::Document { .. } => text.push_str("[a document]"),
        Part::Audio { .. } => text.push_str("[a sound]"),
        Part::ToolCall { name, arguments, .. } => {
            text.push_str(&format!("[calls {name} with {arguments}]"));
        }
        Part::ToolResult { parts, .. } => parts.iter().for_each(|part| tell(part, text)),
        Part::Thinking { .. } | Part::Opaque { .. } => {}
    }
}

/// How a summary is told to the model that goes on.
pub(super) fn told_summary(summary: &str) -> Message {
    Message::text(Role::System, format!("What was said before, in summary:\n{summary}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_turns_are_left_out_down_to_well_below_the_bound() {
        assert_eq!(excess(&[30, 30, 20], 0, 100, false), 0, "at the bound");
        assert_eq!(excess(&[30, 30, 21], 0, 100, false), 1);
        assert_eq!(excess(&[30, 30, 21], 0, 100, true), 2);
        assert_eq!(excess(&[30, 30, 20], 1, 100, false), 1, "what comes before counts");
        assert_eq!(excess(&[10, 500], 0, 100, false), 1, "the last one stays");
        assert_eq!(excess(&[500], 0, 100, false), 0);
    }

    #[test]
    fn a_summary_is_asked_for_with_what_an_earlier_one_said() {
        let messages = [Message::user("my name is Ada"), Message::text(Role::Assistant, "hello Ada")];
        let asked = asks_for_summary("m".into(), Some("they met"), &messages);
        let Some(Part::Text { text }) = asked.messages[1].parts.first() else { panic!("{asked:?}") };
        assert_eq!(text, "Summary of what came before:\nthey met\n\nUser: my name is Ada\n\nAssistant: hello Ada\n\n");
    }
}
