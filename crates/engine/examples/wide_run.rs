//! Measures a run with a wide fan-out and one join against as many plain tasks, in one process.
//! Run it with `cargo run --release -p warrener-engine --example wide_run -- [TASKS]`.
#![allow(clippy::print_stdout, reason = "it prints figures")]

use serde_json::{Map, Value, json};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use warrener_backend::{Broker, MemoryBroker, Store};
use warrener_engine::supervise::Scope;
use warrener_engine::{Options, Orchestrator, TaskContext, Worker};
use warrener_model::{State, Submission};
use warrener_sqlite::SqliteStore;

const WIDE: &str = "
name: wide
inputs: { items: { type: array, required: true } }
steps:
  - { id: each, kind: noop, for_each: \"{{ inputs.items }}\", input: \"{{ item }}\" }
  - { id: join, kind: noop, needs: [each], input: \"{{ steps.each.outputs | length }}\" }
";

/// Kilobytes that this process has in memory; 0 where there is no /proc.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let word = line.and_then(|line| line.split_whitespace().nth(1));
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tasks: usize = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(9_999);
    // On the disk of the current folder: a temporary folder may be in memory.
    let folder = tempfile::tempdir_in(".")?;
    let place = warrener_sqlite::Options::new(folder.path());
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(place)?);
    let broker: Arc<dyn Broker> = Arc::new(MemoryBroker::default());
    let stop = CancellationToken::new();
    let mut scope = Scope::new(&stop);
    let options = Options::default();
    let orchestrator = Orchestrator::start(store, broker.clone(), options, &mut scope).await?;
    let engine = tokio::spawn(scope.run(Duration::from_secs(5)));
    let worker = Worker::builder(broker, "noop")
        .concurrency(256)
        .handle(
            "noop",
            |_: TaskContext, input: Value| async move { Ok(input) },
        )?
        .build();
    let worker = tokio::spawn(worker.run(stop.clone()));
    while orchestrator.agents().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    println!("memory before: {} kB", resident());
    let plain = Instant::now();
    let submissions = (0..tasks).map(|n| Submission {
        kind: "noop".into(),
        input: warrener_model::Json::of(&n).expect("a number"),
        ..Submission::default()
    });
    orchestrator
        .submit_batch(submissions.collect(), "user:bench")
        .await?;
    while orchestrator.books().await?.of(State::Succeeded) < tasks as u64 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let plain = plain.elapsed();
    println!(
        "{tasks} plain tasks: {} ms; memory {} kB",
        plain.as_millis(),
        resident()
    );

    let items: Vec<usize> = (0..tasks - 1).collect();
    let inputs: Map<String, Value> = [("items".to_owned(), json!(items))].into_iter().collect();
    let wide = Instant::now();
    let started = orchestrator.start_run(WIDE.into(), inputs, None).await?;
    let accepted = wide.elapsed();
    let id = started.view.run.spec.id;
    let view = loop {
        let view = orchestrator
            .wait_run(id, None, Duration::from_secs(60))
            .await?;
        if view.run.head.state.is_final() {
            break view;
        }
    };
    let wide = wide.elapsed();
    let output = view.run.head.output.map(|output| output.value());
    assert_eq!(output, Some(json!({ "join": tasks - 1 })));
    println!(
        "a run of {} tasks and one join: {} ms, accepted after {} ms; memory {} kB",
        tasks - 1,
        wide.as_millis(),
        accepted.as_millis(),
        resident()
    );
    println!(
        "time per step, of that of a plain task: {:.2}",
        wide.as_secs_f64() / plain.as_secs_f64()
    );
    stop.cancel();
    worker.await?;
    engine.await?;
    Ok(())
}
