//! The agent runtime: joins, takes, runs, reports. It holds no policy and needs only a broker.
//!
//! ```text
//!  control, offers ──▶ session loop ──▶ Book (pure: what every run is owed) ──▶ executors
//!                          ▲   │                                                  │
//!                          │   └── outbox ──▶ broker: claims, outcomes ◀──────────┘
//!   heartbeat: its own thread, its own runtime, reads what the Book lists
//! ```

use async_trait::async_trait;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use warrener_backend::Broker;
use warrener_model::agent::{Card, Role, Who};
use warrener_model::decision::Answer;
use warrener_model::json::Json;
use warrener_model::message::{Failure, Granted, Invite, Offer};
use warrener_model::name::Capability;
use warrener_model::{AgentId, InstanceId, Lane};

mod book;
mod command;
mod heartbeat;
mod outbox;
mod session;
mod signals;

pub use command::CommandExecutor;
pub use signals::Signals;

use crate::options::Timers;

/// What an agent is told.
#[derive(Clone, Debug)]
pub struct AgentOptions {
    /// Its id: the same over restarts.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// What it serves.
    pub lanes: Vec<Lane>,
    /// The kinds it runs; `*` is any.
    pub kinds: Vec<String>,
    /// What it is good at, 0 to 1.
    pub capabilities: BTreeMap<Capability, f64>,
    /// How many tasks it runs at once.
    pub slots: u32,
    /// Its timers; heartbeat and lease come from the server's welcome.
    pub timers: Timers,
    /// How long a drain waits for what runs before it gives it back.
    pub drain: Duration,
    /// Where it runs.
    pub host: String,
    /// Which boot this is; made up unless given (a link must know it before the agent runs).
    pub instance: Option<InstanceId>,
}

impl Default for AgentOptions {
    fn default() -> Self {
        AgentOptions {
            name: "agent".into(),
            role: Role::Worker,
            lanes: vec![Lane::default()],
            kinds: vec!["*".into()],
            capabilities: BTreeMap::new(),
            slots: 4,
            timers: Timers::default(),
            drain: Duration::from_secs(25),
            host: String::new(),
            instance: None,
        }
    }
}

/// One run of a handler, as an executor gets it.
#[derive(Clone, Debug)]
pub struct Run {
    /// The task.
    pub offer: Offer,
    /// What this run was granted: attempt, epoch, time.
    pub grant: Granted,
    /// Who runs it.
    pub who: Who,
    /// The run itself: unique, for marking what it starts.
    pub claim: warrener_model::ClaimId,
}

impl Run {
    /// How long it may run.
    pub fn timeout(&self) -> Option<Duration> {
        self.grant.timeout_ms.map(Duration::from_millis)
    }
}

/// One question of a session, as an executor gets it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The invitation.
    pub invite: Invite,
    /// Who is asked.
    pub who: Who,
    /// How long it may think.
    pub within: Option<Duration>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub enum Ended {
    /// With a result.
    Succeeded(Json),
    /// With a failure.
    Failed(Failure),
    /// Because it was told to stop.
    Stopped,
    /// This agent cannot run this kind.
    UnknownKind,
}

/// Runs one task. Must return soon after `stop` is cancelled, with nothing left behind.
#[async_trait]
pub trait Executor: fmt::Debug + Send + Sync + 'static {
    /// Runs it to its end.
    async fn execute(&self, run: Run, signals: Signals, stop: CancellationToken) -> Ended;

    /// Answers an invitation, or says why it does not: then it stays silent in this round.
    async fn answer(&self, asked: Asked, stop: CancellationToken) -> Result<Answer, String> {
        let _ = (asked, stop);
        Err("this agent answers no questions".into())
    }
}

/// Why an agent's run came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Told to (shutdown, or an operator's stop), everything reported or given back.
    Drained,
    /// Told to, and so many runs could not be reported in time.
    Cut(usize),
    /// The server does not take it: the code and its words.
    Unwelcome(String, String),
}

/// An agent, not yet running.
#[derive(Debug)]
pub struct Agent {
    broker: Arc<dyn Broker>,
    executor: Arc<dyn Executor>,
    options: AgentOptions,
}

impl Agent {
    /// An agent on this broker that runs tasks with this executor.
    pub fn new(
        broker: Arc<dyn Broker>,
        executor: Arc<dyn Executor>,
        options: AgentOptions,
    ) -> Self {
        Agent {
            broker,
            executor,
            options,
        }
    }

    /// Works until `shutdown` is cancelled or a server says stop; then drains: finishes what it has within
    /// [`AgentOptions::drain`], gives back the rest, says goodbye.
    pub async fn run(self, shutdown: CancellationToken) -> Stopped {
        let id = match AgentId::new(&self.options.name) {
            Ok(id) => id,
            Err(error) => return Stopped::Unwelcome("invalid".into(), error.to_string()),
        };
        let instance = self.options.instance.clone();
        let instance = instance.unwrap_or_else(|| InstanceId::random(fastrand::u32(..)));
        let who = Who {
            agent: id,
            instance,
        };
        session::run(self.broker, self.executor, self.options, who, shutdown).await
    }
}

impl AgentOptions {
    fn card(&self, who: &Who) -> Card {
        Card {
            who: who.clone().into(),
            name: self.name.clone(),
            role: self.role,
            lanes: self.lanes.clone(),
            kinds: self.kinds.clone(),
            capabilities: self.capabilities.clone(),
            slots: self.slots,
            version: env!("CARGO_PKG_VERSION").into(),
            host: self.host.clone(),
        }
    }
}
