//! Tool calls on their way to a client that can't be told that one of them is taken back.
//!
//! An answer that is cut within a call goes on without it. So a call is held back until it is whole, as far as it is
//! short: most calls are, and no client can carry out half of one. A long one is passed on as it comes, since clients
//! show files being written.

use greenroom_wire::{
    ChatEvent, anthropic,
    chat::{Extra, Wire},
};

/// Most bytes of a call's arguments that are held back.
const MOST_HELD: usize = 1024;

/// The calls of one answer.
#[derive(Debug, Default)]
pub(super) struct HeldCalls {
    calls: Vec<Call>,
    /// How many are passed on, or about to be: the client's numbers have no gaps.
    passed: u32,
}

#[derive(Debug)]
struct Call {
    /// Its index in the log.
    index: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    Held {
        events: Vec<ChatEvent>,
        /// Of its arguments.
        bytes: usize,
    },
    /// With the index that the client knows it by.
    Passed(u32),
}

/// The call is at the client already, partly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

impl HeldCalls {
    /// Takes the next event; `write` is given what may go out now.
    pub(super) fn pass(&mut self, event: ChatEvent, mut write: impl FnMut(&ChatEvent)) {
        match event {
            ChatEvent::ToolCallStarted { index, .. } => {
                self.calls.push(Call { index, state: State::Held { events: vec![event], bytes: 0 } });
            }
            ChatEvent::ToolCallArgs { index, ref delta } => {
                let more = delta.len();
                let Some(call) = self.calls.iter_mut().find(|call| call.index == index) else { return };
                match &mut call.state {
                    State::Held { events, bytes } => {
                        *bytes += more;
                        events.push(event);
                        if *bytes > MOST_HELD {
                            call.release(&mut self.passed, &mut write);
                        }
                    }
                    State::Passed(known) => write(&renumbered(event, *known)),
                }
            }
            ChatEvent::ToolCallDone { index } => {
                let Some(call) = self.calls.iter_mut().find(|call| call.index == index) else { return };
                let known = call.release(&mut self.passed, &mut write);
                write(&ChatEvent::ToolCallDone { index: known });
            }
            ChatEvent::Finished { .. } => {
                self.pass_rest(&mut write);
                write(&event);
            }
            event => match self.held_with(&event) {
                Some(events) => events.push(event),
                None => write(&event),
            },
        }
    }

    /// What is held back of the call that an event says more of, as Anthropic's wire does just after a call began. What
    /// other wires say of a call goes out ahead of it.
    fn held_with(&mut self, event: &ChatEvent) -> Option<&mut Vec<ChatEvent>> {
        let call = self.calls.last_mut()?;
        let says_more = match event {
            ChatEvent::Opaque { data } => anthropic::field_of_call(data) == Some(call.index),
            ChatEvent::Extra(Extra { wire: Wire::Anthropic, path, .. }) => path.starts_with("/content/"),
            _ => false,
        };
        match &mut call.state {
            State::Held { events, bytes: 0 } if says_more => Some(events),
            State::Held { .. } | State::Passed(_) => None,
        }
    }

    /// Nothing more comes: what is held back goes out, whole or not.
    pub(super) fn pass_rest(&mut self, mut write: impl FnMut(&ChatEvent)) {
        for call in &mut self.calls {
            call.release(&mut self.passed, &mut write);
        }
    }

    /// A call is taken back.
    ///
    /// # Errors
    /// It is at the client already.
    pub(super) fn drop_call(&mut self, index: u32) -> Result<(), Gone> {
        let Some(at) = self.calls.iter().position(|call| call.index == index) else { return Ok(()) };
        match self.calls[at].state {
            State::Held { .. } => {
                self.calls.remove(at);
                Ok(())
            }
            State::Passed(_) => Err(Gone),
        }
    }
}

impl Call {
    /// Passes on what is held; gives the index that the client knows the call by.
    fn release(&mut self, passed: &mut u32, write: &mut impl FnMut(&ChatEvent)) -> u32 {
        let events = match &mut self.state {
            State::Held { events, .. } => std::mem::take(events),
            State::Passed(known) => return *known,
        };
        let known = *passed;
        *passed += 1;
        events.into_iter().for_each(|event| write(&renumbered(event, known)));
        self.state = State::Passed(known);
        known
    }
}

fn renumbered(mut event: ChatEvent, known: u32) -> ChatEvent {
    match &mut event {
        ChatEvent::ToolCallStarted { index, .. } | ChatEvent::ToolCallArgs { index, .. } => *index = known,
        ChatEvent::Opaque { data } => data["tool_call"] = known.into(),
        _ => {}
    }
    event
}

#[cfg(test)]
mod tests {
    use greenroom_wire::event::FinishReason;

    use super::*;

    fn start(index: u32) -> ChatEvent {
        ChatEvent::ToolCallStarted { index, id: format!("c{index}"), name: "f".into(), kind: Default::default() }
    }

    fn args(index: u32, bytes: usize) -> ChatEvent {
        ChatEvent::ToolCallArgs { index, delta: "x".repeat(bytes) }
    }

    /// What is written of these events, in short.
    fn passed(calls: &mut HeldCalls, events: impl IntoIterator<Item = ChatEvent>) -> Vec<String> {
        let mut written = Vec::new();
        for event in events {
            calls.pass(event, |event| {
                written.push(match event {
                    ChatEvent::ToolCallStarted { index, id, .. } => format!("{index} {id}"),
                    ChatEvent::ToolCallArgs { index, delta } => format!("{index} {}", delta.len()),
                    ChatEvent::ToolCallDone { index } => format!("{index} done"),
                    other => format!("{other:?}"),
                });
            });
        }
        written
    }

    #[test]
    fn a_short_call_goes_out_whole_and_a_long_one_as_it_comes() {
        let mut calls = HeldCalls::default();
        assert_eq!(passed(&mut calls, [start(0), args(0, 5), args(0, 6)]), [""; 0]);
        assert_eq!(passed(&mut calls, [ChatEvent::ToolCallDone { index: 0 }]), ["0 c0", "0 5", "0 6", "0 done"]);
        assert_eq!(passed(&mut calls, [start(1), args(1, MOST_HELD)]), [""; 0]);
        assert_eq!(passed(&mut calls, [args(1, 1)]), ["1 c1", "1 1024", "1 1"]);
        assert_eq!(passed(&mut calls, [args(1, 7)]), ["1 7"]);
        assert_eq!(calls.drop_call(1), Err(Gone));
    }

    #[test]
    fn what_is_said_of_a_call_stays_with_it() {
        let mut calls = HeldCalls::default();
        passed(&mut calls, [start(0), start(1)]);
        assert_eq!(calls.drop_call(0), Ok(()));
        let caller = ChatEvent::Opaque { data: serde_json::json!({"tool_call": 1, "caller": "c"}) };
        assert_eq!(passed(&mut calls, [caller, args(1, 2)]), [""; 0]);
        let out = passed(&mut calls, [ChatEvent::ToolCallDone { index: 1 }]);
        assert_eq!(out[0], "0 c1");
        assert!(out[1].contains("\"tool_call\": Number(0)"), "{out:?}");
        assert_eq!(out[2..], ["0 2", "0 done"]);
    }

    #[test]
    fn one_that_is_taken_back_leaves_no_gap() {
        let mut calls = HeldCalls::default();
        assert_eq!(passed(&mut calls, [start(0), args(0, 5)]), [""; 0]);
        assert_eq!(calls.drop_call(0), Ok(()));
        let finish = ChatEvent::Finished { reason: FinishReason::ToolCalls };
        assert_eq!(passed(&mut calls, [start(1), args(1, 2), finish])[..2], ["0 c1", "0 2"]);
    }
}
