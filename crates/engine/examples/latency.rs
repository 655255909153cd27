//! Measures the engine in one process: submit to handler start, one at a time, and end-to-end throughput.
//! Run it with `cargo run --release -p warrener-engine --example latency -- [TASKS]`.
#![allow(clippy::print_stdout, reason = "it prints figures")]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use warrener_backend::{Broker, MemoryBroker, Store};
use warrener_engine::supervise::Scope;
use warrener_engine::{Options, Orchestrator, TaskContext, Worker};
use warrener_model::{State, Submission};
use warrener_sqlite::SqliteStore;

fn request() -> Submission {
    let input = format!("\"{}\"", "x".repeat(1_000));
    Submission {
        kind: "noop".into(),
        input: warrener_model::Json::parse(input).expect("a string"),
        ..Submission::default()
    }
}

fn percentile(sorted: &[Duration], p: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index"
    )]
    let index = (last as f64 * p) as usize;
    sorted[index]
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tasks: usize = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(20_000);
    // On the disk of the current folder: a temporary folder may be in memory.
    let folder = tempfile::tempdir_in(".")?;
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(warrener_sqlite::Options::new(
        folder.path(),
    ))?);
    let broker: Arc<dyn Broker> = Arc::new(MemoryBroker::default());
    let stop = CancellationToken::new();
    let mut scope = Scope::new(&stop);
    let orchestrator = Orchestrator::start(
        store.clone(),
        broker.clone(),
        Options::default(),
        &mut scope,
    )
    .await?;
    let engine = tokio::spawn(scope.run(Duration::from_secs(5)));
    let (started, mut starts) = mpsc::unbounded_channel();
    let worker = Worker::builder(broker, "noop")
        .concurrency(256)
        .handle("noop", move |_: TaskContext, input: serde_json::Value| {
            let started = started.clone();
            async move {
                let _ = started.send(Instant::now());
                Ok(input)
            }
        })?
        .build();
    let worker = tokio::spawn(worker.run(stop.clone()));
    while orchestrator.agents().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let (mut start, mut result) = (vec![], vec![]);
    for _ in 0..1_000 {
        let at = Instant::now();
        let id = orchestrator
            .submit(request(), None, "user:bench")
            .await?
            .view
            .task
            .id;
        start.push(
            starts
                .recv()
                .await
                .ok_or("the worker ended")?
                .duration_since(at),
        );
        orchestrator
            .wait(&[id], false, Duration::from_secs(10))
            .await?;
        result.push(at.elapsed());
    }
    start.sort_unstable();
    result.sort_unstable();
    for (name, times) in [
        ("submit to handler start", &start),
        ("submit to recorded result", &result),
    ] {
        let (p50, p99) = (percentile(times, 0.5), percentile(times, 0.99));
        println!(
            "{name}: p50 {} us, p99 {} us (N = {})",
            p50.as_micros(),
            p99.as_micros(),
            times.len()
        );
    }

    let at = Instant::now();
    for _ in 0..tasks.div_ceil(1_000) {
        orchestrator
            .submit_batch(vec![request(); 1_000.min(tasks)], "user:bench")
            .await?;
    }
    let accepted = at.elapsed();
    loop {
        let books = orchestrator.books().await?;
        if books.open == 0 {
            let all = books.of(State::Succeeded);
            println!("tasks in the books: {all} succeeded of {}", books.accepted);
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let rate = |span: Duration| tasks as f64 / span.as_secs_f64();
    println!(
        "accepted/s in batches of 1,000: {:.0}; end to end/s: {:.0} (N = {tasks})",
        rate(accepted),
        rate(at.elapsed())
    );

    stop.cancel();
    worker.await?;
    engine.await?;
    store.close(Duration::from_secs(5)).await?;
    Ok(())
}
