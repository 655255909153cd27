//! Named points at which this process ends itself with SIGKILL, or stops itself with SIGSTOP: for `cargo xtask torture`
//! only, built with the feature `kill-points` and never in a release.
//!
//! `WARRENER_KILL_AT=commit.started:after:3,publish.outcome:before:1` arms two points: the third time that a commit with
//! a `started` row is done, and the first time that an outcome is about to be published. With `:stop` at its end the
//! point stops the process until somebody lets it go on. `WARRENER_KILL_LOG` names a file that gets one line about it
//! just before. Without the first variable nothing is wrapped.
//!
//! Points: `commit` and `commit.KIND` (the kind of its rows of history; `renewed` for moves without one), `publish` and
//! `publish.TYPE`, `deliver.TYPE` (before and after it is handed to its reader), `settle.TYPE`, `ensure`, `subscribe`,
//! `depth`, `health`, `tasks`, `query`, `events`, `now`, `purge`.

use async_trait::async_trait;
use rustix::process::{Signal, kill_process};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use warrener_backend::broker::{
    Address, Broker, Capabilities, Delivery, Depth, End, Health, Outgoing, Receipt, Settle,
    Subscribe, Subscription, Verdict,
};
use warrener_backend::error::Result;
use warrener_backend::query::{Query, Rows};
use warrener_backend::store::{Change, Committed, Op, Purge, Store};
use warrener_model::event::{Cursor, TaskEvent};
use warrener_model::id::{StoreId, TaskId};
use warrener_model::task::Task;
use warrener_model::{Timestamp, event};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// One point, and how often it is still to be passed.
#[derive(Debug)]
struct Armed {
    point: String,
    side: Side,
    left: AtomicU64,
    stops: bool,
}

/// What the environment arms; read once.
fn armed() -> &'static [Armed] {
    static ARMED: OnceLock<Vec<Armed>> = OnceLock::new();
    ARMED.get_or_init(|| read(&std::env::var("WARRENER_KILL_AT").unwrap_or_default()))
}

/// A word that cannot be read arms nothing: the harness sees that nobody died there.
fn read(text: &str) -> Vec<Armed> {
    let words = text.split(',').filter_map(|word| {
        let mut parts = word.split(':');
        let (point, side, nth) = (parts.next()?, parts.next()?, parts.next()?);
        let side = match side {
            "before" => Side::Before,
            "after" => Side::After,
            _ => return None,
        };
        Some(Armed {
            point: point.into(),
            side,
            left: AtomicU64::new(nth.parse().ok().filter(|n| *n > 0)?),
            stops: match parts.next() {
                None => false,
                Some("stop") => true,
                Some(_) => return None,
            },
        })
    });
    words.collect()
}

fn pass(side: Side, point: &str) {
    for armed in armed()
        .iter()
        .filter(|armed| armed.side == side && armed.point == point)
    {
        // Below zero it wraps around: nobody passes so often.
        if armed.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            end(armed);
        }
    }
}

fn end(armed: &Armed) {
    let side = match armed.side {
        Side::Before => "before",
        Side::After => "after",
    };
    let stop = if armed.stops { " stop" } else { "" };
    if let Some(path) = std::env::var_os("WARRENER_KILL_LOG") {
        let line = format!("{} {}:{side}{stop}\n", std::process::id(), armed.point);
        let mut options = std::fs::OpenOptions::new();
        let file = options.append(true).create(true).open(path);
        // One write: whole or not at all. Ending is what matters.
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
    let own = rustix::process::getpid();
    if armed.stops {
        let _ = kill_process(own, Signal::STOP);
        // Another thread may be the first to see the signal: this one must not get ahead of it.
        std::thread::sleep(Duration::from_millis(20));
        return;
    }
    loop {
        let _ = kill_process(own, Signal::KILL);
    }
}

fn each(side: Side, names: &BTreeSet<String>) {
    names.iter().for_each(|name| pass(side, name));
}

/// The store, with its points.
pub(crate) fn store(inner: Arc<dyn Store>) -> Arc<dyn Store> {
    if armed().is_empty() {
        inner
    } else {
        Arc::new(Points(inner))
    }
}

/// The broker, with its points.
pub(crate) fn broker(inner: Arc<dyn Broker>) -> Arc<dyn Broker> {
    if armed().is_empty() {
        inner
    } else {
        Arc::new(Points(inner))
    }
}

#[derive(Debug)]
struct Points<T: ?Sized>(Arc<T>);

async fn at<T>(point: &str, act: impl Future<Output = T> + Send) -> T {
    pass(Side::Before, point);
    let done = act.await;
    pass(Side::After, point);
    done
}

/// What a commit is called.
fn commits(changes: &[Change]) -> BTreeSet<String> {
    let kind = |op: &Op| match op {
        Op::Accept(_) => event::EventKind::Submitted.as_str(),
        Op::Move(moved) => moved
            .event
            .as_ref()
            .map_or("renewed", |row| row.kind.as_str()),
        Op::Progress { .. } => "progress",
        Op::Log(_) => "log",
        Op::Agent(_) => "agent",
        Op::Forget(_) => "forget",
        Op::Lane(_) => "lane",
        Op::Refused(_) => "refused",
        Op::Notice(_) => "notice",
        Op::Session(_) => "session",
        Op::Run(_) => "run",
        Op::State(_) => "state",
        Op::Schedule(_) => "schedule",
    };
    let ops = changes.iter().flat_map(|change| &change.ops);
    ops.map(|op| format!("commit.{}", kind(op)))
        .chain(["commit".into()])
        .collect()
}

#[async_trait]
impl Store for Points<dyn Store> {
    fn id(&self) -> StoreId {
        self.0.id()
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<Committed>> {
        let names = commits(&changes);
        each(Side::Before, &names);
        let done = self.0.commit(changes).await;
        each(Side::After, &names);
        done
    }

    async fn tasks(&self, ids: &[TaskId]) -> Result<Vec<Option<Task>>> {
        at("tasks", self.0.tasks(ids)).await
    }

    async fn query(&self, query: Query) -> Result<Rows> {
        at("query", self.0.query(query)).await
    }

    async fn events(
        &self,
        after: Cursor,
        task: Option<TaskId>,
        limit: usize,
    ) -> Result<Vec<TaskEvent>> {
        at("events", self.0.events(after, task, limit)).await
    }

    fn changed(&self) -> watch::Receiver<Cursor> {
        self.0.changed()
    }

    async fn now(&self) -> Result<Timestamp> {
        at("now", self.0.now()).await
    }

    async fn purge(&self, purge: Purge) -> Result<usize> {
        at("purge", self.0.purge(purge)).await
    }

    async fn close(&self, within: Duration) -> Result<()> {
        self.0.close(within).await
    }
}

#[async_trait]
impl Broker for Points<dyn Broker> {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn ensure(&self, addresses: &[Address]) -> Result<()> {
        at("ensure", self.0.ensure(addresses)).await
    }

    async fn publish(&self, batch: Vec<Outgoing>) -> Result<Vec<Receipt>> {
        let types = batch
            .iter()
            .map(|out| format!("publish.{}", out.message.kind));
        let names: BTreeSet<String> = types.chain(["publish".into()]).collect();
        each(Side::Before, &names);
        let done = self.0.publish(batch).await;
        each(Side::After, &names);
        done
    }

    async fn subscribe(&self, subscribe: Subscribe) -> Result<Subscription> {
        let inner = at("subscribe", self.0.subscribe(subscribe)).await?;
        // A detour only for who asked for it: the others keep the subscription that a release has.
        let wanted = |armed: &Armed| {
            armed.point.starts_with("deliver.") || armed.point.starts_with("settle.")
        };
        Ok(if armed().iter().any(wanted) {
            detour(inner)
        } else {
            inner
        })
    }

    async fn depth(&self, address: &Address) -> Result<Depth> {
        at("depth", self.0.depth(address)).await
    }

    async fn health(&self) -> Health {
        at("health", self.0.health()).await
    }
}

/// Hands on what is delivered, with points around it and around its settling.
fn detour(mut inner: Subscription) -> Subscription {
    let (send, deliveries) = mpsc::unbounded_channel();
    let (end, mut ended) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let delivery = tokio::select! {
                told = ended.recv() => match told {
                    Some(Told::Enough) => {
                        inner.enough();
                        continue;
                    }
                    Some(Told::End(clean)) => return if clean { inner.close() },
                    None => return,
                },
                delivery = inner.next() => delivery,
            };
            let Some(delivery) = delivery else { return };
            let point = format!("deliver.{}", delivery.message.kind);
            pass(Side::Before, &point);
            let (message, again) = (delivery.message.clone(), delivery.redelivered);
            // A reader that is gone gives it back by dropping it.
            let _ = send.send(Delivery::new(message, again, Box::new(Settled(delivery))));
            pass(Side::After, &point);
        }
    });
    Subscription::new(deliveries, Box::new(Ended(end)))
}

struct Settled(Delivery);

impl Settle for Settled {
    fn settle(self: Box<Self>, verdict: Verdict) {
        let point = format!("settle.{}", self.0.message.kind);
        pass(Side::Before, &point);
        self.0.settle(verdict);
        pass(Side::After, &point);
    }
}

/// What a reader says of its subscription.
enum Told {
    Enough,
    End(bool),
}

struct Ended(mpsc::UnboundedSender<Told>);

impl End for Ended {
    fn end(self: Box<Self>, clean: bool) {
        // Gone means that the subscription ended by itself.
        let _ = self.0.send(Told::End(clean));
    }

    fn enough(&self) {
        let _ = self.0.send(Told::Enough);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_arm_points_and_nonsense_arms_none() {
        let read = read(
            "commit.started:after:3,publish:before:1:stop,commit:during:1,commit:after:0,commit,",
        );
        let seen: Vec<_> = read
            .iter()
            .map(|a| {
                (
                    a.point.as_str(),
                    a.side,
                    a.left.load(Ordering::Relaxed),
                    a.stops,
                )
            })
            .collect();
        let expect = [
            ("commit.started", Side::After, 3, false),
            ("publish", Side::Before, 1, true),
        ];
        assert_eq!(seen, expect);
    }

    #[test]
    fn a_commit_is_called_by_each_of_its_rows() {
        let settings = warrener_backend::store::LaneSettings {
            lane: warrener_model::Lane::default(),
            paused: true,
            reason: None,
            since: None,
        };
        let names = commits(&[Change::from(Op::Lane(settings))]);
        assert_eq!(
            names.into_iter().collect::<Vec<_>>(),
            ["commit", "commit.lane"]
        );
    }
}
