//! What version of the format a store has, and the way from one to the next.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    OpenError, StoreError,
    backend::{Backend, Changes},
    disk::Disk,
    table::Table,
    tx::Tx,
};

/// The format that this version writes. Raise it with each change that an older version would misread, and add the
/// migration from the one before.
const FORMAT: u32 = 1;
const PRODUCT: &str = "greenroom";

static META: Table<String, Meta> = Table::new("meta");
/// There while the last stop was a clean one.
static CLEAN: Table<String, bool> = Table::new("meta.clean");

/// What a store says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Meta {
    product: String,
    format: u32,
}

/// The formats that are known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schema {
    pub(super) format: u32,
    /// From 1 to 2, from 2 to 3, and so on up to `format`.
    pub(super) migrations: &'static [Migration],
}

/// Changes a store of one format into one of the next. All of its changes are made together with that of the format, so
/// that a store is never between two.
pub(super) type Migration = fn(&mut Tx<'_>) -> Result<(), StoreError>;

impl Schema {
    pub(super) const CURRENT: Self = Self { format: FORMAT, migrations: &[] };
}

fn key() -> String {
    "format".to_owned()
}

/// Makes a new store one of greenroom's.
pub(super) fn sign(disk: &Disk, schema: Schema) -> Result<(), StoreError> {
    let mut changes = Changes::new();
    changes.insert(META.key(&key()), Some(META.bytes(&Meta { product: PRODUCT.to_owned(), format: schema.format })?));
    changes.insert(CLEAN.key(&key()), Some(CLEAN.bytes(&true)?));
    disk.commit(&changes)
}

/// Checks whose store it is and brings it to the format of this version.
pub(super) fn migrate(backend: &Backend, path: &Path, schema: Schema) -> Result<(), OpenError> {
    let fault = |fault| OpenError::of(path, fault);
    let Backend::Disk(disk) = backend else { return Ok(()) };
    let nothing = Changes::new();
    let found = Tx::new(backend, &nothing).get(&META, &key()).map_err(fault)?;
    let Some(Meta { product, mut format }) = found else {
        return Err(OpenError::damaged(path, "it does not say what it is"));
    };
    if product != PRODUCT {
        return Err(OpenError::damaged(path, "it is another program's"));
    }
    if format > schema.format {
        return Err(OpenError::Newer { path: path.to_owned(), found: format, known: schema.format });
    }
    while format < schema.format {
        let step = usize::try_from(format).ok().and_then(|format| format.checked_sub(1));
        let Some(migration) = step.and_then(|step| schema.migrations.get(step)) else {
            return Err(OpenError::damaged(path, format!("it has a format that never was: {format}")));
        };
        let mut tx = Tx::new(backend, &nothing);
        migration(&mut tx).map_err(fault)?;
        format += 1;
        tx.put(&META, &key(), &Meta { product: product.clone(), format }).map_err(fault)?;
        disk.commit(&tx.own).map_err(fault)?;
        tracing::info!(format, "the store was brought to a newer format");
    }
    Ok(())
}

/// Whether the last stop was a clean one.
pub(super) fn was_clean(backend: &Backend) -> Result<bool, StoreError> {
    Ok(Tx::new(backend, &Changes::new()).get(&CLEAN, &key())?.is_some())
}

/// What says that a stop was clean, or, at the start, that none was yet.
pub(super) fn mark_clean(tx: &mut Tx<'_>, clean: bool) -> Result<(), StoreError> {
    if clean {
        return tx.put(&CLEAN, &key(), &true);
    }
    tx.set_bytes(CLEAN.key(&key()), None);
    Ok(())
}

/// Whether a pair belongs to what a store says of itself, which a repaired one has anew.
pub(super) fn is_meta(key: &[u8]) -> bool {
    key.starts_with(&META.prefix()) || key.starts_with(&CLEAN.prefix())
}
