//! Measures compare-and-set updates of one key by eight writers in one process, and checks them: none is lost, and a
//! watcher sees each version once, in order.
//! Run it with `cargo run --release -p warrener-engine --example state_updates -- [UPDATES]`.
#![allow(clippy::print_stdout, reason = "it prints figures")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use warrener_backend::state::StateQuery;
use warrener_backend::{Broker, MemoryBroker, Store};
use warrener_engine::orchestrator::StateWrite;
use warrener_engine::supervise::Scope;
use warrener_engine::{Options, Orchestrator};
use warrener_model::Json;
use warrener_model::event::Cursor;
use warrener_model::name::{Space, StateKey};
use warrener_model::state::Refusal;
use warrener_sqlite::SqliteStore;

const WRITERS: u64 = 8;

type Checked<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Adds one until it is enough; what it knows of the key is what the last answer said.
async fn add(server: Orchestrator, counts: Arc<[AtomicU64; 2]>, updates: u64) -> Checked<()> {
    let (space, key) = (Space::new("bench")?, StateKey::new("n")?);
    let (mut version, mut conflicts) = (0, 0);
    while version < updates {
        let write = StateWrite {
            space: space.clone(),
            key: key.clone(),
            value: Some(Json::of(&(version + 1))?),
            ttl: None,
            expect: Some(version),
            fence: None,
            request: None,
        };
        match server.write_state(write, "user:bench").await {
            Ok(written) => {
                counts[0].fetch_add(1, Ordering::Relaxed);
                version = written.version;
            }
            Err(warrener_engine::Error::State {
                why: Refusal::Version(found),
                ..
            }) => {
                conflicts += 1;
                version = found;
            }
            Err(error) => return Err(error.into()),
        }
    }
    counts[1].fetch_add(conflicts, Ordering::Relaxed);
    Ok(())
}

/// Sees every version; the value of each is its number.
async fn watch(server: Orchestrator, updates: u64) -> Checked<()> {
    let (mut cursor, mut seen) = (Cursor(0), 0);
    while seen < updates {
        let query = StateQuery::Changes {
            space: Some(Space::new("bench")?),
            prefix: String::new(),
            after: cursor,
            limit: 1_000,
        };
        let page = server.watch_state(query, Duration::from_secs(30)).await?;
        for change in page.items {
            seen += 1;
            let value = change.value.as_ref().map(Json::as_str);
            if change.version != seen || value != Some(&*seen.to_string()) {
                return Err(format!("version {seen} is {change:?}").into());
            }
        }
        cursor = page.at;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Checked<()> {
    let updates: u64 = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(1_000_000);
    // On the disk of the current folder: a temporary folder may be in memory.
    let folder = tempfile::tempdir_in(".")?;
    let place = warrener_sqlite::Options::new(folder.path());
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(place)?);
    let broker: Arc<dyn Broker> = Arc::new(MemoryBroker::default());
    let stop = CancellationToken::new();
    let mut scope = Scope::new(&stop);
    let server = Orchestrator::start(store, broker, Options::default(), &mut scope).await?;
    let engine = tokio::spawn(scope.run(Duration::from_secs(5)));

    let counts = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let began = Instant::now();
    let watcher = tokio::spawn(watch(server.clone(), updates));
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| tokio::spawn(add(server.clone(), counts.clone(), updates)))
        .collect();
    for writer in writers {
        writer.await??;
    }
    let took = began.elapsed();
    watcher.await??;
    let [made, conflicts] = &*counts;
    let (made, conflicts) = (
        made.load(Ordering::Relaxed),
        conflicts.load(Ordering::Relaxed),
    );
    let end = server
        .state(&Space::new("bench")?, &StateKey::new("n")?)
        .await?;
    println!(
        "{made} updates by {WRITERS} writers of one key, {conflicts} conflicts, in {:.1} s: {:.0} a second; version {}, value {}",
        took.as_secs_f64(),
        made as f64 / took.as_secs_f64(),
        end.version,
        end.value.unwrap_or_default().as_str(),
    );
    if made != end.version {
        return Err("an update was lost".into());
    }
    stop.cancel();
    engine.await?;
    Ok(())
}
