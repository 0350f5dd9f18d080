//! What a provider says that an answer cost.

use serde_json::{Map, Value};

/// Parts of a dollar in which [`Usage::cost`](crate::Usage) counts.
const PER_DOLLAR: f64 = 1e12;
/// No answer costs a million dollars; more is no cost in dollars.
const MOST_DOLLARS: f64 = 1e6;

/// The cost in an object `usage` of OpenRouter's, and of gateways that took its form over: US dollars as a number. With a
/// key of the user's own for the provider behind it (`is_byok`) that one's bill stands beside it.
pub(crate) fn told_cost(usage: &Map<String, Value>) -> Option<u64> {
    let dollars = |value: Option<&Value>| value?.as_f64().filter(|dollars| (0.0..MOST_DOLLARS).contains(dollars));
    let own = dollars(usage.get("cost"))?;
    let upstream = match usage.get("is_byok") {
        Some(Value::Bool(true)) => {
            dollars(usage.get("cost_details").and_then(|all| all.get("upstream_inference_cost")))
        }
        _ => None,
    };
    let parts = |dollars: f64| (dollars * PER_DOLLAR).round() as u64;
    Some(parts(own) + upstream.map_or(0, parts))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(usage: Value) -> Option<u64> {
        told_cost(usage.as_object().unwrap())
    }

    #[test]
    fn a_cost_is_exact_in_parts_of_a_dollar() {
        assert_eq!(of(json!({"cost": 0.00006})), Some(60_000_000));
        assert_eq!(of(json!({"cost": 0.000_001_234_567})), Some(1_234_567));
        assert_eq!(of(json!({"cost": 0})), Some(0), "what is free has a price");
        assert_eq!(of(json!({"cost": 12})), Some(12_000_000_000_000));
    }

    #[test]
    fn the_bill_of_a_key_of_ones_own_is_added() {
        let upstream = json!({"upstream_inference_cost": 0.5});
        let both = |own_key: Value| of(json!({"cost": 0.025, "is_byok": own_key, "cost_details": upstream}));
        assert_eq!(both(true.into()), Some(525_000_000_000));
        assert_eq!(both(false.into()), Some(25_000_000_000));
        assert_eq!(both(Value::Null), Some(25_000_000_000));
    }

    #[test]
    fn what_can_be_no_cost_is_none() {
        for cost in [json!(null), json!("0.5"), json!(-1), json!(1e300), json!({"total_cost": 0.5})] {
            assert_eq!(of(json!({"cost": cost})), None, "{cost}");
        }
        assert_eq!(of(json!({})), None);
    }
}
