//! Recorded streams of OpenAI's chat wire, played back to the built program and asked for over its own interface.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod chat_support;
mod http_support;

use std::env;
use std::io::Write as _;

use chat_support::{got, read, streams, take_made_up_ids};
use greenroom_tests::openai;
use greenroom_tests::replay::{Pieces, replay_in};
use http_support::{Greenroom, ask_streamed, with};
use serde_json::json;

/// The servers whose recordings are of this wire.
const APIS: [&str; 7] =
    ["openai-chat", "openai-compat", "azure-chat", "copilot-chat", "openrouter-chat", "ollama-openai", "llamacpp-chat"];

#[tokio::test]
async fn recorded_streams_come_through_the_program() {
    // Written past the harness, which shows nothing of a test that passes.
    let say = |line: String| writeln!(std::io::stdout(), "{line}").unwrap();
    let Some(folder) = env::var_os("GREENROOM_RECORDINGS") else {
        return say("wire_openai: passed over, since GREENROOM_RECORDINGS is not set".into());
    };
    let recordings = streams(folder.as_ref(), &APIS);
    assert!(!recordings.is_empty(), "the folder has streams of this wire");
    let lab = http_support::scripted([openai::Answer::new()]).await;
    let config = http_support::provider("lab", &lab) + http_support::ENDS_WHERE_CUT;
    let greenroom = Greenroom::start(&config).await;
    let mut failures = Vec::new();
    for (number, (path, asked, body)) in recordings.iter().enumerate() {
        let want = read(body, *asked);
        for (turn, pieces) in [Pieces::AsRecorded, Pieces::Bytes(7)].into_iter().enumerate() {
            let case = format!("{} {pieces:?}", path.display());
            lab.set_script(openai::chat([replay_in(path, pieces).unwrap().attempt]));
            // A model of its own for each, so that no failure leaves another alone.
            let model = format!("lab/m{number}-{turn}");
            let body = with(ask_streamed(&model), json!({"n": asked, "stream_options": {"include_usage": true}}));
            let mut got = got(&greenroom.api.events(&body).await);
            take_made_up_ids(&mut got.calls, &want.calls, &case);
            if got != want {
                failures.push(format!("{case}\n   got {got:?}\n  want {want:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), 2 * recordings.len(), failures.join("\n"));
    say(format!("wire_openai: {} recorded streams came through the program, each in two ways", recordings.len()));
}
