//! `[timeouts]`, `[failover]`, `[sessions]`, `[usage]`, `[cache]`, `[store]`.

use std::time::Duration;

use crate::read::Node;
use crate::read::scalars::{Age, Bytes, Name, Positive, Read as _, Size, word};
use crate::{Cache, ContextPolicy, Durability, Failover, OnCrash, OnInterrupt, Sessions, Store, Timeouts, Usage};

/// Time-outs, each from `base` where it was not written.
pub(crate) fn timeouts(node: Option<&Node<'_>>, base: &Timeouts) -> Timeouts {
    let Some(table) = node.and_then(Node::table) else { return base.clone() };
    let of = |key, default: Duration| table.get(key).map_or(default, |Positive(duration)| duration);
    let timeouts = Timeouts {
        connect: of("connect", base.connect),
        first_token: of("first_token", base.first_token),
        first_token_per_10k: table.get("first_token_per_10k").unwrap_or(base.first_token_per_10k),
        first_token_alone: of("first_token_alone", base.first_token_alone),
        idle: of("idle", base.idle),
        idle_reasoning: of("idle_reasoning", base.idle_reasoning),
        silent: of("silent", base.silent),
    };
    table.finish();
    timeouts
}

pub(crate) fn failover(node: &Node<'_>) -> Failover {
    let defaults = Failover::default();
    let Some(table) = node.table() else { return defaults };
    let failover = Failover {
        max_wait: table.get("max_wait").unwrap_or(defaults.max_wait),
        attempts: table.get("attempts").unwrap_or(defaults.attempts),
        continuations: table.get("continuations").unwrap_or(defaults.continuations),
        on_interrupt: table
            .node("on_interrupt")
            .and_then(|node| word(&node, &OnInterrupt::WORDS))
            .unwrap_or(defaults.on_interrupt),
        hedge: table.get("hedge").unwrap_or(defaults.hedge),
    };
    table.finish();
    failover
}

pub(crate) fn sessions(node: &Node<'_>) -> Sessions {
    let defaults = Sessions::default();
    let Some(table) = node.table() else { return defaults };
    let sessions = Sessions {
        max_turn_bytes: table.get("max_turn_bytes").map_or(defaults.max_turn_bytes, |Bytes(bytes)| bytes),
        max_turn_time: table.get("max_turn_time").map_or(defaults.max_turn_time, |Positive(duration)| duration),
        hibernate_after: table.get("hibernate_after").map_or(defaults.hibernate_after, |Positive(duration)| duration),
        keep: table.get("keep").map_or(defaults.keep, |Age(duration)| duration),
        disk_quota: table.get("disk_quota").map_or(defaults.disk_quota, |Size(bytes)| bytes),
        on_crash: table.node("on_crash").and_then(|node| word(&node, &OnCrash::WORDS)).unwrap_or(defaults.on_crash),
        context: table.node("context").and_then(|node| word(&node, &ContextPolicy::WORDS)).unwrap_or(defaults.context),
    };
    table.finish();
    sessions
}

pub(crate) fn usage(node: &Node<'_>) -> Usage {
    let defaults = Usage::default();
    let Some(table) = node.table() else { return defaults };
    let keep = table.get("keep").map_or(defaults.keep, |Age(duration)| duration);
    table.finish();
    Usage { keep }
}

pub(crate) fn cache(node: &Node<'_>) -> Cache {
    let defaults = Cache::default();
    let Some(table) = node.table() else { return defaults };
    let models = table.node("models").and_then(|node| node.all(|node| Name::read(node).map(|Name(model)| model)));
    let cache = Cache {
        enabled: table.get("enabled").unwrap_or(defaults.enabled),
        models: models.unwrap_or_default(),
        size: table.get("size").map_or(defaults.size, |Bytes(bytes)| bytes),
        max_age: table.get("max_age").map_or(defaults.max_age, |Age(duration)| duration),
    };
    table.finish();
    cache
}

pub(crate) fn store(node: &Node<'_>) -> Store {
    let defaults = Store::default();
    let Some(table) = node.table() else { return defaults };
    let words = [("process", Durability::Process), ("power", Durability::Power)];
    let durability = table.node("durability").and_then(|node| word(&node, &words));
    table.finish();
    Store { durability: durability.unwrap_or(defaults.durability) }
}
