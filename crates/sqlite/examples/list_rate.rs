//! By hand: how long lists take, one at a time, in a large store; and what a lookup costs while lists run.
//!
//! `cargo run --release -p warrener-sqlite --example list_rate [TASKS]`

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use warrener_backend::query::{List, SortKey};
use warrener_backend::{Change, Store};
use warrener_model::filter::Filter;
use warrener_model::{Class, Priority, State, Task, TaskId};
use warrener_sqlite::{Options, SqliteStore};
use warrener_testkit::store::sample::{
    accept, after, assign, at, ended, error, kind, lane, task_at,
};

/// Lists of each question.
const TIMES: usize = 9;
/// Lists that run while lookups are timed.
const SCANS: usize = 16;

/// Filter and order: those that people ask, and the worst of their sort.
const QUESTIONS: [(&str, SortKey); 17] = [
    ("", SortKey::Created),
    ("", SortKey::Finished),
    ("", SortKey::Priority),
    ("state:ready", SortKey::Created),
    ("state:failed,dead", SortKey::Created),
    ("state:dead", SortKey::Finished),
    ("lane:rare", SortKey::Created),
    ("lane:lane-3 state:dead", SortKey::Created),
    ("kind:kind-3", SortKey::Created),
    ("kind:rare", SortKey::Created),
    ("agent:agent-3", SortKey::Created),
    ("label.batch:7", SortKey::Created),
    ("label.half:yes", SortKey::Created),
    ("age:>1h", SortKey::Created),
    ("class:crash", SortKey::Created),
    ("text:title", SortKey::Created),
    ("text:nowhere", SortKey::Created),
];

#[tokio::main]
async fn main() {
    let tasks = std::env::args().nth(1).and_then(|n| n.parse().ok());
    let tasks: i64 = tasks.unwrap_or(1_000_000);
    // On the disk of the current folder: a temporary folder may be in memory.
    let dir = tempfile::tempdir_in(".").expect("a folder");
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(Options::new(dir.path())).expect("a store"));
    let start = Instant::now();
    for first in (0..tasks).step_by(10_000) {
        let ops = (first..tasks.min(first + 10_000))
            .map(|n| accept(&one(n), None))
            .collect();
        store.commit(vec![Change { ops }]).await.expect("a commit");
    }
    println!(
        "{tasks} tasks in {:.0?}; pages of 50, newest first:",
        start.elapsed()
    );
    for (filter, sort) in QUESTIONS {
        let list = list(filter, sort, tasks);
        let mut times = vec![];
        let mut found = 0;
        for _ in 0..TIMES {
            let start = Instant::now();
            found = store.list(list.clone()).await.expect("a list").len();
            times.push(start.elapsed());
        }
        let name = format!("\"{filter}\" by {sort:?}");
        print(&name, &format!("{found} found"), times);
    }
    let mut times = vec![];
    for _ in 0..TIMES {
        let start = Instant::now();
        store.ledger().await.expect("a ledger");
        times.push(start.elapsed());
    }
    print("the books", "", times);
    lookups(&store, tasks).await;
}

/// One lookup after the other, alone and while lists run that look at every task.
async fn lookups(store: &Arc<dyn Store>, tasks: i64) {
    let newest = store
        .list(list("", SortKey::Created, tasks))
        .await
        .expect("a list");
    let id = newest[0].id;
    print("a lookup, alone", "", gets(store, id).await);
    let stop = Arc::new(AtomicBool::new(false));
    let mut scans = JoinSet::new();
    for _ in 0..SCANS {
        let (store, stop) = (Arc::clone(store), Arc::clone(&stop));
        scans.spawn(async move {
            let mut done = 0;
            while !stop.load(Ordering::Relaxed) {
                let list = list("text:nowhere", SortKey::Created, tasks);
                store.list(list).await.expect("a list");
                done += 1;
            }
            done
        });
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    print(
        &format!("a lookup, {SCANS} scans at once"),
        "",
        gets(store, id).await,
    );
    stop.store(true, Ordering::Relaxed);
    let done: usize = scans.join_all().await.into_iter().sum();
    println!("({done} scans ended meanwhile)");
}

async fn gets(store: &Arc<dyn Store>, id: TaskId) -> Vec<Duration> {
    let mut times = vec![];
    for _ in 0..1_000 {
        let start = Instant::now();
        let found = store.tasks(&[id]).await.expect("a read");
        assert!(found[0].is_some());
        times.push(start.elapsed());
    }
    times
}

fn one(n: i64) -> Task {
    let mut task = task_at(n);
    task.id = TaskId::new(at(n), std::array::from_fn(|_| fastrand::u8(..)));
    let spec = &mut task.spec;
    let rare = n % 100_000 == 500;
    spec.lane = lane(&if rare {
        "rare".into()
    } else {
        format!("lane-{}", n % 10)
    });
    spec.kind = kind(&if rare {
        "rare".into()
    } else {
        format!("kind-{}", n % 20)
    });
    spec.priority = Priority::ALL[n as usize % 4];
    spec.description = "a description of some length ".repeat(10);
    spec.labels.insert("batch".into(), (n / 1_000).to_string());
    spec.labels
        .insert("half".into(), if n % 2 == 0 { "yes" } else { "no" }.into());
    if n % 10 != 0 {
        let agent = format!("agent-{}", n % 7);
        task.life = after(&task.life, &assign(&agent), n).life;
        let state = match n % 100 {
            1 => State::Dead,
            2 => State::Failed,
            _ => State::Succeeded,
        };
        let last = task.life.last.clone();
        task.life = ended(state, n);
        task.life.last = last;
        if state != State::Succeeded {
            task.error = Some(error(Class::Crash, "it fell over", "f"));
        }
    }
    task
}

fn list(filter: &str, sort: SortKey, tasks: i64) -> List {
    List {
        filter: Filter::parse(filter).expect("a filter"),
        now: at(tasks + 7_200_000),
        sort,
        descending: true,
        limit: 50,
        after: None,
        bodies: false,
    }
}

fn print(name: &str, note: &str, mut times: Vec<Duration>) {
    times.sort();
    let part = |of: f64| times[((times.len() - 1) as f64 * of) as usize];
    println!(
        "{name:<36} {note:>9} p50 {:>9.1?} p99 {:>9.1?} max {:>9.1?}",
        part(0.5),
        part(0.99),
        part(1.0)
    );
}
