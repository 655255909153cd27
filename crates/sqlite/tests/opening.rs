//! Opening: what becomes a store, what is refused, what the refusal says, and that nothing refused is touched.

#![allow(clippy::unwrap_used, reason = "a test that fails here says enough")]

mod common;

use common::{Mounted, PATIENCE, close, open, refused};
use rusqlite::Connection;
use std::fs;
use std::time::{Duration, Instant};
use tempfile::tempdir;
use warrener_backend::{Error, Store as _};
use warrener_sqlite::{Options, SqliteStore};
use warrener_testkit::store::sample::{read, submit, task};

#[tokio::test]
async fn a_folder_that_is_not_there_is_made_for_its_owner_only() {
    let dir = tempdir().unwrap();
    let deep = dir.path().join("a/b");
    let store = open(&deep);
    submit(&store, &[task()]).await;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&deep).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
    close(store).await;
}

#[tokio::test]
async fn an_empty_file_becomes_a_store() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("store.db"), "").unwrap();
    let one = task();
    let store = open(dir.path());
    submit(&store, std::slice::from_ref(&one)).await;
    close(store).await;
    let store = open(dir.path());
    assert_eq!(read(&store, one.id).await, one);
    close(store).await;
    let db = Connection::open(dir.path().join("store.db")).unwrap();
    let number = |name| -> i64 { db.pragma_query_value(None, name, |row| row.get(0)).unwrap() };
    assert_eq!(number("user_version"), 11);
    assert_eq!(number("application_id"), 0x5772_6e72);
}

#[tokio::test]
async fn closing_leaves_one_file_with_everything_in_it() {
    let dir = tempdir().unwrap();
    let store = open(dir.path());
    submit(&store, &[task()]).await;
    close(store).await;
    let mut files: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    files.sort();
    assert_eq!(files, ["owner.lock", "store.db"]);
}

#[tokio::test]
async fn a_second_owner_is_refused_and_told_who_the_first_is() {
    let dir = tempdir().unwrap();
    let store = open(dir.path());
    let Error::Taken { what, reason } = refused(dir.path()) else {
        panic!("a second owner");
    };
    assert_eq!(what, dir.path().display().to_string());
    let pid = format!("process {}", std::process::id());
    assert!(reason.contains(&pid) && reason.contains("stop"), "{reason}");
    submit(&store, &[task()]).await;
    close(store).await;
    close(open(dir.path())).await;
}

#[tokio::test]
async fn a_store_that_is_dropped_lets_go_of_its_folder() {
    let dir = tempdir().unwrap();
    let one = task();
    let store = open(dir.path());
    submit(&store, std::slice::from_ref(&one)).await;
    drop(store);
    let start = Instant::now();
    let store = loop {
        match SqliteStore::open(Options::new(dir.path())) {
            Ok(store) => break store,
            Err(Error::Taken { .. }) if start.elapsed() < PATIENCE => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(read(&store, one.id).await, one);
}

#[test]
fn a_folder_below_a_file_is_no_room() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let below = dir.path().join("file/store");
    says_no_room(&refused(&below), &below);
}

#[test]
fn a_folder_that_cannot_be_written_is_no_room() {
    let dir = tempdir().unwrap();
    let mounted = Mounted::new(dir.path(), 1);
    if let Some(mounted) = &mounted {
        mounted.make_read_only();
    } else {
        // Nobody who may not mount may write here, either.
        eprintln!("mounting is not permitted here: the mode of the folder stands in for it");
        let mut permissions = fs::metadata(dir.path()).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(dir.path(), permissions).unwrap();
        if fs::write(dir.path().join("probe"), "").is_ok() {
            panic!("neither a mount nor a mode keeps this user from writing");
        }
    }
    says_no_room(&refused(dir.path()), dir.path());
}

fn says_no_room(error: &Error, dir: &std::path::Path) {
    let Error::NoRoom { what, reason } = error else {
        panic!("not about room: {error:?}");
    };
    assert!(what.contains(&dir.display().to_string()), "{what}");
    assert!(reason.contains("choose a folder"), "{reason}");
}

#[test]
fn what_is_no_database_is_damaged_and_left_as_it_is() {
    let text = |size: usize| "not a database ".repeat(size).into_bytes();
    let mut torn = b"SQLite format 3\0".to_vec();
    torn.extend([0xFF; 5_000]);
    for bytes in [b"x".to_vec(), text(5), text(2_000), vec![0; 8_192], torn] {
        let dir = tempdir().unwrap();
        let file = dir.path().join("store.db");
        fs::write(&file, &bytes).unwrap();
        let error = refused(dir.path());
        let Error::Damaged { what, reason } = &error else {
            panic!("{} bytes: {error:?}", bytes.len());
        };
        assert_eq!(*what, file.display().to_string());
        assert!(reason.contains("nothing was changed"), "{reason}");
        assert!(reason.contains("move it away"), "{reason}");
        assert_eq!(fs::read(&file).unwrap(), bytes);
    }
}

#[test]
fn a_database_of_another_program_is_left_as_it_is() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("store.db");
    let db = Connection::open(&file).unwrap();
    db.execute_batch("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)")
        .unwrap();
    drop(db);
    let before = fs::read(&file).unwrap();
    assert!(matches!(refused(dir.path()), Error::Damaged { .. }));
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_with_both_versions() {
    let dir = tempdir().unwrap();
    close(open(dir.path())).await;
    let file = dir.path().join("store.db");
    let db = Connection::open(&file).unwrap();
    db.pragma_update(None, "user_version", 12).unwrap();
    drop(db);
    let Error::Invalid(reason) = refused(dir.path()) else {
        panic!("a newer version");
    };
    assert!(
        reason.contains("version 12") && reason.contains("up to 11"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_page_that_is_damaged_later_is_told_when_it_is_read() {
    let dir = tempdir().unwrap();
    let store = open(dir.path());
    let tasks: Vec<_> = (0..500).map(|_| task()).collect();
    submit(&store, &tasks).await;
    close(store).await;
    let file = dir.path().join("store.db");
    let mut bytes = fs::read(&file).unwrap();
    // Everything but the first page, which holds the header.
    bytes[4_096..].fill(0xA5);
    fs::write(&file, &bytes).unwrap();
    let error = match SqliteStore::open(Options::new(dir.path())) {
        Err(error) => error,
        Ok(store) => store.tasks(&[tasks[0].id]).await.unwrap_err(),
    };
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
}

#[tokio::test]
async fn a_foreign_program_delays_writers_and_never_readers() {
    let dir = tempdir().unwrap();
    let mut options = Options::new(dir.path());
    options.busy = Duration::from_millis(50);
    let store = SqliteStore::open(options).unwrap();
    let one = task();
    submit(&store, std::slice::from_ref(&one)).await;
    let foreign = Connection::open(dir.path().join("store.db")).unwrap();
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    let change = || vec![warrener_testkit::store::sample::accept(&task(), None).into()];
    let error = store.commit(change()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("another program"), "{error}");
    assert_eq!(read(&store, one.id).await, one);
    foreign.execute_batch("ROLLBACK").unwrap();
    store.commit(change()).await.unwrap();
}

#[tokio::test]
async fn the_id_of_a_store_can_be_looked_up_by_others_and_nothing_is_made() {
    let dir = tempdir().unwrap();
    let nowhere = dir.path().join("a/b");
    assert_eq!(SqliteStore::id_in(&nowhere).unwrap(), None);
    assert!(!nowhere.exists());
    let store = open(dir.path());
    let id = store.id();
    assert_eq!(SqliteStore::id_in(dir.path()).unwrap(), Some(id), "in use");
    close(store).await;
    assert_eq!(SqliteStore::id_in(dir.path()).unwrap(), Some(id), "closed");
    fs::write(dir.path().join("store.db"), vec![b'x'; 4096]).unwrap();
    assert!(SqliteStore::id_in(dir.path()).is_err());
}
