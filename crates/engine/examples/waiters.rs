//! Measures what waiters cost: a number of them wait, each for a task of its own that does not end, while other tasks
//! are accepted and cancelled; then all of those waited for end. Reads are counted at the store.
//! Run it with `cargo run --release -p warrener-engine --example waiters -- [WAITERS]`.
#![allow(clippy::print_stdout, reason = "it prints figures")]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use warrener_backend::fault::{FaultyStore, Plan, point};
use warrener_backend::{MemoryBroker, Store};
use warrener_engine::supervise::Scope;
use warrener_engine::{Options, Orchestrator};
use warrener_model::{Submission, TaskId};
use warrener_sqlite::SqliteStore;

/// Tasks that come and go meanwhile: two commits each.
const OTHERS: usize = 1_000;

async fn submit(orchestrator: &Orchestrator) -> warrener_engine::Result<TaskId> {
    let request = Submission {
        kind: "noop".into(),
        ..Submission::default()
    };
    let done = orchestrator.submit(request, None, "user:bench").await?;
    Ok(done.view.task.id)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let waiters = std::env::args().nth(1).and_then(|n| n.parse().ok());
    let waiters: usize = waiters.unwrap_or(1_000);
    // On the disk of the current folder: a temporary folder may be in memory.
    let folder = tempfile::tempdir_in(".")?;
    let store = SqliteStore::open(warrener_sqlite::Options::new(folder.path()))?;
    let plan = Plan::seeded(1);
    let store: Arc<dyn Store> = Arc::new(FaultyStore::new(Arc::new(store), plan.clone()));
    let stop = CancellationToken::new();
    let mut scope = Scope::new(&stop);
    let broker = Arc::new(MemoryBroker::default());
    let options = Options::default();
    let orchestrator = Orchestrator::start(store, broker, options, &mut scope).await?;
    let engine = tokio::spawn(scope.run(Duration::from_secs(5)));

    for waiters in [0, waiters] {
        let mut ids = vec![];
        let mut waiting = JoinSet::new();
        for _ in 0..waiters {
            let id = submit(&orchestrator).await?;
            ids.push(id);
            let orchestrator = orchestrator.clone();
            waiting.spawn(async move {
                let answer = orchestrator
                    .wait(&[id], false, Duration::from_secs(60))
                    .await;
                (answer.map(|(done, _)| done.len()), Instant::now())
            });
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let (reads, at) = (plan.calls(point::TASKS), Instant::now());
        for _ in 0..OTHERS {
            let id = submit(&orchestrator).await?;
            orchestrator.cancel(id, "", "user:bench").await?;
        }
        let (took, reads) = (at.elapsed(), plan.calls(point::TASKS) - reads);
        let rate = 2.0 * OTHERS as f64 / took.as_secs_f64();
        println!("{waiters} waiters: {rate:.0} commits/s by one caller, {reads} reads of tasks");
        for id in ids {
            orchestrator.cancel(id, "", "user:bench").await?;
        }
        let last = Instant::now();
        let mut late = vec![];
        while let Some(answer) = waiting.join_next().await {
            let (done, at) = answer?;
            assert_eq!(done?, 1, "a waiter came back without its task");
            late.push(at.saturating_duration_since(last));
        }
        if let Some(longest) = late.iter().max() {
            println!(
                "{waiters} waiters: all had their answer {longest:?} after the last task ended"
            );
        }
    }
    stop.cancel();
    engine.await?;
    Ok(())
}
