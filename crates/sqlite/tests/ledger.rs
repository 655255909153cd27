//! The ledger is no sum of the rows: what somebody takes out behind the store's back is missing in it.

#![allow(clippy::unwrap_used, reason = "a test that fails here says enough")]

mod common;

use common::{PATIENCE, close, open};
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::sync::Arc;
use tempfile::tempdir;
use warrener_backend::Store;
use warrener_model::life::State;
use warrener_testkit::store::sample::{submit, task};

#[tokio::test]
async fn a_row_that_vanishes_is_missing_in_the_books() {
    let dir = tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(open(dir.path()));
    submit(&*store, &[task(), task(), task()]).await;
    let thief = Connection::open(dir.path().join("store.db")).unwrap();
    thief.execute("DELETE FROM task WHERE n = 2", []).unwrap();
    let ledger = store.ledger().await.unwrap();
    assert_eq!((ledger.accepted, ledger.purged), (3, 0));
    assert_eq!(ledger.found, [(State::Ready, 2)]);
    store.close(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_store_of_the_first_version_begins_its_ledger_with_what_it_has() {
    let dir = tempdir().unwrap();
    let store = open(dir.path());
    submit(&store, &[task(), task()]).await;
    close(store).await;
    let file = dir.path().join("store.db");
    let older = Connection::open(&file).unwrap();
    // What came after the first version goes: tables and indexes by a look at one, and the columns that tables got.
    let first = Connection::open_in_memory().unwrap();
    let made = include_str!("../migrations/0001_first.sql");
    first.execute_batch(made).unwrap();
    let known = objects(&first);
    for (kind, name) in objects(&older).difference(&known) {
        older
            .execute_batch(&format!("DROP {kind} IF EXISTS {name}"))
            .unwrap();
    }
    let last = "ALTER TABLE task DROP COLUMN start; ALTER TABLE spec DROP COLUMN requester; PRAGMA user_version = 1";
    older.execute_batch(last).unwrap();
    drop(older);
    let store: Arc<dyn Store> = Arc::new(open(dir.path()));
    submit(&*store, &[task()]).await;
    let ledger = store.ledger().await.unwrap();
    assert_eq!((ledger.accepted, ledger.purged), (3, 0));
    store.close(PATIENCE).await.unwrap();
}

/// Tables and indexes with their names.
fn objects(db: &Connection) -> BTreeSet<(String, String)> {
    let sql = "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'";
    let mut rows = db.prepare(sql).unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}
