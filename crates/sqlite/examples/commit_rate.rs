//! By hand: how many commits a second, and how long each takes, for some numbers of callers; and a single read.
//!
//! `cargo run --release -p warrener-sqlite --example commit_rate [FOLDER]`

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use warrener_backend::store::Op;
use warrener_backend::{Change, Committed, Store};
use warrener_model::event::EventKind;
use warrener_model::life::{Ending, Event};
use warrener_model::{Task, TaskId};
use warrener_sqlite::{Options, SqliteStore};
use warrener_testkit::store::sample::{accept, after, assign, at, lane, outcome, task_at, to};

const SPAN: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() {
    let temporary = tempfile::tempdir().expect("a folder");
    let dir = std::env::args_os()
        .nth(1)
        .map_or(temporary.path().to_owned(), PathBuf::from);
    let store = Arc::new(SqliteStore::open(Options::new(dir)).expect("a store"));
    println!("callers   commits/s     p50      p99      max");
    for callers in [1, 8, 32, 128] {
        print(
            "accept",
            callers,
            &measure(&store, callers, accepting).await,
        );
    }
    for callers in [1, 8, 32, 128] {
        print("a life", callers, &measure(&store, callers, living).await);
    }
    reading(&store).await;
    filling(&store).await;
    reading(&store).await;
}

/// Each commit accepts a task.
async fn accepting(store: Arc<SqliteStore>) -> Vec<Duration> {
    let mut times = vec![];
    timed(&store, accept(&plain(), None), &mut times).await;
    times
}

/// Four commits: accepted, started, renewed, succeeded.
async fn living(store: Arc<SqliteStore>) -> Vec<Duration> {
    let mut times = vec![];
    let times = &mut times;
    let mut one = plain();
    timed(&store, accept(&one, None), times).await;
    one.life = after(&one.life, &assign("one"), 1).life;
    timed(
        &store,
        to(&one, one.life.clone(), EventKind::Started, None),
        times,
    )
    .await;
    one.version += 1;
    let mut life = one.life.clone();
    life.lease_seq += 1;
    let mut renewal = to(&one, life.clone(), EventKind::Started, None);
    if let Op::Move(renewal) = &mut renewal {
        renewal.event = None;
    }
    timed(&store, renewal, times).await;
    one.life = life;
    let over: Event = outcome(&one, Ending::Succeeded);
    let life = after(&one.life, &over, 2).life;
    let ending = warrener_backend::store::Ending {
        output: Some(one.spec.input.clone()),
        ..Default::default()
    };
    let end = to(&one, life, EventKind::Succeeded, Some(ending));
    timed(&store, end, times).await;
    std::mem::take(times)
}

fn plain() -> Task {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    // Ids and times grow, as real ones do: that decides how many pages an insert touches.
    let ms = i64::try_from(BEGIN.elapsed().as_millis()).expect("a short run");
    let mut one = task_at(ms);
    one.id = TaskId::new(at(ms), std::array::from_fn(|_| fastrand::u8(..)));
    one.spec.description = "x".repeat(1_000);
    one
}

async fn timed(store: &SqliteStore, change: impl Into<Change>, times: &mut Vec<Duration>) {
    let start = Instant::now();
    let answer = store.commit(vec![change.into()]).await.expect("a commit");
    assert!(matches!(answer[..], [Committed::Done { .. }]));
    times.push(start.elapsed());
}

async fn measure<F, W>(store: &Arc<SqliteStore>, callers: usize, work: F) -> Vec<Duration>
where
    F: Fn(Arc<SqliteStore>) -> W + Copy + Send + 'static,
    W: Future<Output = Vec<Duration>> + Send,
{
    let end = Instant::now() + SPAN;
    let mut running = JoinSet::new();
    for _ in 0..callers {
        let store = Arc::clone(store);
        running.spawn(async move {
            let mut times = vec![];
            while Instant::now() < end {
                times.extend(work(Arc::clone(&store)).await);
            }
            times
        });
    }
    running.join_all().await.concat()
}

/// One task by id, one caller.
async fn reading(store: &Arc<SqliteStore>) {
    let ready = store.clone() as Arc<dyn Store>;
    let best = ready.ready(lane("a"), vec![], 100).await.expect("ready");
    let ids: Vec<TaskId> = best.iter().map(|one| one.id).collect();
    let mut times = vec![];
    for n in 0..20_000 {
        let start = Instant::now();
        store.tasks(&ids[n % 100..=n % 100]).await.expect("a read");
        times.push(start.elapsed());
    }
    print("read", 1, &times);
    let mut times = vec![];
    for _ in 0..200 {
        let start = Instant::now();
        ready.ready(lane("a"), vec![], 8).await.expect("ready");
        times.push(start.elapsed());
    }
    print("ready", 1, &times);
    let mut times = vec![];
    for _ in 0..200 {
        let start = Instant::now();
        ready.counts().await.expect("counts");
        times.push(start.elapsed());
    }
    print("counts", 1, &times);
}

/// A deep queue.
async fn filling(store: &Arc<SqliteStore>) {
    let start = Instant::now();
    for _ in 0..50 {
        let ops = (0..10_000).map(|_| accept(&plain(), None)).collect();
        store.commit(vec![Change { ops }]).await.expect("a commit");
    }
    println!("500,000 tasks in batches of 10,000: {:?}", start.elapsed());
}

fn print(what: &str, callers: usize, times: &[Duration]) {
    let mut times = times.to_vec();
    times.sort();
    let total: Duration = times.iter().sum();
    let rate = times.len() as f64 * callers as f64 / total.as_secs_f64();
    let part = |of: f64| times[((times.len() - 1) as f64 * of) as usize];
    println!(
        "{what} {callers:>4} {rate:>9.0}/s {:>9.0?} {:>9.0?} {:>9.0?}",
        part(0.5),
        part(0.99),
        part(1.0)
    );
}
