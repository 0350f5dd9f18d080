//! Tool calls of one answer: their numbers, ids and arguments.

use serde_json::{json, value::RawValue};

use super::{pieces::Pieces, shape::Call};
use crate::{calls, chat::ToolCallKind, event::ChatEvent, names::ToolNames, object::Str, queue::Queue};

/// What a call can fail for, in words fit to show; they never quote it.
type Broken = &'static str;

/// The calls so far.
#[derive(Debug)]
pub(super) struct Calls {
    begun: calls::Calls,
    /// The call whose arguments come in pieces.
    open: Option<(u32, Pieces)>,
}

impl Calls {
    pub(super) fn new() -> Self {
        Self { begun: calls::Calls::new("call"), open: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.begun.is_empty()
    }

    /// Takes a call, or a piece of one; `signature` is its part's, and `answer` the answer's id.
    ///
    /// # Errors
    ///
    /// It has no name, or arguments that are no object.
    pub(super) fn take(
        &mut self,
        call: &Call<'_>,
        signature: Option<&str>,
        (names, answer): (&ToolNames, &str),
        queue: &mut Queue,
    ) -> Result<(), Broken> {
        let more = call.more == Some(true);
        let index = match Str::filled(&call.name) {
            Some(name) => {
                self.close(queue);
                let (index, id) = self.begun.begin(Str::filled(&call.id), answer);
                let name = names.name(name).to_owned();
                queue.push(ChatEvent::ToolCallStarted { index, id, name, kind: ToolCallKind::Function });
                self.open = Some((index, Pieces::default()));
                index
            }
            // Without a name it goes on with the call before, or closes it.
            None => match &self.open {
                Some((index, _)) => *index,
                None if call.args.is_none() && call.pieces.is_none() => return Ok(()),
                None => return Err("a tool call has no name"),
            },
        };
        let in_pieces = more || call.pieces.is_some() || call.name.is_none();
        if let Some((_, pieces)) = &mut self.open {
            call.pieces.iter().flatten().try_for_each(|piece| pieces.add(piece))?;
        }
        if !in_pieces || call.args.is_some() {
            self.open = None;
            let arguments = call.args.map(arguments).transpose()?;
            queue.arguments(index, arguments.as_deref().unwrap_or("{}"));
            queue.push(ChatEvent::ToolCallDone { index });
        } else if !more {
            self.close(queue);
        }
        if let Some(signature) = signature {
            queue.push(ChatEvent::Opaque { data: json!({"tool_call": index, "thoughtSignature": signature}) });
        }
        Ok(())
    }

    /// Ends the call whose arguments came in pieces; the provider leaves the last one out at times.
    pub(super) fn close(&mut self, queue: &mut Queue) {
        if let Some((index, pieces)) = self.open.take() {
            queue.arguments(index, &pieces.finish());
            queue.push(ChatEvent::ToolCallDone { index });
        }
    }
}

/// The arguments as text, digit for digit, without the white space between them: how a server lays its JSON out is not
/// the model's doing.
fn arguments(raw: &RawValue) -> Result<String, Broken> {
    if !raw.get().starts_with('{') {
        return Err("the arguments of a tool call are no object");
    }
    let (mut in_string, mut escaped) = (false, false);
    let kept = raw.get().chars().filter(|c| {
        match c {
            _ if std::mem::take(&mut escaped) => {}
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ => {}
        }
        in_string || !matches!(c, ' ' | '\n' | '\r' | '\t')
    });
    Ok(kept.collect())
}
