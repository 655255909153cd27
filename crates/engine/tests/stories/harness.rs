//! A world for a story: a store in a folder of its own, a broker, the orchestrator, and agents to add.

pub(crate) use crate::ground::{CLAIMED, MODES};

use crate::ground::Ground;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use warrener_backend::broker::Health;
use warrener_backend::fault::{Call, FaultyBroker, FaultyStore, Plan};
use warrener_backend::{Address, Broker, Store};
use warrener_engine::orchestrator::View;
use warrener_engine::supervise::Scope;
use warrener_engine::{LaneOptions, Options, Orchestrator, TaskContext, TaskError, Timers, Worker};
use warrener_model::agent::Who;
use warrener_model::event::{Cursor, EventKind};
use warrener_model::life::Start;
use warrener_model::{AgentId, InstanceId, Lane, State, Submission, TaskId, Timestamp};
use warrener_sqlite::SqliteStore;

/// How work gets to agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The delivery is the claim.
    Direct,
    /// Offers are claimed.
    Claim,
    /// Offers start at once.
    Fast,
}

/// The mode of stories that have nothing to do with it.
pub(crate) const ANY: Mode = MODES[0];

pub(crate) struct World {
    pub(crate) orchestrator: Orchestrator,
    pub(crate) ground: Ground,
    /// The story's own connection, with a server's rights.
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) store: Arc<dyn Store>,
    /// What the server's calls on its broker and its store meet.
    pub(crate) faults: Plan,
    pub(crate) options: Options,
    /// How far the system's clock is from the truth, in ms: for stories of clocks that jump.
    pub(crate) skew: Arc<AtomicI64>,
    folder: Arc<TempDir>,
    stop: CancellationToken,
    engine: JoinHandle<warrener_engine::supervise::Stopped>,
}

impl World {
    pub(crate) async fn new(mode: Mode) -> Self {
        Self::with(mode, |_| {}).await
    }

    pub(crate) async fn with(mode: Mode, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options {
            timers: Timers::short(),
            ..Options::default()
        };
        if mode == Mode::Fast {
            let start = Start::Fast;
            let lane = LaneOptions {
                start,
                ..LaneOptions::default()
            };
            options.lanes.insert(Lane::default(), lane);
        }
        change(&mut options);
        let folder = Arc::new(TempDir::new().unwrap());
        Self::start(folder, Ground::new(mode).await, options).await
    }

    async fn start(folder: Arc<TempDir>, ground: Ground, options: Options) -> Self {
        let skew = Arc::new(AtomicI64::new(0));
        let mut place = warrener_sqlite::Options::new(folder.path());
        let (truth, offset) = (place.clock.clone(), skew.clone());
        place.clock = Arc::new(move || {
            Timestamp::from_millis(truth().as_millis() + offset.load(Ordering::SeqCst))
        });
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(place).unwrap());
        let stop = CancellationToken::new();
        let mut scope = Scope::new(&stop);
        let faults = Plan::default();
        let shared = Arc::new(FaultyBroker::new(ground.server().await, faults.clone()));
        let disk = Arc::new(FaultyStore::new(store.clone(), faults.clone()));
        let orchestrator = Orchestrator::start(disk, shared, options.clone(), &mut scope)
            .await
            .unwrap();
        let engine = tokio::spawn(scope.run(Duration::from_secs(5)));
        World {
            orchestrator,
            broker: ground.server().await,
            ground,
            store,
            faults,
            options,
            skew,
            folder,
            stop,
            engine,
        }
    }

    /// Another server on the same store and broker; it works until its token is cancelled.
    pub(crate) async fn second(&self, faults: &Plan) -> CancellationToken {
        let stop = self.stop.child_token();
        let mut scope = Scope::new(&stop);
        let broker = Arc::new(FaultyBroker::new(
            self.ground.server().await,
            faults.clone(),
        ));
        let options = self.options.clone();
        Orchestrator::start(self.store.clone(), broker, options, &mut scope)
            .await
            .unwrap();
        tokio::spawn(scope.run(Duration::from_secs(5)));
        stop
    }

    /// The server is gone and comes back on the same folder.
    pub(crate) async fn restart(mut self) -> Self {
        self.stop.cancel();
        (&mut self.engine).await.unwrap();
        self.store.close(Duration::from_secs(5)).await.unwrap();
        self.ground.server_ends().await;
        let (folder, ground) = (self.folder.clone(), self.ground.clone());
        Self::start(folder, ground, self.options.clone()).await
    }

    /// Adds an agent that runs kind `work` with this function; it works until its token is cancelled.
    pub(crate) fn agent<F, R>(&self, name: &str, slots: u32, handler: F) -> Member
    where
        F: Fn(TaskContext, serde_json::Value) -> R + Send + Sync + 'static,
        R: Future<Output = Result<serde_json::Value, TaskError>> + Send + 'static,
    {
        self.agent_by(&Plan::default(), name, slots, handler)
    }

    /// The same, with what its calls on the broker meet.
    pub(crate) fn agent_by<F, R>(&self, plan: &Plan, name: &str, slots: u32, handler: F) -> Member
    where
        F: Fn(TaskContext, serde_json::Value) -> R + Send + Sync + 'static,
        R: Future<Output = Result<serde_json::Value, TaskError>> + Send + 'static,
    {
        let who = boot(name);
        let broker = FaultyBroker::new(self.ground.agent(&who), plan.clone());
        self.member(broker, who, slots, "work", self.options.timers, handler)
    }

    /// An agent that runs these kinds, with blanks between them, by its own timers.
    pub(crate) fn agent_of<F, R>(
        &self,
        name: &str,
        kinds: &str,
        timers: Timers,
        handler: F,
    ) -> Member
    where
        F: Fn(TaskContext, serde_json::Value) -> R + Send + Sync + 'static,
        R: Future<Output = Result<serde_json::Value, TaskError>> + Send + 'static,
    {
        let who = boot(name);
        let broker = FaultyBroker::new(self.ground.agent(&who), Plan::default());
        self.member(broker, who, 1, kinds, timers, handler)
    }

    fn member<F, R>(
        &self,
        broker: FaultyBroker,
        who: Who,
        slots: u32,
        kinds: &str,
        timers: Timers,
        handler: F,
    ) -> Member
    where
        F: Fn(TaskContext, serde_json::Value) -> R + Send + Sync + 'static,
        R: Future<Output = Result<serde_json::Value, TaskError>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let mut builder = Worker::builder(Arc::new(broker), who.agent.as_str())
            .concurrency(slots)
            .options(|options| {
                options.instance = Some(who.instance);
                options.timers = timers;
                options.drain = Duration::from_millis(300);
            });
        for kind in kinds.split(' ') {
            let handler = handler.clone();
            let handled = builder.handle(kind, move |ctx, input| handler(ctx, input));
            builder = handled.unwrap();
        }
        let worker = builder.build();
        let stop = CancellationToken::new();
        let task = tokio::spawn(worker.run(stop.clone()));
        Member { stop, task }
    }

    pub(crate) async fn submit(&self, text: &str) -> TaskId {
        let submission = Submission::read(text).unwrap();
        self.orchestrator
            .submit(submission, None, "user:test")
            .await
            .unwrap()
            .view
            .task
            .id
    }

    /// Waits for the task to end.
    pub(crate) async fn end(&self, id: TaskId) -> View {
        let (mut done, pending) = self
            .orchestrator
            .wait(&[id], false, Duration::from_secs(30))
            .await
            .unwrap();
        assert!(
            pending.is_empty(),
            "task {id} did not end: {:?}",
            self.history(id).await
        );
        done.pop().unwrap()
    }

    /// Waits until the task is in this state.
    pub(crate) async fn until(&self, id: TaskId, state: State) -> View {
        let mut changed = self.orchestrator.changed();
        for _ in 0..600 {
            changed.mark_unchanged();
            let view = self.orchestrator.task(id).await.unwrap();
            if view.task.life.state == state {
                return view;
            }
            let _ = tokio::time::timeout(Duration::from_millis(50), changed.changed()).await;
        }
        panic!("task {id} is not {state}: {:?}", self.history(id).await);
    }

    /// The kinds of the task's events, without those of the broker's own business.
    pub(crate) async fn history(&self, id: TaskId) -> Vec<EventKind> {
        let events = self
            .orchestrator
            .events(Cursor(0), Some(id), 1_000)
            .await
            .unwrap();
        let own = |kind: &EventKind| !matches!(kind, EventKind::Offered | EventKind::Unoffered);
        events
            .into_iter()
            .map(|row| row.event.kind)
            .filter(own)
            .collect()
    }

    /// Waits until nothing is there that is not acknowledged.
    pub(crate) async fn all_read(&self, address: &Address) {
        loop {
            let depth = self.ground.depth(address).await;
            if depth.ready + depth.unsettled == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The agent is known and there.
    pub(crate) async fn joined(&self, name: &str) {
        for _ in 0..600 {
            let there = self.orchestrator.agents().iter().any(|view| {
                view.agent.card.who.agent_id.as_str() == name
                    && view.agent.presence == warrener_model::agent::Presence::Up
            });
            if there {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("agent {name} did not join");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) struct Member {
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<warrener_engine::agent::Stopped>,
}

impl Member {
    pub(crate) async fn drain(self) -> warrener_engine::agent::Stopped {
        self.stop.cancel();
        self.task.await.unwrap()
    }
}

/// A boot of this agent.
pub(crate) fn boot(name: &str) -> Who {
    Who {
        agent: AgentId::new(name).unwrap(),
        instance: InstanceId::random(fastrand::u32(..)),
    }
}

/// Waits until a connection is up.
pub(crate) async fn up(broker: &dyn Broker) {
    for _ in 0..3_000 {
        if broker.health().await == Health::Up {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the broker is not up: {:?}", broker.health().await);
}

/// Waits until a handler has begun.
pub(crate) async fn begun(starts: &AtomicU32) {
    while starts.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A handler that gives back its input.
pub(crate) async fn echo(
    _: TaskContext,
    input: serde_json::Value,
) -> Result<serde_json::Value, TaskError> {
    Ok(input)
}

/// Holds the next call of a point until it is opened; later ones go through.
pub(crate) struct Gate {
    held: Arc<Notify>,
    open: Arc<Notify>,
}

impl Gate {
    /// Before the call.
    pub(crate) fn at(plan: &Plan, point: &'static str) -> Self {
        let (gate, hook) = Self::new();
        plan.before(point, hook);
        gate
    }

    /// After the call, before its caller hears.
    pub(crate) fn after(plan: &Plan, point: &'static str) -> Self {
        let (gate, hook) = Self::new();
        plan.after(point, hook);
        gate
    }

    fn new() -> (Self, impl Fn(Call) -> BoxFuture<'static, ()>) {
        let (held, open) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let gate = Gate {
            held: held.clone(),
            open: open.clone(),
        };
        let armed = AtomicBool::new(true);
        let hook = move |_| {
            let first = armed.swap(false, Ordering::SeqCst);
            let (held, open) = (held.clone(), open.clone());
            let wait = async move {
                if first {
                    held.notify_one();
                    open.notified().await;
                }
            };
            wait.boxed()
        };
        (gate, hook)
    }

    /// Waits until a call is held.
    pub(crate) async fn held(&self) {
        let held = tokio::time::timeout(Duration::from_secs(30), self.held.notified());
        held.await.expect("the call comes");
    }

    pub(crate) fn open(&self) {
        self.open.notify_one();
    }
}
