//! Log messages for a client: what happens while it waits for an answer, as far as it asked to hear of it.
#![expect(deprecated, reason = "log messages are of the revisions that clients speak today")]

use greenroom_actors::session::event::{EventBody, LogEvent};
use rmcp::{
    RoleServer,
    model::{LoggingLevel, LoggingMessageNotificationParam},
    service::Peer,
};
use serde_json::{Value, json};

/// Who tells of answers.
const ANSWERS: &str = "greenroom";

/// Where messages of one request go.
#[derive(Debug, Clone)]
pub(super) struct Log {
    peer: Peer<RoleServer>,
    /// The least level that the client asked for; it is sent none if it asked for none.
    least: Option<LoggingLevel>,
}

impl Log {
    pub(super) fn new(peer: Peer<RoleServer>, least: Option<LoggingLevel>) -> Self {
        Self { peer, least }
    }

    /// Whether the client wants no messages.
    pub(super) fn is_nothing(&self) -> bool {
        self.least.is_none()
    }

    /// Sends a message, if the client wants it. It waits for the client to take it, so there is never more than one.
    pub(super) async fn tell(&self, level: LoggingLevel, logger: &str, data: Value) {
        if self.least.is_some_and(|least| level as u8 >= least as u8) {
            let message = LoggingMessageNotificationParam::new(level, data).with_logger(logger);
            // A client that is gone is noticed by what drops the call.
            let _gone = self.peer.notify_logging_message(message).await;
        }
    }

    /// Tells what events say of how an answer is made.
    pub(super) async fn events(&self, events: &[LogEvent]) {
        if !self.is_nothing() {
            for (level, data) in events.iter().filter_map(|event| said(&event.body)) {
                self.tell(level, ANSWERS, data).await;
            }
        }
    }
}

/// What an event is as a message. What was asked and what is answered is in none.
fn said(body: &EventBody) -> Option<(LoggingLevel, Value)> {
    Some(match body {
        EventBody::Route { provider, model, attempts, .. } => {
            let data =
                json!({"message": "a model answers", "provider": provider, "model": model, "attempts": attempts});
            (LoggingLevel::Info, data)
        }
        EventBody::Failover { from, to, kind } => {
            (LoggingLevel::Warning, json!({"message": "another takes over", "from": from, "to": to, "kind": kind}))
        }
        EventBody::Context { dropped, .. } => {
            let message = "the conversation outgrew the model's window";
            (LoggingLevel::Notice, json!({"message": message, "turns_left_out": dropped}))
        }
        EventBody::AnswerRestarted => (LoggingLevel::Warning, json!({"message": "the answer is made anew"})),
        EventBody::TurnFailed { error } => {
            (LoggingLevel::Error, json!({"message": error.message, "kind": error.kind, "hint": error.hint}))
        }
        EventBody::Usage(usage) => {
            let data = json!({"message": "the answer used", "input_tokens": usage.input_total(), "output_tokens": usage.output});
            (LoggingLevel::Debug, data)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use greenroom_wire::ErrorKind;

    use super::*;

    #[test]
    fn a_takeover_is_a_warning_and_what_is_said_is_no_message() {
        let over = EventBody::Failover { from: "a/m".to_owned(), to: "b/m".to_owned(), kind: ErrorKind::RateLimited };
        let (level, data) = said(&over).unwrap();
        assert_eq!(level, LoggingLevel::Warning);
        assert_eq!((data["from"].as_str(), data["kind"].as_str()), (Some("a/m"), Some("rate_limited")));
        assert!(said(&EventBody::Text { delta: "a secret".to_owned() }).is_none());
    }
}
