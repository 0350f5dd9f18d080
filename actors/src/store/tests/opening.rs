use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use super::*;
use crate::store::format::Migration;

/// Every file below a directory with its content.
fn all(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(all(&path));
        } else {
            files.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

#[tokio::test]
async fn what_was_kept_is_there_again_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..50 {
        let store = opened(&dir).await;
        assert_eq!(store.scan(&PLACES).await.unwrap().len(), round);
        assert!(store.was_clean());
        store.put(&PLACES, &(owned("round"), round as u64), &vec![1]).await.unwrap();
        store.close().await.unwrap();
        assert_eq!(store.put(&COLOURS, &owned("a"), &owned("b")).await, Err(StoreError::Closed));
        assert_eq!(store.get(&COLOURS, &owned("a")).await, Err(StoreError::Closed));
    }
}

#[tokio::test]
async fn a_store_has_one_that_opens_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = opened(&dir).await;
    assert!(matches!(Store::open(args(dir.path())).await, Err(OpenError::Held { .. })));
    first.put(&COLOURS, &owned("a"), &owned("b")).await.unwrap();
    first.close().await.unwrap();
    opened(&dir).await;
}

#[tokio::test]
async fn many_that_make_one_at_once_make_one() {
    let dir = tempfile::tempdir().unwrap();
    let outcomes = futures::future::join_all((0..8).map(|_| Store::open(args(dir.path())))).await;
    let (opened, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(opened.len(), 1, "{refused:?}");
    assert!(refused.iter().all(|refused| matches!(refused, Err(OpenError::Held { .. }))), "{refused:?}");
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["store"], "nothing else is left behind");
}

#[tokio::test]
async fn a_stop_without_a_close_is_known_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(&dir).await;
    store.put(&COLOURS, &owned("a"), &owned("b")).await.unwrap();
    // As a process leaves it that is killed.
    let killed = tempfile::tempdir().unwrap();
    let copied = std::process::Command::new("cp").arg("-r").arg(dir.path().join("store")).arg(killed.path()).status();
    assert!(copied.unwrap().success());
    let again = opened(&killed).await;
    assert!(!again.was_clean());
    assert_eq!(again.get(&COLOURS, &owned("a")).await.unwrap().as_deref(), Some("b"));
    again.close().await.unwrap();
    assert!(opened(&killed).await.was_clean());
}

const OLD: Schema = Schema { format: 1, migrations: &[] };
const UP: Migration =
    |tx| tx.put(&COLOURS, &owned("step"), &(tx.get(&COLOURS, &owned("step"))?.unwrap_or_default() + "1"));
static MAY: AtomicBool = AtomicBool::new(false);
const UP_AGAIN: Migration = |tx| {
    tx.put(&COLOURS, &owned("half"), &owned("made"))?;
    if MAY.load(Ordering::SeqCst) { tx.put(&COLOURS, &owned("step"), &owned("12")) } else { Err(StoreError::Full) }
};
const NEW: Schema = Schema { format: 3, migrations: &[UP, UP_AGAIN] };

#[tokio::test]
async fn an_older_format_is_brought_up_step_by_step_and_once() {
    let dir = tempfile::tempdir().unwrap();
    let old = Store::open_as(args(dir.path()), OLD).await.unwrap();
    old.put(&COLOURS, &owned("kept"), &owned("yes")).await.unwrap();
    old.close().await.unwrap();
    // The second step fails half-way: the first is made, and of the second nothing.
    assert!(matches!(Store::open_as(args(dir.path()), NEW).await, Err(OpenError::Unwritable { .. })));
    disk::wait_until_free(&dir.path().join("store"));
    let between = Store::open_as(args(dir.path()), Schema { format: 2, migrations: &[UP] }).await.unwrap();
    let all = [(owned("kept"), owned("yes")), (owned("step"), owned("1"))];
    assert_eq!(between.scan(&COLOURS).await.unwrap(), all);
    between.close().await.unwrap();
    MAY.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        let new = Store::open_as(args(dir.path()), NEW).await.unwrap();
        assert_eq!(new.get(&COLOURS, &owned("step")).await.unwrap().as_deref(), Some("12"));
        new.close().await.unwrap();
    }
    match Store::open_as(args(dir.path()), OLD).await {
        Err(OpenError::Newer { found: 3, known: 1, .. }) => {}
        other => panic!("{other:?}"),
    }
    disk::wait_until_free(&dir.path().join("store"));
    let again = Store::open_as(args(dir.path()), NEW).await.unwrap();
    assert_eq!(again.scan(&COLOURS).await.unwrap().len(), 3);
}

async fn filled(dir: &TempDir) {
    let store = opened(dir).await;
    for number in 0..40 {
        let mut batch = Batch::default();
        for part in 0..10 {
            batch.put(&PLACES, &(owned("p"), number * 10 + part), &(0..500).collect()).unwrap();
        }
        store.commit(batch).await.unwrap();
    }
    store.close().await.unwrap();
    // Opened once more, it has a snapshot of all that.
    opened(dir).await.close().await.unwrap();
}

#[tokio::test]
async fn what_is_no_store_is_damaged_and_left_alone() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 8] = [
        ("other files", |dir| {
            fs::remove_dir_all(dir).unwrap();
            fs::create_dir(dir).unwrap();
            fs::write(dir.join("letter.txt"), "dear").unwrap();
        }),
        ("a file", |dir| {
            fs::remove_dir_all(dir).unwrap();
            fs::write(dir, "a file").unwrap();
        }),
        ("no log", |dir| fs::remove_file(dir.join("db")).unwrap()),
        ("an empty log", |dir| fs::write(dir.join("db"), "").unwrap()),
        ("half a log", |dir| {
            let log = fs::OpenOptions::new().write(true).open(dir.join("db")).unwrap();
            log.set_len(log.metadata().unwrap().len() / 2).unwrap();
        }),
        ("noise for a log", |dir| {
            let length = fs::metadata(dir.join("db")).unwrap().len();
            fs::write(dir.join("db"), (0..length).map(|at| (at * 31 % 251) as u8).collect::<Vec<_>>()).unwrap();
        }),
        ("noise for a snapshot", |dir| {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.file_name().unwrap().to_string_lossy().starts_with("snap.") {
                    fs::write(path, [7; 4000]).unwrap();
                }
            }
        }),
        ("another's description", |dir| fs::write(dir.join("conf"), "not a description at all").unwrap()),
    ];
    for (what, damage) in damages {
        let dir = tempfile::tempdir().unwrap();
        filled(&dir).await;
        let store = dir.path().join("store");
        damage(&store);
        let left = all(dir.path());
        for _ in 0..2 {
            match Store::open(args(dir.path())).await {
                Err(error @ OpenError::Damaged { .. }) => assert!(error.hint().contains("repair"), "{error}"),
                other => panic!("{what}: {other:?}"),
            }
            let held = tokio::task::spawn_blocking({
                let store = store.clone();
                move || disk::wait_until_free(&store)
            });
            assert!(held.await.unwrap(), "{what}: nothing holds it afterwards");
            assert!(all(dir.path()) == left, "{what}: it is as it was");
        }
    }
}

#[tokio::test]
async fn what_can_be_read_of_a_damaged_store_is_saved() {
    let dir = tempfile::tempdir().unwrap();
    filled(&dir).await;
    let store = dir.path().join("store");
    let mend = || repair(&store);
    assert_eq!(mend().unwrap(), None, "nothing is wrong with it");
    let held = opened(&dir).await;
    assert!(matches!(mend(), Err(OpenError::Held { .. })));
    held.close().await.unwrap();
    for entry in fs::read_dir(&store).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("snap.") {
            fs::write(path, [7; 4000]).unwrap();
        }
    }
    let damaged = all(&store);
    let done = mend().unwrap().unwrap();
    assert_eq!((done.kept, done.dropped), (400, 0), "the log alone has everything");
    assert_eq!(done.moved_to, dir.path().join("store.damaged-1"));
    assert!(all(&done.moved_to).len() == damaged.len(), "the old one is there as it was");
    let again = opened(&dir).await;
    assert_eq!(again.scan(&PLACES).await.unwrap().len(), 400);
}

#[tokio::test]
async fn noise_costs_no_more_than_what_lay_there() {
    let dir = tempfile::tempdir().unwrap();
    filled(&dir).await;
    let store = dir.path().join("store");
    let log = fs::read(store.join("db")).unwrap();
    let values: Vec<usize> = (0..log.len() - 8).filter(|at| log[*at..].starts_with(b"[0,1,2,3")).collect();
    // Not every value in the log is still one of the store's; the first that is will do.
    let mut seen = None;
    for at in values.iter().skip(values.len() / 3) {
        let mut noisy = log.clone();
        noisy[*at..*at + 8].fill(b'?');
        fs::write(store.join("db"), noisy).unwrap();
        let Ok(opened) = Store::open(args(dir.path())).await else { continue };
        let read = opened.scan(&PLACES).await;
        let _kept = opened.put(&COLOURS, &owned("a"), &owned("red")).await;
        let health = opened.health();
        let _closed = opened.close().await;
        if let Err(error) = read {
            assert_eq!(health, Health::Degraded(error.clone()), "damage is no passing thing");
            seen = Some(error);
            break;
        }
    }
    assert!(matches!(seen, Some(StoreError::Damaged { .. })), "{seen:?}");
    fs::create_dir(dir.path().join("store.damaged-1")).unwrap();
    let done = repair(&store).unwrap().unwrap();
    assert_eq!(done.moved_to, dir.path().join("store.damaged-2"), "nothing is ever overwritten");
    let again = opened(&dir).await;
    let found = again.scan(&PLACES).await.unwrap();
    assert_eq!(found.len() + again.scan(&COLOURS).await.unwrap().len(), done.kept);
    assert!(found.len() >= 100, "{}", found.len());
    assert!(found.iter().all(|(_, value)| value.len() == 500));
}
