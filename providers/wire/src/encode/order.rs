//! In which order a conversation is said on wires where the results of calls stand at once after the message with the
//! calls: as messages of their own on OpenAI's and those made after it, as blocks of one on Bedrock's.

use std::collections::HashSet;

use super::LeftOut;
use crate::chat::{Message, Part, Role, Wire};

/// A message as such a wire says it.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// What someone says, or the model calls.
    Said(Said<'a>),
    /// What a call gave.
    Result {
        /// Where it stands: message and part.
        at: (usize, usize),
        call: Call<'a>,
    },
    /// A call that nobody answered.
    NoResult(Call<'a>),
    /// A result without its call.
    Lost {
        /// Where it stands: message and part.
        at: (usize, usize),
    },
}

/// A call of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    /// How many before it in its message have the same id.
    pub(crate) nth: usize,
}

/// What is said in one message.
#[derive(Debug)]
pub(crate) struct Said<'a> {
    /// The message that it comes from.
    pub(crate) message: usize,
    pub(crate) role: Role,
    /// Parts with their places in that message; calls only if the model says it, and no results.
    pub(crate) parts: Vec<(usize, &'a Part)>,
    /// Whether what else the message has (its name, its extras) goes with it.
    pub(crate) fields: bool,
}

/// The order, and reports of what is said elsewhere than it stood.
///
/// The results of calls are looked for up to the next answer. So the steps of a conversation that waits for an answer are
/// the first ones of the longer conversation that it becomes.
pub(crate) fn steps<'a>(wire: Wire, messages: &'a [Message], left_out: &mut Vec<LeftOut>) -> Vec<Step<'a>> {
    let mut order = Order { messages, steps: Vec::with_capacity(messages.len()), answered: HashSet::new(), left_out };
    for index in 0..messages.len() {
        order.put(wire, index);
    }
    order.steps
}

struct Order<'a, 'l> {
    messages: &'a [Message],
    steps: Vec<Step<'a>>,
    /// The results that were found by their calls.
    answered: HashSet<(usize, usize)>,
    left_out: &'l mut Vec<LeftOut>,
}

impl<'a> Order<'a, '_> {
    fn put(&mut self, wire: Wire, index: usize) {
        let message = &self.messages[index];
        let is_answer = message.role == Role::Assistant;
        let (mut said, mut calls, mut results) = (Vec::new(), Vec::new(), Vec::new());
        for (place, part) in message.parts.iter().enumerate() {
            match part {
                Part::ToolResult { .. } => results.push(place),
                Part::ToolCall { .. } => calls.push((place, part)),
                _ => said.push((place, part)),
            }
        }
        let of_calls = self.results_of(index, &numbered(&calls));
        let has_results = results.iter().any(|place| self.answered.contains(&(index, *place)));
        let lost = results.iter().map(|place| (index, *place)).filter(|at| !self.answered.contains(at));
        let lost: Vec<_> = lost.map(|at| Step::Lost { at }).collect();
        let fields = match message.role {
            Role::Tool => has_results || (wire == Wire::Ollama && !lost.is_empty()),
            // Of an answer that holds results alone, which no model says, nothing is left.
            Role::Assistant => !said.is_empty() || !calls.is_empty() || results.is_empty(),
            _ => !said.is_empty() || message.parts.is_empty(),
        };
        // Bedrock's messages have no fields that could go anywhere.
        if !fields && wire != Wire::Bedrock {
            self.report_fields(wire, index);
        }
        if is_answer {
            // An answer is a list of items there, or of blocks, in any order.
            if !matches!(wire, Wire::OpenaiResponses | Wire::Bedrock) {
                self.report_late(index);
            }
            if fields {
                let parts = message.parts.iter().enumerate().filter(|(place, _)| !results.contains(place)).collect();
                self.steps.push(Step::Said(Said { message: index, role: Role::Assistant, parts, fields: true }));
            }
            self.steps.extend(of_calls);
            return self.steps.extend(lost);
        }
        self.steps.extend(lost);
        let is_tool = message.role == Role::Tool;
        if !said.is_empty() || (message.parts.is_empty() && !is_tool) {
            if is_tool {
                for (place, _) in &said {
                    self.report(index, *place, "beside the results of tools, said by the user");
                }
            }
            let role = if is_tool { Role::User } else { message.role };
            self.steps.push(Step::Said(Said { message: index, role, parts: said, fields: !is_tool }));
        }
        if !calls.is_empty() {
            for (place, _) in &calls {
                self.report(index, *place, "a call that the model did not say, said in an answer of its own");
            }
            self.steps.push(Step::Said(Said { message: index, role: Role::Assistant, parts: calls, fields: false }));
            self.steps.extend(of_calls);
        }
    }

    /// The results of a message's calls, in the order in which they are said up to the next answer, and then the calls
    /// that have none.
    fn results_of(&mut self, index: usize, calls: &[Call<'a>]) -> Vec<Step<'a>> {
        let (mut open, mut steps) = (calls.to_vec(), Vec::new());
        for (other, message) in self.messages.iter().enumerate().skip(index) {
            if open.is_empty() || (other > index && message.role == Role::Assistant) {
                break;
            }
            let mut calls_too = false;
            for (place, part) in message.parts.iter().enumerate() {
                calls_too |= matches!(part, Part::ToolCall { .. });
                let Part::ToolResult { id, .. } = part else { continue };
                let at = (other, place);
                if self.answered.contains(&at) {
                    continue;
                }
                if let Some(call) = open.iter().position(|call| call.id == id) {
                    self.answered.insert(at);
                    steps.push(Step::Result { at, call: open.remove(call) });
                }
            }
            if other > index && calls_too {
                break;
            }
        }
        steps.extend(open.into_iter().map(Step::NoResult));
        steps
    }

    fn report(&mut self, index: usize, place: usize, what: &'static str) {
        self.left_out.push(LeftOut { at: format!("messages[{index}].parts[{place}]"), what });
    }

    /// Reports what else a message has, where it has no place.
    fn report_fields(&mut self, wire: Wire, index: usize) {
        let message = &self.messages[index];
        let what = "a field of a message that is said in another form";
        if message.name.is_some() {
            self.left_out.push(LeftOut { at: format!("messages[{index}].name"), what });
        }
        for extra in message.extra.iter().filter(|extra| extra.wire == wire) {
            self.left_out.push(LeftOut { at: format!("messages[{index}]{}", extra.path), what });
        }
    }

    /// Reports what an answer says after its calls: these wires say calls last.
    fn report_late(&mut self, index: usize) {
        let parts = || self.messages[index].parts.iter().enumerate();
        let is_late = |part: &Part| match part {
            // Of nothing, nothing is lost.
            Part::Text { text } | Part::Refusal { text } => !text.is_empty(),
            Part::Image { .. } | Part::Document { .. } | Part::Audio { .. } => true,
            _ => false,
        };
        let after_call = parts().skip_while(|(_, part)| !matches!(part, Part::ToolCall { .. }));
        let late: Vec<_> = after_call.filter(|(_, part)| is_late(part)).map(|(place, _)| place).collect();
        for place in late {
            self.report(index, place, "after a call, said before it");
        }
    }
}

fn numbered<'a>(calls: &[(usize, &'a Part)]) -> Vec<Call<'a>> {
    let mut numbered: Vec<Call<'a>> = Vec::with_capacity(calls.len());
    for (_, part) in calls {
        if let Part::ToolCall { id, name, .. } = part {
            let nth = numbered.iter().filter(|call| call.id == id).count();
            numbered.push(Call { id, name, nth });
        }
    }
    numbered
}

/// The places of thinking that comes after something else was said, where a wire says all thinking first.
pub(crate) fn late_thinking(parts: &[(usize, &Part)]) -> Vec<usize> {
    let is_said = |part: &Part| !matches!(part, Part::Thinking { .. } | Part::Opaque { .. });
    let said = parts.iter().position(|(_, part)| is_said(part)).unwrap_or(parts.len());
    let late = parts[said..].iter().filter(|(_, part)| matches!(part, Part::Thinking { .. }));
    late.map(|(place, _)| *place).collect()
}
