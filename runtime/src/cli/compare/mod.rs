//! `greenroom compare`.

mod answer;
mod check;
mod layout;
#[cfg(test)]
mod layout_tests;
mod plain;
mod screen;

use std::{cell::RefCell, path::PathBuf, pin::pin, time::Duration};

use clap::Args;
use futures::future::try_join_all;
use greenroom::{
    Part,
    event::{EventBody, LogEvent},
};
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::{
    answer::{Answer, Audience},
    plain::Plain,
    screen::Screen,
};
use super::{
    Exit, Failure,
    attach::{Need, Talk, is_served},
    chat::{Asked, Show, ask, images, link_to, question},
    context::{Context, block_on},
    echo::EchoOff,
    notes::one_line,
    output::Output,
    signals::Interrupt,
    style::Style,
};

/// One for the actors and one for the connections; the main thread writes.
const WORKERS: usize = 2;
/// The time between two pictures on a terminal.
const FRAME: Duration = Duration::from_millis(50);

/// Arguments of `greenroom compare`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  greenroom compare \"Why is the sky blue?\" -m anthropic/claude-haiku-4-5 -m openai/gpt-5-mini
  greenroom compare \"What is wrong here?\" -m smart -m ollama/qwen3 < main.c
  greenroom compare \"What is this?\" --image photo.jpg -m gemini/gemini-2.5-flash -m smart
  greenroom compare \"Say hello.\" -m smart -m cheap --json | jq -c 'select(.type == \"compared\")'

On a terminal the answers stand side by side, as they come. One that fails keeps no other from answering. Ctrl-C cancels all.")]
pub(crate) struct CompareArgs {
    /// What to ask; what is piped in comes behind it
    prompt: Option<String>,
    /// A model: PROVIDER/MODEL, an alias, or an id that one provider has; to be given twice or more
    #[arg(short, long = "model", value_name = "MODEL")]
    models: Vec<String>,
    /// Instructions for all models
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// A picture to show (png, jpeg, gif, webp); may be given several times
    #[arg(long = "image", value_name = "FILE")]
    images: Vec<PathBuf>,
    /// Print the events of the answers, a line of JSON each, and last a line for each model
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: &CompareArgs) -> Result<Exit, Failure> {
    check::names(&args.models)?;
    // Where somebody is to be asked, that one's configuration counts.
    let settings = match is_served(context) {
        true => None,
        false => Some(context.load(Vec::new())?.settings),
    };
    let images = images(&args.images)?;
    let mut parts =
        vec![Part::text(question(args.prompt.as_deref(), "greenroom compare \"hello\" -m MODEL -m OTHER")?)];
    parts.extend(images);
    block_on(WORKERS, async {
        let interrupt = Interrupt::listen()?;
        let opening = async {
            let link = link_to(context, Need::Answers, settings).await?;
            match check::meanings(&link, &args.models).await {
                Ok(()) => Ok(link),
                Err(failure) => {
                    link.leave().await;
                    Err(failure)
                }
            }
        };
        let link = tokio::select! {
            link = opening => link?,
            () = interrupt.came() => return Ok(Exit::Interrupted),
        };
        let begun = Instant::now();
        let board = RefCell::new(Board::new(args, Style::of_output(&context.environment)));
        if let Form::Screen { .. } = board.borrow().form {
            link.heed_termination();
        }
        let answers = async {
            let one = |(index, model): (usize, &String)| {
                let mut show = Shown { board: &board, index, begun };
                let (link, parts, interrupt, model) = (&link, &parts, &interrupt, model.clone());
                async move {
                    let outcome = async {
                        let mut talk = Talk::ephemeral(link, Some(&model), args.system.as_deref()).await?;
                        let turn = talk.send(parts).await?.turn;
                        ask(Asked { talk: &mut talk, turn, interrupt }, &mut show).await
                    };
                    let outcome = outcome.await;
                    ended(&show, outcome)
                }
            };
            let mut all = pin!(try_join_all(args.models.iter().enumerate().map(one)));
            let mut frames = interval(FRAME);
            frames.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                tokio::select! {
                    biased;
                    outcome = &mut all => return outcome,
                    _ = frames.tick() => board.borrow_mut().show(begun.elapsed())?,
                }
            }
        };
        let outcome = answers.await;
        drop(interrupt);
        // Before anything else is said, and the terminal is given back.
        let board = board.into_inner();
        let exit = match outcome {
            Ok(_) => board.close(begun.elapsed()),
            Err(failure) => {
                drop(board);
                Err(failure)
            }
        };
        link.leave().await;
        exit
    })
}

/// What is shown of all answers.
struct Board {
    answers: Vec<Answer>,
    output: Output,
    form: Form,
    /// On a terminal nobody needs to be told twice.
    is_terminal: bool,
}

/// How they are shown.
enum Form {
    Screen { screen: Screen, echo: EchoOff },
    Plain(Plain),
    Lines,
}

/// One of the answers on the board.
struct Shown<'a> {
    board: &'a RefCell<Board>,
    index: usize,
    begun: Instant,
}

/// An event of one of the answers.
#[derive(Serialize)]
struct Line<'a> {
    /// The model as it was named.
    asked: &'a str,
    #[serde(flatten)]
    event: &'a LogEvent,
}

impl Board {
    fn new(args: &CompareArgs, style: Style) -> Self {
        let titles = args.models.iter().map(|model| one_line(model)).collect();
        let form = match (args.json, style.writes_over()) {
            (true, _) => Form::Lines,
            (false, true) => Form::Screen { screen: Screen::new(style, titles), echo: EchoOff::begin() },
            (false, false) => Form::Plain(Plain::default()),
        };
        let output = Output::new();
        let is_terminal = output.is_terminal() && !args.json;
        let audience = match form {
            // Where thinking can't be told from words of the answer it is not shown.
            Form::Screen { .. } => Audience::Terminal { is_shown_thinking: style == Style::Colours },
            _ => Audience::Program,
        };
        let answers = args.models.iter().map(|model| Answer::new(model, audience)).collect();
        Self { answers, output, form, is_terminal }
    }

    fn take(&mut self, index: usize, event: &LogEvent, at: Duration) -> Result<(), Failure> {
        self.answers[index].take(&event.body, at);
        match &mut self.form {
            Form::Screen { .. } => Ok(()),
            Form::Plain(plain) => plain.write(&self.answers, &mut self.output),
            // What was asked is known to who asked, and may hold whole pictures.
            Form::Lines if matches!(event.body, EventBody::MessageUser { .. }) => Ok(()),
            Form::Lines => self.output.json(&Line { asked: &self.answers[index].asked, event }),
        }
    }

    /// What is shown anew from time to time.
    fn show(&mut self, at: Duration) -> Result<(), Failure> {
        match &mut self.form {
            Form::Screen { screen, echo } => {
                if echo.keep() {
                    screen.leave_behind();
                }
                screen.draw(&self.answers, at, &mut self.output)
            }
            Form::Plain(plain) => plain.write(&self.answers, &mut self.output),
            Form::Lines => Ok(()),
        }
    }

    /// All have ended.
    fn close(mut self, at: Duration) -> Result<Exit, Failure> {
        self.show(at)?;
        if let Form::Lines = self.form {
            self.answers.iter().try_for_each(|answer| self.output.json(&answer.summary()))?;
        }
        if !self.is_terminal {
            self.answers.iter().filter_map(|answer| Some((answer, answer.told()?))).for_each(|(answer, told)| {
                told.report_of(&answer.asked);
            });
        }
        let ended = |exit| self.answers.iter().any(|answer| answer.exit() == Some(exit));
        Ok(match () {
            () if ended(Exit::Interrupted) => Exit::Interrupted,
            () if ended(Exit::Failed) => Exit::Failed,
            () => Exit::Done,
        })
    }
}

/// Takes down how an answer ended. That one failed is no failure of the others; that nobody reads any more is.
fn ended(show: &Shown<'_>, outcome: Result<Exit, Failure>) -> Result<(), Failure> {
    if let Err(Failure::ReaderGone) = outcome {
        return Err(Failure::ReaderGone);
    }
    show.board.borrow_mut().answers[show.index].end(outcome, show.begun.elapsed());
    Ok(())
}

impl Show for Shown<'_> {
    fn take(&mut self, event: &LogEvent) -> Result<(), Failure> {
        self.board.borrow_mut().take(self.index, event, self.begun.elapsed())
    }

    fn end(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn has_shown(&self) -> bool {
        self.board.borrow().answers[self.index].has_text()
    }
}
