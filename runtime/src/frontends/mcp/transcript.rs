//! A session as a person or a model reads it.

use greenroom_actors::session::event::{EventBody, LogEvent};
use greenroom_wire::Part;

/// Writes the events of a session as Markdown: who said what, in the order of its log.
pub(super) fn markdown(id: &str, events: &[LogEvent]) -> String {
    let mut page = Page { text: format!("# Session {id}\n"), speaker: Speaker::Nobody };
    for event in events {
        page.take(&event.body);
    }
    page.text.truncate(page.text.trim_end().len());
    page.text.push('\n');
    page.text
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaker {
    Nobody,
    User,
    Assistant,
}

struct Page {
    text: String,
    speaker: Speaker,
}

impl Page {
    fn take(&mut self, body: &EventBody) {
        match body {
            EventBody::MessageUser { parts, .. } => {
                self.speaker = Speaker::Nobody;
                self.says(Speaker::User, &text_of(parts));
            }
            EventBody::Text { delta } | EventBody::Refusal { delta } => self.says(Speaker::Assistant, delta),
            EventBody::ToolCall { name, .. } => self.aside(&format!("calls {name}")),
            EventBody::ToolResult { parts, error, .. } => {
                self.aside(&format!("{}: {}", if *error { "which failed" } else { "which gave" }, text_of(parts)));
            }
            EventBody::Media { media_type, .. } => self.aside(media_type),
            EventBody::AnswerRestarted => self.aside("the answer is made anew"),
            EventBody::TurnFailed { error } => self.aside(&format!("failed: {}", error.message)),
            EventBody::TurnCancelled => self.aside("cancelled"),
            _ => {}
        }
    }

    fn says(&mut self, speaker: Speaker, text: &str) {
        if self.speaker != speaker {
            self.speaker = speaker;
            let head = if speaker == Speaker::User { "User" } else { "Assistant" };
            self.text.push_str(&format!("\n\n## {head}\n\n"));
        }
        self.text.push_str(text);
    }

    /// Something that nobody said.
    fn aside(&mut self, text: &str) {
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.text.push_str(&format!("\n\n[{line}]\n\n"));
    }
}

fn text_of(parts: &[Part]) -> String {
    let texts = parts.iter().map(|part| match part {
        Part::Text { text, .. } => text.as_str(),
        Part::Image { .. } => "[an image]",
        _ => "[something that is no text]",
    });
    texts.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_said_what_is_a_heading_each() {
        let say = |text: &str| EventBody::MessageUser { parts: vec![Part::text(text)], queued: false, asked: None };
        let text = |delta: &str| EventBody::Text { delta: delta.to_owned() };
        let bodies = [say("hello"), text("hi "), text("there"), EventBody::TurnCancelled, say("again"), text("yes")];
        let events = bodies.map(|body| LogEvent { body, turn: None, position: 0, next: 0 });
        let page = markdown("a", &events);
        let expected = "# Session a\n\n\n## User\n\nhello\n\n## Assistant\n\nhi there\n\n[cancelled]\n\n\n\n## User\n\nagain\n\n\
                        ## Assistant\n\nyes\n";
        assert_eq!(page, expected);
    }
}
