//! Copies of events for whoever watches on the broker: after the commit, best effort, never in its way. Tasks come from the
//! history in its order; what has no history waits in a bounded buffer. What the broker does not take at once is counted
//! and gone: the history with its cursor is the truth.

mod state;

use crate::alert::Alert;
use crate::core::Core;
use crate::error::Result;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;
use warrener_backend::store::{Change, Op};
use warrener_backend::{Address, Message, Outgoing};
use warrener_model::agent::Who;
use warrener_model::event::{Cursor, EventKind, TaskEvent};
use warrener_model::message::{self, AgentCopy, AlertCopy, Body, TaskCopy};
use warrener_model::task::Progress;
use warrener_model::{Json, State, TaskId, Timestamp};

/// Copies that wait, beside those of the history.
const WAITING: usize = 1_024;
/// Rows of history read, and copies published, at once.
const BATCH: usize = 256;
/// Rows of history that it may be behind; what is older is left out.
const BEHIND: u64 = 10_000;
/// Between two looks, so that many commits cost one.
const PAUSE: Duration = Duration::from_millis(50);
/// An agent that was not heard of for so many heartbeats is stalled.
const STALLED: u32 = 3;

/// Every key that copies go to.
const KEYS: [&str; 15] = [
    "task.submitted",
    "task.started",
    "task.progress",
    "task.retrying",
    "task.parked",
    "task.succeeded",
    "task.failed",
    "task.dead",
    "task.cancelled",
    "task.expired",
    "agent.joined",
    "agent.stalled",
    "agent.lost",
    "agent.left",
    "alert",
];

/// What waits to be copied. See the module.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    waiting: Mutex<VecDeque<Copy>>,
    more: Notify,
}

/// One of them, not addressed yet.
#[derive(Debug)]
pub(crate) struct Copy {
    key: String,
    kind: &'static str,
    body: Vec<u8>,
}

fn copy<B: Body>(key: String, body: &B) -> Copy {
    let body = message::encode(body);
    Copy {
        key,
        kind: B::TYPE,
        body,
    }
}

impl Core {
    /// An agent `joined`, `stalled`, is `lost` or has `left`.
    pub(crate) fn copy_agent(&self, who: &Who, event: &str, at: Timestamp) {
        let body = AgentCopy {
            who: who.clone().into(),
            event: event.into(),
            at,
        };
        self.put(copy(format!("agent.{event}"), &body));
    }

    /// Copies of what runs said of how far they are, for when it is committed.
    pub(crate) fn progress_of(&self, changes: &[Change], at: Timestamp) -> Vec<Copy> {
        let ops = changes.iter().flat_map(|change| &change.ops);
        let copies = ops.filter_map(|op| match op {
            Op::Progress {
                task,
                epoch,
                progress,
            } => Some(of_progress(*task, *epoch, progress.clone(), at)),
            _ => None,
        });
        copies.collect()
    }

    /// Puts copies in line, as far as there is room.
    pub(crate) fn copy(&self, copies: Vec<Copy>) {
        copies.into_iter().for_each(|copy| self.put(copy));
    }

    fn put(&self, copy: Copy) {
        let mut waiting = self.copies.waiting.lock().expect("a queue does not panic");
        if waiting.len() >= WAITING {
            drop(waiting);
            return self.refused("copy", "full");
        }
        waiting.push_back(copy);
        self.copies.more.notify_one();
    }
}

/// Runs until told to stop.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    if !core.broker.capabilities().topics {
        return;
    }
    let mut changed = core.store.changed();
    let mut place = *changed.borrow_and_update();
    let mut alerts = core.alerts.subscribe();
    let mut stalled = HashSet::new();
    let mut states = state::Place::default();
    while !stop.is_cancelled() {
        tokio::select! {
            _ = changed.changed() => {}
            () = core.copies.more.notified() => {}
            () = tokio::time::sleep(core.options.timers.poll) => {}
            () = stop.cancelled() => return,
        }
        let newest = *changed.borrow_and_update();
        if let Ok(now) = core.now().await {
            see_stalled(&core, &mut stalled, now);
        }
        let other = others(&core, &mut alerts);
        if is_watched(&core).await {
            publish(&core, other).await;
            if let Err(error) = history(&core, &mut place, newest).await {
                tracing::debug!(%error, "no copies of the history");
            }
        } else {
            place = newest;
        }
        if let Err(error) = states.follow(&core).await {
            tracing::debug!(%error, "no copies of shared state");
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Whether anybody may watch: not on a broker that says there is nobody.
async fn is_watched(core: &Core) -> bool {
    for key in KEYS {
        let topic = Address::Topic(key.into());
        match core.broker.depth(&topic).await {
            Ok(depth) if depth.consumers == 0 => {}
            _ => return true,
        }
    }
    false
}

/// Agents that have become silent, each told once until it is heard of again.
fn see_stalled(core: &Core, told: &mut HashSet<Who>, now: Timestamp) {
    let silent = core
        .registry
        .silent(core.options.timers.heartbeat * STALLED);
    let silent: HashSet<Who> = silent.into_iter().collect();
    for who in silent.difference(told) {
        core.copy_agent(who, "stalled", now);
    }
    *told = silent;
}

/// What is no history: what waits in the buffer, and alerts.
fn others(core: &Core, alerts: &mut broadcast::Receiver<Alert>) -> Vec<Copy> {
    let mut waiting = core.copies.waiting.lock().expect("a queue does not panic");
    let mut copies: Vec<Copy> = waiting.drain(..).collect();
    drop(waiting);
    loop {
        match alerts.try_recv() {
            Ok(alert) => copies.push(of_alert(alert)),
            Err(broadcast::error::TryRecvError::Lagged(_)) => core.refused("copy", "full"),
            Err(_) => return copies,
        }
    }
}

fn of_progress(task_id: TaskId, epoch: u64, progress: Progress, at: Timestamp) -> Copy {
    let body = TaskCopy {
        cursor: None,
        task_id,
        event: "progress".into(),
        state: State::Running,
        attempt: None,
        epoch,
        agent: None,
        progress: Some(progress),
        detail: None,
        at,
    };
    copy("task.progress".into(), &body)
}

fn of_alert(alert: Alert) -> Copy {
    let body = AlertCopy {
        alert: alert.alert,
        severity: alert.severity,
        subject: alert.subject,
        message: alert.message,
        since: alert.since,
    };
    copy("alert".into(), &body)
}

/// Copies the history from a place on, up to now.
async fn history(core: &Core, place: &mut Cursor, newest: Cursor) -> Result<()> {
    if newest.0.saturating_sub(place.0) > BEHIND {
        core.refused("copy", "behind");
        *place = newest;
    }
    loop {
        let rows = core.store.events(*place, None, BATCH).await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        *place = last.cursor;
        let full = rows.len() == BATCH;
        publish(core, rows.into_iter().filter_map(of_event).collect()).await;
        if !full {
            return Ok(());
        }
    }
}

/// The copy of a row of history, if there is one of its kind.
fn of_event(row: TaskEvent) -> Option<Copy> {
    let word = match row.event.kind {
        // Another run was granted: that is a start, too.
        EventKind::Superseded => EventKind::Started.as_str(),
        kind => kind.as_str(),
    };
    let key = format!("task.{word}");
    if !KEYS.contains(&key.as_str()) {
        return None;
    }
    let event = row.event;
    let body = TaskCopy {
        cursor: Some(row.cursor.0),
        task_id: row.task,
        event: word.into(),
        state: event.state,
        attempt: Some(event.attempt),
        epoch: event.epoch,
        agent: event.agent,
        progress: None,
        detail: matches!(word, "retrying" | "failed" | "dead")
            .then(|| Json::of(&event.detail).ok())
            .flatten(),
        at: event.at,
    };
    Some(copy(key, &body))
}

/// Publishes; what is not taken is counted.
async fn publish(core: &Core, copies: Vec<Copy>) {
    let Ok(now) = core.now().await else {
        return;
    };
    let mut copies = copies.into_iter().peekable();
    while copies.peek().is_some() {
        let batch: Vec<Outgoing> = copies
            .by_ref()
            .take(BATCH)
            .map(|copy| out(core, copy, now))
            .collect();
        let count = batch.len();
        if let Err(error) = core.broker.publish(batch).await {
            tracing::debug!(%error, count, "copies not published");
            core.refused_many("copy", "broker", count as u64);
        }
    }
}

fn out(core: &Core, copy: Copy, now: Timestamp) -> Outgoing {
    Outgoing {
        to: Address::Topic(copy.key),
        message: Message {
            id: core.message_id(now),
            kind: copy.kind.into(),
            store: Some(core.store.id()),
            sender: None,
            trace: None,
            body: copy.body.into(),
            reason: None,
        },
        expires: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_history_what_the_contract_names_is_copied() {
        let row = |kind| TaskEvent {
            cursor: Cursor(7),
            task: TaskId::from_bytes([1; 16]),
            event: warrener_model::event::NewEvent {
                at: Timestamp::from_millis(0),
                kind,
                state: State::Running,
                attempt: 1,
                epoch: 1,
                agent: None,
                actor: "server".into(),
                detail: serde_json::Value::Null,
            },
        };
        let mut copied: Vec<String> = EventKind::ALL
            .iter()
            .filter_map(|kind| Some(of_event(row(*kind))?.key))
            .collect();
        copied.dedup();
        let expected: Vec<&str> = KEYS
            .into_iter()
            .filter(|key| key.starts_with("task.") && *key != "task.progress")
            .collect();
        assert_eq!(copied, expected);
    }
}
