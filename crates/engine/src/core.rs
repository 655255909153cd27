//! What every part of the server side shares: the two ports, the options, who is there, and wake-ups.

use crate::alert::Alerts;
use crate::breakers::Breakers;
use crate::copies::Copies;
use crate::error::Result;
use crate::grace::Waiting;
use crate::notices::Notices;
use crate::options::Options;
use crate::passed::Passed;
use crate::refused::Refusals;
use crate::registry::Registry;
use crate::runs::Plans;
use crate::sessions::Sessions;
use crate::waits::Waits;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, Semaphore, mpsc};
use warrener_backend::store::LaneSettings;
use warrener_backend::{Broker, Store};
use warrener_model::Timestamp;
use warrener_model::id::{ClaimId, MessageId, RunId, TaskId};
use warrener_model::life::Start;
use warrener_model::name::Lane;

/// Shared by all parts of one orchestrator.
pub(crate) struct Core {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) options: Options,
    /// Who is there and what they hold: a view, kept right by the sweep.
    pub(crate) registry: Registry,
    /// Held while an agent's row is changed (see `roster`).
    pub(crate) roster: tokio::sync::Mutex<()>,
    /// Something may be ready, or somebody free.
    pub(crate) ready: Notify,
    /// A timer may have become the next one.
    pub(crate) timer: Notify,
    /// A value of shared state may be the next one that is over.
    pub(crate) over: Notify,
    /// A schedule was made or changed.
    pub(crate) slots: Notify,
    /// What the queues of fast lanes have delivered.
    pub(crate) passed: Passed,
    pub(crate) alerts: Alerts,
    /// Kinds of which nothing more starts for now.
    pub(crate) breakers: Breakers,
    /// Permits of submissions.
    pub(crate) submissions: Semaphore,
    /// Who has to be told how tasks ended.
    pub(crate) notices: Notices,
    /// What the parts tell each other of sessions.
    pub(crate) sessions: Sessions,
    /// Who waits for tasks to end.
    pub(crate) waits: Waits,
    /// No new work is accepted or handed out.
    pub(crate) draining: AtomicBool,
    pub(crate) lag: Lag,
    graces: mpsc::Sender<Waiting>,
    pub(crate) refusals: Refusals,
    /// What watchers are told.
    pub(crate) copies: Copies,
    /// Workflows that are kept read.
    pub(crate) plans: Plans,
    /// A run was cancelled: its tasks have to be.
    pub(crate) cancelled: Notify,
    /// A task may have to be divided, or its parts be over.
    pub(crate) parts: Notify,
    paused: Mutex<Paused>,
}

/// How far behind the recorder is: what a sweep must know before it calls anybody silent.
#[derive(Debug, Default)]
pub(crate) struct Lag {
    /// Results read and recorded (or rejected) since the start.
    pub(crate) results_done: AtomicU64,
    /// Presence read since the start.
    pub(crate) presence_done: AtomicU64,
    /// The recorder and presence readers are subscribed.
    pub(crate) results_up: AtomicBool,
    pub(crate) presence_up: AtomicBool,
}

/// The lanes that are paused.
#[derive(Debug, Default)]
struct Paused {
    lanes: BTreeSet<Lane>,
    generation: u64,
}

impl Paused {
    fn set(&mut self, lane: &Lane, paused: bool) {
        if paused {
            self.lanes.insert(lane.clone());
        } else {
            self.lanes.remove(lane);
        }
    }
}

impl Core {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        broker: Arc<dyn Broker>,
        options: Options,
        graces: mpsc::Sender<Waiting>,
    ) -> Self {
        Core {
            graces,
            alerts: Alerts::new(options.alerts.clone(), options.patience.quiet),
            breakers: Breakers::new(options.breakers.clone()),
            submissions: Semaphore::new(options.submissions),
            waits: Waits::new(options.waiters),
            store,
            broker,
            options,
            registry: Registry::default(),
            roster: tokio::sync::Mutex::default(),
            ready: Notify::new(),
            timer: Notify::new(),
            over: Notify::new(),
            slots: Notify::new(),
            passed: Passed::default(),
            draining: AtomicBool::new(false),
            lag: Lag::default(),
            refusals: Refusals::default(),
            copies: Copies::default(),
            notices: Notices::default(),
            sessions: Sessions::default(),
            plans: Plans::default(),
            cancelled: Notify::new(),
            parts: Notify::new(),
            paused: Mutex::default(),
        }
    }

    /// The store's clock.
    pub(crate) async fn now(&self) -> Result<Timestamp> {
        Ok(self.store.now().await?)
    }

    pub(crate) fn task_id(&self, now: Timestamp) -> TaskId {
        TaskId::new(now, random())
    }

    /// The id of one item of a batch. Ids of one moment then sort as their items do, so that a batch starts in its order.
    pub(crate) fn batch_id(&self, now: Timestamp, item: usize) -> TaskId {
        let mut bytes = random();
        // A UUIDv7 keeps 12 bits of the first two bytes and 6 of the third: room for 262,144 items.
        bytes[0] = (item >> 14) as u8;
        bytes[1] = (item >> 6) as u8;
        bytes[2] = item as u8 & 0x3f;
        TaskId::new(now, bytes)
    }

    pub(crate) fn run_id(&self, now: Timestamp) -> RunId {
        RunId::new(now, random())
    }

    pub(crate) fn claim_id(&self, now: Timestamp) -> ClaimId {
        ClaimId::new(now, random())
    }

    pub(crate) fn message_id(&self, now: Timestamp) -> MessageId {
        MessageId::new(now, random())
    }

    /// How the tasks of a lane start. Where the delivery is the claim, one way is as fast as the other.
    pub(crate) fn start(&self, lane: &Lane) -> Start {
        match self.options.lanes.get(lane) {
            Some(lane) if !self.broker.capabilities().direct => lane.start,
            _ => Start::Claim,
        }
    }

    /// Starts the grace of a run.
    pub(crate) async fn grace(&self, waiting: Waiting) {
        // The reader is gone only when the engine stops.
        let _ = self.graces.send(waiting).await;
    }

    pub(crate) fn is_paused(&self, lane: &Lane) -> bool {
        self.paused
            .lock()
            .expect("a set does not panic")
            .lanes
            .contains(lane)
    }

    pub(crate) fn set_paused(&self, lane: &Lane, paused: bool) {
        let mut set = self.paused.lock().expect("a set does not panic");
        set.generation += 1;
        set.set(lane, paused);
    }

    /// How often somebody here paused or resumed a lane.
    pub(crate) fn lanes_generation(&self) -> u64 {
        self.paused.lock().expect("a set does not panic").generation
    }

    /// What the store says, unless somebody here changed it since the read began.
    pub(crate) fn refresh_paused(&self, settings: &[LaneSettings], generation: u64) {
        let mut set = self.paused.lock().expect("a set does not panic");
        if set.generation == generation {
            settings
                .iter()
                .for_each(|lane| set.set(&lane.lane, lane.paused));
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").finish_non_exhaustive()
    }
}

/// Randomness for ids.
pub(crate) fn random() -> [u8; 10] {
    let mut bytes = [0; 10];
    fastrand::fill(&mut bytes);
    bytes
}
