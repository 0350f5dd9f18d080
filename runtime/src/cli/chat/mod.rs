//! `greenroom chat`.

mod answer;
mod command;
mod conversation;
mod history;
mod image;
mod input;
mod screen;

use std::{path::PathBuf, time::Duration};

use clap::Args;
use greenroom::{NewSession, Outgoing, Part};

use self::{
    answer::{Asked, ask},
    screen::{Lines, Plain},
};
use super::{
    Exit, Failure,
    context::{Context, block_on},
    output::Output,
    signals::Interrupt,
};

/// One for the actors and one for the connection; the main thread writes.
const WORKERS: usize = 2;

/// Arguments of `greenroom chat`.
#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// What to ask; what is piped in comes behind it. Without one, on a terminal, a conversation
    prompt: Option<String>,
    /// The model: PROVIDER/MODEL, an alias, or an id that one provider has
    #[arg(short, long, value_name = "MODEL")]
    model: Option<String>,
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
    let settings = context.load(Vec::new())?.settings;
    let images = args.images.iter().map(|path| image::load(path)).collect::<Result<Vec<Part>, _>>()?;
    let text = match input::question(args.prompt.as_deref(), args.json)? {
        input::Question::Text(text) => text,
        input::Question::Conversation => {
            context.tell_demo(&settings);
            let opening = conversation::Opening { model: args.model, system: args.system, images };
            return conversation::run(context, settings, opening);
        }
    };
    context.tell_demo(&settings);
    block_on(WORKERS, async {
        let interrupt = Interrupt::listen()?;
        let runtime = context.start_learning(settings).await?;
        let new = NewSession { model: args.model, system: args.system, ..NewSession::default() };
        let session = runtime.ephemeral(new).await?;
        let mut parts = vec![Part::text(text)];
        parts.extend(images);
        let turn = session.send_message(Outgoing { parts, ..Outgoing::default() }).await?;
        let asked = Asked { session: &session, turn, interrupt: &interrupt };
        let outcome = if args.json {
            ask(asked, &mut Lines::new(Output::new())).await
        } else {
            ask(asked, &mut Plain::new(Output::new(), &context.environment)).await
        };
        runtime.shutdown(Duration::ZERO).await;
        outcome
    })
}
