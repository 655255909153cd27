//! A disk that is full: whoever asks is told, nothing accepted is lost, and the service goes on once there is room.
//!
//! Two full disks: a small file system in memory, where mounting is permitted, and a limit on the size of files in a
//! process of its own (this program, started again).

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that fails here says enough"
)]

mod common;

use common::{Mounted, PATIENCE, close, open};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tempfile::tempdir;
use tokio::task::JoinSet;
use warrener_backend::{Error, Store};
use warrener_model::json::Json;
use warrener_model::{Task, TaskId};
use warrener_sqlite::SqliteStore;
use warrener_testkit::store::sample::{accept, done, key, task};

/// The folder of the process under a limit.
const LIMITED: &str = "WARRENER_TEST_FULL_DIR";
/// Bytes of one file there.
const LIMIT: u64 = 1_500_000;
/// Bytes of the ballast on the small file system.
const BALLAST: usize = 3_000_000;

#[test]
fn a_small_file_system_that_is_full_stops_nobody_for_long() {
    let dir = tempdir().unwrap();
    let Some(_mounted) = Mounted::new(dir.path(), 8) else {
        eprintln!("mounting is not permitted here: a limit on the size of files stands in for it");
        return limited();
    };
    let ballast = dir.path().join("ballast");
    fs::write(&ballast, vec![1; BALLAST]).unwrap();
    story(
        &dir.path().join("store"),
        || (),
        || fs::remove_file(&ballast).unwrap(),
    );
}

#[test]
fn files_that_may_not_grow_stop_nobody_for_long() {
    match std::env::var_os(LIMITED) {
        Some(dir) => {
            let limit = |bytes| {
                let limit = Rlimit {
                    current: bytes,
                    maximum: None,
                };
                setrlimit(Resource::Fsize, limit).unwrap();
            };
            story(Path::new(&dir), || limit(Some(LIMIT)), || limit(None));
        }
        None => limited(),
    }
}

/// Starts this program again, where a file that grows too large is an error and no signal.
fn limited() {
    let dir = tempdir().unwrap();
    let status = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "files_that_may_not_grow_stop_nobody_for_long",
            "--nocapture",
        ])
        .env(LIMITED, dir.path().join("store"))
        // Its panics stay visible; its count of tests would only confuse.
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "see above");
}

#[tokio::main]
async fn story(dir: &Path, fill: impl FnOnce(), make_room: impl FnOnce()) {
    let store = Arc::new(open(dir));
    let small = task();
    done(&*store, accept(&small, None)).await;
    fill();
    let mut accepted = vec![small.id];
    let refused = loop {
        assert!(accepted.len() < 1_000, "the disk is never full");
        let one = large();
        match store
            .commit(vec![accept(&one, Some(key(&one.id.to_string(), 1))).into()])
            .await
        {
            Ok(_) => accepted.push(one.id),
            Err(error) => {
                says_no_room(&error);
                break one;
            }
        }
    };
    assert!(accepted.len() > 5, "it was full at once");
    // Reads go on, and show what was accepted and nothing else.
    all_there(&store, &accepted).await;
    assert_eq!(store.tasks(&[refused.id]).await.unwrap(), [None]);
    accepted.extend(together(&store).await);
    make_room();
    // The key was not used up by the attempt that failed.
    let again = accept(&refused, Some(key(&refused.id.to_string(), 1)));
    assert!(!done(&*store, again).await[0].existing);
    accepted.push(refused.id);
    for _ in 0..10 {
        let one = large();
        done(&*store, accept(&one, None)).await;
        accepted.push(one.id);
    }
    all_there(&store, &accepted).await;
    store.close(PATIENCE).await.unwrap();
    drop(store);
    let store = open(dir);
    all_there(&store, &accepted).await;
    let counts = (&store as &dyn Store).counts().await.unwrap();
    assert_eq!(counts[0].count, accepted.len() as u64);
    close(store).await;
}

/// Callers that share a flush on the full disk: each hears yes, or that there is no room.
async fn together(store: &Arc<SqliteStore>) -> Vec<TaskId> {
    let mut callers = JoinSet::new();
    for n in 0..16 {
        let store = Arc::clone(store);
        callers.spawn(async move {
            let one = if n % 2 == 0 { large() } else { task() };
            let answer = store.commit(vec![accept(&one, None).into()]).await;
            (one.id, answer.map(drop))
        });
    }
    let mut accepted = vec![];
    for (id, answer) in callers.join_all().await {
        match answer {
            Ok(()) => accepted.push(id),
            Err(error) => {
                says_no_room(&error);
                let found = store.tasks(&[id]).await.unwrap();
                assert_eq!(found, [None], "refused, and there");
            }
        }
    }
    accepted
}

async fn all_there(store: &SqliteStore, ids: &[TaskId]) {
    let found = store.tasks(ids).await.unwrap();
    assert!(found.iter().all(Option::is_some), "accepted, and lost");
}

fn large() -> Task {
    let mut one = task();
    one.spec.input = Json::of(&"x".repeat(60_000)).unwrap();
    one
}

fn says_no_room(error: &Error) {
    assert!(matches!(error, Error::NoRoom { .. }), "{error:?}");
    assert!(error.to_string().contains("make room"), "{error}");
}
