//! A conversation on a terminal.

use std::time::Duration;

use greenroom::{NewSession, Outgoing, Part, Runtime, Session, Update, config::Settings};
use rustyline::{DefaultEditor, error::ReadlineError};

use super::{
    WORKERS,
    answer::{Asked, ask},
    command::{Command, HELP},
    history::History,
    screen::Plain,
};
use crate::cli::{
    Exit, Failure,
    context::{Context, block_on},
    notes,
    output::Output,
    signals::Interrupt,
};

const PROMPT: &str = "> ";
const MORE: &str = ". ";

/// What a conversation begins with.
pub(super) struct Opening {
    pub(super) model: Option<String>,
    pub(super) system: Option<String>,
    /// Shown with the first message.
    pub(super) images: Vec<Part>,
}

/// Talks until the person leaves.
pub(super) fn run(context: &Context, settings: Settings, opening: Opening) -> Result<Exit, Failure> {
    let mut editor = DefaultEditor::new().map_err(|error| terminal(&error))?;
    let history = History::load(context, &mut editor);
    block_on(WORKERS, async {
        let runtime = context.start_learning(settings).await?;
        let outcome = talk(context, &runtime, &mut editor, &history, opening).await;
        runtime.shutdown(Duration::ZERO).await;
        outcome
    })
}

async fn talk(
    context: &Context,
    runtime: &Runtime,
    editor: &mut DefaultEditor,
    history: &History,
    opening: Opening,
) -> Result<Exit, Failure> {
    let mut conversation = Conversation::open(context, runtime, opening).await?;
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
    runtime: &'a Runtime,
    session: Session,
    model: Option<String>,
    system: Option<String>,
    images: Vec<Part>,
}

impl<'a> Conversation<'a> {
    async fn open(context: &'a Context, runtime: &'a Runtime, opening: Opening) -> Result<Self, Failure> {
        let Opening { model, system, images } = opening;
        let session = session(runtime, &model, &system).await?;
        Ok(Self { context, runtime, session, model, system, images })
    }

    /// Says something and shows the answer. A failed one is told, and the conversation goes on.
    async fn say(&mut self, text: String) -> Result<Option<Exit>, Failure> {
        let mut parts = vec![Part::text(text)];
        parts.append(&mut self.images);
        let interrupt = Interrupt::listen()?;
        let turn = self.session.send_message(Outgoing { parts, ..Outgoing::default() }).await?;
        let asked = Asked { session: &self.session, turn, interrupt: &interrupt };
        match ask(asked, &mut Plain::new(Output::new(), &self.context.environment)).await {
            Ok(Exit::Interrupted) => notes::note("cancelled"),
            Ok(_) => {}
            Err(Failure::ReaderGone) => return Err(Failure::ReaderGone),
            Err(failure) => {
                failure.report();
            }
        }
        Ok(None)
    }

    async fn obey(&mut self, command: Command<'_>) -> Result<Option<Exit>, Failure> {
        match command {
            Command::Exit => return Ok(Some(Exit::Done)),
            Command::Help => Output::new().text(HELP)?,
            Command::Reset => {
                self.session = session(self.runtime, &self.model, &self.system).await?;
                notes::note("a new conversation begins");
            }
            Command::Model(Some(name)) => {
                let model = Some(name.to_owned());
                self.session.update(Update { model: model.clone(), ..Update::default() }).await?;
                self.model = model;
                notes::note(&format!("{name} answers from now on"));
            }
            Command::Model(None) => {
                let name = self.model.as_deref().or(self.runtime.settings().models.default.as_deref());
                notes::note(name.unwrap_or("the default model of the first provider answers"));
            }
            Command::System(Some(text)) => {
                let system = Some(text.to_owned());
                self.session.update(Update { system: system.clone(), ..Update::default() }).await?;
                self.system = system;
                notes::note("the instructions are followed from now on");
            }
            Command::System(None) => notes::note(self.system.as_deref().unwrap_or("there are no instructions")),
            Command::Unknown(name) => {
                notes::error(&format!("there is no command {name}"));
                notes::hint("/help lists them; put a space before the slash to say it to the model");
            }
        }
        Ok(None)
    }
}

async fn session(runtime: &Runtime, model: &Option<String>, system: &Option<String>) -> Result<Session, Failure> {
    let new = NewSession { model: model.clone(), system: system.clone(), ..NewSession::default() };
    Ok(runtime.ephemeral(new).await?)
}
