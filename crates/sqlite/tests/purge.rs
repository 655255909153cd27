//! Forgetting leaves nothing behind: rows that nobody can see any more would still fill the disk.

#![allow(clippy::unwrap_used, reason = "a test that fails here says enough")]

mod common;

use common::{close, open};
use rusqlite::Connection;
use tempfile::tempdir;
use warrener_backend::store::{LogChunk, Op, Purge};
use warrener_backend::{Change, Store as _};
use warrener_model::Class;
use warrener_model::life::State;
use warrener_testkit::store::sample::{accept, at, done, ended, error, key, task};

#[tokio::test]
async fn no_row_of_a_forgotten_task_is_left() {
    let dir = tempdir().unwrap();
    let store = open(dir.path());
    let mut one = task();
    one.life = ended(State::Dead, 5);
    one.error = Some(error(Class::Crash, "message", "fingerprint"));
    one.spec.labels = [("a", "1"), ("b", "2")]
        .map(|(k, v)| (k.into(), v.into()))
        .into();
    let log = LogChunk {
        task: one.id,
        attempt: 1,
        at: at(1),
        stream: "stderr".into(),
        text: "text".into(),
    };
    let ops = vec![accept(&one, Some(key("k", 1))), Op::Log(log)];
    done(&store, Change { ops }).await;
    let purge = Purge {
        finished_before: at(9),
        dead_before: at(9),
        keys_before: at(9),
        limit: 10,
    };
    assert_eq!(store.purge(purge).await.unwrap(), 1);
    close(store).await;
    let db = Connection::open(dir.path().join("store.db")).unwrap();
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut statement = db.prepare(sql).unwrap();
    let names = statement.query_map([], |row| row.get(0)).unwrap();
    let names: Vec<String> = names.collect::<Result<_, _>>().unwrap();
    assert!(names.len() > 8, "{names:?}");
    for name in names
        .iter()
        .filter(|name| !["meta", "ledger", "state_mark"].contains(&name.as_str()))
    {
        let sql = format!("SELECT count(*) FROM {name}");
        let rows: i64 = db.query_row(&sql, [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0, "{name}");
    }
}
