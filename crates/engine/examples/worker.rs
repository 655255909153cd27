//! A worker in Rust, whole: a store in a folder, the engine, one handler, one task, its result.
//! Run it with `cargo run -p warrener-engine --example worker`.
#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use serde::{Deserialize, Serialize};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_backend::{Broker, MemoryBroker, Store};
use warrener_engine::supervise::Scope;
use warrener_engine::{Options, Orchestrator, TaskContext, TaskError, Worker};
use warrener_model::Submission;
use warrener_sqlite::SqliteStore;

#[derive(Deserialize)]
struct Input {
    text: String,
}

#[derive(Serialize)]
struct Report {
    words: usize,
}

async fn count(ctx: TaskContext, input: Input) -> Result<Report, TaskError> {
    ctx.progress(0.5, "counting").await;
    if input.text.is_empty() {
        return Err(TaskError::invalid("there is nothing to count"));
    }
    Ok(Report {
        words: input.text.split_whitespace().count(),
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
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

    let worker = Worker::builder(broker, "counter")
        .handle("count", count)?
        .build();
    let worker = tokio::spawn(worker.run(stop.clone()));

    let request =
        r#"{"kind":"count","input":{"text":"every accepted task reaches a final state"}}"#;
    let request = Submission::read(request).map_err(|mistakes| format!("{mistakes:?}"))?;
    let task = orchestrator
        .submit(request, None, "user:example")
        .await?
        .view
        .task
        .id;
    let (done, _) = orchestrator
        .wait(&[task], false, Duration::from_secs(10))
        .await?;
    for view in done {
        let output = view.task.output.map(|output| output.as_str().to_owned());
        println!(
            "{} {}: {}",
            view.task.id,
            view.task.life.state,
            output.unwrap_or_default()
        );
    }

    stop.cancel();
    worker.await?;
    engine.await?;
    store.close(Duration::from_secs(5)).await?;
    Ok(())
}
