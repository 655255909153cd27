//! The configuration: flags > environment > `warrener.toml` > defaults, and where every value came from.
//!
//! One table ([`keys`]) says which settings there are. [`file`] and [`environment`] read a layer each, [`layers`] puts
//! them over each other, [`resolve`] checks the whole and makes the plain [`Config`] below. [`show`] and [`schema`]
//! print the table and the values. Mistakes are collected, each with its place; nothing is guessed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use warrener_engine::LaneOptions;
use warrener_model::Class;
use warrener_model::agent::Role;
use warrener_model::breaker::Rules;
use warrener_model::name::{AgentId, Capability, Kind, Lane, Namespace};
use warrener_model::retry::Overrides;

pub(crate) mod keys;
pub(crate) mod layers;
pub(crate) mod value;
pub(crate) use layers::{Settings, Sources};
pub(crate) mod environment;
pub(crate) mod file;
pub(crate) mod resolve;
pub(crate) mod schema;
pub(crate) mod show;
#[cfg(test)]
mod tests;

/// Everything that can be set, checked. Plain data: what it means is decided where it is used.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    /// Prefix of every queue and exchange.
    pub(crate) namespace: Namespace,
    /// The data folder.
    pub(crate) data_dir: PathBuf,
    /// The bearer token, if one is set; else the data folder's is used.
    pub(crate) token: Option<String>,
    /// Certificates of authorities to trust beside the system's.
    pub(crate) ca: Option<PathBuf>,
    /// The broker.
    pub(crate) broker: Broker,
    /// How RabbitMQ is reached, if it is the broker.
    pub(crate) rabbit: Rabbit,
    /// The store: `sqlite` or a `postgres://` URL.
    pub(crate) store: Store,
    /// Where the server listens and is found.
    pub(crate) server: Server,
    /// Who `agent run` is, where the command line does not say.
    pub(crate) agent: Identity,
    /// Lanes with settings of their own.
    pub(crate) lanes: BTreeMap<Lane, LaneOptions>,
    /// Kinds with settings of their own.
    pub(crate) kinds: BTreeMap<Kind, KindConfig>,
    /// Which kinds have a circuit breaker.
    pub(crate) breakers: Rules,
    /// Changes to the retry policies.
    pub(crate) retry: Overrides,
    /// Where alerts go.
    pub(crate) alert: Option<Alert>,
    /// What may last how long before it is an alert.
    pub(crate) patience: Patience,
    /// Dead letters.
    pub(crate) dead: Dead,
    /// Timers of protocol.md section 7.
    pub(crate) timers: Timers,
    /// How long things are kept.
    pub(crate) retention: Retention,
    /// The team that `up` starts.
    pub(crate) agents: Vec<AgentConfig>,
}

/// Which broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Broker {
    /// In the server's memory.
    Embedded,
    /// RabbitMQ, at this `amqp://` or `amqps://` URL.
    Amqp(String),
}

/// See `[broker]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rabbit {
    /// Certificates of authorities to trust.
    pub(crate) ca: Option<PathBuf>,
    /// This end's certificate.
    pub(crate) cert: Option<PathBuf>,
    /// Its private key.
    pub(crate) key: Option<PathBuf>,
    /// How long making a connection may take.
    pub(crate) connect: Duration,
    /// How often both ends show that they live.
    pub(crate) heartbeat: Duration,
    /// The longest wait before the next try.
    pub(crate) reconnect: Duration,
}

/// Which store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    /// A file in the data folder.
    Sqlite,
    /// PostgreSQL, at this URL.
    Postgres(String),
}

/// See `[server]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// Where clients and agents find it, if that is set.
    pub(crate) url: Option<String>,
    /// A proxy in front of it does TLS.
    pub(crate) behind_proxy: bool,
    /// It does TLS itself.
    pub(crate) tls: Option<Tls>,
}

/// Files of a server that does TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tls {
    /// The certificate, and those between it and an authority.
    pub(crate) cert: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

/// See `AGENT_ID` and `AGENT_NAME`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Its id.
    pub(crate) id: Option<AgentId>,
    /// Its name.
    pub(crate) name: Option<String>,
}

/// See `[kind.X]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KindConfig {
    /// A file with the JSON Schema of its input; relative paths start at the configuration file.
    pub(crate) input_schema: Option<PathBuf>,
    /// Its tasks may open children.
    pub(crate) may_spawn: bool,
    /// Its tasks are decomposed so.
    pub(crate) decompose: Option<DecomposeBy>,
}

/// See `[kind.X] decompose`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DecomposeBy {
    /// By the workflow that its agent answers with.
    Agent,
    /// By a template that comes with the program.
    Builtin(&'static str),
    /// By this workflow file; relative paths start at the configuration file.
    File(PathBuf),
}

/// See `[alert]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Alert {
    /// Gets the alert as JSON on stdin.
    Command(Vec<String>),
    /// Gets it as the body of a POST.
    Webhook(String),
}

/// See `[alert]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// Work that no agent serves.
    pub(crate) no_capable_agent: Duration,
    /// A broker that takes nothing.
    pub(crate) broker_blocked: Duration,
    /// What happens again to the same subject.
    pub(crate) quiet: Duration,
}

/// See `[dead]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dead {
    /// How long dead letters are kept.
    pub(crate) keep: Duration,
    /// Those that are tried again by rule.
    pub(crate) auto_requeue: Option<AutoRequeue>,
}

/// See `dead.auto_requeue`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AutoRequeue {
    /// Only of this class.
    pub(crate) class: Class,
    /// Only if it died less than this ago.
    pub(crate) younger: Duration,
    /// At most so often a task.
    pub(crate) times: u32,
}

/// See `[timers]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Timers {
    /// An agent repeats a claim that was not answered after this.
    pub(crate) claim_repeat: Duration,
    /// A claim that no server took in this time is gone.
    pub(crate) claim_ttl: Duration,
    /// A grant that comes later than this after its claim is claimed again.
    pub(crate) grant_fresh: Duration,
    /// How long a holder may take to answer before another run gets its task.
    pub(crate) grace: Duration,
    /// An outcome that was not answered is sent again after this.
    pub(crate) outcome_again: Duration,
    /// An offer that nobody claimed in this time is made again.
    pub(crate) offer_overdue: Duration,
    /// A fast offer that left its queue, and that nobody spoke of for this long, is made again.
    pub(crate) fast_overdue: Duration,
    /// A delivery is acknowledged within this.
    pub(crate) handoff: Duration,
    /// Agents send heartbeats this often.
    pub(crate) heartbeat: Duration,
    /// A run that nobody lists for this long is lost.
    pub(crate) lease: Duration,
    /// A publish is confirmed within this, or unknown.
    pub(crate) confirm: Duration,
    /// No result may wait longer than this when a lease is judged.
    pub(crate) caught_up: Duration,
    /// The server looks at leases this often.
    pub(crate) sweep: Duration,
    /// An agent says hello this often until it is welcome.
    pub(crate) hello: Duration,
}

/// See `[retention]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retention {
    /// Tasks that ended, but dead ones.
    pub(crate) finished: Duration,
    /// Idempotency keys.
    pub(crate) keys: Duration,
    /// Agents that are gone.
    pub(crate) agents: Duration,
}

/// See `[[agent]]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AgentConfig {
    /// Its id and name.
    pub(crate) name: AgentId,
    /// What it may do.
    pub(crate) role: Role,
    /// The lanes it serves.
    pub(crate) lanes: Vec<Lane>,
    /// The kinds it can run; empty is any.
    pub(crate) kinds: Vec<Kind>,
    /// What it is good at.
    pub(crate) capabilities: BTreeMap<Capability, f64>,
    /// How many tasks it runs at once.
    pub(crate) concurrency: u32,
    /// The command.
    pub(crate) run: Vec<String>,
    /// Where the command runs; a new folder for each task unless said.
    pub(crate) cwd: Option<PathBuf>,
}
