//! What can be typed in a conversation beside what is said.

/// A line that is a command and not said to the model.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Exit,
    Help,
    Reset,
    /// Another model from the next answer on; none asks which it is.
    Model(Option<&'a str>),
    /// Other instructions from the next answer on; none asks which they are.
    System(Option<&'a str>),
    /// Nothing that there is.
    Unknown(&'a str),
}

/// What `/help` says.
pub(super) const HELP: &str = "\
/model NAME    another model: PROVIDER/MODEL, an alias, or an id that one provider has
/system TEXT   other instructions
/reset         a new conversation
/exit          the end, as Ctrl-D
A line that ends with a backslash goes on in the next one. Ctrl-C cancels an answer.
";

impl<'a> Command<'a> {
    /// The command in a line; none if the line is to be said. A path such as `/etc/hosts: what is it` is said.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let typed = line.trim();
        let (name, rest) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
        let word = name.strip_prefix('/')?;
        if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return None;
        }
        let rest = Some(rest.trim()).filter(|rest| !rest.is_empty());
        Some(match word {
            "exit" | "quit" => Self::Exit,
            "help" => Self::Help,
            "reset" => Self::Reset,
            "model" => Self::Model(rest),
            "system" => Self::System(rest),
            _ => Self::Unknown(name),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Command;

    #[test]
    fn commands_are_told_from_what_is_said() {
        assert_eq!(Command::parse(" /exit "), Some(Command::Exit));
        assert_eq!(Command::parse("/model  lab/qwen3"), Some(Command::Model(Some("lab/qwen3"))));
        assert_eq!(Command::parse("/system be\nbrief"), Some(Command::System(Some("be\nbrief"))));
        assert_eq!(Command::parse("/system"), Some(Command::System(None)));
        assert_eq!(Command::parse("/modle x"), Some(Command::Unknown("/modle")));
        for said in ["hello", "/etc/hosts: what is it?", "/ 2", "1/2", ""] {
            assert_eq!(Command::parse(said), None, "{said}");
        }
    }
}
