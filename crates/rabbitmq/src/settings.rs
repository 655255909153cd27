//! How to reach a broker, as whom, and how patient to be. Every wait and every bound is here.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use warrener_model::agent::Who;
use warrener_model::name::Namespace;

/// What this process is to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Makes the topology, offers tasks, reads the inboxes.
    Server,
    /// Reads offers and its own control address, speaks to the inboxes.
    Agent(Who),
}

/// How many messages may wait in each sort of queue. Part of the topology: all servers of a namespace have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Offers of a lane; more are refused.
    pub offers: u32,
    /// Claims and outcomes; more are refused.
    pub results: u32,
    /// Hello, heartbeat, bye; more push out the oldest.
    pub presence: u32,
    /// Log and progress; more push out the oldest.
    pub signals: u32,
    /// Submissions; more are refused.
    pub submit: u32,
    /// Dead letters; more wait where they died.
    pub dead: u32,
    /// For each boot of an agent; more are refused.
    pub control: u32,
    /// Copies for each watcher; more push out the oldest.
    pub topic: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            offers: 100_000,
            results: 1_000_000,
            presence: 100_000,
            signals: 100_000,
            submit: 1_000_000,
            dead: 1_000_000,
            control: 10_000,
            topic: 1_000,
        }
    }
}

/// See the module.
#[derive(Clone)]
pub struct Settings {
    /// `amqp://user:password@host:port/vhost` or `amqps://…`. Never printed.
    pub url: String,
    /// The first word of every queue and exchange.
    pub namespace: Namespace,
    /// What this process is.
    pub role: Role,
    /// The authority that signed the broker's certificate, as PEM; none is the system's.
    pub ca: Option<PathBuf>,
    /// This end's certificate, as PEM: it logs in (SASL EXTERNAL) where the URL names no user.
    pub cert: Option<PathBuf>,
    /// The key of that certificate, as PEM.
    pub key: Option<PathBuf>,
    /// How long a connection may take to be made.
    pub connect_deadline: Duration,
    /// How long the broker may take to answer a request that is no publish.
    pub answer_deadline: Duration,
    /// How long a published message may go unconfirmed before it is `Unknown`.
    pub confirm_deadline: Duration,
    /// How often a connection shows that it lives; two without a sign end it. Whole seconds.
    pub heartbeat: Duration,
    /// How many published messages may be unconfirmed at once on a channel.
    pub window: usize,
    /// A channel that hears only refusals is made anew after so many.
    pub nacks_max: u32,
    /// The first wait before a new connection; the next are longer, each a random part of its time.
    pub backoff_base: Duration,
    /// The longest wait before a new connection.
    pub backoff_max: Duration,
    /// How much may wait where.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: "amqp://127.0.0.1:5672/%2f".into(),
            namespace: Namespace::default(),
            role: Role::Server,
            ca: None,
            cert: None,
            key: None,
            connect_deadline: Duration::from_secs(10),
            answer_deadline: Duration::from_secs(10),
            confirm_deadline: Duration::from_secs(10),
            heartbeat: Duration::from_secs(10),
            window: 256,
            nacks_max: 64,
            backoff_base: Duration::from_millis(100),
            backoff_max: Duration::from_secs(2),
            limits: Limits::default(),
        }
    }
}

impl Settings {
    pub(crate) fn is_server(&self) -> bool {
        self.role == Role::Server
    }

    /// How long a claim of the namespace may take: others may be at it, and its queue may be choosing a leader.
    pub(crate) fn claim_deadline(&self) -> Duration {
        self.answer_deadline.max(self.confirm_deadline) * 3
    }

    /// How long what stands on a connection may take to be built: a claim, and as long for the topology.
    pub(crate) fn build_deadline(&self) -> Duration {
        self.claim_deadline() * 2
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("namespace", &self.namespace)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}
