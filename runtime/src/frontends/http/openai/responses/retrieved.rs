//! A response as it stands when it is asked for.

use greenroom_actors::session::event::{EventBody, LogEvent};
use greenroom_wire::{ChatError, ChatEvent, FinishReason, openai_responses::Status};

use super::{super::super::answer::Whole, found::Found, told::Head};
use crate::heeded;

/// How its turn stands.
enum Stands {
    Queued,
    Runs,
    Finished(FinishReason),
    Failed(ChatError),
    Cancelled,
}

/// The body of a response that has said nothing yet; `waits` is whether another comes before it.
pub(super) fn beginning(found: &Found, waits: bool) -> Vec<u8> {
    found.head().writer().response(if waits { Status::Queued } else { Status::InProgress })
}

/// The body of a response that is complete.
pub(super) fn finished(head: &Head, answer: &Whole) -> Vec<u8> {
    let mut writer = head.writer().silent();
    let (mut out, mut reason) = (Vec::new(), &FinishReason::Stop);
    writer.set_model(&answer.model);
    for event in &answer.events {
        match event {
            ChatEvent::Finished { reason: last } => reason = last,
            event => writer.write(event, &mut out),
        }
    }
    writer.response(Status::Finished(reason))
}

/// The body of a response of which these are the events so far; `queued` is whether it waited for another to begin with.
pub(super) fn so_far(head: &Head, events: Vec<LogEvent>, queued: bool) -> Vec<u8> {
    let mut writer = head.writer().silent();
    let mut out = Vec::new();
    let mut stands = if queued { Stands::Queued } else { Stands::Runs };
    for LogEvent { body, .. } in heeded(events) {
        match body {
            EventBody::TurnStarted => stands = Stands::Runs,
            EventBody::TurnFailed { error } => stands = Stands::Failed(error.into()),
            EventBody::TurnCancelled => stands = Stands::Cancelled,
            body => match body.into_chat() {
                Some(ChatEvent::Started { model, .. }) => writer.set_model(&model),
                Some(ChatEvent::Finished { reason }) => stands = Stands::Finished(reason),
                Some(event) => writer.write(&event, &mut out),
                None => {}
            },
        }
    }
    writer.response(match &stands {
        Stands::Queued => Status::Queued,
        Stands::Runs => Status::InProgress,
        Stands::Finished(reason) => Status::Finished(reason),
        Stands::Failed(error) => Status::Failed(error),
        Stands::Cancelled => Status::Cancelled,
    })
}
