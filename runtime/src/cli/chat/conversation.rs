//! A conversation on a terminal.

use greenroom::Part;
use rustyline::{DefaultEditor, error::ReadlineError};

use super::{
    Opening, WORKERS,
    answer::{Asked, ask},
    command::{Command, HELP},
    history::History,
    screen::Plain,
};
use crate::cli::{
    Exit, Failure,
    attach::{Link, Talk},
    context::{Context, block_on},
    notes,
    output::Output,
    signals::Interrupt,
};

const PROMPT: &str = "> ";
const MORE: &str = ". ";

/// Talks until the person leaves.
pub(super) fn run(context: &Context, mut opening: Opening) -> Result<Exit, Failure> {
    let mut editor = DefaultEditor::new().map_err(|error| terminal(&error))?;
    let history = History::load(context, &mut editor);
    block_on(WORKERS, async {
        let link = opening.link(context).await?;
        let outcome = talk(context, &link, &mut editor, &history, opening).await;
        link.leave().await;
        outcome
    })
}

async fn talk(
    context: &Context,
    link: &Link<'_>,
    editor: &mut DefaultEditor,
    history: &History,
    opening: Opening,
) -> Result<Exit, Failure> {
    let talk = opening.talk(link).await?;
    let mut conversation = Conversation { context, link, talk, opening, so_far: None };
    notes::note("/help says what can be typed; Ctrl-D ends");
    loop {
        let typed = match read(editor) {
            Ok(typed) => typed,
            Err(ReadlineError::Eof) => return Ok(Exit::Done),
            Err(ReadlineError::Interrupted) => return Ok(Exit::Interrupted),
            Err(error) => return Err(terminal(&error)),
        };
        if typed.trim().is_empty() {
            continue;
        }
        history.add(editor, &typed);
        let exit = match Command::parse(&typed) {
            Some(command) => conversation.obey(command).await?,
            None => conversation.say(typed).await?,
        };
        if let Some(exit) = exit {
            return Ok(exit);
        }
    }
}

/// A line; several where each but the last ends with a backslash.
fn read(editor: &mut DefaultEditor) -> Result<String, ReadlineError> {
    let mut typed = editor.readline(PROMPT)?;
    while let Some(line) = typed.strip_suffix('\\') {
        typed = format!("{line}\n{}", editor.readline(MORE)?);
    }
    Ok(typed)
}

fn terminal(error: &ReadlineError) -> Failure {
    Failure::failed(format!("can't read from the terminal: {error}"), "give the question as an argument, or pipe it in")
}

struct Conversation<'a> {
    context: &'a Context,
    link: &'a Link<'a>,
    talk: Talk<'a>,
    opening: Opening,
    /// All that was said up to the last answer, if nobody keeps it.
    so_far: Option<Vec<u8>>,
}

impl Conversation<'_> {
    /// Says something and shows the answer. A failed one is told, and the conversation goes on.
    async fn say(&mut self, text: String) -> Result<Option<Exit>, Failure> {
        if !self.talk.is_there() {
            self.go_on().await?;
        }
        let interrupt = Interrupt::listen()?;
        match self.answer(text, &interrupt).await {
            Ok(Exit::Interrupted) => notes::note("cancelled"),
            Ok(_) => {}
            Err(Failure::ReaderGone) => return Err(Failure::ReaderGone),
            Err(failure) => {
                failure.report();
            }
        }
        Ok(None)
    }

    /// Goes on with a conversation that ended with the greenroom that had it.
    async fn go_on(&mut self) -> Result<(), Failure> {
        self.talk = match self.so_far.take() {
            Some(so_far) => {
                let talk = Talk::ephemeral_of(self.link, &so_far).await?;
                self.so_far = Some(so_far);
                talk
            }
            None => self.opening.talk(self.link).await?,
        };
        Ok(())
    }

    async fn answer(&mut self, text: String, interrupt: &Interrupt) -> Result<Exit, Failure> {
        let mut parts = vec![Part::text(text)];
        parts.append(&mut self.opening.images);
        let turn = self.talk.send(&parts).await?.turn;
        let asked = Asked { talk: &mut self.talk, turn, interrupt };
        let outcome = ask(asked, &mut Plain::new(Output::new(), &self.context.environment)).await;
        self.remember().await;
        outcome
    }

    /// Keeps what was said, where nobody else does.
    async fn remember(&mut self) {
        if !self.talk.is_durable() && self.talk.is_there() {
            match self.talk.export().await {
                Ok(so_far) => self.so_far = Some(so_far),
                Err(failure) => tracing::debug!("what was said so far is not known any more: {failure:?}"),
            }
        }
    }

    async fn obey(&mut self, command: Command<'_>) -> Result<Option<Exit>, Failure> {
        match command {
            Command::Exit => return Ok(Some(Exit::Done)),
            Command::Help => Output::new().text(HELP)?,
            Command::Reset => match &self.opening.session {
                Some(id) => {
                    notes::error(&format!("this conversation is kept as {id}"));
                    notes::hint(
                        "leave, and begin one of another id with --session; `greenroom sessions remove` forgets",
                    );
                }
                None => {
                    self.talk = self.opening.talk(self.link).await?;
                    self.so_far = None;
                    notes::note("a new conversation begins");
                }
            },
            Command::Model(Some(name)) => {
                self.talk.update(Some(name), None).await?;
                self.opening.model = Some(name.to_owned());
                self.remember().await;
                notes::note(&format!("{name} answers from now on"));
            }
            Command::Model(None) => {
                let default = self.link.default_model().await;
                let name = self.opening.model.as_ref().or(default.as_ref());
                notes::note(name.map_or("the default model of the first provider answers", String::as_str));
            }
            Command::System(Some(text)) => {
                self.talk.update(None, Some(text)).await?;
                self.opening.system = Some(text.to_owned());
                self.remember().await;
                notes::note("the instructions are followed from now on");
            }
            Command::System(None) => {
                notes::note(self.opening.system.as_deref().unwrap_or("there are no instructions"));
            }
            Command::Unknown(name) => {
                notes::error(&format!("there is no command {name}"));
                notes::hint("/help lists them; put a space before the slash to say it to the model");
            }
        }
        Ok(None)
    }
}
