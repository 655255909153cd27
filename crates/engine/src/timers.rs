//! Timers live in the store: delays, retries, deadlines. Looks at the next one, sleeps until then, moves what is due.

use crate::core::Core;
use crate::error::Result;
use crate::transition::{Intent, Moved};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_model::life::Event;

/// Timers moved in one commit.
const BATCH: usize = 512;

/// Runs until told to stop.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    let poll = core.options.timers.poll;
    while !stop.is_cancelled() {
        let sleep = match tick(&core).await {
            Ok(next) => next.min(poll),
            Err(error) => {
                tracing::warn!(%error, "timers wait");
                poll
            }
        };
        tokio::select! {
            () = tokio::time::sleep(sleep) => {}
            () = core.timer.notified() => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Moves what is due; says how long until the next one.
async fn tick(core: &Arc<Core>) -> Result<Duration> {
    loop {
        let now = core.now().await?;
        let due = core.store.due(now, BATCH).await?;
        if due.is_empty() {
            break;
        }
        let intents = due
            .iter()
            .map(|task| Intent::new(task.id, Event::Due, "server"));
        let mut letters = vec![];
        for moved in core.transitions(intents.collect()).await? {
            if let Moved::Yes(moved) = moved {
                letters.extend(core.letters(&moved, "deadline passed", now));
            }
        }
        core.send(letters).await;
        if due.len() < BATCH {
            break;
        }
    }
    let next = core.store.next_due().await?;
    let now = core.now().await?;
    Ok(next.map_or(Duration::MAX, |at| at.since(now)))
}
