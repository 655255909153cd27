//! Warrener as a program uses it: an orchestrator and one worker in this process, a store on the disk, and RabbitMQ or the
//! embedded broker between them.

use crate::Result;
use crate::counted::{Count, Counted};
use crate::load::{FAN, PATIENCE, SINGLE, SLOTS, Turn, WARM, WINDOW, Watch, body, next};
use crate::tables::Way;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use warrener_backend::fault::{FaultyStore, Plan, point};
use warrener_backend::{Broker, MemoryBroker, Store};
use warrener_engine::supervise::{Scope, Stopped};
use warrener_engine::{LaneOptions, Options, Orchestrator, TaskContext, Worker};
use warrener_model::agent::Who;
use warrener_model::life::Start;
use warrener_model::run::RunState;
use warrener_model::{AgentId, InstanceId, Json, Lane, State, Submission};
use warrener_rabbitmq::{RabbitBroker, Role, Settings};
use warrener_sqlite::SqliteStore;

const AGENT: &str = "bench";
/// As many tasks as there are items, and one after them.
const WIDE: &str = "name: wide
inputs: { items: { type: array, required: true } }
steps:
  - { id: all, kind: noop, for_each: '{{ inputs.items }}', input: '{{ item }}' }
  - { id: join, kind: noop, needs: [all], input: '{{ steps.all.outputs | length }}' }
";
/// Tasks of one submitted batch.
const BATCH: usize = 1_000;
/// Between two looks whether all is recorded, after every handler has begun.
const LOOK: Duration = Duration::from_millis(2);

/// What runs.
struct Stage {
    orchestrator: Orchestrator,
    starts: mpsc::UnboundedReceiver<Instant>,
    store: Arc<dyn Store>,
    plan: Plan,
    count: Count,
    stop: CancellationToken,
    engine: JoinHandle<Stopped>,
    worker: JoinHandle<warrener_engine::agent::Stopped>,
    _folder: tempfile::TempDir,
}

/// In a claim lane or a fast lane on RabbitMQ.
pub(crate) async fn on_rabbit(way: Way, url: &str, broker: u32, tasks: usize) -> Result<Turn> {
    let (store, folder) = open()?;
    let server = connect(url, Role::Server).await?;
    server.claim_ownership(store.id()).await?;
    let who = Who {
        agent: AgentId::new(AGENT)?,
        instance: InstanceId::random(fastrand::u32(..)),
    };
    let agent = connect(url, Role::Agent(who.clone())).await?;
    let start = match way {
        Way::Fast => Start::Fast,
        Way::Raw | Way::Claim | Way::Embedded => Start::Claim,
    };
    let ends: [Arc<dyn Broker>; 2] = [Arc::new(server.clone()), Arc::new(agent.clone())];
    let stage = Stage::start(store, folder, ends, start, who).await?;
    let turn = stage.measure(broker, tasks).await?;
    agent.close().await;
    server.close().await;
    Ok(turn)
}

/// With the broker in this process.
pub(crate) async fn embedded(broker: u32, tasks: usize) -> Result<Turn> {
    let (store, folder) = open()?;
    let who = Who {
        agent: AgentId::new(AGENT)?,
        instance: InstanceId::random(fastrand::u32(..)),
    };
    let memory: Arc<dyn Broker> = Arc::new(MemoryBroker::default());
    let ends = [memory.clone(), memory];
    let stage = Stage::start(store, folder, ends, Start::Claim, who).await?;
    stage.measure(broker, tasks).await
}

/// A store beside the build: a temporary folder may be in memory.
fn open() -> Result<(Arc<dyn Store>, tempfile::TempDir)> {
    let program = std::env::current_exe()?;
    let beside = program.parent().ok_or("a program is in a folder")?;
    let folder = tempfile::tempdir_in(beside)?;
    let store = SqliteStore::open(warrener_sqlite::Options::new(folder.path()))?;
    Ok((Arc::new(store), folder))
}

async fn connect(url: &str, role: Role) -> Result<RabbitBroker> {
    let settings = Settings {
        url: url.into(),
        role,
        ..Settings::default()
    };
    let broker = RabbitBroker::connect(settings)?;
    broker.ready(PATIENCE).await?;
    Ok(broker)
}

fn request() -> Submission {
    Submission {
        kind: "noop".into(),
        input: Json::parse(body()).expect("the body is JSON"),
        ..Submission::default()
    }
}

impl Stage {
    async fn start(
        store: Arc<dyn Store>,
        folder: tempfile::TempDir,
        [server, agent]: [Arc<dyn Broker>; 2],
        start: Start,
        who: Who,
    ) -> Result<Stage> {
        let (plan, count) = (Plan::default(), Count::default());
        let counted = |inner| -> Arc<dyn Broker> {
            let count = count.clone();
            Arc::new(Counted { inner, count })
        };
        let store: Arc<dyn Store> = Arc::new(FaultyStore::new(store, plan.clone()));
        let stop = CancellationToken::new();
        let mut scope = Scope::new(&stop);
        let lane = LaneOptions {
            start,
            window: WINDOW,
        };
        let options = Options {
            lanes: [(Lane::default(), lane)].into(),
            ..Options::default()
        };
        let starting = Orchestrator::start(store.clone(), counted(server), options, &mut scope);
        let orchestrator = starting.await?;
        let engine = tokio::spawn(scope.run(Duration::from_secs(5)));
        let (started, starts) = mpsc::unbounded_channel();
        let worker = Worker::builder(counted(agent), who.agent.as_str())
            .concurrency(SLOTS.into())
            .options(|options| options.instance = Some(who.instance.clone()))
            .handle("noop", move |_: TaskContext, input: serde_json::Value| {
                let _ = started.send(Instant::now());
                async move { Ok(input) }
            })?
            .build();
        let worker = tokio::spawn(worker.run(stop.clone()));
        Ok(Stage {
            orchestrator,
            starts,
            store,
            plan,
            count,
            stop,
            engine,
            worker,
            _folder: folder,
        })
    }

    async fn measure(mut self, broker: u32, tasks: usize) -> Result<Turn> {
        let mut turn = Turn {
            tasks,
            ..Turn::default()
        };
        // The first of them waits for the agent too.
        for n in 0..WARM + SINGLE {
            let (start, recorded) = self.one().await?;
            if n >= WARM {
                turn.start.push(start);
                turn.recorded.push(recorded);
            }
        }
        let before = self.calls();
        self.count.take();
        let watch = Watch::start(broker)?;
        self.all(tasks).await?;
        (turn.wall, turn.cpu) = watch.stop()?;
        let counts = self.count.take();
        turn.messages = counts.messages;
        turn.calls = self.calls();
        for (what, calls) in &mut turn.calls {
            *calls -= before[what];
        }
        turn.calls.insert("publish", counts.calls);
        turn.fan = self.fan().await?;
        self.end().await?;
        Ok(turn)
    }

    /// One task alone: until its handler began, and until it was recorded.
    async fn one(&mut self) -> Result<(Duration, Duration)> {
        let at = Instant::now();
        let submitted = self.orchestrator.submit(request(), None, "user:bench");
        let id = submitted.await?.view.task.id;
        let start = next(&mut self.starts, "start").await? - at;
        let (done, _) = self.orchestrator.wait(&[id], false, PATIENCE).await?;
        let recorded = at.elapsed();
        match done.first() {
            Some(view) if view.task.life.state == State::Succeeded => Ok((start, recorded)),
            other => Err(format!("a task did not succeed: {other:?}").into()),
        }
    }

    /// All at once, until the books say that each succeeded.
    async fn all(&mut self, tasks: usize) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        let mut left = tasks;
        while left > 0 {
            let size = left.min(BATCH);
            let batch = vec![request(); size];
            self.orchestrator.submit_batch(batch, "user:bench").await?;
            left -= size;
        }
        for _ in 0..tasks {
            next(&mut self.starts, "start").await?;
        }
        loop {
            let books = self.orchestrator.books().await?;
            let succeeded = books.of(State::Succeeded);
            if succeeded == books.accepted {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("{succeeded} succeeded of {}", books.accepted).into());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// A run: a step of many tasks, and one that needs it.
    async fn fan(&self) -> Result<Duration> {
        let at = Instant::now();
        let items: Vec<String> = vec!["x".repeat(1_022); FAN];
        let inputs = serde_json::Map::from_iter([("items".to_owned(), items.into())]);
        let started = self.orchestrator.start_run(WIDE.into(), inputs, None);
        let id = started
            .await
            .map_err(|wrong| format!("{wrong:?}"))?
            .view
            .run
            .spec
            .id;
        let view = self.orchestrator.wait_run(id, None, PATIENCE).await?;
        match view.run.head.state {
            RunState::Succeeded => Ok(at.elapsed()),
            state => Err(format!("the run is {state:?}").into()),
        }
    }

    fn calls(&self) -> BTreeMap<&'static str, u64> {
        let points = [point::COMMIT, point::TASKS, point::QUERY];
        points.map(|point| (point, self.plan.calls(point))).into()
    }

    async fn end(self) -> Result<()> {
        self.stop.cancel();
        self.worker.await?;
        self.engine.await?;
        self.store.close(PATIENCE).await?;
        Ok(())
    }
}
