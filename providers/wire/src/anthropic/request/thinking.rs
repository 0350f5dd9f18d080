//! The wish to think, and what has to make room for it.

use super::dialect::{Dialect, ThinkingForm};
use crate::{
    chat::{ChatRequest, Message, Part, Role},
    encode::LeftOut,
};

/// The least that can be thought with.
const LEAST_BUDGET: u64 = 1024;
/// What is thought with where nothing says how much.
const BUDGET: u64 = 8192;

/// What is sent of thinking, and the bound on tokens that goes with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan<'a> {
    pub(crate) thinking: Thinking,
    pub(crate) effort: Option<&'a str>,
    pub(crate) max_tokens: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thinking {
    Unsaid,
    Off,
    Adaptive,
    Budget(u64),
}

impl Thinking {
    pub(crate) fn is_on(self) -> bool {
        matches!(self, Self::Adaptive | Self::Budget(_))
    }
}

/// Decides. `may_begin` says whether the conversation allows a budget: see [`goes_on_thinking`].
pub(crate) fn plan<'a>(
    request: &'a ChatRequest,
    dialect: &Dialect,
    may_begin: bool,
    left_out: &mut Vec<LeftOut>,
) -> Plan<'a> {
    let mut miss = |at: &str, what| left_out.push(LeftOut { at: at.into(), what });
    let mut max_tokens = request.max_tokens.unwrap_or(dialect.max_tokens);
    if let Some(most) = dialect.max_output.filter(|most| max_tokens > *most) {
        max_tokens = most;
        miss("max_tokens", "more than the model can say, lowered to that");
    }
    let mut plan = Plan { thinking: Thinking::Unsaid, effort: None, max_tokens };
    let Some(wish) = &request.thinking else { return plan };
    let effort = wish.effort.as_deref().filter(|effort| *effort != "none");
    // OpenAI's word below the lowest here.
    let effort = effort.map(|effort| if effort == "minimal" { "low" } else { effort });
    if dialect.effort {
        plan.effort = effort;
    }
    let off = wish.enabled == Some(false) || (wish.effort.is_some() && effort.is_none());
    if off || (wish.enabled.is_none() && wish.budget.is_none() && effort.is_none()) {
        match dialect.thinking {
            ThinkingForm::Always if off => miss("thinking.enabled", "this model cannot stop thinking"),
            ThinkingForm::None => {}
            _ if off => plan.thinking = Thinking::Off,
            _ => {}
        }
        return plan;
    }
    plan.thinking = match (dialect.thinking, wish.budget) {
        (ThinkingForm::None, _) => {
            miss("thinking", "this model does not think");
            return plan;
        }
        (ThinkingForm::Adaptive | ThinkingForm::Always, Some(_)) => {
            miss("thinking.budget", "this model sets its own budget");
            Thinking::Adaptive
        }
        (ThinkingForm::Adaptive | ThinkingForm::Always | ThinkingForm::Either, None) => Thinking::Adaptive,
        (ThinkingForm::Either | ThinkingForm::Budget, Some(budget)) => Thinking::Budget(budget),
        (ThinkingForm::Budget, None) => Thinking::Budget(effort.map_or(BUDGET, of_effort)),
    };
    if effort.is_some() && !dialect.effort {
        miss("thinking.effort", "this model has no word for it, said as a budget");
    }
    let Thinking::Budget(wanted) = plan.thinking else { return plan };
    if !may_begin {
        plan.thinking = Thinking::Unsaid;
        miss("thinking", "left off while tools are called that were called without this model's thinking");
        return plan;
    }
    let mut budget = wanted.max(LEAST_BUDGET);
    if budget >= plan.max_tokens && request.max_tokens.is_none() {
        let room = budget.saturating_add(dialect.max_tokens);
        plan.max_tokens = dialect.max_output.map_or(room, |most| room.min(most));
    }
    // The bound is of thinking and answer together, and the budget must be less.
    budget = budget.min(plan.max_tokens.saturating_sub(1));
    plan.thinking = Thinking::Budget(budget);
    if budget < LEAST_BUDGET {
        plan.thinking = Thinking::Unsaid;
        miss("thinking", "there is no room to think within max_tokens");
    } else if wish.budget.is_some_and(|wanted| wanted != budget) {
        miss("thinking.budget", "changed to what the wire and max_tokens allow");
    }
    plan
}

fn of_effort(effort: &str) -> u64 {
    match effort {
        "low" => 2048,
        "high" => 16_384,
        "xhigh" | "max" => 32_768,
        _ => BUDGET,
    }
}

/// Whether thinking with a budget may be asked for: while tools are being called it must have been on from the first of
/// their calls, which the provider sees by the thinking that stands before it: `is_thinking` knows a block of it that goes back.
pub(crate) fn goes_on_thinking(messages: &[Message], is_thinking: impl Fn(&Part) -> bool) -> bool {
    let is_result = |part: &Part| matches!(part, Part::ToolResult { .. });
    let asked = messages
        .iter()
        .rposition(|message| matches!(message.role, Role::User) && message.parts.iter().any(|part| !is_result(part)));
    let since = &messages[asked.map_or(0, |at| at + 1)..];
    if !since.iter().any(|message| message.parts.iter().any(is_result)) {
        return true;
    }
    let first = since.iter().filter(|message| message.role == Role::Assistant).flat_map(|message| &message.parts);
    // The text of thinking stands before the block that holds it.
    first.into_iter().find(|part| !matches!(part, Part::Thinking { .. })).is_none_or(is_thinking)
}
