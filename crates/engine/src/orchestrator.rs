//! The orchestrator: the public handle. Submit, act, query, watch, wait; everything a surface does is one call here.

use crate::core::Core;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::supervise::Scope;
use crate::{
    dispatch, grace, presence, recorder, retention, signals, submissions, sweep, timers, vigil,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;
use warrener_backend::broker::Health;
use warrener_backend::{Address, Broker, Inbox, Store};
use warrener_model::event::Cursor;
use warrener_model::task::Task;
use warrener_model::waiting::{Outlook, WaitingFor, waiting_for};

mod act;
mod agents;
mod breakers;
mod dead;
mod lanes;
mod own;
mod query;
mod runs;
mod schedules;
mod sessions;
mod spawn;
mod state;
mod submit;
mod wait;

pub use crate::breakers::{BreakerView, Phase};
pub use crate::registry::AgentView;
pub use act::Cancelled;
pub use dead::{Requeue, Requeued, Which};
pub use lanes::LaneView;
pub use query::{Books, Page};
pub(crate) use runs::{NewRun, new_run};
pub use runs::{RunMistakes, RunView, StartedRun};
pub use spawn::Spawner;
pub(crate) use spawn::shallow;
pub use state::{StateWrite, Written};
pub(crate) use state::{prepared, refused as state_refused};
pub use submit::{BatchError, Submitted};
pub(crate) use submit::{accept, check_submission};

/// Graces waiting at once: one a running task at most.
const GRACES: usize = 16_384;

/// The handle; cheap to clone.
#[derive(Clone, Debug)]
pub struct Orchestrator {
    core: Arc<Core>,
}

/// A task, and what it waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// As stored.
    pub task: Task,
    /// What it waits for; none when it ended.
    pub waiting_for: Option<WaitingFor>,
}

/// Whether the parts this server needs can be worked with.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The store answers.
    pub store: std::result::Result<(), String>,
    /// The broker takes messages.
    pub broker: std::result::Result<(), String>,
    /// It was told to drain.
    pub draining: bool,
}

impl Orchestrator {
    /// Starts the server side on a store and a broker: restores what it must know, makes the addresses, starts every
    /// part in `scope`. From here on the engine works until the scope's token is cancelled.
    ///
    /// # Errors
    /// When the store cannot be worked with now, or the broker not as it is. One that is away is waited for: meanwhile
    /// work is accepted, and waits in the store.
    pub async fn start(
        store: Arc<dyn Store>,
        broker: Arc<dyn Broker>,
        options: Options,
        scope: &mut Scope,
    ) -> Result<Orchestrator> {
        let (graces, waiting) = mpsc::channel(GRACES);
        let core = Arc::new(Core::new(store, broker, options, graces));
        restore(&core).await?;
        let inboxes = [
            Inbox::Results,
            Inbox::Presence,
            Inbox::Signals,
            Inbox::Submit,
        ];
        let mut addresses = vec![Address::Dead];
        addresses.extend(inboxes.map(Address::Inbox));
        let missing = ensure(&core, &addresses).await?;
        let orchestrator = Orchestrator { core: core.clone() };
        let stop = scope.token();
        if missing {
            scope.spawn(
                "topology",
                ensure_later(core.clone(), addresses, stop.clone()),
            );
        }
        scope.spawn("grace", grace::run(core.clone(), waiting, stop.clone()));
        scope.spawn("refused", crate::refused::run(core.clone(), stop.clone()));
        scope.spawn("copies", crate::copies::run(core.clone(), stop.clone()));
        scope.spawn("recorder", recorder::run(core.clone(), stop.clone()));
        scope.spawn("presence", presence::run(core.clone(), stop.clone()));
        scope.spawn("signals", signals::run(core.clone(), stop.clone()));
        scope.spawn("dead", crate::dead::run(core.clone(), stop.clone()));
        let submit = submissions::run(orchestrator.clone(), core.clone(), stop.clone());
        scope.spawn("submissions", submit);
        let slots = crate::schedules::run(orchestrator.clone(), core.clone(), stop.clone());
        scope.spawn("schedules", slots);
        scope.spawn("timers", timers::run(core.clone(), stop.clone()));
        scope.spawn("sessions", crate::sessions::run(core.clone(), stop.clone()));
        scope.spawn("notices", crate::notices::run(core.clone(), stop.clone()));
        scope.spawn("sweep", sweep::run(core.clone(), stop.clone()));
        scope.spawn("vigil", vigil::run(core.clone(), stop.clone()));
        scope.spawn("retention", retention::run(core.clone(), stop.clone()));
        scope.spawn("state", crate::state::run(core.clone(), stop.clone()));
        let parts = crate::parts::run(orchestrator.clone(), core.clone(), stop.clone());
        scope.spawn("parts", parts);
        scope.spawn("runs", crate::runs::stop::run(core.clone(), stop.clone()));
        scope.spawn("dispatch", dispatch::run(core, stop));
        Ok(orchestrator)
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Wakes whenever anything was committed.
    pub fn changed(&self) -> watch::Receiver<Cursor> {
        self.core.store.changed()
    }

    /// Alerts from now on.
    pub fn alerts(&self) -> broadcast::Receiver<crate::Alert> {
        self.core.alerts.subscribe()
    }

    /// Messages and runs that were refused since the start, by sort and reason (`outcome/stale`, …).
    pub fn refusals(&self) -> BTreeMap<String, u64> {
        self.core.refusals()
    }

    /// Counts something that was refused before it came here: at the end of a link, by its class.
    pub fn count_refusal(&self, what: &str, class: &str) {
        self.core.refused(what, class);
    }

    /// From now on nothing is accepted or handed out; what runs goes on.
    pub fn drain(&self) {
        self.core.draining.store(true, Ordering::Release);
    }

    /// Whether store and broker can be worked with. Waits a few seconds at most.
    pub async fn ready(&self) -> Ready {
        let patience = Duration::from_secs(2);
        let store = match tokio::time::timeout(patience, self.core.store.now()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer within 2 s".into()),
        };
        let broker = match tokio::time::timeout(patience, self.core.broker.health()).await {
            Ok(Health::Up) => Ok(()),
            Ok(Health::Blocked(why) | Health::Down(why)) => Err(why),
            Err(_) => Err("no answer within 2 s".into()),
        };
        Ready {
            store,
            broker,
            draining: self.core.is_draining(),
        }
    }

    fn view(&self, task: Task) -> View {
        let outlook = Outlook {
            paused: self.core.is_paused(&task.spec.lane),
            circuit_open: self.core.breakers.holds_back(&task),
            capable: self
                .core
                .registry
                .is_capable(&task.spec.lane, &task.spec.kind),
        };
        View {
            waiting_for: waiting_for(&task.life, outlook),
            task,
        }
    }
}

/// Makes the addresses; `true` if the broker is away, so that they are still missing.
async fn ensure(core: &Core, addresses: &[Address]) -> Result<bool> {
    match core.broker.ensure(addresses).await {
        Ok(()) => Ok(false),
        Err(error) if error.is_passing() => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Work is accepted while the broker is away; its addresses are made when it is there.
async fn ensure_later(core: Arc<Core>, addresses: Vec<Address>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match ensure(&core, &addresses).await {
            Ok(false) => return core.ready.notify_one(),
            Ok(true) => {}
            Err(error) => tracing::warn!(%error, "the broker's addresses are not made"),
        }
        tokio::select! {
            () = tokio::time::sleep(core.options.timers.poll) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// What a server must know before it decides anything: agents, lanes, who holds what.
async fn restore(core: &Arc<Core>) -> Result<()> {
    for lane in core.store.lanes().await? {
        core.set_paused(&lane.lane, lane.paused);
    }
    let now = core.now().await?;
    core.restore_agents(now).await?;
    let held = core.store.held().await?;
    core.registry.resync(&held, core.registry.generation());
    for task in core.store.offered_before(now, usize::MAX >> 1).await? {
        core.registry.offered(&task, true);
    }
    Ok(())
}

pub(crate) fn lane_not_found(lane: &str) -> Error {
    Error::NotFound {
        what: "lane",
        id: lane.into(),
    }
}
