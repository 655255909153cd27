//! Reads signals: log lines and progress of running programs.

use crate::away::Away;
use crate::core::Core;
use crate::error::Result;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_backend::broker::Subscribe;
use warrener_backend::store::{Change, LogChunk, Op};
use warrener_backend::{Address, Delivery, Inbox, Subscription};
use warrener_model::TaskId;
use warrener_model::message::{self, Body, Signal};
use warrener_model::task::{Progress, Task};

const BATCH: usize = 512;
const CREDIT: u32 = 2_048;

/// Runs until told to stop; subscribes again whenever the broker was away.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    let mut away = Away::default();
    while !stop.is_cancelled() {
        let from = Address::Inbox(Inbox::Signals);
        match core
            .broker
            .subscribe(Subscribe {
                from,
                credit: CREDIT,
                will: None,
            })
            .await
        {
            Ok(mut signals) => {
                away.is_back();
                tokio::select! {
                    () = read(&core, &mut signals) => {}
                    () = stop.cancelled() => {}
                }
            }
            Err(error) => away.says("signals", &error),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
            () = stop.cancelled() => {}
        }
    }
}

async fn read(core: &Arc<Core>, signals: &mut Subscription) {
    while let Some(first) = signals.next().await {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Some(next) = signals.try_next()
        {
            batch.push(next);
        }
        let mut read = vec![];
        let mut settled = vec![];
        for delivery in batch {
            match message::decode::<Signal>(&delivery.message.body) {
                Ok(signal) if &*delivery.message.kind == Signal::TYPE => {
                    read.push(signal);
                    settled.push(delivery);
                }
                _ => {
                    core.refused("signal", "malformed");
                    delivery.reject("not a signal");
                }
            }
        }
        if let Err(error) = record(core, read).await {
            tracing::warn!(%error, "signals not recorded");
            tokio::time::sleep(Duration::from_millis(100)).await;
            // Dropped unsettled: they come again.
            continue;
        }
        settled.into_iter().for_each(Delivery::ack);
    }
}

async fn record(core: &Core, signals: Vec<Signal>) -> Result<()> {
    let mut ids: Vec<TaskId> = signals.iter().map(|signal| signal.task_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let tasks: HashMap<TaskId, Task> = core
        .store
        .tasks(&ids)
        .await?
        .into_iter()
        .flatten()
        .map(|task| (task.id, task))
        .collect();
    let at = core.now().await?;
    let mut changes = vec![];
    for signal in signals {
        let Some(task) = tasks.get(&signal.task_id) else {
            core.refused("signal", "unknown");
            continue;
        };
        let Some(behind) = task.life.epoch.checked_sub(signal.epoch) else {
            core.refused("signal", "stale");
            continue;
        };
        // On claim lanes attempt and epoch grow together.
        let behind = u32::try_from(behind).unwrap_or(u32::MAX);
        let attempt = task.life.attempt.saturating_sub(behind);
        if signal.kind == "progress" {
            let progress = Progress {
                fraction: signal.fraction,
                message: signal.text,
            };
            let (task, epoch) = (signal.task_id, signal.epoch);
            changes.push(Change::from(Op::Progress {
                task,
                epoch,
                progress,
            }));
        } else if let Some(text) = signal.text {
            let stream = signal.stream.unwrap_or_else(|| "stderr".into());
            let task = signal.task_id;
            changes.push(Change::from(Op::Log(LogChunk {
                task,
                attempt,
                at,
                stream,
                text,
            })));
        }
    }
    if !changes.is_empty() {
        core.store.commit(changes).await?;
    }
    Ok(())
}
