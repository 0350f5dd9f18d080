//! An assistant with two frontends on one session: a screen that shows everything as it comes, and a logger that goes away
//! in the middle of an answer and comes back with its cursor. In the end both have the same, byte for byte.
//!
//! With a directory as its argument the session outlives the program: run it twice, and the second run begins where the
//! first has ended.
#![allow(clippy::print_stdout, reason = "printing is what the example does")]

use std::{env, error::Error, io::Write as _, time::Duration};

use futures::StreamExt as _;
use greenroom::{
    Cursor, Part, Runtime, Session,
    event::{EventBody, LogEvent},
};

const QUESTIONS: [&str; 2] = ["what is greenroom?", "and what is a cursor?"];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut builder = Runtime::builder().from_process()?;
    if let Some(directory) = env::args_os().nth(1) {
        builder = builder.data_dir(directory);
    }
    let runtime = builder.start().await?;
    let session = runtime.session("assistant").await?;
    let start = session.end().await?;
    println!("The session \"{}\" goes on at {start}.\n", session.id());

    let screen = tokio::spawn(screen(session.clone(), start));
    let logger = tokio::spawn(log_a_little(session.clone(), start));
    for question in QUESTIONS {
        // Sending is enough: whoever reads the session sees the answer. This waits only so that one comes after the other.
        session.send(question).await?.text().await?;
    }
    let shown = screen.await??;
    let (mut logged, left_at) = logger.await??;
    println!("\nThe logger left at {left_at}, after {} bytes of text. It comes back.", logged.len());
    logged += &log_the_rest(&session, left_at).await?;

    println!("The screen has {} bytes of text, the logger {}.", shown.len(), logged.len());
    if shown != logged {
        return Err("they are not the same".into());
    }
    println!("They are the same.");
    runtime.shutdown(Duration::from_secs(10)).await;
    Ok(())
}

/// Shows the session from a place on, as long as there are questions to be answered. Gives the text that it showed.
async fn screen(session: Session, from: Cursor) -> Result<String, Box<dyn Error + Send + Sync>> {
    let mut events = session.events_from(Some(from)).await?;
    let mut text = String::new();
    let mut left = QUESTIONS.len();
    while left > 0
        && let Some(event) = events.next().await
    {
        text += text_of(&event);
        match &event.body {
            EventBody::MessageUser { parts, .. } => parts.iter().for_each(print_question),
            EventBody::Text { delta } => print!("{delta}"),
            EventBody::TurnFailed { error } => return Err(error.message.clone().into()),
            body if body.ends_turn() => {
                left -= 1;
                println!();
            }
            _ => {}
        }
        std::io::stdout().flush()?;
    }
    Ok(text)
}

fn print_question(part: &Part) {
    if let Part::Text { text } = part {
        println!("> {text}");
    }
}

/// Reads up to the first words of an answer. Gives them, and the cursor to come back with.
async fn log_a_little(session: Session, from: Cursor) -> Result<(String, Cursor), Box<dyn Error + Send + Sync>> {
    let mut events = session.events_from(Some(from)).await?;
    let mut text = String::new();
    while text.is_empty()
        && let Some(event) = events.next().await
    {
        text += text_of(&event);
    }
    Ok((text, events.cursor()))
}

/// Reads everything from a cursor on that is there.
async fn log_the_rest(session: &Session, from: Cursor) -> Result<String, Box<dyn Error + Send + Sync>> {
    let mut events = session.events_from(Some(from)).await?;
    let mut text = String::new();
    while let Some(event) = events.next().await
        && event.body != EventBody::Synced
    {
        text += text_of(&event);
    }
    Ok(text)
}

fn text_of(event: &LogEvent) -> &str {
    match &event.body {
        EventBody::Text { delta } => delta,
        _ => "",
    }
}
