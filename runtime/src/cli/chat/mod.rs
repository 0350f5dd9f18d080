//! `greenroom chat`.

mod answer;
mod command;
mod complete;
mod conversation;
mod editing;
mod history;
mod image;
mod input;
mod lines;
mod markdown;
mod names;
mod obey;
mod page;
mod retold;
mod screen;
mod spent;

use std::path::PathBuf;

use clap::Args;
use greenroom::{Part, config::Settings};

use self::screen::{Lines, Plain};
pub(crate) use self::{
    answer::{Asked, Show, ask},
    image::images,
    input::question,
    page::Page,
    retold::{Next, Retold},
};
use super::{
    Exit, Failure,
    attach::{Link, Need, Talk, is_served},
    context::{Context, block_on},
    output::Output,
    signals::Interrupt,
};

/// One for the actors and one for the connection; the main thread writes.
const WORKERS: usize = 2;

/// Arguments of `greenroom chat`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  greenroom chat                                    # a conversation; /help there says what can be typed
  greenroom chat \"why is the sky blue?\"             # one answer; Ctrl-C cancels it
  greenroom chat -m openai/gpt-5-mini --system \"Be brief.\" \"what is an actor?\"
  git diff | greenroom chat \"write a commit message for this\"
  greenroom chat --image photo.jpg \"what is this?\"
  greenroom chat --session trip                     # a conversation that is kept; the next time it goes on
  greenroom chat --json \"hello\"                     # the events of the answer, for a program

On a terminal Markdown is shown styled; into a pipe, with NO_COLOR set or with TERM=dumb, the
text is printed as it comes.")]
pub(crate) struct ChatArgs {
    /// What to ask; what is piped in comes behind it. Without one, on a terminal, a conversation
    prompt: Option<String>,
    /// The model: PROVIDER/MODEL, an alias, or an id that one provider has
    #[arg(short, long, value_name = "MODEL")]
    model: Option<String>,
    /// Talk in a conversation that is kept: the one of this id, begun if there is none
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Answer from here alone, and keep nothing: no data directory is looked at, no running greenroom asked
    #[arg(long, conflicts_with = "session")]
    standalone: bool,
    /// Instructions for the model
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// A picture to show (png, jpeg, gif, webp); may be given several times
    #[arg(long = "image", value_name = "FILE")]
    images: Vec<PathBuf>,
    /// Print the events of the answer, a line of JSON each
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: ChatArgs) -> Result<Exit, Failure> {
    let need = match &args.session {
        Some(_) => Need::Store,
        None if args.standalone => Need::Alone,
        None => Need::Answers,
    };
    // Where somebody is to be asked, that one's configuration counts.
    let settings = match need != Need::Alone && is_served(context) {
        true => None,
        false => Some(context.load(Vec::new())?.settings),
    };
    let images = images(&args.images)?;
    let question = input::question_or_conversation(args.prompt.as_deref(), args.json)?;
    let opening = Opening { need, settings, session: args.session, model: args.model, system: args.system, images };
    match question {
        input::Question::Text(text) => block_on(WORKERS, answer(context, opening, text, args.json)),
        input::Question::Conversation => conversation::run(context, opening),
    }
}

/// What a question or a conversation begins with.
struct Opening {
    need: Need,
    settings: Option<Settings>,
    session: Option<String>,
    model: Option<String>,
    system: Option<String>,
    /// Shown with the first message.
    images: Vec<Part>,
}

impl Opening {
    async fn link<'a>(&mut self, context: &'a Context) -> Result<Link<'a>, Failure> {
        link_to(context, self.need, self.settings.take()).await
    }

    async fn talk<'a>(&self, link: &'a Link<'a>) -> Result<Talk<'a>, Failure> {
        let (model, system) = (self.model.as_deref(), self.system.as_deref());
        match &self.session {
            Some(id) => Talk::durable(link, id, model, system).await,
            None => Talk::ephemeral(link, model, system).await,
        }
    }
}

/// The way to whoever answers; that it is the demo is told.
pub(crate) async fn link_to(context: &Context, need: Need, settings: Option<Settings>) -> Result<Link<'_>, Failure> {
    let link = Link::open(context, need, settings.clone()).await?;
    if link.is_demo().await {
        context.tell_demo_answers();
        settings.iter().for_each(|settings| context.tell_ignored(settings));
    }
    Ok(link)
}

/// Asks once.
async fn answer(context: &Context, mut opening: Opening, text: String, json: bool) -> Result<Exit, Failure> {
    let interrupt = Interrupt::listen()?;
    let link = tokio::select! {
        link = opening.link(context) => link?,
        () = interrupt.came() => return Ok(Exit::Interrupted),
    };
    let mut parts = vec![Part::text(text)];
    parts.append(&mut opening.images);
    let outcome = async {
        let mut talk = opening.talk(&link).await?;
        let turn = talk.send(&parts).await?.turn;
        let asked = Asked { talk: &mut talk, turn, interrupt: &interrupt };
        if json {
            ask(asked, &mut Lines::new(Output::new())).await
        } else {
            ask(asked, &mut Plain::new(Output::new(), &context.environment)).await
        }
    }
    .await;
    drop(interrupt);
    link.leave().await;
    outcome
}
