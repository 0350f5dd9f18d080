//! What providers have learnt, kept on a real disk by real actors.

use std::path::Path;

use greenroom_wire::ChatError;

use super::*;
use crate::store::{Durability, Health, StoreArgs};

pub(crate) async fn open(dir: &Path) -> Store {
    Store::open(StoreArgs { dir: dir.join("store"), durability: Durability::Process }).await.unwrap()
}

async fn system(store: &Store) -> System {
    super::tests::system_with("http://127.0.0.1:1", Some(store.clone())).await
}

fn fail(system: &System, kind: ErrorKind, model: &str) {
    let mut error = ChatError::new(kind, "no");
    error.details.retry_after = Some(Duration::from_secs(77));
    let (profile, model) = ("default".into(), model.to_owned());
    let report =
        ProviderMsg::Report { profile, model, outcome: Err(error), spoke: false, answered: None, generation: None };
    system.shared.provider("lab").unwrap().handle.cast(report);
}

/// Every mark, as `what reason until`.
async fn marks(system: &System) -> Vec<String> {
    let status = system.status("lab").await.unwrap();
    let profile = &status.profiles[0];
    let mut marks: Vec<String> = profile.mark.iter().map(|mark| format!("profile {mark:?}")).collect();
    marks.extend(profile.models.iter().map(|model| format!("{model:?}")));
    marks.extend(status.unhealthy.iter().map(|model| format!("unhealthy {model:?}")));
    marks.sort();
    marks
}

/// The store as a process leaves it that is killed now.
pub(crate) async fn killed(dir: &Path) -> (tempfile::TempDir, Store) {
    let copy = tempfile::tempdir().unwrap();
    let copied = std::process::Command::new("cp").arg("-r").arg(dir.join("store")).arg(copy.path()).status();
    assert!(copied.unwrap().success());
    let store = open(copy.path()).await;
    (copy, store)
}

#[tokio::test]
async fn a_mark_that_was_seen_is_there_whatever_dies() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let first = system(&store).await;
    for round in 0..20 {
        fail(&first, ErrorKind::RateLimited, &format!("m{round}"));
        let seen = marks(&first).await;
        assert_eq!(seen.len(), round + 1);
        let (_copy, store) = killed(dir.path()).await;
        let after = system(&store).await;
        assert_eq!(marks(&after).await, seen, "after the process was killed");
    }
    fail(&first, ErrorKind::Auth, "m");
    fail(&first, ErrorKind::Server, "sick");
    fail(&first, ErrorKind::Server, "sick");
    let seen = marks(&first).await;
    assert_eq!(seen.len(), 22);
    first.shared.provider("lab").unwrap().handle.cast(ProviderMsg::Panic);
    assert_eq!(marks(&first).await, seen, "after the actor failed");
    first.stop().await;
    let second = system(&store).await;
    assert_eq!(marks(&second).await, seen, "after the system stopped");
    assert_eq!(second.reset("lab").await.unwrap(), Some(Ok(())));
    let (_copy, store) = killed(dir.path()).await;
    assert_eq!(marks(&system(&store).await).await, [] as [&str; 0], "a reset lasts");
}

#[tokio::test]
async fn a_success_clears_what_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let first = system(&store).await;
    fail(&first, ErrorKind::Auth, "m");
    fail(&first, ErrorKind::RateLimited, "m");
    assert_eq!(marks(&first).await.len(), 2);
    let report = ProviderMsg::Report {
        profile: "default".into(),
        model: "m".into(),
        outcome: Ok(()),
        spoke: true,
        answered: None,
        generation: None,
    };
    first.shared.provider("lab").unwrap().handle.cast(report);
    assert_eq!(marks(&first).await.len(), 0);
    let (_copy, store) = killed(dir.path()).await;
    assert_eq!(marks(&system(&store).await).await.len(), 0);
}

#[tokio::test]
async fn without_a_disk_everything_goes_on_and_is_kept_once_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let first = system(&store).await;
    let (place, away) = (dir.path().join("store"), dir.path().join("away"));
    std::fs::rename(&place, &away).unwrap();
    fail(&first, ErrorKind::Auth, "m");
    let seen = marks(&first).await;
    assert_eq!(seen.len(), 1, "it is shown at once");
    assert_eq!(store.health(), Health::Degraded(StoreError::Gone));
    fail(&first, ErrorKind::RateLimited, "other");
    assert_eq!(first.reset("lab").await.unwrap(), Some(Err(StoreError::Gone)));
    fail(&first, ErrorKind::Auth, "m");
    let seen = marks(&first).await;
    std::fs::rename(&away, &place).unwrap();
    // Without anyone's doing.
    let healed = async {
        while store.health() != Health::Good {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), healed).await.unwrap();
    let (_copy, store) = killed(dir.path()).await;
    assert_eq!(marks(&system(&store).await).await, seen);
}

#[tokio::test]
async fn what_is_idle_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let first = system(&store).await;
    fail(&first, ErrorKind::RateLimited, "m");
    marks(&first).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    let log = || std::fs::read(dir.path().join("store").join("db")).unwrap();
    let before = log();
    for _ in 0..10 {
        marks(&first).await;
        tokio::time::sleep(Duration::from_millis(70)).await;
    }
    assert!(log() == before, "looking is no reason to write");
}

#[tokio::test]
async fn providers_that_are_gone_are_forgotten_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let first = system(&store).await;
    fail(&first, ErrorKind::Auth, "m");
    let seen = marks(&first).await;
    first.stop().await;
    let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
    prune(&store, &["other".to_owned()], SystemTime::now()).await.unwrap();
    let second = system(&store).await;
    assert_eq!(marks(&second).await, seen, "it may come back while its mark holds");
    second.stop().await;
    prune(&store, &["lab".to_owned()], in_an_hour).await.unwrap();
    assert_eq!(marks(&system(&store).await).await, seen, "it is configured");
    prune(&store, &["other".to_owned()], in_an_hour).await.unwrap();
    assert_eq!(marks(&system(&store).await).await.len(), 0);
}

#[tokio::test]
async fn marks_are_cleared_where_nothing_runs() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let first = system(&store).await;
    fail(&first, ErrorKind::Auth, "m");
    fail(&first, ErrorKind::Server, "m");
    fail(&first, ErrorKind::Server, "m");
    assert_eq!(marks(&first).await.len(), 2);
    first.stop().await;
    crate::reset_kept(&store, "la").await.unwrap();
    assert_eq!(marks(&system(&store).await).await.len(), 2, "another provider's");
    crate::reset_kept(&store, "lab").await.unwrap();
    assert_eq!(marks(&system(&store).await).await.len(), 0);
}

#[tokio::test]
async fn a_thousand_models_are_as_good_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let first = system(&store).await;
    for number in 0..1500 {
        fail(&first, ErrorKind::RateLimited, &format!("{number}-{}", "long".repeat(20)));
    }
    let seen = marks(&first).await;
    assert_eq!((seen.len(), store.health()), (1500, Health::Good));
    let (_copy, store) = killed(dir.path()).await;
    assert_eq!(marks(&system(&store).await).await, seen);
}
