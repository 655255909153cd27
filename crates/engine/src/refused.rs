//! Messages that are refused: counted by class, and kept in the store for people to look at. They are kept at a bounded
//! pace and in bounded numbers, so that a flood of garbage is in nobody's way; what is too much is counted and gone.

use crate::core::Core;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use warrener_backend::refused::{RefusedMessage, RefusedRow};
use warrener_backend::store::{Change, Op};
use warrener_backend::{Delivery, Message};
use warrener_model::agent::Who;
use warrener_model::agent::{Operation, Role};
use warrener_model::message::BodyError;

/// Refused messages that wait to be kept: with the longest bodies, 16 MiB.
const WAITING: usize = 256;
/// Messages kept in one commit, and the bytes of their bodies.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 1024 * 1024;
/// Between two such commits.
const PAUSE: Duration = Duration::from_millis(100);

/// How the reason of a dead letter begins that was counted and kept before it became one.
pub(crate) const KEPT: &str = "refused: ";

/// Where refused messages are read: as they are counted, and as they are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) counted: &'static str,
    kept: &'static str,
}

const fn place(counted: &'static str, kept: &'static str) -> Place {
    Place { counted, kept }
}

pub(crate) const RESULTS: Place = place("result", "results");
pub(crate) const ANSWERS: Place = place("answer", "results");
pub(crate) const PRESENCE: Place = place("presence", "presence");
pub(crate) const SIGNALS: Place = place("signal", "signals");
pub(crate) const SUBMIT: Place = place("submit", "submit");
pub(crate) const DEAD: Place = place("dead", "dead");

/// Why a message is refused.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// In one word: `malformed version foreign forged role`, or the code of a problem.
    pub(crate) class: &'static str,
    /// In words.
    pub(crate) reason: String,
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let class = match error {
            BodyError::Malformed { .. } => "malformed",
            BodyError::Version { .. } => "version",
        };
        let reason = error.to_string();
        Refusal { class, reason }
    }
}

impl Refusal {
    /// Of a type that is not spoken here.
    pub(crate) fn no_such_type(kind: &str, known: &str) -> Self {
        let reason = format!("type \"{kind:.60}\" is not {known}");
        Refusal {
            class: "malformed",
            reason,
        }
    }

    /// Comes from an agent whose role may not do this.
    pub(crate) fn role(role: Role, operation: Operation) -> Self {
        let (role, operation) = (role.as_str(), operation.as_str());
        Refusal {
            class: "role",
            reason: format!("an agent of role {role} may not {operation}"),
        }
    }

    /// Names somebody who did not send it.
    pub(crate) fn forged(sender: Option<&str>, named: &str) -> Self {
        let sender = sender.unwrap_or("nobody that can be named");
        Refusal {
            class: "forged",
            reason: format!("it speaks for {named}, and {sender} sent it"),
        }
    }
}

/// Whether somebody is who sent a message. Where a broker cannot tell there is no sender, and nobody is believed.
pub(crate) fn sent_by(message: &Message, who: &Who) -> Result<(), Refusal> {
    if message.sender.as_ref() == Some(&who.agent) {
        return Ok(());
    }
    let sender = message.sender.as_ref().map(|agent| agent.as_str());
    Err(Refusal::forged(sender, who.agent.as_str()))
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    counts: Mutex<BTreeMap<String, u64>>,
    waiting: Mutex<VecDeque<Entry>>,
    more: Notify,
}

#[derive(Debug)]
struct Entry {
    row: RefusedMessage,
    /// Who waits until it is kept.
    kept: Option<oneshot::Sender<()>>,
}

impl Refusals {
    fn count(&self, what: &str, reason: &str, more: u64) {
        let mut counts = self.counts.lock().expect("counting does not panic");
        *counts.entry(format!("{what}/{reason}")).or_default() += more;
    }

    /// Puts one in line; `false` when there is no room.
    fn push(&self, entry: Entry) -> bool {
        let mut waiting = self.waiting.lock().expect("a queue does not panic");
        if waiting.len() >= WAITING {
            return false;
        }
        waiting.push_back(entry);
        self.more.notify_one();
        true
    }

    /// What goes into one commit.
    fn take(&self) -> Vec<Entry> {
        let mut waiting = self.waiting.lock().expect("a queue does not panic");
        let (mut batch, mut bytes) = (vec![], 0);
        while batch.len() < BATCH
            && bytes < BATCH_BYTES
            && let Some(entry) = waiting.pop_front()
        {
            bytes += entry.row.body.len();
            batch.push(entry);
        }
        batch
    }
}

/// Gives a message that was counted and kept to the dead letters.
pub(crate) fn bury(delivery: Delivery, why: &Refusal) {
    delivery.reject(format!("{KEPT}{}: {}", why.class, why.reason));
}

impl Core {
    /// Counts something that came from a run that is not entitled, or that could not be read.
    pub(crate) fn refused(&self, what: &str, reason: &str) {
        self.refusals.count(what, reason, 1);
    }

    /// Counts several at once.
    pub(crate) fn refused_many(&self, what: &str, reason: &str, count: u64) {
        self.refusals.count(what, reason, count);
    }

    /// What was refused since the start, by sort and reason.
    pub(crate) fn refusals(&self) -> BTreeMap<String, u64> {
        let counts = self.refusals.counts.lock();
        counts.expect("counting does not panic").clone()
    }

    /// Whether a message is of this store, as far as it says.
    pub(crate) fn is_ours(&self, message: &Message) -> Result<(), Refusal> {
        match message.store {
            Some(store) if store != self.store.id() => Err(Refusal {
                class: "foreign",
                reason: format!("it belongs to store {store}"),
            }),
            _ => Ok(()),
        }
    }

    /// Counts a message, has it kept if there is room, and gives it to the dead letters.
    pub(crate) async fn refuse(&self, place: Place, delivery: Delivery, why: &Refusal) {
        self.keep(place, &delivery.message, why).await;
        bury(delivery, why);
    }

    /// Counts a message, and has it kept if there is room.
    pub(crate) async fn keep(&self, place: Place, message: &Message, why: &Refusal) {
        self.refused(place.counted, why.class);
        let Some(row) = self.row(place, message, why).await else {
            return self.refused("kept", "store");
        };
        if !self.refusals.push(Entry { row, kept: None }) {
            self.refused("kept", "full");
        }
    }

    /// The same, and comes back once it is kept, however long that takes.
    ///
    /// # Cancel safety
    /// When dropped it may be kept or not.
    pub(crate) async fn keep_surely(&self, place: Place, message: &Message, why: &Refusal) {
        self.refused(place.counted, why.class);
        loop {
            if let Some(row) = self.row(place, message, why).await {
                let (kept, is_kept) = oneshot::channel();
                let kept = Some(kept);
                if self.refusals.push(Entry { row, kept }) && is_kept.await.is_ok() {
                    return;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn row(&self, place: Place, message: &Message, why: &Refusal) -> Option<RefusedMessage> {
        let at = self.now().await.ok()?;
        let Refusal { class, reason } = why;
        Some(RefusedMessage::of(message, at, place.kept, class, reason))
    }

    /// A page of what is kept, newest first.
    pub(crate) async fn kept(
        &self,
        before: Option<u64>,
        limit: usize,
        bodies: bool,
    ) -> crate::error::Result<Vec<RefusedRow>> {
        Ok(self.store.refused(before, limit, bodies).await?)
    }
}

/// Writes what waits to be kept, until told to stop.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        tokio::select! {
            () = core.refusals.more.notified() => {}
            () = stop.cancelled() => {}
        }
        loop {
            let batch = core.refusals.take();
            if batch.is_empty() {
                break;
            }
            write(&core, batch, &stop).await;
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = stop.cancelled() => {}
            }
        }
    }
}

/// The store may be away or full: tried until it takes them, and once more when told to stop.
async fn write(core: &Core, batch: Vec<Entry>, stop: &CancellationToken) {
    let first = &batch[0].row;
    tracing::warn!(
        messages = batch.len(),
        inbox = first.inbox,
        class = first.class,
        kind = first.kind,
        sender = first.sender.as_ref().map(|sender| sender.as_str()),
        reason = first.reason,
        "messages refused; the first of them is named"
    );
    let op = |entry: &Entry| Op::Refused(Box::new(entry.row.clone()));
    let change = Change {
        ops: batch.iter().map(op).collect(),
    };
    loop {
        let last = stop.is_cancelled();
        match core.store.commit(vec![change.clone()]).await {
            Ok(_) => break,
            Err(error) if last => return tracing::warn!(%error, "refused messages not kept"),
            Err(error) => tracing::warn!(%error, "refused messages wait for the store"),
        }
        tokio::select! {
            () = tokio::time::sleep(5 * PAUSE) => {}
            () = stop.cancelled() => {}
        }
    }
    for entry in batch {
        // Whoever does not wait any more has it kept all the same.
        let _ = entry.kept.map(|kept| kept.send(()));
    }
}
