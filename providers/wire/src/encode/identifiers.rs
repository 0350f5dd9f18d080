//! Ids of calls and names of tools, made acceptable where a server would refuse them.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use serde_json::Value;

use crate::{
    chat::{Tool, Wire},
    names::ToolNames,
};

/// What a server takes for an id or a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// `^[a-zA-Z0-9_-]+$`, at most so many.
    Words(usize),
    /// `^[a-zA-Z_][a-zA-Z0-9_.:-]*$`, at most so many.
    Dotted(usize),
    /// Any characters, at most so many.
    Length(usize),
    /// `^[a-zA-Z0-9]{9}$`, which is Mistral's.
    Nine,
}

impl Rule {
    const NINE: usize = 9;

    fn allows(self, text: &str) -> bool {
        match self {
            Self::Words(most) => !text.is_empty() && text.len() <= most && text.chars().all(is_of_word),
            Self::Dotted(most) => {
                text.len() <= most && text.starts_with(begins_dotted) && text.chars().all(is_of_dotted)
            }
            Self::Length(most) => !text.is_empty() && text.chars().count() <= most,
            Self::Nine => text.len() == Self::NINE && text.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        }
    }

    /// What is allowed and nearest to the text.
    fn nearest(self, text: &str) -> Cow<'_, str> {
        if self.allows(text) {
            return text.into();
        }
        match self {
            Self::Words(_) | Self::Dotted(_) | Self::Length(_) if text.is_empty() => "_".into(),
            Self::Words(most) => text.chars().take(most).map(|c| if is_of_word(c) { c } else { '_' }).collect(),
            Self::Dotted(most) => {
                let lead = if text.starts_with(begins_dotted) { "" } else { "_" };
                let kept = text.chars().map(|c| if is_of_dotted(c) { c } else { '_' });
                lead.chars().chain(kept).take(most).collect()
            }
            Self::Length(most) => text.chars().take(most).collect(),
            // Providers begin their ids alike, and end them each in its own way.
            Self::Nine => {
                let kept: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
                let kept = &kept[kept.len().saturating_sub(Self::NINE)..];
                format!("{kept:0>nine$}", nine = Self::NINE).into()
            }
        }
    }

    /// An allowed text with a number at its end.
    fn numbered(self, text: &str, number: u32) -> String {
        let (most, number) = match self {
            Self::Words(most) | Self::Dotted(most) | Self::Length(most) => (most, format!("_{number}")),
            Self::Nine => (Self::NINE, number.to_string()),
        };
        let kept: String = text.chars().take(most.saturating_sub(number.len())).collect();
        kept + &number
    }

    /// What is allowed and nearest to the text, with the first number after it that makes it one of its own.
    fn unique(self, text: &str, taken: &HashSet<String>) -> String {
        let nearest = self.nearest(text);
        if !taken.contains(&*nearest) {
            return nearest.into_owned();
        }
        (2..)
            .map(|number| self.numbered(&nearest, number))
            .find(|own| !taken.contains(own))
            .expect("there are more numbers than texts that are taken")
    }
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

fn begins_dotted(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn is_of_dotted(c: char) -> bool {
    is_of_word(c) || matches!(c, '.' | ':')
}

/// What is sent for the ids of a conversation's calls, where every call of it must have an id of its own.
///
/// The same in every turn of it, as each depends only on the calls before it.
#[derive(Debug)]
pub(crate) struct OwnIds {
    rule: Rule,
    taken: HashSet<String>,
}

impl OwnIds {
    pub(crate) fn new(rule: Rule) -> Self {
        Self { rule, taken: HashSet::new() }
    }

    /// The id for the next call.
    pub(crate) fn call(&mut self, id: &str) -> String {
        let sent = self.rule.unique(id, &self.taken);
        self.taken.insert(sent.clone());
        sent
    }
}

/// What is sent for the ids of a conversation's calls, where only the calls of one message must be told apart: an id
/// that is allowed stays as it is, however often it comes again.
///
/// The same in every turn of it, as each depends only on the calls before it.
#[derive(Debug)]
pub(crate) struct Ids<'a> {
    rule: Rule,
    sent: HashMap<(&'a str, usize), String>,
    taken: HashSet<String>,
}

impl<'a> Ids<'a> {
    pub(crate) fn new(rule: Rule) -> Self {
        Self { rule, sent: HashMap::new(), taken: HashSet::new() }
    }

    /// The id for a call; `nth` counts those before it in its message that have the same.
    pub(crate) fn call(&mut self, id: &'a str, nth: usize) -> &str {
        let Self { rule, sent, taken } = self;
        sent.entry((id, nth)).or_insert_with(|| {
            let own = rule.unique(id, taken);
            taken.insert(own.clone());
            own
        })
    }
}

/// What is sent for the names of tools.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    rule: Rule,
    sent: HashMap<&'a str, String>,
    taken: HashSet<String>,
    pub(crate) renamed: ToolNames,
}

impl<'a> Names<'a> {
    /// The names for a conversation in which these tools are offered on this wire. Those of them that are allowed are
    /// kept, whatever else has to be renamed.
    pub(crate) fn new(rule: Rule, wire: Wire, tools: &'a [Tool]) -> Self {
        let mut names = Self { rule, sent: HashMap::new(), taken: HashSet::new(), renamed: ToolNames::default() };
        for name in tools.iter().filter_map(|tool| offered(tool, wire)).filter(|name| rule.allows(name)) {
            names.taken.insert(name.to_owned());
            names.sent.insert(name, name.to_owned());
        }
        names
    }

    pub(crate) fn name(&mut self, name: &'a str) -> &str {
        let Self { rule, sent, taken, renamed } = self;
        sent.entry(name).or_insert_with(|| {
            let own = rule.unique(name, taken);
            if own != name {
                renamed.push(own.clone(), name.to_owned());
            }
            taken.insert(own.clone());
            own
        })
    }

    /// What was sent for a name, if it is one of a tool.
    pub(crate) fn known<'n>(&'n self, name: &'n str) -> &'n str {
        self.sent.get(name).map_or(name, String::as_str)
    }
}

/// The name of a tool that is offered on a wire.
fn offered(tool: &Tool, wire: Wire) -> Option<&str> {
    match tool {
        Tool::Function { name, .. } => Some(name),
        Tool::Native { wire: own, json } if *own == wire => {
            ["/name", "/function/name", "/custom/name"].iter().find_map(|at| json.pointer(at).and_then(Value::as_str))
        }
        Tool::Native { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn calls_have_ids_of_their_own() {
        let mut ids = OwnIds::new(Rule::Words(usize::MAX));
        let sent = ["toolu_01-A", "call:0", "call_0", "call:0", ""].map(|id| ids.call(id));
        assert_eq!(sent, ["toolu_01-A", "call_0", "call_0_2", "call_0_3", "_"]);
    }

    #[test]
    fn ids_that_are_allowed_stay() {
        let mut ids = Ids::new(Rule::Length(8));
        let mut sent = |id, nth| ids.call(id, nth).to_owned();
        assert_eq!([sent("call:0", 0), sent("call:0", 0), sent("ä€😀", 0)], ["call:0", "call:0", "ä€😀"]);
        assert_eq!([sent("call:0", 1), sent("", 0)], ["call:0_2", "_"]);
        assert_eq!([sent("123456789", 0), sent("123456780", 0)], ["12345678", "123456_2"]);
        assert_eq!([sent("123456789", 0), sent("12345678", 0)], ["12345678", "123456_3"]);
    }

    #[test]
    fn nine_letters_and_digits_are_made_of_any_id() {
        let mut ids = Ids::new(Rule::Nine);
        let mut sent = |id| ids.call(id, 0).to_owned();
        assert_eq!([sent("AbCdEf123"), sent("call_0fypS1hVX"), sent("c:0")], ["AbCdEf123", "0fypS1hVX", "0000000c0"]);
        assert_eq!([sent("c0"), sent("c-0"), sent("c0")], ["0000000c2", "0000000c3", "0000000c2"]);
        assert_eq!([sent("é"), sent("é2")], ["000000000", "000000002"]);
    }

    #[test]
    fn dotted_names_begin_with_a_letter() {
        let mut names = Names::new(Rule::Dotted(8), Wire::Gemini, &[]);
        let mut sent = |name| names.name(name).to_owned();
        assert_eq!([sent("a.b:c-1"), sent("_x"), sent("1st"), sent("-x")], ["a.b:c-1", "_x", "_1st", "_-x"]);
        assert_eq!([sent(""), sent("a b"), sent("123456789")], ["_", "a_b", "_1234567"]);
    }

    #[test]
    fn names_are_told_apart_and_found_again() {
        let mut names = Names::new(Rule::Words(128), Wire::Anthropic, &[]);
        assert_eq!((names.name("f").to_owned(), names.renamed.is_empty()), ("f".to_owned(), true));
        assert_eq!(names.name("a.b"), "a_b");
        assert_eq!(names.name("a:b"), "a_b_2");
        assert_eq!(names.name("a.b"), "a_b");
        let long = "ä".repeat(200);
        assert_eq!(names.name(&long), "_".repeat(128));
        let other = "ö".repeat(200);
        assert_eq!(names.name(&other), format!("{}_2", "_".repeat(126)));
        assert_eq!((names.renamed.name("a_b_2"), names.renamed.name("f")), ("a:b", "f"));
        assert_eq!((names.known("a:b"), names.known("Ann Lee")), ("a_b_2", "Ann Lee"));
    }

    #[test]
    fn what_is_offered_keeps_its_name() {
        let function = |name: &str| Tool::Function {
            name: name.into(),
            description: None,
            parameters: None,
            strict: None,
            extra: Vec::new(),
        };
        let native = |wire| Tool::Native { wire, json: json!({"type": "custom", "custom": {"name": "c_d"}}) };
        let tools = [function("a.b"), function("a_b"), native(Wire::OpenaiChat)];
        let mut names = Names::new(Rule::Words(64), Wire::OpenaiChat, &tools);
        assert_eq!([names.name("a.b").to_owned(), names.name("a_b").to_owned()], ["a_b_2", "a_b"]);
        assert_eq!([names.name("c.d").to_owned(), names.name("c_d").to_owned()], ["c_d_2", "c_d"]);
        let tools = [native(Wire::Ollama)];
        assert_eq!(Names::new(Rule::Words(64), Wire::OpenaiChat, &tools).name("c.d"), "c_d");
    }
}
