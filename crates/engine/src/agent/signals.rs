//! What a run says while it runs: log lines and progress. One publisher for all runs of an agent, with back-pressure: a
//! run that says more than the broker takes waits; while the broker is away what is too old is dropped and counted.

use super::session::Sender;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use warrener_backend::{Address, Inbox, Receipt};
use warrener_model::TaskId;
use warrener_model::message::Signal;

/// Signals waiting to be published.
const QUEUE: usize = 512;
const BATCH: usize = 64;
/// How often a batch is tried before it is dropped.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(500);
/// How long the end of a run waits for its last words to be published.
const FLUSH: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) enum Said {
    Signal(Signal),
    Flush(oneshot::Sender<()>),
}

/// Where a run says it.
#[derive(Clone, Debug)]
pub struct Signals {
    task: TaskId,
    epoch: u64,
    seq: Arc<AtomicU64>,
    said: mpsc::Sender<Said>,
}

impl Signals {
    pub(super) fn new(task: TaskId, epoch: u64, said: mpsc::Sender<Said>) -> Self {
        Self {
            task,
            epoch,
            seq: Arc::default(),
            said,
        }
    }

    /// A piece of log.
    pub async fn log(&self, stream: &str, text: String) {
        self.say("log", Some(stream.into()), Some(text), None).await;
    }

    /// How far it is: 0 to 1, and in words.
    pub async fn progress(&self, fraction: Option<f64>, message: Option<String>) {
        self.say("progress", None, message, fraction).await;
    }

    async fn say(
        &self,
        kind: &str,
        stream: Option<String>,
        text: Option<String>,
        fraction: Option<f64>,
    ) {
        let (task_id, epoch, kind) = (self.task, self.epoch, kind.into());
        let seq = self.seq.fetch_add(1, Ordering::Relaxed);
        let signal = Signal {
            task_id,
            epoch,
            seq,
            kind,
            stream,
            text,
            fraction,
        };
        // Nobody reads any more only when the agent ends.
        let _ = self.said.send(Said::Signal(signal)).await;
    }

    /// Waits until everything said so far was published, but not for ever.
    pub(super) async fn flush(&self) {
        let (done, published) = oneshot::channel();
        if self.said.send(Said::Flush(done)).await.is_ok() {
            let _ = tokio::time::timeout(FLUSH, published).await;
        }
    }
}

/// The channel that [`publish`] reads.
pub(super) fn channel() -> (mpsc::Sender<Said>, mpsc::Receiver<Said>) {
    mpsc::channel(QUEUE)
}

/// Runs until every [`Signals`] is gone.
pub(super) async fn publish(sender: Sender, mut said: mpsc::Receiver<Said>) {
    let mut batch = vec![];
    while said.recv_many(&mut batch, BATCH).await > 0 {
        let mut signals = vec![];
        let mut flushes = vec![];
        for said in batch.drain(..) {
            match said {
                Said::Signal(signal) => signals.push(signal),
                Said::Flush(done) => flushes.push(done),
            }
        }
        if !signals.is_empty() {
            send(&sender, &signals).await;
        }
        for done in flushes {
            // Who asked may have gone on.
            let _ = done.send(());
        }
    }
}

async fn send(sender: &Sender, signals: &[Signal]) {
    let to = Address::Inbox(Inbox::Signals);
    let letters: Vec<_> = signals
        .iter()
        .map(|signal| sender.letter(to.clone(), signal))
        .collect();
    for _ in 0..TRIES {
        match sender.broker.publish(letters.clone()).await {
            Ok(receipts) if receipts.iter().all(|r| *r == Receipt::Confirmed) => return,
            Ok(_) => return,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    tracing::warn!(
        dropped = signals.len(),
        "signals dropped: the broker is away"
    );
}
