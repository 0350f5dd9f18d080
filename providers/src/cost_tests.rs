use proptest::prelude::*;

use super::*;

/// Claude Sonnet 4.5 as Bedrock prices it.
fn sonnet() -> Price {
    let long = Tier {
        above_tokens: 200_000,
        input: 6.0,
        output: 22.5,
        cache_read: Some(0.6),
        cache_write: Some(7.5),
        cache_write_1h: Some(12.0),
    };
    Price {
        cache_read: Some(0.3),
        cache_write: Some(3.75),
        cache_write_1h: Some(6.0),
        tiers: Tiers::new(&[long]).expect("one tier is in order"),
        ..Price::flat(3.0, 15.0)
    }
}

fn usage(input: u64, output: u64) -> Usage {
    Usage { input, output, ..Usage::default() }
}

#[test]
fn each_kind_of_token_has_its_price() {
    let usage = Usage {
        input: 1000,
        output: 200,
        reasoning: 150,
        cache_read: 10_000,
        cache_write_5m: 400,
        cache_write_1h: 30,
        ..Usage::default()
    };
    // 0.003 + 0.003 + 0.003 + 0.0015 + 0.00018
    assert_eq!(sonnet().cost(&usage).to_string(), "$0.01068", "reasoning is in the output and not paid twice");
}

#[test]
fn a_tier_is_of_the_whole_request_and_begins_past_its_bound() {
    assert_eq!(sonnet().cost(&usage(200_000, 1000)).to_string(), "$0.615");
    // 200,001 tokens of prompt at 6, 1000 of the answer at 22.5
    assert_eq!(sonnet().cost(&usage(200_001, 1000)).to_string(), "$1.222506");
}

#[test]
fn what_is_cached_counts_into_the_bound_of_a_tier() {
    let cached = Usage { cache_read: 200_000, ..usage(1, 0) };
    assert_eq!(sonnet().cost(&cached).to_string(), "$0.120006");
    let written = Usage { cache_write_5m: 100_000, cache_write_1h: 100_000, ..usage(1, 0) };
    assert_eq!(sonnet().cost(&written).to_string(), "$1.950006");
}

#[test]
fn of_several_tiers_the_highest_that_is_passed_holds() {
    let tier = |above_tokens, input| Tier {
        above_tokens,
        input,
        output: 0.0,
        cache_read: None,
        cache_write: None,
        cache_write_1h: None,
    };
    let two = [tier(32_000, 2.0), tier(128_000, 3.0)];
    let price = Price { tiers: Tiers::new(&two).unwrap(), ..Price::flat(1.0, 0.0) };
    let costs = [32_000, 32_001, 128_000, 128_001].map(|input| price.cost(&usage(input, 0)).to_string());
    assert_eq!(costs, ["$0.032", "$0.064002", "$0.256", "$0.384003"]);
    assert_eq!(Tiers::new(&[two[1], two[0]]), None);
    assert_eq!(Tiers::new(&[two[0], two[0]]), None);
    assert_eq!(Tiers::new(&[tier(1, 1.0), tier(2, 1.0), tier(3, 1.0)]), None);
}

#[test]
fn a_cache_without_a_price_of_its_own_costs_what_the_prompt_costs() {
    let usage = Usage { cache_read: 1_000_000, cache_write_5m: 1_000_000, cache_write_1h: 1_000_000, ..usage(0, 0) };
    assert_eq!(Price::flat(2.0, 9.0).cost(&usage).to_string(), "$6.00");
    let hourless = Price { cache_write: Some(2.5), ..Price::flat(2.0, 9.0) };
    assert_eq!(hourless.cost(&usage).to_string(), "$7.00", "an hour is not cheaper than five minutes");
}

#[test]
fn sums_are_exact_in_any_order() {
    let price = Price::flat(0.1, 0.7);
    let cost = price.cost(&usage(1, 1));
    let sum: Cost = std::iter::repeat_n(cost, 1_000_000).sum();
    assert_eq!(sum, price.cost(&usage(1_000_000, 1_000_000)));
    assert_eq!(sum.to_string(), "$0.80");
    assert_eq!(serde_json::to_string(&sum).unwrap(), "0.8");
    assert_eq!((cost.to_string().as_str(), Cost::default().to_string().as_str()), ("$0.0000008", "$0.00"));
}

#[test]
fn what_is_no_price_costs_nothing_and_what_is_no_count_does_not_overflow() {
    assert_eq!(Price::flat(f64::NAN, -1.0).cost(&usage(5, 5)), Cost::default());
    let most = Usage { cache_read: u64::MAX, cache_write_5m: u64::MAX, ..usage(u64::MAX, u64::MAX) };
    assert!(Price::flat(f64::INFINITY, f64::INFINITY).cost(&most) > sonnet().cost(&usage(1, 1)));
}

#[test]
fn prices_of_caches_follow_a_prompt_that_is_priced_otherwise() {
    let half = Price::flat(1.5, 7.5).or(&sonnet());
    assert_eq!((half.cache_read, half.cache_write, half.cache_write_1h), (Some(0.15), Some(1.875), Some(3.0)));
    assert_eq!(half.tiers, Tiers::default(), "a price that was written is the same for every length");
    assert_eq!(Price::flat(0.0, 0.0).or(&sonnet()).cache_read, Some(0.0));
    assert_eq!(Price::flat(1.0, 1.0).or(&Price::flat(0.0, 0.0)).cache_read, None);
}

#[test]
fn a_factor_is_on_all_of_a_price_and_leaves_no_stray_digits() {
    let dearer = sonnet().scaled(1.1);
    assert_eq!((dearer.input, dearer.output, dearer.cache_write), (3.3, 16.5, Some(4.125)));
    assert_eq!(dearer.tiers.iter().next().map(|tier| tier.output), Some(24.75));
}

#[test]
fn searches_are_paid_by_the_thousand_where_they_are_billed_apart() {
    let searched =
        Usage { server_tools: [("web_search".to_owned(), 3), ("web_fetch".to_owned(), 5)].into(), ..usage(0, 0) };
    assert_eq!(sonnet().cost(&searched), Cost::default());
    let billed = Price { searches: Some(10.0), ..sonnet() };
    assert_eq!(billed.cost(&searched).to_string(), "$0.03");
}

#[test]
fn a_batch_is_cheaper_in_all_its_parts() {
    let batch = Price { batch: Some(BatchPrice { input: 1.5, output: 7.5 }), ..sonnet() }.in_batch().unwrap();
    assert_eq!((batch.input, batch.output, batch.cache_read, batch.cache_write_1h), (1.5, 7.5, Some(0.15), Some(3.0)));
    assert_eq!(batch.tiers.iter().next().map(|tier| (tier.input, tier.output)), Some((3.0, 11.25)));
    assert_eq!(sonnet().in_batch(), None);
    let free = Price { batch: Some(BatchPrice { input: 0.0, output: 0.0 }), ..Price::flat(0.0, 0.0) };
    assert_eq!(free.in_batch().map(|price| price.cost(&usage(9, 9))), Some(Cost::default()));
}

fn counts() -> impl Strategy<Value = u64> {
    prop_oneof![0..1000_u64, 0..400_000_u64, Just(u64::MAX), any::<u64>()]
}

fn usages() -> impl Strategy<Value = Usage> {
    (counts(), counts(), counts(), counts(), counts(), counts()).prop_map(
        |(input, output, read, five, hour, searches)| Usage {
            input,
            output,
            reasoning: output,
            cache_read: read,
            cache_write_5m: five,
            cache_write_1h: hour,
            server_tools: [("web_search".to_owned(), searches)].into(),
            cost: None,
        },
    )
}

fn amounts() -> impl Strategy<Value = f64> + Clone {
    prop_oneof![0.0..100.0_f64, Just(f64::NAN), Just(f64::INFINITY), Just(-1.0), Just(f64::MAX), any::<f64>()]
}

fn prices() -> impl Strategy<Value = Price> {
    let more = prop::option::of(amounts());
    (amounts(), amounts(), more.clone(), more.clone(), more.clone(), more, amounts(), amounts()).prop_map(
        |(input, output, cache_read, cache_write, cache_write_1h, searches, long, batch)| {
            let tier =
                Tier { above_tokens: 200_000, input: long, output: long, cache_read, cache_write, cache_write_1h };
            let tiers = Tiers::new(&[tier]).expect("one tier is in order");
            let batch = Some(BatchPrice { input: batch, output: batch });
            Price { input, output, cache_read, cache_write, cache_write_1h, tiers, batch, searches }
        },
    )
}

proptest! {
    #[test]
    fn whatever_is_told_and_whatever_a_price_is_there_is_a_cost(usage in usages(), price in prices(), factor in amounts()) {
        for price in [price, price.scaled(factor), price.or(&sonnet())].into_iter().chain(price.in_batch()) {
            let cost = price.cost(&usage);
            prop_assert!(cost.dollars().is_finite() && cost.dollars() >= 0.0);
            prop_assert!(cost.to_string().starts_with('$'));
            let sum: Cost = [cost; 3].into_iter().sum();
            prop_assert!(sum >= cost);
        }
    }

    #[test]
    fn more_output_never_costs_less(usage in usages(), more in counts(), price in prices()) {
        let longer = Usage { output: usage.output.saturating_add(more), ..usage.clone() };
        prop_assert!(price.cost(&longer) >= price.cost(&usage));
    }

}

#[test]
fn a_batch_costs_what_is_known_of_it_or_half() {
    let tier = Tier {
        above_tokens: 10,
        input: 4.0,
        output: 16.0,
        cache_read: Some(0.4),
        cache_write: None,
        cache_write_1h: None,
    };
    let price = Price { cache_read: Some(0.2), tiers: Tiers::new(&[tier]).unwrap(), ..Price::flat(2.0, 8.0) };
    let half = price.of_batch();
    assert_eq!((half.input, half.output, half.cache_read), (1.0, 4.0, Some(0.1)));
    let told = Price { batch: Some(BatchPrice { input: 0.5, output: 4.0 }), ..price }.of_batch();
    assert_eq!((told.input, told.output, told.cache_read), (0.5, 4.0, Some(0.05)));
    let above = told.tiers.iter().next().unwrap();
    assert_eq!((above.input, above.output, above.cache_read), (1.0, 8.0, Some(0.1)));
    assert_eq!(
        Price { batch: Some(BatchPrice { input: 0.0, output: 0.0 }), ..Price::flat(0.0, 0.0) }.of_batch().input,
        0.0
    );
}
