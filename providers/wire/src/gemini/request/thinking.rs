//! The wish to think.

use super::dialect::ThinkingForm;
use crate::{chat::ThinkingRequest, encode::LeftOut};

/// What is sent of thinking.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Tokens to think; -1 leaves them to the model.
    pub(super) budget: Option<i64>,
    pub(super) level: Option<String>,
    /// Whether what is thought is to be shown.
    pub(super) show: bool,
}

/// Decides, in the words that the model takes.
pub(super) fn plan(wish: &ThinkingRequest, form: ThinkingForm, left_out: &mut Vec<LeftOut>) -> Plan {
    let mut miss = |at: &str, what| left_out.push(LeftOut { at: at.into(), what });
    let effort = wish.effort.as_deref();
    let off = wish.enabled == Some(false) || effort == Some("none") || wish.budget == Some(0);
    match form {
        ThinkingForm::None => {
            if !off && *wish != ThinkingRequest::default() {
                miss("thinking", "this model does not think");
            }
            Plan::default()
        }
        ThinkingForm::Budget { must: true, .. } if off => {
            miss("thinking.enabled", "this model cannot stop thinking");
            Plan::default()
        }
        ThinkingForm::Budget { .. } if off => Plan { budget: Some(0), ..Plan::default() },
        ThinkingForm::Budget { least, most, .. } => {
            let wanted = wish.budget.or_else(|| Some(of_effort(effort?)));
            if wish.budget.is_none() && effort.is_some() {
                miss("thinking.effort", "this model has no word for it, said as a budget");
            }
            let budget = wanted.map(|wanted| wanted.clamp(least, most));
            if wish.budget.is_some() && wish.budget != budget {
                miss("thinking.budget", "changed to what the model takes");
            }
            if wish.budget.is_some() && effort.is_some() {
                miss("thinking.effort", "said as the budget");
            }
            let own = wish.enabled.map(|_| -1);
            let budget = budget.and_then(|budget| i64::try_from(budget).ok()).or(own);
            Plan { budget, level: None, show: true }
        }
        ThinkingForm::Level { minimal } if off => {
            miss("thinking.enabled", "this model cannot stop thinking, said as the least of it");
            Plan { level: Some(if minimal { "minimal" } else { "low" }.into()), ..Plan::default() }
        }
        ThinkingForm::Level { minimal } => {
            let level = effort.map(|effort| match effort {
                "minimal" if !minimal => "low",
                "xhigh" | "max" => "high",
                effort => effort,
            });
            if level != effort {
                miss("thinking.effort", "the nearest word that this model has");
            }
            // Only one of both is taken.
            if level.is_some() && wish.budget.is_some() {
                miss("thinking.budget", "said as the effort");
            }
            let budget = wish.budget.filter(|_| level.is_none()).and_then(|budget| i64::try_from(budget).ok());
            // Left alone, it thinks as much as it likes.
            Plan { budget, level: level.map(str::to_owned), show: true }
        }
    }
}

fn of_effort(effort: &str) -> u64 {
    match effort {
        "minimal" => 512,
        "low" => 2048,
        "high" => 24_576,
        "xhigh" | "max" => 32_768,
        _ => 8192,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(form: ThinkingForm, enabled: Option<bool>, budget: Option<u64>, effort: Option<&str>) -> (Plan, usize) {
        let mut left_out = Vec::new();
        let wish = ThinkingRequest { enabled, budget, effort: effort.map(str::to_owned) };
        let plan = plan(&wish, form, &mut left_out);
        (plan, left_out.len())
    }

    #[test]
    fn budgets_are_kept_within_their_bounds() {
        let flash = ThinkingForm::Budget { least: 1, most: 24_576, must: false };
        let pro = ThinkingForm::Budget { least: 128, most: 32_768, must: true };
        let budget = |budget| Plan { budget: Some(budget), level: None, show: true };
        assert_eq!(planned(flash, None, Some(1024), None), (budget(1024), 0));
        assert_eq!(planned(flash, Some(true), Some(99_999), None), (budget(24_576), 1));
        assert_eq!(planned(pro, None, Some(5), None), (budget(128), 1));
        assert_eq!(planned(flash, Some(true), None, None), (budget(-1), 0));
        assert_eq!(planned(flash, None, None, Some("low")), (budget(2048), 1));
        assert_eq!(planned(flash, Some(false), None, None), (Plan { budget: Some(0), ..Plan::default() }, 0));
        assert_eq!(planned(pro, None, None, Some("none")), (Plan::default(), 1));
        assert_eq!(planned(flash, None, None, None), (Plan { show: true, ..Plan::default() }, 0));
    }

    #[test]
    fn levels_are_words_that_the_model_has() {
        let (flash, pro) = (ThinkingForm::Level { minimal: true }, ThinkingForm::Level { minimal: false });
        let level = |level: &str| Plan { budget: None, level: Some(level.into()), show: true };
        assert_eq!(planned(flash, Some(true), None, Some("minimal")), (level("minimal"), 0));
        assert_eq!(planned(pro, None, None, Some("minimal")), (level("low"), 1));
        assert_eq!(planned(pro, None, Some(9), Some("xhigh")), (level("high"), 2));
        assert_eq!(planned(pro, None, Some(6400), None).0.budget, Some(6400));
        assert_eq!(planned(pro, Some(true), None, None), (Plan { show: true, ..Plan::default() }, 0));
        assert_eq!(planned(flash, Some(false), None, None).0.level.as_deref(), Some("minimal"));
        assert_eq!(planned(ThinkingForm::None, Some(true), None, None), (Plan::default(), 1));
        assert_eq!(planned(ThinkingForm::None, Some(false), None, None), (Plan::default(), 0));
    }
}
