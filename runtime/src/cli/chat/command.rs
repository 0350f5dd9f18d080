//! What can be typed in a conversation beside what is said.

use crate::cli::models::suggestion;

/// A line that is a command and not said to the model.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Exit,
    Help,
    Reset,
    /// Another model from the next answer on; none lists those there are.
    Model(Option<&'a str>),
    /// Other instructions from the next answer on; none asks which they are.
    System(Option<&'a str>),
    /// A picture that goes with the next message.
    Image(Option<&'a str>),
    /// Another conversation that is kept; none asks which this one is.
    Session(Option<&'a str>),
    /// What the conversation used so far.
    Usage,
    /// Nothing that there is.
    Unknown(&'a str),
}

/// The names of all commands, as they are typed.
pub(super) const NAMES: [&str; 9] =
    ["/exit", "/help", "/image", "/model", "/quit", "/reset", "/session", "/system", "/usage"];

/// What `/help` says.
pub(super) const HELP: &str = "\
/model [NAME]   another model: PROVIDER/MODEL, an alias, or an id that one provider has; without one, lists them
/system [TEXT]  other instructions; without them, says which there are
/image FILE     shows a picture with the next message
/session [ID]   goes on in the conversation that is kept as ID, begun if there is none; without it, says which this is
/usage          tokens and cost of this conversation
/reset          a new conversation
/quit           the end, as Ctrl-D or Ctrl-C twice
A line that ends with a backslash goes on in the next one, as by Alt-Enter; what is pasted is one message.
Tab completes commands, models, sessions and files. Ctrl-C cancels an answer, or clears what is typed.
Two slashes begin a message that begins with one.
";

impl<'a> Command<'a> {
    /// The command in a line; none if the line is to be [said]. A path such as `/etc/hosts: what is it` is said.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let typed = line.trim();
        let (name, rest) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
        let word = name.strip_prefix('/')?;
        if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_?".contains(&byte)) {
            return None;
        }
        let rest = Some(rest.trim()).filter(|rest| !rest.is_empty());
        Some(match word.to_ascii_lowercase().as_str() {
            "exit" | "quit" => Self::Exit,
            "help" => Self::Help,
            "reset" => Self::Reset,
            "model" => Self::Model(rest),
            "system" => Self::System(rest),
            "image" => Self::Image(rest),
            "session" => Self::Session(rest),
            "usage" => Self::Usage,
            _ => Self::Unknown(name),
        })
    }
}

/// What a line says that is no command: of two slashes at its beginning the first only keeps it from being one.
pub(super) fn said(line: &str) -> &str {
    match line.strip_prefix("//") {
        Some(_) => &line[1..],
        None => line,
    }
}

/// What may have been meant by a command that there is not.
pub(super) fn meant(name: &str) -> String {
    format!("{} /help says what each does; // begins a message that begins with a slash", suggestion(name, &NAMES))
}

#[cfg(test)]
mod tests {
    use super::{Command, HELP, NAMES, meant, said};

    #[test]
    fn commands_are_told_from_what_is_said() {
        assert_eq!(Command::parse(" /exit "), Some(Command::Exit));
        assert_eq!(Command::parse("/model  lab/qwen3"), Some(Command::Model(Some("lab/qwen3"))));
        assert_eq!(Command::parse("/system be\nbrief"), Some(Command::System(Some("be\nbrief"))));
        assert_eq!(Command::parse("/system"), Some(Command::System(None)));
        assert_eq!(Command::parse("/Image a b.png"), Some(Command::Image(Some("a b.png"))));
        assert_eq!(Command::parse("/modle x"), Some(Command::Unknown("/modle")));
        for said in ["hello", "/etc/hosts: what is it?", "/ 2", "1/2", "", "//model", "// a comment"] {
            assert_eq!(Command::parse(said), None, "{said}");
        }
    }

    #[test]
    fn every_command_is_one_and_helped_with() {
        for name in NAMES {
            assert!(!matches!(Command::parse(name), None | Some(Command::Unknown(_))), "{name}");
            assert!(HELP.contains(name) || name == "/exit" || name == "/help", "{name}");
        }
        assert!(meant("/modle").starts_with("did you mean \"/model\"?"));
    }

    #[test]
    fn two_slashes_say_one() {
        assert_eq!(said("//model is a command"), "/model is a command");
        assert_eq!(said("/etc/hosts: what is it?"), "/etc/hosts: what is it?");
    }
}
