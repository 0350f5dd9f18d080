//! The wish to think, and what has to make room for it.

use serde_json::{Value, json};

use super::dialect::{Dialect, Thinking};
use crate::{
    anthropic::request::thinking as claude,
    chat::{ChatRequest, ThinkingRequest},
    encode::LeftOut,
};

/// What is sent of the wish to think.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// Fields of the model's own.
    pub(super) fields: Vec<(&'static str, Value)>,
    /// The bound on tokens; unsaid, the model's own applies.
    pub(super) max_tokens: Option<u64>,
    /// Whether Claude thinks, which then can't be made to call and takes few parameters of sampling.
    pub(super) claude_thinks: bool,
    /// Whether the model takes no parameters of sampling, whatever they are.
    pub(super) no_sampling: bool,
    /// Whether it takes neither these nor a bound on tokens.
    pub(super) no_bounds: bool,
}

/// Decides. `may_begin` says whether the conversation allows Claude to think with a budget.
pub(super) fn plan(request: &ChatRequest, dialect: &Dialect, may_begin: bool, left_out: &mut Vec<LeftOut>) -> Plan {
    let unsaid = Plan { max_tokens: request.max_tokens, ..Plan::default() };
    if let Thinking::Claude(own) = &dialect.thinking {
        return of_claude(request, own, may_begin, left_out);
    }
    let Some(wish) = &request.thinking else { return unsaid };
    let mut miss = |at: &str, what| left_out.push(LeftOut { at: at.into(), what });
    let asked = Asked::of(wish);
    if asked == Asked::Unsaid {
        return unsaid;
    }
    if wish.budget.is_some() && asked != Asked::Off && dialect.thinking != Thinking::None {
        miss("thinking.budget", "this model has no word for it, said as an effort");
    }
    let fields = match (dialect.thinking, asked) {
        (Thinking::Nova, Asked::Off) => vec![("reasoningConfig", json!({"type": "disabled"}))],
        (Thinking::Nova, Asked::On(effort)) => {
            let high = effort == "high";
            let fields = vec![("reasoningConfig", json!({"type": "enabled", "maxReasoningEffort": effort}))];
            return Plan { fields, no_bounds: high, no_sampling: high, ..unsaid };
        }
        (Thinking::Effort, Asked::On(effort)) => vec![("reasoning_effort", effort.into())],
        (Thinking::Effort, Asked::Off) => {
            miss("thinking.enabled", "this model cannot stop thinking");
            Vec::new()
        }
        (_, Asked::On(_)) => {
            miss("thinking", "this model does not think, or has no word for it");
            Vec::new()
        }
        _ => Vec::new(),
    };
    Plan { fields, ..unsaid }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Unsaid,
    Off,
    /// With an effort of three.
    On(&'static str),
}

impl Asked {
    fn of(wish: &ThinkingRequest) -> Self {
        let effort = match wish.effort.as_deref() {
            Some("none") => return Self::Off,
            Some("minimal" | "low") => Some("low"),
            Some("high" | "xhigh" | "max") => Some("high"),
            Some(_) => Some("medium"),
            None => None,
        };
        let by_budget = |budget| match budget {
            0..4096 => "low",
            4096..16_384 => "medium",
            _ => "high",
        };
        match (wish.enabled, effort.or_else(|| wish.budget.map(by_budget))) {
            (Some(false), _) => Self::Off,
            (_, Some(effort)) => Self::On(effort),
            (Some(true), None) => Self::On("medium"),
            (None, None) => Self::Unsaid,
        }
    }
}

fn of_claude(
    request: &ChatRequest,
    dialect: &crate::anthropic::Dialect,
    may_begin: bool,
    left_out: &mut Vec<LeftOut>,
) -> Plan {
    let planned = claude::plan(request, dialect, may_begin, left_out);
    let thinking = match planned.thinking {
        claude::Thinking::Unsaid => None,
        claude::Thinking::Off => Some(json!({"type": "disabled"})),
        claude::Thinking::Adaptive => Some(json!({"type": "adaptive"})),
        claude::Thinking::Budget(budget) => Some(json!({"type": "enabled", "budget_tokens": budget})),
    };
    let effort = planned.effort.map(|effort| ("output_config", json!({ "effort": effort })));
    Plan {
        fields: thinking.map(|thinking| ("thinking", thinking)).into_iter().chain(effort).collect(),
        max_tokens: request.max_tokens.map(|_| planned.max_tokens),
        claude_thinks: planned.thinking.is_on(),
        no_sampling: !dialect.sampling,
        no_bounds: false,
    }
}
