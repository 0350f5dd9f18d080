//! What clients may spend. Pure.

use std::{
    collections::BTreeMap,
    fmt,
    str::FromStr,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use greenroom_providers::cost::Cost;
use greenroom_wire::{ChatError, ErrorKind};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The largest budget, in dollars: far below what the ledger can count to.
const MOST_DOLLARS: u64 = 1_000_000;
/// Places of a dollar that can be written.
const PLACES: usize = 6;

/// How much may be spent, and in what time. Written as `10/month`, `0.50/day`, or `100` for ever, in US dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpendBudget {
    /// How much.
    pub most: Cost,
    /// In what time.
    pub per: Period,
}

/// The time that a budget is of, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// A day.
    Day,
    /// A month of the calendar.
    Month,
    /// All the time.
    Ever,
}

/// A text that is no budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no budget")]
pub struct BadBudget;

impl BadBudget {
    /// One line on what to do.
    pub fn hint(self) -> &'static str {
        "write US dollars, with a day or a month if it is not for ever: \"10/month\", \"0.50/day\", \"100\""
    }
}

impl FromStr for SpendBudget {
    type Err = BadBudget;

    fn from_str(text: &str) -> Result<Self, BadBudget> {
        let (amount, per) = match text.trim().split_once('/') {
            None => (text, Period::Ever),
            Some((amount, per)) => match per.trim() {
                "day" => (amount, Period::Day),
                "month" => (amount, Period::Month),
                _ => return Err(BadBudget),
            },
        };
        let amount = amount.trim();
        Ok(Self { most: dollars(amount.strip_prefix('$').unwrap_or(amount)).ok_or(BadBudget)?, per })
    }
}

/// The amount that a decimal text says, exactly.
fn dollars(text: &str) -> Option<Cost> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(part) || part.len() > PLACES {
        return None;
    }
    let whole = whole.parse::<u64>().ok().filter(|whole| *whole <= MOST_DOLLARS)?;
    let millionths = u128::from(whole) * 1_000_000 + format!("{part:0<PLACES$}").parse::<u128>().ok()?;
    Some(Cost::from_parts(millionths * 1_000_000))
}

impl fmt::Display for SpendBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amount = self.most.to_string();
        f.write_str(amount.strip_prefix('$').unwrap_or(&amount))?;
        match self.per {
            Period::Day => f.write_str("/day"),
            Period::Month => f.write_str("/month"),
            Period::Ever => Ok(()),
        }
    }
}

impl Serialize for SpendBudget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SpendBudget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|bad: BadBudget| D::Error::custom(format!("{bad}; {}", bad.hint())))
    }
}

impl Period {
    /// Whether a day is of the period that `today` is of; both are `YYYY-MM-DD`.
    pub fn has(self, day: &str, today: &str) -> bool {
        match self {
            Self::Day => day == today,
            Self::Month => day.get(..7) == today.get(..7),
            Self::Ever => true,
        }
    }

    /// When the next one begins.
    fn next(self, today: &str) -> Option<SystemTime> {
        let midnight = |day: &str| humantime::parse_rfc3339(&format!("{day}T00:00:00Z")).ok();
        match self {
            Self::Day => Some(midnight(today)? + Duration::from_secs(24 * 60 * 60)),
            Self::Month => {
                let (year, month) = (today.get(..4)?.parse::<u32>().ok()?, today.get(5..7)?.parse::<u32>().ok()?);
                let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                midnight(&format!("{year:04}-{month:02}-01"))
            }
            Self::Ever => None,
        }
    }
}

/// The budgets of clients, by name: set by whoever knows the clients, heeded where answers are sought. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Budgets(Arc<RwLock<BTreeMap<String, SpendBudget>>>);

impl Budgets {
    /// Sets what a client may spend; whatever it likes if it is not said.
    pub fn set(&self, client: &str, budget: Option<SpendBudget>) {
        let mut budgets = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match budget {
            Some(budget) => drop(budgets.insert(client.to_owned(), budget)),
            None => drop(budgets.remove(client)),
        }
    }

    /// What a client may spend, if that is bounded.
    pub fn of(&self, client: &str) -> Option<SpendBudget> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(client).copied()
    }
}

/// What clients have spent, and what their answers that are under way are expected to cost.
#[derive(Debug, Default)]
pub(super) struct Spending {
    /// In parts of a dollar, by client and day.
    spent: BTreeMap<String, BTreeMap<String, u128>>,
    reserved: BTreeMap<String, u128>,
}

impl Spending {
    pub(super) fn add(&mut self, client: &str, day: &str, cost: Cost) {
        if cost == Cost::default() {
            return;
        }
        let days = match self.spent.get_mut(client) {
            Some(days) => days,
            None => self.spent.entry(client.to_owned()).or_default(),
        };
        let spent = days.entry(day.to_owned()).or_default();
        *spent = spent.saturating_add(cost.parts());
    }

    pub(super) fn spent(&self, client: &str, per: Period, today: &str) -> Cost {
        let days = self.spent.get(client).into_iter().flatten();
        let of_period = days.filter(|(day, _)| per.has(day, today));
        Cost::from_parts(of_period.fold(0, |sum, (_, parts)| sum.saturating_add(*parts)))
    }

    /// Sets an amount apart that an answer is expected to cost.
    ///
    /// # Errors
    /// With what is under way the budget is spent.
    pub(super) fn reserve(
        &mut self,
        client: &str,
        budget: SpendBudget,
        expected: Cost,
        now: SystemTime,
    ) -> Result<(), ChatError> {
        let today = super::attempt::day(now);
        let reserved = self.reserved.get(client).copied().unwrap_or_default();
        let spent = self.spent(client, budget.per, &today);
        if spent.parts().saturating_add(reserved) >= budget.most.parts() {
            return Err(refusal(client, budget, spent, reserved > 0, &today, now));
        }
        self.reserved.insert(client.to_owned(), reserved.saturating_add(expected.parts()));
        Ok(())
    }

    /// An answer that was under way has ended, and is booked.
    pub(super) fn release(&mut self, client: &str, expected: Cost) {
        if let Some(reserved) = self.reserved.get_mut(client) {
            *reserved = reserved.saturating_sub(expected.parts());
        }
        self.reserved.retain(|_, reserved| *reserved > 0);
    }
}

fn refusal(client: &str, budget: SpendBudget, spent: Cost, under_way: bool, today: &str, now: SystemTime) -> ChatError {
    let left = if under_way { ", or will be by what is under way" } else { "" };
    let message = format!("the budget of the client \"{client}\" is spent{left}: {spent} of ${budget}");
    let mut error = ChatError::new(ErrorKind::Billing, message);
    error.details.code = Some("insufficient_quota".to_owned());
    let raise = format!("`greenroom auth client budget {client} AMOUNT` raises it");
    match budget.per.next(today) {
        Some(next) => {
            error.details.retry_after = next.duration_since(now).ok();
            let begins = humantime::format_rfc3339_seconds(next);
            error.with_hint(format!("{raise}; the next one begins at {begins}"))
        }
        None => error.with_hint(raise),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(text: &str) -> SpendBudget {
        text.parse().unwrap()
    }

    fn at(text: &str) -> SystemTime {
        humantime::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn a_budget_is_read_exactly_and_shown_as_it_is_read() {
        for (text, shown) in [
            ("10/month", "10.00/month"),
            (" $0.5 / day ", "0.50/day"),
            ("100", "100.00"),
            ("0", "0.00"),
            ("0.000001/day", "0.000001/day"),
            ("1000000", "1000000.00"),
        ] {
            let read = budget(text);
            assert_eq!(read.to_string(), shown);
            assert_eq!(budget(shown), read);
            assert_eq!(serde_json::from_value::<SpendBudget>(serde_json::json!(read)).unwrap(), read);
        }
        assert_eq!(budget("0.000001").most, Cost::from_parts(1_000_000));
        for bad in [
            "",
            "/day",
            "-1",
            "1e3",
            "1,5",
            "10/week",
            "10/",
            ".5",
            "5.",
            "0.0000001",
            "1000001",
            "nan",
            "9999999999999999999999",
        ] {
            assert_eq!(bad.parse::<SpendBudget>(), Err(BadBudget), "{bad:?}");
        }
    }

    #[test]
    fn a_period_ends_with_its_day_or_month() {
        for (per, today, next) in [
            (Period::Day, "2026-02-28", "2026-03-01T00:00:00Z"),
            (Period::Day, "2026-12-31", "2027-01-01T00:00:00Z"),
            (Period::Month, "2026-01-31", "2026-02-01T00:00:00Z"),
            (Period::Month, "2026-12-31", "2027-01-01T00:00:00Z"),
        ] {
            assert_eq!(per.next(today), Some(at(next)), "{today}");
        }
        assert_eq!(Period::Ever.next("2026-12-31"), None);
    }

    #[test]
    fn what_was_spent_before_the_period_does_not_count() {
        let mut spending = Spending::default();
        let dollars = |dollars: u128| Cost::from_parts(dollars * 1_000_000_000_000);
        spending.add("bot", "2026-01-31", dollars(1));
        spending.add("bot", "2026-02-01", dollars(2));
        spending.add("bot", "2026-02-02", dollars(4));
        spending.add("other", "2026-02-02", dollars(8));
        let of = |per| spending.spent("bot", per, "2026-02-02");
        assert_eq!((of(Period::Day), of(Period::Month), of(Period::Ever)), (dollars(4), dollars(6), dollars(7)));
        assert_eq!(spending.spent("nobody", Period::Ever, "2026-02-02"), Cost::default());
    }

    #[test]
    fn what_is_under_way_counts_until_it_is_over() {
        let mut spending = Spending::default();
        let now = at("2026-02-02T18:00:00Z");
        let cents = |cents: u128| Cost::from_parts(cents * 10_000_000_000);
        let ten = budget("0.10/day");
        spending.reserve("bot", ten, cents(6), now).unwrap();
        spending.reserve("bot", ten, cents(6), now).unwrap();
        let error = spending.reserve("bot", ten, cents(1), now).unwrap_err();
        assert_eq!(
            (error.kind, error.details.retry_after),
            (ErrorKind::Billing, Some(Duration::from_secs(6 * 60 * 60)))
        );
        assert!(error.message.contains("under way"), "{}", error.message);
        spending.release("bot", cents(6));
        spending.add("bot", "2026-02-02", cents(3));
        spending.reserve("bot", ten, cents(1), now).unwrap();
        spending.release("bot", cents(7));
        spending.add("bot", "2026-02-02", cents(7));
        let error = spending.reserve("bot", ten, cents(1), now).unwrap_err();
        assert!(error.message.ends_with("is spent: $0.10 of $0.10/day"), "{}", error.message);
        spending.reserve("bot", ten, cents(1), at("2026-02-03T00:00:00Z")).unwrap();
        assert!(spending.reserve("bot", budget("0"), cents(0), now).is_err(), "nothing may be spent of nothing");
    }
}
