//! What the engine can be told: timers (protocol.md section 7), policies, retention, lanes, kinds.

use crate::alert::AlertSink;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use warrener_model::Class;
use warrener_model::breaker::Rules;
use warrener_model::life::Start;
use warrener_model::name::{Kind, Lane, Namespace};
use warrener_model::retry::Policies;

/// Every timer. Tests set them to 50 to 500 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// An agent repeats a claim that was not answered after this.
    pub claim_repeat: Duration,
    /// A claim that no server took in this time is gone.
    pub claim_ttl: Duration,
    /// A grant that comes later than this after its claim is claimed again instead of started.
    pub grant_fresh: Duration,
    /// How long a holder may take to answer before another run gets its task.
    pub grace: Duration,
    /// An agent sends an outcome again that was not answered after this.
    pub outcome_again: Duration,
    /// An offer that nobody claimed in this time is made again.
    pub offer_overdue: Duration,
    /// A fast offer that its queue has passed, and that nobody spoke of for this long, is made again; longer than
    /// `handoff`.
    pub fast_overdue: Duration,
    /// A delivery is acknowledged within this.
    pub handoff: Duration,
    /// Agents send heartbeats this often.
    pub heartbeat: Duration,
    /// A run that nobody lists for this long is lost.
    pub lease: Duration,
    /// A publish is confirmed within this, or unknown.
    pub confirm: Duration,
    /// No result may wait longer than this when somebody's lease is judged.
    pub caught_up: Duration,
    /// The server looks at leases and agents this often; at most 10 s.
    pub sweep: Duration,
    /// An agent says hello this often until it is welcome.
    pub hello: Duration,
    /// Safety net: looks for ready work and due timers at least this often.
    pub poll: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        let s = Duration::from_secs;
        Timers {
            claim_repeat: s(2),
            claim_ttl: s(30),
            grant_fresh: s(10),
            grace: s(3),
            outcome_again: s(10),
            offer_overdue: s(30),
            fast_overdue: s(90),
            handoff: s(60),
            heartbeat: s(10),
            lease: s(45),
            confirm: s(10),
            caught_up: s(5),
            sweep: s(5),
            hello: s(5),
            poll: s(1),
        }
    }
}

impl Timers {
    /// For tests: everything short, in the proportions of the defaults.
    pub fn short() -> Self {
        let ms = Duration::from_millis;
        Timers {
            claim_repeat: ms(100),
            claim_ttl: ms(1_000),
            grant_fresh: ms(400),
            grace: ms(200),
            outcome_again: ms(300),
            offer_overdue: ms(500),
            fast_overdue: ms(1_500),
            handoff: ms(1_000),
            heartbeat: ms(100),
            lease: ms(1_500),
            confirm: ms(1_000),
            caught_up: ms(200),
            sweep: ms(50),
            hello: ms(100),
            poll: ms(100),
        }
    }
}

/// How long things are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Tasks that ended, but dead ones.
    pub finished: Duration,
    /// Dead letters.
    pub dead: Duration,
    /// Idempotency keys; never less than 7 days.
    pub keys: Duration,
    /// Agents that left or were lost.
    pub agents: Duration,
    /// How often old things are looked for.
    pub every: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |n: u64| Duration::from_secs(n * 86_400);
        Retention {
            finished: days(7),
            dead: days(30),
            keys: days(7),
            agents: days(7),
            every: Duration::from_secs(60),
        }
    }
}

/// How long something may last before a person is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Work of a kind that no live agent of its lane serves.
    pub no_capable_agent: Duration,
    /// A broker that takes nothing.
    pub broker_blocked: Duration,
    /// How often it is looked for.
    pub every: Duration,
    /// What happens again to the same subject within this is told together.
    pub quiet: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let s = Duration::from_secs;
        Patience {
            no_capable_agent: s(45),
            broker_blocked: s(30),
            every: s(5),
            quiet: s(60),
        }
    }
}

/// Dead letters that are tried again by rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoRequeue {
    /// Only of this class.
    pub class: Class,
    /// Only if it died less than this ago.
    pub younger: Duration,
    /// At most so often a task.
    pub times: u32,
}

/// How a lane's tasks get to agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneOptions {
    /// Claimed first, or at once.
    pub start: Start,
    /// In a fast lane: offers out at once.
    pub window: usize,
}

impl Default for LaneOptions {
    fn default() -> Self {
        LaneOptions {
            start: Start::Claim,
            window: 1_000,
        }
    }
}

/// How tasks of a kind become parts that are done in their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decompose {
    /// As this workflow file says.
    Template(String),
    /// As their agent says, when it answers with a workflow.
    Agent,
}

/// What the orchestrator is started with.
#[derive(Clone)]
pub struct Options {
    /// The prefix of everything in a broker; one store each.
    pub namespace: Namespace,
    /// Timers.
    pub timers: Timers,
    /// Retry policies of tasks that bring none.
    pub policies: Policies,
    /// Which kinds have a circuit breaker.
    pub breakers: Rules,
    /// Lanes that are not as all others.
    pub lanes: BTreeMap<Lane, LaneOptions>,
    /// How long things are kept.
    pub retention: Retention,
    /// Dead letters tried again by rule.
    pub auto_requeue: Option<AutoRequeue>,
    /// JSON Schemas of inputs, checked at submit.
    pub schemas: BTreeMap<Kind, Arc<jsonschema::Validator>>,
    /// Kinds whose tasks may open children by their own token.
    pub may_spawn: BTreeSet<Kind>,
    /// Kinds whose tasks are decomposed.
    pub decompose: BTreeMap<Kind, Decompose>,
    /// What may last how long before it is an alert.
    pub patience: Patience,
    /// Where alerts go, beside the stream.
    pub alerts: Option<Arc<dyn AlertSink>>,
    /// Makes the tokens of running programs.
    pub tokens: crate::token::TaskTokens,
    /// Submissions being worked on at once; more are refused as overloaded.
    pub submissions: usize,
    /// Callers that wait for tasks to end, at up to 100 tasks each (more tasks count as more callers); more are refused
    /// as overloaded.
    pub waiters: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            namespace: Namespace::default(),
            timers: Timers::default(),
            policies: Policies::default(),
            breakers: Rules::default(),
            lanes: BTreeMap::new(),
            retention: Retention::default(),
            auto_requeue: None,
            schemas: BTreeMap::new(),
            may_spawn: BTreeSet::new(),
            decompose: BTreeMap::new(),
            patience: Patience::default(),
            alerts: None,
            tokens: crate::token::TaskTokens::default(),
            submissions: 1_024,
            waiters: 4_096,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}
