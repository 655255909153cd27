//! Reads signals: log lines and progress of running programs. Only the agent of a run speaks for it.

use crate::away::Away;
use crate::core::Core;
use crate::error::Result;
use crate::refused::{self, Refusal};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_backend::broker::Subscribe;
use warrener_backend::store::{Change, LogChunk, Op};
use warrener_backend::{Address, Delivery, Inbox, Message, Subscription};
use warrener_model::event::{Cursor, NewEvent};
use warrener_model::message::{self, Body, Signal};
use warrener_model::task::{Progress, Task};
use warrener_model::{AgentId, TaskId, Timestamp};

const BATCH: usize = 512;
const CREDIT: u32 = 2_048;
/// Rows of history in which the run of a late signal is looked for; nobody misses a log line of a run further back.
const HISTORY: usize = 1_000;

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
            match signal(core, &delivery.message) {
                Ok(signal) => {
                    read.push((delivery.message.clone(), signal));
                    settled.push(delivery);
                }
                Err(why) => core.refuse(refused::SIGNALS, delivery, &why).await,
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

fn signal(core: &Core, message: &Message) -> std::result::Result<Signal, Refusal> {
    core.is_ours(message)?;
    match &*message.kind {
        Signal::TYPE => Ok(message::decode(&message.body)?),
        other => Err(Refusal::no_such_type(other, "signal")),
    }
}

/// A signal, and the message that it came in: its sender says who may speak.
type Signed = (Message, Signal);

async fn record(core: &Core, signals: Vec<Signed>) -> Result<()> {
    let mut ids: Vec<TaskId> = signals.iter().map(|(_, signal)| signal.task_id).collect();
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
    let mut runs = HashMap::new();
    let mut changes = vec![];
    for (message, signal) in signals {
        let Some(task) = tasks.get(&signal.task_id) else {
            core.refused("signal", "unknown");
            continue;
        };
        let run = match runs.entry((task.id, signal.epoch)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(find(core, task, signal.epoch).await?),
        };
        match run {
            // Whoever got a fast offer may speak of it: no row says who that is.
            Some(run) if run.agent.is_none() || run.agent == message.sender => {
                changes.extend(change(signal, run.attempt, at));
            }
            Some(_) => {
                let sender = message.sender.as_ref().map(|agent| agent.as_str());
                let why = Refusal::forged(sender, &format!("a run of task {}", task.id));
                core.keep(refused::SIGNALS, &message, &why).await;
            }
            None => core.refused("signal", "stale"),
        }
    }
    if !changes.is_empty() {
        let copies = core.progress_of(&changes, at);
        core.store.commit(changes).await?;
        core.copy(copies);
    }
    Ok(())
}

/// The run that an epoch of a task belongs to.
struct Run {
    /// Nobody, while a fast offer is out.
    agent: Option<AgentId>,
    attempt: u32,
}

/// The newest run is in the task's row; an earlier one, whose last words come late, in its history.
async fn find(core: &Core, task: &Task, epoch: u64) -> Result<Option<Run>> {
    let life = &task.life;
    let attempt = life.attempt;
    if life.is_fast() && life.may_run(epoch) {
        return Ok(Some(Run {
            agent: None,
            attempt,
        }));
    }
    if epoch == life.epoch {
        let last = life.last.clone();
        return Ok(last.map(|agent| Run {
            agent: Some(agent),
            attempt,
        }));
    }
    let rows = core.store.events(Cursor(0), Some(task.id), HISTORY).await?;
    // Its grant, or in a fast lane its outcome: the first row that names its agent.
    let named = |event: &NewEvent| event.epoch == epoch && event.agent.is_some();
    let row = rows.into_iter().find(|row| named(&row.event));
    Ok(row.map(|row| Run {
        agent: row.event.agent,
        attempt: row.event.attempt,
    }))
}

/// What a signal writes, if anything.
fn change(signal: Signal, attempt: u32, at: Timestamp) -> Option<Change> {
    let (task, epoch) = (signal.task_id, signal.epoch);
    if signal.kind == "progress" {
        let progress = Progress {
            fraction: signal.fraction,
            message: signal.text,
        };
        return Some(Change::from(Op::Progress {
            task,
            epoch,
            progress,
        }));
    }
    let stream = signal.stream.unwrap_or_else(|| "stderr".into());
    let text = signal.text?;
    Some(Change::from(Op::Log(LogChunk {
        task,
        attempt,
        at,
        stream,
        text,
    })))
}
