//! What is done for sessions from time to time: they leave memory, and what is too old or too much leaves the disk.

use std::{
    collections::BinaryHeap,
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use super::live::Live;
use crate::{
    session::{
        SessionRules,
        record::{BRIEF, BRIEF_LIFE, GONE, KEY_LIFE, KEYS, RECORDS},
    },
    store::{Batch, StoreError},
};

/// How often memory is looked through, at the least; more often if sessions leave it sooner.
const LOOK: Duration = Duration::from_secs(5);
/// How often the disk is looked through.
const SWEEP: Duration = Duration::from_secs(10 * 60);
/// Rows of one look at a table.
const PAGE: usize = 512;
/// Sessions that one sweep removes for want of room.
const MOST_REMOVED: usize = 4096;

/// Looks after sessions for as long as they are there.
pub(super) async fn look_after(live: Weak<Live>, rules: SessionRules) {
    let every = (rules.hibernate_after / 4).clamp(Duration::from_millis(10), LOOK);
    let mut next_sweep = tokio::time::Instant::now();
    loop {
        let Some(live) = live.upgrade() else { return };
        live.hibernate(rules.hibernate_after);
        if tokio::time::Instant::now() >= next_sweep {
            if let Err(fault) = sweep(&live, &rules, SystemTime::now()).await {
                tracing::warn!("what is old of sessions stays on disk for now: {fault}");
            }
            next_sweep = tokio::time::Instant::now() + SWEEP;
        }
        drop(live);
        tokio::time::sleep(every).await;
    }
}

async fn sweep(live: &Live, rules: &SessionRules, now: SystemTime) -> Result<(), StoreError> {
    sweep_logs(live).await?;
    sweep_keys(live, now).await?;
    sweep_brief(live, now).await?;
    if rules.keep.is_some() || rules.disk_quota.is_some() {
        sweep_sessions(live, rules, now).await?;
    }
    Ok(())
}

/// Removes the logs of sessions that were removed, and of copies that broke off.
pub(super) async fn sweep_logs(live: &Live) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let page = live.store.scan_page(&GONE, after.as_ref(), PAGE).await?;
        let Some((last, ())) = page.last() else { return Ok(()) };
        after = Some(last.clone());
        for (log, ()) in page {
            if !live.copying().contains(&log) {
                sweep_log(live, &log).await?;
            }
        }
    }
}

/// Removes the log of a session that was removed, in parts, so that nobody's write waits for long; and its keys.
pub(super) async fn sweep_log(live: &Live, log: &str) -> Result<(), StoreError> {
    while !live.store.remove_log(log, PAGE).await? {}
    let log = log.to_owned();
    let keys = live.store.scan_page_of(&KEYS, &log, None, usize::MAX).await?;
    let mut batch = Batch::default();
    keys.iter().for_each(|(key, _)| batch.remove(&KEYS, key));
    batch.remove(&GONE, &log);
    live.store.commit(batch).await
}

/// Forgets idempotency keys that are not heeded any more.
async fn sweep_keys(live: &Live, now: SystemTime) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let page = live.store.scan_page(&KEYS, after.as_ref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = Some(last.clone());
        let mut batch = Batch::default();
        for (key, _) in page.iter().filter(|(_, kept)| kept.at + KEY_LIFE < now) {
            batch.remove(&KEYS, key);
        }
        if !batch.is_empty() {
            live.store.commit(batch).await?;
        }
    }
}

/// Removes brief sessions whose day is over, and forgets of which it is not said any more.
pub(super) async fn sweep_brief(live: &Live, now: SystemTime) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let page = live.store.scan_page(&BRIEF, after.as_ref(), PAGE).await?;
        let Some((last, ())) = page.last() else { return Ok(()) };
        after = Some(last.clone());
        let mut batch = Batch::default();
        for (id, ()) in page {
            match live.store.get(&RECORDS, &id).await? {
                Some(record) if record.brief => {
                    if record.touched + BRIEF_LIFE < now {
                        remove(live, &id).await;
                    }
                }
                _ => batch.remove(&BRIEF, &id),
            }
        }
        if !batch.is_empty() {
            live.store.commit(batch).await?;
        }
    }
}

/// Removes sessions that are too old, and the oldest of those that are too much.
async fn sweep_sessions(live: &Live, rules: &SessionRules, now: SystemTime) -> Result<(), StoreError> {
    let too_old = rules.keep.and_then(|keep| now.checked_sub(keep));
    let (mut after, mut bytes) = (None, 0_u64);
    // The oldest, the youngest of them on top.
    let mut oldest: BinaryHeap<(SystemTime, String, u64)> = BinaryHeap::new();
    loop {
        let page = live.store.scan_page(&RECORDS, after.as_ref(), PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (id, record) in page {
            if too_old.is_some_and(|bound| record.touched < bound) {
                remove(live, &id).await;
                continue;
            }
            bytes += record.bytes;
            if rules.disk_quota.is_some() {
                oldest.push((record.touched, id, record.bytes));
                if oldest.len() > MOST_REMOVED {
                    oldest.pop();
                }
            }
        }
    }
    let quota = rules.disk_quota.unwrap_or(u64::MAX);
    for (_, id, its) in oldest.into_sorted_vec() {
        if bytes <= quota {
            break;
        }
        if remove(live, &id).await {
            bytes = bytes.saturating_sub(its);
        }
    }
    sweep_logs(live).await
}

/// Removes a session unless somebody uses it. Whether it is removed.
async fn remove(live: &Live, id: &str) -> bool {
    let id: Arc<str> = id.into();
    let is_used = |core: &Arc<crate::session::core::Core>| {
        core.log.readers() > 0 || core.with_record(|record| record.open.is_some())
    };
    if live.in_memory(&id).is_some_and(|core| is_used(&core)) {
        return false;
    }
    let Ok(core) = live.get(&id).await else { return false };
    if is_used(&core) {
        return false;
    }
    tracing::info!(session = %id, "a session is removed, as the rules for keeping them say");
    match live.remove(&core).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(session = %id, "a session that is to be removed stays: {error}");
            false
        }
    }
}
