//! `/_scripted`: what a test in another process can ask of a scripted provider.

use serde::Serialize;
use serde_json::json;

use super::recorded::{Recorded, path_of};
use super::shared::Shared;
use super::stats::Stats;
use crate::http1::RequestHead;
use crate::script::{Attempt, Script};

const PREFIX: &str = "/_scripted";

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    stats: Stats,
    /// The last requests, oldest first.
    seen: Vec<Recorded>,
}

/// Whether a request is for the server itself and not for its script.
pub(super) fn is_control(head: &RequestHead) -> bool {
    path_of(&head.target).strip_prefix(PREFIX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Does what such a request asks.
pub(super) fn answer(shared: &Shared, head: &RequestHead, body: &[u8]) -> Attempt {
    let done = || Attempt::json(200, &json!({"ok": true}));
    match (head.method.as_str(), path_of(&head.target)) {
        ("GET", "/_scripted/stats") => {
            let report = Report { stats: shared.stats(), seen: shared.requests() };
            match serde_json::to_vec(&report) {
                Ok(json) => Attempt::new().status(200).header("content-type", "application/json").body(json),
                Err(error) => failed(500, &error.to_string()),
            }
        }
        ("POST", "/_scripted/script") => match serde_json::from_slice::<Script>(body) {
            Ok(script) => {
                shared.set_script(script);
                done()
            }
            Err(error) => failed(400, &error.to_string()),
        },
        ("POST", "/_scripted/reset") => {
            shared.reset();
            done()
        }
        _ => failed(404, "there are GET stats, POST script, POST reset"),
    }
}

fn failed(status: u16, text: &str) -> Attempt {
    Attempt::json(status, &json!({"error": {"message": text}}))
}
