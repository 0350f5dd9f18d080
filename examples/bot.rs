//! A bot with many chats: one session a chat, all answered side by side.
//!
//! Each line of stdin is `CHAT: TEXT`, as a chat service would deliver it; each answer is printed as `CHAT: ANSWER`.
//! Messages of one chat are answered in their order, with what was said before in mind.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what the example does")]

use std::{error::Error, time::Duration};

use greenroom::Runtime;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, stdin},
    task::JoinSet,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let runtime = Runtime::builder().from_process()?.start().await?;
    let mut lines = BufReader::new(stdin()).lines();
    let mut answers = JoinSet::new();
    while let Some(line) = lines.next_line().await? {
        let Some((chat, text)) = line.split_once(": ") else {
            eprintln!("a line is CHAT: TEXT, not {line:?}");
            continue;
        };
        let chat = chat.to_owned();
        // Sending is in the order of the lines; only the waiting is side by side.
        let turn = runtime.session(&chat).await?.send(text).await?;
        answers.spawn(async move {
            match turn.text().await {
                Ok(answer) => println!("{chat}: {}", answer.trim_end().replace('\n', " ")),
                Err(error) => println!("{chat}: (no answer: {error})"),
            }
        });
    }
    while answers.join_next().await.is_some() {}
    runtime.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
