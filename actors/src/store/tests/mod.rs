//! The store on a real disk.

mod faults;
mod logs;
mod opening;
mod operations;

use std::path::Path;

use tempfile::TempDir;

use super::*;

static COLOURS: Table<String, String> = Table::new("colours");
static PLACES: Table<(String, u64), Vec<u32>> = Table::new("places");

fn args(dir: &Path) -> StoreArgs {
    StoreArgs { dir: dir.join("store"), durability: Durability::Process }
}

async fn opened(dir: &TempDir) -> Store {
    Store::open(args(dir.path())).await.unwrap()
}

fn owned(text: &str) -> String {
    text.to_owned()
}

/// Every operation on disk and in memory alike.
async fn both() -> (TempDir, [Store; 2]) {
    let dir = tempfile::tempdir().unwrap();
    let disk = opened(&dir).await;
    (dir, [disk, Store::temporary("a test").unwrap()])
}
