//! What goes by itself: old tasks are forgotten, dead letters are tried again by rule, and lanes without agents alert.

use crate::core::Core;
use crate::error::Result;
use crate::options::AutoRequeue;
use crate::transition::Intent;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_backend::query::{List, SortKey};
use warrener_backend::store::Purge;
use warrener_model::filter::Filter;
use warrener_model::life::Event;
use warrener_model::{Timestamp, limits};

/// Tasks looked at in one go.
const BATCH: usize = 500;

/// Runs until told to stop.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    loop {
        if let Err(error) = tick(&core).await {
            tracing::warn!(%error, "retention waits");
        }
        tokio::select! {
            () = tokio::time::sleep(core.options.retention.every) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn tick(core: &Arc<Core>) -> Result<()> {
    let now = core.now().await?;
    if let Some(rule) = &core.options.auto_requeue {
        requeue(core, rule, now).await?;
    }
    forgotten_lanes(core, now).await?;
    let retention = &core.options.retention;
    let purge = Purge {
        finished_before: back(now, retention.finished),
        dead_before: back(now, retention.dead),
        keys_before: back(now, retention.keys.max(limits::IDEMPOTENCY_KEEP)),
        limit: BATCH,
    };
    while core.store.purge(purge).await? >= BATCH {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// The rule of `[dead] auto_requeue`.
async fn requeue(core: &Arc<Core>, rule: &AutoRequeue, now: Timestamp) -> Result<()> {
    let since = back(now, rule.younger);
    let text = format!("state:dead class:{} finished:>{since}", rule.class);
    let list = List {
        filter: Filter::parse(&text).expect("the rule makes a filter"),
        now,
        sort: SortKey::Finished,
        descending: false,
        limit: BATCH,
        after: None,
        bodies: false,
    };
    let dead = core.store.list(list).await?;
    let intents = dead
        .iter()
        .filter(|task| task.life.replays < rule.times)
        .map(|task| Intent::new(task.id, Event::Requeue { anew: true }, "rule:auto_requeue"));
    core.transitions(intents.collect()).await?;
    Ok(())
}

/// Work that nobody can do is told to a person.
async fn forgotten_lanes(core: &Arc<Core>, now: Timestamp) -> Result<()> {
    let served = core.registry.lanes();
    for count in core.store.counts().await? {
        let waits = count.state == warrener_model::State::Ready && count.count > 0;
        let long = count
            .oldest
            .is_some_and(|at| now.since(at) > core.options.timers.lease);
        if waits && long && !served.contains_key(&count.lane) && !core.is_paused(&count.lane) {
            core.alerts.no_capable_agent(&count.lane, count.count, now);
        }
    }
    Ok(())
}

fn back(now: Timestamp, span: Duration) -> Timestamp {
    let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(span))
}
