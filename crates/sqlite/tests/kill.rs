//! Killed without a word, again and again, while it writes: every commit that was answered is there afterwards, whole.
//!
//! The writer is this program, started again. It notes each answer in a file of its own, the witness, which the store
//! knows nothing of; the parent kills it and compares.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that fails here says enough"
)]

mod common;

use common::{close, open};
use fastrand::Rng;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::tempdir;
use tokio::task::JoinSet;
use warrener_backend::Store;
use warrener_model::event::{Cursor, EventKind};
use warrener_model::{State, Task, TaskId};
use warrener_sqlite::SqliteStore;
use warrener_testkit::store::sample::{accept, after, assign, done, outcome, task, to};

/// The folder of the writer; without it, this program is the one that kills.
const WRITER: &str = "WARRENER_TEST_KILL_DIR";
const KILLS: usize = 30;
const CALLERS: usize = 8;

#[test]
fn every_answered_commit_outlives_thirty_kills() {
    match std::env::var_os(WRITER) {
        Some(dir) => write(Path::new(&dir)),
        None => kill(),
    }
}

fn kill() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let dir = tempdir().unwrap();
    let witness = dir.path().join("witness");
    fs::write(&witness, "").unwrap();
    for n in 0..KILLS {
        let before = fs::metadata(&witness).unwrap().len();
        let mut writer = start(dir.path());
        wait_until_it_answers(&witness, before, &mut writer);
        std::thread::sleep(Duration::from_millis(rng.u64(0..60)));
        writer.kill().unwrap();
        writer.wait().unwrap();
        let answered = answered(&witness);
        let count = compare(&dir.path().join("store"), &answered);
        println!("kill {n}: {} answered, {count} there", answered.len());
    }
}

fn start(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "every_answered_commit_outlives_thirty_kills",
            "--nocapture",
        ])
        .env(WRITER, dir)
        // Its panics stay visible; its count of tests would only confuse.
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn wait_until_it_answers(witness: &Path, before: u64, writer: &mut Child) {
    let start = Instant::now();
    while fs::metadata(witness).unwrap().len() == before {
        assert!(
            writer.try_wait().unwrap().is_none(),
            "the writer ended by itself"
        );
        assert!(
            start.elapsed() < common::PATIENCE,
            "the writer does not write"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The highest version that was answered, by task. A line that the kill tore was not answered in full.
fn answered(witness: &Path) -> BTreeMap<TaskId, u64> {
    let text = fs::read_to_string(witness).unwrap();
    let mut answered = BTreeMap::new();
    for line in text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
    {
        let (id, version) = line.trim().split_once(' ').unwrap();
        let highest = answered.entry(id.parse().unwrap()).or_default();
        *highest = version.parse::<u64>().unwrap().max(*highest);
    }
    answered
}

/// Says how many tasks there are.
#[tokio::main]
async fn compare(dir: &Path, answered: &BTreeMap<TaskId, u64>) -> usize {
    let store = open(dir);
    let ids: Vec<_> = answered.keys().copied().collect();
    let found = store.tasks(&ids).await.unwrap();
    for (task, (id, version)) in found.into_iter().zip(answered) {
        let task = task.unwrap_or_else(|| panic!("{id} was accepted and is lost"));
        assert!(
            task.version >= *version,
            "{id} fell back from {version} to {}",
            task.version
        );
        assert_eq!(task.output.is_some(), task.life.state == State::Succeeded);
    }
    let count = whole(&store).await;
    close(store).await;
    count
}

/// Nothing is half done: each version of each task has its row of history, and the counts agree.
async fn whole(store: &SqliteStore) -> usize {
    let mut versions: BTreeMap<TaskId, u64> = BTreeMap::new();
    let mut after = Cursor(0);
    loop {
        let events = store.events(after, None, 5_000).await.unwrap();
        let Some(last) = events.last() else { break };
        after = last.cursor;
        for event in events {
            *versions.entry(event.task).or_default() += 1;
        }
    }
    let ids: Vec<_> = versions.keys().copied().collect();
    let mut states: BTreeMap<State, u64> = BTreeMap::new();
    for task in store.tasks(&ids).await.unwrap() {
        let task = task.expect("history belongs to a task");
        assert_eq!(versions[&task.id], task.version);
        *states.entry(task.life.state).or_default() += 1;
    }
    let counts = (store as &dyn Store).counts().await.unwrap();
    let counts = counts.into_iter().filter(|count| count.count > 0);
    assert_eq!(
        counts
            .map(|c| (c.state, c.count))
            .collect::<BTreeMap<_, _>>(),
        states
    );
    ids.len()
}

/// The writer: until it is killed.
#[tokio::main]
async fn write(dir: &Path) {
    let store = Arc::new(open(&dir.join("store")));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (store, witness) = (Arc::clone(&store), dir.join("witness"));
        callers.spawn(async move {
            let mut witness = File::options().append(true).open(witness).unwrap();
            loop {
                live(&store, &mut witness).await;
            }
        });
    }
    callers.join_all().await;
}

/// A task from its first commit to its last.
async fn live(store: &SqliteStore, witness: &mut File) {
    let mut note = |task: &Task| {
        let line = format!("{} {}\n", task.id, task.version);
        witness.write_all(line.as_bytes()).unwrap();
    };
    let mut one = task();
    done(store, accept(&one, None)).await;
    note(&one);
    let life = after(&one.life, &assign("one"), 1).life;
    done(store, to(&one, life.clone(), EventKind::Started, None)).await;
    (one.life, one.version) = (life, 2);
    note(&one);
    let over = outcome(&one, warrener_model::life::Ending::Succeeded);
    let life = after(&one.life, &over, 2).life;
    let ending = warrener_backend::store::Ending {
        output: Some(one.spec.input.clone()),
        ..Default::default()
    };
    done(store, to(&one, life, EventKind::Succeeded, Some(ending))).await;
    one.version = 3;
    note(&one);
}
