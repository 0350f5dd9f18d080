//! A conversation on a terminal.

use greenroom::Part;

use super::{
    Opening, WORKERS,
    answer::{Asked, ask},
    command::{Command, said},
    complete::Completions,
    editing::{Typed, Typing, read},
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

/// Talks until the person leaves.
pub(super) fn run(context: &Context, mut opening: Opening) -> Result<Exit, Failure> {
    block_on(WORKERS, async {
        let link = opening.link(context).await?;
        let outcome = talk(context, &link, opening).await;
        link.leave().await;
        outcome
    })
}

async fn talk(context: &Context, link: &Link<'_>, opening: Opening) -> Result<Exit, Failure> {
    let mut typing = Typing::new(Completions::new(link), &context.environment)?;
    let history = History::load(context, &mut typing);
    let talk = opening.talk(link).await?;
    let mut conversation = Conversation { context, link, talk, opening, so_far: None, answered_by: None };
    notes::note("/help says what can be typed; Ctrl-D ends");
    let mut is_leaving = false;
    loop {
        let typed = match read(&mut typing).await? {
            Typed::Text(typed) => typed,
            Typed::Eof => return Ok(Exit::Done),
            Typed::Interrupted if is_leaving => return Ok(Exit::Interrupted),
            Typed::Interrupted => {
                is_leaving = true;
                notes::note("Ctrl-C again ends, as Ctrl-D does");
                continue;
            }
        };
        is_leaving = false;
        if typed.trim().is_empty() {
            continue;
        }
        history.add(&mut typing, &typed);
        if let Some(exit) = conversation.go_on_with(&typed).await? {
            return Ok(exit);
        }
    }
}

/// A conversation that is under way.
pub(super) struct Conversation<'a> {
    pub(super) context: &'a Context,
    pub(super) link: &'a Link<'a>,
    pub(super) talk: Talk<'a>,
    pub(super) opening: Opening,
    /// All that was said up to the last answer, if nobody keeps it.
    pub(super) so_far: Option<Vec<u8>>,
    /// Who gave the last answer, as PROVIDER/MODEL, unless another model is asked since.
    pub(super) answered_by: Option<String>,
}

impl Conversation<'_> {
    /// Does what was typed, until Ctrl-C. What fails is told, and the conversation goes on.
    async fn go_on_with(&mut self, typed: &str) -> Result<Option<Exit>, Failure> {
        let interrupt = Interrupt::listen()?;
        let outcome = match Command::parse(typed) {
            Some(command) => tokio::select! {
                outcome = self.obey(command) => outcome,
                () = interrupt.came() => {
                    notes::note("cancelled");
                    Ok(None)
                }
            },
            None => self.say(said(typed).to_owned(), &interrupt).await.map(|exit| {
                if exit == Exit::Interrupted {
                    notes::note("cancelled");
                }
                None
            }),
        };
        match outcome {
            Err(Failure::ReaderGone) => Err(Failure::ReaderGone),
            Err(failure) => {
                failure.report();
                Ok(None)
            }
            done => done,
        }
    }

    /// Says something and shows the answer.
    async fn say(&mut self, text: String, interrupt: &Interrupt) -> Result<Exit, Failure> {
        self.be_there().await?;
        let mut parts = vec![Part::text(text)];
        parts.extend_from_slice(&self.opening.images);
        let turn = self.talk.send(&parts).await?.turn;
        self.opening.images.clear();
        let asked = Asked { talk: &mut self.talk, turn, interrupt };
        let mut screen = Plain::new(Output::new(), &self.context.environment);
        let outcome = ask(asked, &mut screen).await;
        self.answered_by = screen.answered_by();
        drop(screen);
        self.remember().await;
        outcome
    }

    /// Goes on with a conversation that ended with the greenroom that had it.
    pub(super) async fn be_there(&mut self) -> Result<(), Failure> {
        if self.talk.is_there() {
            return Ok(());
        }
        self.talk = match &self.so_far {
            Some(so_far) => Talk::ephemeral_of(self.link, so_far).await?,
            None => self.opening.talk(self.link).await?,
        };
        Ok(())
    }

    /// Keeps what was said, where nobody else does.
    pub(super) async fn remember(&mut self) {
        if !self.talk.is_durable() && self.talk.is_there() {
            match self.talk.export().await {
                Ok(so_far) => self.so_far = Some(so_far),
                Err(failure) => tracing::debug!("what was said so far is not known any more: {failure:?}"),
            }
        }
    }
}
